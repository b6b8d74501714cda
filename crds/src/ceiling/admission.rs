//! The admission policies, made from the vocabulary: one of Morphs, one of their scale, one of namespaces
//! whose label names no policy. What binds them to namespaces is the operator's (`operator/src/ceiling/`).

use super::vocabulary::{ENTRIES, Entry, KINDS, Over, VARIABLES};
use super::{FINDINGS_SHOWN_MAX, VALUES_SHOWN_MAX};
use crate::{Enforcement, GROUP, POLICY_LABEL};
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ParamKind, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The admission policy that holds Morphs against their MorphPolicy.
pub const CEILING_POLICY: &str = "ceiling.hayride.dev";
/// The one that does so when they are scaled.
pub const SCALE_POLICY: &str = "ceiling-scale.hayride.dev";
/// The one that refuses Morphs in namespaces whose label names no MorphPolicy.
pub const UNKNOWN_POLICY: &str = "ceiling-unknown.hayride.dev";

/// A change of anything but the spec passes: what a tightened policy no longer allows must still be annotated
/// and deleted.
const SPEC_CHANGED: &str = "oldObject == null || object.spec != oldObject.spec";

/// What a binding does with what is refused.
#[must_use]
pub fn actions(enforcement: Enforcement) -> Vec<String> {
    let words: &[&str] = match enforcement {
        Enforcement::Deny => &["Deny", "Audit"],
        Enforcement::Warn => &["Warn", "Audit"],
        Enforcement::Audit => &["Audit"],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Holds each Morph against its namespace's MorphPolicy.
#[must_use]
pub fn ceiling_policy() -> ValidatingAdmissionPolicy {
    let mut variables = shared();
    variables.extend(ENTRIES.iter().map(|entry| variable(entry.name, &question(entry))));
    let all: Vec<_> = ENTRIES.iter().map(|entry| format!("variables.{}", entry.name)).collect();
    variables.push(variable("findings", &all.join(" + ")));
    let validation = Validation {
        expression: "variables.findings.size() == 0".to_owned(),
        message_expression: Some(said("variables.findings")),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    };
    policy(CEILING_POLICY, &["morphs"], Some(param_kind()), variables, validation)
}

/// Holds the scale of each Morph against its namespace's MorphPolicy.
#[must_use]
pub fn scale_policy() -> ValidatingAdmissionPolicy {
    let validation = Validation {
        expression: "!has(object.spec.replicas) || object.spec.replicas <= params.spec.maxReplicas"
            .to_owned(),
        message_expression: Some(
            "'MorphPolicy ' + params.metadata.name + ' does not allow spec.replicas: ' + \
             string(object.spec.replicas) + ' (above maxReplicas: ' + string(params.spec.maxReplicas) + ')'"
                .to_owned(),
        ),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    };
    policy(SCALE_POLICY, &["morphs/scale"], Some(param_kind()), Vec::new(), validation)
}

/// Refuses every Morph and every scale where it is bound.
#[must_use]
pub fn unknown_policy() -> ValidatingAdmissionPolicy {
    let validation = Validation {
        expression: "false".to_owned(),
        message_expression: Some(format!(
            "'the label {POLICY_LABEL} of namespace ' + request.namespace + ' names MorphPolicy \"' + \
             namespaceObject.metadata.labels['{POLICY_LABEL}'] + '\", which is not there (or not yet known): \
             make it, or correct the label'"
        )),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    };
    policy(UNKNOWN_POLICY, &["morphs", "morphs/scale"], None, Vec::new(), validation)
}

fn policy(
    name: &str,
    resources: &[&str],
    param_kind: Option<ParamKind>,
    variables: Vec<Variable>,
    validation: Validation,
) -> ValidatingAdmissionPolicy {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let rule = NamedRuleWithOperations {
        api_groups: words(&[GROUP]),
        // By name: types are checked only for versions that are named.
        api_versions: words(&["v1alpha1"]),
        operations: words(&["CREATE", "UPDATE"]),
        resources: words(resources),
        ..NamedRuleWithOperations::default()
    };
    let condition = MatchCondition { name: "spec-changed".to_owned(), expression: SPEC_CHANGED.to_owned() };
    ValidatingAdmissionPolicy {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_conditions: Some(vec![condition]),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![rule]),
                ..MatchResources::default()
            }),
            param_kind,
            validations: Some(vec![validation]),
            variables: (!variables.is_empty()).then_some(variables),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}

fn param_kind() -> ParamKind {
    ParamKind { api_version: Some(format!("{GROUP}/v1alpha1")), kind: Some("MorphPolicy".to_owned()) }
}

fn variable(name: &str, expression: &str) -> Variable {
    Variable { name: name.to_owned(), expression: expression.to_owned() }
}

/// Variables that entries share. All parts are in `parts`, so that no entry can forget one.
fn shared() -> Vec<Variable> {
    let list = |words: Vec<&str>| {
        format!("[{}]", words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(", "))
    };
    let words = list(KINDS.iter().map(|(kind, _)| *kind).collect());
    let lists = list(KINDS.iter().filter(|(_, is_list)| *is_list).map(|(kind, _)| *kind).collect());
    let allowed: Vec<_> = KINDS
        .iter()
        .map(|(kind, _)| format!("(has(params.spec.capabilities.{kind}) ? ['{kind}'] : [])"))
        .collect();
    let mut all = vec![
        variable("words", &words),
        variable("lists", &lists),
        variable("kinds", &format!("has(params.spec.capabilities) ? {} : []", allowed.join(" + "))),
        variable("whole", "[{'at': dyn('spec'), 'it': dyn(object.spec)}]"),
        variable("parts", &parts()),
    ];
    for kind in KINDS.iter().map(|(kind, _)| *kind).filter(|kind| is_asked(kind)) {
        let expression = format!(
            "variables.parts.filter(p, has(p.capabilities.{kind}) && '{kind}' in variables.kinds)\
             .map(p, {{'at': p.at, 'it': p.capabilities.{kind}}})"
        );
        all.push(variable(kind, &expression));
    }
    all.extend(VARIABLES.iter().map(|(name, expression)| variable(name, expression)));
    all
}

/// CEL: the Morph's own component and each plug, with what it asks for itself.
fn parts() -> String {
    let part = |at: &str, of: &str| {
        let or = |field: &str, none: &str| {
            format!("'{field}': has({of}.{field}) ? dyn({of}.{field}) : dyn({none})")
        };
        format!(
            "{{'at': dyn({at}), 'image': dyn({of}.image), {}, {}, {}}}",
            or("capabilities", "{}"),
            or("config", "[]"),
            or("env", "[]"),
        )
    };
    let main = part("'spec'", "object.spec");
    let plug = part("'spec.plugs[' + g.name + ']'", "g");
    format!("[{main}] + (has(object.spec.plugs) ? object.spec.plugs.map(g, {plug}) : [])")
}

/// Whether any entry is about what is inside this kind.
fn is_asked(kind: &'static str) -> bool {
    ENTRIES.iter().any(|entry| entry.over == Over::Kind(kind))
}

/// CEL: one text for each part that is above the policy.
fn question(entry: &Entry) -> String {
    let over = match entry.over {
        Over::Parts => "parts",
        Over::Kind(kind) => kind,
        Over::Whole => "whole",
    };
    let shown: Vec<_> = (0..VALUES_SHOWN_MAX).map(|index| format!("l[{index}]")).collect();
    let shown = shown.join(" + ', ' + ");
    let most = entry.most.map_or_else(String::new, |most| format!(": ' + {} + '", most.cel));
    format!(
        "variables.{over}.map(p, {{'at': p.at, 'v': dyn({values})}}).filter(p, p.v.size() > 0)\
         .map(p, p.at + '{field}: ' + [p.v].map(l, l.size() > {VALUES_SHOWN_MAX} ? \
         {shown} + ' and ' + string(l.size() - {VALUES_SHOWN_MAX}) + ' more' : l.join(', '))[0] + \
         ' ({rule}{most})')",
        values = entry.values,
        field = entry.field,
        rule = entry.rule,
    )
}

/// CEL: what to say of a list of findings that isn't empty.
fn said(list: &str) -> String {
    let mut text = format!("'MorphPolicy ' + params.metadata.name + ' does not allow ' + {list}[0]");
    for index in 1..FINDINGS_SHOWN_MAX {
        text.push_str(&format!(" + ({list}.size() > {index} ? '; ' + {list}[{index}] : '')"));
    }
    text.push_str(&format!(
        " + ({list}.size() > {FINDINGS_SHOWN_MAX} ? \
         '; and ' + string({list}.size() - {FINDINGS_SHOWN_MAX}) + ' more' : '')"
    ));
    text
}
