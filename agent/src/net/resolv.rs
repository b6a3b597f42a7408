//! /etc/resolv.conf out of what DHCP told. Only well-formed names get in.

use std::net::Ipv4Addr;

use crate::console::say;

/// Where the C library looks.
pub const FILE: &str = "/etc/resolv.conf";

/// Writes the file; without any server an existing one is left alone.
pub fn write(servers: &[Ipv4Addr], search: &[String]) {
    if servers.is_empty() {
        return;
    }
    let _ = std::fs::create_dir_all("/etc");
    if let Err(e) = std::fs::write(FILE, text(servers, search)) {
        say("network", &format!("cannot write {FILE}: {e}"));
    }
}

fn text(servers: &[Ipv4Addr], search: &[String]) -> String {
    let mut text: String = servers.iter().take(3).map(|server| format!("nameserver {server}\n")).collect();
    let well_formed =
        |name: &&String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let search: Vec<&str> = search.iter().filter(well_formed).take(6).map(String::as_str).collect();
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_bring_its_own_line() {
        let search = ["lab.example".to_owned(), "x\nnameserver 6.6.6.6".to_owned()];
        assert_eq!(text(&[Ipv4Addr::new(10, 0, 2, 3)], &search), "nameserver 10.0.2.3\nsearch lab.example\n");
    }
}
