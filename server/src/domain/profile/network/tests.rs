//! A network: what is refused and where, what a node's facts make of it, and the files.

#![allow(clippy::unwrap_used)]
use super::super::spec::{Spec, Wrong};
use super::super::words::Words;
use super::*;
use crate::domain::facts::{Hardware, Neighbour, Nic};
use crate::domain::ids::Mac;
use crate::domain::ipam::{Kind as PoolKind, Pool, Source};
use serde_json::{Value, json};

fn spec(network: Value) -> Result<Spec, Wrong> {
    let words: Words = serde_json::from_value(json!({ "network": network })).unwrap();
    Spec::of(None, &words)
}

fn refused(network: Value) -> String {
    spec(network).err().map(|wrong| wrong.to_string()).unwrap_or_default()
}

/// Two NICs in a bond, a VLAN over it and a bridge over that, and one NIC aside.
fn words() -> Value {
    json!({
        "lan0": {"match": {"boot": true}},
        "lan1": {"match": {"switch": "tor-2", "port": "swp7"}},
        "mgmt": {"match": {"driver": "e1000e"}, "dhcp4": true, "optional": true, "metric": 500},
        "bond0": {"bond": ["lan0", "lan1"], "mode": "802.3ad", "lacp_rate": "fast", "hash": "layer3+4", "mtu": 9000},
        "storage": {"vlan": 20, "over": "bond0", "address": "10.0.20.7/24", "mtu": 9000,
            "routes": [{"to": "10.7.0.0/16", "via": "10.0.20.1", "metric": 5}]},
        "vm": {"vlan": 30, "over": "bond0", "mtu": 1500},
        "br0": {"bridge": ["vm"], "address": ["10.0.30.7/24", "fd00:30::7/64"], "gateway": ["10.0.30.1", "fe80::1"],
            "dns": ["10.0.30.2", "fd00:30::2"], "search": "lab.example"},
    })
}

fn nic(name: &str, n: u8, driver: &str) -> Nic {
    Nic {
        name: name.into(),
        mac: mac(n).to_string(),
        pci: format!("0000:00:0{n}.0"),
        driver: driver.into(),
        ..Nic::default()
    }
}

fn mac(n: u8) -> Mac {
    format!("52:54:00:00:00:{n:02x}").parse().unwrap()
}

fn hardware() -> Hardware {
    let heard = |nic: &str, switch: &str| Neighbour {
        nic: nic.into(),
        switch: switch.into(),
        port: "swp7".into(),
        ..Neighbour::default()
    };
    Hardware {
        nics: vec![nic("eth0", 1, "virtio_net"), nic("eth1", 2, "virtio_net"), nic("eth2", 3, "e1000e")],
        neighbours: vec![heard("eth0", "tor-1"), heard("eth1", "tor-2")],
        ..Hardware::default()
    }
}

fn pool(vlan: u16) -> Pool {
    Pool {
        name: "storage".parse().unwrap(),
        kind: PoolKind::Node,
        cluster: String::new(),
        cidr: "10.0.20.0/24".parse().unwrap(),
        gateway: Some("10.0.20.1".parse().unwrap()),
        vlan,
        ranges: vec![],
        exclusions: vec![],
        source: Source::Static,
        dhcp: Default::default(),
    }
}

fn setup_with(network: Value, pools: &[Pool], given: &[Given]) -> Result<Setup, Failed> {
    let (hardware, boot) = (hardware(), mac(1));
    spec(network).unwrap().network.setup(&Site { hardware: &hardware, boot_mac: Some(&boot), pools, given })
}

fn setup(network: Value) -> Result<Setup, Failed> {
    setup_with(network, &[], &[])
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let over = |vlan: Value| json!({"lan0": {"match": {"boot": true}}, "vlan20": vlan});
    let two = |a: Value, b: Value| json!({"lan0": {"match": {"boot": true}}, "a": a, "b": b});
    let bond = |more: Value| {
        let mut bond = json!({"bond": ["lan0"], "mode": "active-backup"});
        bond.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"lan0": {"match": {"boot": true}}, "bond0": bond})
    };
    let lan = |more: Value| {
        let mut lan = json!({"match": {"boot": true}});
        lan.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "lan0": lan })
    };
    for (network, told) in [
        (over(json!({"vlan": 5000, "over": "lan0"})), "network.vlan20.vlan: expected 1 to 4094, got 5000"),
        (over(json!({"vlan": 0, "over": "lan0"})), "network.vlan20.vlan: expected 1 to 4094, got 0"),
        (over(json!({"vlan": "20", "over": "lan0"})), "network.vlan20.vlan: expected the form"),
        (over(json!({"vlan": 20})), "network.vlan20.over: expected the name of a device"),
        (over(json!({"vlan": 20, "over": "lan7"})), "got \"lan7\", which is not there"),
        (
            over(json!({"vlan": 20, "over": "lan0", "mtu": 9000})),
            "network.vlan20.mtu: expected at most that of lan0, 1500, got 9000",
        ),
        (
            over(json!({"vlan": 20, "over": "lan0", "mode": "802.3ad"})),
            "network.vlan20.mode: expected it at a bond alone",
        ),
        (over(json!({"vlan": 20, "over": "lan0", "colour": 1})), "network.vlan20.colour: expected the form"),
        (over(json!({"vlan": 20, "over": "lan0", "bond": []})), "got bond and vlan"),
        (
            over(json!({"dhcp4": true})),
            "network.vlan20: expected one of match (a NIC), bond, vlan and bridge, got none",
        ),
        (over(json!(7)), "network.vlan20: expected the words of a device, got 7"),
        (
            two(json!({"vlan": 2, "over": "lan0"}), json!({"vlan": 2, "over": "lan0"})),
            "network.b.vlan: expected an id that a has not",
        ),
        (two(json!({"vlan": 2, "over": "b"}), json!({"bridge": ["a"]})), "expected no loop, got a over b over a"),
        (
            two(json!({"vlan": 2, "over": "lan0"}), json!({"vlan": 3, "over": "a"})),
            "network.b.over: expected the name of a device with match, bond or bridge, got \"a\", which is a VLAN",
        ),
        (
            two(json!({"bridge": ["lan0"]}), json!({"bridge": ["lan0"]})),
            "network.b.bridge: expected each device in one bond or bridge, once, got \"lan0\", which is in a",
        ),
        (
            two(json!({"bridge": ["lan9"]}), json!({"bridge": []})),
            "network.a.bridge: expected names of devices that are no bridge, got \"lan9\", which is not there",
        ),
        (two(json!({"bridge": ["b"]}), json!({"bridge": []})), "got \"b\", which is another kind"),
        (
            two(json!({"bond": ["lan0"], "mode": "802.3ad"}), json!({"vlan": 7, "over": "lan0"})),
            "got \"lan0\", which is in a: say a",
        ),
        (json!({"a-name-of-16-byt": {"match": {"boot": true}}}), "network: expected names of a letter"),
        (json!({"../etc": {"match": {"boot": true}}}), "network: expected names of a letter"),
        (json!({"eth0": {"match": {"boot": true}}}), "a name that kernel and systemd do not use themselves"),
        (json!({"lan0": {"match": {}}}), "network.lan0.match: expected boot, mac, pci"),
        (json!([]), "network: expected devices by their names"),
        (bond(json!({"mode": "lacp"})), "network.bond0.mode: expected one of active-backup, 802.3ad"),
        (bond(json!({"mode": null})), "network.bond0.mode: expected one of active-backup"),
        (
            bond(json!({"lacp_rate": "fast"})),
            "network.bond0.lacp_rate: expected it with mode 802.3ad, got mode active-backup",
        ),
        (bond(json!({"hash": "layer2"})), "network.bond0.hash: expected it with mode 802.3ad, balance-xor"),
        (bond(json!({"primary": "lan1"})), "network.bond0.primary: expected one of its NICs"),
        (bond(json!({"miimon": 0})), "network.bond0.miimon: expected 1 to 60000 ms, got 0"),
        (bond(json!({"up_delay": 150})), "network.bond0.up_delay: expected a multiple of miimon (100 ms)"),
        (bond(json!({"mode": "802.3ad", "min_links": 2})), "network.bond0.min_links: expected 1 to 1, got 2"),
        (bond(json!({"bond": []})), "network.bond0.bond: expected NICs, got none"),
        (bond(json!({"mtu": 67})), "network.bond0.mtu: expected 68 to 65535, got 67"),
        (bond(json!({"mtu": 1279, "dhcp6": true})), "network.bond0.mtu: expected 1280 to 65535"),
        (
            lan(json!({"address": "10.0.0.7"})),
            "network.lan0.address[0]: expected an address of a host with its prefix length",
        ),
        (lan(json!({"address": "10.0.0.0/24"})), "network.lan0.address[0]: expected an address of a host"),
        (lan(json!({"address": "10.0.0.255/24"})), "network.lan0.address[0]: expected an address of a host"),
        (lan(json!({"address": "10.0.0.7/33"})), "network.lan0.address[0]: expected"),
        (lan(json!({"address": {"pol": "x"}})), "network.lan0.address: expected the form"),
        (
            lan(json!({"address": "10.0.0.7/24", "gateway": "10.0.1.1"})),
            "network.lan0.gateway: expected a router within 10.0.0.0/24, got 10.0.1.1",
        ),
        (lan(json!({"gateway": "10.0.1.1"})), "network.lan0.gateway: expected an address of the device first"),
        (
            lan(json!({"address": "10.0.0.7/24", "gateway": "pool"})),
            "network.lan0.gateway[0]: expected pool where address has a pool",
        ),
        (
            lan(json!({"address": "10.0.0.7/24", "gateway": ["10.0.0.1", "10.0.0.2"]})),
            "network.lan0.gateway: expected one default gateway of IPv4",
        ),
        (
            lan(json!({"dhcp4": true, "routes": [{"to": "10.0.0.1/8", "via": "10.0.0.1"}]})),
            "network.lan0.routes[0].to: expected a network, e.g. 10.0.0.0/8",
        ),
        (
            lan(json!({"dhcp4": true, "routes": [{"to": "fd00::/8", "via": "10.0.0.1"}]})),
            "network.lan0.routes[0].via: expected a router of the family",
        ),
        (lan(json!({"dhcp4": true, "routes": [{"to": "default"}]})), "network.lan0.routes[0].via: expected a router"),
        (lan(json!({"dhcp4": true, "dns": "ns1"})), "network.lan0.dns[0]: expected an IP address, got \"ns1\""),
        (lan(json!({"dhcp4": true, "search": "a b"})), "network.lan0.search[0]: expected a domain"),
        (lan(json!({"match": {"mac": "52:54"}})), "network.lan0.match.mac: expected a MAC address"),
        (lan(json!({"mtu": -1})), "network.lan0.mtu: expected the form"),
    ] {
        let got = refused(network.clone());
        assert!(got.contains(told), "{network}: {got}");
    }
    let member = json!({"lan0": {"match": {"boot": true}, "dhcp4": true}, "br0": {"bridge": ["lan0"]}});
    assert_eq!(refused(member), "network.lan0.dhcp4: expected it at br0, which has this device, got both");
    let sizes = json!({"lan0": {"match": {"boot": true}, "mtu": 9000}, "b": {"bond": ["lan0"], "mode": "802.3ad"}});
    assert_eq!(refused(sizes), "network.lan0.mtu: expected none, or that of b, 1500, got 9000");
    let twice = json!({"lan0": {"match": {"boot": true}, "address": "10.0.0.7/24"},
        "lan1": {"match": {"pci": "x"}, "address": "10.0.0.7/16"}});
    assert_eq!(refused(twice), "network.lan1.address: expected an address that lan0 has not, got 10.0.0.7");
    let routes = |metric: Value| {
        json!({"a": {"match": {"boot": true}, "address": "10.0.0.7/24", "gateway": "10.0.0.1"},
            "b": {"match": {"pci": "x"}, "address": "10.1.0.7/24", "gateway": "10.1.0.1", "metric": metric}})
    };
    assert!(refused(routes(Value::Null)).contains("network.b.gateway: expected one default gateway of IPv4"));
    spec(routes(json!(100))).unwrap();
    let many: serde_json::Map<String, Value> =
        (0..65).map(|n| (format!("lan{n}"), json!({"match": {"boot": true}}))).collect();
    assert!(refused(Value::Object(many)).contains("at most 64 devices"));
    let files = json!({"files": {"/etc/systemd/network/11-higuma-x.network": {"content": "x"}}, "network": words()});
    let told = Spec::of(None, &serde_json::from_value(files).unwrap()).unwrap_err();
    assert_eq!(told.place, "files./etc/systemd/network/11-higuma-x.network");
    let both = json!({"cloud_init": {"network_config": "version: 2\n"}, "network": words()});
    let told = Spec::of(None, &serde_json::from_value(both).unwrap()).unwrap_err();
    assert_eq!(told.place, "cloud_init.network_config");
}

#[test]
fn words_are_merged_and_come_back_as_they_were() {
    let parent = spec(words()).unwrap();
    let back = Words::of(&parent);
    assert_eq!(Spec::of(None, &back).unwrap(), parent);
    let child = json!({"network": {"storage": {"address": ["10.0.20.8/24"], "routes": null, "mtu": null}, "vm": null,
        "br0": null, "mgmt": {"dhcp4": false}, "bond0": {"mtu": 1500}}});
    let spec = Spec::of(Some(&parent), &serde_json::from_value(child).unwrap()).unwrap();
    let said = &spec.network.0;
    assert_eq!(said.keys().collect::<Vec<_>>(), ["bond0", "lan0", "lan1", "mgmt", "storage"]);
    assert_eq!((said["storage"].vlan, said["storage"].mtu, said["storage"].routes.len()), (Some(20), None, 0));
    assert!(!said["mgmt"].dhcp4 && said["mgmt"].optional && said["bond0"].mode == "802.3ad");
    let told = Spec::of(Some(&parent), &serde_json::from_value(json!({"network": {"bond0": null}})).unwrap());
    assert!(told.unwrap_err().to_string().contains("\"bond0\", which is not there"));
    let bare = json!({"network": {"lan0": {"match": {"boot": true}}}, "image": "i:1"});
    let bare = Spec::of(None, &serde_json::from_value(bare).unwrap()).unwrap();
    assert_eq!(bare.missing().unwrap().place, "network", "others may inherit it, no node can boot it");
}

#[test]
fn a_node_gets_files_that_name_its_nics_by_their_own_addresses() {
    let ready = setup(words()).unwrap();
    let files = ready.files();
    let names: Vec<&str> = files.iter().map(|f| f.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "10-higuma-525400000001.network",
            "10-higuma-525400000002.network",
            "10-higuma-525400000003.network",
            "10-higuma-lan0.link",
            "10-higuma-lan1.link",
            "10-higuma-mgmt.link",
            "11-higuma-bond0.netdev",
            "11-higuma-bond0.network",
            "11-higuma-br0.netdev",
            "11-higuma-br0.network",
            "11-higuma-storage.netdev",
            "11-higuma-storage.network",
            "11-higuma-vm.netdev",
            "11-higuma-vm.network",
        ]
    );
    let of = |name: &str| files.iter().find(|f| f.path.ends_with(name)).unwrap().content.as_str();
    assert_eq!(
        of("10-higuma-525400000002.network"),
        "# Written by Higuma: network.lan1 of the profile.\n[Match]\nPermanentMACAddress=52:54:00:00:00:02\n\n[Link]\n\
         MTUBytes=9000\nRequiredForOnline=no\n\n[Network]\nBond=bond0\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
    );
    assert_eq!(
        of("10-higuma-lan1.link"),
        "# Written by Higuma: network.lan1 of the profile.\n[Match]\nPermanentMACAddress=52:54:00:00:00:02\n\n[Link]\n\
         Name=lan1\nAlternativeNamesPolicy=database onboard slot path\n"
    );
    assert_eq!(
        of("10-higuma-525400000003.network"),
        "# Written by Higuma: network.mgmt of the profile.\n[Match]\nPermanentMACAddress=52:54:00:00:00:03\n\n[Link]\n\
         RequiredForOnline=no\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=yes\nLinkLocalAddressing=ipv6\n\n[DHCPv4]\n\
         ClientIdentifier=mac\nRouteMetric=500\n\n[IPv6AcceptRA]\nRouteMetric=500\n"
    );
    assert_eq!(
        of("11-higuma-bond0.netdev"),
        "# Written by Higuma: network.bond0 of the profile.\n[NetDev]\nName=bond0\nKind=bond\n\
         MACAddress=52:54:00:00:00:01\nMTUBytes=9000\n\n[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\n\
         LACPTransmitRate=fast\nTransmitHashPolicy=layer3+4\n"
    );
    assert_eq!(
        of("11-higuma-bond0.network"),
        "# Written by Higuma: network.bond0 of the profile.\n[Match]\nName=bond0\n\n[Link]\nMTUBytes=9000\n\
         RequiredForOnline=no\n\n[Network]\nVLAN=storage\nVLAN=vm\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
    );
    assert_eq!(
        of("11-higuma-storage.netdev"),
        "# Written by Higuma: network.storage of the profile.\n[NetDev]\nName=storage\nKind=vlan\nMTUBytes=9000\n\n\
         [VLAN]\nId=20\n"
    );
    assert_eq!(
        of("11-higuma-storage.network"),
        "# Written by Higuma: network.storage of the profile.\n[Match]\nName=storage\n\n[Link]\nMTUBytes=9000\n\n\
         [Network]\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=ipv6\nAddress=10.0.20.7/24\n\n[Route]\n\
         Destination=10.7.0.0/16\nGateway=10.0.20.1\nMetric=5\n"
    );
    assert_eq!(
        of("11-higuma-br0.netdev"),
        "# Written by Higuma: network.br0 of the profile.\n[NetDev]\nName=br0\nKind=bridge\n\
         MACAddress=52:54:00:00:00:01\nMTUBytes=1500\n\n[Bridge]\nSTP=no\n"
    );
    assert_eq!(
        of("11-higuma-br0.network"),
        "# Written by Higuma: network.br0 of the profile.\n[Match]\nName=br0\n\n[Link]\nMTUBytes=1500\n\n[Network]\n\
         DHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=ipv6\nAddress=10.0.30.7/24\nAddress=fd00:30::7/64\n\
         DNS=10.0.30.2\nDNS=fd00:30::2\nDomains=lab.example\n\n[Route]\nGateway=10.0.30.1\n\n[Route]\nGateway=fe80::1\n"
    );
    assert!(of("11-higuma-vm.network").contains("[Network]\nBridge=br0\n"));
    assert_eq!(ready.name_servers().len(), 2);
    assert_eq!(ready, setup(words()).unwrap(), "the same node gets the same files");
}

#[test]
fn a_node_without_the_nic_is_told_what_it_has() {
    let one = |selector: Value| setup(json!({"lan0": {"match": selector, "dhcp4": true}}));
    let told = one(json!({"switch": "tor-9"})).unwrap_err();
    assert_eq!(
        told.to_string(),
        "network.lan0.match: no NIC of the node is switch tor-9: it has eth0 52:54:00:00:00:01 0000:00:01.0 virtio_net at \
         tor-1 port swp7 (boots); eth1 52:54:00:00:00:02 0000:00:02.0 virtio_net at tor-2 port swp7; eth2 \
         52:54:00:00:00:03 0000:00:03.0 e1000e"
    );
    let told = one(json!({"driver": "virtio_net"})).unwrap_err().to_string();
    assert!(told.contains("more than one NIC is driver virtio_net: eth0"), "{told}");
    for (selector, n) in [
        (json!({"driver": "virtio_net", "switch": "tor-2"}), 2),
        (json!({"mac": "52-54-00-00-00-03"}), 3),
        (json!({"pci": "0000:00:02.0"}), 2),
        (json!({"boot": true, "driver": "virtio_net"}), 1),
    ] {
        assert_eq!(one(selector).unwrap().devices[0].mac, Some(mac(n)));
    }
    let same = json!({"a": {"match": {"boot": true}, "dhcp4": true}, "b": {"match": {"pci": "0000:00:01.0"}}});
    let told = setup(same).unwrap_err().to_string();
    assert_eq!(told, "network.b.match: it is NIC eth0 52:54:00:00:00:01, which is a already");
    let nothing = Hardware::default();
    let site = Site { hardware: &nothing, boot_mac: None, pools: &[], given: &[] };
    let told = spec(words()).unwrap().network.setup(&site).unwrap_err().to_string();
    assert!(told.contains("the NICs of the node are not known"), "{told}");
}

#[test]
fn addresses_of_pools_are_put_in_when_they_are_given() {
    let words = json!({"lan0": {"match": {"boot": true}},
        "storage": {"vlan": 20, "over": "lan0", "address": {"pool": "storage"}, "gateway": "pool"}});
    let text = |setup: &Setup| setup.files().into_iter().map(|f| f.content).collect::<String>();
    let before = setup_with(words.clone(), &[pool(20)], &[]).unwrap();
    assert_eq!(before.wanted().collect::<Vec<_>>(), [("storage", &"storage".parse().unwrap())]);
    assert!(text(&before).contains("# Address= of pool storage") && !text(&before).contains("\nAddress="));
    let given =
        Given { device: "storage".into(), pool: "storage".parse().unwrap(), address: "10.0.20.9".parse().unwrap() };
    let after = setup_with(words.clone(), &[pool(0)], std::slice::from_ref(&given)).unwrap();
    assert_eq!(after.wanted().count(), 0);
    assert!(text(&after).contains("\nAddress=10.0.20.9/24\n") && text(&after).contains("\nGateway=10.0.20.1\n"));
    let told = |pools: &[Pool]| setup_with(words.clone(), pools, &[]).unwrap_err().to_string();
    assert!(told(&[]).contains("network.storage.address: expected a pool that is there"));
    assert!(told(&[Pool { kind: PoolKind::Bmc, ..pool(0) }]).contains("got storage, which is of kind bmc"));
    assert!(told(&[pool(21)]).contains("expected a pool of the same VLAN, got storage, which is of VLAN 21"));
    assert!(told(&[Pool { gateway: None, ..pool(0) }]).contains("expected a pool with a gateway"));
    let by_hand = json!({"lan0": {"match": {"boot": true}, "address": "10.0.20.9/24"},
        "storage": {"vlan": 20, "over": "lan0", "address": {"pool": "storage"}}});
    let told = setup_with(by_hand, &[pool(0)], &[given]).unwrap_err().to_string();
    assert_eq!(told, "network.storage.address: 10.0.20.9 is an address of lan0 already");
}

#[test]
fn templates_are_looked_at_when_they_are_rendered() {
    let words = json!({"lan0": {"match": {"mac": "{{ node.nics[1].mac }}"}, "address": "10.0.0.{{ params.n }}/24",
        "gateway": "10.0.0.1", "dns": ["{{ params.dns }}", "10.0.0.2"]}});
    let mut spec = spec(words).unwrap();
    assert!(spec.has_templates());
    let places: Vec<String> =
        spec.network.texts().into_iter().filter(|(_, t)| t.contains("{{")).map(|(p, _)| p).collect();
    assert_eq!(places, ["network.lan0.match.mac", "network.lan0.address[0]", "network.lan0.dns[0]"]);
    let set = |spec: &mut Spec, address: &str| {
        for (place, text) in spec.network.texts_mut() {
            match place.as_str() {
                "network.lan0.match.mac" => *text = mac(2).to_string(),
                "network.lan0.address[0]" => *text = address.to_owned(),
                "network.lan0.dns[0]" => text.clear(),
                _ => {}
            }
        }
    };
    let (hardware, boot) = (hardware(), mac(1));
    let site = Site { hardware: &hardware, boot_mac: Some(&boot), pools: &[], given: &[] };
    set(&mut spec, "10.0.0.300/24");
    let told = spec.network.setup(&site).unwrap_err().to_string();
    assert_eq!(
        told,
        "network.lan0.address[0]: expected an address of a host with its prefix length, e.g. 10.0.0.7/24, got \
         \"10.0.0.300/24\""
    );
    set(&mut spec, "10.0.0.3/24\nDHCP=yes");
    assert!(spec.network.setup(&site).is_err(), "no line is smuggled in");
    set(&mut spec, "10.0.0.3/24");
    let ready = spec.network.setup(&site).unwrap();
    assert_eq!((ready.devices[0].mac.clone(), ready.devices[0].dns.len()), (Some(mac(2)), 1));
}

proptest::proptest! {
    /// Whatever is said: an error, or files without a line that nobody wrote.
    #[test]
    fn no_words_panic_or_smuggle(
        names in proptest::collection::vec("[a-z]{1,3}", 1..6),
        kinds in proptest::collection::vec((0..4u8, 0..6usize, 0..6usize, 0..4100i64, "[ -~\\n]{0,12}"), 1..6),
    ) {
        let mut all = serde_json::Map::new();
        for (name, (kind, a, b, id, text)) in names.iter().zip(&kinds) {
            let of = |n: &usize| names[n % names.len()].clone();
            let device = match kind {
                0 => json!({"match": {"pci": text}, "address": text, "search": text}),
                1 => json!({"bond": [of(a), of(b)], "mode": "active-backup"}),
                2 => json!({"vlan": id, "over": of(a), "dhcp4": true}),
                _ => json!({"bridge": [of(a), of(b)], "gateway": text}),
            };
            all.insert(name.clone(), device);
        }
        if let Ok(spec) = spec(Value::Object(all)) {
            let (hardware, boot) = (hardware(), mac(1));
            if let Ok(ready) = spec.network.setup(&Site { hardware: &hardware, boot_mac: Some(&boot), pools: &[], given: &[] }) {
                for file in ready.files() {
                    for line in file.content.lines() {
                        let known = line.is_empty() || line.starts_with(['#', '[']) || line.contains('=');
                        proptest::prop_assert!(known, "{line:?}");
                    }
                }
            }
        }
    }
}
