//! Uploads are all or nothing; downloads resume.

use super::fixture::Server;
use higuma::domain::Sha256;
use std::io::Read;
use std::process::Command;

#[test]
fn ranges_and_etags() {
    let server = Server::start(&[]);
    let c = &server.client;
    let bytes: Vec<u8> = (0..700_000u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let sha = c.blob(&bytes);
    let path = format!("/blobs/{sha}");
    let whole = c.get(&path, &[]).expect(200);
    assert_eq!(whole.body, bytes);
    let etag = format!("\"{sha}\"");
    assert_eq!((whole.header("etag"), whole.header("accept-ranges")), (etag.as_str(), "bytes"));
    assert!(whole.header("cache-control").contains("immutable"));
    let part = c.get(&path, &[("range", "bytes=699998-")]).expect(206);
    assert_eq!((part.body.as_slice(), part.header("content-range")), (&bytes[699_998..], "bytes 699998-699999/700000"));
    let middle = c.get(&path, &[("range", "bytes=100-300099")]).expect(206);
    assert_eq!(middle.body, &bytes[100..300_100]);
    assert_eq!(c.get(&path, &[("range", "bytes=700000-")]).expect(416).header("content-range"), "bytes */700000");
    c.get(&path, &[("range", "bytes=0-1"), ("if-range", &etag)]).expect(206);
    c.get(&path, &[("range", "bytes=0-1"), ("if-range", "\"other\"")]).expect(200);
    c.get(&path, &[("if-none-match", &etag)]).expect(304);
    let head = c.send("HEAD", &format!("{}{path}", c.plain), &[], None).expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("700000", 0));
    // The connection is still in order after HEAD.
    assert_eq!(c.get(&path, &[("range", "bytes=0-0")]).expect(206).body, &bytes[..1]);
    c.get(&format!("/blobs/{}", "0".repeat(64)), &[]).expect(404);
    c.get("/blobs/..%2f..%2fadmin.token", &[]).expect(400);
}

#[test]
fn uploads_are_all_or_nothing() {
    let server = Server::start(&[]);
    let c = &server.client;
    let tmp = server.dir.path().join("blobs/tmp");
    let bearer = format!("Bearer {}", c.token);
    let sha = Sha256::of(b"right");
    let url = format!("{}/api/v1/blobs/{sha}", c.https);
    let wrong = c.send("PUT", &url, &[("authorization", &bearer)], Some(b"wrong".to_vec())).expect(400);
    assert!(wrong.text().contains("sha256"), "{}", wrong.text());
    c.send("HEAD", &url, &[("authorization", &bearer)], None).expect(404);
    assert_eq!(c.blob(b"right"), sha.to_string());
    assert_eq!(c.blob(b"right"), sha.to_string(), "again is no error");
    c.send("HEAD", &url, &[("authorization", &bearer)], None).expect(200);

    // A client that breaks off in the middle.
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 20 {
                return Err(std::io::Error::other("cut"));
            }
            buf.fill(7);
            Ok(buf.len())
        }
    }
    let pem = std::fs::read(server.dir.path().join("ca.pem")).unwrap();
    let ca = ureq::tls::Certificate::from_pem(&pem).unwrap();
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(&[ca]))
        .unversioned_rustls_crypto_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    let url = format!("{}/api/v1/blobs/{}", c.https, Sha256::of(b"never"));
    let mut broken = Broken(0);
    let sent = agent.put(&url).header("authorization", &bearer).send(ureq::SendBody::from_reader(&mut broken));
    assert!(sent.is_err());
    drop(agent);
    for _ in 0..500 {
        if std::fs::read_dir(&tmp).unwrap().count() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the interrupted upload left a file in {}", tmp.display());
}

/// Blobs on a file system of 4 MiB. Mounting it needs a mount namespace (root has one for the asking, others with a user
/// namespace), so the test starts itself again in one.
#[test]
fn a_full_disk_is_told_and_leaves_no_half_blob() {
    const NAME: &str = "http::blobs::a_full_disk_is_told_and_leaves_no_half_blob";
    const INSIDE: &str = "HIGUMA_TEST_SMALL_DISK";
    if std::env::var_os(INSIDE).is_none() {
        let dir = tempfile::tempdir().unwrap();
        let namespace = if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" };
        let mut again = Command::new("unshare");
        again.arg(namespace).arg(std::env::current_exe().unwrap()).args([NAME, "--exact", "--nocapture"]);
        let out = again.env(INSIDE, "1").env("TMPDIR", dir.path()).output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success() && told.contains("1 passed"), "this test needs root or a user namespace: {told}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("blobs");
    std::fs::create_dir(&folder).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs"]).arg(&folder);
    assert!(mount.status().unwrap().success());
    let server = Server::start_in(dir, &[], None);
    let c = &server.client;
    c.blob(b"there is room for this");
    // As large as the file system, in which something is already: there is no room for its last bytes.
    let large = vec![7u8; 4 << 20];
    let sha = Sha256::of(&large);
    let bearer = format!("Bearer {}", c.token);
    let url = format!("{}/api/v1/blobs/{sha}", c.https);
    let full = c.send("PUT", &url, &[("authorization", &bearer)], Some(large)).expect(503);
    let told = full.text();
    assert!(told.contains("the blob folder is full") && told.contains("free space on the server"), "{told}");
    c.send("HEAD", &url, &[("authorization", &bearer)], None).expect(404);
    assert!(!folder.join(&sha.as_str()[..2]).join(sha.as_str()).exists());
    assert_eq!(std::fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
    // What came of it is gone: there is room again.
    c.blob(&vec![8u8; 3 << 20]);
}
