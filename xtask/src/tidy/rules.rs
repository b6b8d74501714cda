//! The rules themselves, one function each. They look at text and know no files.

use crate::source::Source;

/// Most lines of a file: beyond, nobody has it in his head at once.
const FILE_LINES_MAX: usize = 600;
/// Most lines of a function: a screen.
const FUNCTION_LINES_MAX: usize = 60;
/// Most characters of a line.
const LINE_CHARS_MAX: usize = 110;

/// Files that decide and do not act: what they need, they are handed.
pub(super) const PURE: [&str; 38] = [
    "bench/src/cluster/pods.rs",
    "bench/src/cluster/template.rs",
    "bench/src/load/answer.rs",
    "bench/src/page.rs",
    "bench/src/plot.rs",
    "bench/src/pod.rs",
    "bench/src/report.rs",
    "bench/src/samples.rs",
    "bench/src/target.rs",
    "crds/src/",
    "component/src/",
    "grant/src/",
    "host/src/egress/path.rs",
    "host/src/egress/rule.rs",
    "operator/src/denials/judge.rs",
    "operator/src/denials/ledger.rs",
    "operator/src/morph/apply/compare.rs",
    "operator/src/ceiling/plan.rs",
    "operator/src/morph/ceiling.rs",
    "operator/src/morph/child.rs",
    "operator/src/morph/fence.rs",
    "operator/src/morph/lint.rs",
    "operator/src/morph/lint/",
    "operator/src/morph/plan/",
    "operator/src/morph/apply/image_volumes.rs",
    "operator/src/morph/composition.rs",
    "operator/src/morph/recall.rs",
    "operator/src/morph/seen.rs",
    "operator/src/morph/status.rs",
    "operator/src/morph/status/",
    "operator/src/morph/validate.rs",
    "operator/src/morph/validate/",
    "operator/src/morph/verdict.rs",
    "operator/src/rbac.rs",
    "operator/src/signing/choice.rs",
    "shim/src/cgroup/limits.rs",
    "shim/src/content/manifest.rs",
    "shim/src/state.rs",
];

/// What a pure file doesn't name: clients, files, clocks, processes, tasks.
pub(super) const IMPURE: [&str; 17] = [
    "std::fs",
    "std::net",
    "std::env::",
    "std::process",
    "std::thread",
    "std::io::",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "tokio::",
    "kube::Client",
    "kube::Api",
    "kube::api::Api",
    "reqwest",
    "hyper::",
    "rand::",
];

/// What every Rust file must keep.
pub(super) fn rust_file(source: &Source) -> Vec<String> {
    let rules: [fn(&Source) -> Vec<String>; 7] =
        [head, file_length, line_length, function_length, purity, tasks_and_channels, ignored];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

fn head(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") {
        return Vec::new();
    }
    vec![format!("{}:1: opens without `//!`; say what the file is for and what it does not do", source.path)]
}

fn file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, at most {FILE_LINES_MAX}; split it", source.path)]
}

fn line_length(source: &Source) -> Vec<String> {
    let too_long = |(_, line): &(usize, &str)| line.chars().count() > LINE_CHARS_MAX;
    let lines = source.text.lines().enumerate().filter(too_long);
    lines
        .map(|(index, line)| {
            let chars = line.chars().count();
            format!("{}:{}: {chars} characters, at most {LINE_CHARS_MAX}", source.path, index + 1)
        })
        .collect()
}

fn function_length(source: &Source) -> Vec<String> {
    let functions = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
    functions
        .map(|f| {
            let (path, line) = (&source.path, f.line);
            format!(
                "{path}:{line}: fn {} has {} lines, at most {FUNCTION_LINES_MAX}; split it",
                f.name, f.lines
            )
        })
        .collect()
}

fn purity(source: &Source) -> Vec<String> {
    if !PURE.iter().any(|pure| source.path.starts_with(pure)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in source.product_lines() {
        for word in IMPURE.iter().filter(|word| names(line, word)) {
            findings.push(format!("{}:{number}: a pure file names {word}; hand its answer in", source.path));
        }
    }
    findings
}

fn tasks_and_channels(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in source.product_lines() {
        for word in ["unbounded_channel", "mpsc::unbounded", "std::sync::mpsc::channel"] {
            if names(line, word) {
                findings.push(format!("{}:{number}: {word} has no bound; give it one", source.path));
            }
        }
    }
    for call in ["tokio::spawn", "tokio::task::spawn", "std::thread::spawn", "thread::spawn"] {
        for line in source.dropped_calls(call) {
            findings.push(format!("{}:{line}: nobody owns this {call}; keep its handle", source.path));
        }
    }
    findings
}

fn ignored(source: &Source) -> Vec<String> {
    let lines = source.code.lines().enumerate().filter(|(_, line)| names(line, "#[ignore"));
    lines.map(|(index, _)| format!("{}:{}: a test is ignored", source.path, index + 1)).collect()
}

/// Whether a line names a word that isn't the end or the beginning of a longer one.
fn names(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, found)| {
        let before = line[..at].chars().next_back();
        let after = line[at + found.len()..].chars().next();
        !before.is_some_and(is_word) && (word.ends_with(':') || !after.is_some_and(is_word))
    })
}

/// What every text file must keep.
pub(super) fn any_file(path: &str, text: &str) -> Vec<String> {
    // Put together here, so that this file keeps its own rule.
    let folders = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for folder in folders.iter().filter(|folder| starts_a_path(line, folder)) {
            findings.push(format!("{path}:{}: {folder} is a path of somebody's machine", index + 1));
        }
    }
    findings
}

/// Whether an absolute path in a line starts with this folder.
fn starts_a_path(line: &str, folder: &str) -> bool {
    let in_path = |c: char| c.is_alphanumeric() || "._-}/$*)".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].chars().next_back().is_some_and(in_path))
}

/// What every member's manifest must keep: third-party crates stand in the workspace's table alone.
pub(super) fn manifest(path: &str, text: &str) -> Vec<String> {
    let own = ["Cargo.toml", "component/fuzz/Cargo.toml"].contains(&path);
    if own || path.starts_with("e2e/guests/") || path.starts_with("bench/peer/") {
        return Vec::new();
    }
    let mut section = "";
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies") && line.contains('=') && !line.starts_with('#') {
            let from_workspace = line.contains("workspace = true") || line.contains("workspace=true");
            if !from_workspace {
                let number = index + 1;
                findings.push(format!(
                    "{path}:{number}: declare it in [workspace.dependencies] and use it from there"
                ));
            }
        }
    }
    findings
}
