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
    ApplyOptions, FieldPath, FieldSet, Operation, Prediction, Schema, TypeRef, UpdateOptions, Versions, apply, extract,
    owners, typed, update, value,
};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// `Thing` (its schema is in `thing.yaml`), `untyped` (a schema that says nothing), `deduced` (no schema at all), or
    /// apiVersion and kind of a built-in type.
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
    /// The `fieldsV1` of each manager at the end. An updater's name is followed by `update`, then come its subresource
    /// and its version, if that is not `v1`.
    #[serde(default)]
    owners: BTreeMap<String, Value>,
}

/// One request. Exactly one of `apply`, `update` and `extract` is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The field manager.
    #[serde(rename = "as")]
    manager: String,
    apply: Option<Value>,
    update: Option<Value>,
    /// Applies what the manager applied last, as far as it still owns it, with this laid over it.
    extract: Option<Value>,
    /// The version the request is made in, `v1` where there is none. `v2` calls `spec.number` a `count`; no other is
    /// served.
    version: Option<String>,
    /// Schemas that other places of the Thing have from this request on, by their names with dots; null takes one away.
    #[serde(default)]
    schema: BTreeMap<String, Value>,
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
        for case in &group.cases {
            let title = format!("{}: {}", file.file_stem().unwrap().to_string_lossy(), case.name);
            let mut schema = thing.clone();
            let mut live = None;
            for (number, step) in case.steps.iter().enumerate() {
                step.schema.iter().for_each(|(place, other)| replace_schema(&mut schema, place, other));
                let kind = Kind::new(&group.kind, &schema, step.version.as_deref());
                live = Run { title: format!("{title}, step {}", number + 1), kind: &kind, step, number }.step(live);
            }
            let object = live.as_ref().map(shown);
            let same = match (&object, &case.object) {
                (Some(found), Some(expected)) => value::equal(found, expected),
                (found, expected) => found == expected,
            };
            assert!(same, "{title}: the object is {object:?}, expected {:?}", case.object);
            let found: BTreeMap<String, Value> = live.iter().flat_map(owned).collect();
            assert_eq!(found, case.owners, "{title}: the owners");
            count += 1;
        }
    }
    assert!(count >= 300, "only {count} cases were found");
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> T {
    let text = fs::read_to_string(file).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Puts a schema in the place of a field's.
fn replace_schema(schema: &mut Value, place: &str, other: &Value) {
    let (parents, field) = place.rsplit_once('.').unwrap();
    let parent = parents.split('.').fold(schema, |schema, name| &mut schema["properties"][name]);
    let fields = parent["properties"].as_object_mut().unwrap();
    match other {
        Value::Null => fields.remove(field),
        other => fields.insert(field.to_owned(), other.clone()),
    };
}

/// What the requests of a step are about.
struct Kind {
    name: String,
    api_version: String,
    ty: TypeRef,
    /// Where the kind has several versions: each with its type.
    versions: Option<Renaming>,
}

impl Kind {
    fn new(words: &str, thing: &Value, version: Option<&str>) -> Self {
        if let Some((api_version, kind)) = words.split_once(' ') {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let ty = Schema::kubernetes().kind(group, version, kind).unwrap();
            return Self { name: kind.to_owned(), api_version: api_version.to_owned(), ty, versions: None };
        }
        let ty = match words {
            "Thing" => Schema::from_crd_version(thing, false).unwrap(),
            "untyped" => Schema::from_crd_version(&json!({"type": "object"}), true).unwrap(),
            "deduced" => Schema::deduced(),
            other => panic!("no type is called {other}"),
        };
        let versions = version.map(|_| {
            let mut second = thing.clone();
            let fields = second["properties"]["spec"]["properties"].as_object_mut().unwrap();
            let number = fields.remove("number").unwrap();
            fields.insert("count".to_owned(), number);
            Renaming { first: ty.clone(), second: Schema::from_crd_version(&second, false).unwrap() }
        });
        let api_version = format!("example.com/{}", version.unwrap_or("v1"));
        let ty = versions.as_ref().and_then(|versions| versions.ty(&api_version)).unwrap_or(ty);
        Self { name: "Thing".to_owned(), api_version, ty, versions }
    }

    fn versions(&self) -> Option<&dyn Versions> {
        self.versions.as_ref().map(|versions| versions as &dyn Versions)
    }

    /// A live object in the version of the request.
    fn see(&self, live: Value) -> Value {
        match &self.versions {
            Some(versions) => versions.convert(&live, &self.api_version).unwrap().0,
            None => live,
        }
    }
}

/// Two versions with another name for one field.
struct Renaming {
    first: TypeRef,
    second: TypeRef,
}

impl Renaming {
    fn ty(&self, api_version: &str) -> Option<TypeRef> {
        match api_version {
            "example.com/v1" => Some(self.first.clone()),
            "example.com/v2" => Some(self.second.clone()),
            _ => None,
        }
    }
}

impl Versions for Renaming {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeRef)> {
        let ty = self.ty(api_version)?;
        let mut object = object.clone();
        object["apiVersion"] = json!(api_version);
        let to = if api_version == "example.com/v1" { "number" } else { "count" };
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
            && let Some(value) = spec.remove("number").or_else(|| spec.remove("count"))
        {
            spec.insert(to.to_owned(), value);
        }
        Some((object, ty))
    }
}

struct Run<'a> {
    title: String,
    kind: &'a Kind,
    step: &'a Step,
    number: usize,
}

impl Run<'_> {
    /// The live object after the step.
    fn step(&self, before: Option<Value>) -> Option<Value> {
        let Self { title, kind, step, number } = self;
        let live = before.clone().map(|live| kind.see(live));
        let now = format!("2026-01-01T00:{number:02}:00Z");
        let ignored: FieldSet = step.ignored.iter().map(|path| path_of(path)).collect();
        let result = match (&step.apply, &step.update, &step.extract) {
            (Some(config), None, None) => self.apply(live.as_ref(), &self.whole(config), &now, &ignored),
            (None, Some(new), None) => {
                let options = UpdateOptions {
                    subresource: &step.subresource,
                    ignored: Some(&ignored),
                    versions: kind.versions(),
                    ..UpdateOptions::new(&step.manager, &now)
                };
                update(&kind.ty, live.as_ref(), &self.whole(new), &options).map_err(|error| error.to_string())
            }
            (None, None, Some(more)) => {
                let extracted =
                    live.as_ref().and_then(|live| extract(&kind.ty, live, &step.manager, &step.subresource).unwrap());
                let extracted = self.whole(&extracted.unwrap_or_else(|| json!({})));
                let config = typed::merge(&kind.ty, &extracted, &self.whole(more));
                self.apply(live.as_ref(), &config, &now, &ignored)
            }
            _ => panic!("{title}: a step applies, updates or extracts"),
        };
        match (result, &step.refused) {
            (Ok(object), None) => {
                assert_eq!(live.as_ref() == Some(&object), step.unchanged, "{title}: whether it is unchanged");
                Some(object)
            }
            (Err(message), refused) => {
                assert_eq!(Some(&message), refused.as_ref(), "{title}");
                before
            }
            (Ok(_), Some(message)) => panic!("{title}: expected to be refused: {message}"),
        }
    }

    fn apply(&self, live: Option<&Value>, config: &Value, now: &str, ignored: &FieldSet) -> Result<Value, String> {
        let Self { title, kind, step, .. } = self;
        let options = ApplyOptions {
            force: step.force,
            subresource: &step.subresource,
            ignored: Some(ignored),
            versions: kind.versions(),
            ..ApplyOptions::new(&step.manager, now)
        };
        let result = apply(&kind.ty, live, config, &options);
        if let Some(live) = live {
            match predict_with(&kind.ty, live, config, &options) {
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
            let again = apply(&kind.ty, Some(object), config, &later);
            assert_eq!(again.as_ref() != Ok(object), step.once, "{title}: applied again it gives {again:?}");
        }
        result.map_err(|error| error.to_string())
    }

    /// The object with what names it.
    fn whole(&self, part: &Value) -> Value {
        let mut whole = part.clone();
        whole["apiVersion"] = json!(self.kind.api_version);
        whole["kind"] = json!(self.kind.name);
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
        let version = match manager.api_version.strip_prefix("example.com/") {
            Some("v1") | None => String::new(),
            Some(other) => format!(" {other}"),
        };
        format!("{}{update}{}{subresource}{version}", manager.name, if subresource.is_empty() { "" } else { " " })
    };
    owners(object).iter().map(|(manager, fields)| (name(manager), fields.to_fields_v1())).collect()
}
