//! How much memory there is, from /proc/meminfo.

/// Bytes of memory: all, and what could be had without swapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemInfo {
    /// `MemTotal`.
    pub total: u64,
    /// `MemAvailable`.
    pub available: u64,
}

/// Of the running machine.
pub fn now() -> Result<MemInfo, String> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(|e| format!("cannot read /proc/meminfo: {e}"))?;
    parse(&text).ok_or_else(|| "/proc/meminfo has no MemTotal or no MemAvailable".to_owned())
}

fn parse(text: &str) -> Option<MemInfo> {
    Some(MemInfo { total: field(text, "MemTotal")?, available: field(text, "MemAvailable")? })
}

/// One field of /proc/meminfo, in bytes.
pub fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// A size for people.
pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_become_bytes() {
        let text = "MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n";
        assert_eq!(parse(text), Some(MemInfo { total: 2 << 20, available: 1 << 20 }));
        assert_eq!(parse("MemTotal: x kB"), None);
    }
}
