//! The credential of a rule: read anew for each request, put in after the check, taken out of what comes
//! back. No value is in a `Debug`, a log line, an error or anything that a guest gets.

use crate::files::{Files, Unread};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use morph_grant::Credential;
use std::io;
use zeroize::Zeroizing;

/// Bytes of one credential. Tokens with many claims take 4 KiB.
pub(crate) const CREDENTIAL_BYTES_MAX: usize = 16 << 10;

/// Bytes of a file with certificates; a whole system's are some 220 KiB.
pub(crate) const CERTIFICATES_BYTES_MAX: usize = 1 << 20;

/// Shorter values are no secrets, and taken for one they would remove half of the headers.
const SECRET_BYTES_MIN: usize = 8;

/// Why there is no credential. Never with any of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the task has no files")]
    NoFiles,
    #[error("file {0} can't be read: {1}")]
    Read(String, io::ErrorKind),
    #[error("file {0} is empty, or longer than {CREDENTIAL_BYTES_MAX} bytes")]
    Size(String),
    #[error("file {0} has what no header can carry")]
    NotAHeader(String),
    #[error("header {0} can't carry a credential")]
    Header(String),
}

impl Error {
    /// Why the file with this name has nothing to give.
    pub(crate) fn unread(name: &str, why: Unread) -> Self {
        match why {
            Unread::NoFiles => Self::NoFiles,
            Unread::NoName => Self::Read(name.to_owned(), io::ErrorKind::InvalidInput),
            Unread::Kind(kind) => Self::Read(name.to_owned(), kind),
        }
    }
}

/// A value for one request.
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

/// Reads the value of a credential: the file without the newline at its end.
pub(crate) fn read(files: &Files, credential: &Credential) -> Result<Secret, Error> {
    let bytes = files.read(&credential.file, CREDENTIAL_BYTES_MAX);
    let mut bytes = bytes.map_err(|why| Error::unread(&credential.file, why))?;
    if bytes.len() > CREDENTIAL_BYTES_MAX {
        return Err(Error::Size(credential.file.clone()));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    match bytes.is_empty() {
        true => Err(Error::Size(credential.file.clone())),
        false => Ok(Secret(bytes)),
    }
}

/// Puts it into the request in place of whatever the guest set under that name.
pub(crate) fn inject(headers: &mut HeaderMap, credential: &Credential, secret: &Secret) -> Result<(), Error> {
    let unusable = || Error::Header(credential.header.clone());
    let name = HeaderName::from_bytes(credential.header.as_bytes()).map_err(|_| unusable())?;
    if FRAMING.contains(&name.as_str()) {
        return Err(unusable());
    }
    let value = Zeroizing::new([credential.prefix.as_bytes(), &secret.0].concat());
    let mut value =
        HeaderValue::from_bytes(&value).map_err(|_| Error::NotAHeader(credential.file.clone()))?;
    value.set_sensitive(true);
    remove(headers, &name);
    headers.insert(name, value);
    Ok(())
}

/// Headers by which a connection finds the ends of messages, or the server itself.
const FRAMING: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"];

/// Removes every header that a server may take for this one: gateways read `X_Api_Key` as `X-Api-Key`.
pub(crate) fn remove(headers: &mut HeaderMap, name: &HeaderName) {
    let plain = |name: &str| name.replace('_', "-");
    let wanted = plain(name.as_str());
    let same: Vec<HeaderName> =
        headers.keys().filter(|name| plain(name.as_str()) == wanted).cloned().collect();
    for name in same {
        headers.remove(name);
    }
}

impl Secret {
    /// Removes each field of an answer that has a copy of the value.
    pub(crate) fn scrub(&self, headers: &mut HeaderMap) {
        let copied: Vec<HeaderName> =
            headers.iter().filter(|(_, value)| self.is_in(value)).map(|(name, _)| name.clone()).collect();
        for name in copied {
            headers.remove(name);
        }
    }

    fn is_in(&self, value: &HeaderValue) -> bool {
        let value = value.as_bytes();
        match self.0.len() < SECRET_BYTES_MIN {
            true => value == self.0.as_slice(),
            false => value.windows(self.0.len()).any(|window| window == self.0.as_slice()),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests;
