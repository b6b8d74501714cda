//! Sends the requests of a pod's guests: each against the rules, then with its credential, over connections
//! that belong to one rule. Redirects are answers like others: whoever follows one asks anew.

use super::body::{Arriving, Leaving, Place, Shared};
use super::connect::{Connector, Failure};
use super::credential::{self, Secret};
use super::name::Host;
use super::resolve;
use super::rule::{HEADERS_BYTES_MAX, HEADERS_MAX, Refused, Rule, Rules, Target, headers_fit};
use super::trust::Trust;
use crate::Task;
use crate::denial::{Denial, Denials};
use crate::files::Files;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use morph_grant::interfaces::Capability;
use morph_grant::{Credential, HttpGrant, HttpLimits, HttpScheme};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// How long a connection is kept that nobody uses, in seconds. Many servers close theirs after 60.
const IDLE_SECONDS: u64 = 30;

/// Connections to one host that are kept though nobody uses them.
const IDLE_PER_HOST_MAX: usize = 8;

/// How long the rest of a refused request's body is read, in seconds.
const DRAIN_SECONDS_MAX: u64 = 5;

/// Refused requests of a pod whose bodies are read at once; others are cut off.
const DRAINS_MAX: usize = 64;

/// Headers between two neighbours (RFC 9110, 7.6.1), which the host's connections have for themselves.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

type Client = legacy::Client<Connector, Leaving>;

/// What a pod's guests send through.
pub(crate) struct Egress {
    rules: Rules,
    /// One for each rule, so that a connection that carried a credential carries no other request.
    clients: Vec<Client>,
    files: Files,
    limits: HttpLimits,
    places: Arc<Semaphore>,
    drains: Arc<Semaphore>,
    tasks: Tasks,
    denials: Denials,
    _end: DropGuard,
}

/// Tells of what is refused in one request.
#[derive(Clone)]
pub(crate) struct Note {
    denials: Denials,
    about: Arc<str>,
}

impl Note {
    fn of(denials: &Denials, parts: &Parts) -> Self {
        let (uri, method) = (&parts.uri, &parts.method);
        // Neither passwords nor queries: both may be secrets.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let about = format!("{method} {}://{authority}{}", uri.scheme_str().unwrap_or(""), uri.path());
        Self { denials: denials.clone(), about: about.into() }
    }

    fn tell(&self, rule: &'static str, why: &str) {
        self.denials.note(&Denial::new(Capability::Http, rule, &format!("{}: {why}", self.about)));
    }

    /// A limit of the grant.
    pub(crate) fn limit(&self, rule: &'static str, why: &str) {
        self.tell(rule, why);
    }
}

impl Egress {
    /// For the guests of a task with this grant, which ask this resolver.
    pub(crate) fn new(
        grant: &HttpGrant,
        task: &Task,
        resolver: &resolve::Resolver,
        denials: Denials,
    ) -> Self {
        let files = Files::new(task.files.as_deref());
        let trust = Arc::new(Trust::new(files.clone(), grant.ca_bundle.clone()));
        let rules = Rules::new(grant);
        let end = CancellationToken::new();
        let tasks = Tasks { tracker: TaskTracker::new(), end: end.clone() };
        let client = |rule: &Rule| {
            let node = task.node_addresses.clone();
            let connector = Connector::new(resolver.clone(), rule.networks.clone(), node, trust.clone());
            client(tasks.clone(), connector)
        };
        Self {
            clients: rules.all().iter().map(client).collect(),
            rules,
            files,
            limits: grant.limits.clone(),
            places: Arc::new(Semaphore::new(grant.limits.concurrency as usize)),
            drains: Arc::new(Semaphore::new(DRAINS_MAX)),
            tasks,
            denials,
            _end: end.drop_guard(),
        }
    }

    /// Sends one request; the answer's body comes as the guest reads it.
    pub(crate) async fn send(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        let (parts, body) = request.into_parts();
        let note = Note::of(&self.denials, &parts);
        let body = Shared::new(body);
        let answered = self.answer(parts, &body, options.unwrap_or_default(), &note).await;
        if answered.is_err() {
            self.drain(body.clone());
        }
        if answered.is_err() && body.is_over() {
            note.limit("request-bytes", "the request's body is longer than limits.requestBytesMax");
            return Err(Error::HttpRequestBodySize(Some(self.limits.request_bytes)));
        }
        answered
    }

    async fn answer(
        &self,
        mut parts: Parts,
        body: &Shared,
        options: RequestOptions,
        note: &Note,
    ) -> Result<Response<WasiBody>, Error> {
        if !headers_fit(&parts.headers) {
            return Err(Error::HttpRequestHeaderSectionSize(None));
        }
        let allowed = self.rules.allow(&parts.method, &parts.uri, &parts.headers);
        let (at, target) = allowed.map_err(|refused| refuse(note, refused))?;
        let (Some(rule), Some(client)) = (self.rules.all().get(at), self.clients.get(at)) else {
            return Err(Error::HttpRequestDenied);
        };
        self.check_length(&parts.headers, body, note)?;
        let timeouts = Timeouts::new(&self.limits, options);
        let deadline = Instant::now() + timeouts.head;
        let place = self.place(deadline, note).await?;
        prepare(&mut parts, &target)?;
        let (secret, reserved) = match &rule.credential {
            Some(credential) => self.credential(credential, &target, &mut parts.headers, note)?,
            None => (None, None),
        };
        let is_head = parts.method == Method::HEAD;
        let leaving = Leaving::new(body.clone(), self.limits.request_bytes, reserved, Some(place.clone()));
        let sent = client.request(Request::from_parts(parts, leaving));
        let response = match timeout_at(deadline, sent).await {
            Ok(sent) => sent.map_err(|error| failed(&error, note))?,
            Err(_) => {
                note.limit("timeout", "no answer within limits.timeoutMillis");
                return Err(Error::HttpResponseTimeout);
            }
        };
        self.arriving(response, is_head, timeouts.between, (secret, place), note)
    }

    /// A place among the requests under way.
    async fn place(&self, deadline: Instant, note: &Note) -> Result<Place, Error> {
        match timeout_at(deadline, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(Arc::new(place)),
            Ok(Err(_)) | Err(_) => {
                note.limit("concurrency", "limits.maxConcurrency requests are under way");
                Err(Error::ConnectionLimitReached)
            }
        }
    }

    /// What is declared fits the limit and the body. One that stays empty isn't waited for: HTTP/1 would send
    /// its head as it is, and the server take the connection's next request for the body.
    fn check_length(&self, headers: &HeaderMap, body: &Shared, note: &Note) -> Result<(), Error> {
        match length(headers) {
            None if headers.contains_key(header::CONTENT_LENGTH) => {
                note.tell("content-length", "a length that can't be read");
                Err(Error::HttpRequestBodySize(None))
            }
            Some(length) if length > 0 && body.is_empty() => {
                note.tell("content-length", "an empty body that is declared longer");
                Err(Error::HttpRequestBodySize(Some(0)))
            }
            Some(length) if length > self.limits.request_bytes => {
                note.limit("request-bytes", "the request's body is longer than limits.requestBytesMax");
                Err(Error::HttpRequestBodySize(Some(self.limits.request_bytes)))
            }
            _ => Ok(()),
        }
    }

    /// Puts the credential in: over TLS, or in plain to a Service of the cluster whose rule says so.
    fn credential(
        &self,
        credential: &Credential,
        target: &Target,
        headers: &mut HeaderMap,
        note: &Note,
    ) -> Result<(Option<Secret>, Option<HeaderName>), Error> {
        let in_cluster = matches!(&target.host, Host::Name(name) if name.ends_with(".svc"));
        if target.scheme == HttpScheme::Http && !(credential.plain_http && in_cluster) {
            note.tell("credential", "a credential isn't sent without TLS");
            return Err(Error::HttpRequestDenied);
        }
        let put = credential::read(&self.files, credential).and_then(|secret| {
            credential::inject(headers, credential, &secret)?;
            Ok(secret)
        });
        match put {
            Ok(secret) => Ok((Some(secret), HeaderName::from_bytes(credential.header.as_bytes()).ok())),
            Err(error) => {
                note.tell("credential", &error.to_string());
                Err(Error::ConfigurationError)
            }
        }
    }

    fn arriving(
        &self,
        response: Response<Incoming>,
        is_head: bool,
        between: Duration,
        (secret, place): (Option<Secret>, Place),
        note: &Note,
    ) -> Result<Response<WasiBody>, Error> {
        let (mut parts, body) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::HttpProtocolError);
        }
        if !headers_fit(&parts.headers) {
            return Err(Error::HttpResponseHeaderSectionSize(None));
        }
        let limit = self.limits.response_bytes;
        if let Some(length) = length(&parts.headers).filter(|length| *length > limit && !is_head) {
            note.limit("response-bytes", "the answer's body is longer than limits.responseBytesMax");
            return Err(Error::HttpResponseBodySize(Some(length)));
        }
        if let Some(secret) = &secret {
            secret.scrub(&mut parts.headers);
        }
        parts.extensions.clear();
        let (note, place) = (note.clone(), Some(place));
        let body = Arriving { body, left: limit, between, waiting: None, secret, note, place };
        Ok(Response::from_parts(parts, body.boxed_unsync()))
    }

    /// Reads on what the guest of a failed request writes, for a while: it would see a broken stream before
    /// it saw the error.
    fn drain(&self, body: Shared) {
        let Ok(place) = self.drains.clone().try_acquire_owned() else { return };
        let bytes_max = self.limits.request_bytes;
        self.tasks.spawn(async move {
            let drained = timeout(Duration::from_secs(DRAIN_SECONDS_MAX), body.drain(bytes_max)).await;
            tracing::trace!(in_time = drained.is_ok(), "the body of a failed request is read");
            drop(place);
        });
    }
}

fn client(tasks: Tasks, connector: Connector) -> Client {
    let mut builder = legacy::Client::builder(tasks);
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS))
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .http1_max_headers(HEADERS_MAX)
        .http1_max_buf_size(HEADERS_BYTES_MAX + (8 << 10))
        .http2_max_header_list_size(HEADERS_BYTES_MAX as u32);
    builder.build(connector)
}

fn refuse(note: &Note, refused: Refused) -> Error {
    note.tell(refused.word(), &refused.to_string());
    Error::HttpRequestDenied
}

/// The request in the one spelling, without what only its neighbour is told.
fn prepare(parts: &mut Parts, target: &Target) -> Result<(), Error> {
    parts.uri = target.uri().ok_or(Error::HttpRequestUriInvalid)?;
    parts.version = Version::HTTP_11; // what the connection makes of it is its own matter
    parts.headers.remove(header::HOST); // the connection writes it, from the URI
    for name in HOP_BY_HOP {
        parts.headers.remove(name);
    }
    parts.extensions.clear();
    Ok(())
}

/// What the headers say of the body's length, once.
fn length(headers: &HeaderMap) -> Option<u64> {
    let mut said = headers.get_all(header::CONTENT_LENGTH).iter();
    let (Some(length), None) = (said.next(), said.next()) else { return None };
    length.to_str().ok()?.parse().ok()
}

/// How long what may take: the grant's bound, or less if the guest wants less.
struct Timeouts {
    head: Duration,
    between: Duration,
}

impl Timeouts {
    fn new(limits: &HttpLimits, options: RequestOptions) -> Self {
        let limit = Duration::from_millis(limits.timeout_millis.into());
        let or_less = |wanted: Option<Duration>| wanted.map_or(limit, |wanted| wanted.min(limit));
        Self { head: or_less(options.first_byte_timeout), between: or_less(options.between_bytes_timeout) }
    }
}

/// What the guest is told of a request that failed under way: the interface's own words and no more.
fn failed(error: &legacy::Error, note: &Note) -> Error {
    tracing::debug!(%error, "a request of the guest failed");
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut is_too_large = false;
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return not_connected(failure, note);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            is_too_large |= error.is_parse_too_large();
        }
        cause = error.source();
    }
    match is_too_large {
        true => Error::HttpResponseHeaderSectionSize(None),
        false => Error::HttpProtocolError,
    }
}

fn not_connected(failure: &Failure, note: &Note) -> Error {
    match failure {
        Failure::Dns(resolve::Error::Timeout) => Error::DnsTimeout,
        Failure::Dns(_) => Error::DnsError { rcode: None, info_code: None },
        Failure::Prohibited { .. } => {
            note.tell("address", &failure.to_string());
            Error::DestinationIpProhibited
        }
        Failure::Connect(error) if error.kind() == ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        Failure::Connect(_) | Failure::NoHost => Error::DestinationUnavailable,
        Failure::Timeout => Error::ConnectionTimeout,
        Failure::Trust(error) => {
            note.tell("ca-bundle", &error.to_string());
            Error::ConfigurationError
        }
        Failure::Tls(error) => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
                _ => Error::TlsProtocolError,
            }
        }
    }
}

/// Owns what connections do beside the requests; ends it with the egress.
#[derive(Clone)]
struct Tasks {
    tracker: TaskTracker,
    end: CancellationToken,
}

impl Tasks {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        self.tracker.spawn(async move { end.run_until_cancelled_owned(future).await });
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
