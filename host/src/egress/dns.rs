//! Messages of DNS (RFC 1035), as far as somebody needs them who asks for addresses: one question out, its
//! answer in. Written here since that is little, and what reads answers of strangers should be. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of an answer over UDP: what fits into a packet of IPv6 anywhere.
pub(crate) const UDP_BYTES_MAX: u16 = 1_232;

/// Longest name as it stands in a message, in bytes.
const WIRE_NAME_BYTES_MAX: usize = 255;

/// Compression pointers in one name. Each points backwards, so that there is an end anyhow.
const POINTERS_MAX: usize = 16;

/// Aliases between a name and its addresses.
const ALIASES_MAX: usize = 8;

const HEADER_BYTES: usize = 12;
const FLAG_RESPONSE: u16 = 0x8000;
const MASK_OPCODE: u16 = 0x7800;
const FLAG_TRUNCATED: u16 = 0x0200;
const FLAG_RECURSION_DESIRED: u16 = 0x0100;
const MASK_CODE: u16 = 0x000f;
const CLASS_IN: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_OPT: u16 = 41;
const CODE_NO_NAME: u16 = 3;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// IPv4
    A = 1,
    /// IPv6
    Aaaa = 28,
}

/// A question, and what tells its answer from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    id: u16,
    /// Labels with their lengths, in lower case, ended by an empty one.
    name: Vec<u8>,
    kind: Kind,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its addresses, in order; none if the name has none of this kind.
    Addresses(Vec<IpAddr>),
    /// It didn't fit; TCP has the whole.
    Truncated,
    /// The server refused, with this code.
    Refused(u16),
    /// More aliases than are followed.
    TooManyAliases,
}

impl Question {
    /// A question for an absolute name without trailing dot; `None` for a name that DNS can't carry.
    pub(crate) fn new(id: u16, name: &str, kind: Kind) -> Option<Self> {
        let mut wire = Vec::with_capacity(name.len() + 2);
        for label in name.split('.') {
            let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
            wire.push(length);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        (wire.len() <= WIRE_NAME_BYTES_MAX).then_some(Self { id, name: wire, kind })
    }

    /// The message: recursion is wanted, and answers may be as long as [`UDP_BYTES_MAX`] (RFC 6891).
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.name.len() + 15);
        for word in [self.id, FLAG_RECURSION_DESIRED, 1, 0, 0, 1] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(&self.name);
        bytes.extend([self.kind as u16, CLASS_IN].map(u16::to_be_bytes).concat());
        bytes.push(0);
        bytes.extend([TYPE_OPT, UDP_BYTES_MAX, 0, 0, 0].map(u16::to_be_bytes).concat());
        bytes
    }

    /// Reads an answer to this question; `None` for anything else.
    pub(crate) fn read(&self, message: &[u8]) -> Option<Answer> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.u16()?, reader.u16()?);
        let (questions, answers) = (reader.u16()?, reader.u16()?);
        reader.skip(4)?;
        let of_mine = id == self.id
            && flags & (FLAG_RESPONSE | MASK_OPCODE) == FLAG_RESPONSE
            && questions == 1
            && reader.name()? == self.name
            && reader.u16()? == self.kind as u16
            && reader.u16()? == CLASS_IN;
        if !of_mine {
            return None;
        }
        match (flags & FLAG_TRUNCATED != 0, flags & MASK_CODE) {
            (true, _) => Some(Answer::Truncated),
            (false, 0) => {
                let records: Option<Vec<Record>> = (0..answers).map(|_| reader.record()).collect();
                Some(self.follow(&records?))
            }
            (false, CODE_NO_NAME) => Some(Answer::Addresses(Vec::new())),
            (false, code) => Some(Answer::Refused(code)),
        }
    }

    /// The addresses of the name, by the aliases that stand in the answer. No further question is asked: to
    /// have followed them is the work of the server that recursion was wanted of.
    fn follow(&self, records: &[Record]) -> Answer {
        let mut owner = &self.name;
        for _ in 0..=ALIASES_MAX {
            let own = || records.iter().filter(|record| record.owner == *owner);
            let found: Vec<IpAddr> = own().filter_map(|record| record.address(self.kind)).collect();
            let alias = own().find_map(|record| match &record.data {
                Data::Alias(alias) => Some(alias),
                Data::Address(_) | Data::Other => None,
            });
            match alias {
                Some(alias) if found.is_empty() => owner = alias,
                _ => return Answer::Addresses(found),
            }
        }
        Answer::TooManyAliases
    }
}

/// One record of an answer.
struct Record {
    owner: Vec<u8>,
    data: Data,
}

enum Data {
    Address(IpAddr),
    Alias(Vec<u8>),
    Other,
}

impl Record {
    fn address(&self, kind: Kind) -> Option<IpAddr> {
        match (&self.data, kind) {
            (Data::Address(address @ IpAddr::V4(_)), Kind::A) => Some(*address),
            (Data::Address(address @ IpAddr::V6(_)), Kind::Aaaa) => Some(*address),
            _ => None,
        }
    }
}

/// Reads a message from front to back; every step may find its end.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.at.checked_add(N)?;
        let taken = self.message.get(self.at..end)?.try_into().ok()?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.message.len())?;
        Some(())
    }

    /// A name, in lower case and without compression.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut pointed = Reader { message: self.message, at: self.at };
        let mut lowest = self.at;
        for _ in 0..=POINTERS_MAX {
            let pointer = pointed.labels(&mut name)?;
            if lowest == self.at {
                self.at = pointed.at; // what stands here ends with the first pointer
            }
            let Some(pointer) = pointer else { return Some(name) };
            if pointer >= lowest {
                return None;
            }
            (lowest, pointed.at) = (pointer, pointer);
        }
        None
    }

    /// Labels up to the end of the name, or up to a pointer.
    fn labels(&mut self, name: &mut Vec<u8>) -> Option<Option<usize>> {
        loop {
            let [length] = self.take()?;
            match length {
                0 => {
                    name.push(0);
                    return Some(None);
                }
                1..=63 => {
                    let end = self.at.checked_add(length.into())?;
                    let label = self.message.get(self.at..end)?;
                    name.push(length);
                    name.extend(label.iter().map(u8::to_ascii_lowercase));
                    self.at = end;
                }
                0xc0.. => {
                    let [low] = self.take()?;
                    return Some(Some(usize::from(length & 0x3f) << 8 | usize::from(low)));
                }
                _ => return None,
            }
            if name.len() >= WIRE_NAME_BYTES_MAX {
                return None;
            }
        }
    }

    fn record(&mut self) -> Option<Record> {
        let owner = self.name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        self.skip(4)?; // how long it holds: nothing is kept
        let length = usize::from(self.u16()?);
        let end = self.at.checked_add(length).filter(|end| *end <= self.message.len())?;
        let data = match (kind, class, length) {
            (1, CLASS_IN, 4) => Data::Address(Ipv4Addr::from(self.take::<4>()?).into()),
            (28, CLASS_IN, 16) => Data::Address(Ipv6Addr::from(self.take::<16>()?).into()),
            (TYPE_CNAME, CLASS_IN, _) => Data::Alias(self.name()?),
            _ => Data::Other,
        };
        if matches!(data, Data::Other) {
            self.at = end;
        }
        (self.at == end).then_some(Record { owner, data })
    }
}

#[cfg(test)]
mod tests;
