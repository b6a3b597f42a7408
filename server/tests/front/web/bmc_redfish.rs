//! The page of hardware, firmware and virtual media over a server and a simulated Redfish BMC.

use super::browser::Browser;
use super::{UUID, log_in, seed};
use crate::fake_redfish::{DRIVE, Fake, PASSWORD, Reply, SYSTEM, USER, status};
use higuma::config::{Config, Flags};
use higuma::serve;
use serde_json::json;
use std::path::Path;
use tokio_util::sync::CancellationToken;

const INSERT: &str = "POST /redfish/v1/Systems/1/VirtualMedia/Cd1/Actions/Insert";
const EJECT: &str = "POST /redfish/v1/Systems/1/VirtualMedia/Cd1/Actions/Eject";
const URL: &str = "https://s3.example/a.iso?sig=hunter2";

/// Parts, firmware, and a virtual drive.
fn furnish(fake: &Fake) {
    let id = |path: &str| json!({"@odata.id": path});
    fake.add_drive();
    let (memory, dimm) = ("/redfish/v1/Systems/1/Memory", "/redfish/v1/Systems/1/Memory/1");
    fake.merge(SYSTEM, json!({"Memory": id(memory), "BiosVersion": "U46 <b>"}));
    fake.put(memory, json!({"Members": [id(dimm)]}));
    let module = json!({"@odata.id": dimm, "Id": "1", "DeviceLocator": "DIMM A1", "CapacityMiB": 32768,
        "MemoryDeviceType": "DDR5", "SerialNumber": "<script>7</script>"});
    fake.put(dimm, module);
    let (inventory, bios) =
        ("/redfish/v1/UpdateService/FirmwareInventory", "/redfish/v1/UpdateService/FirmwareInventory/Bios");
    fake.put("/redfish/v1/UpdateService", json!({"FirmwareInventory": id(inventory)}));
    fake.put(inventory, json!({"Members": [id(bios)]}));
    fake.put(
        bios,
        json!({"@odata.id": bios, "Id": "Bios", "Name": "System ROM", "Version": "2.10", "Updateable": true}),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hardware_and_virtual_media() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::secure().await;
    furnish(&fake);
    let fixed = [
        ("data-dir", dir.path().to_str().unwrap()),
        ("http-listen", "127.0.0.1:0"),
        ("https-listen", "127.0.0.1:0"),
        ("grpc-listen", "127.0.0.1:0"),
    ];
    let flags = Flags { values: fixed.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() };
    let config = Config::load(&flags, &|_| None, false).unwrap();
    seed(&config.database_url).await;
    let stop = CancellationToken::new();
    let running = serve::start(config, stop.clone()).await.unwrap();
    let (data, https) = (dir.path().to_owned(), running.https);
    let pages = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::new(&data, https);
        without_a_session(&browser);
        log_in(&mut browser, &data);
        without_a_bmc(&browser);
        set(&browser, &data, &fake);
        read(&browser);
        attach(&browser, &fake);
        detach(&browser, &fake);
        in_trouble(&browser, &fake);
        by_ipmi(&browser, &data, &fake);
    });
    pages.await.unwrap();
    stop.cancel();
    running.wait().await.unwrap();
}

fn address() -> String {
    format!("/nodes/{UUID}/bmc/redfish")
}

fn set(browser: &Browser, data: &Path, fake: &Fake) {
    let bmc =
        json!({"address": "127.0.0.1", "port": fake.port(), "protocol": "redfish", "user": USER, "password": PASSWORD});
    let seen = browser.api_put(data, &format!("/api/v1/nodes/{UUID}/bmc"), &bmc);
    assert!(seen.status == 200 && seen.body.contains("managed"), "{} {}", seen.status, seen.body);
}

fn without_a_session(browser: &Browser) {
    let seen = browser.get(&address());
    assert_eq!((seen.status, seen.location.starts_with("/login?next=")), (303, true));
    assert_eq!(browser.post(&address(), "same-origin", &[("action", "attach"), ("url", URL)]).status, 401);
}

fn without_a_bmc(browser: &Browser) {
    let seen = browser.get(&address());
    assert!(seen.status == 200 && seen.body.contains("id=\"no-answer\""), "{} {}", seen.status, seen.body);
    assert!(seen.body.contains("there is no credential for this BMC"), "{}", seen.body);
    let other = "/nodes/00000000-0000-4000-8000-000000000000/bmc/redfish";
    assert_eq!((browser.get(other).status, browser.post(other, "same-origin", &[]).status), (404, 404));
    assert_eq!(browser.get("/nodes/xyz/bmc/redfish").status, 400);
}

fn read(browser: &Browser) {
    let link = format!("href=\"{}\"", address());
    assert!(browser.get(&format!("/nodes/{UUID}")).body.contains(&link));
    assert!(browser.get(&format!("/nodes/{UUID}/bmc")).body.contains(&link));
    let seen = browser.get(&address());
    assert_eq!(seen.status, 200, "{}", seen.body);
    for text in
        ["DIMM A1", "32 GiB", "DDR5", "Acme", "U46 &#60;b&#62;", "System ROM", "2.10", "Cd1", "CD, DVD", "empty"]
    {
        assert!(seen.body.contains(text), "{text}: {}", seen.body);
    }
    assert!(seen.body.contains("Read 2") && seen.body.contains(", in "), "when, and how long: {}", seen.body);
    assert!(!seen.body.contains("<script>7") && !seen.body.contains("id=\"boot-offer\""), "{}", seen.body);
}

fn attach(browser: &Browser, fake: &Fake) {
    let form = [("action", "attach"), ("url", URL), ("slot", "")];
    assert_eq!(browser.post(&address(), "cross-site", &form).status, 403);
    assert!(fake.seen(INSERT).is_empty());
    let seen = browser.post(&address(), "same-origin", &form);
    assert_eq!(
        (seen.status, seen.location),
        (303, format!("{}?done=media-attached#media", address())),
        "{}",
        seen.body
    );
    assert_eq!(fake.seen(INSERT)[0].body["Image"], URL, "the BMC needs it whole");
    fake.merge(DRIVE, json!({"Image": URL, "Inserted": true}));
    let page = browser.get(&format!("{}?done=media-attached", address())).body;
    assert!(
        page.contains("Attached.") && page.contains("https://s3.example/a.iso?...") && page.contains("read-only"),
        "{page}"
    );
    assert!(!page.contains("hunter2") && page.contains("value=\"detach\""), "{page}");
    let node = browser.get(&format!("/nodes/{UUID}")).body;
    assert!(node.contains("admin attached https://s3.example/a.iso?...") && !node.contains("hunter2"), "{node}");

    // Start from it: the offer's button makes the job at once.
    assert!(page.contains("id=\"boot-offer\"") && page.contains("value=\"boot-device cd once\""), "{page}");
    let job = [("node", UUID), ("action", "boot-device cd once"), ("request", "cd1")];
    let made = browser.post("/jobs", "same-origin", &job);
    assert!(made.status == 303 && made.location.starts_with("/jobs/"), "{} {}", made.status, made.body);

    let bad = browser.post(&address(), "same-origin", &[("action", "attach"), ("url", "https://u:hunter2@nas/a")]);
    assert!(bad.status == 400 && bad.body.contains("without user and password"), "{} {}", bad.status, bad.body);
    assert!(!bad.body.contains("hunter2") && bad.body.contains("id=\"f-attach\""), "{}", bad.body);
}

fn detach(browser: &Browser, fake: &Fake) {
    for wrong in [&[("action", "detach")][..], &[("action", "explode")], &[]] {
        assert_eq!(browser.post(&address(), "same-origin", wrong).status, 400, "{wrong:?}");
    }
    assert!(fake.seen(EJECT).is_empty());
    let seen = browser.post(&address(), "same-origin", &[("action", "detach"), ("slot", "Cd1")]);
    assert_eq!(
        (seen.status, seen.location),
        (303, format!("{}?done=media-detached#media", address())),
        "{}",
        seen.body
    );
    assert_eq!(fake.seen(EJECT).len(), 1);
    fake.merge(DRIVE, json!({"Image": null, "Inserted": false}));
    assert!(!browser.get(&address()).body.contains("value=\"detach\""));
}

fn in_trouble(browser: &Browser, fake: &Fake) {
    // The BMC refuses, in its own words.
    fake.next(INSERT, status(409, "The image <i>cannot be fetched"));
    let form = [("action", "attach"), ("url", "http://10.0.0.1/a.iso"), ("slot", "Cd1")];
    let seen = browser.post(&address(), "same-origin", &form);
    assert!(seen.status == 503 && seen.body.contains("The image &#60;i&#62;cannot be fetched"), "{}", seen.body);
    assert!(seen.body.contains("value=\"http://10.0.0.1/a.iso\"") && seen.body.contains("Read again"), "{}", seen.body);
    // The connection breaks after it was sent.
    fake.next(INSERT, Reply::Raw(vec![]));
    let seen = browser.post(&address(), "same-origin", &form);
    assert!(seen.status == 503 && seen.body.contains("asking again is safe"), "{}", seen.body);

    // One part fails: the others are there.
    fake.change(|state| state.resources.remove("/redfish/v1/UpdateService"));
    let page = browser.get(&address()).body;
    assert!(page.contains("id=\"firmware-trouble\"") && page.contains("DIMM A1"), "{page}");
    fake.change(|state| state.password = "changed".into());
    fake.change(|state| state.tokens.clear());
    let page = browser.get(&address()).body;
    assert!(page.contains("id=\"no-answer\"") && page.contains("Log in now") && !page.contains("DIMM A1"), "{page}");
}

fn by_ipmi(browser: &Browser, data: &Path, fake: &Fake) {
    let before = fake.seen_all();
    let ipmi = json!({"protocol": "ipmi", "port": 1});
    browser.api_put(data, &format!("/api/v1/nodes/{UUID}/bmc"), &ipmi);
    let page = browser.get(&address()).body;
    assert!(page.contains("reached by IPMI") && page.contains("--protocol redfish"), "{page}");
    assert!(!browser.get(&format!("/nodes/{UUID}")).body.contains(&address()), "no link to what is not there");
    assert_eq!(fake.seen_all(), before);
}
