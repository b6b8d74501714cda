//! Whether a request is granted: its method, scheme, authority, path and headers against the rules, before
//! anything is looked up. What is then sent is what was matched, in the same spelling. Pure.

use super::name::{self, Host, Pattern};
use super::{address, path};
use http::header::{self, HeaderMap};
use http::uri::PathAndQuery;
use http::{Method, Uri};
use ipnet::IpNet;
use morph_grant::{Credential, HttpGrant, HttpScheme};
use std::cmp::Reverse;

/// Header fields of one request or answer. Browsers send some 30.
pub(crate) const HEADERS_MAX: usize = 100;

/// Names and values of all header fields together, in bytes. Servers take 8 to 32 KiB.
pub(crate) const HEADERS_BYTES_MAX: usize = 64 << 10;

/// What may be asked.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

/// One rule, ready to be matched.
#[derive(Debug)]
pub(crate) struct Rule {
    host: Pattern,
    ports: Vec<u16>,
    methods: Vec<String>,
    prefixes: Vec<String>,
    scheme: HttpScheme,
    /// Networks that the host may resolve into though they aren't public.
    pub(crate) networks: Vec<IpNet>,
    /// What is put into the request.
    pub(crate) credential: Option<Credential>,
}

/// Whom a request goes to, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) scheme: HttpScheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) path: PathAndQuery,
}

/// Why a request is refused; the word names the rule in logs and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("CONNECT is never granted")]
    Connect,
    #[error("a change of protocol is never granted")]
    Upgrade,
    #[error("a URI with user information")]
    UserInfo,
    #[error("an authority that can't be read")]
    Authority,
    #[error("a Host header that names somebody else than the URI")]
    HostHeader,
    #[error("{0}")]
    Spelling(name::Bad),
    #[error("no rule for this host")]
    Host,
    #[error("not by this scheme")]
    Scheme,
    #[error("not at this port")]
    Port,
    #[error("not by this method")]
    Method,
    #[error("not at this path")]
    Path,
    #[error("{0}")]
    BadPath(path::Bad),
}

impl Refused {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Upgrade => "upgrade",
            Self::UserInfo => "userinfo",
            Self::Authority => "authority",
            Self::HostHeader => "host-header",
            Self::Spelling(_) | Self::Host => "host",
            Self::Scheme => "scheme",
            Self::Port => "port",
            Self::Method => "method",
            Self::Path | Self::BadPath(_) => "path",
        }
    }
}

impl Rules {
    /// The rules of a grant; one whose host can't be read stands for nothing. The nearest name is asked
    /// first: what is said of `api.weather.example` counts before what is said of `*.weather.example`.
    pub(crate) fn new(grant: &HttpGrant) -> Self {
        let rule = |rule: &morph_grant::HttpRule| {
            let prefixes = rule.path_prefixes.iter().filter_map(|prefix| path::normalise(prefix).ok());
            let host = Pattern::parse(&rule.host)?;
            let mut networks = address::networks(&rule.addresses);
            if let Pattern::Exact(Host::Address(address)) = &host {
                networks.push((*address).into()); // the address in so many words
            }
            Some(Rule {
                host,
                ports: rule.ports.clone(),
                methods: rule.methods.clone(),
                prefixes: prefixes.collect(),
                scheme: rule.scheme,
                networks,
                credential: rule.credential.clone(),
            })
        };
        let mut rules: Vec<&morph_grant::HttpRule> = grant.allow.iter().collect();
        rules.sort_by_key(|rule| match rule.host.strip_prefix('*') {
            None => (false, Reverse(0)),
            Some(suffix) => (true, Reverse(suffix.len())),
        });
        Self(rules.into_iter().filter_map(rule).collect())
    }

    /// All of them, in the order in which they are asked.
    pub(crate) fn all(&self) -> &[Rule] {
        &self.0
    }

    /// The first rule that grants the whole request, by its place. Where none does, the reason is the one of
    /// the rule that came nearest.
    pub(crate) fn allow(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(usize, Target), Refused> {
        if *method == Method::CONNECT {
            return Err(Refused::Connect);
        }
        if changes_protocol(headers) {
            return Err(Refused::Upgrade);
        }
        let target = target(uri)?;
        check_host_headers(&target, headers)?;
        let mut nearest = Refused::Host;
        for (place, rule) in self.0.iter().enumerate() {
            match rule.allows(method, &target) {
                Ok(()) => return Ok((place, target)),
                Err(refused) if rank(refused) > rank(nearest) => nearest = refused,
                Err(_) => {}
            }
        }
        Err(nearest)
    }
}

impl Rule {
    fn allows(&self, method: &Method, target: &Target) -> Result<(), Refused> {
        let checks = [
            (self.host.matches(&target.host), Refused::Host),
            (self.scheme == target.scheme, Refused::Scheme),
            (self.ports.contains(&target.port), Refused::Port),
            (self.methods.iter().any(|granted| granted == method.as_str()), Refused::Method),
            (self.prefixes.iter().any(|prefix| path::is_below(target.path.path(), prefix)), Refused::Path),
        ];
        checks.into_iter().find(|(passes, _)| !passes).map_or(Ok(()), |(_, refused)| Err(refused))
    }
}

/// How far a request came.
fn rank(refused: Refused) -> u8 {
    match refused {
        Refused::Scheme => 1,
        Refused::Port => 2,
        Refused::Method => 3,
        Refused::Path => 4,
        _ => 0,
    }
}

fn changes_protocol(headers: &HeaderMap) -> bool {
    let words =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    headers.contains_key(header::UPGRADE)
        || headers.contains_key("http2-settings")
        || words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(b"upgrade"))
}

fn target(uri: &Uri) -> Result<Target, Refused> {
    let scheme = match uri.scheme_str() {
        Some("https") => HttpScheme::Https,
        Some("http") => HttpScheme::Http,
        _ => return Err(Refused::Scheme),
    };
    let authority = uri.authority().ok_or(Refused::Authority)?;
    let (host, port) = split(authority.as_str(), scheme)?;
    let normal = path::normalise(uri.path()).map_err(Refused::BadPath)?;
    let whole = match uri.query() {
        Some(query) => format!("{normal}?{query}"),
        None => normal,
    };
    if whole.len() > path::PATH_BYTES_MAX {
        return Err(Refused::BadPath(path::Bad::Long));
    }
    let path = PathAndQuery::try_from(whole).map_err(|_| Refused::BadPath(path::Bad::Character))?;
    Ok(Target { scheme, host, port, path })
}

/// Host and port of an authority.
fn split(authority: &str, scheme: HttpScheme) -> Result<(Host, u16), Refused> {
    if authority.contains('@') {
        return Err(Refused::UserInfo);
    }
    let end = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority.get(end..).and_then(|rest| rest.find(':')) {
        Some(colon) => authority.split_at(end + colon),
        None => (authority, ""),
    };
    let port = match port.strip_prefix(':') {
        Some(digits)
            if digits.len() <= 5 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            digits.parse().map_err(|_| Refused::Authority)?
        }
        Some(_) => return Err(Refused::Authority),
        None => default_port(scheme),
    };
    Ok((Host::parse(host).map_err(Refused::Spelling)?, port))
}

fn default_port(scheme: HttpScheme) -> u16 {
    match scheme {
        HttpScheme::Https => 443,
        HttpScheme::Http => 80,
    }
}

/// At most one, and it says the same as the URI.
fn check_host_headers(target: &Target, headers: &HeaderMap) -> Result<(), Refused> {
    let same = |value: &header::HeaderValue| {
        let text = value.to_str().map_err(|_| Refused::HostHeader)?;
        split(text, target.scheme).map_err(|_| Refused::HostHeader)
    };
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(()),
        (Some(value), None) if same(value)? == (target.host.clone(), target.port) => Ok(()),
        (Some(_), _) => Err(Refused::HostHeader),
    }
}

impl Target {
    /// Host and port as they are sent: without the port that the scheme has anyhow.
    pub(crate) fn authority(&self) -> String {
        match self.port == default_port(self.scheme) {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The URI that is sent.
    pub(crate) fn uri(&self) -> Option<Uri> {
        let scheme = match self.scheme {
            HttpScheme::Https => "https",
            HttpScheme::Http => "http",
        };
        let uri = Uri::builder().scheme(scheme).authority(self.authority());
        uri.path_and_query(self.path.clone()).build().ok()
    }
}

/// Whether header fields are within their bounds.
pub(crate) fn headers_fit(headers: &HeaderMap) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    headers.len() <= HEADERS_MAX && bytes <= HEADERS_BYTES_MAX
}

#[cfg(test)]
pub(crate) mod tests;
