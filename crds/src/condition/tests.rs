//! Tests of the vocabulary: its spelling is API, so each word stands here once more.

use super::*;
use std::collections::BTreeSet;

#[test]
fn words_are_camel_case_and_distinct() {
    let words: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
    assert!(words.iter().all(|w| w.starts_with(char::is_uppercase) && w.chars().all(char::is_alphanumeric)));
}

#[test]
fn a_type_is_written_as_its_name() {
    assert_eq!(ConditionType::ImportsSatisfied.to_string(), "ImportsSatisfied");
}

/// Scripts and alerts match these: a change here is a change of the API.
#[test]
fn the_words_are_spelt_as_they_have_always_been() {
    let types: Vec<_> = ConditionType::ALL.iter().map(ToString::to_string).collect();
    let wanted = "Resolved Composed ImportsSatisfied WithinCeiling Available Ready Reconciling Stalled";
    assert_eq!(types, wanted.split_whitespace().collect::<Vec<_>>());
    let reasons: Vec<_> = Reason::ALL.iter().map(ToString::to_string).collect();
    let wanted = "Pending SpecInvalid \
        ImageResolved ReferenceInvalid ImageNotFound RegistryUnavailable RegistryDenied RegistryForbidden \
        ArtifactInvalid NotAComponent ComponentTooLarge NoKnownExport AmbiguousType TypeMismatch \
        PartsComposed Unresolved Ambiguous VersionMismatch Cycle TooLarge \
        AllImportsAnswered ImportDenied GrantTooLarge \
        WithinPolicy NoPolicy PolicyNotFound AbovePolicy PolicyNotEnforced \
        PodsAvailable PodsUnavailable RolloutFailed ScaledToZero CommandRunning CommandSucceeded \
        CommandFailed CommandScheduled CommandSuspended ApplyRefused NameTaken \
        Ready Progressing Retrying Deleting";
    assert_eq!(reasons, wanted.split_whitespace().collect::<Vec<_>>());
}

/// metav1.Condition's own rules, by which the API server refuses a status.
#[test]
fn every_word_is_one_that_a_condition_may_carry() {
    let fits = |word: &str| word.len() <= 128 && word.starts_with(|c: char| c.is_ascii_alphabetic());
    assert!(Reason::ALL.iter().all(|reason| fits(reason.as_str())));
    assert!(ConditionType::ALL.iter().all(|type_| fits(type_.as_str())));
    assert!(ConditionType::ALL.len() <= crate::bounds::CONDITIONS_MAX as usize);
}
