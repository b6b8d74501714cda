//! The verdict is the operator's own: the same reasons, and every field at once.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{command, component, morph, seen, signer, world};
use morph_component::World;
use morph_crds::Reason;

fn of(fields: &str, world: Option<World>) -> Verdict {
    let text = format!("image: r.test/hello:1\n{fields}\n");
    let mut morph = morph(&text);
    (morph.metadata.uid, morph.metadata.namespace) = (None, None);
    verdict(&morph, world.map(|world| component("r.test/hello:1", world)), Ceiling::None, signer())
}

#[test]
fn what_is_above_the_ceiling_is_refused_with_a_component_and_without() {
    let spec = serde_json::from_value(serde_json::json!({ "images": { "prefixes": ["other.test/x"] } }));
    let spec = Arc::new(spec.unwrap());
    for known in [None, Some(component("r.test/hello:1", command()))] {
        let ceiling = Ceiling::Policy { name: "narrow".into(), spec: Arc::clone(&spec) };
        let judged = verdict(&morph("image: r.test/hello:1\n"), known, ceiling, signer());
        let Verdict::Refused(refusal) = judged else { panic!("{judged:?}") };
        assert_eq!(refusal.reason, Reason::AbovePolicy);
        assert!(refusal.message.contains("narrow"), "{}", refusal.message);
    }
}

#[test]
fn every_field_that_is_wrong_is_named() {
    let fields = "replicas: -1\ndeterminism: {clock: \"2026-02-30T00:00:00Z\"}\n\
                  capabilities: {sockets: {lookup: [\"*.co.uk\"]}}";
    let Verdict::Invalid(errors) = of(fields, Some(command())) else { panic!() };
    let listed: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(listed, ["spec.replicas", "spec.determinism.clock", "spec.capabilities.sockets.lookup[0]"]);
}

#[test]
fn without_a_component_only_the_fields_are_asked() {
    assert_eq!(of("", None), Verdict::Fields);
    assert!(of("", None).is_good() && !of("replicas: -1", None).is_good());
}

#[test]
fn a_component_is_judged_as_in_a_cluster() {
    let asks = || world(&["wasi:http/outgoing-handler@0.2.3"], &["wasi:cli/run@0.2.3"]);
    let allow = "capabilities: {http: {allow: [{host: a.example, pathPrefixes: [/]}]}}";
    for (fields, world) in [("", asks()), (allow, asks()), ("type: Server", command()), ("", command())] {
        let here = of(fields, Some(world.clone()));
        let there = validate(&seen(morph(&format!("image: r.test/hello:1\n{fields}\n")), world));
        match (here, there) {
            (Verdict::Runs(found), Ok(valid)) => assert_eq!(*found, valid.found),
            (Verdict::Refused(one), Err(other)) => assert_eq!(*one, other),
            (here, there) => panic!("{fields}: {here:?} {there:?}"),
        }
    }
}

#[test]
fn a_grant_that_does_not_fit_is_told() {
    let value = "x".repeat(4096);
    let args = format!("args: [{}]", vec![value; 40].join(", "));
    let Verdict::Refused(refusal) = of(&args, Some(command())) else { panic!() };
    assert_eq!(refusal.reason, Reason::GrantTooLarge);
    assert_eq!(of(&args, None), Verdict::Fields);
}

#[test]
fn a_morph_with_plugs_is_judged_once_all_its_components_are_there() {
    let id = "acme:clock/now@0.1.0";
    let text = "image: r.test/hello:1\nplugs: [{name: clock, image: \"r.test/clock:1\"}]\n";
    let main = || Some(component("r.test/hello:1", world(&[id], &["wasi:cli/run@0.2.3"])));
    let clock = |id| Some(component("r.test/clock:1", world(&[], &[id])));
    let of = |main, plugs| verdict_of_parts(&morph(text), main, plugs, Ceiling::None, signer());
    for plugs in [Vec::new(), vec![None]] {
        assert_eq!(of(main(), plugs), Verdict::Fields);
    }
    assert_eq!(of(None, vec![clock(id)]), Verdict::Fields);
    let judged = of(main(), vec![clock(id)]);
    assert!(judged.is_good() && judged.plugs().len() == 1, "{judged:?}");
    let Verdict::Refused(refusal) = of(main(), vec![clock("acme:clock/now@0.2.0")]) else { panic!() };
    assert_eq!(refusal.reason, Reason::VersionMismatch);
    let named = text.replace("name: clock", "name: hello");
    let judged = verdict(&morph(&named), None, Ceiling::None, signer());
    let Verdict::Invalid(errors) = judged else { panic!("{judged:?}") };
    assert_eq!(errors[0].field, "spec.plugs");
}
