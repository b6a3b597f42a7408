#![no_main]
//! Any file is a capture or is refused, and its packets are explained.

use higuma::dhcp::{capture, explain};
use higuma::domain::dhcp::{BootSettings, Build, Mode, Subnet, SubnetOptions};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(capture) = capture::read(bytes) else { return };
    assert!(capture.datagrams.len() <= bytes.len() && capture.others <= bytes.len());
    let (Ok(here), Ok(net)) = ("10.77.0.2/24".parse(), "10.77.0.0/24".parse()) else { return };
    let setup = explain::Setup {
        mode: Mode::Server,
        here,
        subnets: vec![Subnet {
            net,
            spans: vec![([10, 77, 0, 1].into(), [10, 77, 0, 5].into())],
            options: SubnetOptions::default(),
            lease_seconds: 3600,
        }],
        authoritative: true,
        boot: BootSettings {
            boots: true,
            build: Build::Full,
            own_ipxe: false,
            fetched: false,
            tftp: here.addr(),
            http: "http://10.77.0.2:8080".to_owned(),
            files: vec!["undionly.kpxe".to_owned(), "ipxe.efi".to_owned()],
        },
        reservation: None,
        port: 67,
    };
    let explained = explain::explain(&capture, &setup);
    assert_eq!(explained.len(), capture.datagrams.len());
    assert!(explained.iter().all(|one| one.result != "undecided"), "asked twice for the same");
    assert!(explain::text(&explained).len() < 5_000 * (1 + explained.len()) + 20 * bytes.len());
});
