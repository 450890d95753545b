//! The namespace that an instance lives in. It admits no pod that falls short of the restricted Pod Security
//! Standard (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), whoever creates it; but for the
//! namespace of a device plugin, which has no other pods.

use k8s_openapi::api::core::v1::Namespace;

use crate::context::{Context, named};
use crate::device_plugin::is_of_device_plugin;
use crate::mesh::namespace_label;

/// What the admission controller does with a pod that falls short: refuse it, note it in the audit log, warn the
/// client.
const MODES: [&str; 3] = ["enforce", "audit", "warn"];

pub(crate) fn namespace(context: &Context<'_>, name: &str) -> Namespace {
    // The device plugin works in a directory of its node.
    let exception = is_of_device_plugin(context, name);
    let standard = if exception { "privileged" } else { "restricted" };
    let labels = MODES.map(|mode| (format!("pod-security.kubernetes.io/{mode}"), standard.to_owned()));
    let mut metadata = named(name, None);
    let meshed = namespace_label(context).into_iter().filter(|_| !exception);
    metadata.labels = Some(labels.into_iter().chain(meshed).collect());
    Namespace { metadata, ..Namespace::default() }
}
