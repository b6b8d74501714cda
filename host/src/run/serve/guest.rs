//! One request, one instance: a place among the requests, a fresh store, the call, the answer. A guest may go
//! on for a while after its answer; when nobody waits for the answer any more, it is interrupted.

use super::super::failure;
use super::connection::UnderWay;
use super::stall::{Answering, Asked, Transfer};
use crate::limits::{AFTER_ANSWER_SECONDS_MAX, ANSWER_SECONDS_MAX, CONCURRENT_REQUESTS_MAX};
use crate::stdio::Output;
use crate::store::{State, Stores};
use bytes::Bytes;
use futures::channel::oneshot;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use morph_component::Preview;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime::component::InstancePre;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::handler::{Prepared, Proxy, ProxyPre};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView, p2, p3};

/// Makes an instance for each request and knows those that are busy.
pub(super) struct Guests {
    pre: ProxyPre<State>,
    stores: Stores,
    stderr: Output,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    interrupt: CancellationToken,
}

impl Guests {
    pub(super) fn new(
        instance: &InstancePre<State>,
        preview: Preview,
        stores: Stores,
        stderr: Output,
    ) -> wasmtime::Result<Self> {
        let pre = match preview {
            Preview::P2 => ProxyPre::P2(p2::bindings::ProxyPre::new(instance.clone())?),
            Preview::P3 => ProxyPre::P3(p3::bindings::ServicePre::new(instance.clone())?),
        };
        let places = Arc::new(Semaphore::new(CONCURRENT_REQUESTS_MAX));
        let (tasks, interrupt) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self { pre, stores, stderr, places, tasks, interrupt })
    }

    /// How many guests are at work.
    pub(super) fn busy(&self) -> usize {
        self.tasks.len()
    }

    /// Whether a request would get no place.
    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Lets [`Guests::ended`] end once no guest is left.
    pub(super) fn close(&self) {
        self.tasks.close();
    }

    /// Ends when no guest is left.
    pub(super) async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// Interrupts every guest.
    pub(super) fn interrupt(&self) {
        self.interrupt.cancel();
    }

    /// Answers one request, whatever the guest does.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        under_way: UnderWay,
    ) -> Response<WasiBody> {
        if request.uri().authority().is_none() && !request.headers().contains_key(header::HOST) {
            return plain(StatusCode::BAD_REQUEST, "the request names no host\n");
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return busy();
        };
        let transfer = Transfer::current();
        let asked = |body| Asked::new(body, transfer.clone());
        let request = request.map(|body| asked(body).map_err(Error::from).boxed_unsync());
        let (answer, answered) = Answer::new();
        let wanted = Wanted::default();
        let mut waiting = Waiting { wanted: wanted.clone(), answered: false, _under_way: under_way };
        self.tasks.spawn(self.clone().guest(request, place, answer, wanted));
        match timeout(Duration::from_secs(ANSWER_SECONDS_MAX), answered).await {
            Ok(Ok(Ok(response))) => {
                waiting.answered = true;
                let answering = transfer.answering();
                response.map(|body| Watched { body, answering, waiting }.boxed_unsync())
            }
            Ok(Ok(Err(StatusCode::SERVICE_UNAVAILABLE))) => busy(),
            Ok(Ok(Err(status))) => plain(status, "the guest failed\n"),
            Ok(Err(oneshot::Canceled)) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the guest gave no answer\n")
            }
            Err(_) => {
                self.stderr.say(&format!("a request is interrupted: no answer after {ANSWER_SECONDS_MAX} s"));
                plain(StatusCode::GATEWAY_TIMEOUT, "the guest took too long\n")
            }
        }
    }

    /// The guest's whole life.
    async fn guest(
        self: Arc<Self>,
        request: Request<WasiBody>,
        place: OwnedSemaphorePermit,
        answer: Answer,
        wanted: Wanted,
    ) {
        let called = tokio::select! {
            called = self.call(request, &answer, &wanted) => called,
            () = wanted.cut_after(self.interrupt.cancelled()) => {
                return answer.give(Err(StatusCode::SERVICE_UNAVAILABLE));
            }
            () = wanted.cut_after(wanted.over()) => return,
        };
        drop(place);
        match called {
            Ok(()) if answer.is_open() => self.stderr.say("a request got no answer from the guest"),
            Ok(()) => {}
            Err(Failure { status, message }) => {
                if let Some(message) = message {
                    self.stderr.say(&message);
                }
                answer.give(Err(status));
            }
        }
    }

    async fn call(
        &self,
        request: Request<WasiBody>,
        answer: &Answer,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let mut store = self.stores.fresh().map_err(|error| Failure::internal(&error))?;
        let result = match self.pre.instantiate_async(&mut store).await {
            Ok(Proxy::P2(guest)) => call_p2(&guest, &mut store, request, answer, &self.stderr).await,
            Ok(guest @ Proxy::P3(_)) => call_p3(&guest, &mut store, request, answer).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            wanted.cut();
            Failure::of(&error, &store)
        })
    }
}

async fn call_p2(
    guest: &p2::bindings::Proxy,
    store: &mut Store<State>,
    request: Request<WasiBody>,
    answer: &Answer,
    stderr: &Output,
) -> wasmtime::Result<()> {
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let (answer, stderr) = (answer.clone(), stderr.clone());
    let out = store.data_mut().http().new_response_outparam_from_callback(move |result| {
        answer.give(result.map_err(|error| {
            stderr.say(&format!("the guest answered with an error: {error:?}"));
            StatusCode::INTERNAL_SERVER_ERROR
        }));
    })?;
    guest.wasi_http_incoming_handler().call_handle(store, request, out).await
}

async fn call_p3(
    guest: &Proxy,
    store: &mut Store<State>,
    request: Request<WasiBody>,
    answer: &Answer,
) -> wasmtime::Result<()> {
    let (sender, response) = oneshot::channel();
    let called = store.run_concurrent(async |accessor| {
        let prepared = accessor
            .with(|mut access| Prepared::new(access.as_context_mut(), guest, request, State::http, sender))?;
        prepared.run(accessor, pending()).await?;
        answer.give(Ok(response.await??));
        // The body, and what else the guest left running, belongs to the request.
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        Ok(())
    });
    called.await?
}

/// What is told of a guest that failed.
struct Failure {
    status: StatusCode,
    message: Option<String>,
}

impl Failure {
    fn internal(error: &wasmtime::Error) -> Self {
        let message = Some(format!("a request got no instance: {error:#}"));
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message }
    }

    fn of(error: &wasmtime::Error, store: &Store<State>) -> Self {
        if failure::is_exhausted(error) {
            return Self { status: StatusCode::SERVICE_UNAVAILABLE, message: None };
        }
        let message = failure::outcome(error, store).message;
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message }
    }
}

type Given = Result<Response<WasiBody>, StatusCode>;

/// Where the answer goes; the first one counts.
#[derive(Clone)]
struct Answer(Arc<Mutex<Option<oneshot::Sender<Given>>>>);

impl Answer {
    fn new() -> (Self, oneshot::Receiver<Given>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    /// Gives the answer, if none was given and somebody still waits.
    fn give(&self, answer: Given) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if sender.is_some_and(|sender| sender.send(answer).is_err()) {
            tracing::debug!("an answer came when nobody waited any more");
        }
    }

    fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// Whether somebody still wants what the guest does.
#[derive(Clone, Default)]
struct Wanted {
    /// The client went before there was an answer.
    abandoned: CancellationToken,
    /// The answer's body has been sent, or its client went.
    done: CancellationToken,
    /// The guest ended before its time: what there is of its body is not the whole.
    cut: Arc<AtomicBool>,
}

impl Wanted {
    /// Ends when the guest is to be interrupted.
    async fn over(&self) {
        let after = async {
            self.done.cancelled().await;
            sleep(Duration::from_secs(AFTER_ANSWER_SECONDS_MAX)).await;
        };
        tokio::select! {
            () = self.abandoned.cancelled() => {}
            () = after => {}
        }
    }

    /// Called before the guest's store is dropped: then its body ends as if it were whole.
    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    async fn cut_after(&self, ended: impl Future<Output = ()>) {
        ended.await;
        self.cut();
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

/// Held by whoever waits: first for the answer, then with its body.
struct Waiting {
    wanted: Wanted,
    answered: bool,
    _under_way: UnderWay,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        match self.answered {
            true => self.wanted.done.cancel(),
            false => self.wanted.abandoned.cancel(),
        }
    }
}

/// A body that tells how far it is read, and when it no longer is; one that its guest left unfinished ends
/// with an error, so that no client takes it for the whole.
struct Watched {
    body: WasiBody,
    answering: Answering,
    waiting: Waiting,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.answering.room();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.answering.given();
        }
        match polled {
            Poll::Ready(None) if self.waiting.wanted.is_cut() => {
                Poll::Ready(Some(Err(Error::HttpProtocolError)))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.waiting.wanted.is_cut()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn busy() -> Response<WasiBody> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<WasiBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}
