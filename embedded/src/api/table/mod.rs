//! `Table` answers: the columns and cells that the server prints, for the built-in kinds as they are defined there, for
//! custom resources as their definitions ask.

mod age;
mod cells;
mod columns;
mod custom;
mod network;
mod pod;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::columns::{Column, Description};
use super::body;
use crate::object;
use crate::openapi::Schemas;
use crate::registry::Resource;

/// How a table is asked for.
pub(crate) struct TableOptions {
    /// What each row holds beside its cells: `None`, `Metadata` (also empty) or `Object`.
    pub(crate) include: String,
    /// Are the columns described? A watch describes them only once.
    pub(crate) headers: bool,
}

/// A table of objects, as they are stored.
pub(crate) fn table<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    options: TableOptions,
    now: Timestamp,
) -> Value {
    let objects: Vec<&Value> = objects.collect();
    let subject = Subject::of(resource, objects.first().copied());
    let asked = resource.custom.as_ref().map(|version| {
        let age = subject.described(columns::AGE);
        if objects.first().is_some_and(|value| is_scale(value)) {
            custom::columns_of_scale(&age)
        } else {
            custom::columns(version, &age)
        }
    });
    let mut version = String::new();
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|value| {
            version = object::text(value, "/metadata/resourceVersion").to_owned();
            let cells = match &asked {
                Some(asked) => {
                    let name = std::iter::once(json!(object::name(value)));
                    name.chain(asked.iter().map(|column| column.cell(value, now))).collect()
                }
                None => cells::of(subject.storage, value, now),
            };
            let mut row = match options.include.as_str() {
                "None" => json!({"cells": cells, "object": null}),
                "Object" => json!({"cells": cells, "object": value}),
                _ => json!({"cells": cells, "object": body::metadata_only(value)}),
            };
            if let (Some(conditions), true) = (pod::conditions(value), resource.is("", "Pod")) {
                object::set(&mut row, "/conditions", conditions);
            }
            row
        })
        .collect();
    let mut table = json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": null,
        "rows": rows,
    });
    // The printer of kinds without columns of their own writes no list where there is no row.
    if object::items(&table, "/rows").is_empty() && asked.is_none() && columns::are_plain(subject.storage) {
        object::set(&mut table, "/rows", Value::Null);
    }
    if options.headers {
        let name = std::iter::once(subject.definition(columns::NAME));
        let all: Vec<Value> = match asked {
            Some(asked) => name.chain(asked.into_iter().map(|column| column.definition)).collect(),
            None => columns::of(subject.storage).iter().map(|column| subject.definition(*column)).collect(),
        };
        object::set(&mut table, "/columnDefinitions", json!(all));
    }
    table
}

/// Under which name the columns of a `Scale` stand; it is stored nowhere.
const SCALE: &str = "autoscaling/scales";

fn is_scale(value: &Value) -> bool {
    object::text(value, "/kind") == "Scale" && object::text(value, "/apiVersion") == "autoscaling/v1"
}

/// What a table shows: the name its columns stand under, and the kind whose fields describe them.
struct Subject<'a> {
    storage: &'a str,
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

impl<'a> Subject<'a> {
    /// Objects of a resource, or the `Scale` of one of them. Kinds that are served in several versions are shown in one.
    fn of(resource: &'a Resource, first: Option<&Value>) -> Subject<'a> {
        let scaled = resource.custom.is_none() && first.is_some_and(is_scale);
        let storage = if scaled { SCALE } else { &*resource.storage };
        let (group, version, kind) = match storage {
            SCALE => ("autoscaling", "v1", "Scale"),
            "events" => ("", "v1", "Event"),
            "autoscaling/horizontalpodautoscalers" => ("autoscaling", "v2", "HorizontalPodAutoscaler"),
            _ => (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()),
        };
        Subject { storage, group, version, kind }
    }

    /// A column as the table describes it.
    fn definition(&self, column: Column) -> Value {
        let names = matches!(column.name, "Name" | "Attacher") && self.storage != SCALE;
        json!({
            "name": column.name,
            "type": column.ty,
            "format": if names { "name" } else { "" },
            "description": self.described(column),
            "priority": i32::from(column.wide),
        })
    }

    fn described(&self, column: Column) -> String {
        let field = match column.description {
            Description::Words(words) => return words.to_owned(),
            Description::Field(field) => field,
        };
        let path: Vec<&str> = field.split('.').collect();
        // What every object has is described with every kind; a custom resource has no schema here.
        let (group, version, kind) = match path.first() {
            Some(&"metadata") => ("", "v1", "ConfigMap"),
            _ => (self.group, self.version, self.kind),
        };
        let text = Schemas::shipped().description(group, version, kind, &path);
        // The documents list a field's values after its description; the tables do not.
        text.split("\n\nPossible enum values").next().unwrap_or_default().to_owned()
    }
}
