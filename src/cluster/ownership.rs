//! What the stack says of fields that others hold, applied to a live object: what is left to them, what may be taken
//! from them, and what is handed over when an object is adopted. Pure; sends nothing.

use serde_json::Value;
use strata_components::desired::Resource;
use strata_components::model::{Adoption, FieldPolicy, ManagerName, Ownership};
use structured_merge::client_side::{KUBECTL_CLIENT_SIDE_APPLY, hand_over};
use structured_merge::path::FieldPath;
use structured_merge::schema::TypeRef;
use structured_merge::set::FieldSet;
use structured_merge::{FieldPattern, owners, typed};

use crate::observe::FieldConflict;

/// The rules of a stack, ready to be asked.
pub(super) struct Rules<'a> {
    rules: Vec<Rule<'a>>,
    adopt: &'a Ownership,
}

struct Rule<'a> {
    path: Option<FieldPattern>,
    kind: Option<&'a str>,
    service: Option<&'a str>,
    manager: Option<&'a ManagerName>,
    policy: FieldPolicy,
}

/// What is left to others.
pub(super) struct Left {
    /// What is applied: the manifest without it.
    pub(super) manifest: Value,
    /// Each field, with who holds it, sorted.
    pub(super) fields: Vec<FieldConflict>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(ownership: &'a Ownership) -> Self {
        let rules = ownership.fields.iter().filter_map(|rule| {
            Some(Rule {
                // The type of the text has read it before; a rule whose path could not be read would fit nothing.
                path: rule.path.as_ref().map(|path| path.as_str().parse()).transpose().ok()?,
                kind: rule.kind.as_ref().map(|kind| kind.as_str()),
                service: rule.service.as_ref().map(|service| service.as_str()),
                manager: rule.manager.as_ref(),
                policy: rule.policy,
            })
        });
        Self { rules: rules.collect(), adopt: ownership }
    }

    /// What is done about a field that this manager holds: the word of the first rule that fits.
    fn policy(&self, resource: &Resource, path: &FieldPath, manager: &str) -> FieldPolicy {
        let fits = |rule: &&Rule<'_>| {
            rule.kind.is_none_or(|kind| kind == resource.id.kind.kind)
                && rule.service.is_none_or(|service| resource.service.as_deref() == Some(service))
                && rule.manager.is_none_or(|known| known.means(manager))
                && rule.path.as_ref().is_none_or(|pattern| pattern.matches(path))
        };
        self.rules.iter().find(fits).map_or(FieldPolicy::Fail, |rule| rule.policy)
    }

    /// What of `manifest` is left to others, because they hold it with another value and a rule says so.
    pub(super) fn leave(
        &self,
        ty: &TypeRef,
        resource: &Resource,
        manifest: &Value,
        live: &Value,
        ours: &str,
    ) -> Option<Left> {
        if !self.rules.iter().any(|rule| rule.policy == FieldPolicy::Leave) {
            return None;
        }
        let wanted = typed::fields(ty, manifest).leaves();
        let mut left = FieldSet::default();
        let mut fields = Vec::new();
        for (owner, held) in owners(live).into_iter().filter(|(owner, _)| owner.name != ours) {
            for path in wanted.intersection(&held).iter() {
                let one: FieldSet = [path.clone()].into_iter().collect();
                if self.policy(resource, &path, &owner.name) == FieldPolicy::Leave
                    && typed::extract(ty, manifest, &one) != typed::extract(ty, live, &one)
                {
                    left.insert(&path);
                    fields.push(FieldConflict { path: path.to_string(), manager: owner.name.clone(), take: false });
                }
            }
        }
        fields.sort();
        fields.dedup();
        (!left.is_empty()).then(|| Left { manifest: typed::remove(ty, manifest, &left), fields })
    }

    /// Marks the conflicts that a rule lets the stack take.
    pub(super) fn mark_taken(
        &self,
        ty: &TypeRef,
        resource: &Resource,
        manifest: &Value,
        conflicts: &mut [FieldConflict],
    ) {
        if conflicts.is_empty() || !self.rules.iter().any(|rule| rule.policy == FieldPolicy::Take) {
            return;
        }
        // A conflict names its field as a server shows it, which is no path to be read back.
        let paths: Vec<(String, FieldPath)> =
            typed::fields(ty, manifest).iter().map(|path| (path.to_string(), path)).collect();
        for conflict in conflicts {
            let path = paths.iter().find(|(shown, _)| *shown == conflict.path).map(|(_, path)| path);
            conflict.take =
                path.is_some_and(|path| self.policy(resource, path, &conflict.manager) == FieldPolicy::Take);
        }
    }

    /// Whether the stack asks for the object, where it exists already and belongs to nobody.
    pub(super) fn adopts(&self, resource: &Resource) -> Option<&Adoption> {
        self.adopt.adoption(&resource.id.kind.kind, &resource.id.name)
    }
}

/// The live object with everything that client-side managers own of it handed over to `ours`, and those managers by
/// name; `None` where there are none, or where its books cannot be read.
pub(super) fn handed_over(live: &Value, adoption: Option<&Adoption>, ours: &str) -> Option<(Value, Vec<String>)> {
    let asked = adoption.map(|adoption| adoption.from.as_slice()).unwrap_or_default();
    let mut managers: Vec<String> = owners(live)
        .into_iter()
        .map(|(owner, _)| owner.name)
        .filter(|name| name != ours)
        .filter(|name| name == KUBECTL_CLIENT_SIDE_APPLY || asked.iter().any(|from| from.means(name)))
        .collect();
    managers.sort();
    managers.dedup();
    hand_over_all(live, managers, ours)
}

/// The same for managers that are known by name.
pub(super) fn hand_over_all(live: &Value, managers: Vec<String>, ours: &str) -> Option<(Value, Vec<String>)> {
    let mut object = live.clone();
    let mut gave = Vec::new();
    for manager in managers {
        if let Some(next) = hand_over(&object, &manager, ours).ok()? {
            object = next;
            gave.push(manager);
        }
    }
    (!gave.is_empty()).then_some((object, gave))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::json;
    use strata_components::desired::{KUBERNETES, Kind, ResourceId};
    use structured_merge::{ApplyOptions, Schema, UpdateOptions, apply, update};

    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";
    const OURS: &str = "strata-shop";

    fn deployment(replicas: u32, image: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart-mcp", "namespace": "shop"},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "server", "image": image}]}}}})
    }

    fn resource(manifest: Value) -> Resource {
        Resource {
            id: ResourceId {
                provider: KUBERNETES.into(),
                target: "local".into(),
                kind: Kind { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() },
                namespace: Some("shop".into()),
                name: "cart-mcp".into(),
            },
            address: "shop/cart/deployment".into(),
            phase: 1,
            service: Some("cart".into()),
            tier: None,
            depends_on: Vec::new(),
            manifest,
            was: None,
            meanwhile: None,
            ready_within: None,
        }
    }

    fn ty() -> TypeRef {
        Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap()
    }

    /// What was applied with 2 replicas, and what two others have made of it since.
    fn edited() -> Value {
        let live = apply(&ty(), None, &deployment(2, "a:1"), &ApplyOptions::new(OURS, NOW)).unwrap();
        let scaled = update(&ty(), Some(&live), &deployment(5, "a:1"), &UpdateOptions::new("keda", NOW)).unwrap();
        update(&ty(), Some(&scaled), &deployment(5, "b:1"), &UpdateOptions::new("kubectl-edit", NOW)).unwrap()
    }

    /// What a stack with these rules leaves to others of the edited object, and whether each conflict is taken.
    #[track_caller]
    fn check(rules: Value, left: &[&str], taken: &[&str]) {
        let ownership: Ownership = serde_json::from_value(json!({"fields": rules})).unwrap();
        let (rules, manifest) = (Rules::of(&ownership), deployment(2, "a:1"));
        let resource = resource(manifest.clone());
        let found = rules.leave(&ty(), &resource, &manifest, &edited(), OURS);
        let show = |fields: &[FieldConflict]| -> Vec<String> {
            fields.iter().map(|field| format!("{} {}", field.path, field.manager)).collect()
        };
        assert_eq!(show(found.as_ref().map(|left| left.fields.as_slice()).unwrap_or_default()), left);
        let applied = found.map_or(manifest, |left| left.manifest);
        let mut conflicts =
            [("replicas", "keda"), (r#"template.spec.containers[name="server"].image"#, "kubectl-edit")]
                .map(|(path, manager)| FieldConflict {
                    path: format!(".spec.{path}"),
                    manager: manager.into(),
                    take: false,
                })
                .to_vec();
        rules.mark_taken(&ty(), &resource, &applied, &mut conflicts);
        conflicts.retain(|conflict| conflict.take);
        assert_eq!(show(&conflicts), taken);
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let (replicas, image) =
            (".spec.replicas keda", r#".spec.template.spec.containers[name="server"].image kubectl-edit"#);
        check(json!([]), &[], &[]);
        check(json!([{"path": ".spec.replicas", "policy": "leave"}]), &[replicas], &[]);
        check(json!([{"manager": "keda", "policy": "leave"}]), &[replicas], &[]);
        check(json!([{"policy": "leave"}]), &[replicas, image], &[]);
        check(json!([{"policy": "take"}]), &[], &[replicas, image]);
        check(json!([{"manager": "kubectl-*", "policy": "take"}, {"policy": "leave"}]), &[replicas], &[image]);
        check(json!([{"path": ".spec.replicas", "policy": "fail"}, {"policy": "take"}]), &[], &[image]);
        check(json!([{"path": ".spec.template.spec.containers[*].image", "policy": "leave"}]), &[image], &[]);
        for other in [json!({"kind": "Service"}), json!({"service": "web"}), json!({"manager": "helm"})] {
            let mut rule = other;
            rule["policy"] = "leave".into();
            check(json!([rule]), &[], &[]);
        }
    }

    #[test]
    fn what_is_left_is_not_applied() {
        let ownership: Ownership =
            serde_json::from_value(json!({"fields": [{"path": ".spec.replicas", "policy": "leave"}]})).unwrap();
        let manifest = deployment(2, "a:1");
        let left = Rules::of(&ownership)
            .leave(&ty(), &resource(manifest.clone()), &manifest, &edited(), OURS)
            .unwrap()
            .manifest;
        let mut expect = manifest.clone();
        expect["spec"].as_object_mut().unwrap().remove("replicas");
        assert_eq!(left, expect);
        // With the value that the other gave it, there is nothing to leave.
        let same = deployment(5, "b:1");
        let rules = Rules::of(&ownership);
        assert!(rules.leave(&ty(), &resource(same.clone()), &same, &edited(), OURS).is_none());
    }

    #[test]
    fn an_adopted_object_is_handed_over() {
        let create = |manager| {
            let options = UpdateOptions::new(manager, NOW);
            update(&ty(), None, &deployment(2, "a:1"), &options).unwrap()
        };
        let gave = |live: &Value, adoption: Option<&Adoption>| {
            handed_over(live, adoption, OURS).map(|(_, managers)| managers).unwrap_or_default()
        };
        let adoption: Adoption =
            serde_json::from_value(json!({"object": "Deployment/cart-mcp", "from": ["helm"]})).unwrap();
        assert_eq!(gave(&create(KUBECTL_CLIENT_SIDE_APPLY), None), [KUBECTL_CLIENT_SIDE_APPLY]);
        assert_eq!(gave(&create("helm"), None), [] as [&str; 0]);
        assert_eq!(gave(&create("helm"), Some(&adoption)), ["helm"]);
        let (object, _) = handed_over(&create("helm"), Some(&adoption), OURS).unwrap();
        assert!(owners(&object).iter().all(|(owner, _)| owner.name == OURS));
    }
}
