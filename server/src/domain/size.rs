//! Sizes as people read them; the same words in events and on pages.

/// Memory: `16 GiB`; whole where it is whole.
pub fn binary_size(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// Disks, as their makers count: `1.92 TB`.
pub fn decimal_size(bytes: u64) -> String {
    scaled(bytes, 1000, &["B", "kB", "MB", "GB", "TB", "PB"])
}

fn scaled(bytes: u64, step: u64, units: &[&str]) -> String {
    let (mut unit, mut scale) = (0, 1u64);
    while unit + 1 < units.len() && bytes / scale >= step {
        scale *= step;
        unit += 1;
    }
    let word = units.get(unit).copied().unwrap_or_default();
    let hundredths = u128::from(bytes) * 100 / u128::from(scale);
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole} {word}"),
        (whole, part) if whole >= 100 => format!("{} {word}", whole + u128::from(part >= 50)),
        (whole, part) => format!("{} {word}", format!("{whole}.{part:02}").trim_end_matches('0')),
    }
}
