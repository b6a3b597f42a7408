//! Enrolment over the JSON API and the page, with a server that does the work by itself and a simulated BMC.

use super::fixture::Server;
use higuma_ipmi::Password;
use higuma_ipmi::sim::{Settings, SimBmc, User};
use serde_json::{Value, json};
use std::time::Duration;

const PASSWORD: &str = "factory-7";

#[test]
fn a_file_is_checked_taken_and_worked_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let users = vec![User { name: "ADMIN".into(), password: Password::new(PASSWORD.into()) }];
    let settings = Settings { users, ..Settings::default() };
    let bmc = runtime.block_on(SimBmc::start(([127, 0, 9, 1], 0).into(), settings)).unwrap();
    let server = Server::start(&[]);
    let c = &server.client;
    let post = |text: &str, dry_run: bool| {
        let body = json!({ "format": "csv", "text": text, "dry_run": dry_run });
        c.admin("POST", "/api/v1/enrolments", Some(body))
    };
    let bad = post("address,user,password\nx,ADMIN,geheim\n10.0.0.1,,geheim\n", false).expect(400).json().to_string();
    assert!(
        bad.contains("line 2: BMC address") && bad.contains("line 3: BMC user") && !bad.contains("geheim"),
        "{bad}"
    );
    let good = format!("address,port,user,password\n127.0.9.1,{},ADMIN,{PASSWORD}\n", bmc.address.port());
    let checked = post(&good, true).expect(200).json();
    assert_eq!((&checked["new"], &checked["written"]), (&json!(1), &json!(false)));
    let list = || c.admin("GET", "/api/v1/enrolments", None).expect(200).json();
    assert_eq!(list()["items"], json!([]));
    let batch = post(&good, false).expect(200).json()["batch"].as_str().unwrap().to_owned();
    let counts = || c.admin("GET", &format!("/api/v1/enrolments/counts?batch={batch}"), None).expect(200).json();
    while counts()["booting"] != 1 {
        assert_eq!(counts()["failed"], 0, "{}", list());
        std::thread::sleep(Duration::from_millis(20));
    }
    // What is about to be done is written down first; and while it is done nobody may have it tried again.
    while !list()["items"][0]["next_us"].is_null() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(bmc.hardware(|h| h.power));
    let all = list();
    assert_eq!(all["items"][0]["state"], "booting");
    assert!(!all.to_string().contains(PASSWORD));
    let one = |state: &str| c.admin("GET", &format!("/api/v1/enrolments?state={state}"), None).expect(200).json();
    assert_eq!(one("failed")["items"], json!([]));
    c.admin("GET", "/api/v1/enrolments?state=lost", None).expect(400);
    let cancelled: Value = c.admin("POST", "/api/v1/enrolments/127.0.9.1/cancel", None).expect(200).json();
    assert_eq!((&cancelled["state"], &cancelled["reason"]), (&json!("cancelled"), &json!("cancelled by admin")));
    c.admin("POST", "/api/v1/enrolments/127.0.9.9/cancel", None).expect(404);
    let again = c.admin("POST", "/api/v1/enrolments/127.0.9.1/retry", Some(json!({ "restart": false }))).expect(200);
    assert_eq!(again.json()["state"], "waiting");
}
