//! What the iPXE script wrote on the kernel command line for the agent. Parsing never fails: a value that is not well
//! formed counts as absent, and the step that needs it says so. The nonce is never printed.

use std::fmt;

/// The agent's own words of the kernel command line.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BootArgs {
    /// MAC address of the interface that iPXE booted from, lower-case with colons.
    pub boot_mac: Option<String>,
    /// `http://HOST:PORT` of the server, without a slash at the end: for the `Date` header only.
    pub http: Option<String>,
    /// `HOST:PORT` of the server's gRPC listener; an IPv6 host is in brackets.
    pub grpc: Option<String>,
    /// The single-use boot nonce, 64 hex digits.
    pub nonce: Option<String>,
    /// The node's name as the server made it of what iPXE told: for people, and for the server's log.
    pub node: Option<String>,
    /// `init=`: the program that the second stage hands over to.
    pub init: Option<String>,
}

impl fmt::Debug for BootArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootArgs")
            .field("boot_mac", &self.boot_mac)
            .field("http", &self.http)
            .field("grpc", &self.grpc)
            .field("nonce", &self.nonce.as_ref().map(|_| "(secret)"))
            .field("node", &self.node)
            .field("init", &self.init)
            .finish()
    }
}

impl BootArgs {
    /// Reads `/proc/cmdline`; an unreadable file is an empty command line.
    pub fn of_this_machine() -> BootArgs {
        BootArgs::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    /// Parses a whole command line; of a word given twice the last counts, as in the kernel.
    pub fn parse(line: &str) -> BootArgs {
        let mut args = BootArgs::default();
        for word in line.split_ascii_whitespace() {
            let Some((key, value)) = word.split_once('=') else { continue };
            match key {
                "BOOTIF" => args.boot_mac = bootif(value),
                "higuma.http" => {
                    args.http = value.starts_with("http://").then(|| value.trim_end_matches('/').to_owned())
                }
                "higuma.grpc" => args.grpc = split_host_port(value).map(|_| value.to_owned()),
                "higuma.nonce" => args.nonce = is_secret(value).then(|| value.to_owned()),
                "higuma.node" => args.node = is_uuid(value).then(|| value.to_owned()),
                "init" => args.init = value.starts_with('/').then(|| value.to_owned()),
                _ => {}
            }
        }
        args
    }

    /// Whether the server is named by an IPv6 address: then the network must give us one.
    pub fn server_is_ipv6(&self) -> bool {
        self.grpc.as_deref().is_some_and(|grpc| grpc.starts_with('['))
    }
}

/// `01-52-54-00-..` (ARP hardware type, then the address) to `52:54:00:..`.
fn bootif(value: &str) -> Option<String> {
    let parts: Vec<&str> = value.split(['-', ':']).collect();
    let mac = match parts.as_slice() {
        [_, mac @ ..] if mac.len() == 6 => mac,
        mac if mac.len() == 6 => mac,
        _ => return None,
    };
    let hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    mac.iter().all(hex).then(|| mac.join(":").to_ascii_lowercase())
}

/// Exactly 64 lower-case hex digits.
pub fn is_secret(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Canonical: 8-4-4-4-12 lower-case hex digits.
fn is_uuid(value: &str) -> bool {
    uuid::Uuid::try_parse(value).is_ok_and(|uuid| uuid.hyphenated().to_string() == value)
}

/// `HOST:PORT` or `[V6]:PORT` to host (without brackets) and port.
pub fn split_host_port(value: &str) -> Option<(&str, u16)> {
    let (host, port) = value.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    if host.is_empty() {
        return None;
    }
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_script() {
        let nonce = "ab".repeat(32);
        let line = format!(
            "initrd=first-stage.img initrd=site.img BOOTIF=01-52-54-00-AA-bb-01 \
             higuma.node=4c4c4544-0046-3010-8052-b4c04f4a4d32 higuma.http=http://10.0.2.2:8080/ \
             higuma.grpc=10.0.2.2:8444 higuma.nonce={nonce} panic=60 console=ttyS0\n"
        );
        let args = BootArgs::parse(&line);
        assert_eq!(args.boot_mac.as_deref(), Some("52:54:00:aa:bb:01"));
        assert_eq!(args.http.as_deref(), Some("http://10.0.2.2:8080"));
        assert_eq!(args.grpc.as_deref(), Some("10.0.2.2:8444"));
        assert_eq!(args.node.as_deref(), Some("4c4c4544-0046-3010-8052-b4c04f4a4d32"));
        assert_eq!(args.nonce.as_deref(), Some(nonce.as_str()));
        assert!(!args.server_is_ipv6());
        assert!(!format!("{args:?}").contains(&nonce));
    }

    #[test]
    fn what_is_malformed_is_absent() {
        let args = BootArgs::parse(
            "BOOTIF=01-52 higuma.http=ftp://x higuma.grpc=a:b:c higuma.nonce=XYZ higuma.node=4C4C init=sh quiet",
        );
        assert_eq!(args, BootArgs::default());
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(split_host_port("[fd00::1]:8444"), Some(("fd00::1", 8444)));
        assert_eq!(split_host_port("boot.example:1"), Some(("boot.example", 1)));
        assert_eq!(split_host_port("fd00::1:8444"), None);
        assert_eq!(split_host_port("host:"), None);
        assert!(BootArgs::parse("higuma.grpc=[fd00::1]:8444").server_is_ipv6());
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in ".{0,300}") {
            let _ = BootArgs::parse(&line);
        }
    }
}
