//! Tests of generation, and the test that fails when a generated file is stale.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_generated_files_are_fresh() {
    assert_eq!(stale(&crate::root().unwrap()).unwrap(), Vec::<String>::new());
}

#[test]
fn each_file_says_that_it_is_generated() {
    for file in files().unwrap() {
        assert!(file.text.lines().next().unwrap().contains(HEAD), "{}", file.path);
    }
}

#[test]
fn the_same_code_gives_the_same_files() {
    let texts = || files().unwrap().into_iter().map(|file| file.text).collect::<Vec<_>>();
    assert_eq!(texts(), texts());
}

#[test]
fn a_missing_and_a_changed_file_are_stale_until_written() {
    let folder = tempfile::tempdir().unwrap();
    let count = files().unwrap().len();
    assert_eq!(stale(folder.path()).unwrap().len(), count);
    write(folder.path()).unwrap();
    assert_eq!(stale(folder.path()).unwrap().len(), 0);
    let path = folder.path().join("crds/yaml/morphs.yaml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "# by hand\n").unwrap();
    assert_eq!(stale(folder.path()).unwrap(), ["crds/yaml/morphs.yaml: stale; run `cargo xtask gen`"]);
}

#[test]
fn each_file_is_stale_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    for file in files().unwrap() {
        let path = folder.path().join(file.path);
        let told = [format!("{}: stale; run `cargo xtask gen`", file.path)];
        let without_end = file.text.trim_end().to_owned();
        for wrong in [String::new(), file.text.to_lowercase(), file.text.clone() + "\n", without_end] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(stale(folder.path()).unwrap(), told);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(stale(folder.path()).unwrap(), told);
        write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), file.text);
    }
    assert_eq!(stale(folder.path()).unwrap().len(), 0);
}

#[test]
fn what_is_fresh_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    let times = || {
        let times = files()
            .unwrap()
            .into_iter()
            .map(|file| fs::metadata(folder.path().join(file.path)).unwrap().modified().unwrap());
        times.collect::<Vec<_>>()
    };
    let before = times();
    write(folder.path()).unwrap();
    assert_eq!(times(), before);
}

#[test]
fn a_file_that_can_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("crds"), "not a folder").unwrap();
    let error = write(folder.path()).unwrap_err();
    assert!(format!("{error:#}").contains("create "), "{error:#}");
}

/// A bar or a line break in a cell would shift or end its row.
#[test]
fn every_row_of_a_page_has_its_three_or_four_cells() {
    for file in files().unwrap().iter().filter(|file| file.path.ends_with(".md")) {
        let mut widths = std::collections::BTreeSet::new();
        for row in file.text.lines().filter(|line| line.starts_with('|')) {
            widths.insert(row.replace("\\|", "").matches('|').count());
            assert!(row.ends_with('|'), "{}: {row}", file.path);
        }
        assert_eq!(widths.len(), 1, "{}: {widths:?}", file.path);
    }
}

#[test]
fn a_generated_file_read_again_is_what_the_code_says() {
    for file in files().unwrap().iter().filter(|file| file.path.ends_with(".yaml")) {
        let read: serde_json::Value = serde_norway::from_str(&file.text).unwrap();
        assert!(read.is_object() && !file.text.contains('\t'), "{}", file.path);
        assert_eq!(yaml(&read).unwrap(), file.text, "{}", file.path);
    }
}
