//! From a component's bytes to an artifact in a registry: blobs first, then the manifest that names them.

use crate::artifact;
use crate::error::{ArtifactError, Error};
use crate::manifest::{OCI_MANIFEST, check_bytes};
use crate::reference::Reference;
use crate::transport::{Access, Request, Session, Transport};
use bytes::Bytes;
use morph_grant::Digest;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};

pub(crate) async fn push(
    transport: &Transport,
    reference: &Reference,
    component: Bytes,
) -> Result<Digest, Error> {
    let wrong = |error: ArtifactError| error.of(reference);
    let world = morph_component::inspect(&component).map_err(|error| wrong(error.into()))?;
    let written = artifact::write(&component, &world).map_err(|error| Error::Setup(error.into()))?;
    let digest = Digest::of(&written.manifest);
    if let Some(wanted) = reference.digest() {
        check_bytes("manifest", &written.manifest, wanted, None).map_err(wrong)?;
    }
    let mut session = Session::new(transport, reference.repository(), Access::PullAndPush);
    push_blob(&mut session, &written.config_digest, written.config.into()).await?;
    push_blob(&mut session, &written.layer_digest, component).await?;
    let name = reference.tag().map_or_else(|| digest.to_string(), str::to_owned);
    let url = session.url(&format!("manifests/{name}"))?;
    let request =
        Request::new(Method::PUT, url, format!("the manifest of {}", reference.repository().path()))
            .header(CONTENT_TYPE, HeaderValue::from_static(OCI_MANIFEST))
            .body(written.manifest.into());
    session.send(&request).await?;
    Ok(digest)
}

/// Pushes a blob in one piece, unless the registry has it.
async fn push_blob(session: &mut Session<'_>, digest: &Digest, bytes: Bytes) -> Result<(), Error> {
    let what = format!("a blob of {}", session.repository().path());
    let url = session.url(&format!("blobs/{digest}"))?;
    match session.send(&Request::new(Method::HEAD, url, what.clone())).await {
        Ok(_) => return Ok(()),
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let url = session.url("blobs/uploads/")?;
    let answer = session.send(&Request::new(Method::POST, url, what.clone())).await?;
    let location = answer.header(&LOCATION).ok_or_else(|| session.wrong("an upload has no Location"))?;
    let mut url = session.upload_url(location)?;
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    let request = Request::new(Method::PUT, url, what)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .body(bytes)
        .slow();
    session.send(&request).await?;
    Ok(())
}
