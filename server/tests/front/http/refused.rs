//! The tables against reality, bad input, and bodies over their limits.

use super::fixture::{NODE_A, Server, credential};
use higuma::http::routes::{Access, Listener, of};

#[test]
fn every_route_is_refused_without_a_credential_unless_it_is_public() {
    let server = Server::start(&[]);
    let c = &server.client;
    let mut guarded = 0;
    for route in of(Listener::Https) {
        let path = route.path.replace("{uuid}", NODE_A).replace("{sha256}", &"0".repeat(64)).replace(['{', '}'], "");
        let url = format!("{}{path}", c.https);
        let body = || (!matches!(route.method.as_str(), "GET" | "HEAD" | "DELETE")).then(|| b"{}".to_vec());
        let stranger = format!("Bearer {}", credential('7'));
        let forwarded = [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")];
        let known = [("authorization", stranger.as_str())];
        for headers in [&forwarded[..], &known[..]] {
            let got = c.send(route.method.as_str(), &url, headers, body());
            let what = format!("{} {path}: {}", route.method, got.text());
            match route.access {
                Access::Public => assert_ne!(got.status, 401, "{what}"),
                _ => assert_eq!(got.status, 401, "{what}"),
            }
            if route.access != Access::Public && route.method != "HEAD" {
                assert_eq!(got.json()["code"], "unauthorized", "{what}");
            }
        }
        guarded += usize::from(route.access != Access::Public);
    }
    assert!(guarded > 20, "{guarded}");
    // A node's credential is no person's.
    c.seed();
    let nonce = c.nonce(NODE_A);
    let body = serde_json::json!({"nonce": nonce, "credential": credential('a')});
    c.call("POST", &format!("/ipxe/{NODE_A}/register"), "", Some(body)).expect(200);
    c.call("GET", "/api/v1/nodes", &credential('a'), None).expect(401);
    // And the plain listener has none of it, not even for the administrator.
    let bearer = format!("Bearer {}", c.token);
    for path in ["/api/v1/nodes", "/metrics", &format!("/ipxe/{NODE_A}/profile")] {
        c.get(path, &[("authorization", &bearer)]).expect(404);
    }
}

#[test]
fn bad_input_is_told_what_was_expected() {
    let server = Server::start(&[]);
    let c = &server.client;
    let bad = c.get("/ipxe/4c4c4544?arch=x86_64", &[]).expect(400).json();
    assert_eq!(bad["code"], "bad_request");
    assert!(bad["message"].as_str().unwrap().contains("8-4-4-4-12"), "{bad}");
    assert!(c.get("/ipxe/unknown?arch=x86_64", &[]).expect(200).text().contains("no system UUID"));
    assert!(c.get("/ipxe/unknown?arch=mips", &[]).expect(200).text().contains("neither x86_64"));
    assert!(c.get("/boot.ipxe", &[]).expect(200).text().starts_with("#!ipxe\n"));
    for host in ["a b", "h/../x", "h\"x"] {
        let got = c.get(&format!("/ipxe/{NODE_A}?arch=x86_64"), &[("host", host)]);
        assert_eq!(got.status, 400, "{host}");
    }
    c.admin("GET", "/api/v1/nodes/x", None).expect(400);
    c.admin("GET", "/api/v1/nodes?limit=x", None).expect(400);
    c.admin("GET", "/api/v1/nodes?q=a%20b", None).expect(200);
    for address in ["/api/v1/nodes?q=%00", "/api/v1/nodes?q=a%0Ab", "/api/v1/boots/%00"] {
        let error = c.admin("GET", address, None).expect(400).json();
        assert!(error["message"].as_str().unwrap().contains("control characters"), "{error}");
    }
    c.admin("GET", "/api/v1/nope", None).expect(404);
    assert_eq!(c.admin("DELETE", "/api/v1/status", None).expect(405).header("allow"), "GET");
    let unknown_field = serde_json::json!({"hostnam": "x"});
    let error = c.admin("PATCH", &format!("/api/v1/nodes/{NODE_A}"), Some(unknown_field)).expect(400).json();
    assert!(error["message"].as_str().unwrap().contains("hostnam"), "{error}");
}

#[test]
fn bodies_over_their_limit_are_413() {
    let server = Server::start(&[("upload-limit", "1KiB")]);
    let c = &server.client;
    let of_size = |size: usize| Some(serde_json::json!({"name": "x".repeat(size), "image": "a:1"}));
    let error = c.admin("POST", "/api/v1/profiles", of_size(1 << 20)).expect(413).json();
    assert_eq!(error["code"], "too_large");
    let register = format!("/ipxe/{NODE_A}/register");
    let inventory = |size: usize| {
        let inventory = serde_json::json!({"kernel": "x".repeat(size)});
        Some(serde_json::json!({"nonce": credential('0'), "credential": credential('1'), "inventory": inventory}))
    };
    c.call("POST", &register, "", inventory(5 << 20)).expect(403);
    c.call("POST", &register, "", inventory(6 << 20)).expect(413);
    let large = vec![1; 1025];
    let url = format!("{}/api/v1/blobs/{}", c.https, higuma::domain::Sha256::of(&large));
    let bearer = format!("Bearer {}", c.token);
    c.send("PUT", &url, &[("authorization", &bearer)], Some(large)).expect(413);
}
