//! Tests of `manifest`.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

const MORPH: &str =
    "apiVersion: hayride.dev/v1alpha1\nkind: Morph\nmetadata: { name: one }\nspec: { image: a.test/x:1 }\n";
const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: { name: claim }\n";

fn named(name: &str) -> String {
    MORPH.replace("one", name)
}

fn refused(text: &str, name: Option<&str>) -> String {
    format!("{:#}", find(text, name).unwrap_err())
}

#[test]
fn the_only_morph_is_found_among_other_objects() {
    for text in [MORPH.to_owned(), format!("---\n{CLAIM}---\n{MORPH}"), format!("{MORPH}---\n{CLAIM}---\n")] {
        assert_eq!(find(&text, None).unwrap().metadata.name.unwrap(), "one", "{text}");
    }
}

#[test]
fn of_several_one_is_chosen_by_name() {
    let both = format!("{MORPH}---\n{}", named("two"));
    assert_eq!(find(&both, Some("two")).unwrap().metadata.name.unwrap(), "two");
    assert_eq!(refused(&both, None), "several Morphs: one, two; choose with --name");
    assert_eq!(refused(&both, Some("three")), "no Morph three; there are: one, two");
    assert_eq!(refused(&format!("{MORPH}---\n{MORPH}"), Some("one")), "several Morphs are named one");
}

#[test]
fn what_is_no_morph_is_refused() {
    assert_eq!(refused(CLAIM, None), "no object of kind Morph");
    assert_eq!(refused("", None), "no object of kind Morph");
    assert!(refused("a: [", None).contains("line 2 column 1"));
    let other = MORPH.replace("v1alpha1", "v1");
    assert_eq!(refused(&other, None), "apiVersion: must be hayride.dev/v1alpha1");
    let shape = MORPH.replace("image: a.test/x:1", "image: [a]");
    assert!(refused(&shape, None).contains("not the shape of a Morph"));
}

#[test]
fn a_misspelt_field_is_named() {
    let text = MORPH.replace("spec: { ", "spec: { capabilites: {}, env: [{ nam: A }], ");
    assert_eq!(refused(&text, None), "spec.capabilites, spec.env[0].nam: no such field");
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("morph.yaml");
    assert!(format!("{:#}", read(&file).unwrap_err()).contains("morph.yaml"));
    std::fs::write(&file, MORPH).unwrap();
    assert_eq!(read(&file).unwrap(), MORPH);
    std::fs::write(&file, " ".repeat(FILE_SIZE_BYTES_MAX as usize + 1)).unwrap();
    assert!(read(&file).unwrap_err().to_string().contains("has more than"));
}

/// The blocks of YAML in a page.
fn examples(page: &str) -> impl Iterator<Item = &str> {
    page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

#[test]
fn every_example_in_the_pages_about_capabilities_is_a_valid_morph() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/capabilities");
    let mut count = 0;
    for page in std::fs::read_dir(pages).unwrap() {
        let page = page.unwrap().path();
        let text = std::fs::read_to_string(&page).unwrap();
        for example in examples(&text).filter(|example| example.contains("kind: Morph\n")) {
            let morph = find(example, None).unwrap_or_else(|error| panic!("{page:?}: {error:#}"));
            morph_crds::ValidMorph::new(&morph).unwrap_or_else(|error| panic!("{page:?}: {error}"));
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}
