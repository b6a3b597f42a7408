//! The BMC set up in-band, against a BMC of our own with the habits of real ones. No time passes here but the BMC's own.
mod account;
mod address;
mod broken;
mod fake;

use std::time::Duration;

use fake::Fake;
use higuma_agent::bmc::found::Found;
use higuma_agent::bmc::wanted::Wanted;
use higuma_agent::bmc::{Outcome, Talk, carry_out, read};
use higuma_proto::agent::BmcPlan;

const LONG: &str = "Xk3-20bytes-password";
const SHORT: &str = "Xk3-sixteen-byte";
const PLAIN: &str = "Xk3plain16bytes0";
/// For one plan.
const TIME: Duration = Duration::from_secs(180);

fn plan() -> BmcPlan {
    let text = str::to_owned;
    BmcPlan {
        id: text("plan-1"),
        source: text("static"),
        address: text("10.1.2.3"),
        netmask: text("255.255.255.0"),
        gateway: text("10.1.2.1"),
        user: text("higuma"),
        passwords: [LONG, SHORT, PLAIN].map(text).to_vec(),
        privilege: text("administrator"),
        close_cipher_zero: true,
        close_anonymous: true,
        sol: true,
        dhcp_wait_seconds: 30,
        ..BmcPlan::default()
    }
}

fn found(bmc: &mut Fake) -> Found {
    read(&mut Talk::new(bmc, Duration::from_secs(90)), |_| ())
}

/// Reads the BMC and carries the plan out; also sees to it that no password is in anything that is told.
fn set_up(bmc: &mut Fake, plan: BmcPlan) -> Outcome {
    let found = found(bmc);
    let wanted = Wanted::of(plan).unwrap();
    let mut lines = Vec::new();
    let began = bmc.time;
    let outcome = carry_out(&mut Talk::new(bmc, TIME), found, &wanted, &mut |line| lines.push(line.to_owned()));
    assert!(bmc.time - began < TIME + Duration::from_secs(60), "took {:?}", bmc.time - began);
    let told = format!("{lines:?} {outcome:?} {wanted:?}");
    for password in [LONG, SHORT, PLAIN] {
        assert!(!told.contains(password), "{told}");
    }
    outcome
}

/// What was changed, and the errors of what was not.
fn changes(outcome: &Outcome) -> Vec<String> {
    let line = |c: &higuma_proto::agent::BmcChange| match c.error.as_str() {
        "" => format!("{}: {} -> {}", c.what, c.before, c.after),
        error => {
            format!("{}: {} -> {}: {error}{}", c.what, c.before, c.after, if c.optional { " (optional)" } else { "" })
        }
    };
    outcome.changes.iter().map(line).collect()
}

#[test]
fn a_blank_bmc_is_set_up_whole_and_in_order() {
    let mut bmc = Fake::new();
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    let expected = [
        "name of user 3:  -> \"higuma\"",
        "password of user 3:  -> set, number 1 of the plan (tested)",
        "user 3: disabled -> enabled",
        "privilege of user 3: none -> administrator",
        "channel access now: disabled, at most administrator -> always, at most administrator",
        "LAN messaging of user 3: off -> on",
        "SOL of user 3: off -> on",
        "address source: dhcp -> static",
        "address: 0.0.0.0 -> 10.1.2.3",
        "netmask: 0.0.0.0 -> 255.255.255.0",
        "gateway: 0.0.0.0 -> 10.1.2.1",
        "cipher suite 0: open -> closed",
        "user 1 without a name: usable -> closed",
        "serial over LAN: off -> on",
    ];
    assert_eq!(changes(&outcome), expected);
    let mut password = LONG.as_bytes().to_vec();
    password.resize(20, 0);
    let slot = bmc.slot(3).clone();
    assert_eq!(slot.password, Some(password));
    assert!(slot.enabled && slot.messaging && slot.sol && slot.privilege == 4);
    assert_eq!(bmc.lan_parameters[&3], [10, 1, 2, 3]);
    // Suite 0 alone lost its level.
    assert_eq!(bmc.lan_parameters[&24][..3], [0, 0x40, 0x04]);
    assert!(!bmc.locked && bmc.sol && bmc.access == [[0x22, 4], [0x22, 4]]);
    assert!(!bmc.slot(1).enabled && bmc.slot(2).enabled, "only the null user is closed");
    // What is told of it afterwards.
    let wire = outcome.found.to_wire();
    let channel = &wire.channels[0];
    assert_eq!(
        (wire.state.as_str(), channel.mac.as_str(), channel.source.as_str()),
        ("present", "52:54:00:01:02:03", "static")
    );
    assert_eq!((channel.cipher_suites.as_slice(), channel.open_suites.as_slice()), (&[0, 3, 17][..], &[3, 17][..]));
    assert_eq!(wire.device.unwrap().firmware, "2.51");
    assert_eq!((channel.users[2].name.as_str(), channel.users[2].privilege.as_str()), ("higuma", "administrator"));

    // The second time nothing differs, and nothing is written.
    bmc.writes();
    let again = set_up(&mut bmc, plan());
    assert_eq!((again.error.as_str(), again.password, again.changes.len()), ("", 1, 0));
    assert_eq!(bmc.writes(), []);
}

#[test]
fn the_name_comes_before_the_password_and_that_before_all_access() {
    let mut bmc = Fake::new();
    found(&mut bmc);
    bmc.writes();
    set_up(&mut bmc, plan());
    let mut order: Vec<u8> = bmc.writes().iter().map(|(netfn, cmd, _)| netfn << 4 ^ cmd).collect();
    order.dedup();
    let names = |code: &u8| match *code {
        0x25 => "name",
        0x27 => "password",
        0x23 => "access",
        0x20 => "channel",
        0x2c => "payload",
        0xc1 => "lan",
        0xe1 => "sol",
        _ => "?",
    };
    let order: Vec<&str> = order.iter().map(names).collect();
    let account = ["name", "password", "access", "channel", "access", "payload", "lan"];
    assert_eq!(order[..7], account, "{order:?}");
    assert_eq!(order.last(), Some(&"sol"));
}

#[test]
fn a_lan_channel_is_found_wherever_it_is() {
    let mut bmc = Fake { lan: 8, ..Fake::new() };
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.found.channels[0].number), ("", 8));
    assert_eq!(bmc.lan_parameters[&3], [10, 1, 2, 3]);
    let outcome = set_up(&mut bmc, BmcPlan { channel: 1, ..plan() });
    assert_eq!(outcome.error, "the plan is for channel 1; the BMC's LAN channels are: 8");
}

#[test]
fn what_is_optional_and_fails_is_reported_and_not_fatal() {
    let mut bmc = Fake::new();
    bmc.quirks.lacks = vec![22, 23, 24];
    bmc.quirks.no_sol = true;
    let outcome = set_up(&mut bmc, plan());
    assert_eq!((outcome.error.as_str(), outcome.password), ("", 1));
    let failed: Vec<String> = changes(&outcome).into_iter().filter(|line| line.ends_with("(optional)")).collect();
    let expected = [
        "cipher suite 0: open -> closed: the BMC has no privilege level for it in its LAN parameters 22 to 24 (optional)",
        "serial over LAN: off -> on: this BMC has no SOL on this channel (optional)",
    ];
    assert_eq!(failed, expected);
    let mut bmc = Fake::new();
    bmc.quirks.forgets = vec![24];
    let outcome = set_up(&mut bmc, plan());
    assert_eq!(outcome.error, "");
    assert!(changes(&outcome).contains(
        &"cipher suite 0: open -> closed: written, but other privilege levels reads back (optional)".to_owned()
    ));
}
