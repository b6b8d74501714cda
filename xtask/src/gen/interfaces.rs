//! The page of host interfaces, from the grant crate's table.

use morph_grant::interfaces::{Need, TABLE};

const INTRODUCTION: &str = "\
# Host interfaces

Every interface that the host knows. An import that isn't here is denied: the Morph gets no pod, and
`status.imports` says which it was. The operator's check, the linker on the node and this page are made from
one table, `grant/src/interfaces.rs`.

| interface | versions | what it takes | served by |
|---|---|---|---|
";

/// The page.
pub(super) fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    for entry in TABLE {
        let versions = entry.track.versions();
        let need = match entry.need {
            Need::Types => "nothing: types only".to_owned(),
            Need::Ambient(_) => "nothing: every Morph may".to_owned(),
            Need::Grant(capability) => capability.field().to_owned(),
            Need::EmptyWithout(capability) => {
                format!("{}; answers with nothing where they are absent", capability.field())
            }
            Need::Ungrantable => "denied: no field grants it".to_owned(),
        };
        let served = match entry.served_by {
            "" => "—".to_owned(),
            file => format!("`host/src/{file}`"),
        };
        text.push_str(&format!("| `{}` | {versions} | {need} | {served} |\n", entry.interface));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_one_row() {
        let page = page();
        assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), TABLE.len());
        assert!(
            page.contains("| `wasi:cli/stdout` | 0.2.0 to 0.2.12 | nothing: every Morph may | `host/src/")
        );
    }
}
