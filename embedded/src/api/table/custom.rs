//! The columns of a custom resource: its name, and what its definition asks for.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::duration;
use crate::json_path::JsonPath;
use crate::object;

/// A column of a definition.
pub(super) struct Column {
    name: String,
    ty: String,
    path: Option<JsonPath>,
    /// As the table describes it.
    pub(super) definition: Value,
}

/// The columns after the name; the age where the definition has none.
pub(super) fn columns(version: &Value, age: &str) -> Vec<Column> {
    let asked = object::items(version, "/additionalPrinterColumns");
    if asked.is_empty() {
        let path = ".metadata.creationTimestamp";
        return vec![column(&json!({"name": "Age", "type": "date", "jsonPath": path, "description": age}))];
    }
    asked.iter().map(column).collect()
}

/// The columns of a custom resource's `Scale`.
pub(super) fn columns_of_scale(age: &str) -> Vec<Column> {
    let number = |name: &str, description: &str, path: &str| json!({"name": name, "type": "integer", "description": description, "jsonPath": path});
    let mut all = vec![
        column(&number("Desired", "Number of desired replicas", ".spec.replicas")),
        column(&number("Available", "Number of actual replicas", ".status.replicas")),
    ];
    all.extend(columns(&Value::Null, age));
    all
}

fn column(asked: &Value) -> Column {
    let text = |field: &str| object::text(asked, field);
    let described = match text("/description") {
        "" => format!("Custom resource definition column (in JSONPath format): {}", text("/jsonPath")),
        words => words.to_owned(),
    };
    let definition = json!({
        "name": text("/name"),
        "type": text("/type"),
        "format": text("/format"),
        "description": described,
        "priority": object::number(asked, "/priority").unwrap_or(0),
    });
    Column {
        name: text("/name").to_owned(),
        ty: text("/type").to_owned(),
        path: JsonPath::parse(text("/jsonPath")),
        definition,
    }
}

impl Column {
    /// What the column holds for an object; `null` where there is nothing of its type.
    pub(super) fn cell(&self, value: &Value, now: Timestamp) -> Value {
        let found = self.path.as_ref().and_then(|path| path.find(value).into_iter().next());
        let Some(found) = found.filter(|found| !found.is_null()) else { return Value::Null };
        match self.ty.as_str() {
            "string" => json!(super::cells::plain(found)),
            "integer" => found.as_i64().or_else(|| found.as_f64().map(|n| n as i64)).map_or(Value::Null, Value::from),
            "number" => found.as_f64().map_or(Value::Null, Value::from),
            "boolean" => found.as_bool().map_or(Value::Null, Value::from),
            "date" => match found.as_str().map(str::parse::<Timestamp>) {
                Some(Ok(from)) => json!(duration(from, now)),
                Some(Err(_)) => json!("<invalid>"),
                None => Value::Null,
            },
            _ => Value::Null,
        }
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").field("name", &self.name).field("type", &self.ty).finish_non_exhaustive()
    }
}
