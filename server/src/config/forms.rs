//! Durations (`90s`, `15m`, `24h`) and sizes (`512MiB`) as people write them. Numbers without a unit are refused for
//! durations: nobody should have to guess.

use crate::domain::Micros;
use crate::domain::dhcp::Mode;
use crate::domain::fallback::AFTER_MAX;
use crate::domain::script::check_authority;
use std::net::{IpAddr, SocketAddr};

/// `90s`, `15m`, `24h`, `250ms`, `7d`; more than zero.
pub fn duration(text: &str) -> Option<Micros> {
    duration_or_zero(text).filter(|m| *m > 0)
}

/// As [`duration`], and zero is one: `0s`.
pub fn duration_or_zero(text: &str) -> Option<Micros> {
    let (number, unit) = split(text)?;
    let micros: i64 = match unit {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    i64::try_from(number).ok()?.checked_mul(micros)
}

/// Name of an account on a BMC: IPMI (2.0, 22.28) has 16 bytes for it.
pub fn bmc_user(text: &str) -> Option<String> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (first && rest && text.len() <= 16).then(|| text.to_owned())
}

/// `1048576`, `64KiB`, `512MiB`, `64GiB`, `1TiB`, and the decimal kB, MB, GB, TB. Zero is a size.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// `manage` (true) or `read`.
pub fn manage_or_read(text: &str) -> Option<bool> {
    match text {
        "manage" => Some(true),
        "read" => Some(false),
        _ => None,
    }
}

/// Where a service listens: an address, with or without a port, or all IPv4 addresses of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One address of this machine.
    Address(IpAddr, Option<u16>),
    /// An interface.
    Interface(String, Option<u16>),
}

/// `off` (none), or `10.0.0.1,eth1,10.1.0.1:69,[fd00::1]:69`. Addresses of all interfaces at once are refused: an answer must
/// come from the address that was asked.
pub fn places(text: &str) -> Option<Vec<Place>> {
    if text == "off" {
        return Some(Vec::new());
    }
    text.split(',').map(|one| place(one.trim())).collect()
}

fn place(text: &str) -> Option<Place> {
    let address = |address: IpAddr, port| (!address.is_unspecified()).then_some(Place::Address(address, port));
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return address(socket.ip(), Some(socket.port()));
    }
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return address(ip, None);
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (text, None),
    };
    // As the kernel has them (dev_valid_name): up to 15 bytes, no slash, no space.
    let is_name = (1..=15).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
        && name != "."
        && name != "..";
    is_name.then(|| Place::Interface(name.to_owned(), port))
}

/// `off` (none), or `eth1=proxy,eth2=server`; an interface once.
pub fn dhcp(text: &str) -> Option<Vec<(String, Mode)>> {
    if text == "off" {
        return Some(Vec::new());
    }
    let mut all: Vec<(String, Mode)> = Vec::new();
    for one in text.split(',') {
        let (name, mode) = one.trim().split_once('=')?;
        let Some(Place::Interface(name, None)) = place(name) else { return None };
        let mode = match mode {
            "proxy" => Mode::Proxy,
            "server" => Mode::Server,
            _ => return None,
        };
        if all.iter().any(|(known, _)| *known == name) {
            return None;
        }
        all.push((name, mode));
    }
    Some(all)
}

/// Upstreams, at most.
const UPSTREAMS: usize = 8;

/// `http://HOST:PORT`, with or without a slash at the end, which goes.
pub fn http_url(text: &str) -> Option<String> {
    let authority = text.strip_prefix("http://")?.trim_end_matches('/');
    check_authority(authority).ok().map(|a| format!("http://{a}"))
}

/// `off` (none), or up to eight `http://HOST:PORT`, with commas; each once.
pub fn http_urls(text: &str) -> Option<Vec<String>> {
    if text == "off" {
        return Some(Vec::new());
    }
    let all: Vec<String> = text.split(',').map(|one| http_url(one.trim())).collect::<Option<_>>()?;
    let once = all.iter().enumerate().all(|(index, url)| !all[..index].contains(url));
    (once && all.len() <= UPSTREAMS).then_some(all)
}

/// A bucket of an S3 store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub endpoint: String,
    /// Its name.
    pub name: String,
    /// Folders in it, without slashes at both ends; empty: none.
    pub prefix: String,
}

/// `off` (none), or `https://HOST[:PORT]/BUCKET[/PREFIX]`. A user or password has no place in it.
pub fn bucket(text: &str) -> Option<Option<Bucket>> {
    if text == "off" {
        return Some(None);
    }
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let (authority, path) = rest.split_once('/')?;
    check_authority(authority).ok()?;
    let mut parts = path.trim_end_matches('/').split('/');
    let name = parts.next()?;
    // S3 User Guide, bucket naming rules; Ceph has capitals and `_` too, of old.
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_name = (3..=63).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('.');
    let prefix: Vec<&str> = parts.collect();
    let is_prefix = prefix.iter().all(|part| !matches!(*part, "" | "." | "..") && part.bytes().all(fits));
    (is_name && is_prefix && path.len() <= 200).then(|| {
        let endpoint = format!("{scheme}://{authority}");
        Some(Bucket { endpoint, name: name.to_owned(), prefix: prefix.join("/") })
    })
}

/// Letters, digits and `-`: a region, say.
pub fn word(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fits.then(|| text.to_owned())
}

/// `on` (true) or `off`.
pub fn on_or_off(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `20000`; more than zero.
pub fn count(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n| *n > 0)
}

/// The same, and `0`.
pub fn count_or_zero(text: &str) -> Option<usize> {
    text.parse().ok()
}

/// Failed boots: 20 at most.
pub fn tries(text: &str) -> Option<u32> {
    text.parse().ok().filter(|n| *n <= AFTER_MAX)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("90s"), Some(90_000_000));
        assert_eq!(duration("15m"), Some(900_000_000));
        assert_eq!(duration("24h"), Some(86_400_000_000));
        assert_eq!(duration("250ms"), Some(250_000));
        for bad in ["", "90", "0s", "-1s", "1.5h", "s", "9999999999999999d", "1w", "１s"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
        assert_eq!((duration_or_zero("0s"), duration_or_zero("3s")), (Some(0), Some(3_000_000)));
        assert_eq!(duration_or_zero("0"), None);
    }

    #[test]
    fn places_where_a_service_listens() {
        let interface = |name: &str, port| Place::Interface(name.to_owned(), port);
        let address = |ip: &str, port| Place::Address(ip.parse().unwrap_or(IpAddr::from([0; 4])), port);
        assert_eq!(places("off"), Some(vec![]));
        assert_eq!(
            places("10.0.0.1, eth1,10.1.0.1:69,br0.12:6969,[fd00::1]:69,fd00::2"),
            Some(vec![
                address("10.0.0.1", None),
                interface("eth1", None),
                address("10.1.0.1", Some(69)),
                interface("br0.12", Some(6969)),
                address("fd00::1", Some(69)),
                address("fd00::2", None),
            ])
        );
        for bad in ["", "0.0.0.0", "[::]:69", "::", "eth1,", "a b", "eth1:x", "a/b", "an-interface-too-long", ".."] {
            assert_eq!(places(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lists_of_urls() {
        assert_eq!(http_urls("off"), Some(vec![]));
        let two = vec!["http://10.0.0.1:8080".to_owned(), "http://[fd00::1]:8080".to_owned()];
        assert_eq!(http_urls("http://10.0.0.1:8080/, http://[fd00::1]:8080"), Some(two));
        let many = (1..=9).map(|n| format!("http://h{n}:80")).collect::<Vec<_>>().join(",");
        for bad in ["", "10.0.0.1:8080", "https://h:1", "http://h:1,", "http://h:1,http://h:1/", "http://h:1/x", &many]
        {
            assert_eq!(http_urls(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!((count("20000"), count("0"), count("-1"), count("many")), (Some(20_000), None, None, None));
        assert_eq!((tries("0"), tries("20"), tries("21"), tries("x")), (Some(0), Some(20), None, None));
        assert_eq!((count_or_zero("20"), count_or_zero("0"), count_or_zero("-1")), (Some(20), Some(0), None));
    }

    #[test]
    fn sizes() {
        assert_eq!(size("512MiB"), Some(512 << 20));
        assert_eq!(size("64GiB"), Some(64 << 30));
        assert_eq!(size("1 MB"), Some(1_000_000));
        assert_eq!(size("0"), Some(0));
        for bad in ["", "MiB", "1mib", "99999999999TiB", "-1"] {
            assert_eq!(size(bad), None, "{bad:?}");
        }
    }
}
