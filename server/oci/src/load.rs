//! From what a person named to the flattened tree: finds the manifest, fetches what is not on this machine, puts layer on
//! layer. All files are in the scratch folder of the caller, who removes it, but for what comes from a registry when the caller
//! has a cache for that: there it stays until the caller removes it.

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::layer::{Blob, apply_layer};
use crate::layout::Layout;
use crate::limits::Limits;
use crate::manifest::Platform;
use crate::reference::Reference;
use crate::registry::{Registry, RegistryOptions};
use crate::spool::Spool;
use crate::tree::Tree;
use std::io::Seek;
use std::path::{Path, PathBuf};

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a registry.
    Registry(Reference),
    /// In files of this machine.
    Path {
        /// Layout or archive.
        path: PathBuf,
        /// Which image of several.
        tag: Option<String>,
    },
}

impl Source {
    /// A path when it looks like one (`/`, `./`, `../`) or is there, also with `:TAG` after it; else, and always after
    /// `docker://`, the name of an image.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(Reference::parse(name)?));
        }
        let path = |path: &str, tag: Option<&str>| Self::Path { path: path.into(), tag: tag.map(String::from) };
        if Path::new(text).exists() {
            return Ok(path(text, None));
        }
        // The tag may have colons itself: `debian:12`.
        let cuts = text.match_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
        if let Some((file, tag)) = cuts.into_iter().find(|(file, tag)| !tag.is_empty() && Path::new(file).exists()) {
            return Ok(path(file, Some(tag)));
        }
        if ["/", "./", "../"].iter().any(|start| text.starts_with(start)) {
            return Err(Error::Usage(format!("expected an OCI layout or archive at {text}, there is nothing")));
        }
        Ok(Self::Registry(Reference::parse(text)?))
    }
}

/// How to load.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The only one that is there, else this machine's.
    pub platform: Option<Platform>,
    /// Bounds.
    pub limits: Limits,
    /// For images in a registry.
    pub registry: RegistryOptions,
    /// Keeps what comes from a registry for another pull.
    pub cache: Option<Cache>,
}

/// What goes on, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The image is chosen.
    Chosen {
        /// Its architecture.
        platform: Platform,
        /// How many layers.
        layers: usize,
        /// Their bytes as stored.
        bytes: u64,
    },
    /// So many bytes of the layers are here.
    Fetched(u64),
    /// So many are here now, and those that are new are of an earlier pull.
    Had(u64),
    /// A download broke off, and is tried again; or it waits for another process.
    Again(String),
    /// A layer is being put on.
    Layer(String),
}

/// An image, flattened.
#[derive(Debug)]
pub struct Flattened {
    /// Names and metadata.
    pub tree: Tree,
    /// Contents.
    pub spool: Spool,
    /// Its architecture.
    pub platform: Platform,
}

/// Load an image; files go into `scratch`.
///
/// # Errors
/// Any [`Error`].
pub fn load(source: &Source, scratch: &Path, options: &Options, on_step: &mut dyn FnMut(Step)) -> Result<Flattened> {
    let limits = &options.limits;
    let mut tree = Tree::new(limits.clone());
    let mut spool = Spool::new(scratch)?;
    let label = |index: usize, count| format!("layer {} of {count}", index + 1);
    let platform = match source {
        Source::Path { path, tag } => {
            let layout = Layout::open(path, scratch, limits)?;
            let (platform, layers) = layout.resolve(tag.as_deref(), options.platform.as_ref(), limits)?;
            let (count, bytes) = (layers.len(), layers.iter().map(|layer| layer.size).sum());
            on_step(Step::Chosen { platform: platform.clone(), layers: count, bytes });
            for (index, layer) in layers.into_iter().enumerate() {
                let what = label(index, count);
                on_step(Step::Layer(what.clone()));
                let input = layout.open_blob(&layer.name)?;
                let (digest, size, diff_id) = (layer.digest, Some(layer.size), Some(layer.diff_id));
                apply_layer(&mut tree, &mut spool, Blob { what, input, digest, size, diff_id })?;
            }
            platform
        }
        Source::Registry(reference) => {
            let registry = Registry::new(reference, &options.registry)?;
            let cache = options.cache.as_ref();
            let resolved = registry.resolve(options.platform.as_ref(), limits, cache)?;
            let (count, bytes) = (resolved.layers.len(), resolved.layers.iter().map(|(layer, _)| layer.size).sum());
            on_step(Step::Chosen { platform: resolved.platform.clone(), layers: count, bytes });
            let files = registry.fetch(&resolved.layers, scratch, cache, on_step)?;
            for (index, ((layer, diff_id), mut file)) in resolved.layers.into_iter().zip(files).enumerate() {
                let what = label(index, count);
                on_step(Step::Layer(what.clone()));
                file.rewind().map_err(Error::io(format!("read {what}")))?;
                // Digest and size were checked as it came, or when it was found.
                let blob =
                    Blob { what, input: Box::new(file), digest: None, size: Some(layer.size), diff_id: Some(diff_id) };
                apply_layer(&mut tree, &mut spool, blob)?;
            }
            resolved.platform
        }
    };
    Ok(Flattened { tree, spool, platform })
}
