//! The state machine, whole: every state with every step, and long random lives.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn credential(n: u128, state: State) -> Credential {
    Credential {
        id: Uuid::from_u128(n),
        node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap(),
        user: "higuma".into(),
        sealed: String::new(),
        master_key: String::new(),
        state,
        via: Via::InBand,
        made: i64::try_from(n).unwrap(),
        proven: None,
        changed: i64::try_from(n).unwrap(),
        reason: String::new(),
    }
}

fn apply(held: &mut Vec<Credential>, step: Step, now: Micros) -> Result<(), Refused> {
    for change in decide(held, step)? {
        match change {
            Change::Forget(id) => held.retain(|c| c.id != id),
            Change::Become(id, state) => {
                let c = held.iter_mut().find(|c| c.id == id).unwrap();
                (c.state, c.changed) = (state, now);
                if state == State::Proven {
                    c.proven = Some(now);
                }
            }
        }
        for state in [State::Planned, State::Proven] {
            assert!(held.iter().filter(|c| c.state == state).count() <= 1, "at no instant two {state}");
        }
    }
    Ok(())
}

const ALL: [State; 4] = [State::Planned, State::Proven, State::Retired, State::Failed];

#[test]
fn every_state_with_every_step() {
    let id = Uuid::from_u128(1);
    let become_ = |state| Ok(vec![Change::Become(id, state)]);
    for state in ALL {
        let held = [credential(1, state)];
        let proved = if state == State::Proven { Ok(vec![]) } else { become_(State::Proven) };
        assert_eq!(decide(&held, Step::Prove(id)), proved, "{state}");
        let failed = match state {
            State::Planned => become_(State::Failed),
            State::Failed => Ok(vec![]),
            _ => Err(Refused::Proven),
        };
        assert_eq!(decide(&held, Step::Fail(id)), failed, "{state}");
        let retired = match state {
            State::Planned => become_(State::Failed),
            State::Proven => become_(State::Retired),
            _ => Ok(vec![]),
        };
        assert_eq!(decide(&held, Step::Retire), retired, "{state}");
        let other = Uuid::from_u128(9);
        assert_eq!(decide(&held, Step::Prove(other)), Err(Refused::Unknown));
        assert_eq!(decide(&held, Step::Fail(other)), Err(Refused::Unknown));
    }
}

#[test]
fn a_planned_one_replaces_the_proven_one_when_it_is_proven_and_not_before() {
    let mut held = vec![credential(1, State::Retired), credential(2, State::Proven), credential(3, State::Planned)];
    apply(&mut held, Step::Fail(Uuid::from_u128(3)), 10).unwrap();
    assert_eq!(held[1].state, State::Proven);
    held.push(credential(4, State::Planned));
    apply(&mut held, Step::Prove(Uuid::from_u128(4)), 11).unwrap();
    let shown: Vec<_> = held.iter().map(|c| (c.id.as_u128(), c.state)).collect();
    assert_eq!(shown, [(2, State::Retired), (4, State::Proven)], "the one before stays; older and failed ones go");
}

#[test]
fn a_lost_report_is_found_again() {
    // The server gave up on 2, but the BMC has it.
    let mut held = vec![credential(1, State::Proven), credential(2, State::Failed), credential(3, State::Planned)];
    apply(&mut held, Step::Prove(Uuid::from_u128(2)), 10).unwrap();
    let shown: Vec<_> = held.iter().map(|c| (c.id.as_u128(), c.state)).collect();
    assert_eq!(shown, [(1, State::Retired), (2, State::Proven), (3, State::Planned)]);
    most_likely_first(&mut held);
    assert_eq!(held.iter().map(|c| c.id.as_u128()).collect::<Vec<_>>(), [2, 3, 1]);
    let offered = Credential { via: Via::Enrolled, ..credential(5, State::Failed) };
    held = vec![credential(3, State::Planned), credential(4, State::Failed), offered];
    most_likely_first(&mut held);
    assert_eq!(
        held.iter().map(|c| c.id.as_u128()).collect::<Vec<_>>(),
        [5, 3, 4],
        "a person's account is there already"
    );
}

#[test]
fn the_same_plan_until_it_is_settled_and_no_more_than_some_failures() {
    assert_eq!(plan(&[]), Plan::New);
    assert_eq!(plan(&[credential(1, State::Proven)]), Plan::New);
    assert_eq!(plan(&[credential(2, State::Planned), credential(1, State::Proven)]), Plan::Keep(Uuid::from_u128(2)));
    let failed: Vec<_> = (1..=3).map(|n| credential(n, State::Failed)).collect();
    assert_eq!(plan(&failed[..2]), Plan::New);
    assert_eq!(plan(&failed), Plan::Again(Uuid::from_u128(1)));
}

proptest! {
    /// What is in force in the BMC is always among what is held, whatever gets lost.
    #[test]
    fn no_password_that_may_be_in_force_is_ever_forgotten(life in prop::collection::vec((0..5u8, any::<bool>()), 0..60)) {
        let mut held: Vec<Credential> = Vec::new();
        let mut in_force: Option<Uuid> = None;
        for (now, (what, reached)) in (100i64..).zip(life) {
            let planned = held.iter().find(|c| c.state == State::Planned).map(|c| c.id);
            match what {
                0 | 1 => match plan(&held) {
                    Plan::Keep(_) => {}
                    Plan::Again(id) => held.iter_mut().find(|c| c.id == id).unwrap().state = State::Planned,
                    Plan::New => held.push(Credential { id: Uuid::from_u128(now.unsigned_abs().into()), ..credential(1, State::Planned) }),
                },
                // The agent sets it, and the report comes or not.
                2 => if let Some(id) = planned {
                    if reached { in_force = Some(id); }
                    apply(&mut held, Step::Fail(id), now).unwrap();
                },
                // Proven is only what is in force.
                3 => if let Some(id) = in_force.filter(|id| held.iter().any(|c| c.id == *id)) {
                    apply(&mut held, Step::Prove(id), now).unwrap();
                } else if let Some(id) = planned {
                    in_force = Some(id);
                    apply(&mut held, Step::Prove(id), now).unwrap();
                },
                _ => apply(&mut held, Step::Retire, now).unwrap(),
            }
            if let Some(id) = in_force {
                prop_assert!(held.iter().any(|c| c.id == id), "{what} {held:?}");
            }
            prop_assert!(held.iter().filter(|c| c.state == State::Failed).count() <= FAILED_MAX + 1);
        }
    }
}
