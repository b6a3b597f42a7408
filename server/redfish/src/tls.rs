//! Certificates of BMCs: self-signed, so pinned at first use (RFC 5280 chains mean nothing there). Exactly one leaf
//! certificate is accepted; that the peer holds its key is always verified.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// SHA-256 of a leaf certificate (DER). Its text form is 64 hexadecimal digits; colons are accepted too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = crate::RedfishError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.replace(':', ""), &mut bytes).map_err(|_| {
            let got: String = text.chars().take(80).collect();
            crate::RedfishError::Setting(format!("a certificate's SHA-256 is 64 hexadecimal digits, not {got:?}"))
        })?;
        Ok(Self(bytes))
    }
}

/// The one certificate that a client accepts.
#[derive(Debug)]
pub(crate) struct Pin {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    pinned: Option<Fingerprint>,
    other: Option<Fingerprint>,
}

impl Pin {
    /// `None`: the first whose key the peer proves.
    pub(crate) fn new(pinned: Option<Fingerprint>) -> Arc<Self> {
        let seen = Mutex::new(Seen { pinned, other: None });
        Arc::new(Self { provider: Arc::new(ring::default_provider()), seen })
    }

    /// What is pinned by now.
    pub(crate) fn pinned(&self) -> Option<Fingerprint> {
        self.seen().pinned
    }

    /// (pinned, presented), when a handshake since the last question failed for that.
    pub(crate) fn take_change(&self) -> Option<(Fingerprint, Fingerprint)> {
        let mut seen = self.seen();
        let other = seen.other.take()?;
        seen.pinned.map(|pinned| (pinned, other))
    }

    /// TLS 1.2 and 1.3 with ring; no resumption, so that each connection shows its certificate.
    pub(crate) fn config(self: &Arc<Self>) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(self.clone())
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        let presented = Fingerprint::of(leaf);
        let mut seen = self.seen();
        match seen.pinned {
            Some(pinned) if pinned != presented => {
                seen.other = Some(presented);
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(()),
        }
    }

    /// The peer holds the key of this certificate: from now on it is the one.
    fn proven(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        self.check(leaf)?;
        self.seen().pinned.get_or_insert(Fingerprint::of(leaf));
        Ok(())
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(leaf)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = verify_tls12_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)?;
        self.proven(leaf)?;
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = verify_tls13_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)?;
        self.proven(leaf)?;
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fingerprints_come_back() {
        let print = Fingerprint::of(b"der");
        assert_eq!(print.to_string().parse::<Fingerprint>().unwrap(), print);
        let colons: Vec<String> = print.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(colons.join(":").parse::<Fingerprint>().unwrap(), print);
        assert!("abc".parse::<Fingerprint>().unwrap_err().to_string().contains("64 hexadecimal digits"));
    }

    #[test]
    fn an_unproven_certificate_pins_nothing() {
        let pin = Pin::new(None);
        let (first, second) = (CertificateDer::from(vec![1]), CertificateDer::from(vec![2]));
        pin.check(&first).unwrap();
        assert_eq!(pin.pinned(), None);
        pin.proven(&second).unwrap();
        assert_eq!(pin.pinned(), Some(Fingerprint::of(&[2])));
        pin.check(&first).unwrap_err();
        assert_eq!(pin.take_change(), Some((Fingerprint::of(&[2]), Fingerprint::of(&[1]))));
        assert_eq!(pin.take_change(), None);
    }
}
