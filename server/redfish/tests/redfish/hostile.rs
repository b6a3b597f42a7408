//! Services that misbehave: each ends in a clear error, within its bounds.

use crate::fake::{Fake, Reply, SESSIONS, SYSTEM, ok, resources, status};
use higuma_redfish::{
    BootDevice, BootMode, Client, Lasts, Limits, Medium, PowerState, RedfishError, ResetKind, Secret, Target,
};
use serde_json::{Value, json};
use std::time::Duration;

fn raw(body: &str) -> Reply {
    Reply::Raw(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes(),
    )
}

/// Asks everything; what matters is that it ends, and as an error or not.
async fn ask_all(client: &Client) {
    let _ = client.identity().await;
    let _ = client.systems().await;
    let _ = client.power().await;
    for kind in [ResetKind::On, ResetKind::PowerCycle, ResetKind::Nmi] {
        let _ = client.reset(kind).await;
    }
    let _ = client.boot().await;
    let _ = client.boot_override(BootDevice::Pxe, Lasts::Once, BootMode::Uefi).await;
    let _ = client.identify(true).await;
    let _ = client.identified().await;
    let _ = client.manager_reset().await;
    let _ = client.manager_interfaces().await;
    let _ = client.sensors().await;
    let _ = client.log_entries(10).await;
    let _ = client.clear_log().await;
    let _ = client.inventory().await;
    let _ = client.firmware().await;
    let _ = client.virtual_media().await;
    let _ = client.insert("http://x/y.iso", &Medium::Cd).await;
    let _ = client.eject(None).await;
    let _ = client.set_password("x", &Secret::new("y")).await;
}

/// Every resource of the service with one value after the other replaced by something that does not belong there.
#[tokio::test]
async fn wrong_types_everywhere() {
    let junk = [json!(null), json!(-1), json!(1e300), json!("x"), json!([]), json!({}), json!([[[]]]), json!(true)];
    let fake = Fake::start().await;
    let client = fake.client().await;
    let whole = |path: &str| {
        let mut value = resources().remove(path).unwrap();
        for key in [
            "Processors",
            "Memory",
            "Storage",
            "EthernetInterfaces",
            "LogServices",
            "VirtualMedia",
            "Sensors",
            "Thermal",
            "Power",
        ] {
            value[key] = json!({"@odata.id": "/redfish/v1/Systems"});
        }
        value
    };
    for path in [SYSTEM, "/redfish/v1/Managers/1", "/redfish/v1/Chassis/1", "/redfish/v1/Systems"] {
        let keys: Vec<String> = whole(path).as_object().unwrap().keys().cloned().collect();
        for (number, key) in keys.iter().enumerate() {
            let mut value = whole(path);
            value[key] = junk[number % junk.len()].clone();
            fake.put(path, value);
            ask_all(&client).await;
        }
        fake.put(path, json!({"Members": [1, null, {"@odata.id": 3}, {"@odata.id": "https://evil/redfish/v1"}]}));
        ask_all(&client).await;
        fake.put(path, resources().remove(path).unwrap());
    }
    assert_eq!(client.power().await.unwrap(), PowerState::Off);
}

#[tokio::test]
async fn answers_that_are_no_json_object() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    let deep = "[".repeat(100_000);
    let deep_object = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    for body in ["", "<html>It works</html>", "[]", "null", "{\"PowerState\":", "\"x\"", "\u{0}", &deep, &deep_object] {
        fake.next(&format!("GET {SYSTEM}"), raw(body));
        let error = client.power().await.unwrap_err();
        assert!(matches!(&error, RedfishError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains(SYSTEM), "{error}");
    }
    for bytes in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        fake.next(&format!("GET {SYSTEM}"), Reply::Raw(bytes.into()));
        let error = client.power().await.unwrap_err();
        assert!(matches!(&error, RedfishError::Unreachable { .. }), "{bytes:?}: {error}");
    }
    fake.merge(SYSTEM, json!({"PowerState": "Exploding\u{1b}[2J"}));
    assert!(client.power().await.unwrap_err().to_string().contains("not \"Exploding [2J\""));
    fake.merge(SYSTEM, json!({"PowerState": null}));
    assert!(matches!(client.power().await, Err(RedfishError::NotSupported(_))));
}

#[tokio::test]
async fn bodies_are_bounded() {
    let fake = Fake::start().await;
    let limits = Limits { body: 10_000, ..fake.target().limits };
    let client = Client::connect(&Target { limits, ..fake.target() }).await.unwrap();
    let big = "x".repeat(20_000);
    let endless = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n{big}\r\n");
    for reply in [ok(json!({"PowerState": "On", "Pad": big})), Reply::Raw(endless.into_bytes())] {
        fake.next(&format!("GET {SYSTEM}"), reply);
        let error = client.power().await.unwrap_err();
        assert!(matches!(&error, RedfishError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains("longer than 10000 bytes"), "{error}");
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let fake = Fake::start().await;
    let limits = Limits { request: Duration::from_millis(300), ..fake.target().limits };
    let client = Client::connect(&Target { limits, ..fake.target() }).await.unwrap();
    fake.next(&format!("GET {SYSTEM}"), Reply::Silence);
    let error = client.power().await.unwrap_err();
    assert!(matches!(&error, RedfishError::Deadline { .. }), "{error}");
    assert!(error.to_string().contains(SYSTEM), "{error}");
    // Nothing is left behind by the request that was given up.
    assert_eq!(client.power().await.unwrap(), PowerState::Off);
    // Of several requests, each in time, the whole has a bound too: pages without end.
    let limits = Limits {
        operation: Duration::from_millis(300),
        pages: usize::MAX,
        members: usize::MAX,
        ..fake.target().limits
    };
    let client = Client::connect(&Target { limits, ..fake.target() }).await.unwrap();
    fake.always("GET /redfish/v1/Systems", Reply::Silence);
    assert!(matches!(client.systems().await, Err(RedfishError::Deadline { .. })));
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let fake = Fake::start().await;
    let error = Client::connect(&Target { url: url.clone(), ..fake.target() }).await.unwrap_err();
    assert!(matches!(&error, RedfishError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&url) && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn busy_is_obeyed_within_the_deadline() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    // The system is chosen with a read of its own; the count starts after it.
    client.power().await.unwrap();
    let before = fake.seen(&format!("GET {SYSTEM}")).len();
    let reads = || fake.seen(&format!("GET {SYSTEM}")).len() - before;
    let busy = |seconds: &str| {
        Reply::Json(503, vec![("Retry-After", seconds.into())], json!({"error": {"message": "Starting up"}}))
    };
    fake.next(&format!("GET {SYSTEM}"), busy("0"));
    fake.next(&format!("GET {SYSTEM}"), busy("1"));
    assert_eq!(client.power().await.unwrap(), PowerState::Off);
    assert_eq!(reads(), 3);
    // Longer than the deadline, for ever, without a time: told at once.
    fake.next(&format!("GET {SYSTEM}"), busy("99999999999999"));
    let error = client.power().await.unwrap_err();
    assert!(matches!(&error, RedfishError::Status { status: 503, .. }), "{error}");
    assert!(error.to_string().contains("asks to wait 99999999999999 s (Starting up)"), "{error}");
    assert_eq!(reads(), 4);
    fake.next(&format!("GET {SYSTEM}"), status(503, "Later"));
    assert!(client.power().await.unwrap_err().to_string().contains("status 503: Later"));
    fake.always(&format!("GET {SYSTEM}"), busy("0"));
    assert!(matches!(client.power().await, Err(RedfishError::Status { status: 503, .. })));
    assert_eq!(reads(), 11);
    // A login that met 503 was not refused.
    fake.next(&format!("POST {SESSIONS}"), busy("0"));
    fake.client().await;
}

#[tokio::test]
async fn pages_have_an_end() {
    let fake = Fake::start().await;
    let systems = "/redfish/v1/Systems";
    let page = |next: Value| json!({"Members": [{"@odata.id": SYSTEM}], "Members@odata.nextLink": next});
    let client = fake.client().await;
    // Two pages.
    fake.put("/redfish/v1/Systems/2", json!({"Id": "2", "UUID": "x"}));
    fake.next(&format!("GET {systems}"), ok(page(json!("/redfish/v1/Systems?$skip=1"))));
    fake.next("GET /redfish/v1/Systems?$skip=1", ok(json!({"Members": [{"@odata.id": "/redfish/v1/Systems/2"}]})));
    let ids: Vec<_> = client.systems().await.unwrap().into_iter().map(|system| system.id.unwrap()).collect();
    assert_eq!(ids, ["1", "2"]);
    // A circle, and away.
    fake.always(&format!("GET {systems}"), ok(page(json!(systems))));
    assert!(client.systems().await.unwrap_err().to_string().contains("circle"));
    for away in ["https://evil.invalid/redfish/v1/Systems", "//evil.invalid/redfish/v1", "/etc/passwd"] {
        fake.always(&format!("GET {systems}"), ok(page(json!(away))));
        assert!(client.systems().await.unwrap_err().to_string().contains("next page is not a path"), "{away}");
    }
    // No end: told, not followed.
    fake.always(&format!("GET {systems}"), ok(page(json!(format!("{systems}?$skip=1")))));
    for skip in 1..10 {
        fake.always(&format!("GET {systems}?$skip={skip}"), ok(page(json!(format!("{systems}?$skip={}", skip + 1)))));
    }
    let limits = Limits { pages: 5, ..fake.target().limits };
    let client = Client::connect(&Target { limits, ..fake.target() }).await.unwrap();
    assert!(client.systems().await.unwrap_err().to_string().contains("more members than were read (5)"));
    assert!(fake.seen(&format!("GET {systems}?$skip=5")).is_empty());
}

#[tokio::test]
async fn redirects_stay_on_the_service() {
    let fake = Fake::start().await;
    let other = Fake::start().await;
    let client = fake.client().await;
    let to = |place: String| Reply::Json(308, vec![("Location", place)], Value::Null);
    fake.put("/redfish/v1/Moved", json!({"PowerState": "On"}));
    fake.next(&format!("GET {SYSTEM}"), to("/redfish/v1/Moved".into()));
    fake.next(&format!("GET {SYSTEM}"), to(format!("{}/redfish/v1/Moved", fake.url)));
    // The first is used up by the list of systems.
    assert_eq!(client.power().await.unwrap(), PowerState::On);
    for place in
        [format!("{}/redfish/v1/Systems/1", other.url), "//evil.invalid/redfish".into(), "/redfish/../x".into()]
    {
        fake.next(&format!("GET {SYSTEM}"), to(place));
        assert!(matches!(client.power().await, Err(RedfishError::Status { status: 308, .. })));
    }
    fake.always(&format!("GET {SYSTEM}"), to(SYSTEM.into()));
    assert!(matches!(client.power().await, Err(RedfishError::Status { status: 308, .. })));
    assert_eq!(other.seen_all(), 0);
    // Actions are not followed anywhere, nor sent to a link that leads away.
    let fake = Fake::start().await;
    let client = fake.client().await;
    let target = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
    fake.next(&format!("POST {target}"), to("/redfish/v1/Moved".into()));
    assert!(matches!(client.reset(ResetKind::On).await, Err(RedfishError::Status { status: 308, .. })));
    fake.merge(SYSTEM, json!({"Actions": {"#ComputerSystem.Reset": {"target": format!("{}{target}", other.url)}}}));
    assert!(matches!(client.reset(ResetKind::On).await, Err(RedfishError::NotSupported(_))));
    assert_eq!(other.seen_all(), 0);
}

#[tokio::test]
async fn no_redfish_here() {
    let fake = Fake::start().await;
    for (reply, words) in [
        (status(404, "No"), "not supported by this service: Redfish itself"),
        (ok(json!({"hello": "world"})), "no Redfish service root"),
        (raw("<html>router login</html>"), "a JSON object was expected"),
        (status(500, "Out of order"), "status 500: Out of order"),
    ] {
        fake.next("GET /redfish/v1/", reply);
        let error = fake.refusal().await.to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(fake.seen(&format!("POST {SESSIONS}")).is_empty());
}
