//! Facts about built-in types that the published definitions lack. The only place that names kinds or fields.
//!
//! Each row says where it comes from. All of them were compared with the OpenAPI v3 documents that a kube-apiserver of
//! version 1.36 serves under `/openapi/v3`, which do carry defaults.

use serde_json::Value;

use super::definition::{Definition, Format, Scalar, untyped_atomic};

/// Defaults of fields that are keys of a list map: definition, field, default.
///
/// Required keys need no row: their default is their zero value.
const KEY_DEFAULTS: &[(&str, &str, &str)] = &[
    // `+default="TCP"` on ContainerPort.Protocol in k8s.io/api/core/v1/types.go; keys of Container.ports.
    ("io.k8s.api.core.v1.ContainerPort", "protocol", "TCP"),
    // `+default="TCP"` on ServicePort.Protocol in k8s.io/api/core/v1/types.go; keys of ServiceSpec.ports.
    ("io.k8s.api.core.v1.ServicePort", "protocol", "TCP"),
    // `+default=""` on LocalObjectReference.Name in k8s.io/api/core/v1/types.go; key of imagePullSecrets.
    ("io.k8s.api.core.v1.LocalObjectReference", "name", ""),
];

/// Required fields that have no zero value as their default all the same, because an object may be written without them:
/// definition, field.
const REQUIRED_WITHOUT_ZERO: &[(&str, &str)] = &[
    // `json:"apiServerID,omitempty"` in k8s.io/api/apiserverinternal/v1alpha1/types.go; key of storageVersions.
    ("io.k8s.api.apiserverinternal.v1alpha1.ServerStorageVersion", "apiServerID"),
];

/// Optional fields that the server's own form of an object always has, because its field holds the value and no pointer
/// to it and is never left out: definition, field. In the OpenAPI v3 documents they have a zero value as their default.
///
/// It shows in who owns them after a create: a field that was there before is not set by it. Fields of list items are
/// left out, since a whole item comes into being at once.
const ALWAYS_PRESENT: &[(&str, &str)] = &[
    // Structs.
    ("io.k8s.api.apps.v1.DaemonSetSpec", "updateStrategy"),
    ("io.k8s.api.apps.v1.DeploymentSpec", "strategy"),
    ("io.k8s.api.apps.v1.ReplicaSetSpec", "template"),
    ("io.k8s.api.apps.v1.StatefulSetSpec", "updateStrategy"),
    ("io.k8s.api.authentication.v1.SelfSubjectReviewStatus", "userInfo"),
    ("io.k8s.api.authentication.v1.TokenReviewStatus", "user"),
    ("io.k8s.api.core.v1.Event", "source"),
    ("io.k8s.api.core.v1.NodeDaemonEndpoints", "kubeletEndpoint"),
    ("io.k8s.api.core.v1.NodeStatus", "daemonEndpoints"),
    ("io.k8s.api.core.v1.NodeStatus", "nodeInfo"),
    ("io.k8s.api.core.v1.PersistentVolumeClaimSpec", "resources"),
    ("io.k8s.api.core.v1.PodTemplate", "template"),
    ("io.k8s.api.core.v1.ServiceStatus", "loadBalancer"),
    ("io.k8s.api.events.v1.Event", "deprecatedSource"),
    ("io.k8s.api.events.v1.Event", "regarding"),
    ("io.k8s.api.networking.v1.IngressStatus", "loadBalancer"),
    ("io.k8s.api.networking.v1.NetworkPolicySpec", "podSelector"),
    ("io.k8s.api.resource.v1.ResourceClaimSpec", "devices"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", "acceptedNames"),
    // Scalars.
    ("io.k8s.api.apps.v1.StatefulSetSpec", "serviceName"),
    ("io.k8s.api.apps.v1.StatefulSetStatus", "availableReplicas"),
    ("io.k8s.api.core.v1.Event", "reportingComponent"),
    ("io.k8s.api.core.v1.Event", "reportingInstance"),
    ("io.k8s.api.flowcontrol.v1.FlowSchemaSpec", "matchingPrecedence"),
    ("io.k8s.api.policy.v1.PodDisruptionBudgetStatus", "currentHealthy"),
    ("io.k8s.api.policy.v1.PodDisruptionBudgetStatus", "desiredHealthy"),
    ("io.k8s.api.policy.v1.PodDisruptionBudgetStatus", "disruptionsAllowed"),
    ("io.k8s.api.policy.v1.PodDisruptionBudgetStatus", "expectedPods"),
    ("io.k8s.api.rbac.v1.RoleRef", "apiGroup"),
    ("io.k8s.api.scheduling.v1.PriorityClass", "value"),
];

/// Fields that are taken in and never given out: definition, field.
const WRITE_ONLY: &[(&str, &str)] = &[
    // "It is never output when reading from the API": Secret.StringData in k8s.io/api/core/v1/types.go.
    ("io.k8s.api.core.v1.Secret", "stringData"),
];

/// Fields that every built-in type holds in place wherever it has them (same source).
const ALWAYS_PRESENT_EVERYWHERE: &[&str] = &["metadata", "spec", "status"];

/// Where the definitions of types that are built into the server have their names from. Everything else is a custom
/// resource, of which the server keeps what was written and nothing more.
const BUILT_IN: &[&str] =
    &["io.k8s.api.", "io.k8s.apimachinery.", "io.k8s.apiextensions-apiserver.", "io.k8s.kube-aggregator."];

/// Whether a definition is of a type that is built into the server.
pub(crate) fn is_built_in(definition: &str) -> bool {
    BUILT_IN.iter().any(|prefix| definition.starts_with(prefix))
}

/// What an absent field of a definition means where it is a key of a list map.
pub(crate) fn key_default(definition: &str, field: &str) -> Option<Value> {
    KEY_DEFAULTS.iter().find(|row| row.0 == definition && row.1 == field).map(|row| Value::from(row.2))
}

/// Whether a required scalar reads as its zero value where it is absent.
pub(crate) fn has_zero(definition: &str, field: &str) -> bool {
    !REQUIRED_WITHOUT_ZERO.contains(&(definition, field))
}

/// Whether the server's own form of an object has this field although it is optional.
pub(crate) fn is_always_present(definition: &str, field: &str) -> bool {
    ALWAYS_PRESENT_EVERYWHERE.contains(&field) || ALWAYS_PRESENT.contains(&(definition, field))
}

/// Whether a field is taken in and never given out.
pub(crate) fn is_write_only(definition: &str, field: &str) -> bool {
    WRITE_ONLY.contains(&(definition, field))
}

/// Definitions that the server does not take as they are published.
pub(crate) fn replaced_definition(name: &str) -> Option<Definition> {
    let scalar = |format| Definition { scalar: Some(Scalar::Any), format, list: None, map: None };
    match name {
        // k8s.io/kube-openapi/pkg/schemaconv: an amount is any scalar, a raw extension is owned whole.
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Some(scalar(Format::Quantity)),
        "io.k8s.apimachinery.pkg.runtime.RawExtension" => Some(untyped_atomic()),
        // k8s.io/apimachinery/pkg/util/intstr: its JSON form is a number or a string.
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Some(scalar(Format::IntOrString)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Schema;
    use super::*;

    /// The field of a definition as the shipped file has it.
    #[track_caller]
    fn shipped<'a>(schema: &'a Schema, definition: &str, field: &str) -> &'a super::super::types::Field {
        let map = schema.arena.named(definition).and_then(|id| schema.arena.get(id).map.as_ref());
        let found = map.and_then(|map| map.field(field));
        assert!(found.is_some(), "the shipped types have no {definition}.{field}");
        found.unwrap_or_else(|| unreachable!())
    }

    #[test]
    fn every_row_is_in_the_shipped_file() {
        let schema = Schema::kubernetes();
        for (definition, field, default) in KEY_DEFAULTS {
            assert_eq!(shipped(schema, definition, field).default, Some(Value::from(*default)), "{definition}.{field}");
        }
        for (definition, field) in REQUIRED_WITHOUT_ZERO {
            assert_eq!(shipped(schema, definition, field).default, None, "{definition}.{field}");
        }
        for (definition, field) in ALWAYS_PRESENT {
            assert!(shipped(schema, definition, field).always_present, "{definition}.{field}");
        }
        for (definition, field) in WRITE_ONLY {
            assert!(shipped(schema, definition, field).write_only, "{definition}.{field}");
        }
    }
}
