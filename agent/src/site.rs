//! Files that the builder of the first stage and the server put into the initramfs: the installation's certificate
//! authority and name, and what the first stage was built from. Reading them never fails as a whole: each step asks
//! for what it needs and explains what is missing.

use std::path::Path;

use serde::Deserialize;

/// Folder of all of them.
pub const FOLDER: &str = "/etc/higuma";

/// `/etc/higuma/first-stage.json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct FirstStageInfo {
    /// `uname -r` of the first stage's kernel.
    pub kernel_release: String,
    /// Package (name and version) that the kernel comes from.
    pub kernel_package: String,
    /// Name of the set of drivers.
    pub drivers: serde_json::Value,
    /// Version of the agent inside.
    pub agent_version: String,
    /// Modules that are loaded whatever the hardware is.
    pub load: Vec<String>,
}

/// All that is site-specific in a first or second stage.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Our certificate authority, PEM.
    pub ca_pem: Option<String>,
    /// The one DNS name of this installation that the server's certificate carries.
    pub server_name: Option<String>,
    /// A clock before this is wrong, seconds since 1970 UTC.
    pub not_before: u64,
    /// What this first stage was built from.
    pub first_stage: FirstStageInfo,
    /// What could not be read, in words.
    pub problems: Vec<String>,
}

impl Site {
    /// Reads `/etc/higuma` under `root`.
    pub fn read(root: &Path) -> Site {
        let mut site = Site::default();
        let folder = root.join(FOLDER.trim_start_matches('/'));
        let mut text = |name: &str| match std::fs::read_to_string(folder.join(name)) {
            Ok(text) => Some(text),
            Err(e) => {
                site.problems.push(format!("{FOLDER}/{name}: {e}"));
                None
            }
        };
        site.ca_pem = text("ca.pem");
        site.server_name = text("server-name").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        site.not_before = text("not-before").and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        if let Some(json) = text("first-stage.json") {
            match serde_json::from_str(&json) {
                Ok(info) => site.first_stage = info,
                Err(e) => site.problems.push(format!("{FOLDER}/first-stage.json is not what was expected: {e}")),
            }
        }
        site
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn half_a_site_is_read_and_the_rest_explained() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/higuma");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("server-name"), "3f2a9c10.higuma.internal\n").unwrap();
        std::fs::write(folder.join("not-before"), "1790000000\n").unwrap();
        std::fs::write(
            folder.join("first-stage.json"),
            r#"{"kernel_release":"6.1","load":["ipmi_si"],"drivers":["x"]}"#,
        )
        .unwrap();
        let site = Site::read(root.path());
        assert_eq!(site.server_name.as_deref(), Some("3f2a9c10.higuma.internal"));
        assert_eq!(site.not_before, 1_790_000_000);
        assert_eq!(site.first_stage.load, ["ipmi_si"]);
        assert_eq!(site.problems.len(), 1, "only ca.pem is missing: {:?}", site.problems);
    }
}
