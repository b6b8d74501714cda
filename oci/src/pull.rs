//! From a reference to a pinned image, and from that to verified bytes.

use crate::client::Artifact;
use crate::error::{ArtifactError, Error};
use crate::manifest::{
    Content, DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, MANIFEST_SIZE_BYTES_MAX, OCI_INDEX, OCI_MANIFEST,
    check_bytes, choose,
};
use crate::reference::{PinnedImage, Reference, Repository};
use crate::transport::{Access, Request, Session, Transport};
use bytes::Bytes;
use morph_grant::Digest;
use reqwest::header::{ACCEPT, HeaderValue};

/// The manifests that are understood, as the registry is told.
fn accepted() -> HeaderValue {
    const ALL: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
    HeaderValue::from_str(&ALL.join(", ")).unwrap_or(HeaderValue::from_static(OCI_MANIFEST))
}

pub(crate) async fn resolve(transport: &Transport, reference: &Reference) -> Result<PinnedImage, Error> {
    let mut session = Session::new(transport, reference.repository(), Access::Pull);
    let bytes = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => manifest_by_digest(&mut session, digest, reference).await?,
        (None, tag) => manifest(&mut session, tag.unwrap_or_default(), reference).await?,
    };
    let digest = Digest::of(&bytes);
    let wrong = |error: ArtifactError| error.of(reference);
    let entries = match Content::parse(&bytes).map_err(wrong)? {
        Content::Manifest(_) => return Ok(reference.pinned(digest)),
        Content::Index(entries) => entries,
    };
    let chosen = choose(&entries).map_err(wrong)?;
    let bytes = manifest_by_digest(&mut session, &chosen.digest, reference).await?;
    match Content::parse(&bytes).map_err(wrong)? {
        Content::Manifest(_) => Ok(reference.pinned(chosen.digest.clone())),
        Content::Index(_) => Err(wrong(ArtifactError::Index)),
    }
}

pub(crate) async fn pull(transport: &Transport, image: &PinnedImage) -> Result<Artifact, Error> {
    let wrong = |error: ArtifactError| error.of(image);
    let mut session = Session::new(transport, &image.repository, Access::Pull);
    let bytes = manifest_by_digest(&mut session, &image.digest, image).await?;
    let manifest = match Content::parse(&bytes).map_err(wrong)? {
        Content::Manifest(manifest) => manifest,
        Content::Index(_) => return Err(wrong(ArtifactError::Index)),
    };
    let config = blob(&mut session, "config", &manifest.config, image).await?;
    manifest.check_config(&config).map_err(wrong)?;
    let component = blob(&mut session, "layer", &manifest.layer, image).await?;
    Ok(Artifact { manifest: image.digest.clone(), content: manifest.layer.digest, component })
}

async fn manifest_by_digest(
    session: &mut Session<'_>,
    digest: &Digest,
    image: &impl std::fmt::Display,
) -> Result<Bytes, Error> {
    let bytes = manifest(session, &digest.to_string(), image).await?;
    check_bytes("manifest", &bytes, digest, None).map_err(|error| error.of(image))?;
    Ok(bytes)
}

async fn manifest(
    session: &mut Session<'_>,
    name: &str,
    image: &impl std::fmt::Display,
) -> Result<Bytes, Error> {
    let url = session.url(&format!("manifests/{name}"))?;
    let request = Request::get(url, name_of(session.repository(), name)).header(ACCEPT, accepted());
    let answer = session.send(&request.cap(MANIFEST_SIZE_BYTES_MAX)).await?;
    answer.whole_body().ok_or_else(|| {
        ArtifactError::TooLarge { what: "manifest", max_bytes: MANIFEST_SIZE_BYTES_MAX }.of(image)
    })
}

fn name_of(repository: &Repository, name: &str) -> String {
    let separator = if name.contains(':') { '@' } else { ':' };
    format!("{}{separator}{name}", repository.path())
}

async fn blob(
    session: &mut Session<'_>,
    what: &'static str,
    descriptor: &Descriptor,
    image: &PinnedImage,
) -> Result<Bytes, Error> {
    let wrong = |error: ArtifactError| error.of(image);
    let url = session.url(&format!("blobs/{}", descriptor.digest))?;
    let request = Request::get(url, format!("the {what} of {}", image.repository.path()));
    // The size is below the limit: the manifest was checked for that.
    let wanted_bytes = descriptor.size;
    let answer = session.send(&request.cap(wanted_bytes).slow()).await?;
    let bytes = answer.whole_body().ok_or_else(|| wrong(ArtifactError::TooLong { what, wanted_bytes }))?;
    check_bytes(what, &bytes, &descriptor.digest, Some(descriptor.size)).map_err(wrong)?;
    Ok(bytes)
}
