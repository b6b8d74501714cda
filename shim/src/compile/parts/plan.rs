//! A plan as it stands in a header. It becomes a plan only if all that it leads to is there: whoever follows
//! a plan counts on that.

use morph_component::{InterfaceId, Plan, PlannedImport, PlannedPart, Provider};
use serde::Deserialize;

/// A plan as [`Plan`] writes itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    parts: Vec<WrittenPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPart {
    name: String,
    imports: Vec<WrittenImport>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenImport {
    interface: InterfaceId,
    by: WrittenProvider,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum WrittenProvider {
    Host,
    Shared,
    Part { part: usize, export: InterfaceId },
}

impl Written {
    /// The plan, if it is one of so many parts.
    pub(super) fn checked(self, parts: usize) -> Option<Plan> {
        let provider = |by| match by {
            WrittenProvider::Host => Some(Provider::Host),
            WrittenProvider::Shared => Some(Provider::Shared),
            WrittenProvider::Part { part, export } if part < parts => Some(Provider::Part { part, export }),
            WrittenProvider::Part { .. } => None,
        };
        let import = |WrittenImport { interface, by }: WrittenImport| {
            Some(PlannedImport { interface, by: provider(by)? })
        };
        let part = |WrittenPart { name, imports }: WrittenPart| {
            let imports: Option<Vec<_>> = imports.into_iter().map(import).collect();
            Some(PlannedPart { name, imports: imports? })
        };
        let planned: Option<Vec<_>> = self.parts.into_iter().map(part).collect();
        planned.filter(|planned| planned.len() == parts && parts > 0).map(|parts| Plan { parts })
    }
}
