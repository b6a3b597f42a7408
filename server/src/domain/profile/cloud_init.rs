//! What cloud-init finds on a node: the seed of its NoCloud data source, as files. Whether the image has cloud-init is the
//! image's matter; nothing here runs anything.

use super::spec::{File, Wrong};
use crate::domain::ids::{Hostname, NodeUuid};
use serde::{Deserialize, Serialize};

/// Where the NoCloud data source looks (cloud-init: "NoCloud", local seed directory).
pub const SEED: &str = "/var/lib/cloud/seed/nocloud";
/// Tells cloud-init to look there, and nowhere on the network; read after Debian's 90_dpkg.cfg, which says more.
const SOURCES: &str = "/etc/cloud/cloud.cfg.d/99-higuma.cfg";
/// How user data begins (cloud-init: "User-data formats").
const BEGINS: [&str; 7] =
    ["#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler", "## template:", "Content-Type:"];

/// A profile's words for cloud-init.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloudInit {
    /// user-data; begins with a line that says which form it has, as `#cloud-config`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_data: String,
    /// network-config, version 1 or 2; empty: cloud-init leaves the network as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network_config: String,
    /// Whether both are templates.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
}

impl CloudInit {
    /// No word was said, not even one that says how a child's are taken.
    pub fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }

    /// There is nothing for a node.
    pub fn is_empty(&self) -> bool {
        self.user_data.is_empty() && self.network_config.is_empty()
    }

    /// Bytes of both.
    pub fn bytes(&self) -> usize {
        self.user_data.len() + self.network_config.len()
    }

    /// Those of its texts that are templates, with their places.
    pub(super) fn templates(&self) -> impl Iterator<Item = (String, &str)> {
        let both = [("user_data", self.user_data.as_str()), ("network_config", self.network_config.as_str())];
        both.into_iter().filter(|_| self.template).map(|(name, text)| (format!("cloud_init.{name}"), text))
    }

    /// Errors: user data that cloud-init would pass over with a warning that nobody reads.
    pub(super) fn check(&self, files: &[File]) -> Result<(), Wrong> {
        if self.is_empty() {
            return Ok(());
        }
        let first = self.user_data.lines().next().unwrap_or_default();
        if !self.user_data.is_empty() && !BEGINS.iter().any(|begin| first.starts_with(begin)) {
            return Err(Wrong::new(
                "cloud_init.user_data",
                "a first line #cloud-config, #! or another one that cloud-init knows",
                format!("{first:?}"),
            ));
        }
        let own = |path: &str| path == SOURCES || path.strip_prefix(SEED).is_some_and(|rest| rest.starts_with('/'));
        match files.iter().find(|file| own(&file.path)) {
            None => Ok(()),
            Some(file) => {
                Err(Wrong::new(format!("files.{}", file.path), "no file in the place of what cloud_init says", "both"))
            }
        }
    }

    /// Of a node, its texts rendered. The instance is the node: what cloud-init does once an instance it does at each boot of a
    /// node without a disk, which forgets.
    pub fn files(&self, node: &NodeUuid, hostname: &Hostname) -> Vec<File> {
        if self.is_empty() {
            return vec![];
        }
        let secret = |name: &str, content: String| File {
            path: format!("{SEED}/{name}"),
            mode: 0o600,
            content,
            ..File::default()
        };
        let user_data = if self.user_data.is_empty() { "#cloud-config\n{}\n" } else { &self.user_data };
        let network = if self.network_config.is_empty() { "network: {config: disabled}\n" } else { "" };
        let mut files = vec![
            secret("meta-data", format!("instance-id: {node}\nlocal-hostname: {hostname}\n")),
            secret("user-data", user_data.to_owned()),
            File {
                path: SOURCES.to_owned(),
                mode: 0o644,
                content: format!("# Written by Higuma.\ndatasource_list: [NoCloud, None]\n{network}"),
                ..File::default()
            },
        ];
        if !self.network_config.is_empty() {
            files.push(secret("network-config", self.network_config.clone()));
        }
        files
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(user_data: &str, network_config: &str) -> CloudInit {
        CloudInit { user_data: user_data.into(), network_config: network_config.into(), template: false }
    }

    #[test]
    fn user_data_that_would_be_passed_over_is_refused() {
        for good in ["", "#cloud-config\na: 1\n", "#!/bin/sh\n", "## template: jinja\n#cloud-config\n"] {
            said(good, "").check(&[]).unwrap();
        }
        for bad in ["packages: [x]\n", " #cloud-config\n", "cloud-config"] {
            assert_eq!(said(bad, "").check(&[]).unwrap_err().place, "cloud_init.user_data", "{bad:?}");
        }
        let file = |path: &str| [File { path: path.into(), ..File::default() }];
        for path in ["/var/lib/cloud/seed/nocloud/user-data", "/etc/cloud/cloud.cfg.d/99-higuma.cfg"] {
            assert!(said("#cloud-config\n", "").check(&file(path)).is_err());
            said("", "").check(&file(path)).unwrap();
        }
        said("#cloud-config\n", "").check(&file("/var/lib/cloud/seed/nocloud2")).unwrap();
    }

    #[test]
    fn the_seed_is_complete_or_not_there() {
        let (node, name): (NodeUuid, Hostname) =
            ("4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap(), "web-1".parse().unwrap());
        assert_eq!(said("", "").files(&node, &name), vec![]);
        let paths = |said: &CloudInit| -> Vec<String> {
            said.files(&node, &name).iter().map(|f| f.path.rsplit('/').next().unwrap().to_owned()).collect()
        };
        assert_eq!(paths(&said("#!/bin/sh\n", "")), ["meta-data", "user-data", "99-higuma.cfg"]);
        let with_net = said("", "version: 2\n");
        assert_eq!(paths(&with_net), ["meta-data", "user-data", "99-higuma.cfg", "network-config"]);
        let files = with_net.files(&node, &name);
        assert_eq!(files[0].content, format!("instance-id: {node}\nlocal-hostname: web-1\n"));
        assert!(files[1].content.starts_with("#cloud-config"), "NoCloud wants both files");
        assert!(!files[2].content.contains("disabled"));
        assert!(files.iter().filter(|f| f.path.starts_with(SEED)).all(|f| f.mode == 0o600));
    }
}
