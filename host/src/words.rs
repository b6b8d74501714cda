//! Words of guests where the host speaks: never too long, and without control characters that would act on
//! whoever reads a log.

/// Marks what was cut.
const CUT: &str = "…";

/// The text, cut to this many bytes between two characters.
#[must_use]
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(CUT.len()));
    format!("{}{CUT}", &text[..end])
}

/// The text in lines, with every other control character shown by its escape.
#[must_use]
pub(crate) fn lines(text: &str, bytes_max: usize) -> String {
    escaped(text, bytes_max, |character| character == '\n')
}

/// The text in one line, with every control character shown by its escape; at most `bytes_max` bytes.
#[must_use]
pub fn one_line(text: &str, bytes_max: usize) -> String {
    escaped(text, bytes_max, |_| false)
}

/// The text as a string of JSON, quotes included, in which no character acts; what would be longer than
/// `bytes_max` bytes between the quotes is cut.
#[must_use]
pub(crate) fn json(text: &str, bytes_max: usize) -> String {
    let mut string = String::from('"');
    // Where it would still be possible to cut.
    let mut end = string.len();
    for character in text.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            '\n' => string.push_str("\\n"),
            '\r' => string.push_str("\\r"),
            '\t' => string.push_str("\\t"),
            // All of them lie in the first plane, so that one escape is enough.
            _ if acts(character) => string.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => string.push(character),
        }
        if string.len() - 1 > bytes_max {
            string.truncate(end);
            string.push_str(CUT);
            break;
        }
        if string.len() - 1 + CUT.len() <= bytes_max {
            end = string.len();
        }
    }
    string.push('"');
    string
}

fn escaped(text: &str, bytes_max: usize, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if shown.len() > bytes_max {
            break;
        }
        match acts(character) && !keep(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    cut(&shown, bytes_max)
}

/// Controls, and what turns the direction of the text round it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        for text in ["", "plain", "Grüezi \u{1f44b}"] {
            assert_eq!(one_line(text, 64), text);
            assert_eq!(lines(text, 64), text);
            assert_eq!(cut(text, 64), text);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        let text = "ä".repeat(100);
        for bytes_max in 3..120 {
            for shown in [cut(&text, bytes_max), one_line(&text, bytes_max), lines(&text, bytes_max)] {
                assert!(shown.len() <= bytes_max && shown.ends_with('…'), "{bytes_max}: {shown}");
                assert!(shown.len() + 3 >= bytes_max, "{bytes_max}: {}", shown.len());
            }
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_shown_and_does_not_act() {
        let text = "a\u{1b}[2Jb\r\nc\td\u{202e}e\u{7f}\u{9b}";
        assert_eq!(one_line(text, 200), "a\\u{1b}[2Jb\\r\\nc\\td\\u{202e}e\\u{7f}\\u{9b}");
        assert_eq!(lines(text, 200), "a\\u{1b}[2Jb\\r\nc\\td\\u{202e}e\\u{7f}\\u{9b}");
    }

    #[test]
    fn a_string_of_json_is_cut_between_escapes_and_never_longer() {
        for letter in ["x", "ä", "\n", "\u{1b}"] {
            let text = letter.repeat(50);
            for bytes_max in 3..310 {
                let string = json(&text, bytes_max);
                let value: String = serde_json::from_str(&string).unwrap();
                assert!(string.len() - 2 <= bytes_max, "{bytes_max}: {string}");
                match value.strip_suffix('…') {
                    Some(kept) => assert!(text.starts_with(kept) && kept.len() < text.len()),
                    None => assert_eq!(value, text),
                }
            }
        }
    }

    #[test]
    fn escapes_count_as_the_bytes_that_they_take() {
        let shown = one_line(&"\u{1b}".repeat(1_000), 100);
        assert!(shown.len() <= 100 && shown.starts_with("\\u{1b}\\u{1b}"), "{shown}");
    }
}
