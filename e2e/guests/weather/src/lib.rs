//! The main component of a composition: a Server that asks one plug for the time and another for the weather,
//! and needs nothing granted itself.

wit_bindgen::generate!({ path: "wit", world: "main" });

use acme::weather::{clock, source};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Weather;

wasip2::http::proxy::export!(Weather);

impl Guest for Weather {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (status, text) = answer(path.trim_start_matches('/'));
        guest_answer::answer(out, status, &text);
    }
}

/// The weather of a place; without one, the time alone.
fn answer(place: &str) -> (u16, String) {
    let now = clock::now();
    if place.is_empty() {
        return (200, format!("{now}\nAsk for the weather of a place, such as /porto\n"));
    }
    match source::weather(place) {
        Ok(weather) => (200, format!("{now}\n{place}: {weather}\n")),
        Err(why) => (502, format!("{now}\n{place}: there is no weather: {why}\n")),
    }
}
