//! One request in one instance: a place among the requests, the instance, the call, the answer. A guest may
//! go on for a while after its answer; when nobody waits for the answer any more, it is interrupted.

use super::super::failure;
use super::body::{Bounded, TooLarge, drain};
use super::connection::UnderWay;
use super::instances::{Instance, Instances};
use super::stall::{Asked, Transfer};
use super::told::Told;
use super::wanted::{Waiting, Wanted, Watched};
use crate::limits::SENT_SECONDS_MAX;
use crate::stdio::Output;
use crate::store::{State, Stores};
use crate::{Outcome, Requests};
use bytes::Bytes;
use futures::channel::oneshot;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use morph_component::Preview;
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime::component::InstancePre;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::handler::{Prepared, Proxy, ProxyPre};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, p2, p3};

/// Gives each request to an instance and knows those that are busy.
pub(super) struct Guests {
    instances: Instances,
    pub(super) told: Arc<Told>,
    requests: Requests,
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
        requests: Requests,
    ) -> wasmtime::Result<Self> {
        let pre = match preview {
            Preview::P2 => ProxyPre::P2(p2::bindings::ProxyPre::new(instance.clone())?),
            Preview::P3 => ProxyPre::P3(p3::bindings::ServicePre::new(instance.clone())?),
        };
        Ok(Self {
            instances: Instances::new(pre, stores, requests.reuse),
            told: Arc::new(Told::new(stderr, requests)),
            requests,
            places: Arc::new(Semaphore::new(requests.concurrency)),
            tasks: TaskTracker::new(),
            interrupt: CancellationToken::new(),
        })
    }

    /// How many guests are at work.
    pub(super) fn busy(&self) -> usize {
        self.tasks.len()
    }

    /// Whether a request would get no place.
    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Lets [`Guests::ended`] end once no guest is left, and keeps none.
    pub(super) fn close(&self) {
        self.tasks.close();
        self.instances.close();
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
        if request.body().size_hint().lower() > self.requests.body_bytes {
            self.told.too_large();
            self.tasks.spawn(drain(request.into_body()));
            return too_large();
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.told.turned_away();
            return busy();
        };
        let transfer = Transfer::current();
        let (answer, answered) = Answer::new();
        let request = request.map(|body| {
            let body = Asked::new(body, transfer.clone());
            Bounded::new(body, self.requests.body_bytes, self.clone().refuse(answer.clone())).boxed_unsync()
        });
        let wanted = Wanted::default();
        let waiting = Waiting { wanted: wanted.clone(), answered: false, _under_way: under_way };
        self.tasks.spawn(self.clone().guest(request, place, answer, wanted));
        let time = Duration::from_millis(self.requests.timeout_millis.into());
        match timeout(time, answered).await {
            Ok(answered) => given(answered, waiting, &transfer),
            Err(_) => {
                self.told.too_long();
                plain(StatusCode::GATEWAY_TIMEOUT, "the guest took too long\n")
            }
        }
    }

    /// What is done about a body that turns out too large.
    fn refuse(self: Arc<Self>, answer: Answer) -> TooLarge {
        Box::new(move |body| {
            self.told.too_large();
            answer.give(Err(StatusCode::PAYLOAD_TOO_LARGE));
            self.tasks.spawn(drain(body));
        })
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
            late = wanted.cut_after(wanted.over()) => {
                if late {
                    self.told.too_late();
                }
                return;
            }
        };
        drop(place);
        match called {
            Ok(_) if answer.is_open() => self.told.say("a request got no answer from the guest"),
            Ok(instance) => self.keep(instance, &wanted).await,
            Err(Failure { status, message }) => {
                self.told.say(&message);
                answer.give(Err(status));
            }
        }
    }

    async fn call(
        &self,
        request: Request<WasiBody>,
        answer: &Answer,
        wanted: &Wanted,
    ) -> Result<Instance, Failure> {
        let mut instance = self.instances.take().map_err(|error| Failure::internal(&error))?;
        let meter = instance.store.data().meter.clone();
        let called = meter.measured(async {
            match self.instances.guest(&mut instance).await? {
                (Proxy::P2(guest), store) => call_p2(guest, store, request, answer, &self.told).await,
                (guest, store) => call_p3(guest, store, request, answer).await,
            }
        });
        match called.await {
            Ok(()) => Ok(instance),
            Err(error) => {
                wanted.cut();
                Err(Failure::of(&error, &instance.store))
            }
        }
    }

    /// Keeps an instance for the next request once its answer has been sent: until then, what the guest has
    /// left open of it is the instance's to end.
    async fn keep(&self, instance: Instance, wanted: &Wanted) {
        if !self.instances.are_kept() {
            return;
        }
        tokio::select! {
            () = wanted.sent() => self.instances.keep(instance),
            () = sleep(Duration::from_secs(SENT_SECONDS_MAX)) => {}
            () = self.interrupt.cancelled() => {}
        }
    }
}

async fn call_p2(
    guest: &p2::bindings::Proxy,
    store: &mut Store<State>,
    request: Request<WasiBody>,
    answer: &Answer,
    told: &Arc<Told>,
) -> wasmtime::Result<()> {
    let request = store.data_mut().http::<0>().new_incoming_request(Scheme::Http, request)?;
    let (answer, told) = (answer.clone(), told.clone());
    let out = store.data_mut().http::<0>().new_response_outparam_from_callback(move |result| {
        answer.give(result.map_err(|error| {
            told.say(&format!("the guest answered with an error: {error:?}"));
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
        let prepared = accessor.with(|mut access| {
            Prepared::new(access.as_context_mut(), guest, request, State::http::<0>, sender)
        })?;
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
    message: String,
}

impl Failure {
    fn internal(error: &wasmtime::Error) -> Self {
        let message = format!("a request got no instance: {error:#}");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message }
    }

    fn of(error: &wasmtime::Error, store: &Store<State>) -> Self {
        let status = match failure::is_exhausted(error) {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let Outcome { code, message } = failure::outcome(error, store);
        Self { status, message: message.unwrap_or_else(|| format!("the guest exited with code {code}")) }
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

/// The answer to a client, from what its guest gave.
fn given(
    answered: Result<Given, oneshot::Canceled>,
    mut waiting: Waiting,
    transfer: &Arc<Transfer>,
) -> Response<WasiBody> {
    match answered {
        Ok(Ok(response)) => {
            waiting.answered = true;
            let answering = transfer.clone().answering();
            response.map(|body| Watched { body, answering, waiting }.boxed_unsync())
        }
        Ok(Err(StatusCode::SERVICE_UNAVAILABLE)) => busy(),
        Ok(Err(StatusCode::PAYLOAD_TOO_LARGE)) => {
            waiting.answered = true; // the guest sees an error where it reads, and may end in its own way
            too_large()
        }
        Ok(Err(status)) => plain(status, "the guest failed\n"),
        Err(oneshot::Canceled) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the guest gave no answer\n"),
    }
}

fn too_large() -> Response<WasiBody> {
    plain(StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large\n")
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
