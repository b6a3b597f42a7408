//! Logins: kept, renewed once, closed, and never repeated after a refusal.

use crate::fake::{Fake, PASSWORD, Reply, SESSIONS, SYSTEM, USER, ok, status};
use higuma_redfish::{Authentication, Client, PowerState, RedfishError, Secret, Target};
use serde_json::{Value, json};

#[tokio::test]
async fn one_login_for_many_requests_and_closed_at_the_end() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    for _ in 0..3 {
        assert_eq!(client.power().await.unwrap(), PowerState::Off);
    }
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 1);
    // The root was read without any credential, all else with the token and without the password.
    assert!(!fake.seen("GET /redfish/v1/")[0].headers.contains_key("x-auth-token"));
    for seen in fake.seen(&format!("GET {SYSTEM}")) {
        assert_eq!(seen.headers["x-auth-token"], "token-1");
        assert!(!seen.headers.contains_key("authorization"));
    }
    client.close().await.unwrap();
    assert_eq!(fake.seen(&format!("DELETE {SESSIONS}/1")).len(), 1);
    assert!(fake.change(|state| state.tokens.is_empty()));
    client.close().await.unwrap();
    assert_eq!(fake.seen(&format!("DELETE {SESSIONS}/1")).len(), 1);
    assert_eq!(client.power().await.unwrap(), PowerState::Off);
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 2);
}

#[tokio::test]
async fn an_expired_session_is_renewed_once() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    client.power().await.unwrap();
    fake.change(|state| state.tokens.clear());
    assert_eq!(client.power().await.unwrap(), PowerState::Off);
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 2);
    // A service that refuses even a fresh session gets no third login.
    fake.always(&format!("GET {SYSTEM}"), status(401, "Not you"));
    let error = client.power().await.unwrap_err();
    assert!(matches!(&error, RedfishError::Forbidden { message, .. } if message == "Not you"), "{error}");
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 3);
}

#[tokio::test]
async fn a_refused_login_is_never_repeated() {
    let fake = Fake::start().await;
    let error =
        Client::connect(&Target { password: Secret::new("wrong-password"), ..fake.target() }).await.unwrap_err();
    assert!(matches!(&error, RedfishError::LoginRefused { user, .. } if user == USER), "{error}");
    assert!(error.to_string().contains("Invalid user name"), "{error}");
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 1);

    // The password changed while we were logged in, and the session ended: one attempt, whatever is asked after that.
    let client = fake.client().await;
    fake.change(|state| (state.password, state.tokens) = ("other".into(), vec![]));
    for _ in 0..3 {
        assert!(matches!(client.power().await, Err(RedfishError::LoginRefused { .. })));
    }
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 3);
    client.close().await.unwrap();
    assert!(matches!(client.power().await, Err(RedfishError::LoginRefused { .. })));
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 3);
}

#[tokio::test]
async fn no_secret_in_any_text() {
    let fake = Fake::start().await;
    let client = fake.client().await;
    let shown = format!("{client:?} {:?}", fake.target());
    assert!(!shown.contains(PASSWORD) && !shown.contains("token-1"), "{shown}");
    // Services repeat what they refuse.
    fake.next(&format!("POST {SESSIONS}"), status(400, &format!("The value '{PASSWORD}' is not accepted")));
    let error = fake.refusal().await;
    assert!(!format!("{error} {error:?}").contains(PASSWORD), "{error:?}");
    assert!(error.to_string().contains("The value '***' is not accepted"));
    fake.next(&format!("GET {SYSTEM}"), status(500, "token-1 is odd"));
    let error = client.power().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("token-1"), "{error:?}");
}

#[tokio::test]
async fn basic_only_without_sessions() {
    let fake = Fake::start().await;
    fake.change(|state| {
        state.basic = true;
        state.resources.get_mut("/redfish/v1/").unwrap()["Links"] = json!({});
    });
    let client = fake.client().await;
    let identity = client.identity().await.unwrap();
    assert_eq!(identity.authentication, Authentication::Basic);
    assert!(identity.notes[0].contains("Basic authentication"), "{:?}", identity.notes);
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 0);
    assert!(fake.seen(&format!("GET {SYSTEM}"))[0].headers["authorization"].starts_with("Basic "));
    fake.change(|state| state.basic = false);
    let before = fake.seen_all();
    for _ in 0..3 {
        assert!(matches!(client.power().await, Err(RedfishError::LoginRefused { .. })));
    }
    assert_eq!(fake.seen_all(), before + 1);
    assert!(matches!(fake.refusal().await, RedfishError::LoginRefused { .. }));
}

#[tokio::test]
async fn a_new_password_for_an_account() {
    let fake = Fake::start().await;
    let id = |path: &str| json!({"@odata.id": path});
    let accounts = "/redfish/v1/AccountService/Accounts";
    fake.put("/redfish/v1/AccountService", json!({"Accounts": id(accounts)}));
    fake.put(accounts, json!({"Members": [id(&format!("{accounts}/1")), id(&format!("{accounts}/2"))]}));
    fake.put(&format!("{accounts}/1"), json!({"UserName": ""}));
    fake.put(&format!("{accounts}/2"), json!({"UserName": USER, "Password": null}));
    fake.change(|state| state.etags = true);
    let client = fake.client().await;
    client.set_password(USER, &Secret::new("a-new-one")).await.unwrap();
    let patch = fake.seen(&format!("PATCH {accounts}/2")).remove(0);
    assert_eq!((patch.body, patch.headers["if-match"].as_str()), (json!({"Password": "a-new-one"}), "W/\"0\""));
    // The service ends sessions of the account; ours logs in again with the new password.
    fake.change(|state| (state.password, state.tokens) = ("a-new-one".into(), vec![]));
    assert_eq!(client.power().await.unwrap(), PowerState::Off);

    fake.next(&format!("PATCH {accounts}/2"), status(400, "Password a-newer-one is too simple, a-new-one was better"));
    let error = client.set_password(USER, &Secret::new("a-newer-one")).await.unwrap_err();
    assert!(error.to_string().ends_with("Password *** is too simple, *** was better"), "{error}");
    let error = client.set_password("nobody", &Secret::new("x")).await.unwrap_err();
    assert!(matches!(&error, RedfishError::NotSupported(what) if what.contains("\"nobody\"")), "{error}");
}

#[tokio::test]
async fn a_session_without_a_token_is_no_login() {
    let fake = Fake::start().await;
    fake.next(&format!("POST {SESSIONS}"), Reply::Json(201, vec![], Value::Null));
    assert!(fake.refusal().await.to_string().contains("without X-Auth-Token"));
    // Where the link is missing and the service is not, its place is the one of the specification.
    fake.change(|state| {
        let root = state.resources.get_mut("/redfish/v1/").unwrap();
        root["Links"] = json!(7);
        root["SessionService"] = json!({"@odata.id": "/redfish/v1/SessionService"});
    });
    fake.client().await;
    assert_eq!(fake.change(|state| state.logins), 1);
    fake.next(&format!("POST {SESSIONS}"), ok(json!({})));
    assert!(matches!(fake.refusal().await, RedfishError::Malformed { .. }));
}
