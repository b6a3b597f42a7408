//! Images in files: an OCI layout (image-layout.md) as a folder or in a tar, and what `docker save` writes. Blobs are
//! named by their digest and read in place; nothing is unpacked. Links in a folder are the operator's own, links in an
//! archive lead inside the archive only.

use crate::archive::{Archive, Type};
use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use crate::layer::{Packing, xz_reader, zstd_reader};
use crate::limits::Limits;
use crate::manifest::{self, Descriptor, LONGEST, Platform, Resolved};
use crate::name::Name;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Names of files in an archive; more than any image has.
const MOST_FILES: usize = 100_000;
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Where images are.
pub struct Layout {
    what: String,
    store: Store,
}

enum Store {
    Folder(PathBuf),
    Tar { file: File, places: BTreeMap<Vec<u8>, Place> },
}

enum Place {
    At { offset: u64, size: u64 },
    Link(Vec<u8>),
}

/// A layer in a layout.
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) digest: Option<Digest>,
    pub(crate) size: u64,
    pub(crate) diff_id: Digest,
}

/// An entry of `manifest.json` of `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Layout {
    /// A folder, or a tar (also packed by gzip or zstd: it is then unpacked to a file without a name in `scratch`).
    ///
    /// # Errors
    /// [`Error::Usage`] when nothing is there, [`Error::Archive`], [`Error::Limit`], [`Error::Io`].
    pub fn open(path: &Path, scratch: &Path, limits: &Limits) -> Result<Self> {
        let what = path.display().to_string();
        let meta = std::fs::metadata(path).map_err(|e| Error::Usage(format!("could not read {what}: {e}")))?;
        if meta.is_dir() {
            return Ok(Self { what, store: Store::Folder(path.to_owned()) });
        }
        let file = File::open(path).map_err(Error::io(format!("open {what}")))?;
        let file = plain(file, &what, scratch, limits)?;
        let places = places(&file, &what, limits)?;
        Ok(Self { what, store: Store::Tar { file, places } })
    }

    /// The layers of the image `tag`, or of the only one.
    pub(crate) fn resolve(
        &self,
        tag: Option<&str>,
        wanted: Option<&Platform>,
        limits: &Limits,
    ) -> Result<(Platform, Vec<Stored>)> {
        if let Some(index) = self.small("index.json")? {
            let index = self.tagged(&index, tag)?;
            let resolved =
                manifest::resolve(&self.what, &index, wanted, limits, &mut |descriptor| self.described(descriptor))?;
            let Resolved { platform, layers } = resolved;
            let layers = layers.into_iter().map(|(descriptor, diff_id)| {
                let digest = descriptor.digest()?;
                let name = blob(&digest);
                Ok(Stored { name, digest: Some(digest), size: descriptor.size, diff_id })
            });
            return Ok((platform, layers.collect::<Result<_>>()?));
        }
        match self.small("manifest.json")? {
            Some(saved) => self.saved(&saved, tag, wanted, limits),
            None => Err(Error::Manifest(format!(
                "{}: expected an OCI layout (index.json, blobs/) or an archive of `docker save` (manifest.json), found neither",
                self.what
            ))),
        }
    }

    /// Only the entries of the wanted image: a layout may have several, each with its name.
    fn tagged(&self, index: &[u8], tag: Option<&str>) -> Result<Vec<u8>> {
        let entries = manifest::index(&format!("{}: index.json", self.what), index)?;
        let names = |entry: &Descriptor| -> Vec<String> {
            [CONTAINERD_NAME, REF_NAME].iter().filter_map(|key| entry.annotations.get(*key).cloned()).collect()
        };
        let all: BTreeSet<String> = entries.iter().filter_map(|entry| names(entry).into_iter().next()).collect();
        let list = || all.iter().take(20).map(|name| shown(name.as_bytes())).collect::<Vec<_>>().join(", ");
        match tag {
            None if all.len() > 1 => Err(Error::Usage(format!(
                "{}: expected one image, there are {}: choose one as {}:NAME",
                self.what,
                list(),
                self.what
            ))),
            None => Ok(index.to_vec()),
            Some(tag) => {
                let mut value: serde_json::Value = manifest::json(&self.what, index)?;
                let keep: Vec<bool> = entries.iter().map(|entry| names(entry).iter().any(|name| name == tag)).collect();
                if !keep.contains(&true) {
                    return Err(Error::NotFound(format!(
                        "{}: there is no image {tag:?}, there are: {}",
                        self.what,
                        list()
                    )));
                }
                if let Some(manifests) = value.get_mut("manifests").and_then(|m| m.as_array_mut()) {
                    let mut keep = keep.into_iter();
                    manifests.retain(|_| keep.next().unwrap_or(false));
                }
                Ok(value.to_string().into_bytes())
            }
        }
    }

    /// `docker save`: the configuration is named by its digest or checked by the layers' own; layers have diff ids only.
    fn saved(
        &self,
        bytes: &[u8],
        tag: Option<&str>,
        wanted: Option<&Platform>,
        limits: &Limits,
    ) -> Result<(Platform, Vec<Stored>)> {
        let what = &self.what;
        let mut all: Vec<Saved> = manifest::json(&format!("{what}: manifest.json"), bytes)?;
        let tags = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
        let list = all.iter().flat_map(tags).take(20).map(|t| shown(t.as_bytes())).collect::<Vec<_>>().join(", ");
        if let Some(tag) = tag {
            all.retain(|saved| {
                tags(saved).iter().any(|t| t == tag || t.rsplit_once(':').is_some_and(|(_, t)| t == tag))
            });
        }
        let saved = match &all[..] {
            [one] => one,
            [] => return Err(Error::NotFound(format!("{what}: there is no such image, there are: {list}"))),
            _ => {
                return Err(Error::Usage(format!(
                    "{what}: expected one image, there are {list}: choose one as {what}:NAME"
                )));
            }
        };
        let config = self.small(&saved.config)?.ok_or_else(|| {
            Error::Manifest(format!("{what}: {} is missing, which manifest.json names", shown(saved.config.as_bytes())))
        })?;
        let stem = Path::new(&saved.config).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if let Ok(digest) = Digest::parse(&format!("sha256:{stem}")) {
            digest.check(&format!("{what}: the configuration"), &config)?;
        }
        let config = manifest::configured(what, &config)?;
        if let Some(wanted) = wanted.filter(|wanted| **wanted != config.platform) {
            let (what, wanted, has) = (what.clone(), wanted.to_string(), config.platform.to_string());
            return Err(Error::Architecture { what, wanted, has });
        }
        let (has, said) = (saved.layers.len(), config.diff_ids.len());
        if has != said || has > limits.layers {
            return Err(Error::Manifest(format!(
                "{what}: manifest.json has {has} layers, the configuration knows {said}"
            )));
        }
        let layers = saved.layers.iter().zip(config.diff_ids).map(|(name, diff_id)| {
            let (_, size) = self.file(name)?.ok_or_else(|| self.missing(name))?;
            Ok(Stored { name: name.clone(), digest: None, size, diff_id })
        });
        Ok((config.platform, layers.collect::<Result<_>>()?))
    }

    fn missing(&self, name: &str) -> Error {
        Error::Manifest(format!(
            "{}: {} is missing: the layout is incomplete, or has only another architecture",
            self.what,
            shown(name.as_bytes())
        ))
    }

    fn described(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let digest = descriptor.digest()?;
        let name = blob(&digest);
        let bytes = self.small(&name)?.ok_or_else(|| self.missing(&name))?;
        digest.check(&format!("{}: {name}", self.what), &bytes)?;
        Ok(bytes)
    }

    /// A layer's bytes.
    pub(crate) fn open_blob(&self, name: &str) -> Result<Box<dyn Read + '_>> {
        self.file(name)?.map(|(file, _)| file).ok_or_else(|| self.missing(name))
    }

    fn small(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((file, size)) = self.file(name)? else { return Ok(None) };
        if size > LONGEST {
            let at = format!("{}: {}", self.what, shown(name.as_bytes()));
            return Err(Error::Limit { at, what: format!("it has {size} bytes"), limit: LONGEST });
        }
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(Error::io(format!("read {name} of {}", self.what)))?;
        Ok(Some(bytes))
    }

    fn file(&self, name: &str) -> Result<Option<(Box<dyn Read + '_>, u64)>> {
        // Names come from manifests: none may lead out.
        let name = Name::parse(name.as_bytes(), 4096)?;
        match &self.store {
            Store::Folder(folder) => {
                use std::os::unix::ffi::OsStrExt;
                let path = folder.join(std::ffi::OsStr::from_bytes(&name.to_bytes()));
                let failed = || Error::io(format!("open {}", path.display()));
                match std::fs::metadata(&path) {
                    Ok(meta) if meta.is_file() => {
                        Ok(Some((Box::new(File::open(&path).map_err(failed())?), meta.len())))
                    }
                    Ok(_) => Err(Error::Manifest(format!("expected a file in {}", path.display()))),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(e) => Err(failed()(e)),
                }
            }
            Store::Tar { file, places } => {
                let mut name = name.to_bytes();
                for _ in 0..8 {
                    match places.get(&name) {
                        Some(Place::At { offset, size }) => {
                            return Ok(Some((Box::new(Section { file, at: *offset, left: *size }), *size)));
                        }
                        Some(Place::Link(target)) => name = beside(&name, target),
                        None => return Ok(None),
                    }
                }
                Ok(None)
            }
        }
    }
}

fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// Where a link leads in the archive; a `..` too many stays at its root.
fn beside(name: &[u8], target: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = name.split(|b| *b == b'/').collect();
    parts.pop();
    if target.starts_with(b"/") {
        parts.clear();
    }
    for part in target.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = usize::try_from(self.left).unwrap_or(buf.len()).min(buf.len());
        let n = self.file.read_at(&mut buf[..n], self.at)?;
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

/// The archive as a plain tar.
fn plain(file: File, what: &str, scratch: &Path, limits: &Limits) -> Result<File> {
    let reading = || Error::io(format!("read {what}"));
    let mut input = BufReader::with_capacity(256 * 1024, &file);
    let packing = Packing::of(input.fill_buf().map_err(reading())?);
    let mut unpacked: Box<dyn Read> = match packing {
        Packing::None => return Ok(file),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Packing::Zstd => Box::new(zstd_reader(input, what)?),
        Packing::Xz => Box::new(xz_reader(input)),
    };
    let mut out =
        tempfile::tempfile_in(scratch).map_err(Error::io(format!("make a temporary file in {}", scratch.display())))?;
    let copied = io::copy(&mut (&mut unpacked).take(limits.packed + 1), &mut out)
        .map_err(Error::io(format!("unpack {what}")))?;
    if copied > limits.packed {
        return Err(Error::Limit { at: what.into(), what: "it unpacks to more bytes".into(), limit: limits.packed });
    }
    Ok(out)
}

/// Where each file of the archive is. A name that comes twice counts as it came last.
fn places(file: &File, what: &str, limits: &Limits) -> Result<BTreeMap<Vec<u8>, Place>> {
    use std::cell::Cell;
    struct Counting<'a>(BufReader<Section<'a>>, &'a Cell<u64>);
    impl Read for Counting<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = self.0.read(buf)?;
            self.1.set(self.1.get() + n as u64);
            Ok(n)
        }
    }
    let at = Cell::new(0);
    let length = file.metadata().map_err(Error::io(format!("read {what}")))?.len();
    let section = Section { file, at: 0, left: length };
    let mut archive = Archive::new(Counting(BufReader::new(section), &at), what, limits);
    let mut places = BTreeMap::new();
    while let Some(record) = archive.next_record()? {
        let name = Name::parse(&record.path, limits.path)?.to_bytes();
        let place = match record.kind {
            Type::File if record.pieces.is_some() => {
                return Err(Error::archive(
                    format!("{what}: {}", shown(&name)),
                    "a sparse file in an archive of images",
                ));
            }
            Type::File => Place::At { offset: at.get(), size: record.size },
            // `docker save` of old stores equal layers once.
            Type::Symlink => Place::Link(record.link),
            Type::HardLink => Place::Link([b"/", record.link.as_slice()].concat()),
            _ => continue,
        };
        places.insert(name, place);
        if places.len() > MOST_FILES {
            return Err(Error::Limit {
                at: what.into(),
                what: "it has too many files".into(),
                limit: MOST_FILES as u64,
            });
        }
    }
    Ok(places)
}
