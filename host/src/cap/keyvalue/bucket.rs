//! One bucket in memory: bounded in bytes, the keys in the order in which they came. No I/O, no wasmtime.

use crate::limits::{
    KEYVALUE_ANSWER_BYTES_MAX, KEYVALUE_ENTRY_BYTES, KEYVALUE_KEY_BYTES_MAX, KEYVALUE_PAGE_KEYS_MAX,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Why a bucket doesn't do it; the guest sees the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the bucket is full: it may take {max_bytes} bytes, and this would make it {wanted_bytes}")]
    Full { max_bytes: u64, wanted_bytes: u64 },
    #[error("a key has {KEYVALUE_KEY_BYTES_MAX} bytes at most, this one has {bytes}")]
    Key { bytes: usize },
    #[error("one answer holds {KEYVALUE_ANSWER_BYTES_MAX} bytes at most; ask for fewer keys at once")]
    Answer,
    #[error("the value is no whole number in decimal digits, so it can't be incremented")]
    NoNumber,
    #[error("the number would be larger than 64 bits hold")]
    Overflow,
}

/// A key with its value.
pub(super) type Pair = (String, Vec<u8>);

/// A page of keys, and where the next one begins if there is one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) keys: Vec<String>,
    pub(super) next: Option<u64>,
}

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    max_bytes: u64,
    bytes: u64,
    entries: HashMap<Arc<str>, Entry>,
    /// The keys by the number under which they came: a listing goes on from a number, so that keys that come
    /// and go meanwhile neither hide others nor show them twice.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    value: Vec<u8>,
}

/// What an entry counts.
fn size(key: &str, value: &[u8]) -> u64 {
    KEYVALUE_ENTRY_BYTES + key.len() as u64 + value.len() as u64
}

impl Bucket {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, bytes: 0, entries: HashMap::new(), order: BTreeMap::new(), next: 0 }
    }

    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(|entry| entry.value.as_slice())
    }

    pub(super) fn exists(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn set(&mut self, key: &str, value: Vec<u8>) -> Result<(), Refusal> {
        if key.len() > KEYVALUE_KEY_BYTES_MAX {
            return Err(Refusal::Key { bytes: key.len() });
        }
        let before = self.get(key).map_or(0, |old| size(key, old));
        let wanted_bytes = (self.bytes - before).saturating_add(size(key, &value));
        self.check(wanted_bytes)?;
        self.put(key, value);
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.bytes -= size(&key, &entry.value);
            self.order.remove(&entry.number);
        }
    }

    /// Adds to a number in decimal digits; a missing one is zero.
    pub(super) fn increment(&mut self, key: &str, delta: u64) -> Result<u64, Refusal> {
        let old: u64 = match self.get(key) {
            None => 0,
            Some(value) => {
                let text = std::str::from_utf8(value).map_err(|_| Refusal::NoNumber)?;
                text.parse().map_err(|_| Refusal::NoNumber)?
            }
        };
        let new = old.checked_add(delta).ok_or(Refusal::Overflow)?;
        self.set(key, new.to_string().into_bytes())?;
        Ok(new)
    }

    /// The values of these keys, none where there is none.
    pub(super) fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<Pair>>, Refusal> {
        let answer = keys.iter().map(|key| self.get(key).map_or(0, |value| size(key, value)));
        if answer.sum::<u64>() > KEYVALUE_ANSWER_BYTES_MAX {
            return Err(Refusal::Answer);
        }
        let pair = |key: String| self.get(&key).map(<[u8]>::to_vec).map(|value| (key, value));
        Ok(keys.into_iter().map(pair).collect())
    }

    /// Sets all of them or none. Of one key that stands there twice, the last one counts.
    pub(super) fn set_many(&mut self, pairs: Vec<Pair>) -> Result<(), Refusal> {
        if let Some((key, _)) = pairs.iter().find(|(key, _)| key.len() > KEYVALUE_KEY_BYTES_MAX) {
            return Err(Refusal::Key { bytes: key.len() });
        }
        let last: HashMap<String, Vec<u8>> = pairs.into_iter().collect();
        let before = |key: &str| self.get(key).map_or(0, |old| size(key, old));
        let gone: u64 = last.keys().map(|key| before(key)).sum();
        let new: u64 = last.iter().map(|(key, value)| size(key, value)).sum();
        self.check((self.bytes - gone).saturating_add(new))?;
        for (key, value) in last {
            self.put(&key, value);
        }
        Ok(())
    }

    pub(super) fn delete_many(&mut self, keys: &[String]) {
        for key in keys {
            self.delete(key);
        }
    }

    /// The keys from this number on.
    pub(super) fn page(&self, cursor: Option<u64>) -> Page {
        let mut keys = self.order.range(cursor.unwrap_or(0)..);
        let page = keys.by_ref().take(KEYVALUE_PAGE_KEYS_MAX).map(|(_, key)| key.to_string()).collect();
        Page { keys: page, next: keys.next().map(|(number, _)| *number) }
    }

    fn check(&self, wanted_bytes: u64) -> Result<(), Refusal> {
        if wanted_bytes > self.max_bytes {
            return Err(Refusal::Full { max_bytes: self.max_bytes, wanted_bytes });
        }
        Ok(())
    }

    /// Puts a value there; that it fits was checked.
    fn put(&mut self, key: &str, value: Vec<u8>) {
        // What a guest hands over may have been given more room than it takes.
        let value = value.into_boxed_slice().into_vec();
        self.bytes += size(key, &value);
        if let Some(entry) = self.entries.get_mut(key) {
            self.bytes -= size(key, &entry.value);
            entry.value = value;
            return;
        }
        let key: Arc<str> = key.into();
        self.entries.insert(key.clone(), Entry { number: self.next, value });
        self.order.insert(self.next, key);
        self.next += 1;
    }
}

#[cfg(test)]
mod tests;
