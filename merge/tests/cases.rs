//! Stories of applies and updates as data: every file in `cases/` is a group, and this is their one runner.
//!
//! A case is a list of steps, the object they lead to, and who owns what in it. Around each step the runner also holds
//! what must always hold: a prediction agrees with the apply, and an apply done twice changes nothing the second time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use structured_merge::predict::predict_with;
use structured_merge::{
    ApplyOptions, FieldPath, FieldSet, Operation, Prediction, Schema, TypeRef, UpdateOptions, apply, owners, update,
};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// `Thing` (its schema is in `thing.yaml`), `untyped`, or apiVersion and kind of a built-in type.
    #[serde(rename = "type")]
    kind: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    steps: Vec<Step>,
    /// The object at the end, but for what names it and for `managedFields`; absent where no step succeeds.
    object: Option<Value>,
    /// The `fieldsV1` of each manager at the end. An updater's name is followed by `update`, a subresource comes last.
    #[serde(default)]
    owners: BTreeMap<String, Value>,
}

/// One request. Exactly one of `apply` and `update` is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The field manager.
    #[serde(rename = "as")]
    manager: String,
    apply: Option<Value>,
    update: Option<Value>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    subresource: String,
    /// Fields that the request cannot set.
    #[serde(default)]
    ignored: Vec<String>,
    /// The message with which it is refused.
    refused: Option<String>,
    /// Whether it leaves the object as it is.
    #[serde(default)]
    unchanged: bool,
    /// Whether doing it again would do something else.
    #[serde(default)]
    once: bool,
}

#[test]
fn cases() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let thing: Value = read(&directory.join("thing.yaml"));
    let mut files: Vec<_> = fs::read_dir(directory.join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut count = 0;
    for file in files {
        let group: Group = read(&file);
        let (ty, api_version, kind) = type_of(&group.kind, &thing);
        for case in &group.cases {
            let title = format!("{}: {}", file.file_stem().unwrap().to_string_lossy(), case.name);
            Run { title: &title, ty: &ty, api_version: &api_version, kind: &kind }.case(case);
            count += 1;
        }
    }
    assert!(count >= 150, "only {count} cases were found");
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> T {
    let text = fs::read_to_string(file).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn type_of(words: &str, thing: &Value) -> (TypeRef, String, String) {
    match words.split_once(' ') {
        Some((api_version, kind)) => {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let ty = Schema::kubernetes().kind(group, version, kind).unwrap();
            (ty, api_version.to_owned(), kind.to_owned())
        }
        None => {
            let ty = match words {
                "Thing" => Schema::from_crd_version(thing, false).unwrap(),
                "untyped" => Schema::from_crd_version(&json!({"type": "object"}), true).unwrap(),
                other => panic!("no type is called {other}"),
            };
            (ty, "example.com/v1".to_owned(), "Thing".to_owned())
        }
    }
}

struct Run<'a> {
    title: &'a str,
    ty: &'a TypeRef,
    api_version: &'a str,
    kind: &'a str,
}

impl Run<'_> {
    fn case(&self, case: &Case) {
        let mut live: Option<Value> = None;
        for (number, step) in case.steps.iter().enumerate() {
            let title = format!("{}, step {}", self.title, number + 1);
            let now = format!("2026-01-01T00:{number:02}:00Z");
            let ignored: FieldSet = step.ignored.iter().map(|path| path_of(path)).collect();
            let result = match (&step.apply, &step.update) {
                (Some(config), None) => self.apply(&title, live.as_ref(), config, step, &now, &ignored),
                (None, Some(new)) => {
                    let options = UpdateOptions {
                        subresource: &step.subresource,
                        ignored: Some(&ignored),
                        ..UpdateOptions::new(&step.manager, &now)
                    };
                    update(self.ty, live.as_ref(), &self.whole(new), &options).map_err(|error| error.to_string())
                }
                _ => panic!("{title}: a step either applies or updates"),
            };
            match (result, &step.refused) {
                (Ok(object), None) => {
                    assert_eq!(live.as_ref() == Some(&object), step.unchanged, "{title}: whether it is unchanged");
                    live = Some(object);
                }
                (Err(message), refused) => assert_eq!(Some(&message), refused.as_ref(), "{title}"),
                (Ok(_), Some(message)) => panic!("{title}: expected to be refused: {message}"),
            }
        }
        assert_eq!(live.as_ref().map(shown), case.object, "{}: the object", self.title);
        let found: BTreeMap<String, Value> = live.iter().flat_map(owned).collect();
        assert_eq!(found, case.owners, "{}: the owners", self.title);
    }

    fn apply(
        &self,
        title: &str,
        live: Option<&Value>,
        config: &Value,
        step: &Step,
        now: &str,
        ignored: &FieldSet,
    ) -> Result<Value, String> {
        let config = self.whole(config);
        let options = ApplyOptions {
            force: step.force,
            subresource: &step.subresource,
            ignored: Some(ignored),
            ..ApplyOptions::new(&step.manager, now)
        };
        let result = apply(self.ty, live, &config, &options);
        if let Some(live) = live {
            match predict_with(self.ty, live, &config, &options) {
                Prediction::Unchanged => assert_eq!(result.as_ref(), Ok(live), "{title}: predicted unchanged"),
                Prediction::Changed { conflicts, .. } if conflicts.is_empty() || step.force => {
                    assert!(result.as_ref().is_ok_and(|object| object != live), "{title}: predicted changed");
                }
                Prediction::Changed { .. } => {
                    // Only the manager kubectl may do what conflicts with another's fields.
                    assert!(result.is_err() || step.manager == "kubectl", "{title}: predicted conflicts");
                }
                Prediction::Unknown { .. } => {}
            }
        }
        if let Ok(object) = &result {
            let later = ApplyOptions { now: "2026-01-01T01:00:00Z", ..options };
            let again = apply(self.ty, Some(object), &config, &later);
            assert_eq!(again.as_ref() != Ok(object), step.once, "{title}: applied again it gives {again:?}");
        }
        result.map_err(|error| error.to_string())
    }

    /// The object with what names it.
    fn whole(&self, part: &Value) -> Value {
        let mut whole = part.clone();
        whole["apiVersion"] = json!(self.api_version);
        whole["kind"] = json!(self.kind);
        whole["metadata"]["name"] = json!("thing");
        whole
    }
}

fn path_of(text: &str) -> FieldPath {
    FieldPath::of_fields(text.trim_start_matches('.').split('.'))
}

/// The object without what names it and without `managedFields`.
fn shown(object: &Value) -> Value {
    let mut shown: Map<String, Value> = object.as_object().unwrap().clone();
    shown.remove("apiVersion");
    shown.remove("kind");
    let metadata = shown.get_mut("metadata").unwrap().as_object_mut().unwrap();
    metadata.remove("name");
    metadata.remove("managedFields");
    if metadata.is_empty() {
        shown.remove("metadata");
    }
    Value::Object(shown)
}

fn owned(object: &Value) -> Vec<(String, Value)> {
    let name = |manager: &structured_merge::Manager| {
        let update = if manager.operation == Operation::Update { " update" } else { "" };
        let subresource = manager.subresource.as_str();
        format!("{}{update}{}{subresource}", manager.name, if subresource.is_empty() { "" } else { " " })
    };
    owners(object).iter().map(|(manager, fields)| (name(manager), fields.to_fields_v1())).collect()
}
