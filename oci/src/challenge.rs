//! What a registry asks for with status 401: reads `WWW-Authenticate` (RFC 9110 §11.6.1). Parsing only.

/// Longest header value that is looked at, in bytes; real ones have some 200.
const CHALLENGE_BYTES_MAX: usize = 4096;

/// A way to authenticate that this client knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token, to be had at `realm`. A scope that the registry proposes is not used: the client knows
    /// what it needs.
    Bearer {
        /// Where tokens are given out.
        realm: String,
        /// For what service, if said.
        service: Option<String>,
    },
}

impl Challenge {
    /// The best of the challenges in a header's value: Bearer before Basic.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        if value.len() > CHALLENGE_BYTES_MAX {
            return None;
        }
        let mut basic = None;
        let mut rest = value;
        while !rest.is_empty() {
            let (scheme, after) = take_token(rest)?;
            let (parameters, after) = take_parameters(after.trim_start_matches(' '))?;
            rest = after;
            if scheme.eq_ignore_ascii_case("bearer") {
                let find = |name: &str| {
                    let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.clone())
                };
                return find("realm").map(|realm| Self::Bearer { realm, service: find("service") });
            }
            if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic
    }
}

fn take_token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    if end == 0 { None } else { Some(text.split_at(end)) }
}

type Parameters = Vec<(String, String)>;

/// Takes `name=value, name="value"` up to the next scheme (a word without `=` behind it) or the end.
fn take_parameters(mut text: &str) -> Option<(Parameters, &str)> {
    let mut parameters = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = take_token(text) else {
            return text.is_empty().then_some((parameters, text));
        };
        let Some(after) = after.strip_prefix('=') else { return Some((parameters, text)) };
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => take_token(after).map(|(value, after)| (value.to_owned(), after))?,
        };
        parameters.push((name.to_owned(), value));
        text = after;
    }
}

fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests;
