//! The network of a node as a profile says it: devices by name, each a NIC that is chosen by what it is or where it is
//! cabled, a bond, a VLAN or a bridge. Words are checked when they are saved; a node's own facts make a [`Setup`] of them,
//! and that the files of systemd-networkd. Pure: addresses of pools come in as values, nothing is given here.

mod check;
mod networkd;
mod select;
mod setup;
mod values;
mod words;

pub use check::is_name;
pub use setup::{Given, Kind, Ready, Setup, Site};
pub use values::{Gateway, Route};
pub use words::{Address, Device, Network, RouteWords, Selector};

use super::spec::{File, Wrong};
use super::template::Failed;

/// Devices of one profile, at most.
pub const DEVICES_MAX: usize = 64;
/// Items of one list (members, addresses, routes, ...), at most.
const LIST_MAX: usize = 64;
/// A name has at most so many bytes (Linux: IFNAMSIZ is 16, with the end).
const NAME_MAX: usize = 15;
/// Where the files go, and what their names begin with: NICs first.
const FOLDER: &str = "/etc/systemd/network";
const OF_NICS: &str = "10-higuma-";
const OF_OTHERS: &str = "11-higuma-";

/// A device's word, as people write it.
fn place(device: &str, word: &str) -> String {
    format!("network.{device}.{word}")
}

/// What does not fit one node.
fn unfit(place: String, problem: impl Into<String>) -> Failed {
    Failed { place, line: 0, problem: problem.into() }
}

impl Network {
    /// Whether it can be meant: names, members, loops, sizes, and every text that is no template. `files`: those of the same
    /// profile. Errors: the first thing that does not fit.
    pub(super) fn check(&self, files: &[File]) -> Result<(), Wrong> {
        if self.is_empty() {
            return Ok(());
        }
        check::check(self)?;
        values::check(self)?;
        let own = |path: &str| {
            let name = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
            name.is_some_and(|name| name.starts_with(OF_NICS) || name.starts_with(OF_OTHERS))
        };
        match files.iter().find(|file| own(&file.path)) {
            None => Ok(()),
            Some(file) => {
                Err(Wrong::new(format!("files.{}", file.path), "no file in the place of what network says", "both"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
