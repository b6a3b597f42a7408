//! Words for events and sensors (tables 42-1 to 42-3, 43-15). Tables only; what is not in them is told by its number.

/// Type of a sensor (table 42-3).
pub fn sensor_type(kind: u8) -> String {
    let words = match kind {
        0x01 => "Temperature",
        0x02 => "Voltage",
        0x03 => "Current",
        0x04 => "Fan",
        0x05 => "Physical Security",
        0x06 => "Platform Security",
        0x07 => "Processor",
        0x08 => "Power Supply",
        0x09 => "Power Unit",
        0x0a => "Cooling Device",
        0x0b => "Other Units",
        0x0c => "Memory",
        0x0d => "Drive Bay",
        0x0e => "Memory Resize",
        0x0f => "Firmware Progress",
        0x10 => "Event Log",
        0x11 => "Watchdog 1",
        0x12 => "System Event",
        0x13 => "Critical Interrupt",
        0x14 => "Button",
        0x15 => "Board",
        0x16 => "Microcontroller",
        0x17 => "Add-in Card",
        0x18 => "Chassis",
        0x19 => "Chip Set",
        0x1a => "Other FRU",
        0x1b => "Cable",
        0x1c => "Terminator",
        0x1d => "System Boot",
        0x1e => "Boot Error",
        0x1f => "OS Boot",
        0x20 => "OS Stop",
        0x21 => "Slot",
        0x22 => "ACPI Power State",
        0x23 => "Watchdog 2",
        0x24 => "Platform Alert",
        0x25 => "Entity Presence",
        0x26 => "Monitor ASIC",
        0x27 => "LAN",
        0x28 => "Management Health",
        0x29 => "Battery",
        0x2a => "Session Audit",
        0x2b => "Version Change",
        0x2c => "FRU State",
        0xc0..=0xff => return format!("Vendor's sensor type {kind:02X}h"),
        _ => return format!("Sensor type {kind:02X}h"),
    };
    words.to_owned()
}

/// An event: which state of which kind of sensor.
pub fn words(sensor_type: u8, event_type: u8, data: [u8; 3]) -> String {
    let [first, second, third] = data;
    let offset = first & 0x0f;
    let state = match event_type {
        0x01 => at(&THRESHOLD, offset),
        0x02..=0x0c => generic(event_type, offset),
        0x6f => specific(sensor_type, offset),
        _ => None,
    };
    let Some(state) = state else {
        return format!("event type {event_type:02X}h, state {offset}");
    };
    // Bits of the first byte say what the others are: with a threshold the reading and the limit, raw (29.7).
    match (event_type, first >> 6, first >> 4 & 3) {
        (0x01, 1, 1) => format!("{state} (raw reading {second}, limit {third})"),
        (0x01, 1, _) => format!("{state} (raw reading {second})"),
        (0x6f, _, 2 | 3) if sensor_type == 0x0c && third != 0xff => format!("{state} (module {third})"),
        _ => state.to_owned(),
    }
}

fn at(table: &[&'static str], offset: u8) -> Option<&'static str> {
    table.get(usize::from(offset)).copied()
}

const THRESHOLD: [&str; 12] = [
    "lower non-critical, going low",
    "lower non-critical, going high",
    "lower critical, going low",
    "lower critical, going high",
    "lower non-recoverable, going low",
    "lower non-recoverable, going high",
    "upper non-critical, going low",
    "upper non-critical, going high",
    "upper critical, going low",
    "upper critical, going high",
    "upper non-recoverable, going low",
    "upper non-recoverable, going high",
];

/// Table 42-2.
fn generic(event_type: u8, offset: u8) -> Option<&'static str> {
    let table: &[&str] = match event_type {
        0x02 => &["idle", "active", "busy"],
        0x03 => &["state deasserted", "state asserted"],
        0x04 => &["predictive failure deasserted", "predictive failure asserted"],
        0x05 => &["limit not exceeded", "limit exceeded"],
        0x06 => &["performance met", "performance lags"],
        0x07 => &[
            "went to OK",
            "went from OK to non-critical",
            "went to critical from less severe",
            "went to non-recoverable from less severe",
            "went to non-critical from more severe",
            "went to critical from non-recoverable",
            "went to non-recoverable",
            "monitor",
            "informational",
        ],
        0x08 => &["device absent", "device present"],
        0x09 => &["device disabled", "device enabled"],
        0x0a => &[
            "went to running",
            "went to in test",
            "went to power off",
            "went to on line",
            "went to off line",
            "went to off duty",
            "went to degraded",
            "went to power save",
            "install error",
        ],
        0x0b => &[
            "fully redundant",
            "redundancy lost",
            "redundancy degraded",
            "not redundant, from redundant",
            "not redundant, from insufficient resources",
            "not redundant, insufficient resources",
            "redundancy degraded from full",
            "redundancy degraded from none",
        ],
        0x0c => &["D0 power state", "D1 power state", "D2 power state", "D3 power state"],
        _ => return None,
    };
    at(table, offset)
}

/// Table 42-3, for event type 6Fh.
fn specific(sensor_type: u8, offset: u8) -> Option<&'static str> {
    let table: &[&str] = match sensor_type {
        0x05 => &[
            "case open",
            "drive bay open",
            "card area open",
            "processor area open",
            "LAN cable lost",
            "unauthorised dock",
            "fan area open",
        ],
        0x06 => &[
            "front panel lockout violated",
            "wrong user password before boot",
            "wrong set-up password before boot",
            "wrong network boot password",
            "wrong password before boot",
            "wrong out-of-band password",
        ],
        0x07 => &[
            "internal error",
            "thermal trip",
            "self-test failed",
            "hang in POST",
            "start-up failed",
            "configuration error",
            "uncorrectable CPU complex error",
            "present",
            "disabled",
            "terminator present",
            "throttled",
            "machine check",
            "correctable machine check",
        ],
        0x08 => &[
            "present",
            "power supply failure detected",
            "failure predicted",
            "input lost",
            "input lost or out of range",
            "input out of range",
            "configuration error",
            "inactive",
        ],
        0x09 => &[
            "powered off",
            "power cycled",
            "240 VA power down",
            "interlock power down",
            "mains power lost",
            "soft power control failed",
            "power unit failure",
            "failure predicted",
        ],
        0x0c => &[
            "correctable ECC error",
            "uncorrectable ECC error",
            "parity error",
            "scrub failed",
            "device disabled",
            "limit of correctable ECC errors reached",
            "present",
            "configuration error",
            "spare",
            "throttled",
            "critical temperature",
        ],
        0x0d => &[
            "present",
            "drive fault",
            "failure predicted",
            "hot spare",
            "consistency check",
            "in a critical array",
            "in a failed array",
            "rebuild under way",
            "rebuild aborted",
        ],
        0x0f => &["firmware error", "firmware hang", "firmware progress"],
        0x10 => &[
            "logging of correctable memory errors off",
            "logging of this event off",
            "log cleared",
            "all logging off",
            "log full",
            "log almost full",
            "logging of correctable machine checks off",
        ],
        0x12 => &[
            "system reconfigured",
            "OEM boot event",
            "undetermined hardware failure",
            "entry added to the auxiliary log",
            "PEF action",
            "clock set",
        ],
        0x13 => &[
            "front panel NMI",
            "bus timeout",
            "I/O channel check NMI",
            "software NMI",
            "PCI parity error",
            "PCI system error",
            "EISA fail-safe timeout",
            "correctable bus error",
            "uncorrectable bus error",
            "fatal NMI",
            "fatal bus error",
            "bus degraded",
        ],
        0x14 => &["power button", "sleep button", "reset button", "latch open", "service requested"],
        0x1d => &[
            "started by power up",
            "started by hard reset",
            "started by warm reset",
            "PXE boot asked for by the user",
            "automatic boot to diagnostics",
            "reset by the operating system",
            "warm reset by the operating system",
            "system restart",
        ],
        0x1e => &[
            "no bootable medium",
            "no bootable floppy",
            "PXE server not found",
            "invalid boot sector",
            "timeout of the boot choice",
        ],
        0x1f => &[
            "A: booted",
            "C: booted",
            "PXE booted",
            "diagnostics booted",
            "CD booted",
            "ROM booted",
            "booted",
            "OS installation started",
            "OS installation done",
            "OS installation aborted",
            "OS installation failed",
        ],
        0x20 => &["stopped while loading", "stopped at run time", "stopped gracefully", "shut down", "soft off by PEF"],
        0x21 => &["fault", "identify", "installed", "ready to install", "ready to remove", "slot power off"],
        0x23 => &["timer expired", "hard reset", "power down", "power cycle"],
        0x25 => &["present", "absent", "disabled"],
        0x28 => &[
            "sensor degraded or unavailable",
            "controller degraded",
            "controller off line",
            "controller unavailable",
            "sensor failure",
            "FRU failure",
        ],
        0x29 => &["low", "failed", "present"],
        0x2a => &["session begun", "session ended", "wrong user name or password", "account locked"],
        _ => return None,
    };
    at(table, offset)
}

/// Unit of a reading (table 43-15), for those that servers have.
pub fn unit(code: u8) -> &'static str {
    match code {
        1 => "degrees C",
        2 => "degrees F",
        3 => "kelvins",
        4 => "volts",
        5 => "amps",
        6 => "watts",
        7 => "joules",
        8 => "coulombs",
        9 => "VA",
        17 => "CFM",
        18 => "RPM",
        19 => "hertz",
        20 => "microseconds",
        21 => "milliseconds",
        22 => "seconds",
        23 => "minutes",
        24 => "hours",
        25 => "days",
        70 => "bits",
        72 => "bytes",
        73 => "kilobytes",
        74 => "megabytes",
        75 => "gigabytes",
        _ => "",
    }
}
