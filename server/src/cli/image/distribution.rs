//! What differs between Debian and Ubuntu: which suite is whose, names of packages, where the archives are. Values only; no I/O.

use super::recipe::Recipe;
use crate::cli::error::{Failure, Result};
use serde::{Deserialize, Serialize};

/// Whose suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// debian.org.
    Debian,
    /// ubuntu.com.
    Ubuntu,
}

const DEBIAN: [&str; 11] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];
const UBUNTU: [&str; 8] = ["focal", "jammy", "mantic", "noble", "oracular", "plucky", "questing", "resolute"];
/// Their systemd has systemd-resolved in itself.
const RESOLVED_IN_SYSTEMD: [&str; 3] = ["bullseye", "focal", "jammy"];
/// Without updates and security: they are what is newest.
const ROLLING: [&str; 2] = ["sid", "unstable"];

/// Without these nothing runs from memory.
const REQUIRED: [&str; 4] = ["systemd", "systemd-sysv", "udev", "kmod"];
/// In every image unless its recipe excludes them.
pub const OPTIONAL: [&str; 6] =
    ["systemd-resolved", "systemd-timesyncd", "dbus", "iproute2", "openssh-server", "ca-certificates"];

/// Whose the recipe's suite is. Errors: of neither, as far as is known here.
pub fn of(recipe: &Recipe) -> Result<Distribution> {
    let suite = recipe.suite.as_str();
    match recipe.distribution {
        Some(said) => Ok(said),
        None if DEBIAN.contains(&suite) => Ok(Distribution::Debian),
        None if UBUNTU.contains(&suite) => Ok(Distribution::Ubuntu),
        None => Err(Failure::usage(format!(
            "expected a suite of Debian ({}) or Ubuntu ({}), got {suite:?}: if it is a newer one, say whose by \
             `distribution = \"debian\"` (or \"ubuntu\")",
            DEBIAN[..6].join(", "),
            UBUNTU.join(", ")
        ))),
    }
}

impl Distribution {
    /// All packages that are installed by name.
    pub fn packages(self, recipe: &Recipe) -> Vec<String> {
        let resolved =
            |package: &str| package != "systemd-resolved" || !RESOLVED_IN_SYSTEMD.contains(&recipe.suite.as_str());
        let optional = OPTIONAL.into_iter().filter(|p| resolved(p) && !recipe.exclude.iter().any(|e| e == p));
        let mut packages: Vec<String> = REQUIRED.into_iter().chain(optional).map(String::from).collect();
        packages.push(self.kernel(&recipe.kernel).to_owned());
        packages.extend(recipe.packages.iter().cloned());
        packages
    }

    fn kernel(self, word: &str) -> &str {
        match (self, word) {
            (Self::Debian, "full") => "linux-image-amd64",
            (Self::Debian, "cloud") => "linux-image-cloud-amd64",
            (Self::Ubuntu, "full") => "linux-image-generic",
            (Self::Ubuntu, "cloud") => "linux-image-virtual",
            (_, package) => package,
        }
    }

    /// Archives as (address, suite), of now or of a snapshot (snapshot.debian.org; snapshot.ubuntu.com).
    pub fn archives(self, suite: &str, snapshot: Option<&str>) -> Vec<(String, String)> {
        let (main, security) = match (self, snapshot) {
            (Self::Debian, None) => {
                ("http://deb.debian.org/debian".to_owned(), "http://deb.debian.org/debian-security".to_owned())
            }
            (Self::Debian, Some(at)) => (
                format!("http://snapshot.debian.org/archive/debian/{at}"),
                format!("http://snapshot.debian.org/archive/debian-security/{at}"),
            ),
            (Self::Ubuntu, None) => {
                ("http://archive.ubuntu.com/ubuntu".to_owned(), "http://security.ubuntu.com/ubuntu".to_owned())
            }
            (Self::Ubuntu, Some(at)) => {
                let main = format!("https://snapshot.ubuntu.com/ubuntu/{at}");
                (main.clone(), main)
            }
        };
        if ROLLING.contains(&suite) {
            return vec![(main, suite.to_owned())];
        }
        vec![
            (main.clone(), suite.to_owned()),
            (main, format!("{suite}-updates")),
            (security, format!("{suite}-security")),
        ]
    }

    /// What a mirror of the main archive has: Debian's security is an archive of its own.
    pub fn mirrored(self, url: &str, suite: &str) -> Vec<(String, String)> {
        let mut suites = vec![suite.to_owned()];
        if !ROLLING.contains(&suite) {
            suites.push(format!("{suite}-updates"));
            suites.extend((self == Self::Ubuntu).then(|| format!("{suite}-security")));
        }
        suites.into_iter().map(|suite| (url.to_owned(), suite)).collect()
    }

    /// Key ring that its archives are signed by, where its package puts it, and that package.
    pub fn keyring(self) -> (&'static str, &'static str) {
        match self {
            Self::Debian => ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
            Self::Ubuntu => ("/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring"),
        }
    }
}
