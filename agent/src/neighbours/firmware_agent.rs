//! The LLDP agent in the firmware of Intel's NICs: it takes every LLDP frame before the operating system sees it, so it
//! is turned off before we listen. Must never be an obstacle: what does not work is told, and the boot goes on.

use crate::net::Interface;
use crate::sys;

/// Driver, its private flag, and what the flag must be so that frames come through.
const FLAGS: [(&str, &str, bool); 2] = [("i40e", "disable-fw-lldp", true), ("ice", "fw-lldp-agent", false)];

/// What has to be set, out of what a driver says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A driver without such an agent, or a release of it without the flag.
    Nothing,
    /// It is off already.
    IsOff,
    /// Set the flags to this word.
    Set(u32),
}

/// `names` are the driver's private flags, lowest bit first; `bits` which of them are set.
#[must_use]
pub fn decide(driver: &str, names: &[String], bits: u32) -> Verdict {
    let Some((_, flag, wanted)) = FLAGS.iter().find(|(name, ..)| *name == driver) else { return Verdict::Nothing };
    let Some(bit) = names.iter().take(32).position(|name| name == flag) else { return Verdict::Nothing };
    let mask = 1u32 << bit;
    let word = if *wanted { bits | mask } else { bits & !mask };
    if word == bits { Verdict::IsOff } else { Verdict::Set(word) }
}

/// Turns it off on each of `interfaces`; `tell` gets a line about each where something was done or did not work.
pub fn turn_off(interfaces: &[Interface], tell: &dyn Fn(&str)) {
    for interface in interfaces {
        let name = &interface.name;
        let driver = sys::driver_info(name).map(|info| info.driver).unwrap_or_default();
        if !FLAGS.iter().any(|(known, ..)| *known == driver) {
            continue;
        }
        let (names, bits) = match sys::private_flags(name) {
            Ok(found) => found,
            Err(error) => {
                tell(&format!("{name}: the flags of {driver} cannot be read, its firmware may swallow LLDP: {error}"));
                continue;
            }
        };
        match decide(&driver, &names, bits) {
            Verdict::IsOff => {}
            Verdict::Nothing => {
                tell(&format!("{name}: this {driver} has no flag for its LLDP agent: it may swallow LLDP"));
            }
            Verdict::Set(word) => match sys::set_private_flags(name, word) {
                Ok(()) => tell(&format!("{name}: the LLDP agent in the firmware ({driver}) is off now")),
                Err(error) => {
                    tell(&format!("{name}: the LLDP agent in the firmware ({driver}) cannot be turned off: {error}"));
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn i40e_has_a_flag_that_must_be_on_and_ice_one_that_must_be_off() {
        let i40e = names(&["MFP", "total-port-shutdown", "LinkPolling", "disable-fw-lldp", "rs-fec"]);
        assert_eq!(decide("i40e", &i40e, 0b00001), Verdict::Set(0b01001));
        assert_eq!(decide("i40e", &i40e, 0b01001), Verdict::IsOff);
        let ice = names(&["link-down-on-close", "fw-lldp-agent", "vf-true-promisc-support"]);
        assert_eq!(decide("ice", &ice, 0b111), Verdict::Set(0b101));
        assert_eq!(decide("ice", &ice, 0b101), Verdict::IsOff);
    }

    #[test]
    fn other_drivers_and_unknown_flags_are_left_alone() {
        let flags = names(&["disable-fw-lldp", "fw-lldp-agent"]);
        assert_eq!(decide("mlx5_core", &flags, 0), Verdict::Nothing);
        assert_eq!(decide("", &[], 0), Verdict::Nothing);
        assert_eq!(decide("i40e", &names(&["MFP"]), 1), Verdict::Nothing);
        let many: Vec<String> = (0..40).map(|n| format!("f{n}")).chain(names(&["disable-fw-lldp"])).collect();
        assert_eq!(decide("i40e", &many, u32::MAX), Verdict::Nothing, "a flag beyond the word");
        assert_eq!(decide("i40e", &names(&["disable-fw-lldp"]), u32::MAX), Verdict::IsOff);
    }

    #[test]
    fn an_interface_that_is_not_there_is_no_obstacle() {
        let gone = Interface { name: "higuma-none".into(), index: 9999, mac: "02:00:00:00:00:01".into() };
        turn_off(&[gone], &|line| assert!(line.is_empty(), "{line}"));
    }
}
