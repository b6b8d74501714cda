//! An answer with no more of its body than was asked for; the rest is never held in memory.

use super::connection::{authority, unreachable};
use crate::error::Error;
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{HeaderMap, HeaderName};

/// Headers, and the body as far as the cap allows.
pub(crate) struct Answer {
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Answer {
    /// Reads at most `cap_bytes` of the body, and not a byte if it announces more than that.
    pub(crate) async fn read(mut response: Response, cap_bytes: u64) -> Result<Self, Error> {
        let headers = std::mem::take(response.headers_mut());
        if response.content_length().is_some_and(|length| length > cap_bytes) {
            return Ok(Self { headers, body: None });
        }
        let host = authority(response.url());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&host, error))? {
            if (body.len() + chunk.len()) as u64 > cap_bytes {
                return Ok(Self { headers, body: None });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { headers, body: Some(body.freeze()) })
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, unless it was larger than its cap.
    pub(crate) fn whole_body(self) -> Option<Bytes> {
        self.body
    }
}
