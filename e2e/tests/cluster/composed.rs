//! Morphs of several components: the examples, a part that is replaced, and what is said of parts that are
//! missing, doubled or not allowed. What parts may do, and what is told of them, is in `composed/parts.rs`.

mod parts;

use crate::host::Host;
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use morph_crds::{Answer, ConditionType, Morph, MorphPolicy, MorphStatus, POLICY_LABEL, Reason};
use morph_e2e::{Cluster, NODE_ADDRESS, Space, guest, until};
use morph_grant::Digest;
use morph_testkit::web::ECHO;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CLOCK: &str = "acme:weather/clock@0.1.0";
const SOURCE: &str = "acme:weather/source@0.1.0";

/// How long a policy may take to be known to admission, in seconds.
const KNOWN_SECONDS: u64 = 30;

/// `examples/<name>/morph.yaml` with these guests from the local registry.
async fn example(space: &Space, name: &str, guests: &[&str]) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).join("morph.yaml");
    let mut yaml = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for guest in guests {
        let image = format!("registry.example/morph/{guest}:0.1.0");
        ensure!(yaml.contains(&image), "{name} names {image}");
        yaml = yaml.replace(&image, &space.push_guest(guest).await?.image);
    }
    Ok(yaml)
}

/// The message of a condition.
fn message(morph: &Morph, condition: ConditionType) -> String {
    let conditions = morph.status.iter().flat_map(|status| &status.conditions);
    let mut found = conditions.filter(|found| found.type_ == condition.as_str());
    found.next().map(|found| found.message.clone()).unwrap_or_default()
}

fn status(morph: &Morph) -> Result<&MorphStatus> {
    morph.status.as_ref().context("no status")
}

/// Names of the components with the digests of their bytes.
fn digests(status: &MorphStatus) -> BTreeMap<&str, &str> {
    status.components.iter().map(|one| (one.name.as_str(), one.digest.as_str())).collect()
}

#[tokio::test]
async fn the_example_asks_its_host_with_a_key_that_no_part_sees() -> Result<()> {
    Cluster::run("composed", async |space| {
        let host = Host::start(space).await?;
        let yaml = example(space, "weather", &["weather", "weather-clock", "weather-source"]).await?;
        let (name, port) = (&host.name, host.web.port());
        let rule =
            format!("host: {name}\n          ports: [{port}]\n          addresses: [{NODE_ADDRESS}/32]");
        let ca = "caBundle: { configMapKeyRef: { name: ca, key: ca } }";
        let yaml = yaml
            .replace("https://api.weather.example/", &format!("https://{name}:{port}/"))
            .replace("host: api.weather.example", &rule)
            .replace("        limits: {", &format!("        {ca}\n        limits: {{"));
        space.apply(&yaml).await?;
        let morph = space.ready("weather").await?;
        let text = space.answer("weather", "/porto").await?;
        assert!(text.contains(" UTC.\nporto: GET /v1/porto"), "{text}");
        assert!(!text.contains(ECHO) && !text.contains("not-a-real-key"), "{text}");
        let asked = host.web.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].authorization, "Bearer not-a-real-key");
        // No server reads this path in one way, so no rule grants it: main hears of it from the source.
        let (code, text) = space.fetch("weather", "/..;x/porto").await?;
        assert!(code == 502 && text.contains("HttpRequestDenied"), "{code} {text}");
        assert_eq!(host.web.asked().len(), 1);
        says_what_it_is(&morph)
    })
    .await
}

/// The status of the example: its parts, what answers their imports, and what was composed.
fn says_what_it_is(morph: &Morph) -> Result<()> {
    let status = status(morph)?;
    let guests = [("clock", "weather-clock"), ("source", "weather-source"), ("weather", "weather")];
    let digests = digests(status);
    assert_eq!(digests.len(), guests.len(), "{digests:?}");
    for (part, name) in guests {
        let wanted = Digest::of(&guest(name)?).to_string();
        assert_eq!(digests.get(part), Some(&wanted.as_str()), "{part}");
    }
    assert!(status.components.iter().all(|one| one.image.contains("@sha256:")), "{:?}", status.components);
    let links: BTreeSet<_> =
        status.links.iter().map(|l| (l.from.as_str(), l.interface.as_str(), l.to.as_str())).collect();
    assert_eq!(links, BTreeSet::from([("weather", CLOCK, "clock"), ("weather", SOURCE, "source")]));
    let of = |part: &str, interface: &str| {
        let found = status.imports.iter().find(|i| i.component == part && i.interface.starts_with(interface));
        found.map(|import| (import.answer, import.by.clone().unwrap_or_default()))
    };
    assert_eq!(of("weather", CLOCK), Some((Answer::Plug, "clock".into())));
    let (answer, by) = of("source", "wasi:http/outgoing-handler").context("the source asks nobody")?;
    assert!(answer == Answer::Granted && by.contains("capabilities.http"), "{answer:?} {by}");
    for part in ["weather", "clock"] {
        assert_eq!(of(part, "wasi:http/outgoing-handler"), None, "{part}");
    }
    let composed = status.composed.as_deref().unwrap_or_default();
    assert!(composed.starts_with("sha256:"), "{composed}");
    let wanted = ("Composed", "True", Reason::PartsComposed.as_str());
    let conditions = &status.conditions;
    let is_so = conditions.iter().any(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str()) == wanted);
    ensure!(is_so, "{conditions:?}");
    Ok(())
}

/// A clock of other bytes that says so.
fn another_clock() -> Result<Vec<u8>> {
    let (old, new) = (b"weather station", b"village steeple");
    let mut bytes = guest("weather-clock")?;
    let windows = bytes.windows(old.len()).enumerate();
    let starts: Vec<_> = windows.filter(|(_, found)| found == old).map(|(start, _)| start).collect();
    ensure!(!starts.is_empty(), "the clock says nothing of the weather station");
    for start in starts {
        bytes[start..start + new.len()].copy_from_slice(new);
    }
    Ok(bytes)
}

/// The weather with one clock, and a source that is never asked.
async fn weather(space: &Space, clock: &str) -> Result<Value> {
    let (main, source) = (space.push_guest("weather").await?, space.push_guest("weather-source").await?);
    let allow = json!([{ "host": "api.weather.example", "pathPrefixes": ["/v1/"] }]);
    Ok(json!({
        "image": main.image,
        "plugs": [
            { "name": "clock", "image": clock },
            { "name": "source", "image": source.image, "capabilities": { "http": { "allow": allow } } },
        ],
    }))
}

/// The one pod that is there and isn't going.
async fn pod(space: &Space, name: &str) -> Result<Pod> {
    space.pod_count(name, 1).await?.pop().context("no pod")
}

#[tokio::test]
async fn a_plug_that_is_replaced_rolls_the_morph() -> Result<()> {
    Cluster::run("replaced", async |space| {
        let clock = space.push_guest("weather-clock").await?;
        let other = space.push("weather-clock", "2", another_clock()?).await?;
        let spec = weather(space, &clock.image).await?;
        space.morph("weather", &spec).await?;
        let first = space.ready("weather").await?;
        assert!(space.answer("weather", "/").await?.starts_with("The clock of the weather station"));
        let before = pod(space, "weather").await?;
        let mut spec = spec;
        spec["plugs"][0]["image"] = json!(other.image);
        space.morph("weather", &spec).await?;
        until(90, "the other clock tells the time", async || {
            let text = space.answer("weather", "/").await?;
            Ok(if text.starts_with("The clock of the village steeple") { Ok(()) } else { Err(text) })
        })
        .await?;
        let second = space.ready("weather").await?;
        let after = pod(space, "weather").await?;
        assert_ne!(before.metadata.uid, after.metadata.uid);
        let (first, second) = (status(&first)?, status(&second)?);
        assert_ne!(first.composed, second.composed);
        assert_eq!(digests(second).get("clock"), Some(&other.content.to_string().as_str()));
        assert_eq!(digests(first).get("weather"), digests(second).get("weather"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_plug_that_is_not_there_is_named_and_no_pod_hangs() -> Result<()> {
    Cluster::run("missing", async |space| {
        let clock = space.push_guest("weather-clock").await?.image;
        let good = weather(space, &clock).await?;
        let missing = weather(space, &clock.replace(":1", ":none")).await?;
        space.morph("never", &missing).await?;
        let not_there = (ConditionType::Resolved, "False", Some(Reason::ImageNotFound));
        let morph = space.condition("never", not_there.0, not_there.1, not_there.2).await?;
        let said = message(&morph, ConditionType::Resolved);
        assert!(said.contains("spec.plugs[0].image"), "{said}");
        assert_eq!(space.pods("never").await?.len(), 0);
        // Of one that runs, the pods go on as they are.
        space.morph("weather", &good).await?;
        space.ready("weather").await?;
        let before = pod(space, "weather").await?;
        space.morph("weather", &missing).await?;
        space.condition("weather", not_there.0, not_there.1, not_there.2).await?;
        space.answer("weather", "/").await?;
        assert_eq!(pod(space, "weather").await?.metadata.uid, before.metadata.uid);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_candidates_are_named_and_a_link_settles_it() -> Result<()> {
    Cluster::run("ambiguous", async |space| {
        let clock = space.push_guest("weather-clock").await?.image;
        let mut spec = weather(space, &clock).await?;
        let plugs = spec["plugs"].as_array_mut().context("no plugs")?;
        plugs.push(json!({ "name": "sundial", "image": clock }));
        space.morph("weather", &spec).await?;
        let composed = ConditionType::Composed;
        let morph = space.condition("weather", composed, "False", Some(Reason::Ambiguous)).await?;
        let said = message(&morph, composed);
        assert!(said.contains(CLOCK) && said.contains("by clock and by sundial"), "{said}");
        // With a link the other clock is of no use, which is told as well.
        spec["links"] = json!([{ "from": "main", "interface": CLOCK, "to": "sundial" }]);
        space.morph("weather", &spec).await?;
        let morph = space.condition("weather", composed, "False", Some(Reason::Unresolved)).await?;
        let said = message(&morph, composed);
        assert!(said.contains("nothing uses clock"), "{said}");
        assert_eq!(space.pods("weather").await?.len(), 0);
        spec["plugs"].as_array_mut().context("no plugs")?.remove(0);
        space.morph("weather", &spec).await?;
        let morph = space.ready("weather").await?;
        let to_sundial = |link: &morph_crds::LinkStatus| link.interface == CLOCK && link.to == "sundial";
        assert!(status(&morph)?.links.iter().any(to_sundial), "{:?}", morph.status);
        assert!(space.answer("weather", "/").await?.starts_with("The clock of"));
        Ok(())
    })
    .await
}

/// A clock that tells the time as a number.
const COUNTING_CLOCK: &str = r#"(component
    (core module $m (func (export "now") (result i64) i64.const 0))
    (core instance $i (instantiate $m))
    (func $now (result u64) (canon lift (core func $i "now")))
    (instance $clock (export "now" (func $now)))
    (export "acme:weather/clock@0.1.0" (instance $clock)))"#;

#[tokio::test]
async fn a_plug_of_another_type_is_refused_with_both_types_and_has_no_pod() -> Result<()> {
    Cluster::run("of-another-type", async |space| {
        let other = space.push("weather-clock", "counting", wat::parse_str(COUNTING_CLOCK)?).await?;
        space.morph("weather", &weather(space, &other.image).await?).await?;
        let (composed, reason) = (ConditionType::Composed, Reason::TypeMismatch);
        let morph = space.condition("weather", composed, "False", Some(reason)).await?;
        let said = message(&morph, composed);
        let types = "now is func() -> u64 there, and func() -> string is wanted";
        assert!(said.starts_with("spec.plugs[0].image: main imports") && said.contains(CLOCK), "{said}");
        assert!(said.contains("what clock exports") && said.contains(types), "{said}");
        assert_eq!(space.pods("weather").await?.len(), 0);
        let clock = space.push_guest("weather-clock").await?.image;
        space.morph("weather", &weather(space, &clock).await?).await?;
        space.ready("weather").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_plug_is_held_to_the_ceiling_of_its_namespace() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let name = format!("e2e-plugs-{}", std::process::id());
    let space = cluster.space("ceiling-plugs", &[(POLICY_LABEL, &name)]).await?;
    let result = held(&space, &name).await;
    if result.is_err() {
        space.describe();
    }
    let policies: Api<MorphPolicy> = Api::all(space.cluster.client.clone());
    let cleaned = policies.delete(&name, &DeleteParams::default()).await;
    let deleted = space.delete().await;
    result?;
    cleaned?;
    deleted
}

async fn held(space: &Space, name: &str) -> Result<()> {
    let clock = space.push_guest("weather-clock").await?.image;
    let spec = weather(space, &clock).await?;
    let (registry, _) = clock.split_once("/weather-clock").context("an image of another name")?;
    let policies: Api<MorphPolicy> = Api::all(space.cluster.client.clone());
    let policy = json!({
        "apiVersion": "hayride.dev/v1alpha1", "kind": "MorphPolicy", "metadata": { "name": name },
        "spec": {
            "images": { "prefixes": [format!("{registry}/")] },
            "capabilities": { "http": { "hosts": ["api.weather.example"] } },
        },
    });
    policies.patch(name, &PatchParams::apply("e2e").force(), &Patch::Apply(&policy)).await?;
    until(KNOWN_SECONDS, "the policy allows what it has words for", async || {
        Ok(space.morph("weather", &spec).await.map_err(|error| format!("{error:#}")))
    })
    .await?;
    space.ready("weather").await?;
    let evil = json!({ "allow": [{ "host": "evil.example", "pathPrefixes": ["/"] }] });
    for (plug, field, value, words) in [
        (1, "capabilities", json!({ "http": evil }), "source].capabilities.http.allow[].host: evil.example"),
        (1, "capabilities", json!({ "logging": {} }), "source].capabilities: logging"),
        (0, "image", json!("evil.example/clock:1"), "clock].image: evil.example/clock:1"),
    ] {
        let mut above = spec.clone();
        above["plugs"][plug][field] = value;
        let refused = space.morph("above", &above).await.err().with_context(|| format!("taken: {words}"))?;
        let said = format!("{refused:#}");
        assert!(said.contains(&format!("does not allow spec.plugs[{words}")), "{words}: {said}");
        ensure!(space.get("above").await.is_err(), "{words}: it was stored");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_in_javascript_has_a_plug_in_rust() -> Result<()> {
    Cluster::run("of-javascript", async |space| {
        let yaml = example(space, "weather-javascript", &["weather-javascript", "weather-clock"]).await?;
        space.apply(&yaml).await?;
        space.ready("weather-javascript").await?;
        let text = space.answer("weather-javascript", "/").await?;
        assert!(text.starts_with("JavaScript has asked. The clock of the weather station"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_in_rust_has_a_plug_in_javascript() -> Result<()> {
    has_a_source_in("javascript", "JavaScript").await
}

#[tokio::test]
async fn a_server_in_rust_has_a_plug_in_python() -> Result<()> {
    has_a_source_in("python", "Python").await
}

/// The weather's Server with a source in another language, which makes the weather up.
async fn has_a_source_in(word: &str, language: &str) -> Result<()> {
    let name = format!("{word}-plug");
    Cluster::run(&format!("with-{word}"), async |space| {
        space.apply(&example(space, &name, &["weather", "weather-clock", &name]).await?).await?;
        space.ready(&name).await?;
        let text = space.answer(&name, "/porto").await?;
        assert!(text.contains(&format!(", as {language} guesses\n")), "{text}");
        let (code, text) = space.fetch(&name, "/nowhere").await?;
        assert!(code == 502 && text.contains("there is no such place"), "{code} {text}");
        Ok(())
    })
    .await
}
