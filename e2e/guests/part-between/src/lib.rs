//! A plug that stands between another part and the host: it answers for configuration and environment, and
//! of its own configuration it shows nothing but the keys.

wit_bindgen::generate!({
    inline: r#"
        package acme:between;
        world between {
            import wasi:config/store@0.2.0-rc.1;
            export wasi:config/store@0.2.0-rc.1;
            export wasi:cli/environment@0.2.12;
        }
    "#,
    path: [
        "../../../wit/wasi-0.2.12/io.wit",
        "../../../wit/wasi-0.2.12/clocks.wit",
        "../../../wit/wasi-0.2.12/filesystem.wit",
        "../../../wit/wasi-0.2.12/random.wit",
        "../../../wit/wasi-0.2.12/sockets.wit",
        "../../../wit/wasi-0.2.12/cli.wit",
        "../../../wit/wasi-config-0.2.0-rc.1",
    ],
    world: "acme:between/between",
    generate_all,
});

use exports::wasi::config::store::{Error, Guest};
use wasi::config::store;

struct Between;

export!(Between);

/// What stands for each value.
const HIDDEN: &str = "hidden";

fn wrong(error: store::Error) -> Error {
    Error::Io(format!("{error:?}"))
}

impl Guest for Between {
    fn get(key: String) -> Result<Option<String>, Error> {
        Ok(store::get(&key).map_err(wrong)?.map(|_| HIDDEN.to_owned()))
    }

    fn get_all() -> Result<Vec<(String, String)>, Error> {
        let all = store::get_all().map_err(wrong)?;
        Ok(all.into_iter().map(|(key, _)| (key, HIDDEN.to_owned())).collect())
    }
}

impl exports::wasi::cli::environment::Guest for Between {
    fn get_environment() -> Vec<(String, String)> {
        vec![("BY".to_owned(), "the plug between".to_owned())]
    }

    fn get_arguments() -> Vec<String> {
        let words = std::env::var("ARGS").unwrap_or_default();
        std::iter::once("main").chain(words.split(' ')).map(str::to_owned).collect()
    }

    fn initial_cwd() -> Option<String> {
        None
    }
}
