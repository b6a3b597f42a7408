//! The installation's own certificate authority, made at the first start, and the server's certificate, made anew at
//! each start and before it expires. Agents verify one fixed name, never an address: a server cannot know its NATs.
//! Keys are never logged. The commit point of the first start is `ca.pem`: killed before it, the next start begins anew.

use crate::durable::write_file;
use crate::error::{Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 3600;
/// The authority lives 20 years.
const CA_LIFE: Duration = Duration::from_secs(20 * 365 * DAY);
/// A server certificate lives so long from its making.
const CERT_LIFE: Duration = Duration::from_secs(90 * DAY);
/// And is made anew this long before its end.
pub const RENEW_EVERY: Duration = Duration::from_secs(30 * DAY);

/// The authority, and who we are to agents.
pub struct Authority {
    key: KeyPair,
    /// Its certificate, PEM: public.
    pub ca_pem: String,
    /// The fixed DNS name in every server certificate.
    pub server_name: String,
    /// Unix seconds of its making: no clock can be right that is before it.
    pub not_before: u64,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// The file of the authority's certificate.
pub fn ca_file(data_dir: &Path) -> PathBuf {
    data_dir.join("ca.pem")
}

impl Authority {
    /// Load it, or make it at the first start.
    ///
    /// # Errors
    /// Files that cannot be read or written, or that do not belong together: which, and what to do.
    pub fn load_or_create(data_dir: &Path) -> Result<Self> {
        let (pem_file, key_file, name_file) =
            (ca_file(data_dir), data_dir.join("ca.key"), data_dir.join("server-name"));
        if !pem_file.exists() {
            create(&pem_file, &key_file, &name_file)?;
        }
        let server_name = read(&name_file)?.trim().to_owned();
        server_name.parse::<crate::domain::ids::Hostname>().map_err(|e| broken(&name_file, &e.to_string()))?;
        let key = KeyPair::from_pem(&read(&key_file)?).map_err(|e| broken(&key_file, &e.to_string()))?;
        let ca_pem = read(&pem_file)?;
        let made = pem_file.metadata().and_then(|m| m.modified()).map_err(|e| broken(&pem_file, &e.to_string()))?;
        let not_before = unix(made.min(SystemTime::now()));
        Ok(Self { key, ca_pem, server_name, not_before })
    }

    /// A server certificate for the fixed name and these further names and addresses, with its key.
    fn issue(&self, names: &[SanType]) -> Result<CertifiedKey> {
        let mut params = CertificateParams::default();
        // Not before the authority: a node's clock may be anywhere between.
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(self.not_before);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(unix(SystemTime::now() + CERT_LIFE));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.server_name.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = vec![dns(&self.server_name)?];
        for name in names {
            if !params.subject_alt_names.contains(name) {
                params.subject_alt_names.push(name.clone());
            }
        }
        let key = KeyPair::generate().map_err(Error::internal)?;
        let ca = ca_params(&self.server_name, self.not_before);
        let cert = params.signed_by(&key, &Issuer::from_params(&ca, &self.key)).map_err(Error::internal)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key).map_err(Error::internal)?;
        Ok(CertifiedKey::new(vec![CertificateDer::from(cert.der().to_vec())], key))
    }
}

fn create(pem_file: &Path, key_file: &Path, name_file: &Path) -> Result<()> {
    let id = crate::service::new_secret()?;
    let server_name = format!("{}.higuma.internal", &id.hash().as_str()[..8]);
    let key = KeyPair::generate().map_err(Error::internal)?;
    let params = ca_params(&server_name, unix(SystemTime::now()));
    let pem = params.self_signed(&key).map_err(Error::internal)?.pem();
    let write = |path: &Path, text: &str, mode| {
        write_file(path, text.as_bytes(), mode).map_err(|e| broken(path, &e.to_string()))
    };
    write(name_file, &format!("{server_name}\n"), 0o644)?;
    write(key_file, &key.serialize_pem(), 0o600)?;
    write(pem_file, &pem, 0o644)
}

/// The same name and key give the same issuer at every start; the validity counts in the authority's own file only.
fn ca_params(server_name: &str, not_before: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(not_before);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(not_before + CA_LIFE.as_secs());
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Higuma authority of {server_name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn dns(name: &str) -> Result<SanType> {
    Ok(SanType::DnsName(name.try_into().map_err(Error::internal)?))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| broken(path, &e.to_string()))
}

fn broken(path: &Path, why: &str) -> Error {
    Error::internal(format!(
        "{}: {why}; ca.pem, ca.key and server-name belong together: restore them from a backup, or remove all three \
         for a new authority (then every client needs the new ca.pem)",
        path.display()
    ))
}

/// Names and addresses of this machine, for people and programs that do not know the fixed name: host name, localhost,
/// all addresses of all interfaces, and what the operator advertises (`HOST` or `HOST:PORT`).
pub fn local_names(advertised: &[String]) -> Vec<SanType> {
    let mut names = Vec::new();
    let hostname = nix::unistd::gethostname().ok().and_then(|n| n.into_string().ok());
    let authorities = advertised.iter().map(|a| host_of(a).to_owned());
    for host in ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]
        .into_iter()
        .chain(hostname)
        .chain(authorities)
    {
        match host.parse::<IpAddr>() {
            Ok(address) => names.push(SanType::IpAddress(address)),
            Err(_) => names.extend(dns(&host).ok()),
        }
    }
    for interface in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        let v6 = address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip()));
        names.extend(v4.or(v6).map(SanType::IpAddress));
    }
    names
}

/// `HOST` of `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
pub fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// The certificate in use; replaced while the server runs.
#[derive(Debug)]
pub struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    /// A first certificate.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(authority: &Authority, names: &[SanType]) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(RwLock::new(Arc::new(authority.issue(names)?)))))
    }

    /// Another one from now on.
    ///
    /// # Errors
    /// When it cannot be made; then the old one stays.
    pub fn renew(&self, authority: &Authority, names: &[SanType]) -> Result<()> {
        let fresh = Arc::new(authority.issue(names)?);
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
    }
}

/// TLS for a listener that speaks these protocols (ALPN).
///
/// # Errors
/// Never with the built-in provider.
pub fn server_config(current: Arc<Current>, alpn: &[&str]) -> Result<rustls::ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.map_err(Error::internal)?.with_no_client_auth().with_cert_resolver(current);
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests;
