#![no_main]
//! Any datagram is decided on in every mode, and what is answered is a packet that a client can read, no longer than it takes.

use higuma::dhcp::{packet, words};
use higuma::domain::dhcp::{
    self, BootSettings, Build, Candidate, Decision, Lease, Mode, Op, Port, Reservation, Situation, Subnet,
    SubnetOptions,
};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::LazyLock;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const FREE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

struct World {
    subnets: [Subnet; 1],
    boot: BootSettings,
    reservation: Reservation,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let options = SubnetOptions {
        routers: vec![HERE; 4],
        dns: vec![HERE; 20],
        other: (200..230).map(|code| (code, vec![7; 90])).collect(),
        ..Default::default()
    };
    let net = "10.77.0.0/24".parse().unwrap_or_default();
    let spans = vec![(FREE, Ipv4Addr::new(10, 77, 0, 199))];
    World {
        subnets: [Subnet { net, spans, options, lease_seconds: 3600 }],
        boot: BootSettings {
            boots: true,
            build: Build::Snponly,
            own_ipxe: true,
            fetched: false,
            tftp: HERE,
            http: "http://10.77.0.1:8080".to_owned(),
            files: ["undionly.kpxe", "snponly.efi", "ipxe-arm64.efi"].map(str::to_owned).to_vec(),
        },
        reservation: Reservation { address: Some(Ipv4Addr::new(10, 77, 0, 185)), ..Default::default() },
    }
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = packet::parse(bytes) else { return };
    assert!(words::summary(&request).len() < 2_000 + 20 * bytes.len(), "said at much more length than it is");
    let world = &*WORLD;
    let lease = Lease::offer(FREE, world.subnets[0].net, &request, 0);
    for mode in [Mode::Proxy, Mode::Server] {
        for (port, candidate, known) in [
            (Port::Dhcp, Candidate::NotAsked, false),
            (Port::Dhcp, Candidate::Free(FREE), false),
            (Port::Dhcp, Candidate::NotAsked, true),
            (Port::Pxe, Candidate::NotAsked, false),
        ] {
            let decision = dhcp::decide(
                &request,
                &Situation {
                    mode,
                    port,
                    source: SocketAddrV4::new(request.ciaddr, 68),
                    unicast: request.secs % 2 == 0,
                    here: HERE,
                    own: &[HERE],
                    interface: &[world.subnets[0].net],
                    authoritative: true,
                    probe: &[],
                    subnets: &world.subnets,
                    reservation: (request.secs % 3 == 0).then_some(&world.reservation),
                    lease: known.then_some(&lease),
                    candidate,
                    boot: &world.boot,
                    now: 1,
                },
            );
            match decision {
                Decision::Answer(answer) => {
                    assert!(port == Port::Dhcp && mode == Mode::Server || answer.lease.is_none(), "gave an address");
                    let written = packet::emit(&answer.reply);
                    let most = usize::from(request.max_size.unwrap_or(0).clamp(576, 1500)) - 28;
                    assert!((300..=most).contains(&written.bytes.len()), "{} bytes", written.bytes.len());
                    let read = packet::parse(&written.bytes);
                    assert!(
                        read.is_ok_and(|read| {
                            let relay =
                                read.relay.map(|relay| relay.raw) == request.relay.as_ref().map(|r| r.raw.clone());
                            read.op == Op::Reply
                                && read.xid == request.xid
                                && read.kind == Some(answer.reply.kind)
                                && (relay || written.left_out.contains(&82))
                        }),
                        "cannot be read"
                    );
                }
                Decision::Silence(why, _) => assert!(why.to_string().len() < 2_000 + 20 * bytes.len()),
                Decision::Need(_) => assert!(port == Port::Dhcp && mode == Mode::Server),
            }
        }
    }
});
