//! Every Morph that people copy, from the examples and from the pages of the docs, is one that the checks
//! accept.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use morph_crds::{Morph, ValidMorph};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn entries(directory: &str) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// The YAML blocks of a page that are whole Morphs.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    for part in page.split("```yaml\n").skip(1) {
        let block = part.split("```").next().unwrap();
        if block.contains("kind: Morph\n") {
            blocks.push(block.to_owned());
        }
    }
    blocks
}

fn check(shown: &str, text: &str) {
    let morph: Morph = serde_norway::from_str(text).unwrap_or_else(|error| panic!("{shown}: {error}"));
    if let Err(error) = ValidMorph::new(&morph) {
        panic!("{shown}: {error}");
    }
}

#[test]
fn the_morphs_on_the_pages_are_valid() {
    let mut count = 0;
    for page in entries("docs/capabilities") {
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            check(&page.display().to_string(), &block);
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn the_examples_are_valid() {
    let examples: Vec<PathBuf> = entries("examples")
        .into_iter()
        .map(|entry| entry.join("morph.yaml"))
        .filter(|file| file.exists())
        .collect();
    assert!(examples.len() > 5, "{examples:?}");
    for example in examples {
        let text = fs::read_to_string(&example).unwrap();
        let morphs = text.split("\n---\n").filter(|document| document.contains("kind: Morph\n"));
        morphs.for_each(|morph| check(&example.display().to_string(), morph));
    }
}
