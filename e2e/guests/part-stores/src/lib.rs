//! What parts of a composition can do that needs a grant and is the same on either engine: configuration,
//! buckets and log lines have one generation.

wit_bindgen::generate!({
    inline: r#"
        package acme:stores;
        world stores {
            import wasi:config/store@0.2.0-rc.1;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:logging/logging;
        }
    "#,
    path: [
        "../../../wit/wasi-config-0.2.0-rc.1",
        "../../../wit/wasi-keyvalue-0.2.0-draft",
        "../../../wit/wasi-logging",
    ],
    world: "acme:stores/stores",
    generate_all,
});

use std::fmt::Debug;
use wasi::config::store as config;
use wasi::keyvalue::store as keyvalue;
use wasi::logging::logging::{Level, log};

fn wrong(error: impl Debug) -> String {
    format!("{error:?}")
}

/// Does what the words say, if they are about any of these.
pub fn act(words: &[&str]) -> Option<Result<String, String>> {
    Some(match *words {
        ["config"] => config::get_all().map_err(wrong).map(|pairs| {
            pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
        }),
        ["config", key] => config::get(key).map_err(wrong).map(shown),
        ["keep", bucket, key, value] => {
            let kept = |bucket: keyvalue::Bucket| bucket.set(key, value.as_bytes());
            keyvalue::open(bucket).and_then(kept).map_err(wrong).map(|()| String::new())
        }
        ["kept", bucket, key] => {
            let kept = keyvalue::open(bucket).and_then(|bucket| bucket.get(key));
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            kept.map_err(wrong).map(|value| shown(value.map(text)))
        }
        ["log", message] => {
            log(Level::Info, "guest", message);
            Ok(String::new())
        }
        _ => return None,
    })
}

fn shown(value: Option<String>) -> String {
    value.unwrap_or_else(|| "not there".to_owned())
}
