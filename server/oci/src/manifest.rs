//! Indexes, manifests and configurations (OCI image-spec image-index.md, manifest.md, config.md; Docker "Image Manifest
//! V 2, Schema 2"): from the top one to the layers for one architecture. It fetches nothing by itself.

use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use crate::limits::Limits;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// No manifest, index or configuration is longer, bytes.
pub(crate) const LONGEST: u64 = 4 << 20;
/// Indexes in indexes.
const DEEPEST: usize = 4;
/// What a registry is asked for.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const LAYERS: [&str; 8] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// An architecture as images name it; the system is always Linux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform(String);

impl Platform {
    /// `x86_64` or `amd64`, `aarch64` or `arm64`; others as images name them.
    pub fn new(arch: &str) -> Self {
        Self(match arch {
            "x86_64" => "amd64".into(),
            "aarch64" => "arm64".into(),
            other => other.into(),
        })
    }

    /// As Debian and images name it: amd64.
    pub fn arch(&self) -> &str {
        &self.0
    }

    /// Of this machine.
    pub fn here() -> Self {
        Self::new(std::env::consts::ARCH)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.0)
    }
}

/// Points at a blob.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    platform: Option<Stated>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn digest(&self) -> Result<Digest> {
        Digest::parse(&self.digest)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Stated {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: u64,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    rootfs: Rootfs,
}

#[derive(Deserialize)]
struct Rootfs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// What an image's configuration says.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) platform: Platform,
    pub(crate) diff_ids: Vec<Digest>,
}

/// One architecture's image.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) platform: Platform,
    /// From the lowest.
    pub(crate) layers: Vec<(Descriptor, Digest)>,
}

/// The entries of an index, e.g. a layout's `index.json`.
pub(crate) fn index(what: &str, bytes: &[u8]) -> Result<Vec<Descriptor>> {
    let document: Document = json(what, bytes)?;
    document.manifests.ok_or_else(|| Error::Manifest(format!("{what}: expected an index with `manifests`")))
}

/// From a manifest or index to the layers. `fetch` gives a blob that is described, its digest checked.
pub(crate) fn resolve(
    what: &str,
    top: &[u8],
    wanted: Option<&Platform>,
    limits: &Limits,
    fetch: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>>,
) -> Result<Resolved> {
    let mut bytes = top.to_vec();
    for _ in 0..DEEPEST {
        let document: Document = json(what, &bytes)?;
        if document.schema_version == 1 {
            return Err(Error::Manifest(format!(
                "{what}: this is a manifest of Docker's schema 1, which has no digests of its \
                layers' contents: push the image again with a newer tool"
            )));
        }
        match (document.manifests, document.config, document.layers) {
            (Some(manifests), None, None) => bytes = fetch(&choose(what, manifests, wanted)?)?,
            (None, Some(config), Some(layers)) => {
                let config = configured(what, &fetch(&config)?)?;
                return image(what, config, layers, wanted, limits);
            }
            (Some(_), _, _) => {
                return Err(Error::Manifest(format!("{what}: this is an index and a manifest at once; it is refused")));
            }
            _ => {
                return Err(Error::Manifest(format!(
                    "{what}: expected a manifest with `config` and `layers`, or an index"
                )));
            }
        }
    }
    Err(Error::Manifest(format!("{what}: indexes point at indexes more than {DEEPEST} deep")))
}

fn image(
    what: &str,
    config: Configured,
    layers: Vec<Descriptor>,
    wanted: Option<&Platform>,
    limits: &Limits,
) -> Result<Resolved> {
    if let Some(wanted) = wanted.filter(|wanted| **wanted != config.platform) {
        let (what, wanted, has) = (what.into(), wanted.to_string(), config.platform.to_string());
        return Err(Error::Architecture { what, wanted, has });
    }
    let (has, said) = (layers.len(), config.diff_ids.len());
    if has != said {
        return Err(Error::Manifest(format!(
            "{what}: the manifest has {has} layers, the configuration knows {said}: the image is damaged"
        )));
    }
    let limit = |what_of, limit| Err(Error::Limit { at: what.into(), what: what_of, limit });
    if has > limits.layers {
        return limit(format!("it has {has} layers"), limits.layers as u64);
    }
    let packed = layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
    if packed > limits.packed {
        return limit(format!("its layers are {packed} bytes"), limits.packed);
    }
    for layer in &layers {
        layer.digest()?;
        if !layer.media_type.is_empty() && !LAYERS.contains(&layer.media_type.as_str()) {
            return Err(Error::Manifest(format!(
                "{what}: expected layers that are tar archives, got one of the type {}: this is no image of a root file system",
                shown(layer.media_type.as_bytes())
            )));
        }
    }
    Ok(Resolved { platform: config.platform, layers: layers.into_iter().zip(config.diff_ids).collect() })
}

/// What a configuration says; only Linux will do.
pub(crate) fn configured(what: &str, bytes: &[u8]) -> Result<Configured> {
    let config: Config = json(what, bytes)?;
    if !matches!(config.os.as_str(), "linux" | "") {
        let has = format!("{}/{}", shown(config.os.as_bytes()), shown(config.architecture.as_bytes()));
        return Err(Error::Architecture { what: what.into(), wanted: "linux".into(), has });
    }
    let diff_ids = config.rootfs.diff_ids.iter().map(|text| Digest::parse(text)).collect::<Result<_>>()?;
    Ok(Configured { platform: Platform(shown(config.architecture.as_bytes())), diff_ids })
}

/// The entry for an architecture: the wanted one, else the only one, else this machine's.
fn choose(what: &str, manifests: Vec<Descriptor>, wanted: Option<&Platform>) -> Result<Descriptor> {
    let images: Vec<Descriptor> = manifests.into_iter().filter(|m| !is_attestation(m)).collect();
    let has: BTreeSet<String> = images
        .iter()
        .map(|m| match &m.platform {
            Some(p) if p.variant.is_empty() => shown(format!("{}/{}", p.os, p.architecture).as_bytes()),
            Some(p) => shown(format!("{}/{}/{}", p.os, p.architecture, p.variant).as_bytes()),
            None => "an image that does not tell its platform".into(),
        })
        .collect();
    let platforms: BTreeSet<&str> = images
        .iter()
        .filter_map(|m| m.platform.as_ref())
        .filter(|p| p.os == "linux")
        .map(|p| p.architecture.as_str())
        .collect();
    let platform = match (wanted, platforms.first()) {
        (Some(wanted), _) => wanted.clone(),
        (None, Some(only)) if platforms.len() == 1 => Platform((*only).into()),
        (None, _) => Platform::here(),
    };
    let fits = |m: &&Descriptor| m.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == platform.0);
    // amd64/v3 is not for every machine; of arm64 there is one, whether it says v8 or not.
    let plain = images.iter().filter(fits).find(|m| m.platform.as_ref().is_some_and(|p| p.variant.is_empty()));
    let found = plain.or_else(|| images.iter().find(fits)).or_else(|| images.iter().find(|m| m.platform.is_none()));
    found.cloned().ok_or_else(|| Error::Architecture {
        what: what.into(),
        wanted: platform.to_string(),
        has: if has.is_empty() {
            "no image at all".into()
        } else {
            has.into_iter().take(30).collect::<Vec<_>>().join(", ")
        },
    })
}

/// Of BuildKit: statements about an image, stored beside it.
fn is_attestation(m: &Descriptor) -> bool {
    m.annotations.contains_key("vnd.docker.reference.type") || m.platform.as_ref().is_some_and(|p| p.os == "unknown")
}

pub(crate) fn json<T: for<'a> Deserialize<'a>>(what: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::Manifest(format!("{what}: expected JSON of an image, got something else: {e}")))
}
