//! Texts of types, cut where they get long: a beginning that people can read, and a digest of the whole, so
//! that two of them are still equal where the types are.

use fnv::FnvHasher;
use std::hash::Hasher as _;

/// Longest text of a type, in bytes. Nearly all functions of WASI have less; a message has two.
pub const TYPE_TEXT_BYTES_MAX: usize = 160;

/// What stands where a text is cut, before the digest.
pub(super) const CUT: char = '…';

/// Hexadecimal digits of the digest.
const DIGEST_DIGITS: usize = 16;

/// A text that is being put together. It never has more in memory than is kept. The digest has few bits, and
/// is the same in every build: who makes two types with one only puts off what the composer says of them.
pub(super) struct Text {
    head: String,
    bytes: usize,
    digest: FnvHasher,
}

impl Text {
    /// One that begins so.
    pub(super) fn new(beginning: &str) -> Self {
        let mut text = Self { head: String::new(), bytes: 0, digest: FnvHasher::default() };
        text.push(beginning);
        text
    }

    pub(super) fn push(&mut self, more: &str) {
        self.digest.write(more.as_bytes());
        self.bytes = self.bytes.saturating_add(more.len());
        let room = TYPE_TEXT_BYTES_MAX.saturating_sub(self.head.len());
        self.head.push_str(&more[..more.floor_char_boundary(room)]);
    }

    pub(super) fn finish(mut self) -> String {
        if self.bytes > TYPE_TEXT_BYTES_MAX {
            let kept = TYPE_TEXT_BYTES_MAX - CUT.len_utf8() - DIGEST_DIGITS;
            self.head.truncate(self.head.floor_char_boundary(kept));
            self.head.push_str(&format!("{CUT}{:0DIGEST_DIGITS$x}", self.digest.finish()));
        }
        self.head
    }
}

/// Whether a name is spelled as those of a component's items are, nearly all of them: what is spelled in
/// another way is in no shape.
pub(super) fn is_name(name: &str) -> bool {
    let is_spelled = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:/@+[]".contains(&byte);
    !name.is_empty() && name.bytes().all(is_spelled)
}
