//! Which drivers go where: named sets, kept as text files under `drivers/`. A line is one of
//!
//! ```text
//! # a comment
//! virtio_net                 the module goes in; the hardware's modalias decides whether it is loaded
//! load ipmi_si               the module goes in and is always loaded
//! after mlx4_core mlx4_en    both go in; loading the first is followed by loading the second
//! ```
//!
//! A name that the kernel has neither as module nor built in fails the build of a first stage.

use std::{fmt, str::FromStr};

use crate::{
    Error, Result,
    modules::{ModuleIndex, Presence, normalise},
};

const LAB: &str = include_str!("../drivers/lab.txt");
const NICS: &str = include_str!("../drivers/nics.txt");
const STORAGE: &str = include_str!("../drivers/storage.txt");
const PLATFORM: &str = include_str!("../drivers/platform.txt");

/// A named set of drivers for the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverSet {
    /// Virtual machines of QEMU.
    Lab,
    /// The usual servers.
    Server,
}

impl DriverSet {
    /// All of them.
    pub const ALL: [DriverSet; 2] = [DriverSet::Lab, DriverSet::Server];

    /// The name on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            DriverSet::Lab => "lab",
            DriverSet::Server => "server",
        }
    }

    /// What it consists of.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a line that is none of the three forms.
    pub fn drivers(self) -> Result<Drivers> {
        match self {
            DriverSet::Lab => Drivers::parse(&[LAB]),
            DriverSet::Server => Drivers::parse(&[NICS, STORAGE, PLATFORM]),
        }
    }
}

impl fmt::Display for DriverSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DriverSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name).ok_or_else(|| Error::Invalid {
            what: "the driver set",
            why: format!("expected lab or server, got {name:?}"),
        })
    }
}

/// The content of one or more driver lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drivers {
    /// Modules that go in, each once, in the order of the lists.
    pub names: Vec<String>,
    /// Those of them that are always loaded.
    pub load: Vec<String>,
    /// Pairs: loading the first is followed by loading the second.
    pub after: Vec<(String, String)>,
}

impl Drivers {
    /// The network drivers alone: for the second stage of an image.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a line that is none of the three forms.
    pub fn nics() -> Result<Self> {
        Self::parse(&[NICS])
    }

    /// Reads lists in the format of this module.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a line that is none of the three forms.
    pub fn parse(lists: &[&str]) -> Result<Self> {
        let mut drivers = Drivers::default();
        for line in lists.iter().flat_map(|list| list.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                [] => {}
                [name] => drivers.add(name),
                ["load", name] => {
                    drivers.add(name);
                    drivers.load.push(normalise(name));
                }
                ["after", first, second] => {
                    drivers.add(first);
                    drivers.add(second);
                    drivers.after.push((normalise(first), normalise(second)));
                }
                _ => {
                    return Err(Error::Invalid {
                        what: "a line of a driver list",
                        why: format!("expected NAME, load NAME or after NAME NAME, got {line:?}"),
                    });
                }
            }
        }
        Ok(drivers)
    }

    fn add(&mut self, name: &str) {
        let name = normalise(name);
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Drops what this kernel does not have.
    pub fn retain_present(&mut self, index: &ModuleIndex) {
        let present = |name: &String| index.presence(name) != Presence::Missing;
        self.names.retain(present);
        self.load.retain(present);
        self.after.retain(|(first, second)| present(first) && present(second));
    }

    /// Tells the index the pairs of [`Drivers::after`], so that its softdep table has them.
    pub fn teach(&self, index: &mut ModuleIndex) {
        for (first, second) in &self.after {
            index.load_after(first, second);
        }
    }

    /// The modules to load always that are not built into this kernel.
    pub fn to_load(&self, index: &ModuleIndex) -> Vec<String> {
        self.load.iter().filter(|name| index.presence(name) == Presence::Module).cloned().collect()
    }
}
