//! Finds the addresses of a name by DNS alone: the servers of `resolv.conf`, read when it is needed, and no
//! hosts file, which is the pod's and not the grant's. Names are absolute; the search list only tells which
//! domain the cluster has, for names that end with `.svc`. Nothing is kept: who connects keeps connections.

use super::dns::{Answer, Kind, Question, UDP_BYTES_MAX};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one look-up may take in all, in milliseconds.
pub(crate) const LOOKUP_MILLIS_MAX: u64 = 5_000;

/// How long one server may take to answer before the next is asked, in milliseconds.
const ATTEMPT_MILLIS_MAX: u64 = 1_500;

/// Servers that are asked, in the order of the file. Resolvers of C libraries know three.
const SERVERS_MAX: usize = 3;

/// Addresses of one name. Names with more than a dozen are rare; a longer answer is refused, since every
/// address must be checked.
pub(crate) const ADDRESSES_MAX: usize = 64;

/// Bytes that are read of `resolv.conf`.
const CONF_BYTES_MAX: u64 = 64 << 10;

/// The end of names of services that leave out their cluster's domain.
const SERVICE_SUFFIX: &str = ".svc";

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file with the servers.
    #[error("resolv.conf can't be read: {0}")]
    Conf(#[source] io::Error),
    /// It has none, or no domain for a name of a service.
    #[error("resolv.conf names {0}")]
    Missing(&'static str),
    /// No server answered in time.
    #[error("no DNS server answered in time")]
    Timeout,
    /// The name doesn't exist, or has no address.
    #[error("the name has no address")]
    NotFound,
    /// The servers couldn't say.
    #[error("the DNS server refuses to say (code {0})")]
    Refused(u16),
    /// They said what can't be used.
    #[error("DNS answered nonsense: {0}")]
    Nonsense(&'static str),
    /// They couldn't be asked.
    #[error("the DNS server can't be asked: {0}")]
    Network(#[from] io::Error),
}

/// Finds addresses.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    conf: PathBuf,
    port: u16,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(Path::new("/etc/resolv.conf"), 53)
    }
}

impl Resolver {
    /// One that asks the servers of this file at this port.
    pub(crate) fn new(conf: &Path, port: u16) -> Self {
        Self { conf: conf.to_owned(), port }
    }

    /// The addresses of a name that is absolute and in the spelling of [`super::name::Host`], each once, at
    /// least one. The order is that of the answers, those of IPv6 first.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let conf = self.conf().await?;
        let absolute = conf.absolute(name)?;
        let asked = async {
            let of = |kind| self.ask_all(&conf.servers, &absolute, kind);
            tokio::join!(of(Kind::Aaaa), of(Kind::A))
        };
        let limit = Duration::from_millis(LOOKUP_MILLIS_MAX);
        let (v6, v4) = timeout(limit, asked).await.map_err(|_| Error::Timeout)?;
        both(v6, v4)
    }

    async fn conf(&self) -> Result<Conf, Error> {
        let file = tokio::fs::File::open(&self.conf).await.map_err(Error::Conf)?;
        let mut text = Vec::new();
        file.take(CONF_BYTES_MAX).read_to_end(&mut text).await.map_err(Error::Conf)?;
        Ok(Conf::parse(&String::from_utf8_lossy(&text)))
    }

    /// Asks one server after the other until one knows. The last one's failure is the failure.
    async fn ask_all(&self, servers: &[IpAddr], name: &str, kind: Kind) -> Result<Vec<IpAddr>, Error> {
        let mut last = Error::Missing("no nameserver");
        for server in servers {
            let server = SocketAddr::new(*server, self.port);
            let asked = timeout(Duration::from_millis(ATTEMPT_MILLIS_MAX), ask(server, name, kind)).await;
            match asked.unwrap_or(Err(Error::Timeout)) {
                Err(
                    error @ (Error::Timeout | Error::Refused(_) | Error::Network(_) | Error::Nonsense(_)),
                ) => {
                    last = error;
                }
                known => return known,
            }
        }
        Err(last)
    }
}

/// What both kinds of address come to: one that failed doesn't hide the other.
fn both(v6: Result<Vec<IpAddr>, Error>, v4: Result<Vec<IpAddr>, Error>) -> Result<Vec<IpAddr>, Error> {
    let addresses = match (v6, v4) {
        (Ok(mut v6), Ok(v4)) => {
            v6.extend(v4);
            v6
        }
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => one,
        (Err(Error::NotFound), Err(error)) | (Err(error), Err(_)) => return Err(error),
    };
    let mut seen = BTreeSet::new();
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(|address| seen.insert(*address)).collect();
    match addresses.len() {
        0 => Err(Error::NotFound),
        1..=ADDRESSES_MAX => Ok(addresses),
        _ => Err(Error::Nonsense("more addresses than are looked at")),
    }
}

/// What is used of `resolv.conf`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Conf {
    servers: Vec<IpAddr>,
    search: Vec<String>,
}

impl Conf {
    fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") if conf.servers.len() < SERVERS_MAX => {
                    conf.servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()));
                }
                Some("search") => conf.search = words.map(str::to_ascii_lowercase).collect(),
                _ => {}
            }
        }
        conf
    }

    /// The name with the cluster's domain, if it is one of a service. A name of another kind is asked for as
    /// it stands: an entry of the search list would let the cluster answer for it.
    fn absolute(&self, name: &str) -> Result<String, Error> {
        if !name.ends_with(SERVICE_SUFFIX) {
            return Ok(name.to_owned());
        }
        let domain = self.search.iter().find_map(|entry| entry.strip_prefix("svc."));
        let domain = domain.ok_or(Error::Missing("no domain of a cluster (a search entry svc.DOMAIN)"))?;
        Ok(format!("{name}.{}", domain.trim_end_matches('.')))
    }
}

/// One question to one server, over UDP and, if the answer doesn't fit, over TCP.
async fn ask(server: SocketAddr, name: &str, kind: Kind) -> Result<Vec<IpAddr>, Error> {
    let question = Question::new(rand::random(), name, kind);
    let question = question.ok_or(Error::Nonsense("a name that DNS can't carry"))?;
    let answer = match ask_udp(server, &question).await? {
        Answer::Truncated => ask_tcp(server, &question).await?,
        whole => whole,
    };
    match answer {
        Answer::Addresses(addresses) if addresses.is_empty() => Err(Error::NotFound),
        Answer::Addresses(addresses) => Ok(addresses),
        Answer::Refused(code) => Err(Error::Refused(code)),
        Answer::TooManyAliases => Err(Error::Nonsense("more aliases than are followed")),
        Answer::Truncated => Err(Error::Nonsense("half an answer")),
    }
}

/// The socket's own port is the system's choice, and only the server is heard on it.
async fn ask_udp(server: SocketAddr, question: &Question) -> Result<Answer, Error> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&question.message()).await?;
    let mut buffer = vec![0; usize::from(UDP_BYTES_MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What isn't an answer to this question is somebody's attempt, or late: the answer may still come.
        if let Some(answer) = buffer.get(..length).and_then(|bytes| question.read(bytes)) {
            return Ok(answer);
        }
    }
}

async fn ask_tcp(server: SocketAddr, question: &Question) -> Result<Answer, Error> {
    let mut stream = TcpStream::connect(server).await?;
    let message = question.message();
    let length = u16::try_from(message.len()).map_err(|_| Error::Nonsense("a question that is too long"))?;
    stream.write_all(&[length.to_be_bytes().as_slice(), &message].concat()).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    question.read(&buffer).ok_or(Error::Nonsense("no answer to the question"))
}

#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;
