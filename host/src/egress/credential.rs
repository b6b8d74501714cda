//! The credential of a rule: read anew for each request, put in after the check, taken out of what comes
//! back. No value is in a `Debug`, a log line, an error or anything that a guest gets.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use morph_grant::Credential;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
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

/// The directory of files that no guest sees.
#[derive(Debug, Clone)]
pub(crate) struct Files(Option<PathBuf>);

impl Files {
    pub(crate) fn new(directory: Option<&Path>) -> Self {
        Self(directory.map(Path::to_owned))
    }

    /// What the file has now. The kubelet changes files by turning a link round, which each opening follows.
    pub(crate) fn read(&self, name: &str, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
        let directory = self.0.as_ref().ok_or(Error::NoFiles)?;
        let failed = |error: io::Error| Error::Read(name.to_owned(), error.kind());
        // What a grant calls a file is a name, never a way to one.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        let file = std::fs::File::open(directory.join(name)).map_err(failed)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max.min(4 << 10)));
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

/// A value for one request.
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

/// Reads the value of a credential: the file without the newline at its end.
pub(crate) fn read(files: &Files, credential: &Credential) -> Result<Secret, Error> {
    let mut bytes = files.read(&credential.file, CREDENTIAL_BYTES_MAX)?;
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
