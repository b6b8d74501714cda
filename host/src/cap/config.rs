//! `wasi:config/store`: the granted entries and nothing else. An entry that comes from a file is read each
//! time that the guest asks, so that a rotated ConfigMap or Secret holds from the next question on.

use super::{Linked, Place, Track, known, serve};
use crate::Task;
use crate::files::{Files, Unread};
use crate::limits::CONFIG_VALUE_BYTES_MAX;
use crate::store::State;
use bindings::wasi::config::store::{self, Error};
use morph_grant::ConfigEntry;
use std::io::ErrorKind;
use wasmtime::component::HasData;

mod bindings {
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/wasi-config-0.2.0-rc.1",
        world: "wasi:config/imports",
        imports: { default: trappable },
    });
}

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(match (interface, track) {
        ("config/store", Track::Exact("0.2.0-rc.1")) => Some(serve!(l, store, Config<'static>, config)),
        _ => None,
    })
}

/// The entries of a task.
pub(crate) struct Config<'a>(pub(crate) &'a Task);

impl HasData for Config<'static> {
    type Data<'a> = Config<'a>;
}

impl store::Host for Config<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let entry = self.0.grants.config.iter().find(|entry| entry.key == key);
        Ok(entry.map_or(Ok(None), |entry| self.value(entry)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        let pair = |entry: &ConfigEntry| Ok(self.value(entry)?.map(|value| (entry.key.clone(), value)));
        let pairs: Result<Vec<_>, Error> = self.0.grants.config.iter().map(pair).collect();
        Ok(pairs.map(|pairs| pairs.into_iter().flatten().collect()))
    }
}

impl Config<'_> {
    /// The value of an entry; none where its file isn't there.
    fn value(&self, entry: &ConfigEntry) -> Result<Option<String>, Error> {
        let (None, Some(name)) = (&entry.value, &entry.file) else { return Ok(entry.value.clone()) };
        let upstream = |what: &str| Error::Upstream(format!("the value of {:?} {what}", entry.key));
        let value = match Files::new(self.0.files.as_deref()).read(name, CONFIG_VALUE_BYTES_MAX) {
            Ok(value) => value,
            Err(Unread::NoFiles | Unread::NoName) => {
                return Err(upstream("has no file that it could come from"));
            }
            Err(Unread::Kind(ErrorKind::NotFound)) => return Ok(None),
            Err(Unread::Kind(kind)) => {
                return Err(Error::Io(format!("the value of {:?} can't be read: {kind}", entry.key)));
            }
        };
        if value.len() > CONFIG_VALUE_BYTES_MAX {
            let limit = format!("has more than {CONFIG_VALUE_BYTES_MAX} bytes (limit configValueBytes)");
            return Err(upstream(&limit));
        }
        String::from_utf8(value.to_vec()).map(Some).map_err(|_| upstream("is no text in UTF-8"))
    }
}

#[cfg(test)]
mod tests;
