//! Over real sockets on loopback: curl as the client that we did not write, and clients that behave badly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::process::Stdio;

struct One(Arc<[u8]>);

impl Files for One {
    fn file(&self, _: IpAddr, name: &str) -> Option<Arc<[u8]>> {
        (name == "boot/ipxe.efi").then(|| self.0.clone())
    }
}

struct Rig {
    address: SocketAddr,
    file: Arc<[u8]>,
    reports: mpsc::UnboundedReceiver<Report>,
    stop: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn rig(settings: Settings, size: usize) -> Rig {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let file: Arc<[u8]> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
    let (tell, reports) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let files = Arc::new(One(file.clone()));
    tokio::spawn(serve(socket, files, settings, move |report| tell.send(report).unwrap(), stop.clone()));
    Rig { address, file, reports, stop }
}

async fn curl(address: SocketAddr, path: &str, block: &str) -> std::process::Output {
    let url = format!("tftp://{address}/{path}");
    let args = ["--silent", "--show-error", "--max-time", "60", "--path-as-is", "--tftp-blksize", block, &url];
    tokio::process::Command::new("curl").args(args).stdin(Stdio::null()).output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_what_is_there_and_an_error_else() {
    for single_port in [false, true] {
        let mut rig = rig(Settings { single_port, ..Settings::default() }, 30_000).await;
        for block in ["512", "1468", "8"] {
            let out = curl(rig.address, "/boot/ipxe.efi", block).await;
            assert!(out.status.success() && out.stdout == *rig.file, "{out:?}");
            let report = rig.reports.recv().await.unwrap();
            assert_eq!((report.outcome, report.bytes), (Some(Outcome::Complete), 30_000));
            assert_eq!((report.file.as_str(), report.client.ip()), ("boot/ipxe.efi", rig.address.ip()));
        }
        for path in ["/../../etc/passwd", "/boot/../boot/ipxe.efi", "/boot", "//etc/passwd"] {
            let out = curl(rig.address, path, "512").await;
            assert!(!out.status.success() && out.stdout.is_empty(), "{path}");
            assert_eq!(rig.reports.recv().await.unwrap().outcome, None, "{path}");
        }
    }
}

async fn client(rig: &Rig) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"\0\x01boot/ipxe.efi\0octet\0tsize\x000\0", rig.address).await.unwrap();
    socket
}

async fn hears(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let received = tokio::time::timeout(Duration::from_secs(10), socket.recv_from(&mut buffer)).await;
    let (length, from) = received.expect("no answer").unwrap();
    (buffer[..length].to_vec(), from)
}

#[tokio::test]
async fn error_8_after_the_size_is_a_normal_end() {
    let mut rig = rig(Settings::default(), 1000).await;
    let one = client(&rig).await;
    let (oack, from) = hears(&one).await;
    assert_eq!(oack, packet::oack(&[("tsize", 1000)]));
    assert_ne!(from, rig.address, "a transfer has its own port");
    one.send_to(&packet::error(Code::OPTIONS, "User aborted"), from).await.unwrap();
    let report = rig.reports.recv().await.unwrap();
    assert_eq!(report.outcome, Some(Outcome::Ended(Code::OPTIONS, "User aborted".into())));
}

#[tokio::test]
async fn writing_is_refused_and_noise_is_ignored() {
    let rig = rig(Settings::default(), 1000).await;
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for noise in [&b""[..], b"x", b"\0\x04\0\x01", b"\0\x05\0\x00", b"\0\x09abc", &[0xff; 1400]] {
        one.send_to(noise, rig.address).await.unwrap();
    }
    one.send_to(b"\0\x02boot/ipxe.efi\0octet\0", rig.address).await.unwrap();
    assert_eq!(hears(&one).await.0, packet::error(Code::ACCESS, "nothing is written here"));
}

#[tokio::test]
async fn one_client_has_few_and_a_place_comes_back() {
    let mut rig = rig(Settings { of_client: 2, ..Settings::default() }, 1000).await;
    let (one, two) = (client(&rig).await, client(&rig).await);
    let (_, from) = hears(&one).await;
    hears(&two).await;
    let three = client(&rig).await;
    let mut buffer = [0; 64];
    // Its request is behind one that is answered, so it was seen.
    three.send_to(b"\0\x02f\0octet\0", rig.address).await.unwrap();
    let (length, _) = three.recv_from(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..4], b"\0\x05\0\x02", "{length}");
    one.send_to(&packet::error(Code::UNDEFINED, "enough"), from).await.unwrap();
    rig.reports.recv().await.unwrap();
    three.send_to(b"\0\x01boot/ipxe.efi\0octet\0tsize\x000\0", rig.address).await.unwrap();
    assert_eq!(hears(&three).await.0, packet::oack(&[("tsize", 1000)]));
}

#[test]
fn names_as_firmware_writes_them() {
    for (name, is) in [
        ("/boot/ipxe.efi", "boot/ipxe.efi"),
        ("\\boot\\ipxe.efi", "boot/ipxe.efi"),
        ("./ipxe.efi", "ipxe.efi"),
        ("undionly.kpxe\u{fffd}", "undionly.kpxe"),
        ("../x", "../x"),
    ] {
        assert_eq!(normal(name), is);
    }
}
