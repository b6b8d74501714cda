//! The main component of a composition on the engine of WASI 0.3: does what its arguments say itself, lets
//! the plug do it, or does it with what the plug hands over.

wit_bindgen::generate!({
    path: "../part-p3/wit",
    world: "acme:parts-p3/main",
    with: {
        "wasi:clocks/types@0.3.0": wasip3::clocks::types,
        "wasi:http/types@0.3.0": wasip3::http::types,
    },
});

use acme::parts_p3::{fetching, work};
use guest_part_p3::{act, print, request, send};
use wasip3::http::types::Response;

struct Main;

wasip3::cli::command::export!(Main);

impl wasip3::exports::cli::run::Guest for Main {
    async fn run() -> Result<(), ()> {
        let words = wasip3::cli::environment::get_arguments();
        for words in words[1..].split(|word| word == "then") {
            match done(words).await {
                Ok(text) if text.is_empty() => {}
                Ok(text) => print(text).await,
                Err(text) => {
                    print(format!("error {text}")).await;
                    return Err(());
                }
            }
        }
        Ok(())
    }
}

async fn done(words: &[String]) -> Result<String, String> {
    let (who, words) = words.split_first().ok_or("say who: self, plug, at-once, given or handed")?;
    match (who.as_str(), words) {
        ("self", _) => act(words).await,
        ("plug", _) => work::act(words.to_vec()).await,
        ("at-once", _) => work::act_at_once(words),
        // What the plug made is sent with the main component's rights.
        ("given", [url]) => Ok(status(&send(fetching::prepare(url.clone()).await?).await?)),
        // What the main component made is sent with the plug's rights.
        ("handed", [url]) => Ok(status(&fetching::send(request(url)?).await?)),
        _ => Err("say who: self, plug, at-once, given or handed".to_owned()),
    }
}

fn status(answer: &Response) -> String {
    answer.get_status_code().to_string()
}
