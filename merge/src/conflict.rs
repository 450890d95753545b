//! Fields that an applier wants to set and another manager owns.

use std::collections::BTreeMap;
use std::fmt;

use crate::managed::{Manager, Operation};
use crate::path::FieldPath;

/// One field that another manager owns with a different value.
///
/// Shown as the server words it: `conflict with "kubectl-edit" using apps/v1: .spec.replicas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The other manager's name.
    pub manager: String,
    /// How it came to own the field.
    pub operation: Operation,
    /// The subresource it wrote through; empty for the object itself.
    pub subresource: String,
    /// The version its fields are named in.
    pub api_version: String,
    /// When it last changed something.
    pub time: Option<String>,
    /// The field.
    pub path: FieldPath,
}

impl Conflict {
    pub(crate) fn new(manager: &Manager, path: FieldPath) -> Self {
        let Manager { name, operation, api_version, subresource, time } = manager.clone();
        Self { manager: name, operation, subresource, api_version, time, path }
    }

    /// The other manager.
    #[must_use]
    pub fn owner(&self) -> Manager {
        Manager {
            name: self.manager.clone(),
            operation: self.operation,
            api_version: self.api_version.clone(),
            subresource: self.subresource.clone(),
            time: self.time.clone(),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conflict with {}: {}", self.owner(), self.path)
    }
}

/// All conflicts of one apply, as the server words the failure.
pub(crate) fn failure_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: {only}");
    }
    let mut by_manager: BTreeMap<String, (Manager, Vec<&FieldPath>)> = BTreeMap::new();
    for conflict in conflicts {
        let owner = conflict.owner();
        by_manager.entry(owner.sort_text()).or_insert_with(|| (owner, Vec::new())).1.push(&conflict.path);
    }
    let mut lines = Vec::new();
    for (manager, paths) in by_manager.values() {
        lines.push(format!("conflicts with {manager}:"));
        lines.extend(paths.iter().map(|path| format!("- {path}")));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}
