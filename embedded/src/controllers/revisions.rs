//! ControllerRevisions: the pod templates that a StatefulSet or DaemonSet has had.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/history`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Context;
use super::writing::controller_reference;
use crate::failure::Failure;
use crate::object;
use crate::rules::template_hash;
use crate::store::Object;

/// The revisions of an owner, oldest first; the last is that of its present template.
pub(super) struct Revisions(Vec<Arc<Object>>);

impl Revisions {
    /// Finds an owner's revisions, and sees that its present template is the newest. `label`: where their hash stands.
    pub(super) fn of(context: &mut Context<'_, '_>, owner: &Value, label: &str) -> Result<Revisions, Failure> {
        let uid = object::uid(owner);
        let owned = context.txn.owned_by(uid).into_iter();
        let mut all: Vec<Arc<Object>> =
            owned.filter(|(key, _)| &*key.resource == "apps/controllerrevisions").map(|(_, live)| live).collect();
        all.sort_by_key(|live| (number(live), object::name(&live.value).to_owned()));
        if object::is_deleting(owner) {
            return Ok(Revisions(all));
        }
        let data = data(owner);
        let same = all.iter().rposition(|live| live.value.get("data") == Some(&data));
        let next = all.last().map_or(1, |live| number(live) + 1);
        match same {
            Some(at) if at + 1 == all.len() => {}
            Some(at) => {
                // A template that was there before becomes the newest again.
                let live = all.remove(at);
                let mut new = live.value.clone();
                object::set(&mut new, "/revision", json!(next));
                all.push(context.update(&live, new)?);
            }
            None => all.push(make(context, owner, label, data, next)?),
        }
        Ok(Revisions(all))
    }

    /// The newest.
    pub(super) fn newest(&self) -> Option<&Arc<Object>> {
        self.0.last()
    }

    /// One by its name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Object>> {
        self.0.iter().find(|live| object::name(&live.value) == name)
    }

    /// Deletes the oldest of those that nothing uses, beyond the owner's history limit.
    pub(super) fn prune(
        &self,
        context: &mut Context<'_, '_>,
        owner: &Value,
        used: impl Fn(&Value) -> bool,
    ) -> Result<(), Failure> {
        let limit = object::number(owner, "/spec/revisionHistoryLimit").unwrap_or(10);
        let unused: Vec<&Arc<Object>> = self.0.iter().rev().skip(1).rev().filter(|live| !used(&live.value)).collect();
        let surplus = unused.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for live in unused.into_iter().take(surplus) {
            context.delete(live, &Default::default())?;
        }
        Ok(())
    }
}

fn number(live: &Arc<Object>) -> i64 {
    object::number(&live.value, "/revision").unwrap_or(0)
}

/// What a revision keeps: the template, as a patch that replaces it whole.
fn data(owner: &Value) -> Value {
    let mut template = owner.pointer("/spec/template").cloned().unwrap_or_default();
    object::as_map(&mut template).insert("$patch".to_owned(), json!("replace"));
    json!({"spec": {"template": template}})
}

fn make(
    context: &mut Context<'_, '_>,
    owner: &Value,
    label: &str,
    data: Value,
    revision: i64,
) -> Result<Arc<Object>, Failure> {
    let mut collisions = 0;
    loop {
        let hash = match collisions {
            0 => template_hash(&data),
            count => template_hash(&json!([data, count])),
        };
        let name = format!("{}-{hash}", object::name(owner));
        if context.get("apps/v1", "ControllerRevision", object::namespace(owner), &name).is_some() {
            collisions += 1;
            continue;
        }
        let mut labels = owner.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        object::as_map(&mut labels).insert(label.to_owned(), json!(hash));
        let kept = object::entries(owner, "/metadata/annotations")
            .filter(|(key, _)| *key != "kubectl.kubernetes.io/last-applied-configuration")
            .map(|(key, value)| (key.clone(), value.clone()));
        let mut made = json!({
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": name,
                "namespace": object::namespace(owner),
                "labels": labels,
                "ownerReferences": [controller_reference(owner)],
            },
            "data": data,
            "revision": revision,
        });
        let annotations: serde_json::Map<String, Value> = kept.collect();
        if !annotations.is_empty() {
            object::set(&mut made, "/metadata/annotations", Value::Object(annotations));
        }
        return context.create(made);
    }
}
