//! Reading types out of JSON schemas: the published Kubernetes definitions, and the schema of a custom resource.
//!
//! Only what merging needs is read. Validation rules (patterns, bounds, enumerations) and descriptions are left out.

use serde_json::{Map, Value};

use super::definition::{
    DEDUCED, Definition, FieldDefinition, Format, ListDefinition, ListKind, MapDefinition, PatchRule, Reference,
    Scalar, UNTYPED_ATOMIC,
};
use super::tables;
use super::{OBJECT_META, SchemaError};

/// Reads one type.
///
/// `preserve_unknown` says that a struct may hold fields it does not declare; a schema that says so itself says it for
/// everything below, too. `at` names the type in errors.
pub(crate) fn read_definition(schema: &Value, preserve_unknown: bool, at: &str) -> Result<Definition, SchemaError> {
    let reader = Reader { at, preserve_unknown };
    reader.definition(schema)
}

/// Reads a named Kubernetes definition. The definitions are incomplete in places; [`tables`] holds what they lack.
pub(crate) fn read_kubernetes(name: &str, schema: &Value) -> Result<Definition, SchemaError> {
    if let Some(definition) = tables::replaced_definition(name) {
        return Ok(definition);
    }
    let mut definition = read_definition(schema, false, name)?;
    if !tables::is_built_in(name) {
        return Ok(definition);
    }
    for field in definition.map.iter_mut().flat_map(|map| &mut map.fields) {
        let known = || tables::key_default(name, &field.name).or_else(|| zero_of_required(name, field));
        field.default = field.default.clone().or_else(known);
        field.write_only = tables::is_write_only(name, &field.name);
        field.always_present = field.required || tables::is_always_present(name, &field.name);
    }
    Ok(definition)
}

/// Gives a custom resource, or an object inside one, the fields that every object has, whatever its schema says of them.
pub(super) fn add_object_fields(map: &mut MapDefinition) {
    let text = scalar(Scalar::String, Format::Plain);
    let fields = [
        ("apiVersion", Reference::Inline(Box::new(text.clone()))),
        ("kind", Reference::Inline(Box::new(text))),
        ("metadata", Reference::named(OBJECT_META)),
    ];
    map.fields.retain(|field| fields.iter().all(|(name, _)| field.name != *name));
    map.fields.extend(fields.map(|(name, reference)| FieldDefinition {
        name: name.to_owned(),
        reference,
        required: false,
        patch: PatchRule::default(),
        default: None,
        always_present: false,
        write_only: false,
    }));
    map.fields.sort_by(|l, r| l.name.cmp(&r.name));
}

/// A required scalar of a built-in type is never absent to the server: it reads as empty text or zero.
fn zero_of_required(definition: &str, field: &FieldDefinition) -> Option<Value> {
    if !tables::has_zero(definition, &field.name) {
        return None;
    }
    let Reference::Inline(definition) = &field.reference else { return None };
    match definition.scalar {
        Some(Scalar::String) if field.required => Some(Value::from("")),
        Some(Scalar::Integer | Scalar::Number) if field.required => Some(Value::from(0)),
        _ => None,
    }
}

struct Reader<'a> {
    at: &'a str,
    preserve_unknown: bool,
}

impl Reader<'_> {
    fn definition(&self, schema: &Value) -> Result<Definition, SchemaError> {
        let schema = schema.as_object().ok_or_else(|| self.error("is not a JSON object"))?;
        let preserve_unknown = self.preserve_unknown || is_true(schema, "x-kubernetes-preserve-unknown-fields");
        let reader = Reader { at: self.at, preserve_unknown };
        Ok(match type_of(schema) {
            Some("object") => Definition { map: Some(reader.map(schema)?), ..Definition::default() },
            Some("array") => Definition { list: Some(reader.list(schema)?), ..Definition::default() },
            Some("integer") => scalar(Scalar::Integer, Format::Plain),
            Some("number") => scalar(Scalar::Number, Format::Plain),
            Some("boolean") => scalar(Scalar::Boolean, Format::Plain),
            Some("string") => reader.text(schema),
            Some(_) => return Err(self.error("has a type that JSON does not have")),
            None => Definition {
                scalar: Some(Scalar::Any),
                format: if is_true(schema, "x-kubernetes-int-or-string") { Format::IntOrString } else { Format::Plain },
                list: Some(reader.list(schema)?),
                map: Some(reader.map(schema)?),
            },
        })
    }

    /// Text of a format other than base64 counts as any scalar: the server says so.
    fn text(&self, schema: &Map<String, Value>) -> Definition {
        match schema.get("format").and_then(Value::as_str) {
            None => scalar(Scalar::String, Format::Plain),
            Some("byte") => scalar(Scalar::String, Format::Bytes),
            Some("date-time") => scalar(Scalar::Any, Format::Time),
            Some("int-or-string") => scalar(Scalar::Any, Format::IntOrString),
            Some(_) => scalar(Scalar::Any, Format::Plain),
        }
    }

    fn map(&self, schema: &Map<String, Value>) -> Result<MapDefinition, SchemaError> {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let embedded = is_true(schema, "x-kubernetes-embedded-resource");
        let mut fields = Vec::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            fields.push(FieldDefinition {
                name: name.clone(),
                reference: self.reference(property)?,
                required: required.contains(&name.as_str()),
                patch: patch_rule(property),
                default: property.get("default").filter(|default| crate::value::is_scalar(default)).cloned(),
                always_present: false,
                write_only: false,
            });
        }
        fields.sort_by(|l, r| l.name.cmp(&r.name));
        let declared = embedded || !fields.is_empty();
        let element = match schema.get("additionalProperties") {
            None if self.preserve_unknown || !declared => Some(Reference::named(DEDUCED)),
            None | Some(Value::Bool(false)) => None,
            Some(Value::Bool(true)) => Some(Reference::named(DEDUCED)),
            Some(element) => Some(self.reference(element)?),
        };
        let mut map = MapDefinition { fields, element, atomic: self.asks_for_atomic_map(schema)?.unwrap_or(false) };
        if embedded {
            add_object_fields(&mut map);
        }
        Ok(map)
    }

    fn list(&self, schema: &Map<String, Value>) -> Result<ListDefinition, SchemaError> {
        let element = match schema.get("items") {
            Some(items) => self.reference(items)?,
            None if type_of(schema).is_none() => Reference::named(UNTYPED_ATOMIC),
            None => return Err(self.error("has a list without items")),
        };
        Ok(ListDefinition { element, kind: self.list_kind(schema)? })
    }

    /// `x-kubernetes-list-type` decides; without it, what the strategic merge patch does.
    fn list_kind(&self, schema: &Map<String, Value>) -> Result<ListKind, SchemaError> {
        match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("atomic") => return Ok(ListKind::Atomic),
            Some("set") => return Ok(ListKind::Set),
            Some("map") => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let keys: Vec<String> =
                    keys.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
                return if keys.is_empty() {
                    Err(self.error("has a list map without x-kubernetes-list-map-keys"))
                } else {
                    Ok(ListKind::Map(keys))
                };
            }
            Some(_) => return Err(self.error("has an x-kubernetes-list-type other than atomic, set and map")),
            None => {}
        }
        let patch = patch_rule_of(schema);
        Ok(match (patch.merge, patch.merge_key) {
            (true, Some(key)) => ListKind::Map(vec![key]),
            (true, None) => ListKind::Set,
            (false, _) => ListKind::Atomic,
        })
    }

    fn reference(&self, schema: &Value) -> Result<Reference, SchemaError> {
        let target = schema.get("$ref").or_else(|| match schema.get("allOf").and_then(Value::as_array)?.as_slice() {
            [only] => only.get("$ref"),
            _ => None,
        });
        let Some(target) = target.and_then(Value::as_str) else {
            return Ok(Reference::Inline(Box::new(self.definition(schema)?)));
        };
        let name = target.rsplit('/').next().unwrap_or(target).to_owned();
        let atomic = schema.as_object().map_or(Ok(None), |schema| self.asks_for_atomic_map(schema))?;
        Ok(Reference::Named { name, atomic })
    }

    fn asks_for_atomic_map(&self, schema: &Map<String, Value>) -> Result<Option<bool>, SchemaError> {
        match schema.get("x-kubernetes-map-type").and_then(Value::as_str) {
            None => Ok(None),
            Some("atomic") => Ok(Some(true)),
            Some("granular") => Ok(Some(false)),
            Some(_) => Err(self.error("has an x-kubernetes-map-type other than atomic and granular")),
        }
    }

    fn error(&self, what: &'static str) -> SchemaError {
        SchemaError { name: self.at.to_owned(), what }
    }
}

fn scalar(scalar: Scalar, format: Format) -> Definition {
    Definition { scalar: Some(scalar), format, list: None, map: None }
}

fn is_true(schema: &Map<String, Value>, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The type a schema names; the published definitions write optional ones as a pair with `null`.
fn type_of(schema: &Map<String, Value>) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

fn patch_rule(schema: &Value) -> PatchRule {
    schema.as_object().map(patch_rule_of).unwrap_or_default()
}

fn patch_rule_of(schema: &Map<String, Value>) -> PatchRule {
    let strategies = schema.get("x-kubernetes-patch-strategy").and_then(Value::as_str).unwrap_or_default();
    PatchRule {
        merge: strategies.split(',').any(|strategy| strategy == "merge"),
        retain_keys: strategies.split(',').any(|strategy| strategy == "retainKeys"),
        merge_key: schema.get("x-kubernetes-patch-merge-key").and_then(Value::as_str).map(ToOwned::to_owned),
    }
}
