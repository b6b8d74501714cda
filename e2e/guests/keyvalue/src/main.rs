//! A command that does with a bucket what its arguments say, one after another, and prints what comes of it:
//! `open BUCKET`, `set KEY VALUE`, `get KEY`, `delete KEY`, `add KEY NUMBER`, `fill KEY BYTES`, `list`.

wit_bindgen::generate!({ path: "../../../wit/wasi-keyvalue-0.2.0-draft", world: "wasi:keyvalue/imports" });

use wasi::keyvalue::store::{self, Bucket, Error};
use wasi::keyvalue::{atomics, batch};

fn main() {
    let mut words = std::env::args().skip(1);
    let mut bucket: Result<Bucket, Error> = Err(Error::NoSuchStore);
    while let Some(what) = words.next() {
        let mut word = || words.next().unwrap_or_default();
        if what == "open" {
            bucket = store::open(&word());
            println!("open: {:?}", bucket.as_ref().map(|_| ()));
            continue;
        }
        let Ok(bucket) = &bucket else { continue };
        let came = match what.as_str() {
            "set" => batch::set_many(bucket, &[(word(), word().into_bytes())]).map(|()| "done".to_owned()),
            "get" => bucket.get(&word()).map(|value| match value {
                Some(value) => String::from_utf8_lossy(&value).into_owned(),
                None => "not there".to_owned(),
            }),
            "delete" => bucket.delete(&word()).map(|()| "done".to_owned()),
            "add" => atomics::increment(bucket, &word(), word().parse().unwrap_or(1)).map(|n| n.to_string()),
            "fill" => bucket.set(&word(), &vec![0; word().parse().unwrap_or(0)]).map(|()| "done".to_owned()),
            _ => bucket.list_keys(None).map(|page| page.keys.join(" ")),
        };
        println!("{what}: {came:?}");
    }
}
