//! A request as it is meant, before anybody knows to which address it goes in the end.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Url};
use std::time::Duration;

/// Longest time for a request and its answer where both are small, in seconds.
const TIMEOUT_S: u64 = 30;

/// Longest time where a blob goes one way, in seconds: the largest component (80 MiB) at some 300 kB/s.
const SLOW_TIMEOUT_S: u64 = 300;

/// One request; repeatable, since its body is in memory.
pub(crate) struct Request {
    method: Method,
    url: Url,
    what: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    cap_bytes: u64,
    timeout: Duration,
}

impl Request {
    /// A request; `what` is asked for, in words for messages.
    pub(crate) fn new(method: Method, url: Url, what: String) -> Self {
        let timeout = Duration::from_secs(TIMEOUT_S);
        Self { method, url, what, headers: HeaderMap::new(), body: None, cap_bytes: 0, timeout }
    }

    pub(crate) fn get(url: Url, what: String) -> Self {
        Self::new(Method::GET, url, what)
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn body(mut self, bytes: Bytes) -> Self {
        self.body = Some(bytes);
        self
    }

    /// Most bytes taken of the answer; none unless this is called.
    pub(crate) fn cap(mut self, bytes: u64) -> Self {
        self.cap_bytes = bytes;
        self
    }

    /// Gives the request the time that a blob takes.
    pub(crate) fn slow(mut self) -> Self {
        self.timeout = Duration::from_secs(SLOW_TIMEOUT_S);
        self
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn cap_bytes(&self) -> u64 {
        self.cap_bytes
    }

    /// This request to `url`, without credentials.
    pub(crate) fn build(&self, client: &Client, url: Url) -> RequestBuilder {
        let built =
            client.request(self.method.clone(), url).headers(self.headers.clone()).timeout(self.timeout);
        match &self.body {
            Some(body) => built.body(body.clone()),
            None => built,
        }
    }
}

#[cfg(test)]
mod tests;
