//! Requests over HTTP: exactly what the YAML grants, with a credential that no guest sees.

use crate::host::Host;
use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use morph_crds::{ConditionType, Reason};
use morph_e2e::{Cluster, NODE_ADDRESS, Space, until};
use morph_testkit::web::ECHO;
use serde_json::{Value, json};
use std::path::Path;

const SECRET: &str = "s3cret-of-the-test";

/// A host whose key is in the Secret `key`.
async fn with_key(space: &Space) -> Result<Host> {
    secret(space, SECRET).await?;
    Host::start(space).await
}

/// What grants it, with the credential.
fn grant(host: &Host) -> Value {
    let mut grant = host.grant();
    grant["allow"][0]["credential"] = json!({
        "header": "Authorization", "prefix": "Bearer ", "secretKeyRef": { "name": "key", "key": "token" },
    });
    grant
}

async fn secret(space: &Space, token: &str) -> Result<()> {
    let key = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key" }, "stringData": { "token": token },
    });
    space.apply(&key.to_string()).await
}

/// What a Command that asks says: whether it ended well, and its log.
async fn ask(space: &Space, guest: &str, name: &str, args: &[&str], http: &Value) -> Result<(bool, String)> {
    let image = space.push_guest(guest).await?.image;
    let run = json!({ "backoffLimit": 0 });
    let spec = json!({ "image": image, "args": args, "run": run, "capabilities": { "http": http } });
    space.morph(name, &spec).await?;
    let phase = until(90, &format!("{name} has ended"), async || {
        let pods = space.pods(name).await?;
        let phase = pods.first().and_then(|pod: &Pod| pod.status.as_ref()?.phase.clone());
        Ok(match phase.as_deref() {
            Some("Succeeded") => Ok(true),
            Some("Failed") => Ok(false),
            _ => Err(space.get(name).await?.status),
        })
    })
    .await?;
    let pod = space.pods(name).await?.remove(0).metadata.name.context("no name")?;
    Ok((phase, space.kubectl(&["logs", &pod])?))
}

#[tokio::test]
async fn a_granted_request_is_sent_with_a_credential_that_no_guest_sees() -> Result<()> {
    Cluster::run("egress", async |space| {
        let host = with_key(space).await?;
        for guest in ["fetch", "fetch-p3"] {
            let url = host.url("/v1/now");
            let (well, log) =
                ask(space, guest, guest, &["GET", &url, "authorization:mine"], &grant(&host)).await?;
            assert!(well && log.contains("status 200") && log.contains("body GET /v1/now"), "{guest}: {log}");
            assert!(!log.contains(SECRET) && !log.contains(ECHO), "{guest}: {log}");
        }
        let asked = host.web.asked();
        assert_eq!(asked.len(), 2, "{asked:?}");
        for one in asked {
            assert_eq!(one.authorization, format!("Bearer {SECRET}"));
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_no_rule_allows_is_refused_and_never_sent() -> Result<()> {
    Cluster::run("egress-refused", async |space| {
        let host = with_key(space).await?;
        let port = host.web.port();
        let other = format!("https://other.{}.example:{port}/v1/", space.name);
        let address = format!("https://{NODE_ADDRESS}:{port}/v1/");
        for (name, method, url) in [
            ("path", "GET", host.url("/v2/")),
            ("climbs", "GET", host.url("/v1/../v2/")),
            ("method", "DELETE", host.url("/v1/now")),
            ("host", "GET", other),
            ("address", "GET", address),
            ("plain", "GET", host.url("/v1/").replace("https", "http")),
        ] {
            let (well, log) = ask(space, "fetch", name, &[method, &url], &grant(&host)).await?;
            assert!(!well && log.contains("error HttpRequestDenied"), "{name}: {log}");
        }
        assert_eq!(host.web.asked(), []);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_name_that_leads_into_the_cluster_is_refused_unless_its_network_is_granted() -> Result<()> {
    Cluster::run("egress-rebound", async |space| {
        let host = with_key(space).await?;
        let mut grant = grant(&host);
        grant["allow"][0].as_object_mut().context("no rule")?.remove("addresses");
        let (well, log) = ask(space, "fetch", "fetch", &["GET", &host.url("/v1/now")], &grant).await?;
        assert!(!well, "{log}");
        assert_eq!(host.web.asked(), []);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_example_asks_its_host() -> Result<()> {
    Cluster::run("egress-example", async |space| {
        let host = with_key(space).await?;
        let image = space.push_guest("fetch").await?.image;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/http/morph.yaml");
        let (name, port) = (&host.name, host.web.port());
        let rule = format!("host: {name}\n        ports: [{port}]\n        addresses: [{NODE_ADDRESS}/32]");
        let ca = "caBundle: { configMapKeyRef: { name: ca, key: ca } }";
        let yaml = std::fs::read_to_string(path)?
            .replace("registry.example/morph/fetch:0.1.0", &image)
            .replace("https://api.weather.example/", &format!("https://{name}:{port}/"))
            .replace("host: api.weather.example", &rule)
            .replace("      limits:", &format!("      {ca}\n      limits:"));
        space.apply(&yaml).await?;
        space.condition("http", ConditionType::Ready, "True", Some(Reason::CommandSucceeded)).await?;
        let asked = host.web.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(
            (asked[0].path.as_str(), asked[0].authorization.as_str()),
            ("/v1/porto", "Bearer not-a-real-key")
        );
        Ok(())
    })
    .await
}

/// The ports that the Morph's NetworkPolicy lets out and in.
async fn fence(space: &Space, name: &str) -> Result<(String, String)> {
    let policy = space.api::<NetworkPolicy>().get(name).await?.spec.context("a policy without a spec")?;
    assert_eq!(policy.policy_types, Some(vec!["Ingress".to_owned(), "Egress".to_owned()]));
    Ok((serde_json::to_string(&policy.egress)?, serde_json::to_string(&policy.ingress)?))
}

#[tokio::test]
async fn a_network_policy_opens_what_is_granted_and_nothing_else() -> Result<()> {
    Cluster::run("fence", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("closed", &json!({ "image": image })).await?;
        space.ready("closed").await?;
        let (out, into) = fence(space, "closed").await?;
        assert!(!out.contains("port") && into.contains("\"http\""), "{out} {into}");
        let allow = json!([{ "host": "api.weather.example", "ports": [8443], "pathPrefixes": ["/"] }]);
        let http = json!({ "http": { "allow": allow } });
        space.morph("open", &json!({ "image": image, "capabilities": http })).await?;
        space.ready("open").await?;
        let (out, _) = fence(space, "open").await?;
        assert!(out.contains("8443") && out.contains("53"), "{out}");
        Ok(())
    })
    .await
}
