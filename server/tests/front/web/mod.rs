//! The pages over a server that runs: the guard before every one of them, the login, the forms and what they change.

mod bmc;
mod bmc_redfish;
mod browser;
mod jobs;

use browser::Browser;
use higuma::config::{Config, Flags};
use higuma::domain::boot::{Boot, Event, EventState, Phase};
use higuma::domain::identity::{Identity, Source};
use higuma::domain::image::{Arch, Image, Part, Role};
use higuma::domain::node::{Admission, Node};
use higuma::domain::node_event::{Kind, Notice, Severity};
use higuma::domain::profile::{Profile, Spec, Words};
use higuma::domain::{NodeUuid, Sha256};
use higuma::serve;
use higuma::store::{Store, StoredInventory, StoredVersion, Tx};
use std::path::Path;
use tokio_util::sync::CancellationToken;

const UUID: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";

const NEW_BOARDS: [&str; 2] = ["5c4c4544-0046-3010-8052-b4c04f4a4d40", "5c4c4544-0046-3010-8052-b4c04f4a4d41"];

/// Two versions of its inventory, and an event about it.
fn hardware(tx: &mut Tx<'_>, node: &NodeUuid, now: i64) -> higuma::error::Result<()> {
    for (number, bios) in [(1, "1.9.2"), (2, "<2.1.0>")] {
        let json = format!("{{\"bios\":{{\"version\":\"{bios}\"}}}}");
        let hash = Sha256::of(&json);
        let size = json.len() as u64;
        let version = StoredVersion { number, hash, size, changes: number, at: now, last_seen: now };
        tx.put_inventory(node, &StoredInventory { version, json, unread: Default::default() })?;
    }
    let message = "BIOS 1.9.2 -> <2.1.0>".to_owned();
    let notice = Notice { kind: Kind::Hardware, severity: Severity::Warning, subject: "bios".into(), message };
    tx.raise(uuid::Uuid::from_u128(1), node, &notice, now)?;
    let (subject, message) = ("dimm:B1".into(), "DIMM B1 is gone".to_owned());
    let notice = Notice { kind: Kind::Hardware, severity: Severity::Warning, subject, message };
    tx.raise(uuid::Uuid::from_u128(2), node, &notice, now).map(drop)
}

/// A pending node, a failed one and a profile.
async fn seed(url: &str) {
    let store = Store::open(url).unwrap();
    let uuid: NodeUuid = UUID.parse().unwrap();
    let now = jiff::Timestamp::now().as_microsecond();
    store
        .write(move |tx| {
            let blob = Sha256::of("kernel");
            tx.put_blob(&blob, 6, now)?;
            tx.insert_image(&Image {
                reference: "debian:12".parse()?,
                arch: Arch::X86_64,
                cmdline: "".parse()?,
                kernel_release: "6.1".into(),
                parts: [Role::Kernel, Role::Initrd].map(|role| Part { role, sha256: blob.clone(), size: 6 }).to_vec(),
                created: now,
                kept: Default::default(),
            })?;
            tx.insert_profile_revision(&Profile {
                name: "web".parse()?,
                revision: 1,
                parent: None,
                words: Words::default(),
                spec: Spec { image: Some("debian:12".parse()?), ..Spec::default() },
                created: now,
                made_by: String::new(),
            })?;
            let mut node = Node::new(uuid.clone(), Admission::Pending, now);
            node.serial = "<script>alert(1)</script>".to_owned();
            let session = Sha256::of("session");
            let mut boot = Boot::new(uuid::Uuid::from_u128(7), uuid.clone(), session, "http://h:1".into(), now);
            boot.phase = Phase::Registered;
            node.boot = Some(boot.id);
            // The boot refers to the node, and the node to its boot.
            tx.put_node(&Node { boot: None, ..node.clone() })?;
            tx.put_boot(&boot)?;
            tx.put_node(&node)?;
            let event =
                |seq, step: &str, state| Event { seq, at: now, step: step.into(), state, message: "<u>".into() };
            let events = [event(0, "mounts", EventState::Started), event(1, "mounts", EventState::Ok)];
            tx.add_events(boot.id, &events, now, 10)?;
            // Two that may be it with another board.
            for name in NEW_BOARDS {
                let name: NodeUuid = name.parse()?;
                tx.put_node(&Node::new(name.clone(), Admission::Pending, now))?;
                tx.put_identity(&Identity {
                    node: name.clone(),
                    source: Source::Smbios,
                    claimed: name.clone(),
                    told: Some(name),
                    merge_candidate: Some(uuid.clone()),
                })?;
            }
            hardware(tx, &uuid, now)?;
            bmc::seed(tx, &uuid, now)?;
            tx.insert_job(&jobs::job(now)?, std::slice::from_ref(&uuid))
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_log_in_look_and_change() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let values = [
        ("data-dir", data.display().to_string()),
        ("http-listen", "127.0.0.1:0".to_owned()),
        ("https-listen", "127.0.0.1:0".to_owned()),
        ("grpc-listen", "127.0.0.1:0".to_owned()),
    ];
    let flags = Flags { values: values.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() };
    let config = Config::load(&flags, &|_| None, false).unwrap();
    seed(&config.database_url).await;
    let stop = CancellationToken::new();
    // With the server's own hands: the seeded job's next start is an hour away, so it waits.
    let running = serve::start_with(config, None, stop.clone()).await.unwrap();
    let https = running.https;
    let pages = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::new(&data, https);
        nothing_without_a_session(&browser);
        log_in(&mut browser, &data);
        look(&browser);
        // Before it is retired and taken back: then its BMC is asked at once.
        bmc::look(&browser);
        change(&browser);
        say_who_it_is(&browser);
        see_events(&browser);
        jobs::see(&browser);
        bmc::act(&browser);
        log_out(&mut browser);
    });
    pages.await.unwrap();
    stop.cancel();
    running.wait().await.unwrap();
}

fn nothing_without_a_session(browser: &Browser) {
    let node = format!("/nodes/{UUID}");
    let seen = browser.get(&format!("{node}?boot=x"));
    assert_eq!(
        (seen.status, seen.location.as_str()),
        (303, format!("/login?next=%2Fnodes%2F{UUID}%3Fboot%3Dx").as_str())
    );
    assert_eq!(browser.get("/").location, "/login");
    assert_eq!(browser.get("/firmware").location, "/login?next=%2Ffirmware");
    let seen = browser.post(&node, "same-origin", &[("action", "approve")]);
    assert_eq!(seen.status, 401, "{}", seen.body);
    assert_eq!(browser.post("/logout", "same-origin", &[]).status, 401);
    let seen = browser.get("/login");
    assert_eq!(seen.status, 200);
    let header = |name: &str| seen.headers.get(name).map(|v| v.to_str().unwrap()).unwrap_or_default();
    let csp = header("content-security-policy");
    assert!(csp.contains("default-src 'self'") && !csp.contains("unsafe") && csp.contains("frame-ancestors 'none'"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "same-origin");
    // Its style sheet, script and picture are there without a session.
    for part in seen.body.split('"').filter(|part| part.starts_with("/static/")) {
        let asset = browser.get(part);
        assert_eq!(asset.status, 200, "{part}");
        assert!(asset.headers.get("cache-control").unwrap().to_str().unwrap().contains("immutable"));
    }
}

fn log_in(browser: &mut Browser, data: &Path) {
    let token = std::fs::read_to_string(data.join("admin.token")).unwrap();
    for wrong in ["", "hunter2", &"0".repeat(64)] {
        let seen = browser.post("/login", "same-origin", &[("token", wrong)]);
        assert_eq!(seen.status, 401);
        assert!(seen.cookie.is_none() && seen.body.contains("role=\"alert\"") && seen.body.contains("name=\"token\""));
        assert!(!seen.body.contains("hunter2"));
    }
    let seen = browser.post("/login", "cross-site", &[("token", token.as_str())]);
    assert_eq!((seen.status, seen.cookie), (403, None));
    let seen = browser.post("/login", "same-origin", &[("token", token.as_str()), ("next", "//evil.example")]);
    assert_eq!((seen.status, seen.location.as_str()), (303, "/"));
    let cookie = seen.cookie.unwrap();
    for part in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(token.trim()), "the token itself is no cookie");
    browser.cookie = cookie.split(';').next().map(str::to_owned);
}

fn look(browser: &Browser) {
    let fleet = browser.get("/");
    assert_eq!(fleet.status, 200, "{}", fleet.body);
    assert!(fleet.body.contains("higuma first-stage build"), "why it is not ready: {}", fleet.body);
    assert!(fleet.body.contains("value=\"approve\"") && fleet.body.contains("<option>web</option>"), "{}", fleet.body);
    assert!(!fleet.body.contains("<script>") && fleet.body.contains("&#60;script&#62;"), "{}", fleet.body);
    assert!(fleet.body.contains("admin") && fleet.body.contains("/logout"));
    let fragment = browser.get("/?fragment=1");
    assert!(!fragment.body.contains("<html") && fragment.body.contains(UUID));
    let row = format!("id=\"n-{UUID}\"");
    assert!(!browser.get("/?lifecycle=running").body.contains(&row));
    assert!(browser.get("/?q=b4c04f4a4d32").body.contains(&row));
    assert_eq!(browser.get("/?lifecycle=sleeping").status, 400);
    assert!(browser.get("/?where=node.admission%20%3D%3D%20'pending'").body.contains(&row));
    assert!(!browser.get("/?where=node.retired").body.contains(&row));
    let wrong = browser.get("/?where=node.serail%20%3D%3D%20'x'");
    assert_eq!(wrong.status, 200, "the page stays: {}", wrong.body);
    assert!(wrong.body.contains("did you mean serial?") && wrong.body.contains("id=\"tiles\""), "{}", wrong.body);
    let rules = browser.get("/rules");
    assert!(rules.status == 200 && rules.body.contains("higuma rule add"), "{}", rules.body);
    let matching = format!("{} nodes match.", 1 + NEW_BOARDS.len());
    assert!(browser.get("/rules?when=node.admission%20%3D%3D%20'pending'").body.contains(&matching));
    assert!(browser.get("/rules?when=node.x").body.contains("id=\"when-error\""));
    let images = browser.get("/images");
    assert!(images.body.contains("href=\"/images/debian/12\""), "{}", images.body);
    let image = browser.get("/images/debian/12");
    assert!(image.body.contains("used by profiles: web"), "{}", image.body);
    assert_eq!(browser.get("/images/debian/13").status, 404);
    let profiles = browser.get("/profiles");
    assert!(profiles.body.contains("href=\"/profiles/web\""), "{}", profiles.body);
    let profile = browser.get("/profiles/web");
    assert!(profile.status == 200 && profile.body.contains("href=\"/profiles/web?to=1\""), "{}", profile.body);
    assert_eq!((browser.get("/profiles/none").status, browser.get("/profiles/web?from=9").status), (404, 404));
    assert_eq!(browser.get("/profiles/web?to=x").status, 400);
    let node = browser.get(&format!("/nodes/{UUID}"));
    assert!(node.body.contains("class=\"bar b-ok\"") && !node.body.contains("<u>"), "{}", node.body);
    let firmware = browser.get("/firmware?state=failed");
    assert!(firmware.status == 200 && firmware.body.contains("higuma firmware rule add"), "{}", firmware.body);
    assert_eq!(browser.get("/firmware?state=fine").status, 400);
    let other = browser.get("/nodes/00000000-0000-4000-8000-000000000000");
    assert_eq!(other.status, 404);
    assert!(other.body.contains("higuma node list"), "{}", other.body);
    let bad = browser.get("/nodes/xyz");
    assert!(bad.status == 400 && bad.body.contains("8-4-4-4-12"), "{}", bad.body);
}

fn change(browser: &Browser) {
    let node = format!("/nodes/{UUID}");
    let post = |form: &[(&str, &str)]| browser.post(&node, "same-origin", form);
    let seen = browser.post(&node, "cross-site", &[("action", "approve")]);
    assert_eq!(seen.status, 403, "a form of another site: {}", seen.body);

    let seen = post(&[("action", "approve"), ("profile", "web"), ("back", "lifecycle=discovered")]);
    assert_eq!((seen.status, seen.location.as_str()), (303, "/?lifecycle=discovered&done=assigned"));
    let page = browser.get(&format!("{node}?done=assigned"));
    assert!(page.body.contains("Profile assigned") && page.body.contains("s-assigned"), "{}", page.body);

    let seen = post(&[("action", "rename"), ("hostname", "hv-12")]);
    assert_eq!((seen.status, seen.location), (303, format!("{node}?done=renamed")));
    let seen = post(&[("action", "rename"), ("hostname", "-bad-")]);
    assert!(seen.status == 400 && seen.body.contains("RFC 1123") && seen.body.contains("hv-12"), "{}", seen.body);
    let seen = post(&[("action", "assign"), ("profile", "nothing")]);
    assert!(seen.status == 404 && seen.body.contains("higuma profile list"), "{}", seen.body);

    for (action, state) in [
        ("maintenance-on", "maintenance"),
        ("maintenance-off", "assigned"),
        ("reject", "discovered"),
        ("approve", "assigned"),
        ("assign", "ready"),
        ("retire", "retired"),
        ("restore", "ready"),
    ] {
        assert_eq!(post(&[("action", action)]).status, 303, "{action}");
        let page = browser.get(&node);
        assert!(page.body.contains(&format!("<span class=\"state s-{state}\">")), "{action}: {}", page.body);
    }
    let seen = post(&[("action", "firmware-retry")]);
    assert_eq!((seen.status, seen.location), (303, format!("{node}?done=firmware-retry")));
    assert!(browser.get(&format!("{node}?done=firmware-retry")).body.contains("counts no more"));
    assert_eq!(post(&[("action", "explode")]).status, 400);
}

fn say_who_it_is(browser: &Browser) {
    let [one, other] = NEW_BOARDS;
    let page = browser.get(&format!("/nodes/{UUID}"));
    for new in NEW_BOARDS {
        assert!(page.body.contains(&format!("action=\"/nodes/{new}\"")), "{}", page.body);
    }
    let post = |new: &str, form: &[(&str, &str)]| browser.post(&format!("/nodes/{new}"), "same-origin", form);
    let seen = post(one, &[("action", "merge"), ("into", "")]);
    assert!(seen.status == 400 && seen.body.contains("8-4-4-4-12"), "{}", seen.body);
    let seen = post(one, &[("action", "merge"), ("into", UUID)]);
    assert_eq!((seen.status, seen.location), (303, format!("/nodes/{UUID}?done=merged")));
    let seen = post(other, &[("action", "not-same"), ("into", UUID)]);
    assert_eq!((seen.status, seen.location), (303, format!("/nodes/{other}?done=not-same")));
    assert_eq!(post(other, &[("action", "not-same")]).status, 409);
    let page = browser.get(&format!("/nodes/{UUID}?done=merged"));
    assert!(page.body.contains("Merged.") && page.body.contains(one) && page.body.contains("hv-12"), "{}", page.body);
    assert!(!page.body.contains("value=\"merge\""), "{}", page.body);
    // The old address shows the node that it became.
    assert!(browser.get(&format!("/nodes/{one}")).body.contains("hv-12"));
}

fn see_events(browser: &Browser) {
    let node = format!("/nodes/{UUID}");
    for page in ["/", "/events", "/events?kind=hardware&state=all", node.as_str()] {
        let seen = browser.get(page);
        assert!(seen.status == 200 && seen.body.contains("BIOS 1.9.2 -&#62; &#60;2.1.0&#62;"), "{page}: {}", seen.body);
        assert!(seen.body.contains("action=\"/events\""), "{page}: {}", seen.body);
    }
    assert!(browser.get("/").body.contains(&format!("{node}#noticed")));
    assert!(!browser.get("/events?kind=cabling").body.contains("BIOS"));
    assert_eq!(browser.get("/events?kind=weather").status, 400);
    let page = browser.get(&node);
    assert!(page.body.contains("Inventory history") && page.body.contains(&format!("{node}/inventory?to=2")));
    let diff = browser.get(&format!("{node}/inventory?from=&to="));
    assert!(diff.body.contains("Version 1 to version 2: 1 change."), "{}", diff.body);
    assert!(diff.body.contains("1.9.2") && diff.body.contains("&#60;2.1.0&#62;"), "{}", diff.body);
    assert_eq!(browser.get(&format!("{node}/inventory?from=9")).status, 404);
    assert_eq!(browser.get(&format!("{node}/inventory?from=x")).status, 400);

    let id = uuid::Uuid::from_u128(1).to_string();
    let post = |site: &str, id: &str, back: &str| browser.post("/events", site, &[("id", id), ("back", back)]);
    assert_eq!(post("cross-site", &id, UUID).status, 403);
    assert_eq!(post("same-origin", "x", "").status, 400);
    assert_eq!(post("same-origin", &uuid::Uuid::from_u128(9).to_string(), "").status, 404);
    let seen = post("same-origin", &id, UUID);
    assert_eq!((seen.status, seen.location), (303, format!("{node}?done=seen#noticed")));
    assert!(browser.get("/").body.find("BIOS 1.9.2").is_none());
    assert!(browser.get(&node).body.contains("seen by admin"));
    // All of the page, from the newest that was shown on: a newer one stays.
    let open = |browser: &Browser| browser.get("/events?kind=hardware").body.contains("DIMM B1 is gone");
    let all_from = |browser: &Browser, id: &str| {
        let seen = [("id", id), ("all", "1"), ("back", "events?kind=hardware")];
        let seen = browser.post("/events", "same-origin", &seen);
        assert_eq!((seen.status, seen.location.as_str()), (303, "/events?kind=hardware&done=seen"));
    };
    all_from(browser, &id);
    assert!(open(browser));
    all_from(browser, &uuid::Uuid::from_u128(2).to_string());
    assert!(!open(browser));
}

fn log_out(browser: &mut Browser) {
    let seen = browser.post("/logout", "same-origin", &[]);
    assert_eq!((seen.status, seen.location.as_str()), (303, "/login"));
    // The session is gone on the server, not only in the browser.
    assert_eq!(browser.get("/").location, "/login");
}

/// A switch with a node behind it, as the pages show it; the button that accepts a moved cable.
#[test]
fn cabling_is_drawn_and_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let url = format!("sqlite:{}", dir.path().join("higuma.db").display());
    runtime.block_on(seed(&url));
    runtime.block_on(seed_cables(&url));
    let fixed = [
        ("data-dir", dir.path().to_str().unwrap()),
        ("http-listen", "127.0.0.1:0"),
        ("https-listen", "127.0.0.1:0"),
        ("grpc-listen", "127.0.0.1:0"),
        ("cabling-moved", "hold"),
    ];
    let flags = Flags { values: fixed.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() };
    let stop = CancellationToken::new();
    let config = Config::load(&flags, &|_| None, false).unwrap();
    let running = runtime.block_on(serve::start(config, stop.clone())).unwrap();
    let mut browser = Browser::new(dir.path(), running.https);
    assert_eq!(browser.get("/cabling").status, 303, "only for people who logged in");
    log_in(&mut browser, dir.path());

    let page = browser.get("/cabling");
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("<svg class=\"rack\"") && page.body.contains("moved, held"), "{}", page.body);
    assert!(page.body.contains("tor-&#60;1&#62;") && !page.body.contains("tor-<1>"), "{}", page.body);
    assert!(page.body.find("swp3").unwrap() < page.body.find("swp10").unwrap(), "ports as people count");
    let node = browser.get(&format!("/nodes/{UUID}"));
    assert!(node.body.contains("id=\"cabling-held\"") && node.body.contains("Accept the cabling"), "{}", node.body);
    let accept = format!("/nodes/{UUID}/cabling");
    assert_eq!(browser.post(&accept, "cross-site", &[]).status, 403);
    let seen = browser.post(&accept, "same-origin", &[]);
    assert_eq!((seen.status, seen.location), (303, format!("/nodes/{UUID}?done=cabling-accepted")));
    let node = browser.get(&format!("/nodes/{UUID}?done=cabling-accepted"));
    assert!(node.body.contains("Cabling accepted") && !node.body.contains("id=\"cabling-held\""), "{}", node.body);
    stop.cancel();
}

async fn seed_cables(url: &str) {
    use higuma::domain::cabling::{Link, Place};
    use higuma::store::{PortRow, SwitchRow};
    let store = Store::open(url).unwrap();
    let place = |port: &str| Place {
        chassis_id: "02:aa".into(),
        chassis_id_type: "mac_address".into(),
        port_id: port.into(),
        port_id_type: "interface_name".into(),
    };
    store
        .write(move |tx| {
            tx.put_switch(&SwitchRow {
                chassis_id: "02:aa".into(),
                chassis_id_type: "mac_address".into(),
                name: "tor-<1>".into(),
                description: String::new(),
                addresses: vec![],
                first_seen: 1,
                last_seen: 1,
            })?;
            for (port, accepted) in [("swp10", true), ("swp3", false)] {
                let (description, pvid) = (String::new(), 0);
                tx.put_switch_port(&PortRow { place: place(port), description, pvid, first_seen: 1, last_seen: 1 })?;
                tx.add_link(&Link {
                    id: uuid::Uuid::now_v7(),
                    node: UUID.parse()?,
                    mac: "52:54:00:00:00:01".parse()?,
                    interface: "eth0".into(),
                    place: place(port),
                    accepted,
                    boot: uuid::Uuid::now_v7(),
                    first_seen: 1,
                    last_seen: 1,
                    ended: None,
                })?;
            }
            Ok(())
        })
        .await
        .unwrap();
}
