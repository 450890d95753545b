//! What the user allows a plan to do beyond the ordinary. It stands in the plan, so that a plan that was saved can be
//! made again in the same way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_components::desired::ResourceId;

/// What the user allows beyond the ordinary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Policy {
    /// Take fields that another manager holds.
    pub force_conflicts: bool,
    /// Make objects the instance's that exist and belong to nobody.
    pub adopt: bool,
    /// Delete and create anew where the server refuses to change a field.
    pub allow_replace: bool,
    /// Delete also where there is reason to doubt that so much has left the stack.
    pub allow_prune: bool,
    /// Objects that are deleted only when named, each as `Kind/name`.
    pub delete: Vec<String>,
    /// Objects that left the stack, and stay on the cluster as nobody's, each as `Kind/name`.
    pub forget: Vec<String>,
    /// The services that the plan is about, with all that they depend on; every service, when none is named.
    pub targets: Vec<String>,
    /// Delete because the instance is taken down, not because something left the stack.
    pub destroy: bool,
}

impl Policy {
    /// Whether a delete of this object was asked for by name.
    pub(super) fn deletes(&self, id: &ResourceId) -> bool {
        self.delete.contains(&named(id))
    }

    /// Whether this object is to be forgotten.
    pub(super) fn forgets(&self, id: &ResourceId) -> bool {
        self.forget.contains(&named(id))
    }
}

/// An object as `--delete` and `--forget` name it.
pub(crate) fn named(id: &ResourceId) -> String {
    format!("{}/{}", id.kind.kind, id.name)
}
