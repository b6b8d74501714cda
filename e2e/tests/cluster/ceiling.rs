//! The ceiling on a real API server: the case table of `crds/` by its admission policies, a Morph at every
//! maximum, and a policy that comes, is tightened under running Morphs, and goes.

use anyhow::{Context as _, Result};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use morph_crds::ceiling::{CEILING_POLICY, FINDINGS_SHOWN_MAX, SCALE_POLICY, UNKNOWN_POLICY};
use morph_crds::{ConditionType, MorphPolicy, POLICY_LABEL, Reason};
use morph_e2e::{Cluster, Space, until};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long a policy or a binding may take to be known to admission, in seconds.
const KNOWN_SECONDS: u64 = 30;

/// Marks what a test has made that is in no namespace.
const MARK: &str = "morph.example/e2e";

/// One row of `cases.yaml`.
#[derive(Deserialize)]
struct Case {
    says: String,
    #[serde(default)]
    policy: Value,
    #[serde(default)]
    spec: Value,
    scale: Option<i32>,
    #[serde(default)]
    refused: Vec<String>,
}

fn laid(mut base: Value, over: &Value) -> Value {
    for (field, value) in over.as_object().into_iter().flatten() {
        base[field] = value.clone();
    }
    base
}

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("hayride.dev", "v1alpha1", "Morph"))
}

fn morphs(space: &Space) -> Api<DynamicObject> {
    Api::namespaced_with(space.cluster.client.clone(), &space.name, &kind())
}

/// What the API server says of a Morph; nothing where it takes it. Nothing is stored.
async fn tried(space: &Space, case: &str, spec: &Value) -> Result<Option<String>> {
    let mut morph = DynamicObject::new("weather", &kind()).data(json!({ "spec": spec }));
    morph.metadata.labels = Some([("case".to_owned(), case.to_owned())].into());
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match morphs(space).create(&dry_run, &morph).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) => Ok(Some(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}

async fn lay_down(space: &Space, name: &str, spec: &Value) -> Result<()> {
    let policies: Api<MorphPolicy> = Api::all(space.cluster.client.clone());
    let policy = json!({
        "apiVersion": "hayride.dev/v1alpha1", "kind": "MorphPolicy",
        "metadata": { "name": name, "labels": { MARK: space.name } }, "spec": spec,
    });
    policies.patch(name, &PatchParams::apply("e2e").force(), &Patch::Apply(&policy)).await?;
    Ok(())
}

/// Binds a policy to the Morphs of one case: the operator binds by namespace, and there are many cases.
async fn bind(space: &Space, policy: &str, case: &str) -> Result<()> {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(space.cluster.client.clone());
    let namespace = json!({ "matchLabels": { "kubernetes.io/metadata.name": space.name } });
    let binding = serde_json::from_value(json!({
        "metadata": { "name": policy, "labels": { MARK: space.name } },
        "spec": {
            "policyName": CEILING_POLICY, "validationActions": ["Deny"],
            "paramRef": { "name": policy, "parameterNotFoundAction": "Deny" },
            "matchResources": {
                "namespaceSelector": namespace, "objectSelector": { "matchLabels": { "case": case } },
            },
        },
    }))?;
    bindings.create(&PostParams::default(), &binding).await?;
    Ok(())
}

/// Waits until the case's binding refuses what its policy doesn't allow: else it would be said of no binding.
async fn bound(space: &Space, case: &str) -> Result<()> {
    until(KNOWN_SECONDS, &format!("the binding of case {case}"), async || {
        let answer = tried(space, case, &json!({ "image": "probe.example/a:1" })).await?.unwrap_or_default();
        Ok(if answer.contains("does not allow spec.image: probe.example/a:1") { Ok(()) } else { Err(answer) })
    })
    .await
}

/// Deletes what a test has made that is in no namespace.
async fn clean(space: &Space) -> Result<()> {
    let (delete, marked) =
        (DeleteParams::default(), ListParams::default().labels(&format!("{MARK}={}", space.name)));
    let client = &space.cluster.client;
    Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()).delete_collection(&delete, &marked).await?;
    Api::<MorphPolicy>::all(client.clone()).delete_collection(&delete, &marked).await?;
    Ok(())
}

/// Runs `body` in a namespace, and cleans up however it ended.
async fn run(hint: &str, body: impl AsyncFnOnce(&Space) -> Result<()>) -> Result<()> {
    Cluster::run(hint, async |space| {
        let result = body(space).await;
        result.and(clean(space).await)
    })
    .await
}

#[tokio::test]
async fn the_admission_policies_answer_each_case_as_the_table_says() -> Result<()> {
    run("ceiling", async |space| {
        let cases: Vec<Case> = serde_norway::from_str(include_str!("../../../crds/src/ceiling/cases.yaml"))?;
        let cases: Vec<_> = cases.into_iter().filter(|case| case.scale.is_none()).collect();
        for (index, case) in cases.iter().enumerate() {
            let name = format!("{}-{index}", space.name);
            let base = json!({ "images": { "prefixes": ["registry.example/acme"] } });
            lay_down(space, &name, &laid(base, &case.policy)).await.with_context(|| case.says.clone())?;
            bind(space, &name, &index.to_string()).await?;
        }
        for (index, case) in cases.iter().enumerate() {
            let (name, label) = (format!("{}-{index}", space.name), index.to_string());
            bound(space, &label).await?;
            let spec = laid(json!({ "image": "registry.example/acme/weather:1.0" }), &case.spec);
            let answer = tried(space, &label, &spec).await?;
            let said = answer.clone().unwrap_or_default();
            assert_eq!(answer.is_some(), !case.refused.is_empty(), "{}: {said}", case.says);
            for words in case.refused.iter().take(FINDINGS_SHOWN_MAX) {
                assert!(said.contains(words.as_str()), "{}: {said}", case.says);
            }
            assert!(
                answer.is_none() || said.contains(&format!("MorphPolicy {name} does not allow")),
                "{said}"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn types_are_right_in_every_expression_of_the_ceiling() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(cluster.client.clone());
    for name in [CEILING_POLICY, SCALE_POLICY, UNKNOWN_POLICY] {
        let checked = until(KNOWN_SECONDS, &format!("{name} is type-checked"), async || {
            let policy = policies.get(name).await?;
            let status = policy.status.unwrap_or_default();
            let done =
                status.type_checking.is_some() && status.observed_generation == policy.metadata.generation;
            Ok(if done { Ok(status) } else { Err(status) })
        })
        .await?;
        let warnings = checked.type_checking.and_then(|checking| checking.expression_warnings);
        assert_eq!(warnings.unwrap_or_default(), [], "{name}");
    }
    Ok(())
}

/// A DNS name of the most characters, of its own for each number.
fn long(number: usize, chars: usize) -> String {
    let mut name = format!("h{number:03}.");
    while name.len() + 64 < chars {
        name.push_str(&"a".repeat(61));
        name.push('.');
    }
    let rest = chars - name.len();
    name + &"b".repeat(rest)
}

fn networks(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|i| format!("2001:0db8:1111:2222:3333:4444:5555:{i:04x}/128")).collect()
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// An image of the most characters.
fn image(number: usize) -> String {
    long(number, 253) + "/" + &"a".repeat(258)
}

/// A policy with every list and text at its most, of which `number` makes one that allows nothing of
/// another's.
fn policy_at_most(number: usize) -> Value {
    let hosts: Vec<_> = (0..64).map(|i| format!("*.{}", long(number + i, 251))).collect();
    let ports: Vec<_> = (number + 1..number + 33).collect();
    let secrets = |i: usize| {
        let hosts: Vec<_> = (0..16).map(|j| format!("*.{}", long(number + 48 + j, 251))).collect();
        json!({ "secret": long(number + i, 253), "hosts": hosts })
    };
    json!({
        "images": { "prefixes": (0..64).map(|i| image(number + i)).collect::<Vec<_>>() },
        "secretsInGuests": number == 0, "maxReplicas": 10_000, "maxConcurrency": 1024,
        "serviceAccounts": (0..16).map(|i| long(number + i, 253)).collect::<Vec<_>>(),
        "limits": { "memory": "4Gi", "cpuPerCallMillis": 86_400_000, "outputBytesPerSecond": "1Gi" },
        "capabilities": {
            "logging": {}, "keyvalue": { "maxBytes": "1Gi" },
            "filesystem": {
                "volumes": ["EmptyDir", "ConfigMap", "DownwardAPI", "PersistentVolumeClaim", "Secret"],
                "access": "ReadWrite",
            },
            "http": {
                "hosts": hosts, "ports": ports, "methods": METHODS, "allowPlainHTTP": true, "caBundle": true,
                "addresses": networks(number, 32), "credentials": (0..64).map(secrets).collect::<Vec<_>>(),
            },
            "sockets": {
                "hosts": hosts, "cidrs": networks(number, 32), "ports": ports, "protocols": ["TCP", "UDP"],
                "listen": ports, "lookup": hosts,
            },
        },
    })
}

/// A Morph with every list and text that the ceiling looks at, at its most; the last of each list allows it.
fn morph_at_most() -> Value {
    // As a pattern of 253 characters: what is below the last sixteen suffixes.
    let hosts: Vec<_> = (0..32).map(|i| format!("*.{}", long(48 + i % 16, 251))).collect();
    let ports: Vec<_> = (25..33).collect();
    let rule = |(i, host): (usize, &String)| {
        json!({
            "host": host, "ports": ports, "methods": METHODS, "addresses": networks(24, 8),
            "pathPrefixes": (0..8).map(|p| format!("/{p}{}", "a".repeat(126))).collect::<Vec<_>>(),
            "credential": {
                "header": "a".repeat(64), "secretKeyRef": { "name": long(63 - i % 2, 253), "key": "k" },
            },
        })
    };
    let near = networks(24, 8);
    let peer = |host: &String| json!({ "host": host, "ports": ports, "protocol": "UDP", "addresses": near });
    let source = |i: usize| json!({ "secretKeyRef": { "name": long(i, 253), "key": "k" } });
    let entries = |field: &str, letter: &str| {
        let all = (0..64).map(|i| json!({ (field): format!("{letter}{i}"), "valueFrom": source(i) }));
        all.collect::<Vec<_>>()
    };
    let bucket = |i: usize| json!({ "bucket": format!("b{i}"), "memory": { "maxBytes": 1 << 30 } });
    let directory = |i: usize| {
        let (volume, path) = (format!("v{i:02}{}", "a".repeat(60)), format!("/{i:02}{}", "a".repeat(253)));
        json!({ "volume": volume, "path": path })
    };
    let volume = |i: usize| {
        let sources: Vec<_> = (0..8).map(|_| json!({ "secret": { "name": long(i, 253) } })).collect();
        json!({ "name": format!("v{i:02}{}", "a".repeat(60)), "projected": { "sources": sources } })
    };
    json!({
        "image": image(63), "replicas": 10_000, "http": { "maxConcurrency": 128 },
        "env": entries("name", "A"),
        "envFrom": (0..16).map(|i| json!({ "secretRef": { "name": long(i, 253) } })).collect::<Vec<_>>(),
        "config": entries("key", "a"),
        "volumes": (0..16).map(volume).collect::<Vec<_>>(),
        "template": { "serviceAccountName": long(15, 253) },
        "limits": { "memory": "4Gi", "cpuPerCallMillis": 86_400_000, "outputBytesPerSecond": "1Gi" },
        "capabilities": {
            "logging": {},
            "keyvalue": (0..8).map(bucket).collect::<Vec<_>>(),
            "filesystem": (0..16).map(directory).collect::<Vec<_>>(),
            "http": {
                "allow": hosts.iter().enumerate().map(rule).collect::<Vec<_>>(),
                "caBundle": { "configMapKeyRef": { "name": long(1, 253), "key": "k" } },
                "limits": { "maxConcurrency": 1024 },
            },
            "sockets": {
                "connect": hosts.iter().map(peer).collect::<Vec<_>>(),
                "listen": (25..33).map(|port| json!({ "port": port, "protocol": "UDP" })).collect::<Vec<_>>(),
                "lookup": hosts.iter().take(16).collect::<Vec<_>>(),
            },
        },
    })
}

/// Past the budget of CEL's cost every such Morph would be refused, and the message would be of the budget.
#[tokio::test]
async fn a_morph_at_every_maximum_is_judged_within_the_budget() -> Result<()> {
    run("ceiling-most", async |space| {
        let (most, other) = (format!("{}-most", space.name), format!("{}-other", space.name));
        lay_down(space, &most, &policy_at_most(0)).await?;
        lay_down(space, &other, &policy_at_most(100)).await?;
        bind(space, &most, "most").await?;
        bind(space, &other, "other").await?;
        bound(space, "most").await?;
        assert_eq!(tried(space, "most", &morph_at_most()).await?, None);
        bound(space, "other").await?;
        let said = tried(space, "other", &morph_at_most()).await?.unwrap_or_default();
        assert!(said.contains("does not allow spec.image: ") && said.contains("; and "), "{said}");
        assert!(said.contains("spec.capabilities.http.allow[].host: "), "{said}");
        Ok(())
    })
    .await
}

/// The label's value until there is a policy, then what the policy says, of Morphs and of their scale.
#[tokio::test]
async fn a_namespace_is_held_to_the_policy_that_its_label_names() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let name = format!("e2e-{}", std::process::id());
    let space = cluster.space("ceiling-label", &[(POLICY_LABEL, &name)]).await?;
    let result = held(&space, &name).await;
    let cleaned = clean(&space).await;
    let deleted = space.delete().await;
    result.and(cleaned).and(deleted)
}

async fn held(space: &Space, name: &str) -> Result<()> {
    let spec = json!({ "image": "registry.example/acme/weather:1", "replicas": 1 });
    let unknown = tried(space, "a", &spec).await?.unwrap_or_default();
    assert!(unknown.contains(name) && unknown.contains("which is not there"), "{unknown}");
    let words = json!({ "images": { "prefixes": ["registry.example/acme"] }, "maxReplicas": 3 });
    lay_down(space, name, &words).await?;
    until(KNOWN_SECONDS, "the new policy allows what it has words for", async || {
        Ok(tried(space, "a", &spec).await?.map_or(Ok(()), Err))
    })
    .await?;
    let refused =
        tried(space, "a", &laid(spec.clone(), &json!({ "replicas": 4 }))).await?.unwrap_or_default();
    assert!(
        refused.contains(&format!("MorphPolicy {name} does not allow spec.replicas: 4 (above")),
        "{refused}"
    );
    space.morph("weather", &spec).await?;
    let cases: Vec<Case> = serde_norway::from_str(include_str!("../../../crds/src/ceiling/cases.yaml"))?;
    for case in cases.iter().filter(|case| case.scale.is_some()) {
        let count = format!("--replicas={}", case.scale.unwrap_or_default());
        let scaled = space.kubectl(&["scale", "morph/weather", &count]);
        let said = scaled.as_ref().err().map_or_else(String::new, ToString::to_string);
        assert_eq!(scaled.is_err(), !case.refused.is_empty(), "{}: {said}", case.says);
        assert!(case.refused.iter().all(|words| said.contains(words.as_str())), "{}: {said}", case.says);
    }
    Ok(())
}

#[tokio::test]
async fn a_policy_that_is_tightened_under_a_running_morph_keeps_it_or_drains_it() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let name = format!("e2e-tight-{}", std::process::id());
    let space = cluster.space("ceiling-tight", &[(POLICY_LABEL, &name)]).await?;
    let result = tightened(&space, &name).await;
    if result.is_err() {
        space.describe();
    }
    let cleaned = clean(&space).await;
    let deleted = space.delete().await;
    result.and(cleaned).and(deleted)
}

async fn tightened(space: &Space, name: &str) -> Result<()> {
    let image = space.push_guest("hello").await?.image;
    let (repository, _) = image.rsplit_once(':').context("an image without a tag")?;
    let words =
        |more: &Value| laid(json!({ "images": { "prefixes": [repository] }, "maxReplicas": 2 }), more);
    lay_down(space, name, &words(&json!({}))).await?;
    let spec = json!({ "image": image, "replicas": 2 });
    until(KNOWN_SECONDS, "the policy is known", async || {
        Ok(tried(space, "a", &spec).await?.map_or(Ok(()), Err))
    })
    .await?;
    space.morph("hello", &spec).await?;
    space.ready("hello").await?;
    let above = (ConditionType::WithinCeiling, Some(Reason::AbovePolicy));

    lay_down(space, name, &words(&json!({ "maxReplicas": 1 }))).await?;
    space.condition("hello", above.0, "False", above.1).await?;
    space.condition("hello", ConditionType::Ready, "False", above.1).await?;
    space.pod_count("hello", 2).await?;
    space.kubectl(&["annotate", "morph/hello", "note=still"])?;
    let edited =
        space.kubectl(&["patch", "morph/hello", "--type=merge", "-p", r#"{"spec":{"args":["new"]}}"#]);
    assert!(edited.is_err(), "a change of the spec is held to the policy");

    lay_down(space, name, &words(&json!({ "maxReplicas": 1, "onViolation": "Drain" }))).await?;
    space.pod_count("hello", 0).await?;
    space.kubectl(&["scale", "morph/hello", "--replicas=1"])?;
    space.ready("hello").await?;
    space.pod_count("hello", 1).await?;
    lay_down(space, name, &words(&json!({ "maxReplicas": 0 }))).await?;
    space.condition("hello", above.0, "False", above.1).await?;
    space.kubectl(&["delete", "morph/hello", "--wait"])?;
    Ok(())
}
