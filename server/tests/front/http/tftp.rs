//! TFTP as a part of the server, where a setting switches it on.

use super::fixture::Server;
use higuma::config::{Config, Flags};
use std::process::Command;

fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    names.iter().for_each(|name| std::fs::write(dir.path().join(name), vec![7; 5000]).unwrap());
    dir
}

#[test]
fn ipxe_is_served_to_firmware_and_counted() {
    let dir = folder(&["undionly.kpxe", "snponly.efi", "private.efi"]);
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let server = Server::start(&[("tftp-listen", &listen), ("ipxe-dir", dir.path().to_str().unwrap())]);
    let get = |name: &str| {
        let url = format!("tftp://{listen}/{name}");
        Command::new("curl").args(["--silent", "--max-time", "20", "--path-as-is", &url]).output().unwrap()
    };
    assert_eq!(get("snponly.efi").stdout, [7; 5000]);
    let script = String::from_utf8(get("autoexec.ipxe").stdout).unwrap();
    assert!(script.starts_with("#!ipxe\n") && script.contains("/boot.ipxe"), "{script}");
    assert!(!get("private.efi").status.success() && !get("../undionly.kpxe").status.success());
    let metrics = server.client.admin("GET", "/metrics", None).expect(200).text();
    for line in [
        "higuma_tftp_transfers_total{file=\"snponly.efi\",result=\"complete\"} 1",
        "higuma_tftp_transfers_total{file=\"autoexec.ipxe\",result=\"complete\"} 1",
        "higuma_tftp_transfers_total{file=\"other\",result=\"not_found\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn firmware_that_boots_by_http_gets_the_same_files() {
    let dir = folder(&["undionly.kpxe", "snponly.efi", "private.efi"]);
    let server = Server::start(&[("ipxe-dir", dir.path().to_str().unwrap())]);
    let client = &server.client;
    let head = client.send("HEAD", &format!("{}/boot/snponly.efi", client.plain), &[], None).expect(200);
    assert_eq!((head.header("content-length"), head.header("content-type")), ("5000", "application/efi"));
    assert!(head.text().is_empty());
    assert_eq!(client.get("/boot/snponly.efi", &[]).expect(200).body, [7; 5000]);
    let script = client.get("/boot/autoexec.ipxe", &[]).expect(200).text();
    assert!(script.starts_with("#!ipxe\n") && script.contains("/boot.ipxe"), "{script}");
    for name in ["private.efi", "..%2fsnponly.efi", "ipxe.efi"] {
        let refused = client.get(&format!("/boot/{name}"), &[]).expect(404).text();
        assert!(refused.contains("snponly.efi") && refused.contains("ipxe-dir"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_without_ipxe_does_not_start_and_names_the_package() {
    let (data, empty) = (tempfile::tempdir().unwrap(), folder(&[]));
    let values = [
        ("data-dir", data.path().to_str().unwrap()),
        ("http-listen", "127.0.0.1:0"),
        ("https-listen", "127.0.0.1:0"),
        ("grpc-listen", "127.0.0.1:0"),
        ("tftp-listen", "127.0.0.1:0"),
        ("ipxe-dir", empty.path().to_str().unwrap()),
    ];
    let start = |values: &[(&str, &str)]| {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let config = Config::load(&Flags { values }, &|_| None, false).unwrap();
        higuma::serve::start(config, tokio_util::sync::CancellationToken::new())
    };
    let error = start(&values).await.err().unwrap().to_string();
    assert!(error.contains("Debian package ipxe") && error.contains("ipxe-dir"), "{error}");
    let other = values.map(|(name, value)| if name == "tftp-listen" { (name, "no-such-if") } else { (name, value) });
    let error = start(&other).await.err().unwrap().to_string();
    assert!(error.contains("no interface \"no-such-if\""), "{error}");
}

/// By the script it is told who asks from which address. A stranger is no node, whatever its UUID.
#[test]
fn a_stranger_is_in_the_journal_and_no_node() {
    const STRANGER: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d99";
    let dir = folder(&["snponly.efi"]);
    let server = Server::start(&[("ipxe-dir", dir.path().to_str().unwrap())]);
    let client = &server.client;
    client.get(&format!("/ipxe/{STRANGER}?arch=x86_64&mac=52:54:00:00:00:99"), &[]).expect(200);
    client.get("/boot/snponly.efi", &[]).expect(200);
    let found = client.admin("GET", "/api/v1/boot-exchanges?mac=52:54:00:00:00:99", None).expect(200).json();
    let items = found["items"].as_array().unwrap();
    let told: Vec<_> = items.iter().map(|e| (e["service"].as_str().unwrap(), e["node"].as_str().unwrap())).collect();
    assert_eq!(told, [("script", ""), ("http-boot", "")], "{found}");
    assert_eq!((&items[1]["uuid"], &items[1]["bytes"]), (&STRANGER.into(), &5000.into()));
    client.admin("GET", &format!("/api/v1/nodes/{STRANGER}/exchanges"), None).expect(404);
    let known = client.admin("PUT", &format!("/api/v1/nodes/{STRANGER}"), Some(serde_json::json!({})));
    known.expect(200);
    let stored = client.admin("GET", &format!("/api/v1/nodes/{STRANGER}/exchanges"), None).expect(200).json();
    assert_eq!(stored["items"], serde_json::json!([]));
    client.admin("GET", &format!("/api/v1/nodes/{STRANGER}/exchanges?cursor=1"), None).expect(400);
}

/// What was heard a moment before the server stops is there when it starts again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_asked_survives_a_stop() {
    let data = tempfile::tempdir().unwrap();
    let uuid: higuma::domain::NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    let node = higuma::domain::node::Node::new(uuid.clone(), higuma::domain::node::Admission::Admitted, 1);
    let url = format!("sqlite:{}", data.path().join("higuma.db").display());
    let store = higuma::store::Store::open(&url).unwrap();
    store.write(move |tx| tx.put_node(&node)).await.unwrap();
    let values = [
        ("data-dir", data.path().to_str().unwrap()),
        ("http-listen", "127.0.0.1:0"),
        ("https-listen", "127.0.0.1:0"),
        ("grpc-listen", "127.0.0.1:0"),
    ];
    let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let config = Config::load(&Flags { values }, &|_| None, false).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let server = higuma::serve::start(config, stop.clone()).await.unwrap();
    let script = format!("http://{}/ipxe/{uuid}?arch=x86_64", server.http);
    let curl = move || Command::new("curl").args(["--silent", "--fail", "--max-time", "20", &script]).output().unwrap();
    assert!(tokio::task::spawn_blocking(curl).await.unwrap().status.success());
    stop.cancel();
    server.wait().await.unwrap();
    let kept = store.read(move |tx| tx.exchanges(&uuid, &Default::default(), 9)).await.unwrap();
    let server_id = std::fs::read_to_string(data.path().join("server-id")).unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((kept[0].service.as_str(), kept[0].server.as_str()), ("script", server_id.trim()));
}
