//! Pulls from a registry that is slow, moody or lies: what is got is right, or there is an error that says why, with
//! nothing left in the scratch folder but what its owner removes.

use crate::files::{Files, layer, noisy};
use crate::make::lines;
use crate::registry_server::{Answer, Request, Server};
use higuma_oci::{Credentials, Digest, Error, Options, Platform, RegistryOptions, Source, load};
use serde_json::json;
use std::time::Duration;

/// An image for two architectures, and the names of its two layers.
fn image() -> (Files, Vec<u8>, [String; 2]) {
    let mut files = Files::default();
    let big = noisy("big", 1);
    let names = [&big, &layer("two")].map(|(stored, _)| Digest::of(stored).to_string());
    let (amd, arm) = (files.image("amd64", &[big, layer("two")]), files.image("arm64", &[layer("arm")]));
    let index = json!({ "schemaVersion": 2, "manifests": [amd, arm] }).to_string();
    (files, index.into_bytes(), names)
}

/// What an honest registry answers.
pub fn honest(files: &Files, index: &[u8], request: &Request) -> Answer {
    let Some(path) = request.path.strip_prefix("/v2/team/os/") else { return Answer::status(404) };
    match path.rsplit_once('/') {
        Some(("manifests", "1")) => Answer::ok(index),
        Some(("manifests" | "blobs", digest)) => match files.0.get(&format!("blobs/{}", digest.replace(':', "/"))) {
            Some(bytes) => Answer::ranged(bytes, request),
            None => Answer::status(404),
        },
        _ => Answer::status(404),
    }
}

pub fn options(credentials: Option<&str>) -> Options {
    let credentials = credentials.map(|text| Credentials::read(text, "x").unwrap());
    let (first_wait, silence) = (Duration::from_millis(1), Duration::from_secs(5));
    let registry = RegistryOptions { credentials, first_wait, silence, tries: 4, ..RegistryOptions::default() };
    Options { platform: Some(Platform::new("x86_64")), registry, ..Options::default() }
}

/// The names in the image, or the error.
fn pull_as(server: &Server, name: &str, credentials: Option<&str>) -> Result<Vec<String>, Error> {
    let scratch = tempfile::tempdir().unwrap();
    let source = Source::parse(&format!("{}/{name}", server.address)).unwrap();
    let loaded = load(&source, scratch.path(), &options(credentials), &mut |_| {})?;
    let lines = lines(&loaded.tree, &loaded.spool);
    Ok(lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect())
}

fn pull(server: &Server) -> Result<Vec<String>, Error> {
    pull_as(server, "team/os:1", None)
}

/// An honest registry but for what `lie` says; `lie` also gets the names of the layers.
fn lying(lie: impl Fn(&Request, usize, &[String; 2], &Files) -> Option<Answer> + Send + Sync + 'static) -> Server {
    let (files, index, names) = image();
    Server::start(move |request, before| {
        lie(request, before, &names, &files).unwrap_or_else(|| honest(&files, &index, request))
    })
}

pub fn stored<'a>(files: &'a Files, digest: &str) -> &'a [u8] {
    &files.0[&format!("blobs/{}", digest.replace(':', "/"))]
}

#[test]
fn an_honest_registry() {
    let server = lying(|_, _, _, _| None);
    assert_eq!(pull(&server).unwrap(), ["big", "two"]);
    let accept = server.requests()[0].header("accept").to_owned();
    assert!(accept.contains("oci.image.index") && accept.contains("docker.distribution.manifest.list"), "{accept}");
    let (_, index, _) = image();
    // By digest: a moved tag does not matter, and another content is seen.
    assert!(matches!(pull_as(&server, &format!("team/os@{}", Digest::of(&index)), None), Err(Error::NotFound(_))));
    let digest = Digest::of(&index);
    let server = lying(move |request, _, _, _| request.path.ends_with(digest.hex()).then(|| Answer::ok(b"{}")));
    let error = pull_as(&server, &format!("team/os@{}", Digest::of(&index)), None).unwrap_err().to_string();
    assert!(error.contains("expected sha256:") && error.contains(&Digest::of(b"{}").to_string()), "{error}");
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let server = lying(|request, before, names, files| {
        let whole = request.path.ends_with(&names[0]).then(|| Answer::ranged(stored(files, &names[0]), request))?;
        (before < 3).then(|| whole.cut(2000))
    });
    assert_eq!(pull(&server).unwrap(), ["big", "two"]);
    let (_, _, names) = image();
    let ranges: Vec<String> =
        server.requests().iter().filter(|r| r.path.ends_with(&names[0])).map(|r| r.header("range").into()).collect();
    assert_eq!(ranges, ["", "bytes=2000-", "bytes=4000-", "bytes=6000-"]);
}

#[test]
fn without_range_it_begins_anew() {
    for other in [false, true] {
        let server = lying(move |request, before, names, files| {
            let bytes = request.path.ends_with(&names[0]).then(|| stored(files, &names[0]))?;
            match (before, other) {
                (0, _) => Some(Answer::ok(bytes).cut(3000)),
                // It sends another part than was asked for.
                (1, true) => {
                    Some(Answer { status: 206, ..Answer::ok(&bytes[5..]) }.with("Content-Range", "bytes 5-9/10"))
                }
                _ => Some(Answer::ok(bytes)),
            }
        });
        assert_eq!(pull(&server).unwrap(), ["big", "two"]);
    }
}

#[test]
fn busy_then_good() {
    let server = lying(|_, before, _, _| {
        (before < 2).then(|| Answer::status(if before == 0 { 503 } else { 429 }).with("Retry-After", "0"))
    });
    assert_eq!(pull(&server).unwrap(), ["big", "two"]);
    let server = lying(|_, _, _, _| Some(Answer::status(503)));
    let error = pull(&server).unwrap_err().to_string();
    assert!(error.contains("503") && error.contains("says the registry") && error.contains("(4 tries)"), "{error}");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn always_broken_off_ends() {
    // Not a byte further each time.
    let server = lying(|request, _, names, files| {
        request.path.ends_with(&names[0]).then(|| Answer::ok(stored(files, &names[0])).cut(100))
    });
    let error = pull(&server).unwrap_err().to_string();
    assert!(error.contains("(4 tries)"), "{error}");
}

#[test]
fn lies_about_layers() {
    // Other bytes, as many.
    let server = lying(|request, _, names, files| {
        let mut bytes = request.path.ends_with(&names[0]).then(|| stored(files, &names[0]).to_vec())?;
        bytes[100] ^= 1;
        Some(Answer::ok(&bytes))
    });
    let error = pull(&server).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }) && error.to_string().contains("expected sha256:"), "{error}");
    // More bytes; not one of them more is read, and it is not tried again.
    let server = lying(|request, _, names, files| {
        let bytes = request.path.ends_with(&names[0]).then(|| [stored(files, &names[0]), &[0; 100_000]].concat())?;
        Some(Answer::ok(&bytes))
    });
    let error = pull(&server).unwrap_err().to_string();
    assert!(error.contains("bytes, got more"), "{error}");
    let (_, _, names) = image();
    assert_eq!(server.requests().iter().filter(|r| r.path.ends_with(&names[0])).count(), 1);
    // Fewer bytes.
    let server = lying(|request, _, names, files| {
        request.path.ends_with(&names[0]).then(|| Answer::ok(&stored(files, &names[0])[..500]))
    });
    let error = pull(&server).unwrap_err().to_string();
    assert!(error.contains("it ended after 500 of"), "{error}");
}

#[test]
fn lies_about_manifests() {
    let server = lying(|request, _, _, _| {
        request.path.ends_with("/1").then(|| Answer::ok(b"<html>Welcome to the hotel's network</html>"))
    });
    assert!(pull(&server).unwrap_err().to_string().contains("expected JSON"));
    let server = lying(|request, _, _, _| request.path.contains("manifests/sha256").then(|| Answer::ok(b"{}")));
    assert!(matches!(pull(&server).unwrap_err(), Error::Mismatch { .. }));
    let server = lying(|request, _, _, _| request.path.ends_with("/1").then(|| Answer::ok(&vec![b' '; 5 << 20])));
    assert!(matches!(pull(&server).unwrap_err(), Error::Limit { .. }));
    let server = lying(|request, _, _, _| {
        let huge = json!({ "schemaVersion": 2, "manifests": [{ "digest": Digest::of(b"").to_string(), "size": 1_u64 << 40 }] });
        request.path.ends_with("/1").then(|| Answer::ok(huge.to_string().as_bytes()))
    });
    assert!(matches!(pull(&server).unwrap_err(), Error::Limit { .. }));
    let error = pull_as(&server, "team/other:1", None).unwrap_err().to_string();
    assert!(error.contains("says the registry") || error.contains("more than the limit"), "{error}");
}

#[test]
fn what_is_not_there() {
    let server = lying(|_, _, _, _| None);
    let error = pull_as(&server, "team/os:2", None).unwrap_err();
    assert!(
        matches!(&error, Error::NotFound(text) if text.contains("team/os:2") && text.contains("check name and tag")),
        "{error}"
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let error = load(&Source::parse(&format!("{closed}/x")).unwrap(), scratch.path(), &options(None), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("no connection") && error.contains("(4 tries)"), "{error}");
}

/// With tokens: `me:secret` gets one that is good for so many requests.
fn with_tokens(anonymous: bool, good_for: usize) -> Server {
    let (files, index, _) = image();
    let count = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |request, before| {
        use std::sync::atomic::Ordering::SeqCst;
        let host = request.header("host");
        if request.path.starts_with("/token?") {
            let good =
                ["scope=repository%3Ateam%2Fos%3Apull", "service=here"].iter().all(|part| request.path.contains(part));
            // "me:secret"
            let known = request.header("authorization") == "Basic bWU6c2VjcmV0"
                || anonymous && request.header("authorization").is_empty();
            return match good && known {
                true => Answer::ok(format!("{{\"token\":\"t{before}\"}}").as_bytes()),
                false => Answer::status(401),
            };
        }
        let used = count.fetch_add(1, SeqCst);
        if request.header("authorization") != format!("Bearer t{}", used / good_for)
            && request.header("authorization").is_empty()
            || used.is_multiple_of(good_for)
        {
            let wants =
                format!("Bearer realm=\"http://{host}/token\",service=\"here\",scope=\"repository:team/os:pull\"");
            return Answer::status(401).with("WWW-Authenticate", &wants);
        }
        honest(&files, &index, request)
    })
}

#[test]
fn tokens() {
    assert_eq!(pull(&with_tokens(true, 1000)).unwrap(), ["big", "two"]);
    let server = with_tokens(false, 1000);
    let error = pull(&server).unwrap_err();
    assert!(matches!(&error, Error::Unauthorised { .. }) && error.to_string().contains("give credentials"), "{error}");
    let error = pull_as(&with_tokens(false, 1000), "team/os:1", Some("me:wrong")).unwrap_err().to_string();
    assert!(error.contains("credentials are not those") && !error.contains("wrong"), "{error}");
    let server = with_tokens(false, 1000);
    assert_eq!(pull_as(&server, "team/os:1", Some("me:secret")).unwrap(), ["big", "two"]);
    // The password went to the place for tokens only.
    assert!(
        server.requests().iter().all(|r| r.path.starts_with("/token") || !r.header("authorization").contains("Basic"))
    );
    // A token that runs out in the middle.
    assert_eq!(pull_as(&with_tokens(false, 3), "team/os:1", Some("me:secret")).unwrap(), ["big", "two"]);
}

#[test]
fn passwords() {
    let (files, index, _) = image();
    let server = Server::start(move |request, _| match request.header("authorization") {
        "Basic bWU6c2VjcmV0" => honest(&files, &index, request),
        _ => Answer::status(401).with("WWW-Authenticate", "Basic realm=\"here\""),
    });
    assert_eq!(pull_as(&server, "team/os:1", Some("me:secret")).unwrap(), ["big", "two"]);
    assert!(matches!(pull_as(&server, "team/os:1", Some("me:other")).unwrap_err(), Error::Unauthorised { .. }));
    assert!(matches!(pull(&server).unwrap_err(), Error::Unauthorised { .. }));
}

#[test]
fn nobody_else_gets_the_password() {
    let thief = Server::start(|_, _| Answer::ok(b"{\"token\":\"x\"}"));
    let realm = format!("Bearer realm=\"http://localhost:{}/token\"", thief.address.rsplit(':').next().unwrap());
    let server = Server::start(move |_, _| Answer::status(401).with("WWW-Authenticate", &realm));
    let error = pull_as(&server, "team/os:1", Some("me:secret")).unwrap_err().to_string();
    assert!(error.contains("not TLS; nothing was sent there"), "{error}");
    assert!(thief.requests().is_empty());
    // A redirect to another host takes no password along.
    let (files, index, _) = image();
    let store = Server::start(move |request, _| honest(&files, &index, request));
    let to = format!("http://localhost:{}", store.address.rsplit(':').next().unwrap());
    let (files, index, _) = image();
    let server =
        Server::start(move |request, _| match (request.header("authorization"), request.path.contains("/blobs/")) {
            ("Basic bWU6c2VjcmV0", true) => Answer::status(307).with("Location", &format!("{to}{}", request.path)),
            ("Basic bWU6c2VjcmV0", false) => honest(&files, &index, request),
            _ => Answer::status(401).with("WWW-Authenticate", "Basic realm=\"here\""),
        });
    assert_eq!(pull_as(&server, "team/os:1", Some("me:secret")).unwrap(), ["big", "two"]);
    assert!(store.requests().len() >= 3 && store.requests().iter().all(|r| r.header("authorization").is_empty()));
    let circle = Server::start(|request, _| Answer::status(302).with("Location", &request.path));
    assert!(pull(&circle).unwrap_err().to_string().contains("too many redirects"));
}

#[test]
fn silence_ends() {
    let (files, index, names) = image();
    let server = Server::start(move |request, before| {
        if request.path.ends_with(&names[1]) && before == 0 {
            // Longer than the client listens.
            std::thread::sleep(Duration::from_secs(4));
        }
        honest(&files, &index, request)
    });
    let mut options = options(None);
    options.registry.silence = Duration::from_millis(200);
    let scratch = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    let source = Source::parse(&format!("{}/team/os:1", server.address)).unwrap();
    load(&source, scratch.path(), &options, &mut |_| {}).unwrap();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
