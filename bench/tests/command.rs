//! What the program itself says.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn a_row_of_the_cluster_says_without_one_how_to_make_it() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_morph-bench"));
    let output = bench.arg("P12").env_remove("KUBECONFIG").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    for words in ["P12: ", "hack/up --bare", "eval \"$(hack/env)\"", "KUBECONFIG is not set"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
