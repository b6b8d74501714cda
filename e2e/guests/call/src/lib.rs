//! What both parts of the composition that benchmarks call across have. A parser of regular expressions makes
//! each as large as components with a library or two are.

/// Where a part looks for a directory.
const DIRECTORY: &str = "/data";

/// What this part was given, in one line: its environment, and whether it has a directory.
#[must_use]
pub fn rights() -> String {
    let mut all: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    all.sort();
    if std::fs::read_dir(DIRECTORY).is_ok() {
        all.push(DIRECTORY.to_owned());
    }
    all.join(",")
}

/// What a regular expression is taken for.
///
/// # Errors
/// Why it is none.
pub fn parsed(expression: &str) -> Result<String, String> {
    regex_syntax::parse(expression).map(|parsed| format!("{parsed:?}")).map_err(|error| error.to_string())
}
