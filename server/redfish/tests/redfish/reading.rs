//! What is read: identity, sensors, logs, inventory, firmware, interfaces of the manager.

use crate::fake::{Fake, SYSTEM, ok, status};
use higuma_redfish::{Authentication, Client, Limits, RedfishError, Target};
use serde_json::{Value, json};

fn id(path: &str) -> Value {
    json!({"@odata.id": path})
}

/// A collection and its members.
fn collect(fake: &Fake, path: &str, members: &[Value]) {
    let links: Vec<Value> = (0..members.len()).map(|number| id(&format!("{path}/{number}"))).collect();
    fake.put(path, json!({"Members": links}));
    for (number, member) in members.iter().enumerate() {
        fake.put(&format!("{path}/{number}"), member.clone());
    }
}

#[tokio::test]
async fn identity_and_interfaces() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    let identity = client.identity().await.unwrap();
    assert_eq!(identity.service_uuid.as_deref(), Some("aaaa0000-0000-0000-0000-000000000001"));
    assert_eq!(identity.system_uuid.as_deref(), Some("27946b59-9e44-4fa7-8e91-f3527a1ef094"));
    assert_eq!((identity.vendor.as_deref(), identity.product.as_deref()), (Some("Acme"), Some("BMC 9")));
    assert_eq!(identity.manager_firmware.as_deref(), Some("2.10"));
    assert_eq!((identity.authentication, identity.notes), (Authentication::Session, vec![]));

    assert!(matches!(client.manager_interfaces().await, Err(RedfishError::NotSupported(_))));
    let all = "/redfish/v1/Managers/1/EthernetInterfaces";
    fake.merge("/redfish/v1/Managers/1", json!({"EthernetInterfaces": id(all)}));
    let v4 = json!([{"Address": "10.0.0.5"}, {"Address": 7}]);
    collect(
        &fake,
        all,
        &[
            json!({"Id": "eth0", "MACAddress": "00:5C:52:31:3A:9C", "IPv4Addresses": v4, "IPv6Addresses": [{"Address": "fe80::1"}]}),
        ],
    );
    let interfaces = client.manager_interfaces().await.unwrap();
    assert_eq!(interfaces[0].mac.as_deref(), Some("00:5c:52:31:3a:9c"));
    assert_eq!(interfaces[0].addresses, ["10.0.0.5", "fe80::1"]);
}

#[tokio::test]
async fn sensors_new_and_classic() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    assert!(matches!(client.sensors().await, Err(RedfishError::NotSupported(_))));
    let chassis = "/redfish/v1/Chassis/1";
    let (thermal, power, all) =
        ("/redfish/v1/Chassis/1/Thermal", "/redfish/v1/Chassis/1/Power", "/redfish/v1/Chassis/1/Sensors");
    fake.merge(chassis, json!({"Thermal": id(thermal), "Power": id(power), "Sensors": id(all)}));
    // Without $expand the classic resources are the cheaper ones.
    fake.put(thermal, json!({
        "Temperatures": [{"Name": "CPU", "ReadingCelsius": 41.5, "UpperThresholdCritical": 95, "Status": {"State": "Enabled", "Health": "OK"}},
            {"MemberId": "9", "ReadingCelsius": "hot"}],
        "Fans": [{"FanName": "Fan 1", "Reading": 30, "ReadingUnits": "Percent"}, {"Name": "Fan 2", "Reading": 2100}]}));
    fake.put(power, json!({"PowerControl": [{"Name": "All", "PowerConsumedWatts": 344}], "Voltages": [{"Name": "P12V", "ReadingVolts": 12.1}], "PowerSupplies": 3}));
    let found = client.sensors().await.unwrap();
    let rows: Vec<_> = found.sensors.iter().map(|s| (s.name.as_str(), s.reading, s.unit.as_deref().unwrap())).collect();
    let expected = [
        ("CPU", Some(41.5), "Cel"),
        ("9", None, "Cel"),
        ("Fan 1", Some(30.0), "%"),
        ("Fan 2", Some(2100.0), "RPM"),
        ("All", Some(344.0), "W"),
        ("P12V", Some(12.1), "V"),
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        (found.sensors[0].thresholds.upper_critical, found.sensors[0].health.as_deref()),
        (Some(95.0), Some("OK"))
    );
    assert!(fake.seen(&format!("GET {all}")).is_empty() && found.problems.is_empty(), "{:?}", found.problems);

    // The classic ones have nothing or fail, which is told; of the newer collection one member is broken.
    fake.put(power, json!({"Voltages": []}));
    fake.always(&format!("GET {thermal}"), status(500, "Thermal is out"));
    let modern = json!({"Id": "t", "Name": "Inlet", "Reading": 22, "ReadingUnits": "Cel", "ReadingType": "Temperature",
        "Thresholds": {"UpperCaution": {"Reading": 40}, "LowerFatal": {"Reading": "x"}}});
    collect(&fake, all, &[modern, json!({"Name": "Gone"})]);
    fake.always(&format!("GET {all}/1"), status(404, "Gone"));
    let found = client.sensors().await.unwrap();
    assert_eq!(found.sensors.len(), 1);
    let inlet = &found.sensors[0];
    assert_eq!(
        (inlet.reading, inlet.thresholds.upper_caution, inlet.thresholds.lower_fatal),
        (Some(22.0), Some(40.0), None)
    );
    let problems = found.problems.join("\n");
    assert!(
        found.problems.len() == 2 && problems.contains("Thermal is out") && problems.contains("Gone"),
        "{problems}"
    );
    // All out: told, not an empty success.
    fake.always(&format!("GET {all}"), status(500, "Sensors are out"));
    let found = client.sensors().await.unwrap();
    assert_eq!((found.sensors.len(), found.problems.len()), (0, 2));
}

#[tokio::test]
async fn collections_with_their_members_in_one_answer() {
    let fake = Fake::start().await;
    let all = "/redfish/v1/Chassis/1/Sensors";
    fake.merge("/redfish/v1/", json!({"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": true}}}));
    fake.merge("/redfish/v1/Chassis/1", json!({"Sensors": id(all)}));
    collect(&fake, all, &[json!({"Name": "one"}), json!({"Name": "two"})]);
    let whole = |number: usize| json!({"@odata.id": format!("{all}/{number}"), "Name": format!("n{number}")});
    fake.next(&format!("GET {all}?$expand=."), ok(json!({"Members": [whole(0), whole(1)]})));
    let client = fake.client().await;
    let names =
        |found: higuma_redfish::Sensors| found.sensors.into_iter().map(|sensor| sensor.name).collect::<Vec<_>>();
    assert_eq!(names(client.sensors().await.unwrap()), ["n0", "n1"]);
    assert!(fake.seen(&format!("GET {all}/0")).is_empty());
    // A service that promises it and fails.
    fake.next(&format!("GET {all}?$expand=."), status(500, "Too much"));
    assert_eq!(names(client.sensors().await.unwrap()), ["one", "two"]);
}

#[tokio::test]
async fn the_event_log() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    assert!(matches!(client.log_entries(5).await, Err(RedfishError::NotSupported(_))));
    let (of_system, of_manager) = ("/redfish/v1/Systems/1/LogServices", "/redfish/v1/Managers/1/LogServices");
    fake.merge(SYSTEM, json!({"LogServices": id(of_system)}));
    fake.merge("/redfish/v1/Managers/1", json!({"LogServices": id(of_manager)}));
    let log = |name: &str, kind: &str, entries: &str| json!({"Id": name, "LogEntryType": kind, "Entries": id(entries)});
    collect(&fake, of_system, &[log("PostCodes", "Oem", "/redfish/v1/p"), log("EventLog", "Event", "/redfish/v1/e")]);
    let mut sel = log("Sel", "SEL", "/redfish/v1/s");
    let clear = format!("{of_manager}/0/Actions/LogService.ClearLog");
    sel["Actions"] = json!({"#LogService.ClearLog": {"target": clear}});
    collect(&fake, of_manager, &[sel, log("Lclog", "Multiple", "/redfish/v1/l")]);
    let entry = |number: u64| {
        json!({"@odata.id": format!("/redfish/v1/s/{number}"), "Id": number.to_string(),
        "Created": format!("2026-01-0{number}T00:00:00Z"), "Severity": "Warning", "Message": format!("Fan {number} failed")})
    };
    fake.put("/redfish/v1/s", json!({"Members": [entry(1), entry(2), entry(3)]}));
    let log = client.log_entries(2).await.unwrap();
    assert_eq!(log.service, format!("{of_manager}/0"));
    let messages: Vec<_> = log.entries.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!((messages, log.truncated), (vec!["Fan 3 failed", "Fan 2 failed"], true));
    // References instead of entries.
    collect(&fake, "/redfish/v1/s", &[entry(1), entry(2), entry(3)]);
    let log = client.log_entries(2).await.unwrap();
    let messages: Vec<_> = log.entries.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!((messages, log.truncated), (vec!["Fan 3 failed", "Fan 2 failed"], true), "oldest first");
    collect(&fake, "/redfish/v1/s", &[entry(5), entry(4), entry(3), entry(2)]);
    let log = client.log_entries(2).await.unwrap();
    let messages: Vec<_> = log.entries.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!((messages, log.truncated), (vec!["Fan 5 failed", "Fan 4 failed"], true), "newest first");
    client.clear_log().await.unwrap();
    assert_eq!(fake.seen(&format!("POST {clear}")).len(), 1);
    // Without the SEL, the event log of the system.
    collect(&fake, of_manager, &[]);
    fake.put("/redfish/v1/e", json!({"Members": []}));
    assert_eq!(client.log_entries(2).await.unwrap().service, format!("{of_system}/1"));
    assert!(matches!(client.clear_log().await, Err(RedfishError::NotSupported(_))));
}

/// Oldest first, and longer than what is read of a collection.
#[tokio::test]
async fn the_end_of_a_long_log() {
    let fake = Fake::start().await;
    let services = "/redfish/v1/Systems/1/LogServices";
    fake.merge(SYSTEM, json!({"LogServices": id(services)}));
    collect(&fake, services, &[json!({"Id": "Sel", "Entries": id("/redfish/v1/s")})]);
    let entry = |number: u64| {
        json!({"@odata.id": format!("/redfish/v1/s/{number}"), "Id": number.to_string(),
        "Created": format!("2026-01-01T00:00:{number:02}Z"), "Message": format!("event {number}")})
    };
    let page = |from: u64, to: u64| {
        let members: Vec<_> = (from..to).map(entry).collect();
        ok(json!({"Members": members, "Members@odata.count": 30, "Members@odata.nextLink": "/redfish/v1/more"}))
    };
    let limits = Limits { members: 10, ..fake.target().limits };
    let client = Client::connect(&Target { limits, ..fake.target() }).await.unwrap();
    fake.always("GET /redfish/v1/s", page(0, 20));
    fake.always("GET /redfish/v1/s?$skip=27", page(27, 30));
    let log = client.log_entries(3).await.unwrap();
    let messages: Vec<_> = log.entries.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!((messages, log.truncated), (vec!["event 29", "event 28", "event 27"], true));
    // The end meets what was read already: each once.
    fake.always("GET /redfish/v1/s?$skip=10", page(10, 30));
    let log = client.log_entries(25).await.unwrap();
    let mut ids: Vec<_> = log.entries.iter().map(|entry| entry.id.clone().unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), log.entries.len()), (20, 20), "ten from each end");
    // One that knows no $skip says so by giving the first again.
    fake.always("GET /redfish/v1/s?$skip=27", page(0, 20));
    let log = client.log_entries(3).await.unwrap();
    assert!(log.problems.iter().any(|problem| problem.contains("only the first 10 of 30")), "{:?}", log.problems);
}

/// Answers that are each within their bound, and too much together.
#[tokio::test]
async fn one_operation_reads_no_more_than_its_bytes() {
    let fake = Fake::start().await;
    let all = "/redfish/v1/UpdateService/FirmwareInventory";
    fake.put("/redfish/v1/UpdateService", json!({"FirmwareInventory": id(all)}));
    let parts: Vec<_> = (0..20).map(|n| json!({"Id": n.to_string(), "Name": "x".repeat(5_000)})).collect();
    collect(&fake, all, &parts);
    let limits = Limits { operation_bytes: 40_000, ..fake.target().limits };
    let client = Client::connect(&Target { limits, ..fake.target() }).await.unwrap();
    for _ in 0..2 {
        let error = client.firmware().await.unwrap_err();
        assert!(matches!(error, RedfishError::TooMuch { bytes: 40_000, .. }), "{error}");
    }
    // The next operation has its own.
    client.inventory().await.unwrap();
}

#[tokio::test]
async fn inventory_and_firmware() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    let part = |name: &str| format!("{SYSTEM}/{name}");
    for name in ["Processors", "Memory", "Storage", "EthernetInterfaces"] {
        fake.merge(SYSTEM, json!({name: id(&part(name))}));
    }
    collect(
        &fake,
        &part("Processors"),
        &[json!({"Socket": "CPU1", "Model": "Xeon", "TotalCores": 16.0, "TotalThreads": 32})],
    );
    collect(
        &fake,
        &part("Memory"),
        &[
            json!({"DeviceLocator": "A1", "CapacityMiB": 32768, "MemoryDeviceType": "DDR5"}),
            json!({"Id": "A2", "CapacityMiB": 0}),
        ],
    );
    collect(
        &fake,
        &part("EthernetInterfaces"),
        &[json!({"Id": "n", "MACAddress": "AA:BB:CC:00:11:22", "SpeedMbps": 25000})],
    );
    collect(&fake, &part("Storage"), &[json!({"Id": "s", "Drives": [id("/redfish/v1/d1"), id("/redfish/v1/d2")]})]);
    fake.put(
        "/redfish/v1/d1",
        json!({"Name": "Disk", "CapacityBytes": 960_197_124_096_u64, "Status": {"Health": "OK"}}),
    );
    let found = client.inventory().await.unwrap();
    assert_eq!((found.model.as_deref(), found.serial.as_deref()), (Some("M1"), Some("S1")));
    assert_eq!((found.processors[0].cores, found.processors[0].threads), (Some(16), Some(32)));
    assert_eq!(found.memory.iter().map(|module| module.mib).collect::<Vec<_>>(), [Some(32768), None]);
    assert_eq!(found.nics[0].mac.as_deref(), Some("aa:bb:cc:00:11:22"));
    assert_eq!((found.drives.len(), found.drives[0].bytes), (1, Some(960_197_124_096)));
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert!(found.problems[0].contains("/redfish/v1/d2"), "{:?}", found.problems);

    assert!(matches!(client.firmware().await, Err(RedfishError::NotSupported(_))));
    let all = "/redfish/v1/UpdateService/FirmwareInventory";
    fake.put("/redfish/v1/UpdateService", json!({"FirmwareInventory": id(all)}));
    collect(&fake, all, &[json!({"Id": "bios", "Name": "BIOS", "Version": "1.2.3", "Updateable": true})]);
    let list = client.firmware().await.unwrap();
    assert_eq!((list.firmware[0].version.as_deref(), list.firmware[0].updateable), (Some("1.2.3"), Some(true)));
}
