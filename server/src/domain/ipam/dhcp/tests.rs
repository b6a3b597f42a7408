//! Pools of kind dhcp, what they may say, and the subnets that pools make.

#![allow(clippy::unwrap_used)]
use super::super::{Range, Source, import};
use super::*;

fn pool(name: &str, kind: Kind, ranges: &[&str]) -> Pool {
    Pool {
        name: name.parse().unwrap(),
        kind,
        cluster: String::new(),
        cidr: "10.0.0.0/24".parse().unwrap(),
        gateway: None,
        vlan: 0,
        ranges: ranges.iter().map(|range| range.parse::<Range>().unwrap()).collect(),
        exclusions: vec![],
        source: Source::Static,
        dhcp: Dhcp::default(),
    }
}

fn texts() -> Texts {
    Texts {
        dns: vec!["10.0.0.2".into(), "10.0.0.3".into()],
        ntp: vec!["10.0.0.4".into()],
        domain: Some("lab.example".into()),
        mtu: Some(9000),
        lease_seconds: Some(600),
        options: [("150".to_owned(), "0a000001".to_owned())].into(),
    }
}

fn said(change: impl FnOnce(&mut Texts)) -> Dhcp {
    let mut texts = texts();
    change(&mut texts);
    Dhcp::try_from(texts).unwrap()
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[test]
fn texts_and_back() {
    let dhcp = said(|_| {});
    assert_eq!((dhcp.options.other.get(&150), Texts::from(&dhcp)), (Some(&vec![10, 0, 0, 1]), texts()));
    for (change, words) in [
        ((|t| t.dns = vec!["fd00::1".into()]) as fn(&mut Texts), "dns: expected an IPv4 address"),
        (|t| t.domain = Some("a b".into()), "host name"),
        (|t| t.options = [("150".into(), "zz".into())].into(), "NUMBER=HEX"),
        (|t| t.options = [("256".into(), "00".into())].into(), "NUMBER=HEX"),
        (|t| t.options = [("150".into(), String::new())].into(), "NUMBER=HEX"),
        (|t| t.options = [("6".into(), "00".into()), ("06".into(), "00".into())].into(), "each number once"),
    ] {
        let mut texts = texts();
        change(&mut texts);
        let error = Dhcp::try_from(texts).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_a_pool_may_say() {
    let fits = |dhcp: Dhcp| Pool { dhcp, ..pool("d", Kind::Dhcp, &["10.0.0.10-10.0.0.99"]) }.check();
    assert_eq!(fits(said(|_| {})), Ok(()));
    assert_eq!(fits(Dhcp::default()), Ok(()));
    let other =
        |code: u8, length: usize| move |t: &mut Texts| t.options = [(code.to_string(), "00".repeat(length))].into();
    for (dhcp, words) in [
        (said(|t| t.lease_seconds = Some(119)), "lease: expected 120 seconds to 30 days, got 119"),
        (said(|t| t.lease_seconds = Some(2_592_001)), "lease"),
        (said(|t| t.mtu = Some(67)), "mtu: expected at least 68"),
        (said(other(53, 1)), "option 53"),
        (said(other(6, 4)), "option 6: expected it as dns"),
        (said(other(150, 256)), "at most 255 bytes"),
        (said(|t| t.dns = vec!["10.0.0.2".into(); 17]), "dns: expected at most 16, got 17"),
    ] {
        let error = fits(dhcp).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let base = || pool("d", Kind::Dhcp, &["10.0.0.10-10.0.0.99"]);
    for (pool, words) in [
        (Pool { ranges: vec![], ..base() }, "ranges: expected one at least"),
        (Pool { source: Source::Dhcp, ..base() }, "source: expected static"),
        (Pool { cluster: "east".into(), ..base() }, "cluster: expected none"),
        (
            Pool { cidr: "fd00::/64".parse().unwrap(), ranges: vec!["fd00::1".parse().unwrap()], ..base() },
            "expected an IPv4 network",
        ),
        (Pool { kind: Kind::Bmc, dhcp: said(|_| {}), ..base() }, "this is one of kind bmc"),
        (
            Pool { kind: Kind::Node, cidr: "fd00::/64".parse().unwrap(), ranges: vec![], dhcp: said(|_| {}), ..base() },
            "IPv4 pools",
        ),
    ] {
        let error = pool.check().unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(Pool { kind: Kind::Node, ranges: vec![], dhcp: said(|_| {}), ..base() }.check(), Ok(()));
}

#[test]
fn pools_of_one_network_give_different_addresses() {
    let dhcp = pool("d", Kind::Dhcp, &["10.0.0.100-10.0.0.199"]);
    let node = |ranges: &[&str]| pool("n", Kind::Node, ranges);
    assert_eq!(dhcp.clash(&node(&["10.0.0.10-10.0.0.99"])), None);
    for ranges in [&[][..], &["10.0.0.10-10.0.0.100"], &["10.0.0.150"]] {
        let both = [(&dhcp, &node(ranges)), (&node(ranges), &dhcp)];
        assert!(both.iter().all(|(a, b)| a.clash(b).unwrap().contains("ranges apart")), "{ranges:?}");
    }
    // Cut out of the whole network.
    assert_eq!(dhcp.clash(&Pool { exclusions: dhcp.ranges.clone(), ..node(&[]) }), None);
    let wider = Pool { cidr: "10.0.0.0/16".parse().unwrap(), ..node(&["10.0.1.0-10.0.1.9"]) };
    assert!(dhcp.clash(&wider).unwrap().contains("expected the same network"));
    assert_eq!(dhcp.clash(&pool("b", Kind::Bmc, &[])), None, "BMCs are another matter");
    let second = Pool { name: "e".parse().unwrap(), ..pool("e", Kind::Dhcp, &["10.0.0.10"]) };
    assert!(dhcp.clash(&second).unwrap().contains("which has the same kind"));
}

#[test]
fn pools_of_one_network_are_one_subnet() {
    let dhcp = Pool {
        exclusions: vec!["10.0.0.150".parse().unwrap()],
        dhcp: said(|t| (t.ntp, t.lease_seconds) = (vec![], None)),
        ..pool("z", Kind::Dhcp, &["10.0.0.0-10.0.0.2", "10.0.0.100-10.0.0.199"])
    };
    let node = Pool {
        gateway: Some("10.0.0.1".parse().unwrap()),
        dhcp: said(|t| (t.mtu, t.domain, t.lease_seconds) = (Some(1500), Some("other.example".into()), Some(7200))),
        ..pool("a", Kind::Node, &["10.0.0.10-10.0.0.99"])
    };
    let alone = Pool { cidr: "10.0.1.0/24".parse().unwrap(), ..pool("b", Kind::Node, &[]) };
    let six = Pool { cidr: "fd00::/64".parse().unwrap(), ..pool("c", Kind::Node, &[]) };
    let bmc = Pool { cidr: "10.0.2.0/24".parse().unwrap(), source: Source::Dhcp, ..pool("e", Kind::Bmc, &[]) };
    let all = subnets(&[node, alone, bmc, six, dhcp]);
    assert_eq!(all.iter().map(|s| s.net.to_string()).collect::<Vec<_>>(), ["10.0.0.0/24", "10.0.1.0/24"]);
    // Neither the network's own address nor the gateway, which only the other pool names.
    let spans = [("10.0.0.2", "10.0.0.2"), ("10.0.0.100", "10.0.0.149"), ("10.0.0.151", "10.0.0.199")];
    assert_eq!(all[0].spans, spans.map(|(a, b)| (ip(a), ip(b))));
    let options = &all[0].options;
    assert_eq!((&options.routers[..], &options.ntp[..]), (&[ip("10.0.0.1")][..], &[ip("10.0.0.4")][..]));
    assert_eq!((options.mtu, options.domain.as_ref().unwrap().as_str()), (Some(9000), "lab.example"));
    assert_eq!((all[0].lease_seconds, all[1].lease_seconds), (7200, LEASE_SECONDS));
    assert_eq!((&all[1].spans, &all[1].options), (&vec![], &SubnetOptions::default()));
}

#[test]
fn a_file_may_say_it_or_not() {
    let text = "name,kind,cidr,ranges,dns,ntp,domain,mtu,lease_seconds,options\n\
        d,dhcp,10.0.0.0/24,10.0.0.10-10.0.0.20,10.0.0.2 10.0.0.3,10.0.0.4,lab.example,9000,600,150=0a000001\n\
        n,node,10.0.1.0/24,,,,,,,\n";
    let read = import::pools(text).unwrap();
    assert_eq!((&read[0].1.dhcp, &read[1].1.dhcp), (&said(|_| {}), &Dhcp::default()));
    let bad = "name,kind,cidr,options,mtu,lease_seconds\nb,node,10.0.0.0/24,150,,\nc,node,10.0.0.0/24,,x,\nd,node,10.0.0.0/24,,,1h\ne,bmc,10.0.0.0/24,150=00,,\nf,node,10.0.0.0/24,150=00 150=01,,\n";
    let errors = import::pools(bad).unwrap_err();
    let lines: Vec<&str> = errors.iter().map(|e| e.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 2", "line 3", "line 4", "line 5", "line 6"], "{errors:?}");
}
