//! Which certificates of others are trusted: those that this machine trusts. It has no certificates of its own.

use crate::error::{Error, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::sync::Arc;

/// Where Linux distributions keep the certificates that a machine trusts.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The certificates that this machine trusts (`SSL_CERT_FILE`, else its bundle), in DER; those that cannot be read are left out.
///
/// # Errors
/// [`Error::Usage`]: there are none, with what to install.
pub fn trusted_certificates() -> Result<Vec<CertificateDer<'static>>> {
    let file = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let file = file.or_else(|| BUNDLES.iter().map(std::path::PathBuf::from).find(|path| path.is_file()));
    let read = file.as_ref().and_then(|path| CertificateDer::pem_file_iter(path).ok());
    let certificates: Vec<_> = read.into_iter().flatten().flatten().collect();
    if certificates.is_empty() {
        let file = file.map_or_else(|| BUNDLES[0].into(), |path| path.display().to_string());
        return Err(Error::Usage(format!(
            "expected the certificates that this machine trusts in {file}: run `apt-get install ca-certificates`, or set SSL_CERT_FILE"
        )));
    }
    Ok(certificates)
}

/// TLS by ring, trusting [`trusted_certificates`]. `plain`: it is not going to be used, and that there are no
/// certificates is no error.
///
/// # Errors
/// [`Error::Usage`]: there are no certificates, with what to install.
pub fn trusted_tls(plain: bool) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    match trusted_certificates() {
        Ok(certificates) => drop(roots.add_parsable_certificates(certificates)),
        Err(_) if plain => {}
        Err(error) => return Err(error),
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Usage(format!("could not set up TLS: {e}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
