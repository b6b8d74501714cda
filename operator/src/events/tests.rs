//! Which changes of conditions become Events.
#![allow(clippy::unwrap_used)]

use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

fn condition(type_: ConditionType, status: &str, reason: Reason, message: &str) -> Condition {
    Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: message.to_owned(),
        observed_generation: Some(1),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

fn resolved() -> Condition {
    condition(ConditionType::Resolved, "True", Reason::ImageResolved, "an image")
}

fn available(status: &str, reason: Reason) -> Condition {
    condition(ConditionType::Available, status, reason, "pods")
}

fn reasons(before: &[Condition], after: &[Condition]) -> Vec<(String, bool)> {
    changes(before, after).into_iter().map(|change| (change.reason, change.warning)).collect()
}

fn told(reason: Reason, warning: bool) -> (String, bool) {
    (reason.as_str().to_owned(), warning)
}

#[test]
fn what_stays_is_not_told() {
    let all = [resolved(), available("True", Reason::PodsAvailable)];
    assert!(changes(&all, &all).is_empty());
    let other_words = condition(ConditionType::Resolved, "True", Reason::ImageResolved, "other words");
    assert!(changes(&[resolved()], &[other_words]).is_empty());
}

#[test]
fn each_change_is_told_once() {
    let before = [resolved(), available("False", Reason::PodsUnavailable)];
    let after = [resolved(), available("True", Reason::PodsAvailable)];
    assert_eq!(reasons(&before, &after), [told(Reason::PodsAvailable, false)]);
    assert_eq!(
        reasons(&[], &after),
        [told(Reason::ImageResolved, false), told(Reason::PodsAvailable, false)]
    );
}

#[test]
fn a_reason_that_two_conditions_share_is_told_with_its_cause() {
    let cause = condition(ConditionType::ImportsSatisfied, "False", Reason::ImportDenied, "which and why");
    let ready = condition(ConditionType::Ready, "False", Reason::ImportDenied, "the same");
    let found = changes(&[], &[ready, cause]);
    assert_eq!(
        found,
        [Change { warning: true, reason: "ImportDenied".into(), note: "which and why".into() }]
    );
}

#[test]
fn what_is_on_its_way_is_no_news() {
    for reason in [Reason::Pending, Reason::Progressing, Reason::PodsUnavailable, Reason::CommandRunning] {
        assert!(reasons(&[], &[available("False", reason)]).is_empty(), "{reason}");
    }
}

#[test]
fn that_nothing_stands_against_it_is_news_only_where_something_did() {
    let imports = |status, reason| condition(ConditionType::ImportsSatisfied, status, reason, "");
    let (good, bad) = (imports("True", Reason::AllImportsAnswered), imports("False", Reason::ImportDenied));
    assert!(reasons(&[], std::slice::from_ref(&good)).is_empty());
    let denied = reasons(std::slice::from_ref(&good), std::slice::from_ref(&bad));
    assert_eq!(denied, [told(Reason::ImportDenied, true)]);
    assert_eq!(reasons(&[bad], &[good]), [told(Reason::AllImportsAnswered, false)]);
}

#[test]
fn that_parts_fit_is_news_only_where_they_did_not() {
    let composed = |status, reason| condition(ConditionType::Composed, status, reason, "");
    let (good, bad) = (composed("True", Reason::PartsComposed), composed("False", Reason::Cycle));
    assert!(reasons(&[], std::slice::from_ref(&good)).is_empty());
    assert_eq!(reasons(&[], std::slice::from_ref(&bad)), [told(Reason::Cycle, true)]);
    assert_eq!(reasons(&[bad], &[good]), [told(Reason::PartsComposed, false)]);
}

#[test]
fn ready_adds_only_what_the_others_do_not_say() {
    let ready = |status, reason| condition(ConditionType::Ready, status, reason, "");
    assert!(reasons(&[], &[ready("True", Reason::Ready)]).is_empty());
    assert_eq!(reasons(&[], &[ready("False", Reason::SpecInvalid)]), [told(Reason::SpecInvalid, true)]);
}

#[test]
fn unknown_is_no_news() {
    assert!(changes(&[], &[condition(ConditionType::Ready, "Unknown", Reason::Pending, "")]).is_empty());
    assert!(changes(&[resolved()], &[]).is_empty());
}

#[test]
fn only_what_somebody_should_look_at_is_a_warning() {
    for (status, reason, warning) in [
        ("True", Reason::PodsAvailable, false),
        ("False", Reason::ScaledToZero, false),
        ("False", Reason::CommandSuspended, false),
        ("False", Reason::RolloutFailed, true),
        ("False", Reason::CommandFailed, true),
        ("False", Reason::NameTaken, true),
    ] {
        assert_eq!(reasons(&[], &[available(status, reason)]), [told(reason, warning)]);
    }
    let missing = condition(ConditionType::Resolved, "False", Reason::ImageNotFound, "");
    assert_eq!(reasons(&[resolved()], &[missing]), [told(Reason::ImageNotFound, true)]);
}

#[test]
fn a_note_is_cut_between_characters() {
    let note = "é".repeat(NOTE_BYTES_MAX);
    let long = condition(ConditionType::Resolved, "True", Reason::ImageResolved, &note);
    let found = changes(&[], &[long]);
    assert_eq!(found[0].note.len(), NOTE_BYTES_MAX);
    let odd = condition(
        ConditionType::Resolved,
        "True",
        Reason::ImageResolved,
        &format!("a{}", "é".repeat(NOTE_BYTES_MAX)),
    );
    assert_eq!(changes(&[], &[odd])[0].note.len(), NOTE_BYTES_MAX - 1);
}

fn any_conditions() -> impl Strategy<Value = Vec<Condition>> {
    let status = prop::sample::select(vec!["True", "False", "Unknown"]);
    let reason = prop::sample::select(Reason::ALL);
    let all = prop::collection::vec((status, reason, "\\PC{0,40}"), ConditionType::ALL.len());
    (all, 0..=ConditionType::ALL.len()).prop_map(|(all, count)| {
        let types = ConditionType::ALL.iter().take(count);
        types
            .zip(all)
            .map(|(type_, (status, reason, text))| condition(*type_, status, reason, &text))
            .collect()
    })
}

proptest! {
    #[test]
    fn the_same_again_is_never_told(conditions in any_conditions()) {
        prop_assert_eq!(changes(&conditions, &conditions), vec![]);
    }

    #[test]
    fn what_is_told_is_short_true_and_told_once(before in any_conditions(), after in any_conditions()) {
        let told = changes(&before, &after);
        prop_assert!(told.len() <= TOLD.len());
        for (index, change) in told.iter().enumerate() {
            prop_assert!(after.iter().any(|now| now.reason == change.reason && now.status != "Unknown"));
            prop_assert!(told[..index].iter().all(|other| other.reason != change.reason), "{:?}", told);
            prop_assert!(change.note.len() <= NOTE_BYTES_MAX);
        }
    }

    #[test]
    fn another_message_alone_is_no_news(conditions in any_conditions(), text in "\\PC{0,40}") {
        let other: Vec<_> =
            conditions.iter().cloned().map(|c| Condition { message: text.clone(), ..c }).collect();
        prop_assert_eq!(changes(&conditions, &other), vec![]);
    }

    #[test]
    fn a_note_of_any_text_fits_and_is_its_beginning(text in "\\PC{0,3000}") {
        let note = cut(&text);
        prop_assert!(note.len() <= NOTE_BYTES_MAX);
        prop_assert!(text.starts_with(&note), "{}", note);
        prop_assert!(note == text || note.len() > NOTE_BYTES_MAX - 4, "{}", note);
    }
}
