//! The kernel modules of one kernel: what there is, what needs what, and which hardware wants which. Read from
//! modules.dep, modules.alias, modules.softdep and modules.builtin (depmod's text files), or from the modules themselves
//! where depmod never ran (an unpacked Debian package). Never loads a module.

mod alias;
mod modinfo;
mod subset;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use alias::AliasTable;
pub use alias::glob;
pub use subset::Subset;

use crate::{Error, Result, files};

/// What is known of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There is a module file.
    Module,
    /// It is part of the kernel image.
    Builtin,
    /// Neither.
    Missing,
}

/// The modules of one kernel release below one root folder.
#[derive(Debug)]
pub struct ModuleIndex {
    release: String,
    dir: PathBuf,
    modules: BTreeMap<String, Module>,
    builtin: BTreeSet<String>,
    aliases: AliasTable,
    soft: BTreeMap<String, Soft>,
}

/// One module file.
#[derive(Debug, Default)]
struct Module {
    /// Relative to the release's folder, e.g. `kernel/drivers/net/virtio_net.ko`.
    path: String,
    /// Names of the modules it needs.
    needs: Vec<String>,
}

/// What is to be loaded before and after, where it exists.
#[derive(Debug, Default)]
struct Soft {
    pre: Vec<String>,
    post: Vec<String>,
}

/// One spelling of a module's name: `-` and `_` are the same.
pub fn normalise(name: &str) -> String {
    name.replace('-', "_")
}

/// The module name of a file: `kernel/x/i2c-i801.ko.xz` is `i2c_i801`. None for other files.
fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|end| file.strip_suffix(end))?;
    (!stem.is_empty()).then(|| normalise(stem))
}

/// The folder of a release below a root: `lib/modules/REL` or `usr/lib/modules/REL`.
fn folder(root: &Path, release: &str) -> Result<PathBuf> {
    if release.is_empty() || release.contains('/') || release.starts_with('.') {
        return Err(Error::Invalid {
            what: "the kernel release",
            why: format!("expected one like 6.1.0-56-amd64, got {release:?}"),
        });
    }
    let candidates = ["lib/modules", "usr/lib/modules"].map(|base| root.join(base).join(release));
    candidates.into_iter().find(|dir| dir.is_dir()).ok_or_else(|| Error::BadTree {
        path: root.to_owned(),
        why: format!("there is no lib/modules/{release} and no usr/lib/modules/{release}: is this kernel's package installed there?"),
    })
}

/// The only kernel release below a root.
///
/// # Errors
/// [`Error::BadTree`] when there is none or more than one.
pub fn only_release(root: &Path) -> Result<String> {
    let mut found = BTreeSet::new();
    for base in ["lib/modules", "usr/lib/modules"] {
        let Ok(entries) = fs::read_dir(root.join(base)) else { continue };
        for entry in entries.flatten().filter(|entry| entry.path().join("kernel").is_dir()) {
            found.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    let list = found.iter().cloned().collect::<Vec<_>>().join(", ");
    match (found.pop_first(), found.len()) {
        (Some(release), 0) => Ok(release),
        (None, _) => Err(Error::BadTree {
            path: root.to_owned(),
            why: "it has no kernel modules (no lib/modules/RELEASE/kernel): install a kernel package in it".to_owned(),
        }),
        _ => Err(Error::BadTree { path: root.to_owned(), why: format!("it has several kernels ({list}): name one") }),
    }
}

impl ModuleIndex {
    /// Reads depmod's files. This is what the agent does at run time; `root` is `/` there.
    ///
    /// # Errors
    /// [`Error::BadTree`] without the release's folder or its modules.dep, [`Error::Io`].
    pub fn load(root: &Path, release: &str) -> Result<Self> {
        let mut index = Self::empty(folder(root, release)?, release)?;
        let Some(dep) = files::text(&index.dir.join("modules.dep"))? else {
            return Err(Error::BadTree {
                path: index.dir,
                why: "there is no modules.dep: run depmod for it".to_owned(),
            });
        };
        for line in dep.lines() {
            let Some((path, needs)) = line.split_once(':') else { continue };
            let Some(name) = name_of(path) else { continue };
            // depmod lists the module to be loaded first last.
            let needs = needs.split_whitespace().rev().filter_map(name_of).collect();
            index.modules.insert(name, Module { path: path.to_owned(), needs });
        }
        for line in files::text(&index.dir.join("modules.alias"))?.unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(module)) = (words.next(), words.next(), words.next()) {
                index.aliases.insert(pattern, &normalise(module));
            }
        }
        for line in files::text(&index.dir.join("modules.softdep"))?.unwrap_or_default().lines() {
            let Some((name, rest)) = line.strip_prefix("softdep ").and_then(|line| line.trim().split_once(' ')) else {
                continue;
            };
            index.add_soft(name, rest);
        }
        Ok(index)
    }

    /// Like [`ModuleIndex::load`], or by reading every module where depmod never ran.
    ///
    /// # Errors
    /// Those of load; [`Error::BadModule`] and [`Error::Program`] (xz) when modules are read.
    pub fn open(root: &Path, release: &str) -> Result<Self> {
        let dir = folder(root, release)?;
        if dir.join("modules.dep").exists() { Self::load(root, release) } else { modinfo::scan(dir, release) }
    }

    fn empty(dir: PathBuf, release: &str) -> Result<Self> {
        let builtin = files::text(&dir.join("modules.builtin"))?.unwrap_or_default();
        Ok(ModuleIndex {
            release: release.to_owned(),
            builtin: builtin.lines().filter_map(|line| name_of(line.trim())).collect(),
            dir,
            modules: BTreeMap::new(),
            aliases: AliasTable::default(),
            soft: BTreeMap::new(),
        })
    }

    /// `rest` is "pre: a b post: c".
    fn add_soft(&mut self, name: &str, rest: &str) {
        let soft = self.soft.entry(normalise(name)).or_default();
        let mut after = false;
        for word in rest.split_whitespace() {
            match word {
                "pre:" => after = false,
                "post:" => after = true,
                other => if after { &mut soft.post } else { &mut soft.pre }.push(normalise(other)),
            }
        }
    }

    /// Makes `second` be loaded after `first`, as a softdep would.
    pub fn load_after(&mut self, first: &str, second: &str) {
        self.add_soft(first, &format!("post: {second}"));
    }

    /// The kernel's release.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The folder of the release (`.../lib/modules/RELEASE`).
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many module files there are.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// No module at all?
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Is there a module or built-in of this name?
    pub fn presence(&self, name: &str) -> Presence {
        let name = normalise(name);
        if self.modules.contains_key(&name) {
            Presence::Module
        } else if self.builtin.contains(&name) {
            Presence::Builtin
        } else {
            Presence::Missing
        }
    }

    /// The module's file, decompressed; none for what is built in or not there.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadModule`], [`Error::Program`] (xz, gzip).
    pub fn content(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let module = self.modules.get(&normalise(name));
        module.map(|module| modinfo::unpacked(&self.dir.join(&module.path))).transpose()
    }

    /// Names of the modules that want a device with this modalias (the content of a `modalias` file of /sys), sorted.
    /// Built-in drivers are not named: they need no loading.
    pub fn by_alias(&self, modalias: &str) -> Vec<&str> {
        let found: BTreeSet<&str> = self
            .aliases
            .matching(modalias.trim())
            .into_iter()
            .filter(|name| self.modules.contains_key(*name))
            .collect();
        found.into_iter().collect()
    }

    /// The files to load for a module, in order, itself included, with the softdeps that exist. Empty for a built-in
    /// and for a name that is not known (see [`ModuleIndex::presence`]).
    pub fn load_order(&self, name: &str) -> Vec<PathBuf> {
        let mut order = Vec::new();
        self.visit(&normalise(name), true, &mut BTreeSet::new(), &mut order);
        order.into_iter().filter_map(|name| self.modules.get(name)).map(|module| self.dir.join(&module.path)).collect()
    }

    /// The names of all modules that the given names or modaliases (anything with a `:`) need, in an order in which they
    /// can be loaded. Softdeps that come before are included; those that come after only when they are asked for.
    ///
    /// # Errors
    /// [`Error::NoSuchModule`] with all the names that are neither module nor built-in, and modaliases without a driver.
    pub fn closure<'a>(&'a self, wanted: &[impl AsRef<str>]) -> Result<Vec<&'a str>> {
        let (mut order, mut seen, mut missing) = (Vec::new(), BTreeSet::new(), Vec::new());
        for name in wanted.iter().map(AsRef::as_ref) {
            if name.contains(':') {
                let modules = self.by_alias(name);
                if modules.is_empty() {
                    missing.push(name);
                }
                modules.into_iter().for_each(|module| self.visit(module, false, &mut seen, &mut order));
            } else if self.presence(name) == Presence::Missing {
                missing.push(name);
            } else {
                self.visit(&normalise(name), false, &mut seen, &mut order);
            }
        }
        if !missing.is_empty() {
            return Err(Error::NoSuchModule { release: self.release.clone(), names: missing.join(", ") });
        }
        Ok(order)
    }

    /// Depth first, needs before the module. A loop (which depmod refuses) ends at `seen`.
    fn visit<'a>(&'a self, name: &str, post: bool, seen: &mut BTreeSet<&'a str>, order: &mut Vec<&'a str>) {
        let Some((name, module)) = self.modules.get_key_value(name) else { return };
        if !seen.insert(name) {
            return;
        }
        let soft = self.soft.get(name);
        for before in soft.map(|soft| soft.pre.as_slice()).unwrap_or_default() {
            self.visit_soft(before, post, seen, order);
        }
        for need in &module.needs {
            self.visit(need, post, seen, order);
        }
        order.push(name);
        if post {
            for after in soft.map(|soft| soft.post.as_slice()).unwrap_or_default() {
                self.visit_soft(after, post, seen, order);
            }
        }
    }

    /// A softdep names a module or an alias such as `crc32c`, and may be absent.
    fn visit_soft<'a>(&'a self, name: &str, post: bool, seen: &mut BTreeSet<&'a str>, order: &mut Vec<&'a str>) {
        if self.modules.contains_key(name) {
            self.visit(name, post, seen, order);
        } else {
            self.by_alias(name).into_iter().for_each(|module| self.visit(module, post, seen, order));
        }
    }
}
