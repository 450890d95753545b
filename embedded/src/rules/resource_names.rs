//! The names of resources that are counted or asked for: `cpu`, `requests.storage`, `example.com/gpu`. Which of them mean
//! anything where, and what the server says of the others.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/core/helper` and `…/validation`.

use serde_json::json;

use super::naming;
use crate::failure::Cause;

/// What a container can ask for under a plain name.
pub(crate) const OF_A_CONTAINER: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// What a pod counts as in a quota, as long as it has not ended.
pub(crate) const OF_A_POD: [&str; 10] = [
    "pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
/// Kinds of the core group that count under their plural alone, too.
pub(crate) const PLURALS: [&str; 6] =
    ["configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services"];
/// What Services count as beside that.
const OF_SERVICES: [&str; 2] = ["services.loadbalancers", "services.nodeports"];

/// Pages of memory of another size than usual.
pub(crate) fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Is the name one of the server's own: without a prefix, or with one of Kubernetes?
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Is it a resource that a device plugin adds to nodes?
pub(crate) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && naming::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Can more be promised of it than there is?
pub(crate) fn can_be_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// Can a quota limit it?
pub(super) fn is_for_quotas(name: &str) -> bool {
    let huge = is_huge_page(name) || name.starts_with("requests.hugepages-");
    huge || name == "requests.storage"
        || OF_A_POD.contains(&name)
        || PLURALS.contains(&name)
        || OF_SERVICES.contains(&name)
}

/// Is it counted in whole numbers?
pub(super) fn is_whole(name: &str) -> bool {
    name == "pods" || PLURALS.contains(&name) || OF_SERVICES.contains(&name) || is_extended(name)
}

/// A name that may stand anywhere.
pub(super) fn check(name: &str, field: &str, causes: &mut Vec<Cause>) {
    let faults = naming::qualified_name(name);
    if faults.is_empty() && !name.contains('/') && name != "storage" && !is_for_quotas(name) {
        let why = "must be a standard resource type or fully qualified";
        causes.push(Cause::invalid(field, &json!(name), why));
    }
    causes.extend(faults.iter().map(|fault| Cause::invalid(field, &json!(name), fault)));
}

/// A name that stands in a container.
pub(super) fn check_of_a_container(name: &str, field: &str, causes: &mut Vec<Cause>) {
    check(name, field, causes);
    if !name.contains('/') {
        if !OF_A_CONTAINER.contains(&name) && !is_huge_page(name) {
            causes.push(Cause::invalid(field, &json!(name), "must be a standard resource for containers"));
        }
    } else if !is_native(name) && !is_extended(name) {
        causes.push(Cause::invalid(field, &json!(name), "doesn't follow extended resource name standard"));
    }
}

/// A name that stands in a quota.
pub(super) fn check_of_a_quota(name: &str, field: &str, causes: &mut Vec<Cause>) {
    check(name, field, causes);
    if !name.contains('/') && !is_for_quotas(name) {
        causes.push(Cause::invalid(field, &json!(name), "must be a standard resource for quota"));
    }
}
