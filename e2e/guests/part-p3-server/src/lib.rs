//! The main component of a Server on the engine of WASI 0.3. A path says what is done, and what comes of it
//! is the answer: `/plug/WORD,WORD` lets the plug do it, `/twice/WORD,WORD` twice at once, and `/client/URL`
//! and `/outgoing-handler/URL` ask by the interface of WASI 0.3 and of 0.2.

wit_bindgen::generate!({ path: "../part-p3/wit", world: "acme:parts-p3/asking", generate_all });

use acme::parts_p3::work;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_future, wit_stream};

struct Server;

wasip3::http::service::export!(Server);

impl wasip3::exports::http::handler::Guest for Server {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let (who, rest) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let (status, text) = match done(who, rest).await {
            Ok(text) => (200, text),
            Err(text) => (502, format!("error {text}")),
        };
        let (mut sender, receiver) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(receiver), no_trailers);
        response.set_status_code(status).expect("a status that there is");
        drop(trailers);
        wit_bindgen::spawn_local(async move {
            // A client that hangs up early leaves some of it; nothing is owed then.
            drop(sender.write_all(text.into_bytes()).await);
        });
        Ok(response)
    }
}

async fn done(who: &str, rest: &str) -> Result<String, String> {
    let words = || rest.split(',').map(str::to_owned).collect::<Vec<_>>();
    match who {
        "plug" => work::act(words()).await,
        "twice" => {
            let (one, other) = both(work::act(words()), work::act(words())).await;
            Ok(format!("{} {}", one?, other?))
        }
        "client" => {
            let answer = guest_part_p3::send(guest_part_p3::request(rest)?).await?;
            Ok(answer.get_status_code().to_string())
        }
        "outgoing-handler" => {
            guest_part_granted::answer(&guest_part_granted::send(guest_part_granted::request(rest)?)?)
        }
        "trap" => std::process::abort(),
        _ => Err(format!("nobody is {who}")),
    }
}

/// What comes of both, which go on side by side.
async fn both<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> (T, T) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(move |context| {
        if first.is_none()
            && let Poll::Ready(done) = one.as_mut().poll(context)
        {
            first = Some(done);
        }
        if second.is_none()
            && let Poll::Ready(done) = other.as_mut().poll(context)
        {
            second = Some(done);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            left => {
                (first, second) = left;
                Poll::Pending
            }
        }
    })
    .await
}
