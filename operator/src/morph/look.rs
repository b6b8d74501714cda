//! What the images of a Morph's parts are: as status remembers, as a registry says, or as a node finds that
//! can pull them. Parts are looked at side by side, and each fails for itself.

use super::apply::refused;
use super::inspect::{self, Step};
use super::observe::Observed;
use super::reconcile::Reconciler;
use super::server::{CallError, within};
use super::{Failure, GENERATION_ANNOTATION, Resolution, ceiling, pinned, recall};
use crate::registry::{Asker, Looked};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use morph_crds::{Morph, Part};
use morph_grant::Digest;
use std::time::Duration;

/// Time between two looks at a pod that looks at an image, in milliseconds: nothing else tells of it.
const INSPECT_MS: u64 = 2_000;

/// What the images were found to be, and how.
pub(super) struct Look {
    /// The Morph's own.
    pub(super) resolution: Resolution,
    /// Its plugs', in the spec's order; none before anybody has looked.
    pub(super) plugs: Vec<Resolution>,
    /// Digest of what the parts are composed to, where status remembers them.
    pub(super) composed: Option<Digest>,
    /// When to look again.
    pub(super) retry: Option<Duration>,
    /// A tag was resolved just now: status doesn't have it yet, and the same look may find another one later.
    pub(super) moves: bool,
    /// The pods that told.
    pub(super) inspectors: Vec<Pod>,
}

/// The same of one part.
struct PartLook {
    resolution: Resolution,
    retry: Option<Duration>,
    moves: bool,
    inspector: Option<Pod>,
}

impl PartLook {
    fn of(resolution: Resolution) -> Self {
        Self { resolution, retry: None, moves: false, inspector: None }
    }
}

impl Look {
    fn of(resolution: Resolution, plugs: Vec<Resolution>, composed: Option<Digest>) -> Self {
        Self { resolution, plugs, composed, retry: None, moves: false, inspectors: Vec::new() }
    }

    /// Of all parts, the Morph's own first. The next look is when the first of them may have another answer.
    fn all(parts: Vec<PartLook>) -> Self {
        let mut all = Self::of(Resolution::Unknown, Vec::new(), None);
        for (index, part) in parts.into_iter().enumerate() {
            all.retry = all.retry.into_iter().chain(part.retry).min();
            all.moves |= part.moves;
            all.inspectors.extend(part.inspector);
            match index {
                0 => all.resolution = part.resolution,
                _ => all.plugs.push(part.resolution),
            }
        }
        all
    }
}

impl Reconciler {
    /// Of what status remembers or a registry says.
    pub(super) async fn look(&self, observed: &Observed) -> Result<Look, CallError> {
        let morph = &observed.morph;
        if let Some(recalled) = recall(morph, &observed.children) {
            let plugs = recalled.plugs.into_iter().map(Resolution::Resolved).collect();
            return Ok(Look::of(Resolution::Resolved(recalled.main), plugs, recalled.composed));
        }
        // A registry that the ceiling doesn't allow isn't even asked.
        if !ceiling::judge(morph, &observed.ceiling).holds {
            return Ok(Look::of(Resolution::Unknown, Vec::new(), None));
        }
        let (parts, pinned): (Vec<_>, _) = (morph.spec.parts().collect(), pinned(morph));
        let looks = parts.iter().map(|part| {
            let known = pinned.get(part.name).map(ToString::to_string);
            async move { self.look_at(morph, part, known.as_deref()).await }
        });
        let looked = try_join_all(looks).await?;
        self.keep(morph, &parts, &looked);
        Ok(Look::all(looked))
    }

    /// What was resolved is kept while anything is missing, and left to status once nothing is.
    fn keep(&self, morph: &Morph, parts: &[Part<'_>], looked: &[PartLook]) {
        let complete = looked.iter().all(|look| matches!(look.resolution, Resolution::Resolved(_)));
        for (part, look) in parts.iter().zip(looked) {
            let asker = asker(morph, part);
            match &look.resolution {
                Resolution::Resolved(component) if !complete => self.resolver.keep(&asker, &component.image),
                Resolution::Resolved(_) => self.resolver.forget(&asker.uid, part.name),
                _ => {}
            }
        }
    }

    /// At one part's image, or at what status has pinned it to.
    async fn look_at(
        &self,
        morph: &Morph,
        part: &Part<'_>,
        pinned: Option<&str>,
    ) -> Result<PartLook, CallError> {
        let part = &Part { image: pinned.unwrap_or(part.image), ..*part };
        let Looked { resolution, retry } = self.resolver.look(&asker(morph, part), part.image).await;
        if let Resolution::Failed(failure) = &resolution
            && inspect::may_help(morph, failure)
        {
            return self.inspect(morph, part, failure, retry).await;
        }
        let resolved = matches!(resolution, Resolution::Resolved(_));
        let moves = resolved && !part.image.contains('@');
        // A node may have been asked before the registry answered.
        let inspector = match resolved && inspect::may_ask(morph) {
            true => self.inspector(morph, part).await?.filter(|pod| inspect::is_of(morph, pod)),
            false => None,
        };
        Ok(PartLook { retry, moves, inspector, ..PartLook::of(resolution) })
    }

    /// The pod that looks at a part's image, or another of its name. One that was made for an earlier
    /// generation is this one's from now on, which the sweep leaves alone.
    async fn inspector(&self, morph: &Morph, part: &Part<'_>) -> Result<Option<Pod>, CallError> {
        let namespace = morph.metadata.namespace.clone().unwrap_or_default();
        let name = inspect::name(morph, part);
        let api = self.server.namespaced::<Pod>(&namespace);
        let found = within(format!("get Pod {namespace}/{name}"), api.get_opt(&name)).await?;
        match found {
            Some(pod) if inspect::is_behind(morph, &pod) => {
                let generation = (GENERATION_ANNOTATION, &*inspect::generation(morph));
                self.server.annotate(&pod, generation).await
            }
            found => Ok(found),
        }
    }

    /// Has a node look at an image that the operator can't read.
    async fn inspect(
        &self,
        morph: &Morph,
        part: &Part<'_>,
        failure: &Failure,
        retry: Option<Duration>,
    ) -> Result<PartLook, CallError> {
        let namespace = morph.metadata.namespace.clone().unwrap_or_default();
        let name = inspect::name(morph, part);
        let found = self.inspector(morph, part).await?;
        let soon = Some(Duration::from_millis(INSPECT_MS));
        let failed = |failure, retry| PartLook { retry, ..PartLook::of(Resolution::Failed(failure)) };
        Ok(match inspect::step(morph, part, failure, found.as_ref()) {
            Step::Make(pod, failure) => match self.server.apply::<Pod>(&namespace, &name, &*pod).await {
                Ok(_) => failed(failure, soon),
                Err(error) => failed(refused("Pod", &name, error)?, retry),
            },
            Step::Wait(failure) => failed(failure, soon),
            Step::Remake(failure) => {
                if let Some(pod) = &found {
                    self.delete_pod(pod).await?;
                }
                failed(failure, retry)
            }
            Step::Failed(failure) => failed(failure, retry),
            Step::Found(component) => {
                let moves = !part.image.contains('@');
                PartLook { moves, inspector: found, ..PartLook::of(Resolution::Resolved(component)) }
            }
        })
    }
}

fn asker(morph: &Morph, part: &Part<'_>) -> Asker {
    Asker {
        uid: morph.metadata.uid.clone().unwrap_or_default(),
        generation: morph.metadata.generation.unwrap_or_default(),
        part: part.name.to_owned(),
        field: inspect::field(part),
    }
}
