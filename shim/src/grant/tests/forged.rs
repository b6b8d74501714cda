//! Grants that nobody granted, or granted to somebody else: each with the reason that people read.

use super::*;

/// The envelope of the sample as JSON.
fn envelope(document: &Document, by: u64) -> Value {
    serde_json::from_str(&morph_grant::seal(document, &key(by)).unwrap()).unwrap()
}

/// The sample's text with one piece replaced, which must be there.
fn edited(from: &str, to: &str) -> String {
    let text = seal(&document());
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

/// The sample's text with its one signature changed.
fn signed(change: impl FnOnce(&mut Value)) -> String {
    let mut signature = envelope(&document(), 1)["signatures"][0].clone();
    let (keyid, sig) = (signature["keyid"].clone(), signature["sig"].clone());
    let before = format!("{{\"keyid\":{keyid},\"sig\":{sig}}}");
    change(&mut signature);
    edited(&before, &signature.to_string())
}

fn louder() -> Document {
    Document { args: vec!["--louder".into()], ..document() }
}

/// A text of the envelope's JSON, unquoted.
fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// 64 bytes in base64 that are all zero.
fn zeros() -> String {
    format!("{}==", "A".repeat(86))
}

fn elsewhere(change: impl FnOnce(&mut Document)) -> String {
    let mut document = document();
    change(&mut document);
    seal(&document)
}

/// What is wrong, the annotation, and the words that say so.
type Forgery = (&'static str, String, &'static str);

fn forgeries() -> Vec<Forgery> {
    [shapes(), spellings(), signatures(), forms()].concat()
}

/// What is no envelope, or not one with one signature.
fn shapes() -> Vec<Forgery> {
    let second = format!("}},{}]}}", envelope(&document(), 2)["signatures"][0]);
    let whole = seal(&document());
    let (head, _) = whole.split_at(whole.find(",\"signatures\"").unwrap());
    vec![
        ("an empty text", String::new(), "is not a grant envelope"),
        ("a text cut short", whole[..whole.len() - 1].to_owned(), "is not a grant envelope"),
        (
            "a document without an envelope",
            serde_json::to_string(&document()).unwrap(),
            "is not a grant envelope",
        ),
        (
            "a field twice",
            edited("{\"payloadType\"", "{\"payload\":\"\",\"payloadType\""),
            "is not a grant envelope",
        ),
        (
            "a field more",
            edited("{\"payloadType\"", "{\"by\":\"me\",\"payloadType\""),
            "is not a grant envelope",
        ),
        ("no signature", format!("{head},\"signatures\":[]}}"), "has 0 signatures"),
        ("two signatures", edited("}]}", &second), "has 2 signatures"),
        ("another payload type", edited("grant.v1+json", "grant.v2+json"), "payload type"),
    ]
}

/// What is spelt otherwise than it should be.
fn spellings() -> Vec<Forgery> {
    let mine = envelope(&document(), 1);
    let (payload, sig) = (text(&mine["payload"]), text(&mine["signatures"][0]["sig"]));
    vec![
        (
            "a payload with other padding",
            edited(payload, &format!("{payload}=")),
            "payload is not canonical base64",
        ),
        (
            "a payload with a space",
            edited(&payload[..8], &format!("{} ", &payload[..8])),
            "payload is not canonical base64",
        ),
        (
            "a signature without padding",
            edited(sig, sig.trim_end_matches('=')),
            "sig is not canonical base64",
        ),
        ("an empty signature", edited(sig, ""), "sig is not canonical base64"),
        ("a signature too long", edited(sig, &format!("AAAA{sig}")), "sig is not canonical base64"),
        (
            "no key's id",
            signed(|signature| signature["keyid"] = json!("operator")),
            "keyid is not the id of a key",
        ),
    ]
}

/// What a trusted key has not signed.
fn signatures() -> Vec<Forgery> {
    let mine = envelope(&document(), 1);
    let (payload, sig) = (text(&mine["payload"]), text(&mine["signatures"][0]["sig"]));
    let others = envelope(&louder(), 1);
    let strangers_sig = envelope(&document(), 2)["signatures"][0]["sig"].clone();
    vec![
        ("an unknown key", morph_grant::seal(&document(), &key(2)).unwrap(), "which is not trusted here"),
        (
            "an unknown key's id over a good signature",
            signed(|signature| {
                signature["keyid"] = json!(key(2).public().id());
            }),
            "which is not trusted here",
        ),
        (
            "a known key's id over another's signature",
            signed(|signature| signature["sig"] = strangers_sig),
            "the signature is not of key",
        ),
        (
            "another document's signature",
            edited(sig, text(&others["signatures"][0]["sig"])),
            "the signature is not of key",
        ),
        (
            "another document under the signature",
            edited(payload, text(&others["payload"])),
            "the signature is not of key",
        ),
        ("a tampered payload", edited(&payload[..4], "eyJ3"), "the signature is not of key"),
    ]
}

/// What one has signed, for somebody else or in another form.
fn forms() -> Vec<Forgery> {
    let mine = envelope(&document(), 1);
    let sig = text(&mine["signatures"][0]["sig"]);
    let whole = seal(&document());
    let (head, tail) = whole.split_at(whole.find(",\"signatures\"").unwrap());
    vec![
        ("a signature of zeros", edited(sig, &zeros()), "the signature is not of key"),
        ("space between fields", edited(",\"payload\"", ", \"payload\""), "is not in canonical form"),
        (
            "fields in another order",
            format!("{{{},{}}}", &tail[1..tail.len() - 1], &head[1..]),
            "is not in canonical form",
        ),
        (
            "another spelling of a letter",
            edited("\"payload\":\"e", "\"payload\":\"\\u0065"),
            "is not in canonical form",
        ),
        ("a text too large", "x".repeat(morph_grant::ENVELOPE_SIZE_BYTES_MAX + 1), "at most 131072 fit"),
        (
            "another cluster's",
            elsewhere(|d| d.subject.cluster = "cluster-2".into()),
            "is for cluster cluster-2",
        ),
        (
            "another namespace's",
            elsewhere(|d| d.subject.namespace = "other".into()),
            "is for namespace other",
        ),
    ]
}

#[test]
fn no_forged_grant_is_taken_and_each_refusal_says_why() {
    Case::new(&document()).granted();
    let forgeries = forgeries();
    assert!(forgeries.len() >= 15);
    for (what, text, words) in forgeries {
        let outcome = Case::carrying(text).decide().map(drop).unwrap_err();
        assert_eq!(outcome.code, code::GRANT_REFUSED, "{what}");
        let message = outcome.message.unwrap();
        assert!(message.starts_with("grant refused: ") && message.contains(words), "{what}: {message}");
    }
}

#[test]
fn an_unknown_key_is_named_and_so_is_the_one_that_has_not_signed() {
    for (text, seed) in [
        (morph_grant::seal(&document(), &key(2)).unwrap(), 2),
        (signed(|signature| signature["sig"] = json!(zeros())), 1),
    ] {
        Case::carrying(text).refused(&key(seed).public().id().to_string());
    }
}

#[test]
fn a_grant_for_another_component_stops_at_its_bytes() {
    let manifest = elsewhere(|d| d.components[0].manifest = Digest::of(b"other manifest"));
    let decision = Case::carrying(manifest).decide().unwrap();
    // The shim runs what this manifest holds, or nothing: the image of the container has no say.
    assert_eq!(decision.components()[0].source, Source::Manifest(Digest::of(b"other manifest")));
    let content = elsewhere(|d| d.components[0].content = Digest::of(b"other content"));
    let outcome = Case::carrying(content).decide().unwrap().components()[0]
        .check_content(&Digest::of(b"content"))
        .unwrap_err();
    assert_eq!(outcome.code, code::GRANT_REFUSED);
    assert!(outcome.message.unwrap().contains(&Digest::of(b"other content").to_string()));
}

#[test]
fn a_grant_is_the_one_that_the_sandbox_was_made_with() {
    let stronger = seal(&louder());
    Case { container: Some(stronger.clone()), ..Case::new(&document()) }.refused("was changed after the pod");
    // Neither may a good one follow a forged one.
    Case { sandbox: Some("forged".into()), container: Some(stronger), ..Case::without() }
        .refused("was changed after the pod");
}

#[test]
fn a_node_that_trusts_no_key_takes_no_grant_and_names_the_directory() {
    let nobody = Case { trusted: TrustedKeys::default(), ..Case::new(&document()) };
    nobody.refused("this node trusts no key, so no grant is taken: no public key in /etc/morph/keys");
}

#[test]
fn keys_change_with_an_overlap() {
    let old = Case::new(&document());
    let text = morph_grant::seal(&document(), &key(2)).unwrap();
    let both = || [key(1).public(), key(2).public()].into_iter().collect();
    Case { trusted: both(), ..old }.granted();
    Case { trusted: both(), ..Case::carrying(text.clone()) }.granted();
    let new = || [key(2).public()].into_iter().collect();
    Case { trusted: new(), ..Case::new(&document()) }.refused(&key(1).public().id().to_string());
    Case { trusted: new(), ..Case::carrying(text) }.granted();
}

#[test]
fn a_pod_with_a_forged_grant_does_not_run_without_it_either() {
    let forged = Case::carrying(morph_grant::seal(&document(), &key(2)).unwrap());
    assert!(forged.decide().is_err());
    // Its other containers have no grant, forged or not.
    let sidecar = Case { name: "sidecar", ..forged }.decide().unwrap();
    assert!(matches!(sidecar, Decision::Ungranted { .. }));
}
