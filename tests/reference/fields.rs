//! Pages made of JSON Schemas: every object with its members, every simple form with what it takes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

/// What a schema says of itself in prose, in one paragraph.
fn description(schema: &Value) -> String {
    // Examples of types are for whoever reads the code.
    let text = schema["description"].as_str().unwrap_or_default();
    super::plain(text.split("\n\n```").next().unwrap_or_default())
}

/// The name that a reference leads to.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

/// The type of a value, with links to what is described elsewhere on the page.
fn kind(schema: &Value) -> String {
    if let Some(name) = referred(schema) {
        return link(name);
    }
    for list in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[list].as_array() {
            let kinds: Vec<String> = choices.iter().filter(|one| one["type"] != "null").map(kind).collect();
            let mut seen = BTreeSet::new();
            return kinds.into_iter().filter(|one| seen.insert(one.clone())).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    let word = |name: &str| match name {
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", kind(items)),
            None => "list".to_owned(),
        },
        "object" => match (&schema["additionalProperties"], referred(&schema["propertyNames"])) {
            (values @ Value::Object(_), Some(name)) => format!("map from {} to {}", link(name), kind(values)),
            (values @ Value::Object(_), None) => format!("map to {}", kind(values)),
            _ => "object".to_owned(),
        },
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => word(name),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.map(word).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

/// The members of an object, as a table.
fn members(object: &Value) -> String {
    let required = |name: &str| object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let Some(properties) = object["properties"].as_object().filter(|all| !all.is_empty()) else {
        return String::new();
    };
    let mut table = String::from("\n| member | | type | meaning |\n|---|---|---|---|\n");
    for (name, schema) in properties {
        let presence = match schema.get("default") {
            _ if required(name) => "required".to_owned(),
            Some(default) if *default != Value::Null => format!("`{}`", super::plain(default)),
            _ => String::new(),
        };
        let _ = writeln!(table, "| `{name}` | {presence} | {} | {} |", kind(schema), description(schema));
    }
    table
}

/// What a simple form takes.
fn limits(schema: &Value) -> String {
    let mut said = vec![kind(schema)];
    for (word, name) in [("minimum", "at least"), ("maximum", "at most"), ("maxLength", "characters at most")] {
        if let Some(limit) = schema.get(word) {
            said.push(format!("{name} {limit}"));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        said.push(format!("as `{}`", pattern.replace('|', "\\|")));
    }
    said.join(", ")
}

/// A form that is one of several: each with what tells it, and its own members.
fn choices(schema: &Value, tag: Option<&str>) -> String {
    let mut text = String::new();
    let all = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    let simple = |one: &Value| one.get("properties").is_none();
    let all: Vec<&Value> = all.into_iter().flatten().collect();
    if all.iter().all(|one| simple(one)) {
        for one in &all {
            match one.get("enum").and_then(Value::as_array) {
                Some(values) => values.iter().for_each(|value| {
                    let _ = writeln!(text, "- `{}`", value.as_str().unwrap_or_default());
                }),
                None => {
                    let name = one["const"].as_str().map_or_else(|| kind(one), |name| format!("`{name}`"));
                    let said = description(one);
                    let _ = writeln!(text, "- {name}{}", if said.is_empty() { said } else { format!(": {said}") });
                }
            }
        }
        return format!("\n{text}");
    }
    for one in all {
        let of_tag = tag.and_then(|tag| one["properties"][tag]["const"].as_str());
        let first = one["properties"].as_object().and_then(|all| all.keys().next());
        let name = of_tag.map(str::to_owned).or(first.cloned()).unwrap_or_else(|| kind(one).replace('`', ""));
        let _ = write!(text, "\n`{name}`: {}\n{}", description(one), members(one));
    }
    text
}

/// The names of what a schema refers to, in the order in which it does.
fn reached(schema: &Value, found: &mut Vec<String>) {
    if let Some(name) = referred(schema).filter(|name| !found.iter().any(|one| one == name)) {
        found.push(name.to_owned());
    }
    match schema {
        Value::Object(members) => {
            members.iter().filter(|(name, _)| *name != "$defs").for_each(|(_, one)| reached(one, found))
        }
        Value::Array(items) => items.iter().for_each(|one| reached(one, found)),
        _ => {}
    }
}

/// The page of a schema: the root, then what it refers to, objects before simple forms.
pub(super) fn page(title: &str, opening: &str, schema: &Value, tag: Option<&str>) -> String {
    let mut names = Vec::new();
    reached(schema, &mut names);
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        reached(&schema["$defs"][&name], &mut names);
        at += 1;
    }
    let mut page = format!("# {title}\n\n{opening}\n{}", members(schema));
    if schema.get("properties").is_none() || schema.get("oneOf").is_some() {
        page += &choices(schema, tag);
    }
    let is_simple = |name: &&String| {
        let of = &schema["$defs"][name.as_str()];
        of.get("properties").is_none() && of.get("oneOf").is_none() && of.get("anyOf").is_none()
    };
    for name in names.iter().filter(|name| !is_simple(name)) {
        let of = &schema["$defs"][name.as_str()];
        let _ = write!(page, "\n## {name}\n\n{}\n{}", description(of), members(of));
        if of.get("oneOf").is_some() || (of.get("anyOf").is_some() && of.get("properties").is_none()) {
            let tags = ["cause", "event"].into_iter().find(|tag| !of["oneOf"][0]["properties"][*tag].is_null());
            page += &choices(of, tags);
        }
    }
    let simple: Vec<&String> = names.iter().filter(is_simple).collect();
    for name in simple {
        let of = &schema["$defs"][name.as_str()];
        let _ = write!(page, "\n## {name}\n\n{}\n\nForm: {}.\n", description(of), limits(of));
    }
    page
}
