//! The certificate that the operator shows to the nodes' agents: self-made at install, trusted by them alone.
//! Tokens travel over it, so they are shown to nobody on the way.

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The certificate among the files of the keys' Secret.
pub const CERTIFICATE_FILE: &str = "denials.crt";

/// Its private key.
pub const KEY_FILE: &str = "denials.key";

/// A self-signed certificate for this name and its key, both in PEM.
///
/// # Errors
/// The system gives no random bytes.
pub fn make(name: &str) -> anyhow::Result<(String, String)> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).context("make a certificate")?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

/// What serves with this certificate and key.
///
/// # Errors
/// They aren't PEM, or don't fit each other.
pub fn acceptor(certificate: &[u8], key: &[u8]) -> anyhow::Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_slice(certificate).context("read the certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key).context("read the certificate's key")?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .context("use the certificate with its key")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What trusts this certificate and no other.
///
/// # Errors
/// It isn't PEM, or no certificate.
pub fn connector(certificate: &[u8]) -> anyhow::Result<TlsConnector> {
    let certificate = CertificateDer::from_pem_slice(certificate).context("read the certificate")?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).context("trust the certificate")?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustls::pki_types::ServerName;

    async fn connect(trusted: &str, shown: (&str, &str), name: &'static str) -> bool {
        let (near, far) = tokio::io::duplex(16 << 10);
        let server = acceptor(shown.0.as_bytes(), shown.1.as_bytes()).unwrap();
        let client = connector(trusted.as_bytes()).unwrap();
        let name = ServerName::try_from(name).unwrap();
        let (client, server) = tokio::join!(client.connect(name, near), server.accept(far));
        client.is_ok() && server.is_ok()
    }

    #[tokio::test]
    async fn an_agent_trusts_its_operators_certificate_and_no_other() {
        let name = "morph-operator.morph-system.svc";
        let (ours, key) = make(name).unwrap();
        let (other, other_key) = make(name).unwrap();
        assert!(connect(&ours, (&ours, &key), name).await);
        assert!(!connect(&ours, (&other, &other_key), name).await);
        assert!(!connect(&ours, (&ours, &key), "morph-operator.elsewhere.svc").await);
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused() {
        let ((certificate, _), (_, key)) = (make("a.svc").unwrap(), make("a.svc").unwrap());
        assert!(acceptor(certificate.as_bytes(), key.as_bytes()).is_err());
        assert!(acceptor(b"", key.as_bytes()).is_err() && acceptor(certificate.as_bytes(), b"").is_err());
        assert!(connector(b"no certificate").is_err());
    }
}
