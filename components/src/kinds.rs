//! What is particular to kinds of Kubernetes in the order of things: what must be there before what, what is run to its
//! end first, and what takes more with it when it goes.

/// Where objects of a kind come among those of one phase, from 0 to [`LAST_STAGE`]: first what others live in, then what
/// workloads refer to, then what is run to its end before them, then the rest.
///
/// ```
/// use strata_components::kinds::{LAST_STAGE, stage};
/// assert!(stage("Namespace") < stage("ConfigMap") && stage("ConfigMap") < stage("Job"));
/// assert_eq!(stage("Deployment"), LAST_STAGE);
/// ```
#[must_use]
pub fn stage(kind: &str) -> u32 {
    match kind {
        "Namespace" | "CustomResourceDefinition" => 0,
        "PriorityClass"
        | "RuntimeClass"
        | "StorageClass"
        | "ServiceAccount"
        | "ConfigMap"
        | "Secret"
        | "PersistentVolumeClaim"
        | "ResourceQuota"
        | "LimitRange"
        | "Role"
        | "ClusterRole"
        | "NetworkPolicy" => 1,
        "RoleBinding" | "ClusterRoleBinding" => 2,
        "Job" => 3,
        _ => LAST_STAGE,
    }
}

/// The stage of every kind that no other waits for.
pub const LAST_STAGE: u32 = 4;

/// Whether objects of later stages cannot exist, or must not be started, before one of this kind is ready.
#[must_use]
pub fn is_gate(kind: &str) -> bool {
    matches!(kind, "CustomResourceDefinition" | "Job")
}

/// What goes with an object of this kind when it is deleted, so that it is deleted only when it is named; `None` for
/// kinds of which nothing but the object goes.
#[must_use]
pub fn takes_along(kind: &str) -> Option<&'static str> {
    match kind {
        "Namespace" => Some("everything in a namespace goes with it"),
        "PersistentVolumeClaim" => Some("its data may go with it"),
        "CustomResourceDefinition" => Some("every object of its kind goes with it"),
        _ => None,
    }
}
