//! Power and the LED (28.2-28.5). What a BMC says of its chassis, and the one command that turns servers off.

use std::fmt;

use crate::{Command, Malformed, NetFn};

/// What happens when mains power comes back (28.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestorePolicy {
    /// Stays off.
    Off,
    /// As before.
    Previous,
    /// Goes on.
    On,
    /// The BMC does not say.
    Unknown,
}

/// The LED that shows which server is meant (28.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifyState {
    /// Dark.
    Off,
    /// For a while.
    Timed,
    /// Until told otherwise.
    On,
    /// The BMC does not say.
    Unknown,
}

/// Get Chassis Status (28.2).
#[derive(Debug, Clone, Copy)]
pub struct GetChassisStatus;

/// State of a chassis (28.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChassisStatus {
    /// Whether the system has power.
    pub power: bool,
    /// Shut down because of an overload.
    pub overload: bool,
    /// Shut down because a panel interlock is open.
    pub interlock: bool,
    /// A fault of the main power subsystem.
    pub fault: bool,
    /// The controller could not bring about the power state that was asked for.
    pub control_fault: bool,
    /// When mains power comes back.
    pub restore: RestorePolicy,
    /// Why power last went or came.
    pub last: LastPowerEvent,
    /// The case is open.
    pub intrusion: bool,
    /// Buttons at the front are locked.
    pub lockout: bool,
    /// A drive is at fault.
    pub drive_fault: bool,
    /// Cooling is at fault.
    pub cooling_fault: bool,
    /// The LED.
    pub identify: IdentifyState,
    /// What the buttons may do, if the BMC tells.
    pub panel: Option<FrontPanel>,
}

/// The last power event, a flag each; none set: unknown (28.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastPowerEvent {
    /// Mains power failed.
    pub ac_failed: bool,
    /// Turned off by an overload.
    pub overload: bool,
    /// Turned off by an interlock.
    pub interlock: bool,
    /// Turned off by a power fault.
    pub fault: bool,
    /// Turned on by an IPMI command.
    pub ipmi: bool,
}

impl fmt::Display for LastPowerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.ac_failed, "mains power failed"),
            (self.overload, "power overload"),
            (self.interlock, "interlock opened"),
            (self.fault, "power fault"),
            (self.ipmi, "turned on by IPMI"),
        ];
        let words: Vec<&str> = all.iter().filter(|(set, _)| *set).map(|(_, words)| *words).collect();
        f.write_str(&if words.is_empty() { "unknown".to_owned() } else { words.join(", ") })
    }
}

/// Buttons at the front that are disabled (28.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontPanel {
    /// The power button.
    pub power_off_disabled: bool,
    /// The reset button.
    pub reset_disabled: bool,
    /// The button of the diagnostic interrupt.
    pub diagnostic_disabled: bool,
    /// The standby button.
    pub standby_disabled: bool,
}

impl Command for GetChassisStatus {
    const NETFN: NetFn = NetFn::CHASSIS;
    const CMD: u8 = 0x01;
    const NAME: &'static str = "Get Chassis Status";
    type Answer = ChassisStatus;

    fn data(&self) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, data: &[u8]) -> Result<ChassisStatus, Malformed> {
        let [power, last, misc, ref panel @ ..] = *data else {
            return Err(Malformed::short(Self::NAME, "at least 3 bytes", data));
        };
        Ok(ChassisStatus {
            power: power & 0x01 != 0,
            overload: power & 0x02 != 0,
            interlock: power & 0x04 != 0,
            fault: power & 0x08 != 0,
            control_fault: power & 0x10 != 0,
            restore: match power >> 5 & 3 {
                0 => RestorePolicy::Off,
                1 => RestorePolicy::Previous,
                2 => RestorePolicy::On,
                _ => RestorePolicy::Unknown,
            },
            last: LastPowerEvent {
                ac_failed: last & 0x01 != 0,
                overload: last & 0x02 != 0,
                interlock: last & 0x04 != 0,
                fault: last & 0x08 != 0,
                ipmi: last & 0x10 != 0,
            },
            intrusion: misc & 0x01 != 0,
            lockout: misc & 0x02 != 0,
            drive_fault: misc & 0x04 != 0,
            cooling_fault: misc & 0x08 != 0,
            // Bit 6 says whether bits 5:4 mean anything.
            identify: match (misc & 0x40 != 0, misc >> 4 & 3) {
                (true, 0) => IdentifyState::Off,
                (true, 1) => IdentifyState::Timed,
                (true, 2) => IdentifyState::On,
                _ => IdentifyState::Unknown,
            },
            panel: panel.first().map(|bits| FrontPanel {
                power_off_disabled: bits & 0x01 != 0,
                reset_disabled: bits & 0x02 != 0,
                diagnostic_disabled: bits & 0x04 != 0,
                standby_disabled: bits & 0x08 != 0,
            }),
        })
    }
}

/// Chassis Control (28.3). `On` and `Off` may be repeated; `Cycle`, `Reset` and `DiagnosticInterrupt` act each time they
/// are done: whoever has no answer must look at the state before asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChassisControl {
    /// Power off at once.
    Off,
    /// Power on.
    On,
    /// Off, a pause, on; many BMCs refuse it (D5h) when the system is off.
    Cycle,
    /// Hard reset.
    Reset,
    /// A non-maskable interrupt (NMI): a crash dump, on most systems.
    DiagnosticInterrupt,
    /// Asks the operating system to shut down, as the power button does (ACPI).
    SoftOff,
}

impl ChassisControl {
    /// Its number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::On => 1,
            Self::Cycle => 2,
            Self::Reset => 3,
            Self::DiagnosticInterrupt => 4,
            Self::SoftOff => 5,
        }
    }
}

impl Command for ChassisControl {
    const NETFN: NetFn = NetFn::CHASSIS;
    const CMD: u8 = 0x02;
    const NAME: &'static str = "Chassis Control";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        vec![self.code()]
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Chassis Identify (28.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChassisIdentify {
    /// Dark.
    Off,
    /// For that many seconds.
    Seconds(u8),
    /// Until told otherwise; BMCs of IPMI 1.5 refuse it (C7h).
    On,
}

impl Command for ChassisIdentify {
    const NETFN: NetFn = NetFn::CHASSIS;
    const CMD: u8 = 0x04;
    const NAME: &'static str = "Chassis Identify";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        match self {
            Self::Off => vec![0],
            Self::Seconds(seconds) => vec![*seconds],
            Self::On => vec![0, 1],
        }
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_in_all_its_bits() {
        let status = GetChassisStatus.answer(&[0x61, 0x11, 0x61, 0x05]).unwrap_or_else(|e| panic!("{e}"));
        assert!(status.power && !status.fault && status.intrusion);
        assert_eq!((status.restore, status.identify), (RestorePolicy::Unknown, IdentifyState::On));
        assert_eq!(status.last.to_string(), "mains power failed, turned on by IPMI");
        assert!(status.panel.is_some_and(|p| p.power_off_disabled && !p.reset_disabled && p.diagnostic_disabled));
        let off = GetChassisStatus.answer(&[0x20, 0, 0x10]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((off.power, off.restore, off.identify), (false, RestorePolicy::Previous, IdentifyState::Unknown));
        assert_eq!((off.last.to_string().as_str(), off.panel), ("unknown", None));
        assert!(GetChassisStatus.answer(&[1, 2]).is_err());
    }

    #[test]
    fn requests_are_those_of_the_tables() {
        let codes = [
            (ChassisControl::Off, 0),
            (ChassisControl::On, 1),
            (ChassisControl::Cycle, 2),
            (ChassisControl::Reset, 3),
            (ChassisControl::DiagnosticInterrupt, 4),
            (ChassisControl::SoftOff, 5),
        ];
        for (control, code) in codes {
            assert_eq!(control.data(), [code]);
        }
        assert_eq!(ChassisIdentify::Seconds(15).data(), [15]);
        assert_eq!(ChassisIdentify::On.data(), [0, 1]);
    }
}
