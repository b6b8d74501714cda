//! What the chart makes the ceiling's admission policies from: the policies of the vocabulary, and the
//! binding that refuses until the operator knows which policies there are.

use morph_crds::ceiling;
use serde::Serialize;
use serde_json::Value;

/// `charts/morph/files/ceiling.yaml`.
#[derive(Serialize)]
pub(super) struct File {
    /// The admission policies.
    policies: [Value; 3],
    /// What is bound before the operator's first pass.
    bindings: Vec<Value>,
}

/// The file.
pub(super) fn file() -> File {
    let policies = [ceiling::ceiling_policy(), ceiling::scale_policy(), ceiling::unknown_policy()];
    // These types have no map keys but texts, so writing them as JSON can't fail.
    let policies = policies.map(|policy| serde_json::to_value(policy).unwrap_or_default());
    File { policies, bindings: morph_operator::ceiling::wanted(&[]) }
}
