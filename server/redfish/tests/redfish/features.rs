//! What changes a system: resets, boot device, LED, virtual media, tasks, ETags.

use crate::fake::{Fake, Reply, SYSTEM, ok, status};
use higuma_redfish::{BootDevice, BootMode, Client, Lasts, Medium, RedfishError, ResetKind, Target};
use serde_json::{Value, json};

const RESET: &str = "POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset";

async fn reset(client: &Client, kind: ResetKind) -> (Option<String>, Option<String>) {
    let done = client.reset(kind).await.unwrap();
    (done.sent, done.note)
}

#[tokio::test]
async fn resets_that_are_offered_and_substitutes_that_are_told() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    assert_eq!(reset(&client, ResetKind::ForceOff).await, (None, Some("it is off already".into())));
    assert_eq!(reset(&client, ResetKind::On).await, (Some("On".into()), None));
    let (sent, note) = reset(&client, ResetKind::PowerCycle).await;
    assert_eq!((sent.as_deref(), note.as_deref()), (Some("On"), Some("it was off: powered on")));
    fake.merge(SYSTEM, json!({"PowerState": "On"}));
    assert_eq!(reset(&client, ResetKind::On).await, (None, Some("it is on already".into())));
    let (sent, note) = reset(&client, ResetKind::PowerCycle).await;
    assert_eq!(sent.as_deref(), Some("ForceRestart"));
    assert_eq!(note.unwrap(), "ForceRestart was sent: the service does not offer PowerCycle");
    for kind in [ResetKind::Nmi, ResetKind::GracefulShutdown] {
        let error = client.reset(kind).await.unwrap_err();
        assert!(matches!(error, RedfishError::NotSupported(_)));
        assert!(error.to_string().contains("it offers: On, ForceOff, ForceRestart"), "{error}");
    }
    let sent: Vec<Value> = fake.seen(RESET).into_iter().map(|seen| seen.body["ResetType"].clone()).collect();
    assert_eq!(sent, ["On", "On", "ForceRestart"]);

    // The values in an ActionInfo; then nowhere: what the specification calls it is sent.
    let action = |value| json!({"Actions": {"#ComputerSystem.Reset": value}});
    fake.merge(
        SYSTEM,
        action(json!({"ResetType@Redfish.AllowableValues": null, "@Redfish.ActionInfo": "/redfish/v1/Info"})),
    );
    let parameters = json!([{"Name": "Other"}, {"Name": "ResetType", "AllowableValues": ["Nmi"]}]);
    fake.put("/redfish/v1/Info", json!({"Parameters": parameters}));
    assert_eq!(reset(&client, ResetKind::Nmi).await, (Some("Nmi".into()), None));
    assert!(client.reset(ResetKind::ForceOff).await.is_err());
    fake.merge(SYSTEM, action(json!({"@Redfish.ActionInfo": null})));
    assert_eq!(reset(&client, ResetKind::PowerCycle).await, (Some("PowerCycle".into()), None));

    // A push of the button where there is no other way to ask.
    fake.merge(SYSTEM, action(json!({"ResetType@Redfish.AllowableValues": ["PushPowerButton"]})));
    let (sent, note) = reset(&client, ResetKind::GracefulShutdown).await;
    assert_eq!((sent.as_deref(), note.is_some()), (Some("PushPowerButton"), true));
    fake.merge(SYSTEM, action(json!({"ResetType@Redfish.AllowableValues": null})));

    // A refusal in the service's words, sent once.
    let before = fake.seen(RESET).len();
    fake.next(RESET, status(409, "The host is updating its firmware"));
    let error = client.reset(ResetKind::ForceRestart).await.unwrap_err();
    assert!(error.to_string().ends_with("HTTP status 409: The host is updating its firmware"), "{error}");
    fake.next(RESET, status(403, "Operators may not"));
    assert!(matches!(client.reset(ResetKind::ForceRestart).await, Err(RedfishError::Forbidden { .. })));
    assert_eq!(fake.seen(RESET).len(), before + 2);
}

#[tokio::test]
async fn the_system_that_is_meant() {
    let fake = Fake::start().await;
    let two = "/redfish/v1/Systems/2";
    fake.put(
        two,
        json!({"Id": "2", "Name": "Two", "UUID": "BBBB0000-0000-0000-0000-000000000002", "PowerState": "On"}),
    );
    fake.put("/redfish/v1/Systems", json!({"Members": [{"@odata.id": SYSTEM}, {"@odata.id": two}]}));
    let error = fake.client().await.power().await.unwrap_err();
    assert!(matches!(&error, RedfishError::WhichSystem { found, .. } if found.len() == 2), "{error}");
    assert!(error.to_string().contains("/redfish/v1/Systems/2 (UUID bbbb0000-0000-0000-0000-000000000002)"), "{error}");
    for wish in [
        "bbbb0000-0000-0000-0000-000000000002",
        "BBBB0000-0000-0000-0000-000000000002",
        "2",
        two,
        "/redfish/v1/Systems/2/",
    ] {
        let target = Target { system: Some(wish.into()), ..fake.target() };
        let client = Client::connect(&target).await.unwrap();
        if wish.ends_with('/') {
            // A path is taken as it is.
            assert!(matches!(client.power().await, Err(RedfishError::NotSupported(_))));
            continue;
        }
        assert_eq!(client.power().await.unwrap(), higuma_redfish::PowerState::On, "{wish}");
    }
    let target = Target { system: Some("3".into()), ..fake.target() };
    let client = Client::connect(&target).await.unwrap();
    assert!(matches!(client.power().await, Err(RedfishError::WhichSystem { .. })));
    // One that cannot be read may be the meant one.
    fake.change(|state| state.resources.remove(two));
    assert!(fake.client().await.power().await.is_err());
}

#[tokio::test]
async fn boot_override_with_etag() {
    let fake = Fake::start().await;
    fake.change(|state| state.etags = true);
    let client = fake.client().await;
    assert_eq!(client.boot().await.unwrap().offered, ["None", "Pxe", "Hdd", "Cd"]);
    let notes = client.boot_override(BootDevice::Pxe, Lasts::Once, BootMode::Uefi).await.unwrap();
    assert!(notes.is_empty());
    let boot = client.boot().await.unwrap();
    let now = [boot.enabled, boot.target, boot.mode].map(Option::unwrap);
    assert_eq!(now, ["Once", "Pxe", "UEFI"]);
    // The mode is as wanted: it is not sent.
    client.boot_override(BootDevice::Hdd, Lasts::Continuous, BootMode::Uefi).await.unwrap();
    client.boot_override(BootDevice::None, Lasts::Once, BootMode::Legacy).await.unwrap();
    let sent: Vec<Value> =
        fake.seen(&format!("PATCH {SYSTEM}")).into_iter().map(|seen| seen.body["Boot"].clone()).collect();
    assert_eq!(
        sent,
        [
            json!({"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe", "BootSourceOverrideMode": "UEFI"}),
            json!({"BootSourceOverrideEnabled": "Continuous", "BootSourceOverrideTarget": "Hdd"}),
            json!({"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}),
        ]
    );
    let error = client.boot_override(BootDevice::BiosSetup, Lasts::Once, BootMode::Uefi).await.unwrap_err();
    assert!(error.to_string().contains("BiosSetup (it offers: None, Pxe, Hdd, Cd)"), "{error}");

    // Somebody else changed it in between; a service that compares strongly and hands out weak tags.
    fake.next(&format!("PATCH {SYSTEM}"), status(412, "Changed"));
    fake.next(&format!("PATCH {SYSTEM}"), ok(json!({})));
    client.boot_override(BootDevice::Cd, Lasts::Once, BootMode::Uefi).await.unwrap();
    let tags: Vec<String> =
        fake.seen(&format!("PATCH {SYSTEM}")).iter().map(|seen| seen.headers["if-match"].clone()).collect();
    assert_eq!(tags[3..], ["W/\"3\"", "\"3\""]);

    fake.change(|state| state.resources.get_mut(SYSTEM).unwrap()["Boot"] = json!({}));
    let notes = client.boot_override(BootDevice::Pxe, Lasts::Once, BootMode::Uefi).await.unwrap();
    assert!(notes[0].contains("boot mode was not set"), "{notes:?}");
    fake.change(|state| state.resources.get_mut(SYSTEM).unwrap()["Boot"] = json!(1));
    assert!(matches!(client.boot().await, Err(RedfishError::NotSupported(_))));
}

#[tokio::test]
async fn the_led_new_and_old() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    assert!(matches!(client.identify(true).await, Err(RedfishError::NotSupported(_))));
    fake.merge("/redfish/v1/Chassis/1", json!({"IndicatorLED": "Off"}));
    client.identify(true).await.unwrap();
    assert!(client.identified().await.unwrap());
    assert_eq!(fake.resource("/redfish/v1/Chassis/1")["IndicatorLED"], "Lit");
    fake.next("PATCH /redfish/v1/Chassis/1", status(400, "Lit is not accepted"));
    client.identify(true).await.unwrap();
    assert_eq!(fake.resource("/redfish/v1/Chassis/1")["IndicatorLED"], "Blinking");
    fake.merge(SYSTEM, json!({"LocationIndicatorActive": false, "IndicatorLED": "Off"}));
    client.identify(true).await.unwrap();
    assert_eq!(fake.resource(SYSTEM)["LocationIndicatorActive"], true);
    client.identify(false).await.unwrap();
    assert!(!client.identified().await.unwrap());
}

#[tokio::test]
async fn the_manager_restarts() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    assert!(matches!(client.manager_reset().await, Err(RedfishError::NotSupported(_))));
    let target = "/redfish/v1/Managers/1/Actions/Manager.Reset";
    let action = json!({"target": target, "ResetType@Redfish.AllowableValues": ["GracefulRestart"]});
    fake.merge("/redfish/v1/Managers/1", json!({"Actions": {"#Manager.Reset": action}}));
    let done = client.manager_reset().await.unwrap();
    assert_eq!(done.sent.as_deref(), Some("GracefulRestart"));
    assert!(done.note.unwrap().contains("does not offer ForceRestart"));
    assert_eq!(fake.seen(&format!("POST {target}"))[0].body, json!({"ResetType": "GracefulRestart"}));
}

#[tokio::test]
async fn virtual_media_of_a_manager_with_a_task() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    assert!(matches!(client.virtual_media().await, Err(RedfishError::NotSupported(_))));
    let (all, cd) = ("/redfish/v1/Managers/1/VirtualMedia", "/redfish/v1/Managers/1/VirtualMedia/2");
    fake.merge("/redfish/v1/Managers/1", json!({"VirtualMedia": {"@odata.id": all}}));
    fake.put(all, json!({"Members": [{"@odata.id": cd}]}));
    let (insert, eject) =
        (format!("{cd}/Actions/VirtualMedia.InsertMedia"), format!("{cd}/Actions/VirtualMedia.EjectMedia"));
    let actions =
        json!({"#VirtualMedia.InsertMedia": {"target": insert}, "#VirtualMedia.EjectMedia": {"target": eject}});
    fake.put(cd, json!({"Id": "2", "MediaTypes": ["CD", "DVD"], "Inserted": false, "Image": null, "Actions": actions}));
    let error = client.insert("http://x/a.iso", &Medium::Usb).await.unwrap_err();
    assert!(error.to_string().contains("(CD/DVD)"), "{error}");

    let task = "/redfish/v1/TaskService/Tasks/9";
    let accepted = || Reply::Json(202, vec![("Location", task.into()), ("Retry-After", "0".into())], Value::Null);
    fake.next(&format!("POST {insert}"), accepted());
    fake.next(&format!("GET {task}"), ok(json!({"TaskState": "Running"})));
    fake.next(&format!("GET {task}"), ok(json!({"TaskState": "Completed"})));
    assert_eq!(client.insert("http://x/a.iso", &Medium::Cd).await.unwrap(), "2");
    assert_eq!(fake.seen(&format!("GET {task}")).len(), 2);
    fake.next(&format!("POST {insert}"), accepted());
    fake.next(
        &format!("GET {task}"),
        ok(json!({"TaskState": "Exception", "Messages": [{"Message": "No such image"}]})),
    );
    let error = client.insert("http://x/a.iso", &Medium::Slot("2".into())).await.unwrap_err();
    assert!(error.to_string().contains("No such image"), "{error}");

    // In it already; another in it; one that takes only the URL.
    fake.merge(cd, json!({"Inserted": true, "Image": "http://x/a.iso"}));
    let before = fake.seen(&format!("POST {insert}")).len();
    client.insert("http://x/a.iso", &Medium::Cd).await.unwrap();
    assert_eq!(fake.seen(&format!("POST {insert}")).len(), before);
    fake.next(&format!("POST {insert}"), status(400, "Unknown property Inserted"));
    client.insert("http://x/b.iso", &Medium::Cd).await.unwrap();
    assert_eq!(fake.seen(&format!("POST {eject}")).len(), 1);
    assert_eq!(fake.seen(&format!("POST {insert}")).pop().unwrap().body, json!({"Image": "http://x/b.iso"}));
    assert_eq!(client.eject(None).await.unwrap(), 1);
    assert!(matches!(client.eject(Some("7")).await, Err(RedfishError::NotSupported(_))));

    // Before there were actions.
    fake.merge(cd, json!({"Actions": null, "Inserted": false, "Image": null}));
    client.insert("http://x/c.iso", &Medium::Cd).await.unwrap();
    assert_eq!(client.virtual_media().await.unwrap()[0].image.as_deref(), Some("http://x/c.iso"));
    assert_eq!(client.eject(Some("2")).await.unwrap(), 1);
    assert_eq!(client.eject(Some("2")).await.unwrap(), 0);
    assert_eq!(fake.resource(cd)["Image"], Value::Null);
}
