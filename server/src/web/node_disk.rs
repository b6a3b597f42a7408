//! What is on a node's disk, for its page.

use super::human;
use crate::domain::Micros;
use higuma_proto::api::NodeDisk;

/// Name, text, and the time behind it.
pub(super) struct DiskFact {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) at: String,
}

pub(super) fn facts(disk: &NodeDisk, now: Micros) -> Vec<DiskFact> {
    let fact = |name, text: String, at| DiskFact {
        name,
        text: format!("{text}, {}", human::ago(at, now)),
        at: human::absolute(at),
    };
    let mut facts = vec![];
    if let Some(i) = &disk.install {
        let by = format!("profile {} revision {}", i.profile, i.revision);
        facts.push(match i.installed_us {
            Some(at) => fact("Installed", format!("by {by}"), at),
            None => fact("Installer", format!("of {by}, attempt {}", i.attempts), i.started_us),
        });
    }
    if let Some(left) = &disk.left {
        let to = if left.way == "ipxe" { "the script of its profile" } else { "its disk" };
        facts.push(fact("Left to", to.to_owned(), left.at_us));
    }
    facts
}
