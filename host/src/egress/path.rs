//! Paths of requests in one spelling: what is matched is what is sent, and no server reads it as another.
//! Pure.

/// Longest path with its query, in bytes. Servers take 8 KiB of a request line, mostly.
pub(crate) const PATH_BYTES_MAX: usize = 8 << 10;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bad {
    /// No slash at its beginning: an absolute URI, `*`, or something else.
    #[error("a path that doesn't begin with a slash")]
    NotAbsolute,
    /// More `..` than segments before them.
    #[error("a path that leads above its root")]
    AboveRoot,
    /// `%` without two digits.
    #[error("a percent sign that encodes nothing")]
    Percent,
    /// `%2f`, `%5c`, controls, or an encoding of an encoding: servers don't agree on what it is.
    #[error("an encoded slash, backslash, control character or percent sign")]
    Encoded,
    /// A backslash, a control, or what no URI has.
    #[error("a character that no path has")]
    Character,
    /// `..;x`: parameters on a segment of dots, which some servers take off.
    #[error("parameters on a dot segment")]
    Parameters,
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("a path that is too long")]
    Long,
}

/// The path without query, percent-decoded where that changes nothing, without empty and dot segments.
pub(crate) fn normalise(path: &str) -> Result<String, Bad> {
    if path.len() > PATH_BYTES_MAX {
        return Err(Bad::Long);
    }
    let path = if path.is_empty() { "/" } else { path };
    let rest = path.strip_prefix('/').ok_or(Bad::NotAbsolute)?;
    let mut segments: Vec<String> = Vec::new();
    let mut is_directory = true;
    for segment in rest.split('/') {
        let segment = decode(segment)?;
        is_directory = matches!(segment.as_str(), "" | "." | "..");
        match segment.as_str() {
            "" | "." => {}
            ".." => drop(segments.pop().ok_or(Bad::AboveRoot)?),
            other if is_dots_with_parameters(other) => return Err(Bad::Parameters),
            _ => segments.push(segment),
        }
    }
    let end = if is_directory && !segments.is_empty() { "/" } else { "" };
    Ok(format!("/{}{end}", segments.join("/")))
}

/// One segment in its one spelling (RFC 3986, 6.2.2): unreserved characters plain, others as `%XX`.
fn decode(segment: &str) -> Result<String, Bad> {
    let mut decoded = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let value = digit().zip(digit()).ok_or(Bad::Percent)?;
                encoded(u8::try_from(value.0 * 16 + value.1).map_err(|_| Bad::Percent)?, &mut decoded)?;
            }
            b'\\' | 0..=b' ' | 0x7f.. => return Err(Bad::Character),
            b'#' | b'?' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                return Err(Bad::Character);
            }
            _ => decoded.push(char::from(byte)),
        }
    }
    // `%252e`: who decodes twice would read what was never matched.
    let double = |at: usize| decoded.get(at + 3..at + 5).is_some_and(|two| two.bytes().all(is_hex));
    if decoded.match_indices("%25").any(|(at, _)| double(at)) {
        return Err(Bad::Encoded);
    }
    Ok(decoded)
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn encoded(byte: u8, into: &mut String) -> Result<(), Bad> {
    match byte {
        b'/' | b'\\' | 0..=0x1f | 0x7f => return Err(Bad::Encoded),
        b'-' | b'.' | b'_' | b'~' => into.push(char::from(byte)),
        _ if byte.is_ascii_alphanumeric() => into.push(char::from(byte)),
        _ => into.push_str(&format!("%{byte:02X}")),
    }
    Ok(())
}

/// `.;x` and `..;x`, the semicolon encoded or not.
fn is_dots_with_parameters(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or(segment);
    let name = name.split("%3B").next().unwrap_or(name);
    name.len() < segment.len() && matches!(name, "." | "..")
}

/// Whether a normalised path lies below a prefix of a grant: `/v1` stands for itself and all below `/v1/`,
/// `/v1/` for what is below alone.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests;
