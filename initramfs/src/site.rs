//! The small part of the first stage that belongs to one server: public values only, never a secret. Uncompressed, so
//! that a server makes it without effort at each start and it is the same bytes each time.

use crate::{Error, Result, archive::Archive};

/// The certificate of the installation's authority, PEM.
pub const CA: &str = "/etc/higuma/ca.pem";
/// The fixed DNS name that agents verify.
pub const SERVER_NAME: &str = "/etc/higuma/server-name";
/// Unix seconds before which no clock can be right.
pub const NOT_BEFORE: &str = "/etc/higuma/not-before";

/// The site part: a newc cpio padded to 512 bytes. `not_before_unix`: when the authority was made, in seconds since 1970.
///
/// # Errors
/// [`Error::Invalid`] when `ca_pem` is no certificate in PEM or holds a private key, or `server_name` is no DNS name.
pub fn build(ca_pem: &str, server_name: &str, not_before_unix: i64) -> Result<Vec<u8>> {
    if !ca_pem.contains("-----BEGIN CERTIFICATE-----") || ca_pem.contains("PRIVATE KEY") {
        return Err(Error::Invalid {
            what: "the authority's certificate",
            why: "expected PEM with a CERTIFICATE and without a private key (the file is public)".to_owned(),
        });
    }
    let dns = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if server_name.is_empty() || server_name.len() > 253 || !server_name.chars().all(dns) {
        return Err(Error::Invalid {
            what: "the server name",
            why: format!("expected a DNS name such as 3f2a9c10.higuma.internal, got {server_name:?}"),
        });
    }
    let mut archive = Archive::new(Vec::new());
    archive.file(CA, 0o644, ca_pem.as_bytes())?;
    archive.file(SERVER_NAME, 0o644, format!("{server_name}\n").as_bytes())?;
    archive.file(NOT_BEFORE, 0o644, format!("{not_before_unix}\n").as_bytes())?;
    archive.finish()
}
