//! The way to a registry: where a request may go, with which credentials, how long and how often, and how
//! much of the answer is taken. Knows nothing of artifacts.

mod answer;
mod connection;
mod request;
mod token;

pub(crate) use answer::Answer;
pub(crate) use connection::Transport;
pub(crate) use request::Request;

use crate::challenge::Challenge;
use crate::error::Error;
use crate::reference::Repository;
use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use std::time::Duration;

/// Most redirects followed for one request. Registries use one, to where blobs are kept.
const REDIRECTS_MAX: usize = 5;

/// Waits before a request is sent again that met a failure which may pass, in milliseconds. Callers have
/// a back-off of their own; this bridges a restart or a lost packet.
const RETRY_WAITS_MS: [u64; 2] = [200, 800];

/// What a session is for; a token is asked for exactly that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    PullAndPush,
}

/// Requests about one repository, which share their authorization.
pub(crate) struct Session<'a> {
    transport: &'a Transport,
    repository: &'a Repository,
    access: Access,
    authorization: Option<HeaderValue>,
    had_credentials: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(transport: &'a Transport, repository: &'a Repository, access: Access) -> Self {
        Self { transport, repository, access, authorization: None, had_credentials: false }
    }

    pub(crate) fn repository(&self) -> &'a Repository {
        self.repository
    }

    /// The address of something in the repository, such as `manifests/latest`.
    pub(crate) fn url(&self, rest: &str) -> Result<Url, Error> {
        let registry = self.repository.registry();
        let scheme = if self.transport.is_plain(registry) { "http" } else { "https" };
        let text = format!("{scheme}://{registry}/v2/{}/{rest}", self.repository.path());
        Url::parse(&text).map_err(|_| self.wrong("its name makes no address"))
    }

    /// The address that an upload's `Location` names.
    pub(crate) fn upload_url(&self, location: &str) -> Result<Url, Error> {
        let base = self.url("blobs/uploads/")?;
        base.join(location).map_err(|_| self.wrong("an upload's Location is no address"))
    }

    /// An error about how this registry answers.
    pub(crate) fn wrong(&self, problem: &'static str) -> Error {
        Error::Protocol { registry: self.repository.registry().to_owned(), problem }
    }

    /// Sends a request, again if it may be repeated and the failure may pass.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<Answer, Error> {
        let mut waits = RETRY_WAITS_MS.iter().filter(|_| request.method() != Method::PUT);
        loop {
            match self.send_once(request).await {
                Err(error) if error.is_transient() => {
                    let Some(wait_ms) = waits.next() else { return Err(error) };
                    tokio::time::sleep(Duration::from_millis(*wait_ms)).await;
                }
                done => return done,
            }
        }
    }

    async fn send_once(&mut self, request: &Request) -> Result<Answer, Error> {
        let mut url = request.url().clone();
        let mut by = "sends uploads";
        let mut is_authorization_new = false;
        let mut redirects = 0;
        loop {
            let response = self.exchange(request, &url, by).await?;
            let status = response.status();
            if status.is_success() {
                return Answer::read(response, request.cap_bytes()).await;
            }
            if status.is_redirection() {
                if redirects == REDIRECTS_MAX {
                    return Err(self.wrong("it redirects without end"));
                }
                redirects += 1;
                url = self.redirected(request, &url, &response)?;
                by = "redirects";
            } else if status == StatusCode::UNAUTHORIZED && self.is_own(&url) && !is_authorization_new {
                self.authorize(&response, request).await?;
                is_authorization_new = true;
            } else {
                return Err(self.refused(status, &url, request));
            }
        }
    }

    /// One request to one address, if that may be asked. Credentials go to the registry itself alone.
    async fn exchange(&self, request: &Request, url: &Url, by: &'static str) -> Result<Response, Error> {
        self.check_host(url, by)?;
        let mut sent = request.build(self.transport.http(), url.clone());
        if let Some(authorization) = self.authorization.as_ref().filter(|_| self.is_own(url)) {
            sent = sent.header(AUTHORIZATION, authorization.clone());
        }
        self.transport.execute(sent, url).await
    }

    /// Whether an address is the registry's own: scheme, host and port.
    fn is_own(&self, url: &Url) -> bool {
        self.url("").is_ok_and(|own| own.origin() == url.origin())
    }

    fn check_host(&self, url: &Url, by: &'static str) -> Result<(), Error> {
        if self.is_own(url) || self.transport.may_be_sent_to(url) {
            return Ok(());
        }
        let registry = self.repository.registry().to_owned();
        Err(Error::ForeignHost { registry, by, host: connection::authority(url) })
    }

    fn redirected(&self, request: &Request, from: &Url, response: &Response) -> Result<Url, Error> {
        // 303, and 301 and 302 for anything but a look, turn into another method; no registry needs that.
        let is_look = [Method::GET, Method::HEAD].contains(request.method());
        match response.status().as_u16() {
            307 | 308 => {}
            301 | 302 if is_look => {}
            _ => return Err(self.wrong("it redirects in a way that changes the request")),
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| self.wrong("a redirect has no Location"))?;
        from.join(location).map_err(|_| self.wrong("a redirect's Location is no address"))
    }

    /// Answers a challenge: makes the session's authorization, or says that there is none.
    async fn authorize(&mut self, response: &Response, request: &Request) -> Result<(), Error> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let values: Vec<&str> = headers.iter().filter_map(|value| value.to_str().ok()).collect();
        let challenge = Challenge::parse(&values.join(", "))
            .ok_or_else(|| self.wrong("status 401 without a challenge that is known here"))?;
        let registry = self.repository.registry();
        let credentials = self.transport.credentials(registry).await?;
        self.had_credentials = credentials.is_some();
        let (realm, service) = match challenge {
            Challenge::Bearer { realm, service } => (realm, service),
            Challenge::Basic => {
                let credentials = credentials.ok_or_else(|| self.unauthorized(request.what()))?;
                self.authorization = Some(token::basic(&credentials)?);
                return Ok(());
            }
        };
        let asked = token::Asked { service, repository: self.repository, access: self.access };
        let realm = Url::parse(&realm).map_err(|_| self.wrong("its token realm is no address"))?;
        self.check_host(&realm, "sends for a token")?;
        let answer = token::fetch(self.transport, realm, &asked, credentials.as_ref()).await?;
        self.authorization = Some(match answer {
            token::Given::Token(value) => value,
            token::Given::Refused => return Err(self.unauthorized(request.what())),
            token::Given::Nothing(problem) => return Err(self.wrong(problem)),
        });
        Ok(())
    }

    fn refused(&self, status: StatusCode, url: &Url, request: &Request) -> Error {
        let what = request.what().to_owned();
        let registry = self.repository.registry().to_owned();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.is_own(url) => self.unauthorized(&what),
            StatusCode::NOT_FOUND if self.is_own(url) => Error::NotFound { registry, what },
            _ if self.is_own(url) => Error::Status { registry, what, status: status.as_u16() },
            _ => Error::Status { registry: connection::authority(url), what, status: status.as_u16() },
        }
    }

    fn unauthorized(&self, what: &str) -> Error {
        let registry = self.repository.registry().to_owned();
        Error::Unauthorized { registry, what: what.to_owned(), had_credentials: self.had_credentials }
    }
}
