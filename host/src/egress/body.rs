//! Bodies of requests and answers, each within its bound. A request's body can be taken back when its request
//! failed, so that the guest may finish writing and sees the error, not a broken stream.

use super::client::Note;
use super::credential::{self, Secret};
use super::rule;
use bytes::Bytes;
use http::header::HeaderName;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, WasiBody};

/// A guest's body, shared by the request that carries it and whoever takes it back.
#[derive(Clone)]
pub(crate) struct Shared {
    body: Arc<Mutex<WasiBody>>,
    over: Arc<AtomicBool>,
}

impl Shared {
    pub(crate) fn new(body: WasiBody) -> Self {
        Self { body: Arc::new(Mutex::new(body)), over: Arc::default() }
    }

    /// Whether the guest wrote more than it may.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Reads what the guest still writes, up to this many bytes, and forgets it.
    pub(crate) async fn drain(self, bytes_max: u64) {
        let mut left = bytes_max;
        std::future::poll_fn(|cx| {
            loop {
                match std::task::ready!(Pin::new(&mut *self.lock()).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                        match left.checked_sub(length) {
                            Some(rest) => left = rest,
                            None => return Poll::Ready(()),
                        }
                    }
                    Some(Err(_)) | None => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn lock(&self) -> MutexGuard<'_, WasiBody> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's place among those under way. Its body and its answer's hold it together: a server may answer,
/// and go on reading for as long as the guest writes.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// A guest's body on its way out.
pub(crate) struct Leaving {
    shared: Shared,
    left: u64,
    limit: u64,
    /// A header that only the host may set.
    reserved: Option<HeaderName>,
    _place: Option<Place>,
}

impl Leaving {
    pub(crate) fn new(
        shared: Shared,
        limit: u64,
        reserved: Option<HeaderName>,
        place: Option<Place>,
    ) -> Self {
        Self { shared, left: limit, limit, reserved, _place: place }
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut *self.shared.lock()).poll_frame(cx);
        let mut frame = match std::task::ready!(polled) {
            Some(Ok(frame)) => frame,
            ended => return Poll::Ready(ended),
        };
        if let Some(data) = frame.data_ref() {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.shared.over.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.limit)))));
                }
            }
        }
        if let (Some(reserved), Some(trailers)) = (&self.reserved, frame.trailers_mut()) {
            credential::remove(trailers, reserved);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.shared.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.lock().size_hint()
    }
}

/// An answer's body on its way to the guest. It holds its request's place among those under way.
pub(crate) struct Arriving {
    pub(crate) body: Incoming,
    pub(crate) left: u64,
    /// How long each piece may take, from when the guest asks for it.
    pub(crate) between: Duration,
    pub(crate) waiting: Option<Pin<Box<Sleep>>>,
    pub(crate) secret: Option<Secret>,
    pub(crate) note: Note,
    pub(crate) place: Option<Place>,
}

impl Arriving {
    fn took_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        let between = self.between;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
        waiting.as_mut().poll(cx).is_ready()
    }

    fn check(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        if let Some(data) = frame.data_ref() {
            let left = self.left.checked_sub(data.len() as u64);
            self.left = left.ok_or_else(|| {
                self.note.limit("response-bytes", "the answer's body is longer than limits.responseBytesMax");
                Error::HttpResponseBodySize(None)
            })?;
        }
        if let Some(trailers) = frame.trailers_mut() {
            if !rule::headers_fit(trailers) {
                return Err(Error::HttpResponseTrailerSectionSize(None));
            }
            if let Some(secret) = &self.secret {
                secret.scrub(trailers);
            }
        }
        Ok(frame)
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.place.is_none() {
            return Poll::Ready(None); // it has ended
        }
        let checked = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.took_too_long(cx) => {
                self.note
                    .limit("timeout", "a piece of the answer's body took longer than limits.timeoutMillis");
                Some(Err(Error::ConnectionReadTimeout))
            }
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => None,
            Poll::Ready(Some(Ok(frame))) => Some(self.check(frame)),
            Poll::Ready(Some(Err(_))) => Some(Err(Error::HttpResponseIncomplete)),
        };
        self.waiting = None;
        if !matches!(checked, Some(Ok(_))) {
            self.place = None;
        }
        Poll::Ready(checked)
    }

    fn is_end_stream(&self) -> bool {
        self.place.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
