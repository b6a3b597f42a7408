//! Pulls an image from a registry (OCI distribution-spec 1.1, "Pull"): manifests into memory, layers into files. All that
//! a registry says is bounded and checked; passwords go over TLS only, or to this machine itself. It never pushes.

mod auth;
mod download;
mod part;
mod wire;

use crate::cache::Cache;
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::load::Step;
use crate::manifest::{self, ACCEPT, Descriptor, LONGEST, Platform, Resolved};
use crate::reference::Reference;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wire::Wire;

/// How to speak to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryOptions {
    /// None: as anybody.
    pub credentials: Option<Credentials>,
    /// Plain HTTP, without TLS; this machine itself is always spoken to so.
    pub insecure_http: bool,
    /// How often one thing is tried without getting further.
    pub tries: u32,
    /// Before the second try; it doubles.
    pub first_wait: Duration,
    /// Without a byte for so long, a try has failed.
    pub silence: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        let (first_wait, silence) = (Duration::from_millis(500), Duration::from_secs(30));
        Self { credentials: None, insecure_http: false, tries: 6, first_wait, silence }
    }
}

/// One image's place in a registry.
pub struct Registry {
    wire: Arc<Wire>,
    runtime: tokio::runtime::Runtime,
}

impl Registry {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Usage`] when this machine has no certificates to trust.
    pub fn new(reference: &Reference, options: &RegistryOptions) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("start the network's runtime"))?;
        Ok(Self { wire: Arc::new(Wire::new(reference, options)?), runtime })
    }

    /// The manifest and configuration for an architecture; the latter is kept. What a name stands for is always asked.
    ///
    /// # Errors
    /// Any [`Error`].
    pub(crate) fn resolve(
        &self,
        wanted: Option<&Platform>,
        limits: &Limits,
        cache: Option<&Cache>,
    ) -> Result<Resolved> {
        let reference = &self.wire.reference;
        let what = reference.to_string();
        let top =
            self.runtime.block_on(self.wire.small(&format!("manifests/{}", reference.wanted()), ACCEPT, &what))?;
        if let Some(digest) = &reference.digest {
            digest.check(&what, &top)?;
        }
        manifest::resolve(&what, &top, wanted, limits, &mut |descriptor| {
            let digest = descriptor.digest()?;
            if descriptor.size > LONGEST {
                let what = format!("{what}: a manifest of {} bytes", descriptor.size);
                return Err(Error::Limit { at: reference.host.clone(), what, limit: LONGEST });
            }
            // Indexes point at manifests, manifests at blobs; a registry keeps them apart.
            let place = match descriptor.media_type.as_str() {
                t if t.contains("manifest") || t.contains("index") => "manifests",
                _ => "blobs",
            };
            let cache = cache.filter(|_| place == "blobs" && Cache::keeps(&digest));
            if let Some(bytes) = cache.and_then(|cache| cache.read(&digest, LONGEST)) {
                return Ok(bytes);
            }
            let bytes = self.runtime.block_on(self.wire.small(&format!("{place}/{digest}"), ACCEPT, &what))?;
            digest.check(&format!("{what}: {place}/{digest}"), &bytes)?;
            if let Some(cache) = cache {
                cache.write(&digest, &bytes);
            }
            Ok(bytes)
        })
    }

    /// Layers into files in the cache, else in `scratch`, three at a time; a layer that comes twice is one file. Digest and
    /// size of all bytes are checked. What is in the cache already is not fetched.
    ///
    /// # Errors
    /// Any [`Error`]; the files that are in `scratch` by then are the caller's to remove, with the folder.
    pub(crate) fn fetch(
        &self,
        layers: &[(Descriptor, Digest)],
        scratch: &Path,
        cache: Option<&Cache>,
        on_step: &mut dyn FnMut(Step),
    ) -> Result<Vec<Arc<File>>> {
        self.runtime.block_on(download::all(&self.wire, layers, scratch, cache, on_step))
    }
}
