//! What Register may do with an offer, and which node an offer may lead to.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::domain::identity::{Source, Why, resolve};

fn node(n: u8) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c04f4a4d{n:02x}").parse().unwrap()
}

fn mac(n: u8) -> Mac {
    format!("00:25:90:00:00:{n:02x}").parse().unwrap()
}

fn told(uuid: Option<NodeUuid>, serial: &str) -> Told {
    Told { uuid, serial: serial.into(), ..Told::default() }
}

fn offer(uuid: Option<NodeUuid>, serial: &str, boot: Option<Mac>) -> Offer {
    let mut offer = Offer {
        nonce_hash: Sha256::of("n"),
        node: None,
        mac: boot,
        told: told(uuid, serial),
        http_base: String::new(),
        created: 0,
        expires: 100,
        bound: None,
    };
    offer.node = offer.claim().claimed().map(|(name, _)| name);
    offer
}

fn agent(uuid: Option<NodeUuid>, serial: &str, macs: &[u8]) -> Claim {
    let all: Vec<Mac> = macs.iter().map(|n| mac(*n)).collect();
    Claim::new(Teller::Agent, &told(uuid, serial), all.first().cloned(), all)
}

#[test]
fn all_verdicts() {
    let (a, b) = (Sha256::of("a"), Sha256::of("b"));
    let offered = offer(Some(node(1)), "", None);
    let n1 = agent(Some(node(1)), "", &[]);
    let boot = uuid::Uuid::from_u128(5);
    let bound = Offer { bound: Some((a.clone(), boot)), ..offered.clone() };
    let n2 = agent(Some(node(2)), "", &[]);
    let refuse = Verdict::Refuse;
    assert_eq!(decide(None, 0, &n1, &a), refuse(Refusal::Unknown));
    assert_eq!(decide(Some(&offered), 100, &n1, &a), Verdict::Accept);
    assert_eq!(decide(Some(&offered), 101, &n1, &a), refuse(Refusal::Expired));
    assert_eq!(decide(Some(&offered), 1, &n2, &a), refuse(Refusal::OtherNode));
    assert_eq!(decide(Some(&bound), 999, &n1, &a), Verdict::Replay(boot));
    assert_eq!(decide(Some(&bound), 1, &n1, &b), refuse(Refusal::OtherCredential));
    assert_eq!(decide(Some(&bound), 1, &n2, &a), refuse(Refusal::OtherNode));
}

#[test]
fn which_agent_an_offer_is_for() {
    let u = Some(node(1));
    let zero = Some("00000000-0000-0000-0000-000000000000".parse().unwrap());
    // What iPXE told, what the agent tells, and whether these can be one machine.
    let cases = [
        ("UUID and interface", offer(u.clone(), "S1", Some(mac(1))), agent(u.clone(), "S1", &[1, 2]), true),
        ("bytes swapped", offer(Some(node(1).swapped()), "", Some(mac(1))), agent(u.clone(), "", &[1]), true),
        ("same UUID, another interface", offer(u.clone(), "", Some(mac(1))), agent(u.clone(), "", &[2]), false),
        (
            "same UUID, the agent tells no interface",
            offer(u.clone(), "", Some(mac(1))),
            agent(u.clone(), "", &[]),
            true,
        ),
        ("same UUID, another serial, no interface", offer(u.clone(), "S1", None), agent(u.clone(), "S2", &[2]), false),
        ("same interface, another UUID", offer(u.clone(), "", Some(mac(1))), agent(Some(node(2)), "", &[1]), false),
        ("iPXE sees no SMBIOS", offer(None, "", Some(mac(1))), agent(u.clone(), "S1", &[2, 1]), true),
        ("iPXE sees no SMBIOS, another interface", offer(None, "", Some(mac(1))), agent(u.clone(), "S1", &[2]), false),
        ("iPXE sees no SMBIOS, no interface", offer(None, "", Some(mac(1))), agent(u.clone(), "S1", &[]), false),
        ("the agent sees no SMBIOS", offer(u.clone(), "S1", Some(mac(1))), agent(None, "", &[1]), true),
        ("placeholder on both sides", offer(zero.clone(), "", Some(mac(1))), agent(zero, "", &[1]), true),
        ("nothing at all", offer(None, "", None), agent(None, "", &[]), false),
        ("by serial alone", offer(None, "S1", None), agent(None, "S1", &[3]), true),
        ("by another serial", offer(None, "S1", None), agent(None, "S2", &[3]), false),
    ];
    for (what, offer, claim, fits) in cases {
        assert_eq!(offer.is_of(&claim), fits, "{what}");
    }
}

#[test]
fn an_agent_may_repeat_the_name_that_the_script_gave_it() {
    let mut conflict = offer(Some(node(1)), "S2", Some(mac(2)));
    conflict.node = Some(node(9));
    let claim = agent(Some(node(9)), "S2", &[2]);
    assert!(conflict.is_of(&claim));
    assert_eq!(conflict.complete(claim).uuid, Some(node(1)));
    let derived = offer(None, "S1", Some(mac(1)));
    assert_eq!(derived.complete(agent(derived.node.clone(), "S1", &[1])).uuid, None);
    // iPXE without SMBIOS was led by the interface to the very node that the agent names.
    let blind = Offer { node: Some(node(1)), ..offer(None, "", Some(mac(1))) };
    assert_eq!(blind.complete(agent(Some(node(1)), "S1", &[1])).uuid, Some(node(1)));
}

#[test]
fn an_offer_without_a_uuid_leads_to_no_stranger() {
    let known = |serial: Option<&str>, macs: &[u8]| Known {
        name: node(1),
        aliases: vec![],
        source: Source::Smbios,
        claimed: node(1),
        manufacturer: String::new(),
        product: String::new(),
        serial: serial.map(Into::into),
        macs: macs.iter().map(|n| mac(*n)).collect(),
        alive: false,
    };
    let blind = offer(None, "", Some(mac(1)));
    let claim = agent(Some(node(1)), "S1", &[1]);
    let found = Resolution { why: Why::Known, ..resolve(&claim, &[]).unwrap() };
    assert!(blind.is_for(&claim, &found, None), "a new one");
    assert!(blind.is_for(&claim, &found, Some(&known(None, &[]))), "added by hand");
    assert!(blind.is_for(&claim, &found, Some(&known(None, &[1, 2]))), "its interface");
    assert!(blind.is_for(&claim, &found, Some(&known(Some("S1"), &[7]))), "its serial number");
    assert!(!blind.is_for(&claim, &found, Some(&known(None, &[7]))));
    assert!(!blind.is_for(&claim, &found, Some(&known(Some("S2"), &[7]))));
}
