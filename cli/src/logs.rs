//! `morph logs NAME`: what the pods of a Morph have written, and with `-c PART` what one of its components
//! has logged.

use anyhow::{Context as _, Result, bail};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client};
use morph_crds::{MORPH_LABEL, Morph};
use morph_grant::CONTAINER;
use serde::Deserialize;
use std::io::Write as _;
use std::process::ExitCode;
use tokio::task::JoinSet;

/// Arguments of `morph logs`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The Morph.
    name: String,
    /// Its namespace; the current context's without it.
    #[arg(long, short)]
    namespace: Option<String>,
    /// Only what this component has logged: a plug's name, or the Morph's for its own. What components print
    /// to standard output and standard error is nobody's, and is left out.
    #[arg(long = "component", short, value_name = "PART")]
    component: Option<String>,
    /// Go on as lines come.
    #[arg(long, short)]
    follow: bool,
    /// Begin with the last lines, so many.
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
}

/// Prints the lines.
pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(logs(args)).map(|()| ExitCode::SUCCESS)
}

async fn logs(args: Args) -> Result<()> {
    let client = Client::try_default().await.context("no cluster can be asked")?;
    let namespace = args.namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let morphs: Api<Morph> = Api::namespaced(client.clone(), &namespace);
    let morph = morphs.get(&args.name).await.with_context(|| format!("Morph {namespace}/{}", args.name))?;
    if let Some(component) = &args.component {
        let parts = parts(&morph);
        if !parts.contains(&component.as_str()) {
            bail!("-c {component}: Morph {} has no such component; it has {}", args.name, parts.join(", "));
        }
    }
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let own = ListParams::default().labels(&format!("{MORPH_LABEL}={}", args.name));
    let names: Vec<String> =
        pods.list(&own).await.context("its pods")?.into_iter().filter_map(|pod| pod.metadata.name).collect();
    if names.is_empty() {
        bail!("Morph {namespace}/{} has no pod; kubectl describe morph {} says why", args.name, args.name);
    }
    let how = LogParams {
        container: Some(CONTAINER.to_owned()),
        follow: args.follow,
        tail_lines: args.tail,
        ..LogParams::default()
    };
    let mut printers = JoinSet::new();
    for name in names {
        printers.spawn(print(pods.clone(), name, how.clone(), args.component.clone()));
    }
    while let Some(ended) = printers.join_next().await {
        ended??;
    }
    Ok(())
}

/// The names of a Morph's components.
fn parts(morph: &Morph) -> Vec<&str> {
    let own = morph.metadata.name.as_deref();
    own.into_iter().chain(morph.spec.plugs.iter().map(|plug| plug.name.as_str())).collect()
}

async fn print(pods: Api<Pod>, name: String, how: LogParams, component: Option<String>) -> Result<()> {
    let stream = pods.log_stream(&name, &how).await.with_context(|| format!("the log of pod {name}"))?;
    let mut lines = stream.lines();
    while let Some(line) = lines.try_next().await.with_context(|| format!("the log of pod {name}"))? {
        if component.as_ref().is_none_or(|component| is_of(&line, component)) {
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

/// Whether a line is one that this component has logged.
fn is_of(line: &str, component: &str) -> bool {
    #[derive(Deserialize)]
    struct Logged<'a> {
        component: std::borrow::Cow<'a, str>,
    }
    serde_json::from_str::<Logged<'_>>(line).is_ok_and(|logged| logged.component == component)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_its_components_alone() {
        let line = concat!(
            r#"{"time":"2026-01-01T00:00:00.000Z","level":"info","component":"clock","#,
            r#""context":"weather","message":"\"component\":\"source\""}"#
        );
        assert!(is_of(line, "clock"));
        for other in ["weather", "source", "", "cloc"] {
            assert!(!is_of(line, other), "{other}");
        }
    }

    #[test]
    fn what_is_printed_is_nobodys() {
        for line in ["", "clock", "component: clock", r#"{"component":7}"#, r#"{"components":"clock"}"#] {
            assert!(!is_of(line, "clock"), "{line}");
        }
    }

    #[test]
    fn components_are_the_morph_and_its_plugs() {
        let spec = serde_json::json!({
            "image": "a.example/b:1",
            "plugs": [{ "name": "clock", "image": "a.example/c:1" }],
        });
        let morph = Morph::new("weather", serde_json::from_value(spec).unwrap());
        assert_eq!(parts(&morph), ["weather", "clock"]);
    }
}
