//! Whom TLS trusts: the system's certificates, read once while there is a system to read them from, and a
//! grant's own bundle, looked at for each new connection.

use super::credential::{self, CERTIFICATES_BYTES_MAX};
use crate::files::Files;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();

/// Reads the system's certificates, once in a process; answers how many there are. For a process that is
/// about to leave the system's files behind; without it they are read when they are first needed.
pub fn load_system_roots() -> usize {
    system().len()
}

fn system() -> &'static RootCertStore {
    SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate of the system can't be read");
        }
        let mut roots = RootCertStore::empty();
        let (_, unusable) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(usable = roots.len(), unusable, "certificates of the system");
        roots
    })
}

/// Why nobody is trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the CA bundle: {0}")]
    File(#[from] super::credential::Error),
    #[error("the CA bundle is longer than {CERTIFICATES_BYTES_MAX} bytes, or has a certificate that is none")]
    Unusable,
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Whom the requests of a grant trust.
pub(crate) struct Trust {
    files: Files,
    bundle: Option<String>,
    last: Mutex<Option<Last>>,
}

/// The configuration that was made of this bundle.
struct Last {
    bundle: Vec<u8>,
    config: Arc<ClientConfig>,
}

impl Trust {
    pub(crate) fn new(files: Files, bundle: Option<String>) -> Self {
        Self { files, bundle, last: Mutex::new(None) }
    }

    /// The configuration for a connection that is made now.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let bundle = match &self.bundle {
            Some(name) => {
                let read = self.files.read(name, CERTIFICATES_BYTES_MAX);
                read.map_err(|why| credential::Error::unread(name, why))?.to_vec()
            }
            None => Vec::new(),
        };
        if bundle.len() > CERTIFICATES_BYTES_MAX {
            return Err(Error::Unusable);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(known) if known.bundle == bundle => Ok(known.config.clone()),
            _ => {
                let config = Arc::new(self.configure(&bundle)?);
                *last = Some(Last { bundle, config: config.clone() });
                Ok(config)
            }
        }
    }

    fn configure(&self, bundle: &[u8]) -> Result<ClientConfig, Error> {
        let mut roots = system().clone();
        let own: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
        let own = own.map_err(|_| Error::Unusable)?;
        if self.bundle.is_some() && own.is_empty() {
            return Err(Error::Unusable);
        }
        for certificate in own {
            roots.add(certificate).map_err(|_| Error::Unusable)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
