//! Packets and options in words, for people. Nothing here is parsed again by a program.

use crate::domain::dhcp::request::{MessageType, Request, colons};
use std::net::Ipv4Addr;

/// A packet in one line.
pub fn summary(request: &Request) -> String {
    let mut words = vec![format!("{} {}, xid {:08x}", request.kind_word(), request.hardware, request.xid)];
    let mut say = |what: &str, value: String| {
        if !value.is_empty() {
            words.push(format!("{what} {value}"));
        }
    };
    let address = |address: Ipv4Addr| if address.is_unspecified() { String::new() } else { address.to_string() };
    say("class", request.class.clone());
    say("arch", request.archs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    say("user class", request.user_classes.join(", "));
    if let Some(ipxe) = &request.ipxe {
        let version = ipxe.version.map(|[a, b, c]| format!("{a}.{b}.{c} ")).unwrap_or_default();
        say("iPXE", format!("{version}({})", ipxe.words().join(" ")));
    }
    say("uuid", request.uuid.as_ref().map(ToString::to_string).unwrap_or_default());
    say("wishes", request.requested.map(|wish| wish.to_string()).unwrap_or_default());
    say("server id", request.server_id.map(|id| id.to_string()).unwrap_or_default());
    say("has", address(request.ciaddr));
    say("is given", address(request.yiaddr));
    say("next server", address(request.siaddr));
    say("through relay", address(request.giaddr));
    if let Some(relay) = &request.relay {
        say("circuit", relay.circuit_id.as_deref().map(printable).unwrap_or_default());
        say("remote", relay.remote_id.as_deref().map(printable).unwrap_or_default());
        say("link", relay.link_selection.map(|link| link.to_string()).unwrap_or_default());
    }
    say("host name", request.hostname.clone());
    words.join("; ")
}

/// Text where it is one, else hexadecimal.
pub fn printable(value: &[u8]) -> String {
    let is_text = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    if is_text { String::from_utf8_lossy(value).into_owned() } else { colons(value) }
}

/// How an option's value reads.
#[derive(Clone, Copy)]
enum Form {
    Addresses,
    Text,
    Seconds,
    Number,
    Type,
    Hex,
}

/// Names of options that we send, and those that operators add most.
const OPTIONS: &[(u8, &str, Form)] = &[
    (1, "subnet mask", Form::Addresses),
    (3, "routers", Form::Addresses),
    (6, "DNS servers", Form::Addresses),
    (12, "host name", Form::Text),
    (15, "domain", Form::Text),
    (26, "MTU", Form::Number),
    (28, "broadcast", Form::Addresses),
    (42, "NTP servers", Form::Addresses),
    (43, "vendor options", Form::Hex),
    (51, "lease time", Form::Seconds),
    (53, "message type", Form::Type),
    (54, "server id", Form::Addresses),
    (56, "message", Form::Text),
    (58, "renewal", Form::Seconds),
    (59, "rebinding", Form::Seconds),
    (60, "class", Form::Text),
    (61, "client id", Form::Hex),
    (66, "TFTP server", Form::Text),
    (67, "boot file", Form::Text),
    (82, "relay agent", Form::Hex),
    (97, "UUID", Form::Hex),
    (119, "domain search", Form::Hex),
    (121, "static routes", Form::Hex),
    (175, "iPXE", Form::Hex),
];

/// Name and value of an option.
pub fn option(code: u8, value: &[u8]) -> (&'static str, String) {
    let (name, form) = OPTIONS.iter().find(|(c, _, _)| *c == code).map_or(("option", Form::Hex), |(_, n, f)| (*n, *f));
    let words = match (form, value) {
        (Form::Addresses, value) if value.len().is_multiple_of(4) && !value.is_empty() => {
            let addresses = value.as_chunks::<4>().0.iter().map(|bytes| Ipv4Addr::from(*bytes).to_string());
            addresses.collect::<Vec<_>>().join(" ")
        }
        (Form::Text, value) => printable(value),
        (Form::Seconds, [a, b, c, d]) => format!("{} s", u32::from_be_bytes([*a, *b, *c, *d])),
        (Form::Number, [a, b]) => u16::from_be_bytes([*a, *b]).to_string(),
        (Form::Type, [kind]) => MessageType::from_number(*kind).to_string(),
        (_, value) => colons(value),
    };
    (name, words)
}
