//! Random sequences: what a step is, how it is chosen, and which request it becomes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::kinds::{ANY, KINDS, Kind};
use crate::exchange::{Answer, Exchange, change};

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Create,
    Put,
    Merge,
    Json,
    Strategic,
    ApplyWhole,
    ApplyPart,
    Status,
    Delete,
}

/// One step of a sequence.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) verb: Verb,
    kind: Index,
    name: bool,
    manager: u8,
    changes: Vec<Index>,
    /// Fields are taken out instead of being set, where the verb can do that.
    removes: bool,
    version: bool,
    force: bool,
    dry: bool,
    validation: u8,
}

/// Sequences of up to a dozen steps; most are about few objects, so that steps meet.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    any::<Index>().prop_flat_map(|kind| vec(step(kind), 2..12))
}

fn step(kind: Index) -> impl Strategy<Value = Step> {
    let verb = prop_oneof![
        1 => Just(Verb::Get),
        1 => Just(Verb::List),
        4 => Just(Verb::Create),
        3 => Just(Verb::Put),
        3 => Just(Verb::Merge),
        2 => Just(Verb::Json),
        3 => Just(Verb::Strategic),
        4 => Just(Verb::ApplyWhole),
        4 => Just(Verb::ApplyPart),
        2 => Just(Verb::Status),
        2 => Just(Verb::Delete),
    ];
    let rare = || prop::bool::weighted(0.15);
    let kind = prop_oneof![4 => Just(kind), 1 => any::<Index>()];
    let flags = (rare(), rare(), prop::bool::weighted(0.3), rare(), rare(), 0_u8..8);
    (verb, kind, 0_u8..3, vec(any::<Index>(), 0..3), flags).prop_map(
        |(verb, kind, manager, changes, (name, removes, force, version, dry, validation))| Step {
            verb,
            kind,
            name,
            manager,
            changes,
            removes,
            version,
            force,
            dry,
            validation,
        },
    )
}

/// What is known of the objects so far.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The placeholder of the version an object had when it was seen last, by path.
    versions: BTreeMap<String, String>,
}

impl History {
    /// Takes note of an answer.
    pub(super) fn note(&mut self, step: &Step, answer: &Answer) {
        if step.verb == Verb::Delete {
            self.versions.remove(&step.path());
            return;
        }
        let version = answer.body.as_ref().and_then(|body| body.pointer("/metadata/resourceVersion"));
        if let Some(version) = version.and_then(Value::as_str).filter(|version| version.starts_with("<version")) {
            self.versions.insert(step.path(), version.to_owned());
        }
    }
}

impl Step {
    pub(super) fn kind(&self) -> &'static Kind {
        self.kind.get(KINDS)
    }

    fn object_name(&self) -> &'static str {
        if self.name { "beta" } else { "alpha" }
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.kind().collection, self.object_name())
    }

    fn whole(&self) -> Value {
        serde_json::from_str(&self.kind().object.replace("NAME", self.object_name())).unwrap()
    }

    /// The changes that were chosen; more often those of the kind than those that any object can have.
    fn chosen(&self) -> Vec<(&'static str, Value)> {
        let kind = self.kind();
        let own = if self.verb == Verb::Status && !kind.status.is_empty() { kind.status } else { kind.changes };
        let pick = |index: &Index| {
            let at = index.index(own.len() * 2 + ANY.len());
            let (pointer, value) = if at < own.len() * 2 { own[at % own.len()] } else { ANY[at - own.len() * 2] };
            (pointer, serde_json::from_str(value).unwrap())
        };
        self.changes.iter().map(pick).collect()
    }

    /// The request.
    pub(super) fn exchange(&self, history: &History) -> Exchange {
        let path = self.path();
        let mut query = vec![format!("fieldManager=manager-{}", self.manager)];
        if self.dry {
            query.push("dryRun=All".to_owned());
        }
        match self.validation {
            0 => query.push("fieldValidation=Strict".to_owned()),
            1 => query.push("fieldValidation=Ignore".to_owned()),
            _ => {}
        }
        let applies = matches!(self.verb, Verb::ApplyWhole | Verb::ApplyPart);
        if applies && self.force {
            query.push("force=true".to_owned());
        }
        let query = query.join("&");
        let version = history.versions.get(&path).filter(|_| self.version);
        let send = match self.verb {
            Verb::Get => format!("GET {path}"),
            Verb::List => format!("GET {}", self.kind().collection),
            Verb::Create => format!("POST {}?{query}", self.kind().collection),
            Verb::Put => format!("PUT {path}?{query}"),
            Verb::Status => format!("PATCH {path}/status?{query}"),
            Verb::Delete if self.dry => format!("DELETE {path}?dryRun=All"),
            Verb::Delete => format!("DELETE {path}"),
            _ => format!("PATCH {path}?{query}"),
        };
        let content = match self.verb {
            Verb::Merge | Verb::Status => Some("application/merge-patch+json"),
            Verb::Json => Some("application/json-patch+json"),
            Verb::Strategic => Some("application/strategic-merge-patch+json"),
            Verb::ApplyWhole | Verb::ApplyPart => Some("application/apply-patch+yaml"),
            _ => None,
        };
        let mut body = self.body();
        if let (Some(version), Some(body)) = (version, &mut body)
            && body.is_object()
        {
            change(body, "/metadata/resourceVersion", &json!(version));
        }
        Exchange { send, content: content.map(str::to_owned), body, ..Exchange::default() }
    }

    fn body(&self) -> Option<Value> {
        let chosen = self.chosen();
        match self.verb {
            Verb::Get | Verb::List | Verb::Delete => None,
            Verb::Create | Verb::Put | Verb::ApplyWhole => {
                let mut whole = self.whole();
                for (pointer, value) in &chosen {
                    change(&mut whole, pointer, value);
                }
                Some(whole)
            }
            Verb::ApplyPart => {
                let whole = self.whole();
                let mut part = json!({
                    "apiVersion": whole["apiVersion"],
                    "kind": whole["kind"],
                    "metadata": {"name": self.object_name()},
                });
                for (pointer, value) in &chosen {
                    sparse(&mut part, &whole, pointer, value);
                }
                Some(part)
            }
            Verb::Strategic => {
                let mut patch = json!({});
                for (pointer, value) in &chosen {
                    sparse(&mut patch, &self.whole(), pointer, if self.removes { &Value::Null } else { value });
                }
                Some(patch)
            }
            Verb::Merge | Verb::Status => {
                let mut patch = json!({});
                for (pointer, value) in chosen.iter().filter(|(pointer, _)| !pointer.contains("/0")) {
                    set(&mut patch, pointer, if self.removes { &Value::Null } else { value });
                }
                Some(patch)
            }
            Verb::Json => {
                let operation = |(pointer, value): &(&str, Value)| match (self.removes, self.force) {
                    (true, _) => json!({"op": "remove", "path": pointer}),
                    (false, true) => json!({"op": "replace", "path": pointer, "value": value}),
                    (false, false) => json!({"op": "add", "path": pointer, "value": value}),
                };
                Some(chosen.iter().map(operation).collect())
            }
        }
    }
}

/// Sets a value in a patch, `null` included.
fn set(patch: &mut Value, pointer: &str, value: &Value) {
    let mut at = patch;
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    for (number, part) in parts.iter().enumerate() {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let map = at.as_object_mut().unwrap();
        if number + 1 == parts.len() {
            map.insert((*part).to_owned(), value.clone());
            return;
        }
        at = map.entry((*part).to_owned()).or_insert_with(|| json!({}));
    }
}

/// Sets a value in a part of an object; an item of a list is named by what tells it apart in the whole.
fn sparse(part: &mut Value, whole: &Value, pointer: &str, value: &Value) {
    let mut at = part;
    let mut like = Some(whole);
    let names: Vec<&str> = pointer.split('/').skip(1).collect();
    for (number, name) in names.iter().enumerate() {
        let last = number + 1 == names.len();
        let next = like.and_then(|like| match like {
            Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
            other => other.get(*name),
        });
        if name.parse::<usize>().is_ok() {
            if at.as_array().is_none_or(Vec::is_empty) {
                let mut item = Map::new();
                for key in ["name", "port", "host"] {
                    if let Some(value) = next.and_then(|next| next.get(key)) {
                        item.insert(key.to_owned(), value.clone());
                    }
                }
                *at = json!([item]);
            }
            at = &mut at.as_array_mut().unwrap()[0];
        } else {
            if !at.is_object() {
                *at = json!({});
            }
            let map = at.as_object_mut().unwrap();
            if last {
                map.insert((*name).to_owned(), value.clone());
                return;
            }
            at = map.entry((*name).to_owned()).or_insert(Value::Null);
        }
        like = next;
    }
}
