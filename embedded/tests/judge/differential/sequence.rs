//! Random sequences: what a step is, how it is chosen, and which request it becomes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::kinds::{ANY, Change, GROUPS, Group, Kind};
use super::parts::{alter, set, sparse};
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
    StatusPut,
    StatusApply,
    Scale,
    Delete,
    DeleteMany,
    Malformed,
}

/// One step of a sequence.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) verb: Verb,
    kind: &'static Kind,
    name: bool,
    manager: u8,
    changes: Vec<Index>,
    /// Fields are taken out instead of being set, where the verb can do that.
    removes: bool,
    /// The version and the uid that the object was last seen with are named.
    version: bool,
    force: bool,
    dry: bool,
    validation: u8,
    /// Which of several forms of the request.
    form: Index,
}

/// A sequence: what it begins with, and its steps.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    group: &'static Group,
    pub(super) steps: Vec<Step>,
}

/// Sequences of up to a dozen steps; most are about few objects, so that steps meet.
pub(super) fn steps() -> impl Strategy<Value = Steps> {
    let groups = GROUPS.iter().map(|group| (group.share, Just(group))).collect();
    (proptest::strategy::Union::new_weighted(groups), any::<Index>()).prop_flat_map(|(group, main)| {
        let kinds = group.each();
        let main = *main.get(&kinds);
        let kind = prop_oneof![4 => Just(main), 1 => any::<Index>().prop_map(move |other| *other.get(&kinds))].boxed();
        vec(step(kind), 2..12).prop_map(move |steps| Steps { group, steps })
    })
}

fn step(kind: BoxedStrategy<&'static Kind>) -> impl Strategy<Value = Step> {
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
        1 => Just(Verb::StatusPut),
        1 => Just(Verb::StatusApply),
        1 => Just(Verb::Scale),
        2 => Just(Verb::Delete),
        1 => Just(Verb::DeleteMany),
        1 => Just(Verb::Malformed),
    ];
    let rare = || prop::bool::weighted(0.15);
    let flags = (rare(), rare(), prop::bool::weighted(0.3), rare(), rare(), 0_u8..8, any::<Index>());
    (verb, kind, 0_u8..3, vec(any::<Index>(), 0..3), flags).prop_map(
        |(verb, kind, manager, changes, (name, removes, force, version, dry, validation, form))| Step {
            verb,
            kind,
            name,
            manager,
            changes,
            removes: removes && !kind.dry,
            version,
            force,
            dry: (dry && !kind.is_given_addresses()) || kind.dry,
            validation,
            form,
        },
    )
}

impl Steps {
    /// The request that comes before the first step, if there is to be one; its answer is waited for.
    pub(super) fn first(&self) -> Option<Exchange> {
        let definition = self.group.definition?;
        Some(Exchange {
            send: "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned(),
            body: Some(serde_json::from_str(definition).unwrap()),
            ..Exchange::default()
        })
    }

    /// The requests that show that what was asked for first is there; they are repeated until it is.
    pub(super) fn ready(&self) -> Vec<Exchange> {
        let Some(_) = self.group.definition else { return Vec::new() };
        let until = |path: &str, pointer: &str, value: &str| Exchange {
            send: format!("GET {path}"),
            until: BTreeMap::from([(pointer.to_owned(), json!(value))]),
            ..Exchange::default()
        };
        let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/lamps.exchange.example.com";
        vec![
            until(definition, "/status/conditions/1/status", "True"),
            until("/apis/exchange.example.com/v1/namespaces/exchange/lamps", "/kind", "LampList"),
        ]
    }
}

/// What is known of the objects so far.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The placeholders of the version and the uid that an object had when it was seen last, by path.
    seen: BTreeMap<String, (String, String)>,
}

impl History {
    /// Takes note of an answer.
    pub(super) fn note(&mut self, step: &Step, answer: &Answer) {
        if step.verb == Verb::Delete {
            self.seen.remove(&step.path());
            return;
        }
        let text = |field: &str| {
            let value = answer.body.as_ref().and_then(|body| body.pointer(&format!("/metadata/{field}")));
            value.and_then(Value::as_str).filter(|text| text.starts_with('<')).map(str::to_owned)
        };
        if let (Some(version), Some(uid)) = (text("resourceVersion"), text("uid"))
            && version.starts_with("<version")
        {
            self.seen.insert(step.path(), (version, uid));
        }
    }
}

/// Bodies that are no objects of the kind, or none at all, by content type.
const MALFORMED: &[(&str, &str)] = &[
    ("application/json", ""),
    ("application/json", "{"),
    ("application/json", "null"),
    ("application/json", "[]"),
    ("application/json", "{}"),
    ("application/json", r#"{"metadata": []}"#),
    ("application/json", r#"{"metadata": {"name": 1}}"#),
    ("application/json", r#"{"metadata": {"name": "alpha", "name": "beta"}}"#),
    ("application/json", r#"{"apiVersion": "v1", "kind": "Other", "metadata": {"name": "alpha"}}"#),
    ("application/json", r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alpha"}}"#),
    ("text/plain", "{}"),
    ("application/merge-patch+json", "{"),
    ("application/merge-patch+json", r#""text""#),
    ("application/merge-patch+json", r#"{"metadata": null}"#),
    ("application/merge-patch+json", r#"{"metadata": {"labels": {"a": {}}}}"#),
    ("application/json-patch+json", "{}"),
    ("application/json-patch+json", "[1]"),
    ("application/json-patch+json", r#"[{"op": "odd", "path": "/metadata"}]"#),
    ("application/json-patch+json", r#"[{"op": "test", "path": "/metadata/name", "value": "other"}]"#),
    ("application/json-patch+json", r#"[{"op": "remove", "path": "/metadata"}]"#),
    ("application/strategic-merge-patch+json", "[]"),
    ("application/strategic-merge-patch+json", r#"{"metadata": {"labels": []}}"#),
    ("application/strategic-merge-patch+json", r#"{"metadata": {"$patch": "odd"}}"#),
    ("application/strategic-merge-patch+json", r#"{"$patch": "replace", "metadata": {"name": "alpha"}}"#),
    ("application/apply-patch+yaml", "[]"),
    ("application/apply-patch+yaml", "{}"),
    ("application/apply-patch+yaml", r#"{"metadata": {"name": "alpha"}}"#),
    ("application/odd", "{}"),
];

impl Step {
    pub(super) fn kind(&self) -> &'static Kind {
        self.kind
    }

    fn object_name(&self) -> String {
        self.kind.name.replace("NAME", if self.name { "beta" } else { "alpha" })
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.kind.collection, self.object_name())
    }

    /// Is its answer the object itself?
    pub(super) fn answers_object(&self) -> bool {
        !matches!(self.verb, Verb::Get | Verb::List | Verb::Delete | Verb::DeleteMany | Verb::Scale | Verb::Malformed)
    }

    fn whole(&self) -> Value {
        serde_json::from_str(&self.kind.object.replace("NAME", &self.object_name())).unwrap()
    }

    fn writes_status(&self) -> bool {
        matches!(self.verb, Verb::Status | Verb::StatusPut | Verb::StatusApply)
    }

    /// The changes that were chosen; more often those of the kind than those that any object can have.
    fn chosen(&self) -> Vec<(&'static str, Value)> {
        let kind = self.kind;
        let own = if self.writes_status() && !kind.status.is_empty() { kind.status } else { kind.changes };
        let often = (ANY.len() * 2).div_ceil(own.len().max(1));
        let pick = |index: &Index| -> (&'static str, Value) {
            let at = index.index(own.len() * often + ANY.len());
            let (pointer, value): Change =
                if at < own.len() * often { own[at % own.len()] } else { ANY[at - own.len() * often] };
            (pointer, serde_json::from_str(value).unwrap())
        };
        // What a definition says it is, is asked of another scheme.
        let kept = |(pointer, _): &(&str, Value)| !(kind.dry && matches!(*pointer, "/kind" | "/apiVersion"));
        let mut chosen: Vec<_> = self.changes.iter().map(pick).filter(kept).collect();
        if matches!(self.verb, Verb::ApplyWhole | Verb::ApplyPart | Verb::StatusApply) {
            // Of several fields that it does not know, a server names the one that it meets first in a map.
            let first = chosen.iter().position(|(pointer, _)| self.may_be_unknown(pointer));
            let mut at = 0;
            chosen.retain(|(pointer, _)| {
                at += 1;
                Some(at - 1) == first || !self.may_be_unknown(pointer)
            });
        }
        chosen
    }

    /// Is it a field that this kind may not have? The changes of workloads are for all of them.
    fn may_be_unknown(&self, pointer: &str) -> bool {
        let shared = self.kind.collection.starts_with("/apis/apps/")
            && !(pointer.starts_with("/metadata") || pointer.starts_with("/spec/template"));
        shared || pointer.ends_with("unknown")
    }

    /// The request.
    pub(super) fn exchange(&self, history: &History) -> Exchange {
        let path = self.path();
        let seen = history.seen.get(&path).filter(|_| self.version);
        match self.verb {
            Verb::List => return self.list(),
            Verb::Delete | Verb::DeleteMany if self.kind.is_given_addresses() => return self.list(),
            Verb::Delete => return self.delete(seen),
            Verb::DeleteMany => return self.delete_many(),
            Verb::Scale if self.kind.scales => return self.scale(seen),
            Verb::Scale | Verb::Malformed if !self.kind.dry && !self.kind.is_given_addresses() => {
                return self.malformed();
            }
            Verb::Scale | Verb::Malformed => return self.list(),
            _ => {}
        }
        let query = self.query();
        let send = match self.verb {
            Verb::Get => format!("GET {path}"),
            Verb::Create => format!("POST {}?{query}", self.kind.collection),
            Verb::Put => format!("PUT {path}?{query}"),
            Verb::StatusPut if self.kind.keeps_status_apart() => format!("PUT {path}/status?{query}"),
            Verb::StatusPut => format!("PUT {path}?{query}"),
            Verb::StatusApply if !self.kind.keeps_status_apart() => format!("PATCH {path}?{query}"),
            Verb::Status | Verb::StatusApply => format!("PATCH {path}/status?{query}"),
            _ => format!("PATCH {path}?{query}"),
        };
        let content = match self.verb {
            Verb::Merge | Verb::Status => Some("application/merge-patch+json"),
            Verb::Json => Some("application/json-patch+json"),
            Verb::Strategic => Some("application/strategic-merge-patch+json"),
            Verb::ApplyWhole | Verb::ApplyPart | Verb::StatusApply => Some("application/apply-patch+yaml"),
            _ => None,
        };
        let mut body = self.body();
        if let (Some((version, uid)), Some(body)) = (seen, &mut body)
            && body.is_object()
        {
            change(body, "/metadata/resourceVersion", &json!(version));
            if self.force {
                change(body, "/metadata/uid", &json!(uid));
            }
        }
        Exchange { send, content: content.map(str::to_owned), body, ..Exchange::default() }
    }

    fn query(&self) -> String {
        let mut query = vec![format!("fieldManager=manager-{}", self.manager)];
        if self.dry {
            query.push("dryRun=All".to_owned());
        }
        match self.validation {
            0 => query.push("fieldValidation=Strict".to_owned()),
            1 => query.push("fieldValidation=Ignore".to_owned()),
            _ => {}
        }
        if matches!(self.verb, Verb::ApplyWhole | Verb::ApplyPart | Verb::StatusApply) && self.force {
            query.push("force=true".to_owned());
        }
        query.join("&")
    }

    fn list(&self) -> Exchange {
        let name = self.object_name();
        // What is in no namespace is not the sequence's alone.
        let queries = if self.kind.is_of_the_cluster() {
            vec![format!("?fieldSelector=metadata.name={name}")]
        } else {
            vec![
                String::new(),
                format!("?fieldSelector=metadata.name={name}"),
                "?labelSelector=tier=front".to_owned(),
                "?labelSelector=tier%20in%20(front,back),side".to_owned(),
                "?labelSelector=!tier".to_owned(),
                "?resourceVersion=0".to_owned(),
            ]
        };
        Exchange { send: format!("GET {}{}", self.kind.collection, self.form.get(&queries)), ..Exchange::default() }
    }

    fn delete(&self, seen: Option<&(String, String)>) -> Exchange {
        let (version, uid) =
            seen.cloned().unwrap_or(("1".to_owned(), "11111111-2222-3333-4444-555555555555".to_owned()));
        let forms = [
            None,
            None,
            Some(json!({"propagationPolicy": "Background"})),
            Some(json!({"propagationPolicy": "Foreground"})),
            Some(json!({"propagationPolicy": "Orphan"})),
            Some(json!({"propagationPolicy": "Odd"})),
            Some(json!({"gracePeriodSeconds": 0})),
            Some(json!({"preconditions": {"uid": uid}})),
            Some(json!({"preconditions": {"resourceVersion": version}})),
            Some(json!({"preconditions": {"uid": uid, "resourceVersion": version}, "propagationPolicy": "Foreground"})),
        ];
        let mut body = self.form.get(&forms).clone();
        let mut send = format!("DELETE {}", self.path());
        if self.dry {
            match &mut body {
                Some(body) => change(body, "/dryRun", &json!(["All"])),
                None => send.push_str("?dryRun=All"),
            }
        }
        Exchange { send, body, ..Exchange::default() }
    }

    /// What is in no namespace is not deleted at once: it is not the sequence's alone.
    fn delete_many(&self) -> Exchange {
        let selector = ["labelSelector=tier", "labelSelector=tier%3Dfront", "labelSelector=!tier"];
        let query = match self.kind.is_of_the_cluster() {
            true => format!("fieldSelector=metadata.name={}", self.object_name()),
            false => (*self.form.get(&selector)).to_owned(),
        };
        let dry = if self.dry { "&dryRun=All" } else { "" };
        Exchange { send: format!("DELETE {}?{query}{dry}", self.kind.collection), ..Exchange::default() }
    }

    fn scale(&self, seen: Option<&(String, String)>) -> Exchange {
        let path = format!("{}/scale", self.path());
        let query = self.query();
        let replicas = self.form.get(&[json!(0), json!(2), json!(3), json!(-1), json!("two")]).clone();
        let mut body = json!({"spec": {"replicas": replicas}});
        if let Some((version, _)) = seen {
            change(&mut body, "/metadata/resourceVersion", &json!(version));
        }
        match self.form.index(3) {
            0 if !self.force => Exchange { send: format!("GET {path}"), ..Exchange::default() },
            1 => {
                change(&mut body, "/metadata/name", &json!(self.object_name()));
                change(&mut body, "/metadata/namespace", &json!("exchange"));
                Exchange { send: format!("PUT {path}?{query}"), body: Some(body), ..Exchange::default() }
            }
            _ => Exchange {
                send: format!("PATCH {path}?{query}"),
                content: Some("application/merge-patch+json".to_owned()),
                body: Some(body),
                ..Exchange::default()
            },
        }
    }

    fn malformed(&self) -> Exchange {
        let (content, text) = *self.form.get(MALFORMED);
        let query = self.query();
        let send = match (content.contains("patch"), self.force) {
            (true, _) => format!("PATCH {}?{query}", self.path()),
            (false, true) => format!("PUT {}?{query}", self.path()),
            (false, false) => format!("POST {}?{query}", self.kind.collection),
        };
        let (content, text) = (Some(content.to_owned()), Some(text.to_owned()));
        Exchange { send, content, text, ..Exchange::default() }
    }

    /// Can a part of an object say this? The versions of a definition are one value.
    fn reaches(&self, pointer: &str) -> bool {
        !(self.kind.dry && pointer.contains("/0"))
    }

    fn body(&self) -> Option<Value> {
        let chosen = self.chosen();
        match self.verb {
            Verb::Create | Verb::Put | Verb::ApplyWhole | Verb::StatusPut => {
                let mut whole = self.whole();
                for (pointer, value) in &chosen {
                    alter(&mut whole, pointer, value);
                }
                Some(whole)
            }
            Verb::ApplyPart | Verb::StatusApply => {
                let whole = self.whole();
                let mut part = json!({
                    "apiVersion": whole["apiVersion"],
                    "kind": whole["kind"],
                    "metadata": {"name": self.object_name()},
                });
                for (pointer, value) in chosen.iter().filter(|(pointer, _)| self.reaches(pointer)) {
                    sparse(&mut part, &whole, pointer, value);
                }
                Some(part)
            }
            Verb::Strategic => {
                let mut patch = json!({});
                for (pointer, value) in chosen.iter().filter(|(pointer, _)| self.reaches(pointer)) {
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
            _ => None,
        }
    }
}
