//! Makes layers byte by byte, right or wrong, and shows a flattened tree as lines of text. It checks nothing itself.

use higuma_oci::{Blob, Digest, Error, Kind, Limits, Spool, Tree, apply_layer};
use std::collections::BTreeMap;
use std::io::Write;

/// An entry; what is not said is 0644, of root, at second 1000.
#[derive(Clone)]
pub struct Item<'a> {
    pub kind: u8,
    pub path: &'a [u8],
    pub link: &'a [u8],
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: u64,
    pub device: (u32, u32),
    pub content: &'a [u8],
    pub pax: &'a [(&'a str, &'a [u8])],
}

impl Default for Item<'_> {
    fn default() -> Self {
        let (mode, mtime) = (0o644, 1000);
        Self { kind: b'0', path: b"", link: b"", mode, uid: 0, gid: 0, mtime, device: (0, 0), content: b"", pax: &[] }
    }
}

/// A layer: a tar in memory.
#[derive(Default, Clone)]
pub struct Layer(pub Vec<u8>);

impl Layer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn item(mut self, item: &Item<'_>) -> Self {
        let mut pax: Vec<(&str, &[u8])> = item.pax.to_vec();
        if item.path.len() > 100 {
            pax.push(("path", item.path));
        }
        if item.link.len() > 100 {
            pax.push(("linkpath", item.link));
        }
        if !pax.is_empty() {
            let mut records = Vec::new();
            for (key, value) in pax {
                records.extend(record(key, value));
            }
            self = self.raw(b'x', b"pax", &records, |_| {});
        }
        self.raw(item.kind, item.path, item.content, |header| {
            let n = item.link.len().min(100);
            header.as_old_mut().linkname[..n].copy_from_slice(&item.link[..n]);
            header.set_mode(item.mode);
            header.set_uid(item.uid);
            header.set_gid(item.gid);
            header.set_mtime(item.mtime);
            if matches!(item.kind, b'3' | b'4') {
                header.set_device_major(item.device.0).unwrap();
                header.set_device_minor(item.device.1).unwrap();
            }
        })
    }

    /// A header, changed by `change` before its checksum is made, and what follows it.
    pub fn raw(mut self, kind: u8, path: &[u8], content: &[u8], change: impl FnOnce(&mut tar::Header)) -> Self {
        let mut header = tar::Header::new_gnu();
        let n = path.len().min(100);
        header.as_old_mut().name[..n].copy_from_slice(&path[..n]);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        self.item(&Item { path: path.as_bytes(), content: content.as_bytes(), ..Item::default() })
    }

    pub fn dir(self, path: &str) -> Self {
        self.item(&Item { kind: b'5', path: path.as_bytes(), mode: 0o755, ..Item::default() })
    }

    pub fn symlink(self, path: &str, link: &str) -> Self {
        self.item(&Item { kind: b'2', path: path.as_bytes(), link: link.as_bytes(), mode: 0o777, ..Item::default() })
    }

    pub fn hard_link(self, path: &str, link: &str) -> Self {
        self.item(&Item { kind: b'1', path: path.as_bytes(), link: link.as_bytes(), ..Item::default() })
    }

    pub fn whiteout(self, path: &str) -> Self {
        self.file(path, "")
    }

    /// With its two blocks of zeros.
    pub fn tar(&self) -> Vec<u8> {
        [self.0.as_slice(), &[0; 1024]].concat()
    }

    pub fn gzip(&self) -> Vec<u8> {
        gzip(&self.tar())
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A pax record.
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (1..9).map(|digits| rest + digits).find(|n| n.to_string().len() == n - rest).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// Put layers on each other, plain tars without digests.
pub fn flatten(layers: &[Layer]) -> Result<(Tree, Spool), Error> {
    flatten_within(&layers.iter().map(Layer::tar).collect::<Vec<_>>(), &Limits::default())
}

pub fn flatten_within(layers: &[Vec<u8>], limits: &Limits) -> Result<(Tree, Spool), Error> {
    let scratch = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(limits.clone());
    let mut spool = Spool::new(scratch.path()).unwrap();
    for (index, bytes) in layers.iter().enumerate() {
        let (digest, size) = (Some(Digest::of(bytes)), Some(bytes.len() as u64));
        let what = format!("layer {}", index + 1);
        apply_layer(&mut tree, &mut spool, Blob { what, input: Box::new(&bytes[..]), digest, size, diff_id: None })?;
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "something was left behind");
    Ok((tree, spool))
}

/// Everything but the root, one line each: `PATH MODE UID:GID KIND...`, `= FIRST` for further names of a file.
pub fn lines(tree: &Tree, spool: &Spool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first = BTreeMap::new();
    tree.walk::<()>(&|_| true, |path, inode| {
        let entry = tree.entry(inode);
        let path = String::from_utf8_lossy(path).into_owned();
        if let Some(first) = first.get(&inode) {
            lines.push(format!("{path} = {first}"));
            return Ok(());
        }
        let kind = match &entry.kind {
            Kind::File(content) => format!("{:?}", String::from_utf8_lossy(&spool.read(*content, 100).unwrap())),
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            Kind::Char(major, minor) => format!("char {major}:{minor}"),
            Kind::Block(major, minor) => format!("block {major}:{minor}"),
            Kind::Fifo => "fifo".into(),
            Kind::Dir => "dir".into(),
        };
        let m = &entry.metadata;
        if !path.is_empty() {
            lines.push(format!("{path} {:o} {}:{} {kind}", m.mode, m.uid, m.gid));
        }
        first.insert(inode, path);
        Ok(())
    })
    .unwrap();
    lines
}

/// Only `PATH KIND`.
pub fn short(layers: &[Layer]) -> Vec<String> {
    let (tree, spool) = flatten(layers).unwrap();
    let drop_middle = |line: String| match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
        [path, "=", first] => format!("{path} = {first}"),
        [path, _, _, kind] => format!("{path} {kind}"),
        _ => line,
    };
    lines(&tree, &spool).into_iter().map(drop_middle).collect()
}

/// The error's text.
pub fn refused(layers: &[Layer]) -> String {
    match flatten(layers) {
        Ok((tree, spool)) => panic!("expected an error, got {:?}", lines(&tree, &spool)),
        Err(error) => error.to_string(),
    }
}
