//! Interfaces: which there are, in which order to try them, and bringing them up.

use std::path::Path;
use std::time::{Duration, Instant};

use rtnetlink::{Handle, LinkUnspec};

/// One Ethernet interface with a device behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's name, e.g. `eth0`.
    pub name: String,
    /// The kernel's number.
    pub index: u32,
    /// Lower-case with colons.
    pub mac: String,
}

/// All of them below `root`, by number: the order in which their drivers found them.
pub fn list(root: &Path) -> Vec<Interface> {
    let folder = root.join("sys/class/net");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut interfaces: Vec<Interface> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let get = |file: &str| {
                std::fs::read_to_string(folder.join(&name).join(file)).ok().map(|text| text.trim().to_owned())
            };
            if get("type")? != "1" || !folder.join(&name).join("device").exists() {
                return None;
            }
            Some(Interface { index: get("ifindex")?.parse().ok()?, mac: get("address")?.to_ascii_lowercase(), name })
        })
        .collect();
    interfaces.sort_by_key(|i| i.index);
    interfaces
}

/// The one with `first`'s address in front, the others as they were.
pub fn ordered(mut interfaces: Vec<Interface>, first: Option<&str>) -> Vec<Interface> {
    interfaces.sort_by_key(|i| Some(i.mac.as_str()) != first);
    interfaces
}

/// A connection to the kernel's rtnetlink, served by a task of its own.
pub fn connect() -> Result<Handle, String> {
    let (connection, handle, _) =
        rtnetlink::new_connection().map_err(|e| format!("cannot open a netlink socket: {e}"))?;
    tokio::spawn(connection);
    Ok(handle)
}

/// Brings one link up.
pub async fn up(handle: &Handle, index: u32) -> Result<(), String> {
    handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await.map_err(|e| e.to_string())
}

/// Sets the largest packet of a link, as DHCP says.
pub async fn set_mtu(handle: &Handle, index: u32, mtu: u16) -> Result<(), String> {
    handle
        .link()
        .set(LinkUnspec::new_with_index(index).mtu(u32::from(mtu)).build())
        .execute()
        .await
        .map_err(|e| e.to_string())
}

/// Loopback is number 1; whatever fails with it is not worth a word.
pub async fn up_loopback(handle: &Handle) {
    let _ = up(handle, 1).await;
}

/// Whether the link came up before `patience`, counted from `since`, was over.
pub async fn wait_for_carrier(root: &Path, name: &str, since: Instant, patience: Duration) -> bool {
    let file = root.join("sys/class/net").join(name).join("carrier");
    loop {
        if std::fs::read_to_string(&file).is_ok_and(|text| text.trim() == "1") {
            return true;
        }
        if since.elapsed() >= patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn interface(name: &str, index: u32, mac: &str) -> Interface {
        Interface { name: name.to_owned(), index, mac: mac.to_owned() }
    }

    #[test]
    fn the_boot_interface_comes_first() {
        let all = vec![interface("eth0", 2, "aa"), interface("eth1", 3, "bb"), interface("eth2", 4, "cc")];
        let names = |list: Vec<Interface>| list.into_iter().map(|i| i.name).collect::<Vec<_>>();
        assert_eq!(names(ordered(all.clone(), Some("bb"))), ["eth1", "eth0", "eth2"]);
        assert_eq!(names(ordered(all.clone(), Some("zz"))), ["eth0", "eth1", "eth2"]);
        assert_eq!(names(ordered(all, None)), ["eth0", "eth1", "eth2"]);
    }

    #[tokio::test]
    async fn a_link_that_stays_down_is_not_waited_for_longer_than_told() {
        let root = tempfile::tempdir().unwrap();
        let began = Instant::now();
        assert!(!wait_for_carrier(root.path(), "eth0", began, Duration::from_millis(150)).await);
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
