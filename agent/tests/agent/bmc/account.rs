//! The account: its slot, its password, and everybody else's.

use higuma_proto::agent::BmcPlan;

use super::fake::Fake;
use super::{LONG, PLAIN, SHORT, changes, plan, set_up};

fn stored(password: &str, size: usize) -> Option<Vec<u8>> {
    let mut bytes = password.as_bytes().to_vec();
    bytes.resize(size, 0);
    Some(bytes)
}

#[test]
fn a_bmc_without_20_byte_storage_gets_the_password_of_16() {
    let mut bmc = Fake::new();
    bmc.quirks.no_20_bytes = true;
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 2));
    assert_eq!(bmc.slot(3).password, stored(SHORT, 16));
}

#[test]
fn a_bmc_that_refuses_symbols_gets_the_first_password_without() {
    let mut bmc = Fake::new();
    bmc.quirks.no_symbols = true;
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 3));
    assert_eq!(bmc.slot(3).password, stored(PLAIN, 16));
}

#[test]
fn a_password_of_the_plan_that_is_in_force_stays() {
    for (number, password, size) in [(1, LONG, 20), (2, SHORT, 16), (2, SHORT, 20), (3, PLAIN, 16)] {
        let mut bmc = Fake::new();
        set_up(&mut bmc, plan());
        bmc.slot(3).password = stored(password, size);
        bmc.writes();
        let outcome = set_up(&mut bmc, plan());
        assert_eq!((outcome.error.as_str(), outcome.password, outcome.changes.len()), ("", number, 0));
        assert_eq!(bmc.writes(), [], "{number} in {size} bytes");
    }
}

#[test]
fn another_password_is_replaced() {
    let mut bmc = Fake::new();
    bmc.slot(4).name = "higuma".to_owned();
    bmc.slot(4).password = stored("another", 20);
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    assert_eq!(bmc.slot(4).password, stored(LONG, 20));
    assert!(bmc.slot(3).name.is_empty(), "the slot with the name is used");
}

#[test]
fn a_bmc_that_cannot_test_is_believed_and_that_is_said() {
    let mut bmc = Fake::new();
    bmc.quirks.no_test = true;
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    let line = "password of user 3:  -> set, number 1 of the plan (this BMC does not test passwords)";
    assert!(changes(&outcome).contains(&line.to_owned()), "{:?}", changes(&outcome));
}

#[test]
fn no_password_taken_means_an_account_that_nobody_can_use() {
    let mut bmc = Fake::new();
    bmc.quirks.no_passwords = true;
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(outcome.password, 0);
    assert!(
        outcome.error.contains("takes none of 3 password(s): 1: Set User Password: invalid data field"),
        "{}",
        outcome.error
    );
    assert!(!bmc.slot(3).enabled && !bmc.slot(3).messaging && bmc.slot(3).privilege == 0x0f);
    // The address does not depend on it.
    assert_eq!(bmc.lan_parameters[&3], [10, 1, 2, 3]);
}

#[test]
fn without_a_free_slot_nobody_is_removed_who_is_not_named() {
    let full = || {
        let mut bmc = Fake::new();
        for slot in 3..=5 {
            *bmc.slot(slot) = super::fake::Slot { name: format!("user{slot}"), ..bmc.slot(2).clone() };
        }
        bmc
    };
    let mut bmc = full();
    let outcome = set_up(&mut bmc, plan());
    assert!(
        outcome.error.starts_with("no slot is free for user \"higuma\": all 4 from 2 on are taken"),
        "{}",
        outcome.error
    );
    assert_eq!(bmc.slots[1..], full().slots[1..]);
    let mut bmc = full();
    let outcome = set_up(&mut bmc, BmcPlan { remove_users: vec!["user4".to_owned()], ..plan() });
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    assert_eq!(bmc.slot(4).name, "higuma");
    assert_eq!(bmc.slot(4).password, stored(LONG, 20));
    // One that cannot log in takes a slot all the same.
    let mut idle = full();
    idle.slot(4).enabled = false;
    assert_eq!(set_up(&mut idle, BmcPlan { remove_users: vec!["user4".to_owned()], ..plan() }).error, "");
    assert_eq!(idle.slot(4).name, "higuma");
    assert!([2, 3, 5].into_iter().all(|slot| bmc.slot(slot).clone() == full().slot(slot).clone()));
}

#[test]
fn users_are_removed_after_ours_works_and_only_when_named() {
    let mut bmc = Fake::new();
    let before = bmc.slot(2).clone();
    set_up(&mut bmc, plan());
    assert_eq!(*bmc.slot(2), before);
    let outcome = set_up(&mut bmc, BmcPlan { remove_users: vec!["ADMIN".to_owned()], ..plan() });
    assert_eq!(changes(&outcome), ["user 2: \"ADMIN\" -> removed"]);
    assert!(!bmc.slot(2).enabled && !bmc.slot(2).messaging && bmc.slot(2).name.is_empty());
}

#[test]
fn nobody_is_removed_before_ours_is_whole() {
    let mut bmc = Fake::new();
    bmc.quirks.no_access = true;
    let before = bmc.slot(2).clone();
    let outcome = set_up(&mut bmc, BmcPlan { remove_users: vec!["ADMIN".to_owned()], ..plan() });
    let error = "privilege of user 3: Set User Access: not supported in the present state (D5h)";
    assert!(outcome.error.contains(error), "{}", outcome.error);
    assert_eq!((outcome.password, bmc.slot(2).clone()), (1, before));
}

#[test]
fn slot_1_is_never_ours() {
    let mut bmc = Fake::new();
    bmc.slot(1).name = "higuma".to_owned();
    let before = bmc.slot(1).clone();
    let outcome = set_up(&mut bmc, BmcPlan { remove_users: vec![], ..plan() });
    assert!(outcome.error.contains("is in slot 1, which is never changed"), "{}", outcome.error);
    assert_eq!(*bmc.slot(1), before);
    assert!(bmc.slots.iter().skip(1).all(|slot| slot.name != "higuma"));
}

#[test]
fn a_slot_that_takes_no_name_is_passed_over() {
    let mut bmc = Fake::new();
    bmc.quirks.reserved_slots = vec![3, 4];
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    assert_eq!(bmc.slot(5).name, "higuma");
    assert!(outcome.changes.iter().all(|change| change.error.is_empty()), "{:?}", changes(&outcome));
    bmc = Fake::new();
    bmc.quirks.reserved_slots = vec![3, 4, 5];
    let outcome = set_up(&mut bmc, plan());
    assert!(
        outcome.error.contains("name of user 5: Set User Name: invalid data field in the request (CCh)"),
        "{}",
        outcome.error
    );
    assert_eq!(outcome.password, 0);
}

#[test]
fn a_bmc_that_does_not_tell_who_is_enabled_is_told_to_enable_once() {
    let mut bmc = Fake::new();
    bmc.quirks.no_enabled = true;
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), bmc.slot(3).enabled), ("", true));
    bmc.writes();
    assert_eq!(set_up(&mut bmc, plan()).changes, []);
    assert_eq!(bmc.writes(), []);
}
