//! Certificates pinned at first use.

use crate::fake::{Fake, SESSIONS};
use higuma_redfish::{Client, Fingerprint, PowerState, RedfishError, Target};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// A certificate as BMCs have them: self-signed, for another name than the one that is asked for.
pub struct Certificate {
    pub pem: String,
    pub key_pem: String,
    pub der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

pub fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["bmc.invalid".into()]).unwrap();
    Certificate {
        pem: made.cert.pem(),
        key_pem: made.signing_key.serialize_pem(),
        der: made.cert.der().clone(),
        key: PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
    }
}

impl Certificate {
    fn print(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.with_key_of(self)
    }

    /// Shows this certificate and signs with the key of another.
    fn with_key_of(&self, other: &Self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(other.key.clone_key()).unwrap();
        let certified = CertifiedKey::new(vec![self.der.clone()], key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn the_first_certificate_is_told_and_then_the_only_one() {
    let (one, other) = (certificate(), certificate());
    let fake = Fake::serve(Some(one.acceptor())).await;
    let client = fake.client().await;
    assert_eq!(client.fingerprint(), Some(one.print()));
    assert_eq!(client.power().await.unwrap(), PowerState::Off);

    // In the same client, and in the next one that is given what was stored.
    fake.present(other.acceptor());
    let before = fake.seen_all();
    let pinned = Target { fingerprint: client.fingerprint(), ..fake.target() };
    for error in [client.power().await.unwrap_err(), Client::connect(&pinned).await.unwrap_err()] {
        match &error {
            RedfishError::CertificateChanged { pinned, presented, .. } => {
                assert_eq!((*pinned, *presented), (one.print(), other.print()));
            }
            other => panic!("{other}"),
        }
        let text = error.to_string();
        assert!(text.contains(&one.print().to_string()) && text.contains(&other.print().to_string()), "{text}");
    }
    assert_eq!(fake.seen_all(), before, "nothing may be sent to another certificate");

    fake.present(one.acceptor());
    assert_eq!(client.power().await.unwrap(), PowerState::Off);
    Client::connect(&pinned).await.unwrap();
}

#[tokio::test]
async fn a_certificate_without_its_key_is_nobody() {
    let (one, thief) = (certificate(), certificate());
    let fake = Fake::serve(Some(one.with_key_of(&thief))).await;
    let pinned = Target { fingerprint: Some(one.print()), ..fake.target() };
    for target in [pinned, fake.target()] {
        let error = Client::connect(&target).await.unwrap_err();
        assert!(matches!(&error, RedfishError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    assert_eq!(fake.seen_all(), 0);
}

#[tokio::test]
async fn plain_http_only_when_allowed() {
    let fake = Fake::start().await;
    let error = Client::connect(&Target { allow_http: false, ..fake.target() }).await.unwrap_err();
    assert!(matches!(&error, RedfishError::Setting(why) if why.contains("http is not allowed")), "{error}");
    let odd =
        ["ftp://bmc", "bmc", "https://user:pass@bmc", "https://bmc/redfish", "https://bmc?x", "https://bmc#x", ""];
    for url in odd {
        let error = Client::connect(&Target { url: url.into(), ..fake.target() }).await.unwrap_err();
        assert!(matches!(&error, RedfishError::Setting(_)), "{url}: {error}");
        assert!(!error.to_string().contains("pass@"), "{error}");
    }
    assert_eq!(fake.seen_all(), 0);
    assert_eq!(fake.client().await.fingerprint(), None);
    assert_eq!(fake.seen(&format!("POST {SESSIONS}")).len(), 1);
}

#[tokio::test]
async fn tls_to_a_service_without_tls_is_unreachable() {
    let fake = Fake::start().await;
    let url = fake.url.replace("http://", "https://");
    let error = Client::connect(&Target { url, ..fake.target() }).await.unwrap_err();
    assert!(matches!(error, RedfishError::Unreachable { .. }), "{error}");
}
