//! The tables of limits that people read say what the constants say, and the words for each limit begin with
//! the name that stands there.

use super::super::*;
use crate::engine::INSTANCES_MAX;
use std::collections::BTreeMap;
use std::path::Path;

/// A value as the tables write it.
#[derive(Clone, Copy)]
enum Value {
    Bytes(u64),
    Count(u64),
    Millis(u64),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let largest = |number: u64, units: &[(u64, &str)]| {
            let unit = units.iter().find(|(size, _)| number.is_multiple_of(*size));
            unit.map(|(size, name)| format!("{} {name}", number / size)).unwrap_or_default()
        };
        match *self {
            Self::Bytes(bytes) => {
                f.write_str(&largest(bytes, &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]))
            }
            Self::Millis(millis) => f.write_str(&largest(
                millis,
                &[(86_400_000, "day"), (600_000, "min"), (1000, "s"), (1, "ms")],
            )),
            Self::Count(count @ 1000..) => write!(f, "{},{:03}", count / 1000, count % 1000),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

/// Name and value of every limit that a guest or a client can run into.
fn limits() -> BTreeMap<&'static str, Value> {
    use Value::{Bytes, Count, Millis};
    let count = |count: usize| Count(count as u64);
    let bytes = |bytes: usize| Bytes(bytes as u64);
    BTreeMap::from([
        ("limits.memory", Bytes(MEMORY_BYTES_DEFAULT)),
        ("limits.cpuPerCallMillis", Millis(CPU_PER_CALL_MILLIS_DEFAULT.into())),
        ("limits.outputBytesPerSecond", Bytes(OUTPUT_BYTES_PER_SECOND_DEFAULT)),
        ("http.maxConcurrency", count(CONCURRENT_REQUESTS_MAX)),
        ("http.requestTimeoutMillis", Millis(REQUEST_TIMEOUT_MILLIS_DEFAULT.into())),
        ("http.bodyBytesMax", Bytes(REQUEST_BODY_BYTES_DEFAULT)),
        ("limit afterAnswer", Millis(AFTER_ANSWER_SECONDS_MAX * 1000)),
        ("limit requestsPerInstance", Count(REQUESTS_PER_INSTANCE_MAX.into())),
        ("limit keptInstance", Millis(KEPT_SECONDS_MAX * 1000)),
        ("limit connections", count(CONNECTIONS_MAX)),
        ("limit requestHeadBytes", bytes(REQUEST_HEAD_BYTES_MAX)),
        ("limit tableElements", count(TABLE_ELEMENTS_MAX)),
        ("limit coreInstances", Count(CORE_INSTANCES_MAX.into())),
        ("limit memories", Count(MEMORIES_MAX.into())),
        ("limit tables", Count(TABLES_MAX.into())),
        ("limit handles", count(COMPONENT_HANDLES_MAX)),
        ("limit sockets", count(SOCKETS_MAX)),
        ("limit hostCopyBytes", bytes(HOST_COPY_BYTES_MAX)),
        ("limit randomBytes", Bytes(RANDOM_BYTES_MAX)),
        ("limit fieldsBytes", bytes(FIELDS_BYTES_MAX)),
        ("limit configValueBytes", bytes(CONFIG_VALUE_BYTES_MAX)),
        ("limit keyvalueKeyBytes", bytes(KEYVALUE_KEY_BYTES_MAX)),
        ("limit keyvaluePageKeys", count(KEYVALUE_PAGE_KEYS_MAX)),
        ("limit keyvalueAnswerBytes", Bytes(KEYVALUE_ANSWER_BYTES_MAX)),
        ("limit logMessageBytes", bytes(LOG_MESSAGE_BYTES_MAX)),
        ("limit logContextBytes", bytes(LOG_CONTEXT_BYTES_MAX)),
        ("limit instances", Count(INSTANCES_MAX.into())),
    ])
}

/// The rows of a page's tables whose first cell is a limit's name, without the name's quotes.
fn rows(page: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let named = rows.filter_map(|mut row: Vec<String>| {
        let name = row[0].strip_prefix('`')?.strip_suffix('`')?.to_owned();
        let is_limit = ["limit ", "limits.", "http."].iter().any(|begin| name.starts_with(begin));
        row[0] = name;
        is_limit.then_some(row)
    });
    named.collect()
}

fn check(page: &str, value_column: usize) {
    let mut left = limits();
    for row in rows(page) {
        let value = left.remove(row[0].as_str()).map(|value| value.to_string());
        assert_eq!(value.as_deref(), row.get(value_column).map(String::as_str), "{page}: {}", row[0]);
    }
    assert!(left.is_empty(), "{page} lacks {:?}", left.keys());
}

#[test]
fn security_md_says_what_the_constants_say() {
    check("SECURITY.md", 2);
}

#[test]
fn the_page_of_limits_says_what_the_constants_say() {
    check("docs/capabilities/limits.md", 1);
}

#[test]
fn the_words_for_each_limit_begin_with_its_name() {
    let names = limits();
    let hits = [
        Hit::Memory { wanted_bytes: 2, max_bytes: 1 },
        Hit::Table { wanted: 70_000 },
        Hit::Cpu { max_millis: 1 },
        Hit::Handles,
        Hit::HostCopy,
        Hit::Random,
        Hit::Fields,
        Hit::Instances,
    ];
    for hit in hits {
        let words = hit.to_string();
        let name = words.split_once(": ").map(|(name, _)| name).unwrap_or_default();
        assert!(names.contains_key(name), "{words}");
    }
}
