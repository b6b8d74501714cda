//! Passes denials on to the operator: some at a time, over TLS, with the agent's own token. What the operator
//! doesn't take after a few tries is dropped: denials are hearsay, and the node's log has them.

use crate::backoff;
use crate::denials::{PATH, REPORTS_MAX, tls};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use morph_grant::DenialReport;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The published file that says where the operator is.
pub const OPERATOR_FILE: &str = "operator.json";

/// How long reports are gathered before they are sent, in milliseconds: a guest that tries doors tries many.
pub const GATHER_MS: u64 = 500;

/// Tries for one request, with growing waits between: an operator that is being replaced comes back meanwhile.
pub const TRIES_MAX: u32 = 4;

/// How long one try may take, in milliseconds.
pub const TRY_MS_MAX: u64 = 10_000;

/// Where the operator is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operator {
    /// Address of its Service: agents need no DNS.
    pub address: SocketAddr,
    /// The name in its certificate.
    pub server_name: String,
}

/// Sends reports.
#[derive(Debug)]
pub struct Relay {
    published: PathBuf,
    token_file: PathBuf,
}

/// What came of a try.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    Taken,
    /// Never to be taken.
    Refused(StatusCode),
}

impl Relay {
    /// To the operator that is published in this directory, with the token in this file. Both are read anew for
    /// each request.
    #[must_use]
    pub fn new(published: PathBuf, token_file: PathBuf) -> Self {
        Self { published, token_file }
    }

    /// Passes reports on until told to stop, or until there can be no more.
    ///
    /// # Errors
    /// None: what can't be sent is said and dropped.
    pub async fn run(
        self,
        mut reports: mpsc::Receiver<DenialReport>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            let mut batch = Vec::with_capacity(REPORTS_MAX);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                count = reports.recv_many(&mut batch, 1) => if count == 0 {
                    // Its sender ends at the same word as this does.
                    stop.cancelled().await;
                    return Ok(());
                },
            }
            tokio::time::sleep(Duration::from_millis(GATHER_MS)).await;
            if !reports.is_empty() {
                reports.recv_many(&mut batch, REPORTS_MAX - 1).await;
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.send(&batch) => {}
            }
        }
    }

    async fn send(&self, batch: &[DenialReport]) {
        let mut problem = String::new();
        for tries in 1..=TRIES_MAX {
            match self.once(batch).await {
                Ok(Tried::Taken) => return,
                Ok(Tried::Refused(status)) => {
                    problem = format!("the operator refuses them: {status}");
                    break;
                }
                Err(error) => problem = format!("{error:#}"),
            }
            if tries < TRIES_MAX {
                tokio::time::sleep(backoff::wait(tries, backoff::spread())).await;
            }
        }
        tracing::warn!(dropped = batch.len(), problem, "denials didn't reach the operator");
    }

    async fn once(&self, batch: &[DenialReport]) -> anyhow::Result<Tried> {
        let limit = Duration::from_millis(TRY_MS_MAX);
        let status = tokio::time::timeout(limit, self.ask(batch)).await.context("no answer in time")??;
        match status {
            status if status.is_success() => Ok(Tried::Taken),
            // The token may be of yesterday, the operator busy or without the API server.
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => {
                bail!("the operator answers {status}")
            }
            status if status.is_server_error() => bail!("the operator answers {status}"),
            status => Ok(Tried::Refused(status)),
        }
    }

    async fn ask(&self, batch: &[DenialReport]) -> anyhow::Result<StatusCode> {
        let operator: Operator = serde_json::from_slice(&read(&self.published.join(OPERATOR_FILE))?)
            .with_context(|| format!("{OPERATOR_FILE} in {}", self.published.display()))?;
        let tls = tls::connector(&read(&self.published.join(tls::CERTIFICATE_FILE))?)?;
        let token = String::from_utf8(read(&self.token_file)?).context("the token is no text")?;
        let name = ServerName::try_from(operator.server_name.clone()).context("the operator's name")?;
        let stream = TcpStream::connect(operator.address)
            .await
            .with_context(|| format!("connect to the operator at {}", operator.address))?;
        let stream = tls.connect(name, stream).await.context("the operator's certificate")?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("speak HTTP")?;
        let request = Request::post(PATH)
            .header(header::HOST, &operator.server_name)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.trim()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(batch)?)))?;
        let answer = sender.send_request(request);
        tokio::pin!(answer);
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            // The answer may have come with the end.
            ended = connection => {
                ended.context("the operator's connection")?;
                answer.await
            }
        };
        Ok(answer.context("the operator's answer")?.status())
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests;
