//! Size of a request's body: known from its head, or counted while a guest reads. A client that sends too
//! much is told so if nothing was answered yet, and read from for a little while: a connection that closes
//! with bytes unread is reset, and the client might never see its answer.

use super::stall::Asked;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::timeout;
use wasmtime_wasi_http::Error;

/// How long a refused client is read from, in seconds.
const DRAIN_SECONDS_MAX: u64 = 5;

/// Bytes that are read from a refused client.
const DRAIN_BYTES_MAX: usize = 16 << 20;

/// What is done when a body turns out too large; it gets the rest of the body.
pub(super) type TooLarge = Box<dyn FnOnce(Asked) + Send>;

/// A body that ends with `HTTP-request-body-size` once it is too large.
pub(super) struct Bounded {
    body: Option<(Asked, TooLarge)>,
    read: u64,
    max: u64,
}

impl Bounded {
    pub(super) fn new(body: Asked, max: u64, too_large: TooLarge) -> Self {
        Self { body: Some((body, too_large)), read: 0, max }
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some((body, _)) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        self.read = self.read.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.read > self.max {
            if let Some((body, too_large)) = self.body.take() {
                too_large(body);
            }
            return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.max)))));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

/// Reads what still comes, for a little while.
pub(super) async fn drain<B: Body<Data = Bytes>>(body: B) {
    let mut body = pin!(body);
    let all = async {
        let mut bytes = 0;
        while bytes < DRAIN_BYTES_MAX
            && let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await
        {
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        bytes
    };
    let read = timeout(Duration::from_secs(DRAIN_SECONDS_MAX), all).await;
    tracing::debug!(?read, "read from a client that sent too much");
}
