//! What is on a node's disk, as `higuma node show` tells it, and `higuma node reinstall`.

use super::Global;
use super::client::{Client, encode};
use super::error::Result;
use super::node::resolve;
use super::output::{self, answer};
use higuma_proto::api::{NodeDetail, NodeDisk};
use ureq::http::Method;

pub(super) fn reinstall(global: &Global, client: &Client, node: &str) -> Result<()> {
    let path = format!("/api/v1/nodes/{}/reinstall", encode(&resolve(client, node)?));
    let value = client.call(Method::POST, &path, None::<&()>)?;
    answer(global.format, value, |node: NodeDetail| {
        let s = &node.summary;
        let profile = s.profile.as_deref().unwrap_or_default();
        format!("{} ({}): the installer of profile {profile} writes its disk at its next boot\n", s.uuid, s.hostname)
    })
}

pub(super) fn lines(disk: &NodeDisk, now: i64) -> Vec<(&'static str, String)> {
    let mut lines = vec![];
    if let Some(i) = &disk.install {
        let by = format!("profile {} revision {}", i.profile, i.revision);
        lines.push(match i.installed_us {
            Some(at) => ("Installed", format!("by {by}, {}", output::time_ago(at, now))),
            None => ("Installer", format!("of {by}, attempt {}, {}", i.attempts, output::time_ago(i.started_us, now))),
        });
    }
    if let Some(left) = &disk.left {
        let to = if left.way == "ipxe" { "the script of its profile" } else { "its disk" };
        lines.push(("Left to", format!("{to}, {}", output::time_ago(left.at_us, now))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use higuma_proto::api::{NodeInstall, NodeLeft};

    #[test]
    fn what_is_on_a_disk_is_told() {
        let install =
            |installed_us| NodeInstall { profile: "deb".into(), revision: 3, attempts: 2, started_us: 0, installed_us };
        let left = Some(NodeLeft { way: "local-disk".into(), at_us: 0 });
        let told = |disk: NodeDisk| lines(&disk, 60_000_000).into_iter().map(|(a, b)| format!("{a}: {b}")).collect();
        let under_way: Vec<String> = told(NodeDisk { install: Some(install(None)), left: None });
        assert!(under_way[0].starts_with("Installer: of profile deb revision 3, attempt 2, "), "{under_way:?}");
        let done: Vec<String> = told(NodeDisk { install: Some(install(Some(0))), left });
        assert!(done[0].starts_with("Installed: by profile deb revision 3, "), "{done:?}");
        assert!(done[1].starts_with("Left to: its disk, "), "{done:?}");
        assert!(lines(&NodeDisk::default(), 0).is_empty());
    }
}
