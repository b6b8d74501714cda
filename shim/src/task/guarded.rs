//! A panic in a call becomes an answer. The library would give none, and who called would wait for ever.

use async_trait::async_trait;
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use ttrpc::r#async::{MethodHandler, Service as Methods, TtrpcContext};
use ttrpc::proto::ResponseInit as _;
use ttrpc::{Code, Request, Response, get_status};

/// A call whose panics are answered with INTERNAL. What it left behind is a task in some state of the table:
/// Kill and Delete go on from there.
struct Guarded(Box<dyn MethodHandler + Send + Sync>);

/// Guards every call of a service.
pub(super) fn guarded(service: Methods) -> Methods {
    let guard = |(name, method)| (name, Box::new(Guarded(method)) as Box<dyn MethodHandler + Send + Sync>);
    Methods { methods: service.methods.into_iter().map(guard).collect(), ..service }
}

#[async_trait]
impl MethodHandler for Guarded {
    async fn handler(&self, context: TtrpcContext, request: Request) -> ttrpc::Result<Response> {
        let method = request.method.clone();
        // Nothing of it is used again but what is behind locks of its own.
        let answered = AssertUnwindSafe(self.0.handler(context, request)).catch_unwind().await;
        answered.unwrap_or_else(|_| {
            tracing::error!(method, "a call panicked");
            let text = format!("{method} ended early by a defect of the shim; its log says where");
            Ok(Response::init_status(get_status(Code::INTERNAL, text)))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::collections::HashMap;

    /// Answers, or panics when it is told to.
    struct Fragile;

    #[async_trait]
    impl MethodHandler for Fragile {
        async fn handler(&self, _: TtrpcContext, request: Request) -> ttrpc::Result<Response> {
            tokio::task::yield_now().await;
            assert!(request.payload.is_empty(), "told to panic");
            Ok(Response::init_status(get_status(Code::OK, "")))
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_next_call_works() {
        let fragile: Box<dyn MethodHandler + Send + Sync> = Box::new(Fragile);
        let methods = HashMap::from([("Start".to_owned(), fragile)]);
        let service = guarded(Methods { methods, streams: HashMap::new() });
        for (payload, code) in [(vec![1], Code::INTERNAL), (vec![], Code::OK)] {
            let request = Request { method: "Start".into(), payload, ..Request::default() };
            let answer = service.methods["Start"].handler(TtrpcContext::default(), request).await.unwrap();
            assert_eq!(answer.status.code(), code);
            assert_eq!(answer.status.message.contains("Start ended early"), code == Code::INTERNAL);
        }
    }
}
