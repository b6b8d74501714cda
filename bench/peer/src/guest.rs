//! What the peer runs: a command to its end, or a server whose requests have an instance each, with wasmtime
//! as it comes.

use anyhow::{Context as _, Result, bail};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Where servers listen.
const PORT: u16 = 8080;

/// The host's part of a store.
pub struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outgoing: Outgoing,
}

/// Sends nothing: no guest that is measured asks for it.
struct Outgoing;

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Sending,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Sending), Error>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

fn store(engine: &Engine, args: &[String]) -> Store<State> {
    let wasi = WasiCtxBuilder::new().args(args).inherit_stdio().build();
    Store::new(
        engine,
        State { wasi, http: WasiHttpCtx::new(), table: ResourceTable::new(), outgoing: Outgoing },
    )
}

/// Runs a compiled component; answers its exit code.
pub async fn run(engine: &Engine, code: &[u8], args: &[String]) -> Result<i32> {
    // SAFETY: the code comes from this shim's own compiler, through containerd's store.
    let component = unsafe { Component::deserialize(engine, code)? };
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    let instance = linker.instantiate_pre(&component)?;
    match ProxyPre::new(instance.clone()) {
        Ok(proxy) => serve(Arc::new(Server { proxy, tasks: TaskTracker::new() })).await,
        Err(_) => command(&instance, args).await,
    }
}

async fn command(instance: &InstancePre<State>, args: &[String]) -> Result<i32> {
    let mut store = store(instance.engine(), args);
    let instance = instance.instantiate_async(&mut store).await?;
    let ended = Command::new(&mut store, &instance)?.wasi_cli_run().call_run(&mut store).await?;
    Ok(i32::from(ended.is_err()))
}

/// Owns what it has begun: connections, and guests that go on after the head of their answer.
struct Server {
    proxy: ProxyPre<State>,
    tasks: TaskTracker,
}

async fn serve(server: Arc<Server>) -> Result<i32> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let own = server.clone();
        server.tasks.spawn(async move {
            let answer = service_fn(|request| answer(&own, request));
            let http = hyper::server::conn::http1::Builder::new();
            if let Err(error) = http.serve_connection(TokioIo::new(stream), answer).await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

async fn answer(server: &Server, request: Request<Incoming>) -> Result<Response<HyperOutgoingBody>> {
    let mut store = store(server.proxy.engine(), &[]);
    let (sender, receiver) = oneshot::channel();
    let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::from).boxed_unsync());
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let out = store.data_mut().http().new_response_outparam(sender)?;
    let guest = server.proxy.instantiate_async(&mut store).await?;
    let called = server
        .tasks
        .spawn(async move { guest.wasi_http_incoming_handler().call_handle(&mut store, request, out).await });
    match receiver.await {
        Ok(answer) => answer.context("the guest answered with an error"),
        Err(_) => {
            called.await??;
            bail!("the guest gave no answer")
        }
    }
}
