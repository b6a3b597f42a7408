//! A choice of modules, packed: the files with modules.dep, modules.alias, modules.softdep and modules.builtin cut down
//! to them, sorted, so that the same choice gives the same bytes whoever ran depmod.

use std::{collections::BTreeSet, fmt::Write as _, fs::File, io::Write};

use super::ModuleIndex;
use crate::{Error, Result, archive::Archive, files};

/// The modules that go into one initramfs.
#[derive(Debug)]
pub struct Subset<'a> {
    index: &'a ModuleIndex,
    /// Names in load order.
    names: Vec<&'a str>,
}

impl ModuleIndex {
    /// The modules that `wanted` (names or modaliases) needs.
    ///
    /// # Errors
    /// Those of [`ModuleIndex::closure`].
    pub fn subset(&self, wanted: &[impl AsRef<str>]) -> Result<Subset<'_>> {
        Ok(Subset { index: self, names: self.closure(wanted)? })
    }
}

impl Subset<'_> {
    /// Names of the modules, in an order in which they can be loaded.
    pub fn names(&self) -> &[&str] {
        &self.names
    }

    /// Adds the files and tables below `/lib/modules/RELEASE`.
    ///
    /// # Errors
    /// [`Error::Io`] when a module file cannot be opened, and those of the archive.
    pub fn pack<W: Write>(&self, archive: &mut Archive<W>) -> Result<()> {
        let base = format!("/lib/modules/{}", self.index.release);
        archive.dir(&base, 0o755)?;
        let mut paths: Vec<&str> = self.modules().map(|(_, module)| module.path.as_str()).collect();
        paths.sort_unstable();
        for path in paths {
            let source = self.index.dir.join(path);
            let mut file = File::open(&source).map_err(Error::io("open", &source))?;
            let size = file.metadata().map_err(Error::io("look at", &source))?.len();
            archive.file_from(&format!("{base}/{path}"), 0o644, size, &mut file)?;
        }
        for (name, text) in [
            ("modules.dep", self.dep()),
            ("modules.alias", self.alias()),
            ("modules.softdep", self.softdep()),
            ("modules.builtin", self.builtin()),
        ] {
            archive.file(&format!("{base}/{name}"), 0o644, text.as_bytes())?;
        }
        Ok(())
    }

    fn modules(&self) -> impl Iterator<Item = (&str, &super::Module)> {
        self.names.iter().filter_map(|name| self.index.modules.get(*name).map(|module| (*name, module)))
    }

    /// One line a module; what it needs stands in depmod's order: the last is to be loaded first.
    fn dep(&self) -> String {
        let mut lines = BTreeSet::new();
        for (name, module) in self.modules() {
            let mut order = Vec::new();
            let mut seen = BTreeSet::new();
            self.index.visit_hard(name, &mut seen, &mut order);
            order.retain(|need| *need != name);
            let mut line = format!("{}:", module.path);
            for need in order.iter().rev().filter_map(|need| self.index.modules.get(*need)) {
                let _ = write!(line, " {}", need.path);
            }
            line.push('\n');
            lines.insert(line);
        }
        lines.into_iter().collect()
    }

    fn alias(&self) -> String {
        let chosen: BTreeSet<&str> = self.names.iter().copied().collect();
        let lines: BTreeSet<String> = self
            .index
            .aliases
            .iter()
            .filter(|(_, module)| chosen.contains(module))
            .map(|(pattern, module)| format!("alias {pattern} {module}\n"))
            .collect();
        lines.into_iter().collect()
    }

    fn softdep(&self) -> String {
        let mut text = String::new();
        let mut names = self.names.clone();
        names.sort_unstable();
        for name in names {
            let Some(soft) = self.index.soft.get(name) else { continue };
            let _ = write!(text, "softdep {name}");
            for (word, list) in [("pre:", &soft.pre), ("post:", &soft.post)] {
                if !list.is_empty() {
                    let _ = write!(text, " {word} {}", list.join(" "));
                }
            }
            text.push('\n');
        }
        text
    }

    fn builtin(&self) -> String {
        self.index.builtin.iter().map(|name| format!("kernel/{name}.ko\n")).collect()
    }
}

impl ModuleIndex {
    /// Needs only, without softdeps.
    fn visit_hard<'a>(&'a self, name: &str, seen: &mut BTreeSet<&'a str>, order: &mut Vec<&'a str>) {
        let Some((name, module)) = self.modules.get_key_value(name) else { return };
        if seen.insert(name) {
            module.needs.iter().for_each(|need| self.visit_hard(need, seen, order));
            order.push(name);
        }
    }
}

impl ModuleIndex {
    /// Writes modules.dep, .alias and .softdep into the release's folder, as depmod would, where there is no
    /// modules.dep: the next [`ModuleIndex::open`] need not read every module again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_tables(&self) -> Result<()> {
        if self.dir.join("modules.dep").exists() {
            return Ok(());
        }
        let all = Subset { index: self, names: self.modules.keys().map(String::as_str).collect() };
        // modules.dep last: it is what says that the tables are there.
        for (name, text) in
            [("modules.alias", all.alias()), ("modules.softdep", all.softdep()), ("modules.dep", all.dep())]
        {
            files::write_atomic(&self.dir.join(name), text.as_bytes())?;
        }
        Ok(())
    }
}
