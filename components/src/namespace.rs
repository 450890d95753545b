//! The namespace that an instance lives in. It admits no pod that falls short of the restricted Pod Security
//! Standard (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), whoever creates it.

use k8s_openapi::api::core::v1::Namespace;

use crate::context::{Context, named};
use crate::mesh::namespace_label;

/// What the admission controller does with a pod that falls short: refuse it, note it in the audit log, warn the
/// client.
const MODES: [&str; 3] = ["enforce", "audit", "warn"];

pub(crate) fn namespace(context: &Context<'_>, name: &str) -> Namespace {
    let labels = MODES.map(|mode| (format!("pod-security.kubernetes.io/{mode}"), "restricted".to_owned()));
    let mut metadata = named(name, None);
    metadata.labels = Some(labels.into_iter().chain(namespace_label(context)).collect());
    Namespace { metadata, ..Namespace::default() }
}
