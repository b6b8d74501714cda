//! What to say of imports that nothing answers: which, why, and the YAML that would grant them. Pure.

use super::super::Found;
use super::super::plan::grant::{grants, part_grants};
use super::super::plan::plug;
use morph_crds::MorphSpec;
use morph_grant::{Answered, Grants};

/// Denied imports spelt out in a message; the rest is counted, and status lists all.
const DENIED_SHOWN_MAX: usize = 8;

/// Characters for them: what would grant them stands behind, and a message is cut at its end.
const DENIED_CHARS_MAX: usize = 1000;

/// A part of which imports are denied.
struct Part<'a> {
    /// A plug's name; none of the Morph's own component.
    plug: Option<&'a str>,
    denied: Vec<&'a Answered>,
    grants: Grants,
}

/// What to say of denied imports, if there are any.
pub(super) fn denied(spec: &MorphSpec, found: &Found) -> Option<String> {
    let parts = parts(spec, found);
    let count: usize = parts.iter().map(|part| part.denied.len()).sum();
    if count == 0 {
        return None;
    }
    let mut chars = 0;
    let shown: Vec<_> = parts
        .iter()
        .flat_map(|part| part.denied.iter().map(|import| line(part.plug, import)))
        .take(DENIED_SHOWN_MAX)
        .take_while(|text| {
            chars += text.chars().count();
            chars <= DENIED_CHARS_MAX
        })
        .collect();
    let more = match count - shown.len() {
        0 => String::new(),
        more => format!("; and {more} more, see status.imports"),
    };
    let word = if count == 1 { "import is" } else { "imports are" };
    let yaml = yaml(&parts);
    let grant = if yaml.is_empty() {
        String::new()
    } else {
        format!("\nThis would grant, with what is in capitals filled in:\n{yaml}")
    };
    Some(format!("{count} {word} denied: {}{more}{grant}", shown.join("; ")))
}

/// Those with a denied import; what another part may helps none of them.
fn parts<'a>(spec: &MorphSpec, found: &'a Found) -> Vec<Part<'a>> {
    let denied = |imports: &'a [Answered]| imports.iter().filter(|import| import.is_denied()).collect();
    let main = Part { plug: None, denied: denied(&found.imports), grants: grants(spec) };
    // Both are by name, and of the same spec.
    let plugs = plug::numbered(spec).zip(&found.plugs).map(|((_, asked), plug)| Part {
        plug: Some(&plug.name),
        denied: denied(&plug.imports),
        grants: part_grants(spec, &asked),
    });
    [main].into_iter().chain(plugs).filter(|part| !part.denied.is_empty()).collect()
}

fn line(plug: Option<&str>, import: &Answered) -> String {
    match plug {
        None => format!("{}: {}", import.interface, import.by),
        Some(plug) => format!("{} of plug {plug}: {}", import.interface, import.by),
    }
}

/// The YAML for all parts, each plug's below its name.
fn yaml(parts: &[Part<'_>]) -> String {
    let mut own = String::new();
    let mut plugs = String::new();
    for part in parts {
        let all: Vec<_> = part.denied.iter().map(|import| import.interface.clone()).collect();
        let yaml = morph_grant::suggest(&all, &part.grants).yaml;
        match (part.plug, yaml.strip_prefix(SPEC)) {
            (None, Some(fields)) => own.push_str(fields),
            (Some(plug), Some(fields)) => {
                plugs.push_str(&format!("  - name: {plug}\n"));
                plugs.extend(fields.lines().map(|line| format!("  {line}\n")));
            }
            (_, None) => {}
        }
    }
    let plugs = if plugs.is_empty() { plugs } else { format!("  plugs:\n{plugs}") };
    if own.is_empty() && plugs.is_empty() { String::new() } else { format!("{SPEC}{own}{plugs}") }
}

/// The first line of what is suggested.
const SPEC: &str = "spec:\n";
