//! OCI images (from a registry, a layout, an archive of `docker save`) flattened into one tree, and that written as one
//! tar stream: owners, modes, extended attributes and devices are kept in memory and in the stream, never on disk, so
//! no root is needed. Nothing of an image is trusted: digests and sizes are checked, names cannot leave the tree,
//! memory and disk have bounds. It decides nothing about nodes and runs no program of an image.
//! Sources: OCI image-spec 1.1 (layer.md, manifest.md, image-layout.md), OCI distribution-spec 1.1, pax (POSIX.1-2017).

pub mod archive;
mod cache;
mod credentials;
mod digest;
mod error;
mod layer;
mod layout;
mod limits;
mod load;
mod lock;
mod manifest;
mod name;
mod reference;
mod registry;
mod spool;
pub mod squashfs;
mod tree;
mod trust;
mod write;

pub use cache::Cache;
pub use credentials::Credentials;
pub use digest::Digest;
pub use error::{Error, Result};
pub use layer::{Blob, apply_layer, apply_tar};
pub use layout::Layout;
pub use limits::Limits;
pub use load::{Flattened, Options, Source, Step, load};
pub use lock::try_lock;
pub use manifest::Platform;
pub use name::Name;
pub use reference::Reference;
pub use registry::{Registry, RegistryOptions};
pub use spool::{Content, Spool};
pub use tree::{Entry, Found, Inode, Kind, Metadata, Tree};
pub use trust::{trusted_certificates, trusted_tls};
pub use write::{Written, running_system, write_tar};
