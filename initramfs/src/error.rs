//! What can go wrong when an initramfs is built.

use std::{io, path::PathBuf};

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an initramfs could not be built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("could not {what} {}", path.display())]
    Io {
        /// What was tried: "read", "write", ...
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Writing the archive itself failed (the caller's writer).
    #[error("could not write the archive")]
    Write(#[source] io::Error),
    /// Reading a file that is being packed failed.
    #[error("could not read what is to be packed as {path}")]
    Entry {
        /// Its path in the archive.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The newc format holds sizes in 32 bits.
    #[error(
        "{path} has {size} bytes; a file in an initramfs must be smaller than 4 GiB: stream it instead of embedding it"
    )]
    TooLarge {
        /// Its path in the archive.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A packed file changed while it was read.
    #[error("{path} was announced with {expected} bytes and gave {got}: it changed while it was packed")]
    SizeChanged {
        /// Its path in the archive.
        path: String,
        /// The announced size.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// A path that no archive of ours may hold.
    #[error("{path:?} is no path for an archive: it must be absolute, without \"..\", NUL or empty parts")]
    BadPath {
        /// The path.
        path: String,
    },
    /// The kernel has no such module.
    #[error(
        "kernel {release} has no module and no built-in named {names}: correct the driver list, or choose another kernel"
    )]
    NoSuchModule {
        /// The kernel's release.
        release: String,
        /// The names that are missing, comma-separated.
        names: String,
    },
    /// A kernel module file could not be understood.
    #[error("{} is not a kernel module that can be read: {why}", path.display())]
    BadModule {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A tree of kernel modules is missing or ambiguous.
    #[error("{}: {why}", path.display())]
    BadTree {
        /// The folder.
        path: PathBuf,
        /// What was expected and what to do.
        why: String,
    },
    /// A program failed.
    #[error("`{command}` failed: {detail}")]
    Program {
        /// The command with its arguments.
        command: String,
        /// The last lines that it printed, or why it did not start.
        detail: String,
    },
    /// The package that the lock names is not to be had, or differs.
    #[error("{package} {version}: {why}")]
    Package {
        /// Package name.
        package: String,
        /// Version, empty when it is not known yet.
        version: String,
        /// What was expected, what came, what to do.
        why: String,
    },
    /// A value that was given makes no sense.
    #[error("{what}: {why}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What was expected and what came.
        why: String,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { what, path, source }
    }
}
