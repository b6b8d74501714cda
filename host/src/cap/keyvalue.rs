//! `wasi:keyvalue`: the granted buckets, in this process's memory. All instances of a run share them; they
//! end with it. A bucket that no grant names isn't there,
//! and that it was asked for is told.

mod bucket;

use super::{Linked, Place, Track, known, serve};
use crate::denial::{Denial, Denials};
use crate::store::State;
use bindings::wasi::keyvalue::{atomics, batch, store};
use bucket::{Bucket, Pair, Refusal};
use morph_grant::Grants;
use morph_grant::interfaces::Capability;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::component::{HasData, Resource, ResourceTable, ResourceTableError};

mod bindings {
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/wasi-keyvalue-0.2.0-draft",
        world: "wasi:keyvalue/imports",
        imports: { default: trappable },
        with: { "wasi:keyvalue/store.bucket": super::Handle },
        trappable_error_type: { "wasi:keyvalue/store.error" => super::Error },
    });
}

const VERSION: Track = Track::Exact("0.2.0-draft");

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    type Served = Keyvalue<'static>;
    known(Some(match (interface, track) {
        ("keyvalue/atomics", VERSION) => serve!(l, atomics, Served, keyvalue),
        ("keyvalue/batch", VERSION) => serve!(l, batch, Served, keyvalue),
        ("keyvalue/store", VERSION) => serve!(l, store, Served, keyvalue),
        _ => return known(None),
    }))
}

/// The buckets of a run, by name.
#[derive(Clone)]
pub(crate) struct Buckets(Arc<BTreeMap<String, Handle>>);

impl Buckets {
    pub(crate) fn new(grants: &Grants) -> Self {
        let named = |grant: &morph_grant::KeyvalueGrant| {
            (grant.bucket.clone(), Handle(Arc::new(Mutex::new(Bucket::new(grant.max_bytes)))))
        };
        Self(Arc::new(grants.keyvalue.iter().map(named).collect()))
    }
}

/// A bucket that a guest has opened.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "the bindings export it")]
pub struct Handle(Arc<Mutex<Bucket>>);

impl Handle {
    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a guest is told, or why it traps.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the bindings export it")]
pub enum Error {
    /// No grant names the bucket.
    NoSuchStore,
    /// The bucket doesn't do it.
    Refused(String),
    /// The guest gave a handle that is none, or holds too many.
    Table(ResourceTableError),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

impl From<ResourceTableError> for Error {
    fn from(error: ResourceTableError) -> Self {
        Self::Table(error)
    }
}

/// The buckets as one instance sees them.
pub(crate) struct Keyvalue<'a> {
    pub(crate) buckets: &'a Buckets,
    pub(crate) denials: &'a Denials,
    pub(crate) table: &'a mut ResourceTable,
}

impl HasData for Keyvalue<'static> {
    type Data<'a> = Keyvalue<'a>;
}

type Result<T> = std::result::Result<T, Error>;

impl Keyvalue<'_> {
    fn bucket(&self, handle: &Resource<Handle>) -> Result<MutexGuard<'_, Bucket>> {
        Ok(self.table.get(handle)?.lock())
    }
}

impl store::Host for Keyvalue<'_> {
    fn open(&mut self, name: String) -> Result<Resource<Handle>> {
        let Some(bucket) = self.buckets.0.get(&name) else {
            self.denials.note(&Denial::new(Capability::Keyvalue, "bucket", &name));
            return Err(Error::NoSuchStore);
        };
        Ok(self.table.push(bucket.clone())?)
    }

    fn convert_error(&mut self, error: Error) -> wasmtime::Result<store::Error> {
        match error {
            Error::NoSuchStore => Ok(store::Error::NoSuchStore),
            Error::Refused(words) => Ok(store::Error::Other(words)),
            Error::Table(error) => Err(error.into()),
        }
    }
}

impl store::HostBucket for Keyvalue<'_> {
    fn get(&mut self, bucket: Resource<Handle>, key: String) -> Result<Option<Vec<u8>>> {
        Ok(self.bucket(&bucket)?.get(&key).map(<[u8]>::to_vec))
    }

    fn set(&mut self, bucket: Resource<Handle>, key: String, value: Vec<u8>) -> Result<()> {
        Ok(self.bucket(&bucket)?.set(&key, value)?)
    }

    fn delete(&mut self, bucket: Resource<Handle>, key: String) -> Result<()> {
        self.bucket(&bucket)?.delete(&key);
        Ok(())
    }

    fn exists(&mut self, bucket: Resource<Handle>, key: String) -> Result<bool> {
        Ok(self.bucket(&bucket)?.exists(&key))
    }

    fn list_keys(&mut self, bucket: Resource<Handle>, cursor: Option<u64>) -> Result<store::KeyResponse> {
        let page = self.bucket(&bucket)?.page(cursor);
        Ok(store::KeyResponse { keys: page.keys, cursor: page.next })
    }

    fn drop(&mut self, bucket: Resource<Handle>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Keyvalue<'_> {
    fn increment(&mut self, bucket: Resource<Handle>, key: String, delta: u64) -> Result<u64> {
        Ok(self.bucket(&bucket)?.increment(&key, delta)?)
    }
}

impl batch::Host for Keyvalue<'_> {
    fn get_many(&mut self, bucket: Resource<Handle>, keys: Vec<String>) -> Result<Vec<Option<Pair>>> {
        Ok(self.bucket(&bucket)?.get_many(keys)?)
    }

    fn set_many(&mut self, bucket: Resource<Handle>, pairs: Vec<Pair>) -> Result<()> {
        Ok(self.bucket(&bucket)?.set_many(pairs)?)
    }

    fn delete_many(&mut self, bucket: Resource<Handle>, keys: Vec<String>) -> Result<()> {
        self.bucket(&bucket)?.delete_many(&keys);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
