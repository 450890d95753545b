//! JSON Schemas of the two kinds of file, for editors and for the loader's own decoder.
//!
//! They are what `schemars` derives from the types, tidied: an optional field may be absent, but not null, and the
//! keys of a map are described by `propertyNames`, with the type's pattern and longest length.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::{
    ClusterName, ConfigKey, EnvName, Environment, EnvironmentName, LabelKey, NamespaceName, OutputName, PolicyId,
    ServiceName, ServiceRef, Stack, TierName,
};

/// The schema of a stack file (JSON Schema, draft 2020-12).
///
/// ```
/// let schema = strata_components::model::schema::stack();
/// assert_eq!(schema["properties"]["services"]["propertyNames"]["maxLength"], 59);
/// ```
#[must_use]
pub fn stack() -> Value {
    of::<Stack>()
}

/// The schema of an environment file (JSON Schema, draft 2020-12).
#[must_use]
pub fn environment() -> Value {
    of::<Environment>()
}

/// The schema of any type of the model, in the same form.
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .with_transform(Tidy)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What a map may be keyed by: pattern, longest length, name.
const KEYS: [(&str, usize, &str); 11] = [
    (ServiceName::PATTERN, ServiceName::MAX_LENGTH, "service name"),
    (TierName::PATTERN, TierName::MAX_LENGTH, "name"),
    (EnvironmentName::PATTERN, EnvironmentName::MAX_LENGTH, "name"),
    (NamespaceName::PATTERN, NamespaceName::MAX_LENGTH, "name"),
    (ClusterName::PATTERN, ClusterName::MAX_LENGTH, "name"),
    (ServiceRef::PATTERN, ServiceRef::MAX_LENGTH, "reference to a service"),
    (OutputName::PATTERN, OutputName::MAX_LENGTH, "output name"),
    (ConfigKey::PATTERN, ConfigKey::MAX_LENGTH, "configuration key"),
    (EnvName::PATTERN, EnvName::MAX_LENGTH, "environment variable name"),
    (LabelKey::PATTERN, LabelKey::MAX_LENGTH, "label key"),
    (PolicyId::PATTERN, PolicyId::MAX_LENGTH, "id of a policy"),
];

/// Takes null out of optional fields, and turns pattern properties into described property names.
#[derive(Debug, Clone, Copy)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(object) = schema.as_object_mut() {
            without_null(object);
            named_keys(object);
        }
        transform_subschemas(self, schema);
    }
}

fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = object.get_mut("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            // What the field itself says (its description) goes before what its type says.
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
}

fn named_keys(object: &mut Map<String, Value>) {
    let Some(Value::Object(patterns)) = object.get("patternProperties") else { return };
    let mut entries = patterns.iter();
    let (Some((pattern, value)), None) = (entries.next(), entries.next()) else { return };
    let (pattern, value) = (pattern.clone(), value.clone());
    let mut names = Map::new();
    if let Some((_, longest, title)) = KEYS.iter().find(|(known, ..)| *known == pattern) {
        names.insert("title".to_owned(), Value::from(*title));
        names.insert("maxLength".to_owned(), Value::from(*longest));
    }
    names.insert("pattern".to_owned(), Value::from(pattern));
    object.remove("patternProperties");
    object.insert("propertyNames".to_owned(), Value::Object(names));
    object.insert("additionalProperties".to_owned(), value);
}
