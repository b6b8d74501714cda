//! Requests in the background, counted, so that a test can say that none was lost.

use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Pause between a request's end and the next one, in milliseconds: enough to leave the processors to others.
const PAUSE_MILLIS: u64 = 10;

/// What the requests came to.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Answers with status 200.
    pub good: u64,
    /// Everything else, in words; at most 20 are kept.
    pub bad: Vec<String>,
    /// Every distinct body seen.
    pub bodies: std::collections::BTreeSet<String>,
}

/// Requests that go on until they are stopped.
pub struct Load {
    stop: watch::Sender<bool>,
    tally: watch::Receiver<Tally>,
    task: JoinHandle<Tally>,
}

impl Load {
    /// Starts to GET `url`, each time over a connection of its own, as clients behind a Service do.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn start(url: String) -> Result<Self> {
        let client =
            reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(10)).build()?;
        let (stop, stopped) = watch::channel(false);
        let (progress, tally) = watch::channel(Tally::default());
        let task = tokio::spawn(run(client, url, stopped, progress));
        Ok(Self { stop, tally, task })
    }

    /// Waits until so many more good answers have come.
    ///
    /// # Errors
    /// When they haven't after 60 s.
    pub async fn more(&mut self, count: u64) -> Result<()> {
        let wanted = self.tally.borrow().good + count;
        let waiting = self.tally.wait_for(|tally| tally.good >= wanted);
        let reached = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        reached.with_context(|| format!("no {count} more good answers in 60 s"))??;
        Ok(())
    }

    /// Stops and gives the tally.
    ///
    /// # Errors
    /// When the task itself has failed.
    pub async fn stop(self) -> Result<Tally> {
        self.stop.send(true).context("the load has ended by itself")?;
        Ok(self.task.await?)
    }
}

async fn run(
    client: reqwest::Client,
    url: String,
    stopped: watch::Receiver<bool>,
    progress: watch::Sender<Tally>,
) -> Tally {
    let mut tally = Tally::default();
    let start = Instant::now();
    while !*stopped.borrow() {
        let answer = async {
            let response = client.get(&url).send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.text().await?))
        };
        match answer.await {
            Ok((200, body)) => {
                tally.good += 1;
                tally.bodies.insert(body);
            }
            Ok((status, body)) => note(&mut tally, start, format!("{status} {body}")),
            Err(error) => note(&mut tally, start, format!("{error:?}")),
        }
        if progress.send(tally.clone()).is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MILLIS)).await;
    }
    tally
}

fn note(tally: &mut Tally, start: Instant, what: String) {
    if tally.bad.len() < 20 {
        tally.bad.push(format!("after {:?}: {what}", start.elapsed()));
    }
}
