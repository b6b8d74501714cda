//! Tests of reading source: what is code, what is a function, what is a test.

use super::*;

fn code(text: &str) -> String {
    Source::new("a/src/b.rs", text).code
}

#[test]
fn comments_and_texts_are_no_code() {
    for (text, want) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"a "b" c"#, "a     c"),
        (r#"a "b\"c" d"#, "a        d"),
        ("a r#\"b\"c\"# d", "a r#     # d"),
        (r#"a br"\" b"#, "a br    b"),
        ("'a' 'b", "    'b"),
        (r"'\'' a", "     a"),
        ("&'static str", "&'static str"),
        ("\"a\nb\" c", "  \n   c"),
    ] {
        assert_eq!(code(text), want, "{text}");
    }
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let text = "fn a() {\n  1\n}\npub async fn b<T: Fn() -> u8>(\n  x: T,\n) -> u8\nwhere T: Copy,\n{\n  \
                fn c() {}\n}\n";
    let found = Source::new("a/src/b.rs", text).functions();
    let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    assert_eq!(found, [("a", 1, 3), ("b", 4, 7), ("c", 9, 1)]);
}

#[test]
fn a_declaration_and_a_type_are_no_functions() {
    let text = "trait A { fn a(&self); fn b(&self) {} }\nstruct B(fn(u8) -> u8);\n";
    let names: Vec<_> = Source::new("a/src/b.rs", text).functions().into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn test_modules_and_files_are_told_apart() {
    let source = Source::new("a/src/b.rs", "let a;\n#[cfg(test)]\nmod tests {\n  let b;\n}\nlet c;\n");
    let lines: Vec<_> = source.product_lines().map(|(number, _)| number).collect();
    assert_eq!(lines, [1, 6]);
    assert_eq!(source.count(), (2, 4));
    let declared = Source::new("a/src/b.rs", "let a;\n#[cfg(test)]\nmod tests;\n");
    assert_eq!(declared.count(), (1, 2));
    for path in
        ["e2e/src/lib.rs", "testkit/src/a.rs", "a/src/b/tests.rs", "a/tests/b.rs", "a/src/b/tests/c.rs"]
    {
        assert_eq!(Source::new(path, "let a;\n").count(), (0, 1), "{path}");
    }
}

#[test]
fn comments_and_blank_lines_are_not_counted() {
    assert_eq!(Source::new("a/src/b.rs", "//! A.\n\nlet a = \"b\n  c\";\n/// D.\n").count(), (2, 0));
}

#[test]
fn a_call_whose_value_is_kept_is_not_dropped() {
    let text = "fn a() {\n  spawn(b(1));\n  let c = spawn(b);\n  d(spawn(b));\n  spawn(b)\n}\n";
    assert_eq!(Source::new("a/src/b.rs", text).dropped_calls("spawn"), [2]);
    assert_eq!(
        Source::new("a/src/b.rs", "fn a() { x::spawn(b); respawn(c); }").dropped_calls("spawn"),
        [0; 0]
    );
    assert_eq!(Source::new("a/tests/b.rs", "fn a() {\n  spawn(b);\n}\n").dropped_calls("spawn"), [0; 0]);
}

#[test]
fn modules_for_tests_alone_are_found_beside_or_below_their_file() {
    let text =
        "mod a;\n#[cfg(test)]\nmod fixture;\n#[cfg(test)]\npub(crate) mod history;\n#[cfg(test)]\nmod b {}\n";
    for (path, folder) in
        [("a/src/b/mod.rs", "a/src/b"), ("a/src/lib.rs", "a/src"), ("a/src/b.rs", "a/src/b")]
    {
        let wanted = [format!("{folder}/fixture"), format!("{folder}/history")];
        assert_eq!(Source::new(path, text).test_modules(), wanted, "{path}");
    }
}

/// Calls `see` with every text of at most `chars` characters of an alphabet.
fn every_text(alphabet: &[char], chars: usize, see: &mut impl FnMut(&str)) {
    fn grow(text: &mut String, alphabet: &[char], left: usize, see: &mut impl FnMut(&str)) {
        see(text);
        if left == 0 {
            return;
        }
        for c in alphabet {
            text.push(*c);
            grow(text, alphabet, left - 1, see);
            text.pop();
        }
    }
    grow(&mut String::new(), alphabet, chars, see);
}

/// Lines are counted in the code and named in the text: both must have them in the same places.
#[test]
fn code_has_every_line_where_its_text_has_it() {
    every_text(&['"', '\'', '\\', '/', '*', '#', 'r', '\n'], 5, &mut |text| {
        let code = code(text);
        let lines = |text: &str| text.chars().map(|c| c == '\n').collect::<Vec<_>>();
        assert_eq!(lines(&code), lines(text), "{text:?} became {code:?}");
        assert!(code.chars().zip(text.chars()).all(|(c, t)| c == t || c == ' '), "{text:?}: {code:?}");
    });
}

#[test]
fn no_text_is_too_strange_to_be_read() {
    every_text(&['{', '}', '(', ')', 'f', 'n', ' '], 5, &mut |text| {
        let source = Source::new("a/src/b.rs", text);
        let functions = source.functions();
        assert!(functions.iter().all(|f| f.lines >= 1 && f.line >= 1), "{text:?}");
        let _counted = (source.count(), source.test_modules(), source.dropped_calls("fn"));
    });
    for text in
        ["#[cfg(test)]", "#[cfg(test)]\nmod", "#[cfg(test)]\nmod a {", "fn a(", "fn a() {", "spawn(", "\\"]
    {
        let source = Source::new("a/src/b.rs", text);
        let _read =
            (source.count(), source.functions(), source.test_modules(), source.dropped_calls("spawn"));
    }
}

#[test]
fn every_line_of_code_is_counted_once_as_code_or_as_test() {
    let product = "fn a() {\n    b();\n}\n";
    let test = "#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";
    for (text, wanted) in [
        (product.to_owned(), (3, 0)),
        (test.to_owned(), (0, 4)),
        (format!("{product}{test}"), (3, 4)),
        (format!("{test}{product}"), (3, 4)),
        (format!("{product}\n\n// c\n{test}"), (3, 4)),
    ] {
        assert_eq!(Source::new("a/src/b.rs", &text).count(), wanted, "{text}");
        let mut marked = Source::new("a/src/b.rs", &text);
        marked.mark_as_test();
        assert_eq!(marked.count(), (0, wanted.0 + wanted.1), "{text}");
    }
}
