//! From what was seen to a Morph that can be planned without a question left, or to one refusal that names
//! the field. Pure.

mod denied;
mod findings;
mod parts;

pub use findings::findings;

use super::ceiling;
use super::plan::{self, grant};
use super::{Child, Component, Found, Identity, Known, Refusal, Resolution, Seen};
use morph_component::{Error as ComponentError, Kind};
use morph_crds::{ConditionType, FieldErrors, MorphSpec, MorphType, Reason, RunType, ValidMorph};
use morph_grant::{Document, EnvelopeError};

/// A Morph of which everything is known that its plan needs.
#[derive(Debug, Clone)]
pub struct Valid {
    /// Whose plan it is.
    pub identity: Identity,
    /// Its spec, checked.
    pub spec: MorphSpec,
    /// Its component, and what answers its imports.
    pub found: Found,
    /// What it may do.
    pub document: Document,
    /// The document in its envelope: the annotation's text.
    pub envelope: String,
}

/// Judges what was seen.
///
/// # Errors
/// The first thing that stands against pods, in the order in which people would mend it: the spec, the
/// namespace's ceiling, the images, the type, how the parts fit together, their imports, the size of the
/// grant, the names of children.
pub fn validate(seen: &Seen) -> Result<Valid, Refusal> {
    if seen.morph.metadata.deletion_timestamp.is_some() {
        return Err(
            Refusal::of(ConditionType::Ready, Reason::Deleting, "the Morph is being deleted").passing()
        );
    }
    let identity = Identity::of(&seen.morph);
    ValidMorph::new(&seen.morph).map_err(|error| invalid(error.to_string()))?;
    let spec = &seen.morph.spec;
    let findings = findings(spec);
    if !findings.is_empty() {
        return Err(invalid(FieldErrors(findings).to_string()));
    }
    let found = found(seen);
    if let Some(refusal) = ceiling::refusal(seen) {
        return Err(match found {
            Ok(found) => refusal.found(found),
            Err(other) => Refusal { found: other.found, ..refusal },
        });
    }
    let found = found?;
    let runs = found.runs;
    if let Some(message) = denied::denied(spec, &found) {
        return Err(Refusal::of(ConditionType::ImportsSatisfied, Reason::ImportDenied, message).found(found));
    }
    let document = grant::document(&seen.cluster, &identity, spec, &found);
    let envelope = match envelope(seen, &identity, runs, &document) {
        Ok(envelope) => envelope,
        Err(error) => return Err(unsealed(&error).found(found)),
    };
    if let Some(message) = taken(seen, &identity, runs) {
        let refusal = Refusal::of(ConditionType::Available, Reason::NameTaken, message).passing();
        return Err(refusal.found(found));
    }
    let valid = Valid { identity, spec: spec.clone(), found, document, envelope };
    Ok(ended(seen, &valid).unwrap_or(valid))
}

/// The same with the grant of the Job that has run it to its end. Its key may have left the nodes since: what
/// starts no pod any more needs none, and a Command isn't run again for another signature.
fn ended(seen: &Seen, valid: &Valid) -> Option<Valid> {
    let jobs = seen.children.owned(&valid.identity.uid).filter(|child| child.has_ended());
    let mut same = jobs.filter_map(|job| {
        let text = job.grant.as_ref().filter(|text| morph_grant::holds(text, &valid.document))?;
        let same = Valid { envelope: text.clone(), ..valid.clone() };
        (plan::workload(&same) == (job.kind, job.name.clone())).then_some(same)
    });
    same.next()
}

/// The component, once its type is settled, with its plugs and what answers the imports of each.
fn found(seen: &Seen) -> Result<Found, Refusal> {
    let spec = &seen.morph.spec;
    let component = component(&seen.resolution)?;
    let runs = runs(component, spec.type_)?;
    let found = match spec.plugs.is_empty() {
        true => Ok(alone(spec, component, runs)),
        false => parts::found(seen, component, runs),
    };
    // What is found is told of a wrong field as well: status says that the images are resolved, so it has
    // to say what they are.
    match (check_fields(spec, runs), found) {
        (Ok(()), found) => found,
        (Err(refusal), Ok(found)) => Err(refusal.found(found)),
        (Err(refusal), Err(other)) => Err(Refusal { found: other.found, ..refusal }),
    }
}

fn alone(spec: &MorphSpec, component: &Component, runs: RunType) -> Found {
    let imports = morph_grant::check(component.known.imports(), &grant::grants(spec));
    let (image, content) = (component.image.clone(), component.content.clone());
    Found { image, content, runs, imports, links: Vec::new(), plugs: Vec::new(), composed: None }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::of(ConditionType::Ready, Reason::SpecInvalid, message)
}

fn component(resolution: &Resolution) -> Result<&Component, Refusal> {
    match resolution {
        Resolution::Resolved(component) => Ok(component),
        Resolution::Unknown => Err(not_looked_at()),
        Resolution::Failed(failure) => {
            let refusal = Refusal::of(ConditionType::Resolved, failure.reason, failure.message.clone());
            Err(if failure.transient { refusal.passing() } else { refusal })
        }
    }
}

fn not_looked_at() -> Refusal {
    Refusal::of(ConditionType::Resolved, Reason::Pending, "the image was not looked at yet").passing()
}

/// How the component runs: as it exports, within what the spec names.
fn runs(component: &Component, asked: MorphType) -> Result<RunType, Refusal> {
    let wanted = match asked {
        MorphType::Auto => None,
        MorphType::Command => Some(RunType::Command),
        MorphType::Server => Some(RunType::Server),
    };
    match &component.known {
        Known::Read(world) => match world.run_as(wanted.map(kind_of)) {
            Ok(run) => Ok(run_type(run.kind)),
            Err(error) => {
                Err(Refusal::of(ConditionType::Resolved, type_reason(&error), type_message(&error)))
            }
        },
        Known::Remembered { runs: Some(runs), .. } => Ok(*runs),
        Known::Remembered { runs: None, .. } => Err(not_looked_at()),
    }
}

fn kind_of(type_: RunType) -> Kind {
    match type_ {
        RunType::Command => Kind::Command,
        RunType::Server => Kind::Server,
    }
}

fn run_type(kind: Kind) -> RunType {
    match kind {
        Kind::Command => RunType::Command,
        Kind::Server => RunType::Server,
    }
}

fn type_reason(error: &ComponentError) -> Reason {
    match error {
        ComponentError::Ambiguous { .. } => Reason::AmbiguousType,
        ComponentError::NotThisKind { .. } => Reason::TypeMismatch,
        _ => Reason::NoKnownExport,
    }
}

fn type_message(error: &ComponentError) -> String {
    match error {
        ComponentError::NotThisKind { .. } | ComponentError::Ambiguous { .. } => {
            format!("spec.type: {error}")
        }
        _ => format!("spec.image: {error}"),
    }
}

/// Fields that only the other type has. The schema says the same where the spec names its type; with Auto it
/// is known only now.
fn check_fields(spec: &MorphSpec, runs: RunType) -> Result<(), Refusal> {
    let probes = spec.template.as_ref().is_some_and(|template| template.probes.is_some());
    let misplaced = match runs {
        RunType::Server => [("spec.run", spec.run.is_some()), ("", false)],
        RunType::Command => [("spec.http", spec.http.is_some()), ("spec.template.probes", probes)],
    };
    match misplaced.into_iter().find(|(_, present)| *present) {
        None => Ok(()),
        Some((field, _)) => {
            let (is, other) = match runs {
                RunType::Server => ("Server", "Command"),
                RunType::Command => ("Command", "Server"),
            };
            Err(invalid(format!("{field}: the component is a {is}, and this is for a {other}; remove it")))
        }
    }
}

/// The document in its envelope: the text that the workload has already, while its key is trusted; else
/// signed anew. So a new key rolls no pod, and runs no Command again: a Morph is signed with it at its next
/// change. Of a Job that has ended, see [`ended`].
fn envelope(
    seen: &Seen,
    identity: &Identity,
    runs: RunType,
    document: &Document,
) -> Result<String, EnvelopeError> {
    let workload = plan::workload_kind(runs, scheduled(seen));
    let lives = |child: &&Child| child.kind == workload && !child.has_ended();
    let texts = seen.children.owned(&identity.uid).filter(lives);
    let mut texts = texts.filter_map(|child| child.grant.as_ref());
    let holds = |text: &&String| morph_grant::open(text, &seen.trusted).is_ok_and(|held| held == *document);
    match texts.find(holds) {
        Some(text) => Ok(text.clone()),
        None => morph_grant::seal(document, &seen.signer),
    }
}

fn scheduled(seen: &Seen) -> bool {
    seen.morph.spec.run.as_ref().is_some_and(|run| run.schedule.is_some())
}

fn unsealed(error: &EnvelopeError) -> Refusal {
    match error {
        EnvelopeError::TooLarge { .. } => {
            Refusal::of(ConditionType::ImportsSatisfied, Reason::GrantTooLarge, error.to_string())
        }
        _ => invalid(format!("spec.capabilities: {error}")),
    }
}

/// What to say of an object that has the name of one of ours and another owner.
fn taken(seen: &Seen, identity: &Identity, runs: RunType) -> Option<String> {
    let spec = &seen.morph.spec;
    let own_account = spec.template.as_ref().is_none_or(|template| template.service_account_name.is_none());
    plan::kinds(runs, scheduled(seen), own_account, seen.fence.is_some()).into_iter().find_map(|kind| {
        let child = seen.children.get(kind, &identity.name)?;
        (child.owner.as_deref() != Some(&identity.uid)).then(|| {
            format!(
                "{} {} exists and is not this Morph's; rename one of them, or delete it",
                kind.as_str(),
                identity.name
            )
        })
    })
}

#[cfg(test)]
mod tests;
