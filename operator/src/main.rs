//! Wires the operator, the node's agent (`node`) and the command for keys (`keys`): settings, client,
//! tasks. What they do is in the library.

use anyhow::Context as _;
use clap::Parser as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config};
use morph_operator::denials::receive::Receiver;
use morph_operator::denials::{judge, tls};
use morph_operator::events::Recorder;
use morph_operator::health::{self, Health, Port};
use morph_operator::leader::Leader;
use morph_operator::metrics::Metrics;
use morph_operator::morph::reconcile::Reconciler;
use morph_operator::morph::server::Server;
use morph_operator::registry::Resolver;
use morph_operator::settings::{KeysSettings, LogSettings, NodeSettings, Settings};
use morph_operator::signing::command::{self, Done};
use morph_operator::signing::trust::Trust;
use morph_operator::supervise::{Phase, Supervisor};
use morph_operator::{ceiling, clock, controller, denials, listen, logging, node, sweeper};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How long a connection to the API server may take, in milliseconds.
const CONNECT_MS_MAX: u64 = 10_000;

/// The namespace whose uid stands for the cluster's.
const CLUSTER_NAMESPACE: &str = "kube-system";

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let command = words.get(1).and_then(|word| word.to_str());
    match command {
        Some("node") => {
            let settings = NodeSettings::parse_from(&words[1..]);
            start(&settings.log.clone(), agent(settings))
        }
        Some("keys") => {
            let settings = KeysSettings::parse_from(&words[1..]);
            start(&settings.log.clone(), keys(settings))
        }
        _ => {
            let settings = Settings::parse();
            start(&settings.log.clone(), run(settings))
        }
    }
}

fn start(log: &LogSettings, program: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    if let Err(error) = logging::start(log) {
        eprintln!("morph-operator: {error}");
        return ExitCode::FAILURE;
    }
    match block_on(program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the program ends");
            ExitCode::FAILURE
        }
    }
}

fn block_on(program: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let ended = runtime.block_on(program);
    // What blocks (reading a component) isn't waited for: its answer has no reader any more.
    runtime.shutdown_background();
    ended
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = Stop::new()?;
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::new(Arc::clone(&metrics)));
    let mut tasks = Supervisor::default();
    for (port, name, address) in
        [(Port::Health, "health", settings.health_addr), (Port::Metrics, "metrics", settings.metrics_addr)]
    {
        let listener = listen::bind(address).await?;
        let token = tasks.stop(Phase::Service);
        tasks.spawn(Phase::Service, name, health::serve(listener, port, Arc::clone(&health), token));
    }
    let client = client().await?;
    let cluster = cluster(&client).await?;
    let server = Server { client: client.clone(), metrics: Arc::clone(&metrics) };
    take_denials(&settings, &server, &mut tasks).await?;

    let (elected, leading) = watch::channel(false);
    let leases = Api::namespaced(client, &settings.namespace);
    let leader = Leader::new(leases, settings.identity.clone(), elected, metrics);
    tasks.spawn(Phase::Service, "leader", leader.run(tasks.stop(Phase::Service)));
    reconcile(&settings, &server, cluster, &leading, &mut tasks)?;
    health.set_ready();
    tasks.run(stop.wait(health)).await.map_err(Into::into)
}

/// What is done while this replica leads.
fn reconcile(
    settings: &Settings,
    server: &Server,
    cluster: String,
    leading: &watch::Receiver<bool>,
    tasks: &mut Supervisor,
) -> anyhow::Result<()> {
    let (signing, signed) = watch::channel(None);
    let (live, used) = watch::channel(None);
    let registry = Arc::new(morph_oci::Client::new(settings.registry.client())?);
    let resolver = Resolver::new(registry, Arc::clone(&server.metrics));
    let (recorder, resync) = (recorder(settings, server), settings.resync());
    let fence = settings.network.fence();
    let reconciler = Reconciler::new(server.clone(), resolver, recorder, cluster, fence, signed, resync);
    let reconciler = Arc::new(reconciler);
    tasks.spawn(Phase::Work, "controller", {
        let (server, leading, token) = (server.clone(), leading.clone(), tasks.stop(Phase::Work));
        let workers = settings.workers;
        async move {
            match sweeper::lead_or_stop(leading, &token).await {
                true => controller::run(&server, reconciler, workers, token).await,
                false => Ok(()),
            }
        }
    });
    let (every, token) = (settings.sweep(), tasks.stop(Phase::Work));
    tasks.spawn(Phase::Work, "ceiling", ceiling::run(server.clone(), every, leading.clone(), token));
    let (keys, namespace) = (settings.signing_keys.clone(), settings.namespace.clone());
    let trust = Trust::new(server.clone(), keys, namespace, settings.node_namespace.clone());
    let token = tasks.stop(Phase::Work);
    tasks.spawn(Phase::Work, "keys", trust.run(signing, used, leading.clone(), token));
    let (every, token) = (settings.sweep(), tasks.stop(Phase::Work));
    tasks.spawn(Phase::Work, "sweep", sweeper::run(server.clone(), every, live, leading.clone(), token));
    Ok(())
}

/// Every replica takes denials: each may write Events.
async fn take_denials(settings: &Settings, server: &Server, tasks: &mut Supervisor) -> anyhow::Result<()> {
    let read = |name| {
        let path = settings.signing_keys.join(name);
        std::fs::read(&path).with_context(|| format!("read {}; the chart's hook makes it", path.display()))
    };
    let tls = tls::acceptor(&read(tls::CERTIFICATE_FILE)?, &read(tls::KEY_FILE)?)?;
    let account = judge::account(&settings.node_namespace, denials::AGENT_ACCOUNT);
    let receiver = Arc::new(Receiver::new(server.clone(), recorder(settings, server), account));
    let listener = listen::bind(settings.denials_addr).await?;
    let token = tasks.stop(Phase::Service);
    tasks.spawn(Phase::Service, "denials", denials::serve::serve(listener, tls, receiver, token));
    Ok(())
}

fn recorder(settings: &Settings, server: &Server) -> Recorder {
    Recorder::new(server.client.clone(), settings.identity.clone(), Arc::clone(&server.metrics))
}

/// The agent of a node.
async fn agent(settings: NodeSettings) -> anyhow::Result<()> {
    let stop = Stop::new()?;
    node::run(settings, stop.told()).await
}

/// Makes the keys that sign grants, or adds one.
async fn keys(settings: KeysSettings) -> anyhow::Result<()> {
    let now = clock::unix_seconds()?;
    let done = command::run(client().await?, &settings.namespace, settings.action, now).await?;
    match done {
        Done::Made => tracing::info!("the keys are made"),
        Done::Changed => tracing::info!("the keys are changed; a new one signs once all nodes know it"),
        Done::Nothing => tracing::info!("the keys are as they should be"),
        Done::TooSoon { seconds } => {
            anyhow::bail!("the last key is too new for another; rotate again in {seconds} s");
        }
    }
    Ok(())
}

async fn client() -> anyhow::Result<Client> {
    let mut config = Config::infer().await.context("find the API server")?;
    config.connect_timeout = Some(Duration::from_millis(CONNECT_MS_MAX));
    Client::try_from(config).context("make a client for the API server")
}

async fn cluster(client: &Client) -> anyhow::Result<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces.get(CLUSTER_NAMESPACE).await;
    let namespace = found.with_context(|| format!("get namespace {CLUSTER_NAMESPACE}"))?;
    namespace.metadata.uid.with_context(|| format!("namespace {CLUSTER_NAMESPACE} has no uid"))
}

/// The signals that end the process.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("install a signal handler");
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    async fn wait(self, health: Arc<Health>) {
        self.told().await;
        health.set_stopping();
    }

    async fn told(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
