//! What a CustomResourceDefinition must be: names, versions, structural schemas, columns and subresources.
//!
//! Source: `pkg/apis/apiextensions/validation` and `pkg/apiserver/schema` of `k8s.io/apiextensions-apiserver`.

use serde_json::{Value, json};

use super::schema as value_schema;
use crate::failure::Cause;
use crate::json_path::JsonPath;
use crate::object;
use crate::rules::naming;

/// What is wrong with a definition.
pub(in crate::rules) fn check(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    names(definition, &mut causes);
    versions(definition, &mut causes);
    causes
}

/// The name of a new definition says what it defines.
pub(in crate::rules) fn name(definition: &Value) -> Option<Cause> {
    let text = |pointer: &str| object::text(definition, pointer);
    let name = object::name(definition);
    let fits = name == format!("{}.{}", text("/spec/names/plural"), text("/spec/group"));
    let why = "must be spec.names.plural+\".\"+spec.group";
    (!fits).then(|| Cause::invalid("metadata.name", &json!(name), why))
}

/// What of a definition may not change, or not any more.
pub(in crate::rules) fn unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let established = object::condition_is_true(old, "Established");
    let stored: &[&str] = if established { &["scope", "names.kind"] } else { &[] };
    for field in stored.iter().chain(&["group", "names.plural"]) {
        let pointer = format!("/spec/{}", field.replace('.', "/"));
        let value = object::text(new, &pointer);
        if value != object::text(old, &pointer) {
            causes.push(Cause::invalid(format!("spec.{field}"), &json!(value), "field is immutable"));
        }
    }
}

fn names(definition: &Value, causes: &mut Vec<Cause>) {
    let text = |pointer: &str| object::text(definition, pointer);
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !naming::subdomain(group).is_empty() {
        for fault in naming::subdomain(group) {
            causes.push(Cause::invalid("spec.group", &json!(group), &fault));
        }
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &json!(group), "should be a domain with at least one dot"));
    }
    match text("/spec/scope") {
        "" => causes.push(Cause::required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => causes.push(Cause::unsupported("spec.scope", &json!(other), &["Cluster", "Namespaced"])),
    }
    let mut label = |field: &str, value: &str, mixed: bool| {
        let shown = json!(value);
        let lower = if mixed { value.to_lowercase() } else { value.to_owned() };
        for fault in naming::label_1035(&lower) {
            let why = match mixed {
                true => format!("may have mixed case, but should otherwise match: {fault}"),
                false => fault,
            };
            causes.push(Cause::invalid(field, &shown, &why));
        }
    };
    label("spec.names.plural", plural, false);
    label("spec.names.singular", text("/spec/names/singular"), false);
    for (at, short) in object::items(definition, "/spec/names/shortNames").iter().enumerate() {
        label(&format!("spec.names.shortNames[{at}]"), short.as_str().unwrap_or_default(), false);
    }
    label("spec.names.kind", text("/spec/names/kind"), true);
    label("spec.names.listKind", text("/spec/names/listKind"), true);
    if text("/spec/names/kind") == text("/spec/names/listKind") {
        let why = "kind and listKind may not be the same";
        causes.push(Cause::invalid("spec.names.listKind", &json!(text("/spec/names/listKind")), why));
    }
    if object::truth(definition, "/spec/preserveUnknownFields") {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &json!(true), why));
    }
}

fn versions(definition: &Value, causes: &mut Vec<Cause>) {
    let versions = object::items(definition, "/spec/versions");
    let mut seen = Vec::new();
    let mut unique = true;
    for (at, version) in versions.iter().enumerate() {
        let name = object::text(version, "/name");
        for fault in naming::label_1035(name) {
            causes.push(Cause::invalid(format!("spec.versions[{at}].name"), &json!(name), &fault));
        }
        unique &= !seen.contains(&name);
        seen.push(name);
    }
    // The field of former days that named the only version is filled in from the first, and looked at as well.
    if let Some(first) = versions.first().map(|version| object::text(version, "/name")) {
        for fault in naming::label_1035(first) {
            causes.push(Cause::invalid("spec.version", &json!(first), &fault));
        }
    }
    if !unique {
        causes.push(Cause::shown("spec.versions", &as_go(versions), "must contain unique version names"));
    }
    let stored: Vec<&str> = versions
        .iter()
        .filter(|version| object::truth(version, "/storage"))
        .map(|version| object::text(version, "/name"))
        .collect();
    let [only] = stored.as_slice() else {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::shown("spec.versions", &as_go(versions), why));
        let known = match stored.first() {
            None => Cause::invalid("status.storedVersions", &Value::Null, "must have at least one stored version"),
            Some(name) => {
                let why = format!("must have the storage version {name}");
                Cause::invalid("status.storedVersions", &json!([name]), &why)
            }
        };
        causes.push(known);
        return;
    };
    let known = object::items(definition, "/status/storedVersions");
    if !known.is_empty() && !known.iter().any(|known| known.as_str() == Some(only)) {
        let why = format!("must have the storage version {only}");
        causes.push(Cause::invalid("status.storedVersions", &json!(known), &why));
    }
    // What is the same in all versions is looked at once, and named as if it stood beside them.
    let shared = |pointer: &str| {
        let first = versions.first().and_then(|version| version.pointer(pointer));
        versions.iter().all(|version| version.pointer(pointer) == first)
    };
    let (schemas, columns, below) = (shared("/schema"), shared("/additionalPrinterColumns"), shared("/subresources"));
    for (at, version) in versions.iter().enumerate() {
        let own = format!("spec.versions[{at}]");
        let place = |shared: bool| if shared { "spec".to_owned() } else { own.clone() };
        match version.pointer("/schema/openAPIV3Schema") {
            None => causes.push(Cause::required(format!("{own}.schema.openAPIV3Schema"), "")),
            Some(_) if schemas && at > 0 => {}
            Some(schema) => {
                let field = if schemas { "spec.validation".to_owned() } else { format!("{own}.schema") };
                structural(schema, &format!("{field}.openAPIV3Schema"), Level::Root, causes);
            }
        }
        if !columns || at == 0 {
            printed(version, &place(columns), causes);
        }
        if !below || at == 0 {
            scaled(version, &place(below), causes);
        }
    }
}

/// Versions as the server prints them in a sentence: Go's names, and without what all of them share.
fn as_go(versions: &[Value]) -> String {
    let shown = versions.iter().map(|version| {
        let truth = |field: &str| object::truth(version, field);
        format!(
            "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
            json!(object::text(version, "/name")),
            truth("/served"),
            truth("/storage"),
            truth("/deprecated"),
            version.get("deprecationWarning").unwrap_or(&Value::Null),
        )
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(","))
}

/// Where in a schema a part of it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Field,
    Item,
}

/// A schema must say of every part what it is.
fn structural(schema: &Value, field: &str, level: Level, causes: &mut Vec<Cause>) {
    let ty = object::text(schema, "/type");
    let free = object::truth(schema, "/x-kubernetes-int-or-string")
        || object::truth(schema, "/x-kubernetes-preserve-unknown-fields");
    match (ty, level) {
        ("", Level::Root) => causes.push(Cause::required(format!("{field}.type"), "must not be empty at the root")),
        (ty, Level::Root) if ty != "object" => {
            causes.push(Cause::invalid(format!("{field}.type"), &json!(ty), "must be object at the root"));
        }
        ("", _) if !free => {
            let of = if level == Level::Item { "array items" } else { "object fields" };
            causes.push(Cause::required(format!("{field}.type"), &format!("must not be empty for specified {of}")));
        }
        _ => {}
    }
    if ty == "array" && schema.get("items").is_none() {
        causes.push(Cause::required(format!("{field}.items"), "must be specified"));
    }
    if object::truth(schema, "/uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(format!("{field}.uniqueItems"), why));
    }
    if object::text(schema, "/x-kubernetes-list-type") == "map"
        && object::items(schema, "/x-kubernetes-list-map-keys").is_empty()
    {
        let why = "must not be empty if x-kubernetes-list-type is map";
        causes.push(Cause::required(format!("{field}.x-kubernetes-list-map-keys"), why));
    }
    let additional = schema.get("additionalProperties").filter(|additional| !additional.is_null());
    if additional.is_some() && schema.get("properties").is_some() {
        let why = "additionalProperties and properties are mutual exclusive";
        causes.push(Cause::forbidden(format!("{field}.additionalProperties"), why));
    }
    if let Some(default) = schema.get("default") {
        let mut faults = Vec::new();
        value_schema::check(schema, default, &mut faults);
        for fault in &mut faults {
            fault.field = format!("{field}.default{}", fault.field);
        }
        causes.append(&mut faults);
    }
    for (name, property) in object::entries(schema, "/properties") {
        structural(property, &format!("{field}.properties[{name}]"), Level::Field, causes);
    }
    if let Some(items) = schema.get("items") {
        structural(items, &format!("{field}.items"), Level::Item, causes);
    }
    if let Some(additional) = additional.filter(|additional| additional.is_object()) {
        structural(additional, &format!("{field}.additionalProperties"), Level::Field, causes);
    }
}

/// The columns of a version.
fn printed(version: &Value, place: &str, causes: &mut Vec<Cause>) {
    for (at, column) in object::items(version, "/additionalPrinterColumns").iter().enumerate() {
        let field = |name: &str| format!("{place}.additionalPrinterColumns[{at}].{name}");
        if object::text(column, "/name").is_empty() {
            causes.push(Cause::required(field("name"), ""));
        }
        let ty = object::text(column, "/type");
        if !matches!(ty, "boolean" | "date" | "integer" | "number" | "string") {
            let why = "must be one of boolean,date,integer,number,string";
            causes.push(Cause::invalid(field("type"), &json!(ty), why));
        }
        let path = object::text(column, "/jsonPath");
        if path.is_empty() {
            causes.push(Cause::required(field("JSONPath"), ""));
        } else if !path.starts_with('.') || JsonPath::parse(path).is_none() {
            causes.push(Cause::invalid(field("JSONPath"), &json!(path), "must be a simple json path starting with ."));
        }
    }
}

/// Where a version keeps the numbers of its scale.
fn scaled(version: &Value, place: &str, causes: &mut Vec<Cause>) {
    let Some(scale) = version.pointer("/subresources/scale") else { return };
    for (name, root) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let field = format!("{place}.subresources.scale.{name}");
        let path = object::text(scale, &format!("/{name}"));
        if path.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if !path.starts_with(root) {
            let why = format!("should be a json path under {}", root.trim_end_matches('.'));
            causes.push(Cause::invalid(field, &json!(path), &why));
        }
    }
}
