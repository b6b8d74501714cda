//! A command that prints its configuration: the keys named by its arguments, or all.

wit_bindgen::generate!({ path: "../../../wit/wasi-config-0.2.0-rc.1", world: "wasi:config/imports" });

use wasi::config::store;

fn main() {
    let keys: Vec<String> = std::env::args().skip(1).collect();
    if keys.is_empty() {
        match store::get_all() {
            Ok(pairs) => pairs.iter().for_each(|(key, value)| println!("{key}={value}")),
            Err(error) => println!("refused: {error:?}"),
        }
    }
    for key in keys {
        match store::get(&key) {
            Ok(Some(value)) => println!("{key}={value}"),
            Ok(None) => println!("{key} is not there"),
            Err(error) => println!("refused: {error:?}"),
        }
    }
}
