//! Every case by itself, and over any two machines: the second never gets the first one's node unless they agree.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

const U: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const OTHER: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d33";
const PLACEHOLDER: &str = "03000200-0400-0500-0006-000700080009";

fn uuid(text: &str) -> NodeUuid {
    text.parse().unwrap()
}

fn mac(n: u8) -> Mac {
    format!("00:25:90:00:00:{n:02x}").parse().unwrap()
}

/// A claim of the agent; it booted from the first of `macs`.
fn claim(text: &str, serial: &str, macs: &[u8]) -> Claim {
    let told = Told {
        uuid: (!text.is_empty()).then(|| uuid(text)),
        manufacturer: "Kuma".into(),
        product: "One".into(),
        serial: serial.into(),
    };
    Claim::new(Teller::Agent, &told, macs.first().map(|n| mac(*n)), macs.iter().map(|n| mac(*n)))
}

fn ipxe(text: &str, serial: &str, macs: &[u8]) -> Claim {
    Claim { teller: Teller::Ipxe, ..claim(text, serial, macs) }
}

/// What is kept of a machine that registered.
fn store(world: &mut Vec<Known>, claim: &Claim) -> Resolution {
    let found = resolve(claim, world).unwrap();
    let old = world.iter().position(|k| k.name == found.name).map(|at| world.remove(at));
    world.push(Known {
        name: found.name.clone(),
        aliases: old.as_ref().map(|k| k.aliases.clone()).unwrap_or_default(),
        source: old.map_or(found.source, |k| k.source),
        claimed: found.claimed.clone(),
        manufacturer: claim.manufacturer.clone(),
        product: claim.product.clone(),
        serial: claim.serial.clone(),
        macs: claim.macs.clone(),
        alive: false,
    });
    found
}

fn by_hand(name: &str) -> Known {
    Known {
        name: uuid(name),
        aliases: vec![],
        source: Source::Smbios,
        claimed: uuid(name),
        manufacturer: String::new(),
        product: String::new(),
        serial: None,
        macs: BTreeSet::new(),
        alive: false,
    }
}

fn is_conflict(found: &Resolution) -> bool {
    matches!(found.why, Why::Conflict { .. })
}

#[test]
fn one_machine_with_one_uuid() {
    // What it claims second, and whether that is the machine (U, S1, MACs 1 and 2).
    let cases = [
        ("the same", claim(U, "S1", &[1, 2]), true),
        ("from its other port", claim(U, "S1", &[2]), true),
        ("with other ports", claim(U, "S1", &[8, 9]), true),
        ("serial not told, a port in common", claim(U, "", &[2, 9]), true),
        ("serial not told, no port in common", claim(U, "Default string", &[8]), false),
        ("another serial", claim(U, "S2", &[8]), false),
        ("another serial, but a port of the first was moved into it", claim(U, "S2", &[8, 2]), false),
        ("nothing but the name", claim(U, "", &[]), false),
        ("another UUID", claim(OTHER, "S2", &[8]), false),
        ("the same from iPXE", ipxe(U, "S1", &[2]), true),
        ("iPXE that sees no serial", ipxe(U, "", &[1]), true),
        ("iPXE that tells the name alone is judged later", ipxe(U, "", &[]), true),
        ("iPXE of another machine", ipxe(U, "S2", &[8]), false),
        ("bytes swapped, serial agrees", claim("44454c4c-4600-1030-8052-b4c04f4a4d32", "S1", &[8]), true),
        ("bytes swapped, a port agrees", claim("44454c4c-4600-1030-8052-b4c04f4a4d32", "", &[1]), true),
        ("bytes swapped, nothing agrees", claim("44454c4c-4600-1030-8052-b4c04f4a4d32", "", &[8]), false),
        ("bytes swapped, serial differs", claim("44454c4c-4600-1030-8052-b4c04f4a4d32", "S2", &[1]), false),
    ];
    for (what, second, same) in cases {
        let mut world = vec![];
        let first = store(&mut world, &claim(U, "S1", &[1, 2]));
        assert_eq!((first.name.as_str(), &first.why), (U, &Why::New));
        let found = resolve(&second, &world).unwrap();
        assert_eq!(found.name == first.name, same, "{what}: {found:?}");
        // Whatever it is, it is the same the next time.
        store(&mut world, &second);
        assert_eq!(resolve(&second, &world).unwrap().name, found.name, "{what}");
    }
}

#[test]
fn without_a_serial_an_address_decides() {
    let mut world = vec![];
    store(&mut world, &claim(U, "", &[1, 2]));
    assert_eq!(resolve(&claim(U, "", &[2]), &world).unwrap().why, Why::Known);
    assert_eq!(resolve(&claim(U, "S1", &[2]), &world).unwrap().why, Why::Known);
    let found = resolve(&claim(U, "S1", &[3]), &world).unwrap();
    let Why::Conflict { with, differs } = &found.why else { panic!("{found:?}") };
    assert_eq!(with.as_str(), U);
    assert_eq!(differs, "serial S1 / none, MACs 00:25:90:00:00:03 / 00:25:90:00:00:01 00:25:90:00:00:02");
}

#[test]
fn in_conflict_each_keeps_its_name_from_any_port_and_in_any_order() {
    let (a, b) = (claim(U, "S1", &[1, 2]), claim(U, "S2", &[3, 4]));
    for (first, second) in [(&a, &b), (&b, &a)] {
        let mut world = vec![];
        store(&mut world, first);
        let own = store(&mut world, second);
        assert!(is_conflict(&own) && own.source == Source::Conflict && own.claimed.as_str() == U, "{own:?}");
        for _ in 0..2 {
            assert_eq!(store(&mut world, first).name.as_str(), U);
            assert_eq!(store(&mut world, second).name, own.name);
        }
        let from_ipxe = ipxe(U, second.serial.as_deref().unwrap(), &[4]);
        assert_eq!(resolve(&from_ipxe, &world).unwrap().name, own.name);
    }
    // Without serial numbers: known by its addresses, though it boots from another one.
    let mut world = vec![];
    store(&mut world, &claim(U, "", &[1, 2]));
    let own = store(&mut world, &claim(U, "", &[3, 4]));
    assert!(is_conflict(&own));
    assert_eq!(resolve(&ipxe(U, "", &[4]), &world).unwrap().name, own.name);
    assert_eq!(store(&mut world, &claim(U, "", &[4, 5])).name, own.name);
    let third = store(&mut world, &claim(U, "", &[9]));
    assert!(is_conflict(&third) && third.name != own.name);
}

#[test]
fn a_port_moved_between_machines_in_conflict_confuses_neither() {
    let mut world = vec![];
    store(&mut world, &claim(U, "", &[1, 2]));
    let own = store(&mut world, &claim(U, "", &[3, 4]));
    assert_eq!(store(&mut world, &claim(U, "", &[3, 4, 2])).name, own.name);
    assert_eq!(store(&mut world, &claim(U, "", &[1])).name.as_str(), U);
}

#[test]
fn what_was_added_by_hand_takes_the_first_that_comes() {
    let mut world = vec![by_hand(U)];
    assert_eq!(store(&mut world, &claim(U, "S1", &[1])).why, Why::Known);
    assert!(is_conflict(&store(&mut world, &claim(U, "S2", &[2]))));
    // Its twin is another name: nothing agrees, for there is nothing.
    let world = [by_hand(U)];
    let twin = resolve(&claim("44454c4c-4600-1030-8052-b4c04f4a4d32", "S1", &[1]), &world).unwrap();
    assert_eq!(twin.why, Why::New);
}

#[test]
fn placeholders_are_named_by_serial_or_address() {
    let mut world = vec![];
    let a = store(&mut world, &claim(PLACEHOLDER, "S1", &[1]));
    assert_eq!((a.source, &a.why), (Source::Serial, &Why::New));
    let b = store(&mut world, &claim("", "S2", &[2]));
    assert_ne!(a.name, b.name);
    assert_eq!(store(&mut world, &claim("", "S1", &[7])).name, a.name, "NIC replaced");
    let c = store(&mut world, &claim(PLACEHOLDER, "To be filled by O.E.M.", &[3, 4]));
    assert_eq!((c.source, &c.name), (Source::Macs, &NodeUuid::from_mac(&mac(3))));
    assert_eq!(store(&mut world, &claim("", "", &[4, 3])).name, c.name, "from another port");
    assert_eq!(resolve(&ipxe("", "", &[4]), &world).unwrap().name, c.name);
    assert_ne!(store(&mut world, &claim("", "", &[5])).name, c.name);
    assert_eq!(resolve(&claim("", "", &[]), &world), None);
}

#[test]
fn a_port_of_a_named_machine_names_no_other() {
    // Machine U gives a card to one that has nothing but addresses.
    let mut world = vec![];
    store(&mut world, &claim(U, "S1", &[1, 2]));
    let found = store(&mut world, &claim("", "", &[2, 9]));
    assert_ne!(found.name.as_str(), U);
    // iPXE without SMBIOS is taken for U until the agent tells more.
    assert_eq!(resolve(&ipxe("", "", &[1]), &world).unwrap().name.as_str(), U);
    // An address of several nodes is nobody's.
    assert_ne!(resolve(&ipxe("", "", &[2]), &world).unwrap().name.as_str(), U);
}

#[test]
fn addresses_of_two_nodes_make_a_third_that_stays_itself() {
    let mut world = vec![];
    let y = store(&mut world, &claim("", "", &[1]));
    let z = store(&mut world, &claim("", "", &[2]));
    let both = store(&mut world, &claim("", "", &[1, 2]));
    assert!(is_conflict(&both) && both.name != y.name && both.name != z.name, "{both:?}");
    assert_eq!(resolve(&claim("", "", &[2, 1]), &world).unwrap().name, both.name);
}

#[test]
fn a_replaced_board_is_offered_for_merging() {
    let mut world = vec![];
    store(&mut world, &claim(U, "S1", &[1, 2]));
    let new = resolve(&claim(OTHER, "S1", &[2, 7]), &world).unwrap();
    assert_eq!(
        (new.name.as_str(), &new.why, new.candidate.as_ref().unwrap().as_str()),
        (OTHER, &Why::BoardReplaced, U)
    );
    for (what, other) in [
        ("no address in common", claim(OTHER, "S1", &[7])),
        ("another serial", claim(OTHER, "S9", &[1, 2])),
        ("no serial", claim(OTHER, "", &[1, 2])),
        ("another product", Claim { product: "Two".into(), ..claim(OTHER, "S1", &[1, 2]) }),
    ] {
        let found = resolve(&other, &world).unwrap();
        assert_eq!((&found.why, found.candidate), (&Why::New, None), "{what}");
    }
    // Two that it could be are none.
    store(&mut world, &claim(OTHER, "S1", &[2, 7]));
    let third = resolve(&claim("4c4c4544-0046-3010-8052-b4c04f4a4d34", "S1", &[2]), &world).unwrap();
    assert_eq!(third.why, Why::New);
    // Firmware that tells a serial since its update: the node that was named by its address.
    let mut world = vec![];
    let old = store(&mut world, &claim("", "", &[1]));
    assert_eq!(resolve(&claim("", "S1", &[1]), &world).unwrap().candidate, Some(old.name));
}

#[test]
fn a_changed_serial_is_a_conflict_that_can_be_merged() {
    let mut world = vec![];
    store(&mut world, &claim(U, "S1", &[1]));
    let found = resolve(&claim(U, "S2", &[1]), &world).unwrap();
    assert!(is_conflict(&found));
    assert_eq!(found.candidate.unwrap().as_str(), U);
}

#[test]
fn an_alias_is_its_node_as_long_as_the_facts_agree() {
    let mut world = vec![];
    store(&mut world, &claim(U, "S1", &[1]));
    world[0].aliases = vec![uuid(OTHER)];
    assert_eq!(resolve(&claim(OTHER, "S1", &[9]), &world).unwrap().name.as_str(), U);
    let found = resolve(&claim(OTHER, "S2", &[9]), &world).unwrap();
    assert!(is_conflict(&found) && found.name.as_str() != OTHER);
    // A name of its own that was merged into another node leads there.
    let own = resolve(&claim(U, "S5", &[5]), &world).unwrap().name;
    world.push(Known {
        aliases: vec![own],
        serial: Some("S5".into()),
        ..by_hand("4c4c4544-0046-3010-8052-b4c04f4a4d35")
    });
    let found = resolve(&claim(U, "S5", &[5]), &world).unwrap();
    assert_eq!(found.name.as_str(), "4c4c4544-0046-3010-8052-b4c04f4a4d35");
}

#[test]
fn boards_alike_in_uuid_and_serial_are_told_apart_while_one_is_alive() {
    let mut world = vec![];
    store(&mut world, &claim(U, "S1", &[1, 2]));
    world[0].alive = true;
    let second = claim(U, "S1", &[8, 9]);
    let found = resolve(&second, &world).unwrap();
    assert!(is_conflict(&found), "{found:?}");
    assert_eq!(found.candidate.as_ref().unwrap().as_str(), U, "a person may say that only its ports are new");
    store(&mut world, &second);
    world.iter_mut().for_each(|k| k.alive = true);
    // A third one has yet another name; each keeps its own.
    let third = claim(U, "S1", &[5]);
    let own = store(&mut world, &third);
    assert!(is_conflict(&own) && own.name != found.name, "{own:?}");
    world.iter_mut().for_each(|k| k.alive = true);
    for (claim, name) in [(claim(U, "S1", &[2]), U), (second, found.name.as_str()), (third, own.name.as_str())] {
        assert_eq!(resolve(&claim, &world).unwrap().name.as_str(), name);
    }
}

#[test]
fn one_port_that_was_moved_makes_no_machine() {
    let mut world = vec![];
    store(&mut world, &claim(U, "", &[1, 2, 3]));
    assert!(is_conflict(&resolve(&claim(U, "", &[4, 5, 2]), &world).unwrap()));
    assert_eq!(resolve(&claim(U, "", &[3, 5, 6]), &world).unwrap().why, Why::Known, "it boots from it");
    assert_eq!(resolve(&claim(U, "", &[4, 1, 2]), &world).unwrap().why, Why::Known, "most of them");
}

#[test]
fn a_node_named_by_an_address_stays_it_when_its_serial_counts() {
    let mut world = vec![];
    store(&mut world, &claim(PLACEHOLDER, "", &[1, 2]));
    world[0].serial = Some("S1".into());
    let name = world[0].name.clone();
    for _ in 0..2 {
        let found = store(&mut world, &claim(PLACEHOLDER, "S1", &[2]));
        assert_eq!((&found.why, &found.name), (&Why::Known, &name));
    }
}

#[test]
fn an_adapter_that_goes_around_names_nothing() {
    let boots_by = Some(mac(0xdd));
    let names: BTreeSet<NodeUuid> =
        (1..=5).map(|n| Claim { boot_mac: boots_by.clone(), ..claim("", "", &[n]) }.claimed().unwrap().0).collect();
    assert_eq!(names.len(), 5);
}

mod any {
    use super::*;
    use proptest::prelude::*;

    fn any_claim() -> impl Strategy<Value = Claim> {
        let uuids = vec![U, OTHER, "44454c4c-4600-1030-8052-b4c04f4a4d32", PLACEHOLDER, ""];
        let serials = vec!["S1", "S2", "", "None"];
        let macs = proptest::collection::btree_set(1u8..7, 0..4);
        (proptest::sample::select(uuids), proptest::sample::select(serials), macs, any::<prop::sample::Index>())
            .prop_map(|(uuid, serial, macs, boot)| {
                let mut macs: Vec<u8> = macs.into_iter().collect();
                if !macs.is_empty() {
                    let at = boot.index(macs.len());
                    macs.swap(0, at);
                }
                claim(uuid, serial, &macs)
            })
    }

    fn agree(a: &Claim, b: &Known) -> bool {
        let serial = a.serial.is_some() && a.serial == b.serial;
        serial || a.macs.iter().any(|m| b.macs.contains(m)) || b.has_no_facts()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_node_goes_only_to_a_machine_that_agrees_with_it(claims in proptest::collection::vec(any_claim(), 1..7)) {
            let mut world: Vec<Known> = vec![];
            for claim in &claims {
                let Some(found) = resolve(claim, &world) else { continue };
                if let Some(known) = world.iter().find(|k| k.answers_to(&found.name)) {
                    prop_assert!(agree(claim, known), "{claim:?} became {known:?}");
                    let both = (claim.serial.as_ref(), known.serial.as_ref());
                    prop_assert!(!matches!(both, (Some(a), Some(b)) if a != b), "{claim:?} became {known:?}");
                }
                prop_assert!(!found.name.is_placeholder());
                // The same facts again are the same node.
                store(&mut world, claim);
                prop_assert_eq!(resolve(claim, &world).map(|r| r.name), Some(found.name));
            }
        }

        #[test]
        fn what_must_be_looked_up_is_enough(claims in proptest::collection::vec(any_claim(), 1..7)) {
            // The store gives the nodes of `names` and of the addresses: the answer must not depend on any other.
            let mut world: Vec<Known> = vec![];
            for claim in &claims {
                let names = claim.names();
                let found: Vec<Known> = world
                    .iter()
                    .filter(|k| names.iter().any(|n| k.answers_to(n) || k.claimed == *n) || k.macs.iter().any(|m| claim.macs.contains(m)))
                    .cloned()
                    .collect();
                prop_assert_eq!(resolve(claim, &found), resolve(claim, &world));
                if resolve(claim, &world).is_some() {
                    store(&mut world, claim);
                }
            }
        }
    }
}
