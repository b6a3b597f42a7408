//! The address: its source, its order, the BMC's lock, and DHCP.

use std::time::Duration;

use higuma_proto::agent::BmcPlan;

use super::fake::Fake;
use super::{changes, plan, set_up};

fn dhcp() -> BmcPlan {
    BmcPlan { source: "dhcp".to_owned(), ..plan() }
}

fn is_lan_write(parameter: u8) -> impl Fn(&(u8, u8, Vec<u8>)) -> bool {
    move |(netfn, cmd, data)| (*netfn, *cmd, data.get(1)) == (0x0c, 0x01, Some(&parameter))
}

#[test]
fn all_of_it_is_written_under_the_lock_and_in_order() {
    let mut bmc = Fake::new();
    set_up(&mut bmc, BmcPlan { vlan: 42, close_cipher_zero: false, ..plan() });
    let writes = bmc.writes();
    let parameters: Vec<u8> = writes.iter().filter(|w| (w.0, w.1) == (0x0c, 0x01)).map(|w| w.2[1]).collect();
    assert_eq!(parameters, [0, 4, 3, 6, 12, 20, 0, 0]);
    assert_eq!(bmc.lan_parameters[&20], [42, 0x80]);
    assert!(!bmc.locked);
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(changes(&outcome).first().map(String::as_str), Some("VLAN: 42 -> untagged"));
}

#[test]
fn a_bmc_that_rolls_back_is_told_to_commit() {
    let mut bmc = Fake::new();
    bmc.quirks.rolls_back = true;
    assert_eq!(set_up(&mut bmc, plan()).error, "");
    assert!(!bmc.locked);
}

#[test]
fn only_what_differs_is_written() {
    let mut bmc = Fake::new();
    set_up(&mut bmc, plan());
    bmc.lan_parameters.insert(6, vec![255, 255, 0, 0]);
    bmc.writes();
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(changes(&outcome), ["netmask: 255.255.0.0 -> 255.255.255.0"]);
    let writes = bmc.writes();
    assert!(writes.iter().all(|w| is_lan_write(0)(w) || is_lan_write(6)(w)), "{writes:?}");
}

#[test]
fn keep_leaves_the_address_alone() {
    let mut bmc = Fake::new();
    bmc.lan_parameters.insert(20, vec![7, 0x80]);
    let outcome = set_up(&mut bmc, BmcPlan { source: "keep".to_owned(), close_cipher_zero: false, ..plan() });
    assert_eq!(outcome.error, "");
    assert!(!bmc.writes().iter().any(|w| (w.0, w.1) == (0x0c, 0x01)));
}

#[test]
fn a_bmc_without_a_lock_and_one_whose_lock_was_left_behind() {
    let mut bmc = Fake::new();
    bmc.quirks.no_lock = true;
    assert_eq!(set_up(&mut bmc, plan()).error, "");
    let mut bmc = Fake { locked: true, ..Fake::new() };
    assert_eq!(set_up(&mut bmc, plan()).error, "");
    assert!(!bmc.locked);
}

#[test]
fn an_address_that_is_taken_only_once_the_source_is_in_force() {
    let mut bmc = Fake::new();
    bmc.quirks.address_outside_lock = true;
    bmc.quirks.no_lock = true;
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(outcome.error, "");
    assert_eq!(bmc.lan_parameters[&3], [10, 1, 2, 3]);
}

#[test]
fn what_is_taken_and_forgotten_is_an_error() {
    let mut bmc = Fake::new();
    bmc.quirks.forgets = vec![3];
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(outcome.error, "address: written, but 0.0.0.0 reads back");
    assert_eq!(outcome.password, 1);
    let tries = bmc.writes().iter().filter(|w| is_lan_write(3)(w)).count();
    assert_eq!(tries, 2);
}

#[test]
fn a_gateway_that_cannot_be_cleared_is_not_fatal() {
    let mut bmc = Fake::new();
    set_up(&mut bmc, plan());
    bmc.quirks.forgets = vec![12];
    let outcome = set_up(&mut bmc, BmcPlan { gateway: String::new(), ..plan() });
    assert_eq!(outcome.error, "");
    let line = "gateway: 10.1.2.1 -> 0.0.0.0: written, but 10.1.2.1 reads back (optional)";
    assert_eq!(changes(&outcome), [line]);
}

#[test]
fn a_bmc_that_is_away_after_its_address_was_set_is_waited_for() {
    let mut bmc = Fake::new();
    bmc.quirks.away_after_address = Duration::from_secs(25);
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(outcome.error, "");
    assert_eq!(outcome.found.channels[0].address.unwrap().to_string(), "10.1.2.3");
}

#[test]
fn dhcp_is_waited_for() {
    let mut bmc = Fake::new();
    set_up(&mut bmc, plan());
    bmc.quirks.lease_after = Some(Duration::from_secs(20));
    let outcome = set_up(&mut bmc, dhcp());
    assert_eq!(outcome.error, "");
    assert_eq!(changes(&outcome), ["address source: static -> dhcp", "address by DHCP: 10.1.2.3 -> 10.9.8.7"]);
    assert_eq!(outcome.found.channels[0].address.unwrap().to_string(), "10.9.8.7");
    // There is one now: no wait, nothing to report.
    let began = bmc.time;
    assert_eq!(set_up(&mut bmc, dhcp()).changes, []);
    assert!(bmc.time - began < Duration::from_secs(2));
}

#[test]
fn a_lease_that_is_the_old_address_is_one_too() {
    let mut bmc = Fake::new();
    set_up(&mut bmc, BmcPlan { address: "10.9.8.7".to_owned(), ..plan() });
    bmc.quirks.lease_after = Some(Duration::ZERO);
    let outcome = set_up(&mut bmc, dhcp());
    assert_eq!(outcome.error, "");
    assert_eq!(changes(&outcome).last().map(String::as_str), Some("address by DHCP: 10.9.8.7 -> 10.9.8.7"));
}

#[test]
fn no_lease_is_an_error_within_the_wait() {
    let mut bmc = Fake::new();
    let began = bmc.time;
    let outcome = set_up(&mut bmc, dhcp());
    assert_eq!(outcome.error, "no address by DHCP within 30 s, the last answer was: 0.0.0.0");
    assert_eq!(outcome.password, 1);
    assert!(bmc.time - began < Duration::from_secs(40), "{:?}", bmc.time - began);
    // An address that a BMC made up is none.
    let mut bmc = Fake::new();
    bmc.lan_parameters.insert(3, vec![169, 254, 1, 1]);
    assert!(set_up(&mut bmc, dhcp()).error.ends_with("the last answer was: 169.254.1.1"));
}
