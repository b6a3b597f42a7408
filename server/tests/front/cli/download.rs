//! `image import` of addresses as a program: what is trusted, what is kept, and that secrets are not shown.

use super::{Home, RELEASE, bzimage, empty_server, text};
use std::process::Output;

const INITRD: &str = "an initrd, as it is";

fn sha256(bytes: &[u8]) -> String {
    hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

/// A kernel of this machine, an initrd from `address`.
fn import(home: &Home, address: &str, more: &[&str]) -> Output {
    let kernel = home.path("kernel");
    std::fs::write(&kernel, bzimage()).unwrap();
    std::fs::write(home.path("trusted.pem"), &home.fake.ca_pem).unwrap();
    let kernel = kernel.to_str().unwrap();
    let args = ["image", "import", "--name", "t", "--version", "1", "--kernel", kernel, "--initrd", address];
    let mut command = home.command(&[&args, more].concat());
    command.env("XDG_CACHE_HOME", home.path("cache")).env("SSL_CERT_FILE", home.path("trusted.pem"));
    for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy).env_remove(proxy.to_uppercase());
    }
    command.output().unwrap()
}

/// An API that takes everything, and a file beside it.
fn home() -> Home {
    Home::new(|r| match r.path.as_str() {
        "/files/initrd?key=geheim" => (200, INITRD.into()),
        _ => empty_server(r),
    })
}

fn cached(home: &Home) -> Vec<String> {
    let folder = home.path("cache/higuma/downloads");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|e| e.unwrap().file_name().into_string().unwrap()).filter(|n| !n.ends_with(".lock")).collect()
}

#[test]
fn a_server_that_is_not_known_gets_nothing() {
    let home = home();
    // The certificate has a name; 127.0.0.1 is none of it.
    let address = |host: &str| format!("https://me:passwort@{host}:{}/files/initrd?key=geheim", home.fake.port);
    let wrong = import(&home, &address("127.0.0.1"), &[]);
    assert_eq!(wrong.status.code(), Some(6), "{}", text(&wrong.stderr));
    assert!(text(&wrong.stderr).contains("SSL_CERT_FILE"), "{}", text(&wrong.stderr));
    assert!(!home.fake.lines().iter().any(|line| line.contains("/files/")), "nothing is asked of who is not known");
    assert!(!text(&wrong.stderr).contains("passwort") && !text(&wrong.stderr).contains("geheim"));
    assert_eq!(cached(&home), [""; 0]);
    assert_eq!(home.left_over(), 0);
}

#[test]
fn https_of_a_known_server_is_taken_and_kept() {
    let home = home();
    let address = format!("https://localhost:{}/files/initrd?key=geheim", home.fake.port);
    let out = import(&home, &address, &[]);
    let told = text(&out.stderr);
    assert!(out.status.success(), "{told}");
    let put = format!("PUT /api/v1/blobs/{}", sha256(INITRD.as_bytes()));
    assert!(home.fake.lines().contains(&put), "{told}: {:?}", home.fake.lines());
    assert!(told.contains(&sha256(INITRD.as_bytes())) && !told.contains("geheim"), "{told}");
    assert_eq!(home.left_over(), 0);
    // With a hash, what is kept is enough: the server is not asked again.
    let asked = || home.fake.lines().iter().filter(|line| line.contains("/files/")).count();
    let before = asked();
    let out = import(&home, &format!("{address}#sha256={}", sha256(INITRD.as_bytes())), &[]);
    assert!(out.status.success() && text(&out.stderr).contains("was downloaded before"), "{}", text(&out.stderr));
    assert_eq!((before, asked()), (1, 1));
    let out = import(&home, &format!("{address}#sha256={}", sha256(b"other")), &[]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
}

#[test]
fn plain_http_needs_a_hash() {
    let home = home();
    let out = import(&home, "http://127.0.0.1:1/initrd?key=geheim", &[]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
    assert!(
        text(&out.stderr).contains("expected the SHA-256 of http://127.0.0.1:1/initrd?..."),
        "{}",
        text(&out.stderr)
    );
    let out = import(&home, "https://127.0.0.1:1/initrd#sha256=12", &[]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
    assert_eq!((cached(&home).len(), home.left_over()), (0, 0));
}

#[test]
fn a_downloaded_part_is_sent_or_kept() {
    let home = home();
    let plain = plain(INITRD);
    let address = format!("http://127.0.0.1:{plain}/initrd#sha256={}", sha256(INITRD.as_bytes()));
    let out = import(&home, &address, &["--output", home.path("out").to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(std::fs::read_to_string(home.path("out/initrd.img")).unwrap(), INITRD);
    assert!(std::fs::read_to_string(home.path("out/image.json")).unwrap().contains(RELEASE));

    let out = import(&home, &address, &[]);
    let told = text(&out.stderr);
    assert!(told.contains("was downloaded before"), "{told}");
    let put = format!("PUT /api/v1/blobs/{}", sha256(INITRD.as_bytes()));
    assert!(home.fake.lines().contains(&put), "{told}: {:?}", home.fake.lines());
    assert_eq!((cached(&home).len(), home.left_over()), (2, 0));

    let other = format!("http://127.0.0.1:{plain}/initrd#sha256={}", sha256(b"other"));
    let out = import(&home, &other, &[]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains(&sha256(INITRD.as_bytes())), "{}", text(&out.stderr));
}

#[test]
fn a_source_has_its_hash() {
    let home = home();
    let tar = home.path("root.tar");
    std::fs::write(&tar, "no tar").unwrap();
    let run = |source: &str, hash: &str| {
        let args = ["image", "import", "--name", "t", "--version", "1", source, "--sha256", hash];
        let out = home.run(&args);
        assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
        text(&out.stderr).to_owned()
    };
    let told = run(tar.to_str().unwrap(), &sha256(b"x"));
    assert!(told.contains(&sha256(b"x")) && told.contains(&sha256(b"no tar")), "{told}");
    // Of an archive with several images, it is that of the file.
    let oci = |image: &str| {
        let args = ["image", "import", "--name", "t", "--version", "1", "--oci", image, "--sha256", &sha256(b"x")];
        let out = home.run(&args);
        assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
        text(&out.stderr).to_owned()
    };
    for image in [tar.to_str().unwrap(), &format!("{}:debian:12", tar.display())] {
        let told = oci(image);
        assert!(told.contains(&sha256(b"no tar")) && told.contains(&tar.display().to_string()), "{told}");
    }
    assert!(oci("registry.example/os:7").contains("NAME@sha256:HEX"));
    let told = run(home.path("data").to_str().unwrap(), &sha256(b"x"));
    assert!(told.contains("a folder"), "{told}");
}

/// A server for one file without TLS; gives its port.
fn plain(content: &'static str) -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            if lines.map_while(Result::ok).any(|line| line.is_empty()) {
                let length = content.len();
                let _ =
                    write!(stream, "HTTP/1.1 200 X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{content}");
            }
        }
    });
    port
}
