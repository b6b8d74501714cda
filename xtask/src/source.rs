//! Rust source as far as the rules of style need it: code apart from comments and texts, functions with their
//! lengths, tests apart from the rest. No parser: it reads characters, and believes that the file compiles.

/// One Rust file.
pub(crate) struct Source {
    /// Its path below the workspace.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// The text with comments and what stands in quotes as spaces: same length in lines, code alone.
    pub(crate) code: String,
    /// For each line, whether it is test code.
    is_test: Vec<bool>,
}

/// A function's body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, counted from 1.
    pub(crate) line: usize,
    /// From that line to its closing brace.
    pub(crate) lines: usize,
}

impl Source {
    /// Reads a file's text.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = code_of(text);
        let is_test = test_lines(path, &code);
        Self { path: path.to_owned(), text: text.to_owned(), code, is_test }
    }

    /// Takes the whole file for tests: its declaration is only there for them.
    pub(crate) fn mark_as_test(&mut self) {
        self.is_test.fill(true);
    }

    /// Where the files of modules are that are declared for tests alone: without `.rs`, or as a folder.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let lines: Vec<&str> = self.code.lines().map(str::trim).collect();
        let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
        let name = |line: &str| line.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name.to_owned());
        declared.filter_map(|pair| name(pair[1])).map(|name| format!("{folder}/{name}")).collect()
    }

    /// The lines of code outside of tests, with their numbers from 1.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .filter(|(index, _)| !self.is_test[*index])
            .map(|(i, line)| (i + 1, line))
    }

    /// How many lines hold code, outside of tests and in tests.
    pub(crate) fn count(&self) -> (usize, usize) {
        let holds_code = |(_, line): &(usize, &str)| !line.trim().is_empty();
        let lines = self.text.lines().enumerate().filter(|(index, line)| {
            // A line that is text alone (of a string over several lines) counts; a comment doesn't.
            !self.code.lines().nth(*index).is_none_or(|code| code.trim().is_empty())
                || (holds_code(&(*index, line)) && !line.trim_start().starts_with("//"))
        });
        lines.fold((0, 0), |(product, test), (index, _)| match self.is_test[index] {
            false => (product + 1, test),
            true => (product, test + 1),
        })
    }

    /// Every function with a body, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code: Vec<char> = self.code.chars().collect();
        let mut functions = Vec::new();
        for start in word_positions(&code, "fn") {
            let name: String = code[start + 2..]
                .iter()
                .skip_while(|c| c.is_whitespace())
                .take_while(|c| is_word(**c))
                .collect();
            let Some(open) = body_start(&code, start) else { continue };
            let Some(end) = matching(&code, open, '{', '}') else { continue };
            if !name.is_empty() {
                let line = line_of(&code, start);
                functions.push(Function { name, line, lines: line_of(&code, end) - line + 1 });
            }
        }
        functions
    }

    /// Lines on which `call(…)` is a statement of its own, so that what it gives is dropped.
    pub(crate) fn dropped_calls(&self, call: &str) -> Vec<usize> {
        let code: Vec<char> = self.code.chars().collect();
        let mut lines = Vec::new();
        for start in word_positions(&code, call) {
            let before = code[..start].iter().rev().find(|c| !c.is_whitespace());
            let is_statement = matches!(before, None | Some(';' | '{' | '}'));
            let end = code[start..]
                .iter()
                .position(|c| *c == '(')
                .and_then(|at| matching(&code, start + at, '(', ')'));
            let after = end.and_then(|end| code[end + 1..].iter().find(|c| !c.is_whitespace()));
            let line = line_of(&code, start);
            if is_statement && after == Some(&';') && !self.is_test[line - 1] {
                lines.push(line);
            }
        }
        lines
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where a word (or path) starts that isn't part of a longer one.
fn word_positions(code: &[char], word: &str) -> Vec<usize> {
    let word: Vec<char> = word.chars().collect();
    let whole = |at: &usize| {
        let before = at.checked_sub(1).map(|index| code[index]);
        let after = code.get(at + word.len()).copied();
        !before.is_some_and(|c| is_word(c) || c == ':') && !after.is_some_and(is_word)
    };
    let last = code.len().saturating_sub(word.len());
    (0..=last).filter(|at| code[*at..].starts_with(&word)).filter(whole).collect()
}

/// The brace that opens a function's body; none where it has no body.
fn body_start(code: &[char], start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (index, c) in code.iter().enumerate().skip(start) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(index),
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

/// Where what opens at `at` closes.
fn matching(code: &[char], at: usize, open: char, close: char) -> Option<usize> {
    let mut depth = 0_u32;
    for (index, c) in code.iter().enumerate().skip(at) {
        if *c == open {
            depth += 1;
        } else if *c == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(index);
            }
        }
    }
    None
}

fn line_of(code: &[char], at: usize) -> usize {
    code[..at].iter().filter(|c| **c == '\n').count() + 1
}

/// Whether a whole file is tests.
pub(crate) fn is_test_file(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    let name = parts.last().copied().unwrap_or_default();
    matches!(parts.first(), Some(&("e2e" | "testkit")))
        || path.starts_with("bench/peer/")
        || parts.iter().any(|part| matches!(*part, "tests" | "fuzz_targets"))
        || name == "tests.rs"
}

fn test_lines(path: &str, code: &str) -> Vec<bool> {
    let count = code.lines().count();
    let mut is_test = vec![is_test_file(path); count];
    let chars: Vec<char> = code.chars().collect();
    let mark: Vec<char> = "#[cfg(test)]".chars().collect();
    for at in (0..chars.len()).filter(|at| chars[*at..].starts_with(&mark)) {
        let rest = &chars[at + mark.len()..];
        let end = match rest.iter().position(|c| matches!(c, '{' | ';')) {
            Some(open) if rest[open] == '{' => matching(&chars, at + mark.len() + open, '{', '}'),
            Some(semicolon) => Some(at + mark.len() + semicolon),
            None => None,
        };
        let last = end.map_or(count, |end| line_of(&chars, end));
        is_test[line_of(&chars, at) - 1..last.min(count)].fill(true);
    }
    is_test
}

/// The text with comments, and what stands in quotes, as spaces.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length = comment(&chars[at..]).or_else(|| quoted(&chars, at)).unwrap_or(0);
        if length == 0 {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        let end = (at + length).min(chars.len());
        code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    code
}

/// The length of the comment that starts here.
fn comment(rest: &[char]) -> Option<usize> {
    match rest {
        ['/', '/', ..] => Some(rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())),
        ['/', '*', ..] => {
            let mut depth = 0_u32;
            let mut at = 0;
            while at < rest.len() {
                match &rest[at..] {
                    ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
                    ['*', '/', ..] => (depth, at) = (depth.saturating_sub(1), at + 2),
                    _ => at += 1,
                }
                if depth == 0 {
                    return Some(at);
                }
            }
            Some(rest.len())
        }
        _ => None,
    }
}

/// The length of the text or character that starts here.
fn quoted(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..];
    match rest {
        ['"', ..] => {
            let hashes = raw_hashes(chars, at);
            match hashes {
                Some(hashes) => Some(raw_length(rest, hashes)),
                None => Some(escaped_length(rest, '"')),
            }
        }
        ['\'', '\\', ..] => Some(escaped_length(rest, '\'')),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// How many hashes stand before the quote of a raw text; none where it isn't raw.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[..at].iter().rev().take_while(|c| **c == '#').count();
    let before: Vec<char> = chars[..at - hashes].iter().rev().take(3).copied().collect();
    match before.as_slice() {
        ['r'] => Some(hashes),
        ['r', 'b' | 'c', c, ..] if !is_word(*c) => Some(hashes),
        ['r', c, ..] if !is_word(*c) => Some(hashes),
        _ => None,
    }
}

fn raw_length(rest: &[char], hashes: usize) -> usize {
    let closes = |index: &usize| {
        rest[*index] == '"' && rest[index + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (1..rest.len()).find(closes).map_or(rest.len(), |index| index + 1)
}

fn escaped_length(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests;
