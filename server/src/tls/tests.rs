#![allow(clippy::unwrap_used)]
//! A client with only ca.pem and the fixed name; the first start killed at each instant.

use super::*;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use std::os::unix::fs::PermissionsExt;

/// A handshake in memory: what a client that trusts `ca_pem` and expects `name` says.
fn handshake(ca_pem: &str, name: &str, server: rustls::ServerConfig) -> std::result::Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client =
        rustls::ClientConnection::new(Arc::new(client), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut server = rustls::ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        let _ = server.process_new_packets();
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn a_client_with_the_authority_and_the_fixed_name_connects_after_restarts_and_renewal() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::load_or_create(dir.path()).unwrap();
    assert_eq!(dir.path().join("ca.key").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let again = Authority::load_or_create(dir.path()).unwrap();
    assert_eq!((&first.ca_pem, &first.server_name), (&again.ca_pem, &again.server_name));
    let names = local_names(&["boot.example.org:8080".to_owned(), "[fd00::1]:8444".to_owned()]);
    let current = Current::new(&again, &names).unwrap();
    let config = || server_config(current.clone(), &["h2"]).unwrap();
    for name in [again.server_name.as_str(), "localhost", "127.0.0.1", "::1", "boot.example.org", "fd00::1"] {
        handshake(&first.ca_pem, name, config()).unwrap();
    }
    assert!(handshake(&first.ca_pem, "other.higuma.internal", config()).is_err());
    current.renew(&again, &names).unwrap();
    handshake(&first.ca_pem, &first.server_name, config()).unwrap();

    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Authority::load_or_create(elsewhere.path()).unwrap();
    assert!(handshake(&stranger.ca_pem, &again.server_name, config()).is_err());
}

#[test]
fn a_first_start_killed_at_any_instant_starts_again() {
    for present in [&[][..], &["server-name"], &["server-name", "ca.key"]] {
        let dir = tempfile::tempdir().unwrap();
        let whole = tempfile::tempdir().unwrap();
        Authority::load_or_create(whole.path()).unwrap();
        for file in present {
            std::fs::copy(whole.path().join(file), dir.path().join(file)).unwrap();
        }
        let authority = Authority::load_or_create(dir.path()).unwrap();
        let current = Current::new(&authority, &[]).unwrap();
        handshake(&authority.ca_pem, &authority.server_name, server_config(current, &[]).unwrap()).unwrap();
    }
}

#[test]
fn a_lost_key_is_explained_and_nothing_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let before = Authority::load_or_create(dir.path()).unwrap();
    std::fs::remove_file(dir.path().join("ca.key")).unwrap();
    let error = Authority::load_or_create(dir.path()).unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("ca.key") && why.contains("backup"), "{why}");
    assert_eq!(std::fs::read_to_string(ca_file(dir.path())).unwrap(), before.ca_pem);
}
