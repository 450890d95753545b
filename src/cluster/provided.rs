//! What an embedded cluster has beside Kubernetes: the definitions of kinds that others install on a real one.
//!
//! Their objects are kept and served. Their fields are not checked, and nothing acts on them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PostParams};
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use kube::{Api, ResourceExt};
use serde_json::json;
use strata_components::desired::Kind;
use strata_components::model::Provided;
use strata_components::provided::{DEFINITIONS, Definition, brought_by};

/// Why what a cluster provides could not be installed.
pub(super) type InstallError = Box<dyn std::error::Error + Send + Sync>;

/// A server takes definitions in Kubernetes' own groups with this annotation alone
/// (<https://github.com/kubernetes/enhancements/pull/1111>).
const APPROVAL: &str = "api-approved.kubernetes.io";
/// What it says where nobody has approved of a definition.
const UNAPPROVED: &str = "unapproved, it stands for the definition that others install";

/// Makes the definitions of what is provided, as far as they are not there, and waits until their kinds are served.
pub(super) async fn install(client: &kube::Client, provided: &[Provided]) -> Result<(), InstallError> {
    if provided.is_empty() {
        return Ok(());
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let known: Vec<String> =
        definitions.list_metadata(&ListParams::default()).await?.iter().map(ResourceExt::name_any).collect();
    for Definition { group, version, kind, plural, .. } in DEFINITIONS.iter().filter(|one| provided.contains(&one.by)) {
        let name = format!("{plural}.{group}");
        if known.contains(&name) {
            continue;
        }
        let fields = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let schema = json!({"openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": fields, "status": fields},
        }});
        let definition: CustomResourceDefinition = serde_json::from_value(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name, "annotations": {APPROVAL: UNAPPROVED}},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {
                    "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(),
                },
                "versions": [{
                    "name": version, "served": true, "storage": true, "schema": schema,
                    "subresources": {"status": {}},
                }],
            },
        }))?;
        definitions.create(&PostParams::default(), &definition).await?;
        await_condition(definitions.clone(), &name, is_crd_established()).await?;
    }
    Ok(())
}

/// What to do about a kind that is not served: who installs it, or how an embedded cluster provides it.
pub(super) fn remedy(kind: &Kind) -> String {
    let Some(by) = brought_by(kind) else { return "install what defines it first".to_owned() };
    let (who, word) = (by.in_words(), by.as_str());
    format!("{who} brings it: install that first, or list {word} under `provides` of an embedded cluster")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_not_served_has_a_remedy() {
        let of = |group: &str, kind: &str| {
            remedy(&Kind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() })
        };
        assert_eq!(
            of("security.istio.io", "PeerAuthentication"),
            "Istio brings it: install that first, or list istio under `provides` of an embedded cluster"
        );
        assert_eq!(of("example.com", "PeerAuthentication"), "install what defines it first");
    }
}
