//! Tests of `inspect`.
#![allow(clippy::unwrap_used)]
use super::*;

/// The report on a component with these imports and exports.
fn reported(imports: &[&str], exports: &[&str]) -> Report {
    let mut text = String::from("(component\n");
    for import in imports {
        text.push_str(&format!("(import \"{import}\" (instance))\n"));
    }
    text.push_str("(instance $it)\n");
    for export in exports {
        text.push_str(&format!("(export \"{export}\" (instance $it))\n"));
    }
    text.push(')');
    let bytes = wat::parse_str(text).unwrap();
    report(&bytes, None, &morph_component::inspect(&bytes).unwrap())
}

fn lines(report: &Report) -> Vec<String> {
    text(report).lines().filter(|line| !line.starts_with("component")).map(str::to_owned).collect()
}

#[test]
fn each_import_is_told_with_what_it_needs() {
    let imports = ["wasi:cli/stdout@0.2.0", "wasi:filesystem/preopens@0.2.0", "wasi:io/streams@0.2.0"];
    assert_eq!(
        lines(&reported(&imports, &["wasi:cli/run@0.2.0"])),
        [
            "type       Command",
            "export     wasi:cli/run@0.2.0",
            "import     wasi:cli/stdout@0.2.0",
            "import     wasi:filesystem/preopens@0.2.0  needs capabilities.filesystem",
            "import     wasi:io/streams@0.2.0",
        ]
    );
}

#[test]
fn what_can_not_be_had_is_counted() {
    let one = reported(&["acme:own/thing@1.0.0"], &["wasi:http/handler@0.3.0"]);
    assert_eq!(
        lines(&one),
        [
            "type       Server",
            "export     wasi:http/handler@0.3.0",
            "import     acme:own/thing@1.0.0  can't be had: the host doesn't know this interface",
            "verdict    does not run: 1 import can't be had",
        ]
    );
    let two = reported(&["acme:own/thing@1.0.0", "wasi:cli/stdout@0.2.99"], &["wasi:cli/run@0.2.0"]);
    let lines = lines(&two);
    assert!(lines[3].contains("this version isn't served; served: 0.2.0 to 0.2."), "{lines:?}");
    assert_eq!(lines[4], "verdict    does not run: 2 imports can't be had");
}

#[test]
fn a_component_without_a_type_says_why() {
    for (exports, want) in [
        (&["acme:own/thing@1.0.0"][..], "none: the component exports neither wasi:cli/run nor"),
        (
            &["wasi:cli/run@0.2.0", "wasi:http/incoming-handler@0.2.0"],
            "none: the component can run as Command and",
        ),
        (
            &["wasi:cli/run@0.3.0-rc-2026-01-01"],
            "none: the component exports wasi:cli/run@0.3.0-rc-2026-01-01",
        ),
    ] {
        let report = reported(&[], exports);
        assert_eq!(report.type_, None);
        assert!(lines(&report)[0].starts_with(&format!("type       {want}")), "{:?}", lines(&report));
    }
}

#[test]
fn json_has_the_same_in_fields() {
    let report = reported(&["wasi:cli/environment@0.2.0", "acme:own/thing@1.0.0"], &["wasi:cli/run@0.2.0"]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["type"], "Command");
    assert_eq!(json["digest"], report.digest.to_string());
    assert_eq!(json["exports"], serde_json::json!(["wasi:cli/run@0.2.0"]));
    assert_eq!(
        json["imports"],
        serde_json::json!([
            {
                "interface": "acme:own/thing@1.0.0",
                "need": "Unavailable",
                "by": "the host doesn't know this interface",
            },
            { "interface": "wasi:cli/environment@0.2.0", "need": "Grant", "by": "args, env and envFrom" },
        ])
    );
    assert!(json.get("manifest").is_none() && json.get("problem").is_none(), "{json}");
}

#[test]
fn a_module_of_preview_1_is_told_as_what_it_becomes_by_its_own_digest() {
    let module =
        wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\")))").unwrap();
    let report = report(&module, None, &morph_component::inspect(&module).unwrap());
    assert_eq!((report.type_.as_deref(), report.digest), (Some("Command"), Digest::of(&module)));
    assert!(
        report.exports.iter().all(|export| export.starts_with("wasi:cli/run@0.2.")),
        "{:?}",
        report.exports
    );
}
