//! How this program reaches registries: as the person who runs it, so to any address, with the credentials
//! that `docker login` left. What is pulled is verified as anywhere else.

use anyhow::{Context as _, Result};
use morph_oci::{Artifact, Client, ClientConfig, Reference};
use std::path::PathBuf;

/// What each sub-command that talks to a registry takes.
#[derive(clap::Args)]
pub(crate) struct RegistryArgs {
    /// Ask the registry without TLS. Names that are loopback always are.
    #[arg(long)]
    pub(crate) plain_http: bool,
}

/// A client for the registry of `reference`.
pub(crate) fn client(args: &RegistryArgs, reference: &Reference) -> Result<Client> {
    let plain = args.plain_http.then(|| reference.repository().registry().to_owned());
    let config = ClientConfig {
        docker_config: docker_config(),
        plain_http: plain.into_iter().collect(),
        allow_private: vec!["0.0.0.0/0".parse()?, "::/0".parse()?],
        allow_hosts: vec!["*".parse()?],
    };
    Ok(Client::new(config)?)
}

/// Resolves and pulls.
pub(crate) fn pull(args: &RegistryArgs, reference: &Reference) -> Result<Artifact> {
    let client = client(args, reference)?;
    block_on(async { Ok(client.pull(&client.resolve(reference).await?).await?) })
}

/// Runs a registry's operation to its end.
pub(crate) fn block_on<T>(operation: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no asynchronous runtime")?.block_on(operation)
}

/// Docker's own config file, if there is one.
fn docker_config() -> Option<PathBuf> {
    let directory = match std::env::var_os("DOCKER_CONFIG") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".docker"),
    };
    Some(directory.join("config.json")).filter(|path| path.is_file())
}
