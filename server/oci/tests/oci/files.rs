//! An OCI layout as a map of files: blobs, manifests, an index; written to a folder or as a tar.

use crate::make::Layer;
use higuma_oci::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Files of a layout.
#[derive(Default, Clone)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    /// A blob, and its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.0.insert(format!("blobs/sha256/{}", digest.hex()), bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// An image of these layers (stored bytes, tar).
    pub fn image(&mut self, arch: &str, layers: &[(Vec<u8>, Vec<u8>)]) -> Value {
        let diff_ids: Vec<String> = layers.iter().map(|(_, tar)| Digest::of(tar).to_string()).collect();
        let config =
            json!({ "architecture": arch, "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let layers: Vec<Value> =
            layers.iter().map(|(stored, _)| self.blob("application/vnd.oci.image.layer.v1.tar+gzip", stored)).collect();
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        let mut descriptor = self.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
        descriptor["platform"] = json!({ "architecture": arch, "os": "linux" });
        descriptor
    }

    pub fn index(&mut self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        self.0.insert("index.json".into(), index.into_bytes());
        self.0.insert("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    }

    pub fn write(&self, folder: &Path) {
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    pub fn tar(&self) -> Layer {
        self.0.iter().fold(Layer::new(), |layer, (name, bytes)| layer.raw(b'0', name.as_bytes(), bytes, |_| {}))
    }
}

pub fn layer(name: &str) -> (Vec<u8>, Vec<u8>) {
    let layer = Layer::new().file(name, name);
    (layer.gzip(), layer.tar())
}

/// A layer of some 30 KB, which do not pack well: others for another seed.
pub fn noisy(name: &str, mut seed: u64) -> (Vec<u8>, Vec<u8>) {
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (seed >> 58) as u8)
    };
    let noise: String = (0..40_000).map(|_| letter()).collect();
    let layer = Layer::new().file(name, &noise);
    (layer.gzip(), layer.tar())
}
