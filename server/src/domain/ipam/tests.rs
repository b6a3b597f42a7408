//! Pools: what they give, what is refused, and that nothing is ever given twice.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn pool(cidr: &str) -> Pool {
    Pool {
        name: "p".parse().unwrap(),
        kind: Kind::Bmc,
        cluster: String::new(),
        cidr: cidr.parse().unwrap(),
        gateway: None,
        vlan: 0,
        ranges: vec![],
        exclusions: vec![],
        source: Source::Static,
        dhcp: dhcp::Dhcp::default(),
    }
}

fn ranges(list: &[&str]) -> Vec<Range> {
    list.iter().map(|r| r.parse().unwrap()).collect()
}

#[test]
fn the_network_s_own_addresses_and_the_gateway_are_not_given() {
    for (cidr, first, count) in [
        ("10.0.0.0/24", "10.0.0.1", 254),
        ("10.0.0.0/30", "10.0.0.1", 2),
        ("10.0.0.4/31", "10.0.0.4", 2),
        ("10.0.0.4/32", "10.0.0.4", 1),
        ("fd00::/120", "fd00::1", 255),
        ("fd00::/127", "fd00::", 2),
    ] {
        let pool = pool(cidr);
        pool.check().unwrap();
        assert_eq!(pool.capacity(), count, "{cidr}");
        let lowest = pool.lowest_free(0, &BTreeSet::new()).unwrap();
        assert_eq!(pool.address(lowest).to_string(), first, "{cidr}");
    }
    let with = Pool {
        gateway: Some("10.0.0.1".parse().unwrap()),
        ranges: ranges(&["10.0.0.0-10.0.0.6", "10.0.0.4-10.0.0.9", "10.0.0.12"]),
        exclusions: ranges(&["10.0.0.2-10.0.0.3", "10.0.0.8/31"]),
        ..pool("10.0.0.0/24")
    };
    let given: Vec<u128> = with.spans().into_iter().flat_map(|(a, b)| a..=b).map(|n| n & 255).collect();
    assert_eq!(given, [4, 5, 6, 7, 12]);
    assert_eq!(pool("fd00::/64").capacity(), u128::from(u64::MAX));
    assert!(pool("0.0.0.0/0").capacity() > 4_000_000_000 && pool("::/0").capacity() > 1 << 120);
}

#[test]
fn what_does_not_fit_is_said_exactly() {
    let base = || pool("10.0.0.0/24");
    let gateway = |text: &str| Pool { gateway: Some(text.parse().unwrap()), ..base() };
    let cases = [
        (pool("10.0.0.7/24"), "expected a network, e.g. 10.0.0.0/24"),
        (Pool { vlan: 4095, ..base() }, "vlan: expected 1 to 4094"),
        (gateway("10.0.1.1"), "gateway: expected an address of a host within 10.0.0.0/24, got 10.0.1.1"),
        (gateway("10.0.0.255"), "got 10.0.0.255"),
        (gateway("fd00::1"), "got fd00::1"),
        (Pool { ranges: ranges(&["10.0.0.9-10.0.1.2"]), ..base() }, "ranges: expected addresses within"),
        (Pool { exclusions: ranges(&["10.0.1.0"]), ..base() }, "exclusions: expected addresses within"),
        (Pool { exclusions: ranges(&["10.0.0.0/24"]), ..base() }, "gives no address"),
        (Pool { kind: Kind::Node, source: Source::Dhcp, ..base() }, "dhcp is for BMCs"),
        (Pool { cluster: "a b".into(), ..base() }, "cluster"),
        (Pool { cluster: "East".into(), ..base() }, "cluster"),
    ];
    for (pool, words) in cases {
        let error = pool.check().unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    for bad in ["", "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "a-b", "10.0.0.0/33"] {
        assert!(bad.parse::<Range>().unwrap_err().to_string().contains("FIRST-LAST"), "{bad}");
    }
    let other = |cidr: &str, kind| Pool { name: "q".parse().unwrap(), kind, ..pool(cidr) };
    let clashes = |cidr: &str, kind| base().clash(&other(cidr, kind)).is_some();
    assert!(clashes("10.0.0.128/25", Kind::Bmc) && clashes("10.0.0.0/8", Kind::Bmc));
    assert!(!clashes("10.0.0.0/24", Kind::Node) && !clashes("10.0.1.0/24", Kind::Bmc));
    assert_eq!(base().clash(&base()), None, "it is the same");
}

#[test]
fn a_cluster_s_own_pool_comes_before_those_for_any() {
    let named = |name: &str, cluster: &str| Pool {
        name: name.parse().unwrap(),
        cluster: cluster.into(),
        ..pool("10.0.0.0/24")
    };
    let all = [named("b", ""), named("z", "east"), named("a", ""), named("c", "west")];
    let order =
        |cluster: &str| serving(&all, Kind::Bmc, cluster).iter().map(|p| p.name.to_string()).collect::<Vec<_>>();
    assert_eq!(order("east"), ["z", "a", "b"]);
    assert_eq!(order(""), ["a", "b"]);
    assert!(serving(&all, Kind::Node, "east").is_empty());
}

#[test]
fn a_file_is_right_or_each_of_its_lines_is_named() {
    let good = "name,kind,cidr,gateway,ranges\nb,bmc,10.0.0.0/24,10.0.0.1,10.0.0.10-10.0.0.20 10.0.0.30\n\nn,node,fd00::/64,,\n";
    let read = import::pools(good).unwrap();
    assert_eq!((read.len(), read[0].0, read[1].0, read[0].1.ranges.len()), (2, 2, 4, 2));
    let bad = "name,kind,cidr,vlan\nb,bmc,10.0.0.0/24,x\nB,bmc,10.0.0.0/24,1\nb,disk,10.0.0.0/24,1\nb,bmc,10.0.0.0,1\nc,bmc,10.0.0.0/8,5000\nd,bmc,10.0.0.0/8\nd,bmc,11.0.0.0/8\nx,bmc,1.0.0.0/8,,,\n";
    let errors = import::pools(bad).unwrap_err();
    let lines: Vec<&str> = errors.iter().map(|e| e.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 2", "line 3", "line 4", "line 5", "line 6", "line 8", "line 9"], "{errors:?}");
    assert!(import::pools("name,colour\n").unwrap_err()[0].contains("expected the columns"));
    let text = "address,node,kind,hostname\n10.0.0.9,WEB-1,,x\n10.0.0.10,web-2,bmc,\n";
    let read = import::addresses(text).unwrap();
    assert_eq!((read[0].node.as_str(), read[1].kind, read[1].line), ("web-1", Some(Kind::Bmc), 3));
    let errors = import::addresses("address,node\n10.0.0.9,a\n10.0.0.9,b\nx,c\n10.0.0.8,\n").unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:?}");
}

proptest! {
    #[test]
    fn never_twice_never_excluded_and_all_of_them(
        cuts in prop::collection::vec((0u8..=255, 0u8..=255), 0..6),
        parts in prop::collection::vec((0u8..=255, 0u8..=255), 0..4),
        taken in prop::collection::btree_set(0u128..256, 0..80),
    ) {
        let range = |(a, b): (u8, u8)| Range {
            first: format!("10.0.0.{}", a.min(b)).parse().unwrap(),
            last: format!("10.0.0.{}", a.max(b)).parse().unwrap(),
        };
        let base = number("10.0.0.0".parse().unwrap());
        let pool = Pool {
            gateway: Some("10.0.0.1".parse().unwrap()),
            exclusions: cuts.into_iter().map(range).collect(),
            ranges: parts.into_iter().map(range).collect(),
            ..pool("10.0.0.0/24")
        };
        let mut taken: BTreeSet<u128> = taken.into_iter().map(|n| n + base).collect();
        let before = taken.clone();
        let mut last = 0;
        while let Some(next) = pool.lowest_free(last, &taken) {
            let address = pool.address(next);
            prop_assert!(taken.insert(next) && next > last);
            prop_assert!(pool.gives(address) && pool.is_host(address) && Some(address) != pool.gateway);
            prop_assert!(!pool.exclusions.iter().any(|r| r.first <= address && address <= r.last));
            prop_assert!(pool.ranges.is_empty() || pool.ranges.iter().any(|r| r.first <= address && address <= r.last));
            last = next;
        }
        let free = (0..256).filter(|n| pool.gives(pool.address(base + n)) && !before.contains(&(base + n))).count();
        prop_assert_eq!(taken.len() - before.len(), free);
    }

    #[test]
    fn keys_sort_as_addresses(a in any::<u32>(), b in any::<u32>()) {
        let of = |n: u32| IpAddr::V4(n.into());
        prop_assert_eq!(key(of(a)).cmp(&key(of(b))), a.cmp(&b));
    }
}
