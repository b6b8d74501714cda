//! Tests of the rules: what each refuses, what it lets pass, and that this workspace keeps them all.
#![allow(clippy::unwrap_used)]

use super::rules::{IMPURE, PURE, any_file, manifest, rust_file};
use super::*;

#[track_caller]
fn check_found(path: &str, text: &str, wanted: &str) {
    let found = rust_file(&Source::new(path, text));
    assert!(found.len() == 1 && found[0].contains(wanted), "{wanted}: {found:?}");
}

#[track_caller]
fn check_clean(path: &str, text: &str) {
    assert_eq!(rust_file(&Source::new(path, text)), Vec::<String>::new());
}

#[test]
fn a_file_without_a_head_is_found() {
    check_found("a/src/b.rs", "fn a() {}\n", "a/src/b.rs:1: opens without `//!`");
    check_found("a/src/b.rs", "", "opens without");
    check_clean("a/src/b.rs", "//! A.\nfn a() {}\n");
}

#[test]
fn a_file_a_line_and_a_function_beyond_their_length_are_found() {
    check_found("a/src/b.rs", &format!("//! A.\n{}", "a;\n".repeat(600)), "601 lines, at most 600");
    check_clean("a/src/b.rs", &format!("//! A.\n{}", "a;\n".repeat(599)));
    check_found("a/src/b.rs", &format!("//! {}\n", "é".repeat(107)), ":1: 111 characters, at most 110");
    check_clean("a/src/b.rs", &format!("//! {}\n", "é".repeat(106)));
    let function = |lines: usize| format!("//! A.\nfn a() {{\n{}}}\n", "  b;\n".repeat(lines - 2));
    check_found("a/src/b.rs", &function(61), "a/src/b.rs:2: fn a has 61 lines, at most 60");
    check_clean("a/src/b.rs", &function(60));
}

#[test]
fn a_pure_file_that_names_a_client_a_file_a_clock_or_a_process_is_found() {
    for (line, word) in [
        ("use std::fs;", "std::fs"),
        ("let now = Instant::now();", "Instant"),
        ("let now = std::time::SystemTime::now();", "SystemTime"),
        ("use kube::Client;", "kube::Client"),
        ("tokio::spawn(a)", "tokio::"),
        ("std::process::exit(1)", "std::process"),
    ] {
        let text = format!("//! A.\nfn a() {{ {line} }}\n");
        for path in ["crds/src/a.rs", "operator/src/morph/plan/pod.rs", "operator/src/morph/validate.rs"] {
            check_found(path, &text, &format!("{path}:2: a pure file names {word}"));
        }
        check_clean("operator/src/morph/observe.rs", &text);
    }
}

#[test]
fn a_pure_files_tests_comments_and_longer_words_may_name_them() {
    let test = "//! A.\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    for text in [test, "//! A.\n// std::fs\n", "//! A.\nstruct Instants;\n", "//! A.\nlet a = \"tokio::\";\n"]
    {
        check_clean("grant/src/a.rs", text);
    }
    check_clean("grant/src/a/tests.rs", "//! A.\nuse std::fs;\n");
}

#[test]
fn a_task_without_an_owner_and_a_channel_without_a_bound_are_found() {
    check_found(
        "a/src/b.rs",
        "//! A.\nfn a() {\n    tokio::spawn(b());\n}\n",
        ":3: nobody owns this tokio::spawn",
    );
    check_found(
        "a/src/b.rs",
        "//! A.\nfn a() { std::thread::spawn(b); }\n",
        "nobody owns this std::thread::spawn",
    );
    check_found(
        "a/src/b.rs",
        "//! A.\nlet a = mpsc::unbounded_channel();\n",
        "unbounded_channel has no bound",
    );
    check_clean("a/src/b.rs", "//! A.\nfn a() { let task = tokio::spawn(b()); tokio::spawn(c()) }\n");
    check_clean("a/src/b/tests.rs", "//! A.\nfn a() { tokio::spawn(b()); }\n");
}

#[test]
fn an_ignored_test_is_found() {
    let ignored = "//! A.\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n";
    check_found("a/src/b/tests.rs", ignored, "a/src/b/tests.rs:3: a test is ignored");
}

#[test]
fn a_path_of_somebodys_machine_is_found_in_any_file() {
    let folder = ["/wo", "rk/"].concat();
    assert_eq!(any_file("docs/a.md", &format!("a\nsee `{folder}main`\n")).len(), 1);
    let root = ["/ro", "ot/"].concat();
    assert_eq!(any_file("hack/a", &format!("cd {root}x")).len(), 1);
    for fine in [format!("/proc/1{root}x"), format!("{{pid}}{root}x"), "homework/main".to_owned()] {
        assert_eq!(any_file("docs/a.md", &fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn a_crate_that_is_not_the_workspaces_is_found() {
    let text = "[package]\nname = \"a\"\n\n[dependencies]\nserde.workspace = true\nrand = \"1\"\n# a = b\n";
    assert_eq!(
        manifest("a/Cargo.toml", text),
        ["a/Cargo.toml:6: declare it in [workspace.dependencies] and use it from there"]
    );
    assert_eq!(manifest("Cargo.toml", text), Vec::<String>::new());
    assert_eq!(manifest("a/Cargo.toml", &text.replace("rand = \"1\"", "")), Vec::<String>::new());
}

#[test]
fn every_file_below_a_folder_is_looked_at_but_for_what_is_built() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("a/src/lib.rs", "fn a() {}\n#[cfg(test)]\nmod fixture;\n"),
        ("a/src/fixture.rs", "//! A.\nfn a() {}\n"),
        ("a/src/fixture/more.rs", "//! A.\nfn a() {}\n"),
        ("a/src/tests.rs", "//! A.\nfn a() {}\nfn b() {}\n"),
        ("target/b.rs", "fn a() {}\n"),
        ("a/Cargo.toml", "[dependencies]\nrand = \"1\"\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let tidy = check(folder.path()).unwrap();
    let found: Vec<_> = tidy.findings.iter().map(|finding| finding.split(':').next().unwrap()).collect();
    assert_eq!(found, ["a/Cargo.toml", "a/src/lib.rs"]);
    assert_eq!(tidy.lines, [("a".to_owned(), (1, 6))].into());
}

#[test]
fn this_workspace_is_tidy() {
    let tidy = check(&crate::root().unwrap()).unwrap();
    assert_eq!(tidy.findings, Vec::<String>::new());
}

/// A file that was renamed would leave its rule behind, unseen.
#[test]
fn every_pure_path_is_one_of_this_workspace() {
    let root = crate::root().unwrap();
    for path in PURE {
        assert!(root.join(path).exists(), "{path} is gone; correct the list");
        assert_eq!(path.ends_with('/'), root.join(path).is_dir(), "{path}");
    }
}

#[test]
fn every_impure_word_is_found_in_every_pure_file() {
    for word in IMPURE {
        let text = format!("//! A.\nuse {word}{};\n", if word.ends_with(':') { "x" } else { "" });
        for path in PURE {
            let file = if path.ends_with('/') { format!("{path}a.rs") } else { path.to_owned() };
            let found = rust_file(&Source::new(&file, &text));
            assert!(found.iter().any(|line| line.contains(word)), "{word} in {file}: {found:?}");
            assert!(found.iter().all(|line| line.starts_with(&format!("{file}:2: "))), "{found:?}");
        }
    }
}

#[test]
fn a_file_that_breaks_several_rules_is_told_each_of_them() {
    let text =
        format!("use std::fs;\nfn a() {{\n{}}}\n#[ignore]\n// {}\n", "  b;\n".repeat(600), "x".repeat(120));
    let found = rust_file(&Source::new("crds/src/a.rs", &text));
    for rule in [
        "opens without",
        "605 lines",
        ":605: 123 characters",
        "fn a has 602 lines",
        "names std::fs",
        "ignored",
    ] {
        assert!(found.iter().any(|line| line.contains(rule)), "{rule}: {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn a_word_in_a_comment_a_text_or_a_longer_word_is_no_offence() {
    for text in [
        "// #[ignore]",
        "/* std::fs */",
        "/// tokio::spawn(a);",
        "let a = \"#[ignore]\";",
        "let a = r#\"use std::fs;\"#;",
        "let a = b\"std::process\";",
        "mod mystd { }",
        "use crate::std_fs;",
        "struct InstantNoodles;",
        "let brand = 1;",
    ] {
        check_clean("crds/src/a.rs", &format!("//! A.\n{text}\n"));
    }
}

#[test]
fn dependencies_of_every_kind_come_from_the_workspace() {
    for section in
        ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
    {
        for (line, right) in [
            ("serde.workspace = true", true),
            ("serde = { workspace = true, features = [\"derive\"] }", true),
            ("serde = { workspace=true }", true),
            ("serde = \"1\"", false),
            ("serde = { version = \"1\" }", false),
            ("serde = { path = \"../serde\" }", false),
            ("serde = { git = \"https://git.example/serde\" }", false),
            ("# serde = \"1\"", true),
        ] {
            let found = manifest("a/Cargo.toml", &format!("[package]\nname = \"a\"\n[{section}]\n{line}\n"));
            assert_eq!(found.is_empty(), right, "[{section}] {line}");
        }
    }
    assert_eq!(manifest("a/Cargo.toml", "[package]\nversion = \"1\"\n[lints]\nworkspace = true\n"), [""; 0]);
}

#[test]
fn what_is_no_text_or_too_large_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.rs"), b"\xff\xfe").unwrap();
    let long = "fn a() {}\n".repeat(usize::try_from(TEXT_SIZE_BYTES_MAX).unwrap() / 10 + 1);
    fs::write(folder.path().join("b.rs"), long).unwrap();
    std::os::unix::fs::symlink("/nowhere", folder.path().join("c.rs")).unwrap();
    let tidy = check(folder.path()).unwrap();
    assert_eq!((tidy.findings, tidy.lines.len()), (vec![], 0));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_not_tidy() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let error = check(&gone).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("gone"), "{error}");
}
