//! Parts on their way to the compile child: whole, or nobody's.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use morph_component::{InterfaceId, PlannedImport, PlannedPart, Provider};

fn id(text: &str) -> InterfaceId {
    text.parse().unwrap()
}

fn planned(name: &str, imports: Vec<(&str, Provider)>) -> PlannedPart {
    let import = |(interface, by)| PlannedImport { interface: id(interface), by };
    PlannedPart { name: name.into(), imports: imports.into_iter().map(import).collect() }
}

/// A plan with each kind of answer.
fn plan() -> Plan {
    let answers = vec![
        ("acme:a/time@1.0.0", Provider::Part { part: 1, export: id("acme:a/time@1.2.0") }),
        ("wasi:cli/environment@0.2.0", Provider::Host),
        ("wasi:io/error@0.2.0", Provider::Shared),
    ];
    Plan { parts: vec![planned("main", answers), planned("clock", Vec::new())] }
}

const PARTS: [&[u8]; 2] = [b"the main component", b"a clock"];

fn contents() -> Vec<Digest> {
    PARTS.map(Digest::of).into()
}

fn written(plan: &Plan, contents: &[Digest], parts: &[&[u8]]) -> Vec<u8> {
    let mut writer = Writer::begin(plan, contents, 0).unwrap();
    parts.iter().for_each(|part| writer.add(part));
    writer.done()
}

fn whole() -> Vec<u8> {
    written(&plan(), &contents(), &PARTS)
}

#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let error = Parts::read(bytes).map(drop).unwrap_err();
    assert!(error.to_string().contains(words), "{words} is not in {error}");
    // Nothing of it passes for a composition.
    assert_eq!(digest_of(bytes), Digest::of(bytes));
}

#[test]
fn what_is_written_is_read_with_its_plan_and_bytes() {
    let bytes = whole();
    let parts = Parts::read(&bytes).unwrap();
    assert_eq!((&parts.plan, &parts.bytes[..]), (&plan(), &PARTS[..]));
    assert_eq!(parts.digest(), composed_digest(&plan(), &contents()));
    assert_eq!(digest_of(&bytes), parts.digest());
}

#[test]
fn bytes_are_known_by_their_beginning() {
    assert!(Parts::is_begun_by(&whole()));
    for other in [&b"\0asm\x0d\0\x01\0"[..], b"", &MAGIC[1..]] {
        assert!(!Parts::is_begun_by(other));
        assert_eq!(digest_of(other), Digest::of(other));
    }
}

#[test]
fn no_cut_is_taken_wherever_it_is() {
    let bytes = whole();
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert!(Parts::read(cut).is_err(), "{length}");
        assert_eq!(digest_of(cut), Digest::of(cut), "{length}");
    }
    refused(&bytes[..bytes.len() - 1], "cut short");
    refused(&[&bytes[..], b"x"].concat(), "1 bytes too many");
}

#[test]
fn no_flipped_bit_gives_the_same_composition() {
    let bytes = whole();
    for index in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[index] ^= bit;
            assert_ne!(digest_of(&changed), digest_of(&bytes), "{index}");
        }
    }
}

#[test]
fn a_part_with_other_bytes_is_named() {
    let words = "part clock of a composition has other bytes";
    refused(&written(&plan(), &contents(), &[PARTS[0], b"a cloak"]), words);
    let forged = [contents()[0].clone(), Digest::of(b"forged")];
    refused(&written(&plan(), &forged, &PARTS), words);
    let swapped = written(&plan(), &contents(), &[PARTS[1], PARTS[0]]);
    refused(&swapped, "part main of a composition has other bytes");
}

#[test]
fn a_plan_that_leads_nowhere_is_refused() {
    let mut nowhere = plan();
    nowhere.parts[0].imports[0].by = Provider::Part { part: 2, export: id("acme:a/time@1.0.0") };
    refused(&written_as(&nowhere.clone(), 2), "doesn't fit its 2 parts");
    let mut more = plan();
    more.parts.push(planned("other", Vec::new()));
    refused(&written_as(&more, 2), "doesn't fit its 2 parts");
    refused(&written_as(&Plan { parts: Vec::new() }, 0), "doesn't fit its 0 parts");
}

/// The same with a plan that nobody would write.
fn written_as(plan: &Plan, parts: usize) -> Vec<u8> {
    written(plan, &contents()[..parts], &PARTS[..parts])
}

#[test]
fn a_header_is_no_longer_than_any_can_be_and_says_nothing_else() {
    let framed = |header: &[u8]| {
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &length, header].concat()
    };
    refused(&framed(&vec![b' '; HEADER_BYTES_MAX + 1]), "the most is 1048576");
    for header in [&b""[..], b"{}", br#"{"plan":{"parts":[]},"contents":[],"more":1}"#] {
        refused(&framed(header), "can't be read");
    }
    let long = Plan { parts: vec![planned(&"x".repeat(HEADER_BYTES_MAX), Vec::new())] };
    assert!(matches!(Writer::begin(&long, &[], 0), Err(PartsError::Long(_))));
}

#[test]
fn the_longest_plan_fits_a_header() {
    let longest = format!("acme:a/{}@1.0.0", "x".repeat(morph_component::INTERFACE_ID_BYTES_MAX - 13));
    assert_eq!(longest.len(), morph_component::INTERFACE_ID_BYTES_MAX);
    let by = || Provider::Part { part: 1, export: id(&longest) };
    let imports = vec![(longest.as_str(), by()); morph_component::COMPOSED_IMPORTS_MAX];
    let plan = Plan { parts: vec![planned("main", imports), planned("clock", Vec::new())] };
    let bytes = written(&plan, &contents(), &PARTS);
    assert_eq!(Parts::read(&bytes).unwrap().plan, plan);
}

#[test]
fn another_plan_of_the_same_parts_is_another_composition() {
    let mut other = plan();
    other.parts[0].imports[1].by = Provider::Shared;
    let bytes = written(&other, &contents(), &PARTS);
    assert_ne!(digest_of(&bytes), digest_of(&whole()));
}
