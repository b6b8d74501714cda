//! Morphs, components and children for the tests of the pure steps.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use k8s_openapi::jiff::Timestamp;
use morph_component::World;
use morph_crds::{Morph, MorphStatus};
use morph_grant::{Digest, SigningKey, TrustedKeys};
use rand::SeedableRng as _;
use std::sync::Arc;

/// The time at which all tests happen.
pub(crate) const NOW: &str = "2026-11-25T12:00:00Z";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The key that signs every grant of these tests.
pub(crate) fn signer() -> Arc<SigningKey> {
    key(7)
}

/// A key of a test's own.
pub(crate) fn key(seed: u64) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(&mut rand::rngs::StdRng::seed_from_u64(seed)))
}

/// Nodes that trust these keys.
pub(crate) fn trusted(keys: &[Arc<SigningKey>]) -> Arc<TrustedKeys> {
    Arc::new(keys.iter().map(|key| key.public()).collect())
}

/// A Morph `demo/hello` of generation 1 with this spec, written as YAML.
pub(crate) fn morph(spec: &str) -> Morph {
    let spec = serde_norway::from_str(spec).unwrap_or_else(|error| panic!("{error}: {spec}"));
    let mut morph = Morph::new("hello", spec);
    morph.metadata.namespace = Some("demo".into());
    morph.metadata.uid = Some("0e5a4b9c-0000-4000-8000-00000000cafe".into());
    morph.metadata.generation = Some(1);
    morph
}

pub(crate) fn world(imports: &[&str], exports: &[&str]) -> World {
    let ids = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    World { imports: ids(imports), exports: ids(exports), ..World::default() }
}

pub(crate) fn server() -> World {
    let imports = ["wasi:cli/environment@0.2.3", "wasi:filesystem/preopens@0.2.3", "wasi:io/streams@0.2.3"];
    world(&imports, &["wasi:http/incoming-handler@0.2.3"])
}

pub(crate) fn command() -> World {
    world(&["wasi:cli/environment@0.2.3", "wasi:cli/stdout@0.2.3"], &["wasi:cli/run@0.2.3"])
}

/// The component that an image of the name `text` would be.
pub(crate) fn component(text: &str, world: World) -> Component {
    let reference: morph_oci::Reference = text.parse().unwrap();
    let image = reference.pinned(Digest::of(format!("manifest of {text}").as_bytes()));
    let content = Digest::of(format!("content of {text}").as_bytes());
    Component { image, content, known: Known::Read(Arc::new(world)) }
}

/// What is seen of a Morph whose image resolves to a component of this world; nothing of it exists.
pub(crate) fn seen(morph: Morph, world: World) -> Seen {
    let resolution = match morph.spec.image.parse::<morph_oci::Reference>() {
        Ok(_) => Resolution::Resolved(component(&morph.spec.image, world)),
        Err(error) => Resolution::Failed(Failure {
            reason: morph_crds::Reason::ReferenceInvalid,
            message: error.to_string(),
            transient: false,
        }),
    };
    let cluster = "c1u57e40-0000-4000-8000-000000000001".into();
    Seen {
        morph: Arc::new(morph),
        cluster,
        fence: Some(Arc::default()),
        ceiling: Ceiling::None,
        signer: signer(),
        trusted: trusted(&[signer()]),
        resolution,
        plugs: Vec::new(),
        composed: None,
        children: Children::default(),
    }
}

/// The same of a Morph with plugs: each plug's image resolves to a component of the world of its name.
pub(crate) fn seen_whole(morph: Morph, main: World, plugs: &[(&str, World)]) -> Seen {
    let of_plug = |plug: &morph_crds::Plug| {
        let world = plugs.iter().find(|(name, _)| *name == plug.name).map(|(_, world)| world.clone());
        world.map_or(Resolution::Unknown, |world| Resolution::Resolved(component(&plug.image, world)))
    };
    let plugs = morph.spec.plugs.iter().map(of_plug).collect();
    Seen { plugs, ..seen(morph, main) }
}

impl Seen {
    /// The same with other children.
    pub(crate) fn with(self, children: Children) -> Self {
        Self { children, ..self }
    }

    /// The same after a rotation: this key signs, and those before it are trusted too.
    pub(crate) fn signed_by(self, keys: &[Arc<SigningKey>]) -> Self {
        let signer = keys.last().map_or_else(signer, Arc::clone);
        Self { signer, trusted: trusted(keys), ..self }
    }

    /// The same with a status.
    pub(crate) fn after(self, status: MorphStatus) -> Self {
        let mut morph = (*self.morph).clone();
        morph.status = Some(status);
        Self { morph: Arc::new(morph), ..self }
    }
}

/// Plans, and holds the plan against the lint.
pub(crate) fn planned(seen: &Seen) -> Plan {
    let valid = validate(seen).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let plan = plan(&valid, seen);
    lint(&plan, seen).unwrap_or_else(|broken| panic!("{broken:#?}"));
    plan
}

/// What exists once a plan is applied to what existed, as the API server would have it: what waits for its
/// pods is still there, being deleted.
pub(crate) fn applied(plan: &Plan, before: &Children) -> Children {
    let mut children = before.0.clone();
    for deletion in &plan.delete {
        let is_it = |child: &Child| child.uid == deletion.uid;
        if deletion.wait_for_pods {
            children.iter_mut().filter(|child| is_it(child)).for_each(|child| child.deleting = true);
        } else {
            children.retain(|child| !is_it(child));
        }
    }
    for object in &plan.apply {
        let fresh = child(object);
        match children.iter_mut().find(|c| (c.kind, &c.name) == (fresh.kind, &fresh.name)) {
            Some(existing) => {
                existing.spec_hash = fresh.spec_hash;
                existing.image = fresh.image;
                existing.plugs = fresh.plugs;
                existing.grant = fresh.grant;
            }
            None => children.push(fresh),
        }
    }
    Children(children)
}

/// The same once deletions have come to their end.
pub(crate) fn settled(children: Children) -> Children {
    Children(children.0.into_iter().filter(|child| !child.deleting).collect())
}

/// An object as it is seen right after it was applied.
pub(crate) fn child(object: &Object) -> Child {
    let child = match object {
        Object::ServiceAccount(object) => Child::from(&**object),
        Object::NetworkPolicy(object) => Child::from(&**object),
        Object::Service(object) => Child::from(&**object),
        Object::Deployment(object) => Child::from(&**object),
        Object::Job(object) => Child::from(&**object),
        Object::CronJob(object) => Child::from(&**object),
    };
    let uid = format!("uid-of-{}-{}", object.kind().as_str(), object.name());
    Child { uid, resource_version: "7".into(), ..child }
}
