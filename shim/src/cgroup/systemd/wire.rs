//! The three calls of systemd's that are made, as messages of D-Bus, and what comes back. A library for D-Bus
//! would bring some twenty crates and a runtime into a process that says three sentences.
//! Source: the D-Bus specification, "Message Protocol"; org.freedesktop.systemd1(5).

use super::properties::{Property, Value};
use std::io;

/// Bytes of the part of a message that has always the same size.
pub(super) const HEAD_BYTES: usize = 16;

const LITTLE_ENDIAN: u8 = b'l';
const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const PROTOCOL: u8 = 1;

/// Name of the error that there is no such unit, to its end.
const NO_UNIT: &[u8] = b"org.freedesktop.systemd1.NoSuchUnit\0";

/// `StartTransientUnit(name, mode, properties, auxiliary units)`. Mode "fail" replaces no job of anybody's.
pub(super) fn start_transient_unit(unit: &str, properties: &[Property<'_>]) -> Vec<u8> {
    let mut body = Writer::default();
    body.text(unit);
    body.text("fail");
    body.properties(properties);
    body.number(0);
    body.align(8);
    call("StartTransientUnit", "ssa(sv)a(sa(sv))", &body.0)
}

/// `SetUnitProperties(name, only until the next boot, properties)`.
pub(super) fn set_unit_properties(unit: &str, properties: &[Property<'_>]) -> Vec<u8> {
    let mut body = Writer::default();
    body.text(unit);
    body.number(1);
    body.properties(properties);
    call("SetUnitProperties", "sba(sv)", &body.0)
}

/// `StopUnit(name, mode)`. Mode "replace", as `systemctl stop` has it, takes the place of a job to start it.
pub(super) fn stop_unit(unit: &str) -> Vec<u8> {
    let mut body = Writer::default();
    body.text(unit);
    body.text("replace");
    call("StopUnit", "ss", &body.0)
}

fn call(member: &str, signature: &str, body: &[u8]) -> Vec<u8> {
    let mut message = Writer(vec![LITTLE_ENDIAN, METHOD_CALL, 0, PROTOCOL]);
    message.length(body.len());
    message.number(1);
    message.array(8, |fields| {
        for (code, kind, text) in [
            (1, "o", "/org/freedesktop/systemd1"),
            (2, "s", "org.freedesktop.systemd1.Manager"),
            (3, "s", member),
            (8, "g", signature),
        ] {
            fields.align(8);
            fields.0.push(code);
            fields.signature(kind);
            if kind == "g" { fields.signature(text) } else { fields.text(text) }
        }
    });
    message.align(8);
    message.0.extend_from_slice(body);
    message.0
}

/// Bytes of a message; each value starts at a multiple of its own size.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, value: u32) {
        self.align(4);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Lengths are of things made here, some kilobytes at most.
    fn length(&mut self, value: usize) {
        self.number(u32::try_from(value).unwrap_or(u32::MAX));
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    /// The length of an array doesn't count the gap before its first element.
    fn array(&mut self, alignment: usize, fill: impl FnOnce(&mut Self)) {
        self.number(0);
        let length_at = self.0.len() - 4;
        self.align(alignment);
        let start = self.0.len();
        fill(self);
        let length = u32::try_from(self.0.len() - start).unwrap_or(u32::MAX);
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn properties(&mut self, properties: &[Property<'_>]) {
        self.array(8, |array| {
            for property in properties {
                array.align(8);
                array.text(property.name);
                array.value(&property.value);
            }
        });
    }

    fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Text(text) => {
                self.signature("s");
                self.text(text);
            }
            Value::Flag(on) => {
                self.signature("b");
                self.number(u32::from(*on));
            }
            Value::Number(number) => {
                self.signature("t");
                self.align(8);
                self.0.extend_from_slice(&number.to_le_bytes());
            }
            Value::Pid(pid) => {
                self.signature("au");
                self.array(4, |array| array.number(*pid));
            }
            Value::Bits(bits) => {
                self.signature("ay");
                self.array(1, |array| array.0.extend_from_slice(bits));
            }
        }
    }
}

/// Why systemd did not carry a call out.
#[derive(Debug, thiserror::Error)]
#[error("systemd says {text:?}")]
pub(in crate::cgroup) struct Refusal {
    text: String,
    is_of_no_unit: bool,
}

impl Refusal {
    /// Whether it is that there is no such unit.
    pub(super) fn is_of_no_unit(&self) -> bool {
        self.is_of_no_unit
    }
}

/// The part of an answer that says how long the rest is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    kind: u8,
    body_bytes: usize,
    fields_bytes: usize,
}

impl Head {
    pub(super) fn parse(bytes: [u8; HEAD_BYTES]) -> io::Result<Self> {
        let number = |at: usize| {
            let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            usize::try_from(u32::from_le_bytes(four)).unwrap_or(usize::MAX)
        };
        // systemd answers in the order of the machine's bytes, which is ours.
        if bytes[0] != LITTLE_ENDIAN || bytes[3] != PROTOCOL {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no message of D-Bus"));
        }
        Ok(Self { kind: bytes[1], body_bytes: number(4), fields_bytes: number(12) })
    }

    /// Bytes that follow.
    pub(super) fn rest_bytes(&self) -> usize {
        self.body_at().saturating_add(self.body_bytes)
    }

    fn body_at(&self) -> usize {
        self.fields_bytes.checked_next_multiple_of(8).unwrap_or(usize::MAX)
    }

    /// Whether the call was carried out, and why not; none if this is no answer.
    pub(super) fn answer(&self, rest: &[u8]) -> Option<Result<(), Refusal>> {
        match self.kind {
            METHOD_RETURN => Some(Ok(())),
            ERROR => {
                // A text: four bytes of length, then its own.
                let text = rest.get(self.body_at() + 4..).unwrap_or_default();
                let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
                let text = String::from_utf8_lossy(&text[..end]).into_owned();
                // The error's name is the only field of an error that systemd gives such a text.
                let fields = rest.get(..self.fields_bytes).unwrap_or_default();
                let is_of_no_unit = fields.windows(NO_UNIT.len()).any(|part| part == NO_UNIT);
                Some(Err(Refusal { text, is_of_no_unit }))
            }
            _ => None,
        }
    }
}
