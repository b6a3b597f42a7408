//! What only Redfish has, through the use cases, with a simulated BMC over TLS: virtual media and their traces, the event log.

use crate::common::Lab;
use crate::fake_redfish::{DRIVE, Fake, PASSWORD, Reply, SYSTEM, USER, status};
use higuma::domain::NodeUuid;
use higuma::domain::node::AdmissionPolicy;
use higuma::service::bmc;
use higuma::service::node_events::{self, NodeEventQuery};
use higuma_proto::api::{AttachMedia, SetBmc};
use serde_json::json;
use std::time::Duration;

const INSERT: &str = "POST /redfish/v1/Systems/1/VirtualMedia/Cd1/Actions/Insert";
const URL: &str = "https://s3.example/a.iso?sig=hunter2";

fn uuid() -> NodeUuid {
    "4c4c4544-0046-3010-8052-b4c000000001".parse().unwrap()
}

/// A server, and a BMC with a virtual drive that it manages.
async fn rig() -> (Lab, Fake) {
    let lab = crate::common::lab(|s| s.admission = AdmissionPolicy::Auto).await;
    let fake = Fake::secure().await;
    fake.add_drive();
    crate::common::power_on(&lab.app, &uuid()).await;
    let set = SetBmc {
        address: Some("127.0.0.1".into()),
        port: Some(fake.port()),
        protocol: Some("redfish".into()),
        user: Some(USER.into()),
        password: Some(PASSWORD.into()),
        forget_certificate: false,
    };
    assert_eq!(bmc::set(&lab.app, uuid(), set).await.unwrap().summary.state, "managed");
    (lab, fake)
}

/// What is written down of virtual media, newest first.
async fn traces(lab: &Lab) -> Vec<String> {
    let events = node_events::list(&lab.app, NodeEventQuery::default()).await.unwrap().items;
    events.into_iter().filter(|e| e.subject == "virtual-media").map(|e| e.message).collect()
}

fn image() -> AttachMedia {
    AttachMedia { url: URL.into(), slot: None }
}

#[tokio::test]
async fn who_attaches_and_detaches_leaves_a_trace() {
    let (lab, fake) = rig().await;
    let app = &lab.app;
    assert_eq!(bmc::attach(app, uuid(), image(), "ann").await.unwrap(), "Cd1");
    assert_eq!(fake.seen(INSERT)[0].body["Image"], URL, "whole");
    fake.merge(DRIVE, json!({"Image": URL, "Inserted": true}));
    let drives = bmc::media(app, uuid()).await.unwrap().items;
    assert_eq!((drives[0].image.as_str(), drives[0].inserted), ("https://s3.example/a.iso?...", true));
    assert_eq!(bmc::detach(app, uuid(), Some("Cd1".into()), "bob").await.unwrap(), 1);
    fake.merge(DRIVE, json!({"Image": null, "Inserted": false}));
    assert_eq!(bmc::detach(app, uuid(), None, "bob").await.unwrap(), 0);
    let told = [
        "bob found no virtual media to detach",
        "bob asks the BMC to detach virtual media from all drives",
        "bob detached virtual media from 1 drive",
        "bob asks the BMC to detach virtual media from drive Cd1",
        "ann attached https://s3.example/a.iso?... as virtual media in Cd1",
        "ann asks the BMC to attach https://s3.example/a.iso?... as virtual media",
    ];
    assert_eq!(traces(&lab).await, told);

    // What is no order is no event, and nothing of it is asked.
    let bad = AttachMedia { url: "file:///etc/passwd".into(), slot: None };
    assert!(bmc::attach(app, uuid(), bad, "ann").await.is_err());
    assert_eq!((traces(&lab).await.len(), fake.seen(INSERT).len()), (6, 1));
}

#[tokio::test]
async fn an_unclear_end_is_told_and_leaves_a_trace() {
    let (lab, fake) = rig().await;
    let app = &lab.app;
    // The BMC takes it and says nothing: time is moved on when it has it.
    fake.next(INSERT, Reply::Silence);
    let late = async {
        while fake.seen(INSERT).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
    };
    let (attached, ()) = tokio::join!(bmc::attach(app, uuid(), image(), "ann"), late);
    let error = attached.unwrap_err().to_string();
    assert!(error.contains("not answered within 30 s") && error.contains("asking again is safe"), "{error}");
    assert!(error.contains("may still be done") && !error.contains("hunter2"), "{error}");
    let told = traces(&lab).await;
    assert!(told.len() == 2 && told[0].contains("is not known") && told[1].starts_with("ann asks"), "{told:?}");

    // Again: this time it refuses; that is clear.
    fake.always(INSERT, status(409, &format!("The image {URL} cannot be fetched")));
    let error = bmc::attach(app, uuid(), image(), "ann").await.unwrap_err().to_string();
    assert!(error.contains("cannot be fetched") && !error.contains("asking again"), "{error}");
    let told = traces(&lab).await;
    assert!(told[0].starts_with("the BMC did not attach"), "{told:?}");
    assert!(
        !error.contains("hunter2") && !told[0].contains("hunter2"),
        "what it repeats is not shown: {error} {told:?}"
    );
}

/// As when the person's connection breaks, or the server ends, in the middle.
#[tokio::test]
async fn an_order_that_is_cut_off_leaves_a_trace() {
    let (lab, fake) = rig().await;
    fake.next(INSERT, Reply::Silence);
    let app = lab.app.clone();
    let order = tokio::spawn(async move { bmc::attach(&app, uuid(), image(), "ann").await });
    while fake.seen(INSERT).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    order.abort();
    assert!(order.await.unwrap_err().is_cancelled());
    assert_eq!(traces(&lab).await, ["ann asks the BMC to attach https://s3.example/a.iso?... as virtual media"]);
}

#[tokio::test]
async fn what_could_not_be_read_of_a_log_is_told() {
    let (lab, fake) = rig().await;
    let (logs, log) = ("/redfish/v1/Systems/1/LogServices", "/redfish/v1/Systems/1/LogServices/Sel");
    let id = |path: &str| json!({"@odata.id": path});
    fake.merge(SYSTEM, json!({"LogServices": id(logs)}));
    fake.put(logs, json!({"Members": [id(log)]}));
    fake.put(
        log,
        json!({"@odata.id": log, "Id": "Sel", "LogEntryType": "SEL", "Entries": id(&format!("{log}/Entries"))}),
    );
    let lost = format!("{log}/Entries/2");
    let whole = json!({"@odata.id": format!("{log}/Entries/1"), "Id": "1", "Created": "2026-01-01T00:00:00Z", "Message": "Fan",
        "Severity": "OK", "EntryType": "SEL"});
    fake.put(&format!("{log}/Entries"), json!({"Members": [whole, id(&lost)]}));
    let read = bmc::log(&lab.app, uuid(), None).await.unwrap();
    assert_eq!((read.items.len(), read.items[0].message.as_str()), (1, "Fan"));
    assert!(read.problems.len() == 1 && read.problems[0].contains(&lost), "{:?}", read.problems);
}
