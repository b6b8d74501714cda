//! What is made of components that were found.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::compile::parts::Parts;
use crate::content::ContentError;
use async_trait::async_trait;
use morph_component::PlannedPart;
use std::collections::HashMap;
use std::sync::Mutex;

/// A store that holds these, and remembers what was read.
#[derive(Default)]
struct Memory {
    blobs: HashMap<Digest, Vec<u8>>,
    read: Mutex<Vec<Digest>>,
}

#[async_trait]
impl Store for Memory {
    async fn blob(&self, digest: &Digest, _: u64) -> Result<Vec<u8>, ContentError> {
        self.read.lock().unwrap().push(digest.clone());
        Ok(self.blobs[digest].clone())
    }

    async fn image(&self, name: &str) -> Result<Digest, ContentError> {
        Err(ContentError::Missing { what: name.into() })
    }
}

fn found(bytes: &[u8], export: &str) -> Found {
    let world = World { exports: vec![export.parse().unwrap()], ..World::default() };
    let layer = Descriptor { digest: Digest::of(bytes), size_bytes: bytes.len() as u64 };
    Found { layer, world: Arc::new(world), bytes: None }
}

fn sized(size_bytes: u64) -> Found {
    let found = found(b"", "wasi:cli/run@0.2.0");
    Found { layer: Descriptor { size_bytes, ..found.layer }, ..found }
}

#[test]
fn parts_together_are_as_large_as_one_component_may_be() {
    check_size(&[sized(COMPONENT_SIZE_BYTES_MAX - 7), sized(7)]).unwrap();
    // One that is too large alone is refused by whoever reads it.
    check_size(&[sized(COMPONENT_SIZE_BYTES_MAX + 1)]).unwrap();
    for sizes in [[COMPONENT_SIZE_BYTES_MAX, 1], [u64::MAX, u64::MAX]] {
        let outcome = check_size(&sizes.map(sized)).unwrap_err();
        assert_eq!(outcome.code, code::BAD_COMPONENT);
        assert!(outcome.message.unwrap().contains("bytes together; the most is"));
    }
}

#[tokio::test]
async fn parts_are_put_together_in_the_plans_order_and_only_those_are_read_that_are_not_there() {
    let bytes = [b"the main component".to_vec(), b"a clock".to_vec()];
    let contents: Vec<Digest> = bytes.iter().map(|bytes| Digest::of(bytes)).collect();
    let named = |name: &str| PlannedPart { name: name.into(), imports: Vec::new() };
    let plan = Plan { parts: vec![named("main"), named("clock")] };
    let store = Memory { blobs: contents.iter().cloned().zip(bytes.clone()).collect(), ..Memory::default() };
    let mut all: Vec<Found> = bytes.iter().map(|bytes| found(bytes, "acme:a/b")).collect();
    all[0].bytes = Some(bytes[0].clone());
    let written = parts(&store, &plan, &contents, all).await.unwrap();
    assert_eq!(Parts::read(&written).unwrap().digest(), composed_digest(&plan, &contents));
    assert_eq!(*store.read.lock().unwrap(), contents[1..]);
}
