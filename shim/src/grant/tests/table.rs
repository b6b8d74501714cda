//! Generated from THE table: every interface with no grant, with the right one, and with the right withheld,
//! asked of the shim alone, whoever made the pod.

use super::*;
use morph_grant::Ambient;
use morph_grant::interfaces::{Entry, Need, PATCH_MAX_0_2, PATCH_MAX_0_3, TABLE, Track};

/// An import of a row at each end of its versions.
fn imports(row: &Entry) -> Vec<String> {
    let versions = match row.track {
        Track::V0_2 => vec!["@0.2.0".to_owned(), format!("@0.2.{PATCH_MAX_0_2}")],
        Track::V0_3 => vec!["@0.3.0".to_owned(), format!("@0.3.{PATCH_MAX_0_3}")],
        Track::Exact("") => vec![String::new()],
        Track::Exact(version) => vec![format!("@{version}")],
    };
    versions.into_iter().map(|version| format!("{}{version}", row.interface)).collect()
}

/// What the shim answers to a command with one import under a document, or under none.
fn answer(import: &str, document: Option<&Document>) -> Result<Task, String> {
    let case = match document {
        Some(document) if !document.mounts.is_empty() => {
            let source = "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data";
            Case::mounted(document, source, &["rw"])
        }
        Some(document) => Case::new(document),
        None => Case::without(),
    };
    run_of(&case.decide().unwrap(), &world(COMMAND, &[import])).map_err(|outcome| {
        assert_eq!(outcome.code, code::IMPORT_DENIED, "{import}");
        outcome.message.unwrap()
    })
}

/// A document that grants nothing.
fn nothing() -> Document {
    let mut document = document();
    document.components[0].grants = Grants::default();
    document
}

#[test]
fn every_row_without_its_grant_is_denied_by_the_shim_or_free() {
    for row in TABLE {
        for import in imports(row) {
            let nothing = nothing();
            for document in [None, Some(&nothing)] {
                let answer = answer(&import, document);
                let denied = |field: &str| format!("import {import} is not granted: {field}");
                match row.need {
                    Need::Grant(capability) => {
                        assert_eq!(answer.unwrap_err(), denied(&format!("no {}", capability.field())));
                    }
                    Need::Ungrantable => {
                        assert_eq!(answer.unwrap_err(), denied("no field of this version grants it"));
                    }
                    Need::Types | Need::Ambient(_) | Need::EmptyWithout(_) => {
                        assert_eq!(answer.unwrap().grants, Grants::default(), "{import}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_row_with_its_grant_passes_and_with_all_others_does_not() {
    for row in TABLE {
        let (Need::Grant(capability) | Need::EmptyWithout(capability)) = row.need else { continue };
        for import in imports(row) {
            let task = answer(&import, Some(&with(capability))).unwrap();
            assert!(capability.is_in(&task.grants), "{import}");
            if row.need != Need::Grant(capability) {
                continue;
            }
            for other in Capability::ALL.into_iter().filter(|other| *other != capability) {
                let error = answer(&import, Some(&with(other))).unwrap_err();
                assert!(error.ends_with(&format!("no {}", capability.field())), "{other:?}: {error}");
            }
        }
    }
}

#[test]
fn every_row_of_a_right_that_is_withheld_is_denied() {
    for row in TABLE {
        let Need::Ambient(ambient) = row.need else { continue };
        for withheld in Ambient::ALL {
            let mut document = nothing();
            document.components[0].grants.withheld = vec![withheld];
            for import in imports(row) {
                let answer = answer(&import, Some(&document));
                if withheld == ambient {
                    let error = answer.unwrap_err();
                    assert!(error.ends_with(&format!("withheld by withhold: {ambient:?}")), "{error}");
                } else {
                    answer.unwrap();
                }
            }
        }
    }
}

#[test]
fn what_is_not_in_the_table_is_denied_under_every_grant() {
    for import in ["acme:a/b@1.0.0", "wasi:cli/environment@0.4.0", "wasi:nn/graph@0.2.0", "wasi:io/poll"] {
        for capability in Capability::ALL {
            let error = answer(import, Some(&with(capability))).unwrap_err();
            assert!(error.starts_with(&format!("import {import} is not granted: ")), "{error}");
        }
    }
}
