//! Wires the operator: settings, client, tasks. What they do is in the library.

use anyhow::Context as _;
use clap::Parser as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config};
use morph_operator::events::Recorder;
use morph_operator::health::{self, Health, Port};
use morph_operator::keys;
use morph_operator::leader::Leader;
use morph_operator::metrics::Metrics;
use morph_operator::morph::reconcile::Reconciler;
use morph_operator::morph::server::Server;
use morph_operator::registry::Resolver;
use morph_operator::settings::Settings;
use morph_operator::supervise::{Phase, Supervisor};
use morph_operator::{ceiling, controller, logging, sweeper};
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
    let settings = Settings::parse();
    if let Err(error) = logging::start(settings.log_format, &settings.log) {
        eprintln!("morph-operator: {error}");
        return ExitCode::FAILURE;
    }
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let ended = runtime.block_on(run(settings));
    // What blocks (reading a component) isn't waited for: its answer has no reader any more.
    runtime.shutdown_background();
    ended
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = Stop::new()?;
    let signer = Arc::new(keys::newest(&settings.signing_keys)?);
    tracing::info!(key = %signer.public().id(), "grants are signed");
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::new(Arc::clone(&metrics)));
    let mut tasks = Supervisor::default();
    for (port, name, address) in
        [(Port::Health, "health", settings.health_addr), (Port::Metrics, "metrics", settings.metrics_addr)]
    {
        let listener = health::bind(address).await?;
        let token = tasks.stop(Phase::Service);
        tasks.spawn(Phase::Service, name, health::serve(listener, port, Arc::clone(&health), token));
    }
    let client = client().await?;
    let cluster = cluster(&client).await?;
    let server = Server { client: client.clone(), metrics: Arc::clone(&metrics) };
    let registry = Arc::new(morph_oci::Client::new(settings.registry.client())?);
    let resolver = Resolver::new(registry, Arc::clone(&metrics));
    let recorder = Recorder::new(client.clone(), settings.identity.clone(), Arc::clone(&metrics));
    let (fence, resync) = (settings.network.fence(), settings.resync());
    let reconciler = Reconciler::new(server.clone(), resolver, recorder, cluster, fence, signer, resync);
    let reconciler = Arc::new(reconciler);

    let (elected, leading) = watch::channel(false);
    let leases = Api::namespaced(client, &settings.namespace);
    let leader = Leader::new(leases, settings.identity.clone(), elected, metrics);
    tasks.spawn(Phase::Service, "leader", leader.run(tasks.stop(Phase::Service)));
    tasks.spawn(Phase::Work, "controller", {
        let (server, leading, token) = (server.clone(), leading.clone(), tasks.stop(Phase::Work));
        async move {
            match sweeper::lead_or_stop(leading, &token).await {
                true => controller::run(&server, reconciler, settings.workers, token).await,
                false => Ok(()),
            }
        }
    });
    tasks.spawn(
        Phase::Work,
        "ceiling",
        ceiling::run(server.clone(), settings.sweep(), leading.clone(), tasks.stop(Phase::Work)),
    );
    tasks.spawn(
        Phase::Work,
        "sweep",
        sweeper::run(server, settings.sweep(), leading, tasks.stop(Phase::Work)),
    );
    health.set_ready();
    tasks.run(stop.wait(health)).await.map_err(Into::into)
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

    async fn wait(mut self, health: Arc<Health>) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        health.set_stopping();
    }
}
