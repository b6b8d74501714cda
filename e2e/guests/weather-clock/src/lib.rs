//! A plug that tells the time, and may do nothing but what every component may.

wit_bindgen::generate!({ path: "../weather/wit", world: "timepiece" });

use std::time::{SystemTime, UNIX_EPOCH};

/// How the clock speaks of itself. Tests change it in the component's bytes, where a short text might not be.
const SAYS: &str = "The clock of the weather station says that it is";

struct Clock;

export!(Clock);

impl exports::acme::weather::clock::Guest for Clock {
    fn now() -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (hours, minutes) = (since / 3600 % 24, since / 60 % 60);
        format!("{SAYS} {hours:02}:{minutes:02} UTC.")
    }
}
