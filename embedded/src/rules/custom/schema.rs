//! A value against an OpenAPI v3 schema, in the words of the server. Finds everything at once; changes nothing.

use std::collections::HashSet;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::format;
use crate::failure::Cause;
use crate::object;

/// The field of a sentence that is about no field.
pub(super) const NOWHERE: &str = "<nil>";

/// What is wrong with a value.
pub(super) fn check(schema: &Value, value: &Value, causes: &mut Vec<Cause>) {
    Check { causes }.value(schema, value, "");
}

struct Check<'a> {
    causes: &'a mut Vec<Cause>,
}

/// A value's type in JSON's words; whole numbers are told from others.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if is_whole(number.as_f64()) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(number: Option<f64>) -> bool {
    number.is_some_and(|number| number.fract() == 0.0)
}

fn below(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

impl Check<'_> {
    fn invalid(&mut self, place: &str, value: &Value, rest: &str) {
        self.causes.push(Cause::invalid(place, value, &format!("{place} in body {rest}")));
    }

    fn nowhere(&mut self, words: &str) {
        self.causes.push(Cause::invalid(NOWHERE, &json!(""), words));
    }

    fn value(&mut self, schema: &Value, value: &Value, place: &str) {
        if value.is_null() && object::truth(schema, "/nullable") {
            return;
        }
        self.is_of_type(schema, value, place);
        self.is_listed(schema, value, place);
        match value {
            Value::Object(map) => self.map(schema, map, place),
            Value::Array(items) => self.list(schema, items, place),
            Value::String(text) => self.text(schema, text, place),
            Value::Number(_) => self.number(schema, value, place),
            Value::Null | Value::Bool(_) => {}
        }
        self.combinations(schema, value, place);
    }

    fn is_of_type(&mut self, schema: &Value, value: &Value, place: &str) {
        let either = object::truth(schema, "/x-kubernetes-int-or-string");
        let wanted = if either { "integer,string" } else { object::text(schema, "/type") };
        let found = type_of(value);
        let fits = wanted.is_empty()
            || wanted.split(',').any(|wanted| wanted == found || (wanted == "number" && found == "integer"));
        if !fits {
            let why = format!("{place} in body must be of type {wanted}: \"{found}\"");
            self.causes.push(Cause::type_invalid(place, &json!(found), &why));
            if found == "number" && wanted == "integer" {
                self.nowhere(&format!("Checked value must be of type integer (default format) in {place}"));
            }
        }
    }

    fn is_listed(&mut self, schema: &Value, value: &Value, place: &str) {
        let known = object::items(schema, "/enum");
        if known.is_empty() || known.contains(value) {
            return;
        }
        let known: Vec<String> =
            known.iter().map(|known| known.as_str().map_or_else(|| known.to_string(), str::to_owned)).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        self.causes.push(Cause::unsupported(place, value, &known));
    }

    fn map(&mut self, schema: &Value, map: &Map<String, Value>, place: &str) {
        if !matches!(object::text(schema, "/type"), "" | "object") {
            return;
        }
        let number = |pointer: &str| object::number(schema, pointer).and_then(|number| usize::try_from(number).ok());
        if let Some(most) = number("/maxProperties").filter(|most| map.len() > *most) {
            self.causes.push(Cause::too_many(place, map.len(), most));
        }
        if let Some(least) = number("/minProperties").filter(|least| map.len() < *least) {
            self.invalid(place, &json!(map), &format!("should have at least {least} properties"));
        }
        for required in object::items(schema, "/required").iter().filter_map(Value::as_str) {
            if !map.contains_key(required) {
                self.causes.push(Cause::required(below(place, required), ""));
            }
        }
        for (name, inner) in map {
            let property = schema.get("properties").and_then(|properties| properties.get(name));
            if let Some(property) = property.or_else(|| schema.get("additionalProperties")) {
                self.value(property, inner, &below(place, name));
            }
        }
    }

    fn list(&mut self, schema: &Value, items: &[Value], place: &str) {
        if !matches!(object::text(schema, "/type"), "" | "array") {
            return;
        }
        let number = |pointer: &str| object::number(schema, pointer).and_then(|number| usize::try_from(number).ok());
        if let Some(most) = number("/maxItems").filter(|most| items.len() > *most) {
            self.causes.push(Cause::too_many(place, items.len(), most));
        }
        if let Some(least) = number("/minItems").filter(|least| items.len() < *least) {
            self.invalid(place, &json!(items.len()), &format!("should have at least {least} items"));
        }
        if let Some(of) = schema.get("items") {
            for (at, item) in items.iter().enumerate() {
                self.value(of, item, &format!("{place}[{at}]"));
            }
        }
        let identity: Box<dyn Fn(&Value) -> Value> = match object::text(schema, "/x-kubernetes-list-type") {
            "set" => Box::new(Value::clone),
            "map" => Box::new(|item| keys_of(schema, item)),
            _ => return,
        };
        let mut seen = HashSet::new();
        for (at, item) in items.iter().enumerate() {
            let identity = identity(item);
            if !seen.insert(identity.to_string()) {
                self.causes.push(Cause::duplicate(format!("{place}[{at}]"), &identity));
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, place: &str) {
        if !matches!(object::text(schema, "/type"), "" | "string") {
            return;
        }
        let length = text.chars().count();
        let number = |pointer: &str| object::number(schema, pointer).and_then(|number| usize::try_from(number).ok());
        let pattern = object::text(schema, "/pattern");
        // A pattern that cannot be read was let in with the definition, and matches everything.
        let differs = || !pattern.is_empty() && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text));
        // The first of these that is wrong is all that the server says of a text.
        if let Some(most) = number("/maxLength").filter(|most| length > *most) {
            self.causes.push(Cause::too_long(place, most));
        } else if let Some(least) = number("/minLength").filter(|least| length < *least) {
            self.invalid(place, &json!(text), &format!("should be at least {least} chars long"));
        } else if differs() {
            self.invalid(place, &json!(text), &format!("should match '{pattern}'"));
        }
        let format = object::text(schema, "/format");
        if !format::fits(format, text) {
            let why = format!("{place} in body must be of type {format}: {text:?}");
            self.causes.push(Cause::type_invalid(place, &json!(text), &why));
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, place: &str) {
        let Some(number) = value.as_f64() else { return };
        let wanted = object::text(schema, "/type");
        if !(wanted.is_empty() || wanted == "number" || (wanted == "integer" && is_whole(Some(number)))) {
            return;
        }
        let bound = |pointer: &str| schema.pointer(pointer).and_then(Value::as_f64);
        if let Some(of) = bound("/multipleOf") {
            if number <= 0.0 {
                // The server takes the value for the factor here.
                let why = format!("factor MultipleOf declared for {place} must be positive: {number}");
                self.causes.push(Cause::invalid(place, value, &why));
            } else if !is_whole(Some(number / of)) {
                self.invalid(place, value, &format!("should be a multiple of {of}"));
            }
        }
        if let Some(least) = bound("/minimum") {
            if object::truth(schema, "/exclusiveMinimum") && number <= least {
                self.invalid(place, value, &format!("should be greater than {least}"));
            } else if number < least {
                self.invalid(place, value, &format!("should be greater than or equal to {least}"));
            }
        }
        if let Some(most) = bound("/maximum") {
            if object::truth(schema, "/exclusiveMaximum") && number >= most {
                self.invalid(place, value, &format!("should be less than {most}"));
            } else if number > most {
                self.invalid(place, value, &format!("should be less than or equal to {most}"));
            }
        }
    }

    fn combinations(&mut self, schema: &Value, value: &Value, place: &str) {
        let faults = |schema: &Value| {
            let mut causes = Vec::new();
            Check { causes: &mut causes }.value(schema, value, place);
            causes
        };
        let any: Vec<Vec<Cause>> = object::items(schema, "/anyOf").iter().map(faults).collect();
        if !any.is_empty() && any.iter().all(|faults| !faults.is_empty()) {
            self.nowhere(&format!("{place:?} must validate at least one schema (anyOf)"));
            self.causes.extend(any.into_iter().next().unwrap_or_default());
        }
        let one: Vec<Vec<Cause>> = object::items(schema, "/oneOf").iter().map(faults).collect();
        match (one.len(), one.iter().filter(|faults| faults.is_empty()).count()) {
            (0, _) | (_, 1) => {}
            (_, 0) => {
                self.nowhere(&format!("{place:?} must validate one and only one schema (oneOf). Found none valid"));
                self.causes.extend(one.into_iter().next().unwrap_or_default());
            }
            (_, several) => {
                self.nowhere(&format!(
                    "{place:?} must validate one and only one schema (oneOf). Found {several} valid alternatives"
                ));
            }
        }
        let all: Vec<Cause> = object::items(schema, "/allOf").iter().flat_map(faults).collect();
        if !all.is_empty() {
            self.nowhere(&format!("{place:?} must validate all the schemas (allOf)"));
            self.causes.extend(all);
        }
        if schema.get("not").is_some_and(|not| faults(not).is_empty()) {
            self.nowhere(&format!("{place:?} must not validate the schema (not)"));
        }
    }
}

/// The fields of an item that tell it from others, with the defaults that the schema gives them.
fn keys_of(schema: &Value, item: &Value) -> Value {
    let mut keys = Map::new();
    for key in object::items(schema, "/x-kubernetes-list-map-keys").iter().filter_map(Value::as_str) {
        if let Some(value) = item.get(key) {
            keys.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, value: Value, expected: &[&str]) {
        let mut causes = Vec::new();
        let whole = json!({"type": "object", "properties": {"a": schema}});
        super::check(&whole, &json!({"a": value}), &mut causes);
        let found: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn values_are_checked_in_the_words_of_the_server() {
        let integer = || json!({"type": "integer", "minimum": 1, "maximum": 10});
        check(integer(), json!(3), &[]);
        check(integer(), json!(0), &["a: Invalid value: 0: a in body should be greater than or equal to 1"]);
        check(integer(), json!(11), &["a: Invalid value: 11: a in body should be less than or equal to 10"]);
        check(integer(), json!("1"), &["a: Invalid value: \"string\": a in body must be of type integer: \"string\""]);
        check(
            integer(),
            json!(1.5),
            &[
                "a: Invalid value: \"number\": a in body must be of type integer: \"number\"",
                "<nil>: Invalid value: \"\": Checked value must be of type integer (default format) in a",
            ],
        );
        let text = || json!({"type": "string", "pattern": "^[a-z]+$", "maxLength": 5});
        check(text(), json!("abc"), &[]);
        check(text(), json!("UPPERLONG"), &["a: Too long: may not be more than 5 bytes"]);
        check(text(), json!("UP"), &["a: Invalid value: \"UP\": a in body should match '^[a-z]+$'"]);
        check(
            json!({"type": "string", "enum": ["red", "blue"]}),
            json!("green"),
            &["a: Unsupported value: \"green\": supported values: \"red\", \"blue\""],
        );
        let list =
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 2, "x-kubernetes-list-type": "set"});
        check(list.clone(), json!(["a", "b", "c"]), &["a: Too many: 3: must have at most 2 items"]);
        check(list.clone(), json!(["a", "a"]), &["a[1]: Duplicate value: \"a\""]);
        check(
            list,
            json!([1]),
            &["a[0]: Invalid value: \"integer\": a[0] in body must be of type string: \"integer\""],
        );
        let map = json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
            "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}}},
        });
        check(map.clone(), json!([{"port": 1}, {"port": 1}]), &["a[1]: Duplicate value: {\"port\":1}"]);
        check(map, json!([{}]), &["a[0].port: Required value"]);
        check(
            json!({"type": "string", "format": "date-time"}),
            json!("never"),
            &["a: Invalid value: \"never\": a in body must be of type date-time: \"never\""],
        );
        check(
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            json!(true),
            &[
                "a: Invalid value: \"boolean\": a in body must be of type integer,string: \"boolean\"",
                "<nil>: Invalid value: \"\": \"a\" must validate at least one schema (anyOf)",
                "a: Invalid value: \"boolean\": a in body must be of type integer: \"boolean\"",
            ],
        );
        check(json!({"type": "string", "nullable": true}), json!(null), &[]);
        check(
            json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
            json!(1),
            &[
                "<nil>: Invalid value: \"\": \"a\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
            ],
        );
        check(
            json!({"not": {"type": "integer"}}),
            json!(1),
            &["<nil>: Invalid value: \"\": \"a\" must not validate the schema (not)"],
        );
    }
}
