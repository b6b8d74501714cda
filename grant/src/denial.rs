//! A denial on its way from a node to the operator: what was refused to whom. Hearsay: nothing is granted or
//! taken because of it, and each station on the way may drop it.

use serde::{Deserialize, Serialize};

/// Longest report, in bytes of JSON: one datagram, and small enough that a queue of hundreds costs nothing.
pub const REPORT_BYTES_MAX: usize = 2 << 10;

/// Longest word for a capability or a rule, in characters: they are labels of metrics.
pub const WORD_CHARS_MAX: usize = 48;

/// Longest detail, in bytes. It is the guest's words (a host, a path), made safe to show; with JSON's escapes
/// it stays below half of a report.
pub const DETAIL_BYTES_MAX: usize = 400;

/// Longest name of a pod or namespace, in characters (RFC 1123).
const NAME_CHARS_MAX: usize = 253;

/// Longest uid, in characters: a UUID, with room for clusters that spell it otherwise.
const UID_CHARS_MAX: usize = 64;

/// What was refused to whom. Who it was is the node's word, never the guest's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DenialReport {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub pod_uid: String,
    /// Uid of the Morph whose grant the pod has.
    pub morph_uid: String,
    /// The capability that was asked for.
    pub capability: String,
    /// The rule that refused it.
    pub rule: String,
    /// What was asked for, cut.
    pub detail: String,
}

/// Why a report is not believed to be one.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Beyond [`REPORT_BYTES_MAX`].
    #[error("a report of {size} bytes; at most {REPORT_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
    },
    /// Not its JSON.
    #[error("not a report")]
    Malformed(#[from] serde_json::Error),
    /// A field that no node writes like that.
    #[error("a report whose {field} can't be one")]
    Field {
        /// Its name.
        field: &'static str,
    },
}

impl DenialReport {
    /// Reads a datagram.
    ///
    /// # Errors
    /// Any [`ReportError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportError> {
        if bytes.len() > REPORT_BYTES_MAX {
            return Err(ReportError::TooLarge { size: bytes.len() });
        }
        let report: Self = serde_json::from_slice(bytes)?;
        report.check()?;
        Ok(report)
    }

    /// As a datagram.
    ///
    /// # Errors
    /// A field is wrong; with right fields it always fits.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReportError> {
        self.check()?;
        let bytes = serde_json::to_vec(self)?;
        if bytes.len() > REPORT_BYTES_MAX {
            return Err(ReportError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// Whether each field can be what it says.
    ///
    /// # Errors
    /// [`ReportError::Field`] for the first that can't.
    pub fn check(&self) -> Result<(), ReportError> {
        let fields = [
            ("namespace", is_name(&self.namespace, NAME_CHARS_MAX)),
            ("pod", is_name(&self.pod, NAME_CHARS_MAX)),
            ("podUid", is_name(&self.pod_uid, UID_CHARS_MAX)),
            ("morphUid", is_name(&self.morph_uid, UID_CHARS_MAX)),
            ("capability", is_word(&self.capability)),
            ("rule", is_word(&self.rule)),
            ("detail", is_detail(&self.detail)),
        ];
        match fields.into_iter().find(|(_, fits)| !fits) {
            Some((field, _)) => Err(ReportError::Field { field }),
            None => Ok(()),
        }
    }
}

/// What may stand in a path of the API: nothing that could lead elsewhere.
fn is_name(text: &str, chars_max: usize) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !text.is_empty()
        && text.len() <= chars_max
        && text.chars().all(plain)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Whether a text may name a capability or a rule: it becomes a label.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !text.is_empty() && text.len() <= WORD_CHARS_MAX && text.chars().all(plain)
}

fn is_detail(text: &str) -> bool {
    text.len() <= DETAIL_BYTES_MAX && !text.contains(char::is_control)
}

/// A guest's words as a detail: one line, cut.
#[must_use]
pub fn detail(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut end = line.len().min(DETAIL_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn report() -> DenialReport {
        DenialReport {
            namespace: "demo".into(),
            pod: "weather-5b6c-x".into(),
            pod_uid: "0e5a4b9c-0000-4000-8000-00000000cafe".into(),
            morph_uid: "0e5a4b9c-0000-4000-8000-00000000beef".into(),
            capability: "http".into(),
            rule: "host-not-granted".into(),
            detail: "GET https://evil.example/".into(),
        }
    }

    fn refused(change: impl FnOnce(&mut DenialReport), field: &str) {
        let mut report = report();
        change(&mut report);
        let error = report.check().unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
        assert!(DenialReport::parse(&serde_json::to_vec(&report).unwrap()).is_err());
        assert!(report.to_bytes().is_err());
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let bytes = report().to_bytes().unwrap();
        assert!(bytes.len() < REPORT_BYTES_MAX);
        assert_eq!(DenialReport::parse(&bytes).unwrap(), report());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", "../secrets", "a/b", "a b", "a\n", ".", "..", "a%2e", "ä", "-a"] {
            refused(|report| report.namespace = name.into(), "namespace");
            refused(|report| report.pod = name.into(), "pod");
            refused(|report| report.pod_uid = name.into(), "podUid");
            refused(|report| report.morph_uid = name.into(), "morphUid");
        }
        refused(|report| report.pod = "a".repeat(254), "pod");
        refused(|report| report.morph_uid = "a".repeat(65), "morphUid");
    }

    #[test]
    fn a_label_that_anybody_could_choose_is_refused() {
        for word in ["", "two words", "a\"b", "a\nb", "{x}"] {
            refused(|report| report.capability = word.into(), "capability");
            refused(|report| report.rule = word.into(), "rule");
        }
        refused(|report| report.rule = "a".repeat(WORD_CHARS_MAX + 1), "rule");
    }

    #[test]
    fn a_field_that_nobody_knows_is_refused() {
        let mut value = serde_json::to_value(report()).unwrap();
        value["admin"] = true.into();
        assert!(DenialReport::parse(&serde_json::to_vec(&value).unwrap()).is_err());
    }

    #[test]
    fn a_datagram_that_is_too_large_is_not_even_parsed() {
        let bytes = vec![b' '; REPORT_BYTES_MAX + 1];
        assert!(matches!(DenialReport::parse(&bytes), Err(ReportError::TooLarge { .. })));
        refused(|report| report.detail = "a".repeat(DETAIL_BYTES_MAX + 1), "detail");
    }

    proptest! {
        #[test]
        fn whatever_a_guest_says_fits_into_a_report(words in ".{0,2000}|[\u{0}-\u{1f}\"\\\\]{0,600}") {
            let mut report = report();
            report.detail = detail(&words);
            report.pod = "p".repeat(253);
            report.namespace = "n".repeat(63);
            let bytes = report.to_bytes().unwrap();
            prop_assert_eq!(DenialReport::parse(&bytes).unwrap(), report);
        }

        #[test]
        fn no_bytes_are_a_reason_to_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = DenialReport::parse(&bytes);
        }
    }
}
