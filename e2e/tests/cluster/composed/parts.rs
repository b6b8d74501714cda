//! What each part of a composition may do, and what is told of the part that did it: rights are never the
//! union, who sends needs the right, and traps and log lines name their part.

use super::{message, status};
use crate::authority::terminated;
use crate::host::Host;
use anyhow::{Context as _, Result, ensure};
use morph_crds::{ConditionType, Reason};
use morph_e2e::{Cluster, Space, until};
use serde_json::{Value, json};
use std::process::Command;

/// All that the part with grants imports, but http.
fn capabilities(http: &Value) -> Value {
    json!({
        "http": http, "logging": {},
        "keyvalue": [{ "bucket": "notes", "memory": { "maxBytes": "1Mi" } }],
        "sockets": { "connect": [{ "host": "db.example", "ports": [5432] }] },
    })
}

/// A Command of two parts with grants; `args` say which part does what.
async fn granted(space: &Space, args: &[&str], main: &Value, helper: &Value) -> Result<Value> {
    let (image, plug) = (
        space.push_guest("part-granted-main").await?.image,
        space.push_guest("part-granted-plug").await?.image,
    );
    let config = |value: &str| json!([{ "key": "whose", "value": value }]);
    Ok(json!({
        "image": image, "args": args, "run": { "backoffLimit": 0 },
        "config": config("main's"), "capabilities": capabilities(main),
        "plugs": [{
            "name": "helper", "image": plug,
            "config": config("the helper's"), "capabilities": capabilities(helper),
        }],
    }))
}

/// Whether a Command ended well, the name of its pod, and its log.
async fn ended(space: &Space, name: &str, spec: &Value) -> Result<(bool, String, String)> {
    space.morph(name, spec).await?;
    let well = until(90, &format!("{name} has ended"), async || {
        let pods = space.pods(name).await?;
        let phase = pods.first().and_then(|pod| pod.status.as_ref()?.phase.clone());
        Ok(match phase.as_deref() {
            Some("Succeeded") => Ok(true),
            Some("Failed") => Ok(false),
            _ => Err(space.get(name).await?.status),
        })
    })
    .await?;
    let pod = space.pods(name).await?.remove(0).metadata.name.context("no name")?;
    let log = space.kubectl(&["logs", &pod])?;
    Ok((well, pod, log))
}

#[tokio::test]
async fn the_part_that_sends_is_the_part_that_may() -> Result<()> {
    Cluster::run("apart", async |space| {
        let host = Host::start(space).await?;
        let url = host.url("/v1/now");
        let mut other = host.grant();
        other["allow"][0]["host"] = json!(format!("other.{}.example", space.name));
        let all = [
            ("self", vec!["self", "fetch", &url], "main"),
            ("plug", vec!["plug", "fetch", &url], "helper"),
            // A request isn't sent yet: whoever sends it needs the right.
            ("given", vec!["given", &url], "main"),
            ("handed", vec!["handed", &url], "helper"),
        ];
        for granted_to in ["main", "helper"] {
            for (who, args, sends) in &all {
                let (main, helper) = if granted_to == "main" {
                    (host.grant(), other.clone())
                } else {
                    (other.clone(), host.grant())
                };
                let before = host.web.asked().len();
                let name = format!("{who}-{granted_to}");
                let (well, _, log) =
                    ended(space, &name, &granted(space, args, &main, &helper).await?).await?;
                let reached = host.web.asked().len() - before;
                assert_eq!((well, reached), (*sends == granted_to, usize::from(well)), "{name}: {log}");
                assert!(well || log.contains("HttpRequestDenied"), "{name}: {log}");
                // The log says whose request it was.
                assert!(well || log.contains(&format!("part {sends}: ")), "{name}: {log}");
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_part_has_its_own_configuration_and_bucket() -> Result<()> {
    Cluster::run("own", async |space| {
        let http = json!({ "allow": [{ "host": "api.weather.example", "pathPrefixes": ["/"] }] });
        for (who, value) in [("self", "whose=main's\n"), ("plug", "whose=the helper's\n")] {
            let spec = granted(space, &[who, "config"], &http, &http).await?;
            let (well, _, log) = ended(space, who, &spec).await?;
            assert!(well && log.ends_with(value), "{who}: {log}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_a_plug_is_granted_is_not_granted_to_main() -> Result<()> {
    Cluster::run("no-union", async |space| {
        let http = json!({ "allow": [{ "host": "api.weather.example", "pathPrefixes": ["/"] }] });
        let whole = granted(space, &["self", "config"], &http, &http).await?;
        for (name, part) in [("main-none", "main-none"), ("plug-none", "helper")] {
            let mut spec = whole.clone();
            let grants = if part == "helper" { &mut spec["plugs"][0] } else { &mut spec };
            grants["capabilities"].as_object_mut().context("no capabilities")?.remove("http");
            space.morph(name, &spec).await?;
            let satisfied = ConditionType::ImportsSatisfied;
            let morph = space.condition(name, satisfied, "False", Some(Reason::ImportDenied)).await?;
            let said = message(&morph, satisfied);
            assert!(said.contains("wasi:http/outgoing-handler"), "{name}: {said}");
            assert_eq!(said.contains("of plug helper"), part == "helper", "{name}: {said}");
            let denied: Vec<_> = status(&morph)?
                .imports
                .iter()
                .filter(|import| import.answer == morph_crds::Answer::Denied)
                .map(|import| (import.component.as_str(), import.interface.as_str()))
                .collect();
            assert_eq!(denied.len(), 1, "{name}: {denied:?}");
            assert_eq!(denied[0].0, part, "{denied:?}");
            assert_eq!(space.pods(name).await?.len(), 0);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_log_line_names_its_part() -> Result<()> {
    Cluster::run("lines", async |space| {
        let http = json!({ "allow": [{ "host": "api.weather.example", "pathPrefixes": ["/"] }] });
        for (who, is_helper) in [("plug", true), ("self", false)] {
            let spec = granted(space, &[who, "log", "words"], &http, &http).await?;
            let (well, _, log) = ended(space, who, &spec).await?;
            assert!(well && log.contains("\"message\":\"words\""), "{who}: {log}");
            assert_eq!(log.contains("\"component\":\"helper\""), is_helper, "{who}: {log}");
            for (part, is_its) in [("helper", is_helper), (who, !is_helper)] {
                let lines = lines_of(space, who, part)?;
                assert_eq!(lines.contains("\"message\":\"words\""), is_its, "{part} of {who}: {lines}");
            }
        }
        Ok(())
    })
    .await
}

/// What `morph logs` prints of one component.
fn lines_of(space: &Space, name: &str, component: &str) -> Result<String> {
    let args = ["logs", name, "--namespace", &space.name, "--component", component];
    let output = Command::new("morph").args(args).output().context("morph")?;
    ensure!(output.status.success(), "morph {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A Command of two parts without any grant.
async fn plain(space: &Space, args: &[&str]) -> Result<Value> {
    let (image, plug) =
        (space.push_guest("part-main").await?.image, space.push_guest("part-plug").await?.image);
    let plugs = json!([{ "name": "helper", "image": plug }]);
    Ok(json!({ "image": image, "args": args, "run": { "backoffLimit": 0 }, "plugs": plugs }))
}

#[tokio::test]
async fn a_trap_names_its_part() -> Result<()> {
    Cluster::run("trap", async |space| {
        for (who, part) in [("plug", "helper"), ("self", "main")] {
            let (well, pod, log) = ended(space, who, &plain(space, &[who, "trap"]).await?).await?;
            assert!(!well, "{who}: {log}");
            let (code, message) = terminated(space, &pod).await?;
            assert_eq!(code, 134, "{who}: {message}");
            for (text, where_) in [(&message, "termination message"), (&log, "log")] {
                assert!(text.contains(&format!("trapped in part {part}")), "{who}, {where_}: {text}");
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_part_has_its_own_variables_by_reference() -> Result<()> {
    Cluster::run("variables", async |space| {
        space.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: w}, data: {city: Porto}}").await?;
        space.apply("{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {token: a b}}").await?;
        let token = json!({ "secretKeyRef": { "name": "s", "key": "token" } });
        let gone = json!({ "configMapKeyRef": { "name": "w", "key": "gone", "optional": true } });
        let others = ["PLAIN=", "TOKEN=", "GONE="].as_slice();
        for (who, has, has_not) in
            [("plug", "PLAIN=c,TOKEN=a b\n", ["Porto", "GONE="].as_slice()), ("self", "city=Porto", others)]
        {
            let mut spec = plain(space, &[who, "env"]).await?;
            spec["envFrom"] = json!([{ "configMapRef": { "name": "w" } }]);
            spec["plugs"][0]["env"] = json!([
                { "name": "TOKEN", "valueFrom": token },
                { "name": "GONE", "valueFrom": gone },
                { "name": "PLAIN", "value": "c" },
            ]);
            let (well, _, log) = ended(space, who, &spec).await?;
            let told = has_not.iter().any(|other| log.contains(other));
            assert!(well && log.contains(has) && !told, "{who}: {log}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_plug_stands_between_main_and_the_host() -> Result<()> {
    Cluster::run("between", async |space| {
        let mut spec = plain(space, &["self", "env"]).await?;
        let between = space.push_guest("part-between").await?.image;
        let plug = json!({
            "name": "between", "image": between, "config": [{ "key": "a", "value": "b" }],
            // The arguments that it answers with.
            "env": [{ "name": "ARGS", "value": "self env" }],
        });
        spec["env"] = json!([{ "name": "BY", "value": "the host" }]);
        spec["plugs"].as_array_mut().context("no plugs")?.push(plug);
        let link =
            |from: &str, to: &str| json!({ "from": from, "interface": "wasi:cli/environment", "to": to });
        for (name, to, said) in
            [("round", "between", "BY=the plug between\n"), ("past", "host", "BY=the host\n")]
        {
            let mut spec = spec.clone();
            spec["links"] = json!([link("main", to), link("helper", "between")]);
            let (well, _, log) = ended(space, name, &spec).await?;
            assert!(well && log.ends_with(said), "{name}: {log}");
        }
        Ok(())
    })
    .await
}
