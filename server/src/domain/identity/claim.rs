//! What a machine tells of itself, in the form in which it is compared.

use super::super::ids::{Mac, NodeUuid};
use super::super::placeholder::usable;
use super::{Known, Source};
use std::collections::BTreeSet;

/// Names of its own that are tried for a machine in conflict: the others are for one whose first was taken since, or for
/// boards that are alike in all but their addresses.
pub(super) const OWN_NAMES: usize = 8;

/// Who tells. iPXE knows of one network port, and on some machines sees no SMBIOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// The boot script's request.
    Ipxe,
    /// Register.
    Agent,
}

/// SMBIOS type 1, as it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// System UUID, perhaps a placeholder.
    pub uuid: Option<NodeUuid>,
    /// Manufacturer.
    pub manufacturer: String,
    /// Product.
    pub product: String,
    /// Serial number.
    pub serial: String,
}

/// A machine that says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who tells.
    pub teller: Teller,
    /// No placeholder.
    pub uuid: Option<NodeUuid>,
    /// Usable text, or empty.
    pub manufacturer: String,
    /// Usable text, or empty.
    pub product: String,
    /// Only when usable.
    pub serial: Option<String>,
    /// MAC that it booted from.
    pub boot_mac: Option<Mac>,
    /// All that identify it.
    pub macs: BTreeSet<Mac>,
}

impl Claim {
    /// From what was told.
    pub fn new(teller: Teller, told: &Told, boot_mac: Option<Mac>, macs: impl IntoIterator<Item = Mac>) -> Self {
        Self {
            teller,
            uuid: told.uuid.clone().filter(|uuid| !uuid.is_placeholder()),
            manufacturer: usable(&told.manufacturer).unwrap_or_default(),
            product: usable(&told.product).unwrap_or_default(),
            serial: usable(&told.serial),
            boot_mac,
            macs: macs.into_iter().collect(),
        }
    }

    /// What the agent could not read, from what iPXE had read of the same machine.
    pub fn completed_by(mut self, other: &Claim) -> Self {
        self.uuid = self.uuid.or_else(|| other.uuid.clone());
        self.serial = self.serial.or_else(|| other.serial.clone());
        for (mine, theirs) in [(&mut self.manufacturer, &other.manufacturer), (&mut self.product, &other.product)] {
            if mine.is_empty() {
                mine.clone_from(theirs);
            }
        }
        self.boot_mac = self.boot_mac.or_else(|| other.boot_mac.clone());
        if self.macs.is_empty() {
            self.macs.clone_from(&other.macs);
        }
        self
    }

    /// The name that it lays claim to, and of what the name is made.
    pub fn claimed(&self) -> Option<(NodeUuid, Source)> {
        if let Some(uuid) = &self.uuid {
            return Some((uuid.clone(), Source::Smbios));
        }
        if let Some(serial) = &self.serial {
            let text = format!("higuma serial\n{}\n{}\n{serial}", self.manufacturer, self.product);
            return Some((NodeUuid::derived(&text), Source::Serial));
        }
        Some((NodeUuid::from_mac(self.naming_mac()?), Source::Macs))
    }

    /// Names under which nodes must be looked up before [`super::resolve`].
    pub fn names(&self) -> Vec<NodeUuid> {
        let Some((claimed, source)) = self.claimed() else { return Vec::new() };
        let mut names = vec![claimed.clone()];
        if source == Source::Smbios {
            names.push(claimed.swapped());
        }
        for mut own in names.clone() {
            for _ in 0..OWN_NAMES {
                own = self.own_name(&own);
                names.push(own.clone());
            }
        }
        names
    }

    /// Its own name where `taken` is another machine's.
    pub(super) fn own_name(&self, taken: &NodeUuid) -> NodeUuid {
        let by = match (&self.serial, self.naming_mac()) {
            (Some(serial), _) => format!("serial {serial}"),
            (None, Some(mac)) => format!("mac {mac}"),
            (None, None) => String::new(),
        };
        NodeUuid::derived(&format!("higuma conflict {taken}\n{}\n{}\n{by}", self.manufacturer, self.product))
    }

    /// A port of its own; the one that it boots from may be an adapter that goes from machine to machine.
    fn naming_mac(&self) -> Option<&Mac> {
        let own = self.boot_mac.as_ref().filter(|mac| self.macs.contains(*mac));
        own.or_else(|| self.macs.first()).or(self.boot_mac.as_ref())
    }

    /// iPXE told a name and nothing to judge it by.
    pub(super) fn is_name_alone(&self) -> bool {
        self.teller == Teller::Ipxe && self.serial.is_none() && self.macs.is_empty()
    }

    /// MAC addresses in common.
    pub(super) fn shared(&self, known: &Known) -> usize {
        self.macs.intersection(&known.macs).count()
    }
}
