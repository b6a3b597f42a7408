//! Texts for images that run systemd: networks matched by MAC address, and the unit that says "up". Pure functions; every
//! value comes validated or is left out.

/// Folder of the running agent's copy and its callback file, in the second stage.
pub const RUN: &str = "/run/higuma";

/// The unit that starts the callback helper after the system is up. The explicit `After` keeps systemd from ordering the
/// target after the unit it wants, which would be a cycle.
pub fn up_unit() -> String {
    format!(
        "[Unit]\n\
         Description=Tell Higuma that this system is up\n\
         After=multi-user.target\n\
         \n\
         [Service]\n\
         ExecStart={RUN}/agent callback\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         OOMScoreAdjust=-500\n"
    )
}

/// Images carry no SSH host keys: this makes them before the first connection.
pub fn host_keys_unit() -> String {
    "[Unit]\n\
     Description=Make the SSH host keys of this node\n\
     ConditionPathExists=/usr/bin/ssh-keygen\n\
     Before=ssh.service ssh.socket sshd.service\n\
     \n\
     [Service]\n\
     Type=oneshot\n\
     RemainAfterExit=yes\n\
     ExecStart=/usr/bin/ssh-keygen -A\n"
        .to_owned()
}

/// A .network file for one interface; `None` for what is no MAC address.
pub fn network(mac: &str, boot: bool) -> Option<String> {
    let well_formed = mac.len() == 17
        && mac.bytes().enumerate().all(|(at, b)| if at % 3 == 2 { b == b':' } else { b.is_ascii_hexdigit() });
    if !well_formed {
        return None;
    }
    // The address that the first stage had: the same client id asks for it.
    let required = if boot { "" } else { "\n[Link]\nRequiredForOnline=no\n" };
    Some(format!(
        "# Written by Higuma at boot.\n\
         [Match]\n\
         MACAddress={mac}\n\
         {required}\n\
         [Network]\n\
         DHCP=yes\n\
         IPv6AcceptRA=yes\n\
         \n\
         [DHCPv4]\n\
         ClientIdentifier=mac\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_matched_by_a_well_formed_address_only() {
        let text = network("52:54:00:aa:bb:01", true).unwrap_or_default();
        assert!(text.contains("MACAddress=52:54:00:aa:bb:01\n") && !text.contains("RequiredForOnline"));
        assert!(network("52:54:00:aa:bb:02", false).is_some_and(|t| t.contains("RequiredForOnline=no")));
        assert_eq!(network("52:54:00:aa:bb\n[x]", true), None);
        assert_eq!(network("", true), None);
    }
}
