//! Brings a body into the form that the server stores: what its Go types would keep of it, written as they would write it.
//! Fields of the wrong type are refused; fields that a type does not have are dropped and named. Fills in no default.

use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use serde_json::{Map, Value};
use structured_merge::quantity::Quantity;
use structured_merge::schema::{Format, Scalar, TypeRef};

use super::go_fields::{always_shown, drops_false, drops_zero, keeps_empty};
use super::go_types::{embedded_in, mismatch, struct_name};
use super::print::quote;
use crate::registry::Resource;

/// What became of a body.
#[derive(Debug, Default)]
pub(crate) struct Conformed {
    /// Fields that the types do not have, as paths; dropped.
    pub(crate) unknown: Vec<String>,
    /// The first value that is not of its field's type.
    pub(crate) wrong: Option<Wrong>,
}

/// A value that is not of its field's type, in the server's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Where it was read from JSON.
    pub(crate) decoded: String,
    /// Where it was restored from a patched map.
    pub(crate) restored: String,
}

/// Brings an object of a resource into the stored form.
pub(crate) fn conform(resource: &Resource, value: &mut Value) -> Conformed {
    let mut walk = Walk {
        done: Conformed::default(),
        built_in: resource.custom.is_none(),
        structs: vec![resource.kind.clone()],
        fields: Vec::new(),
        stopped: false,
    };
    walk.value(&resource.schema, value, &mut String::new());
    walk.done
}

struct Walk {
    done: Conformed,
    built_in: bool,
    /// The structs that the walk is in, innermost last.
    structs: Vec<String>,
    /// The struct fields that lead here.
    fields: Vec<String>,
    /// Has a value been met that stops a reader of JSON?
    stopped: bool,
}

impl Walk {
    fn value(&mut self, ty: &TypeRef, value: &mut Value, path: &mut String) {
        match value {
            Value::Object(_) if !ty.is_map() => {
                let text = matches!(ty.format(), Format::Time | Format::IntOrString);
                if ty.is_list() || text || ty.scalar().is_some_and(|scalar| scalar != Scalar::Any) {
                    self.mismatch(ty, "object");
                }
            }
            Value::Object(map) => self.map(ty, map, path),
            Value::Array(items) => {
                let Some(item_type) = ty.items() else {
                    let text = matches!(ty.format(), Format::Time | Format::IntOrString);
                    if ty.is_map() || text || ty.scalar().is_some_and(|scalar| scalar != Scalar::Any) {
                        self.mismatch(ty, "array");
                    }
                    return;
                };
                for (at, item) in items.iter_mut().enumerate() {
                    let length = path.len();
                    path.push_str(&format!("[{at}]"));
                    self.nothing_here(&item_type, item);
                    self.value(&item_type, item, path);
                    path.truncate(length);
                }
            }
            Value::Null => {}
            scalar => self.scalar(ty, scalar),
        }
    }

    /// An item of a list or a map's entry cannot be absent: what holds nothing is the type's empty value.
    fn nothing_here(&self, ty: &TypeRef, value: &mut Value) {
        if !self.built_in || !value.is_null() {
            return;
        }
        if ty.is_map() && ty.fields().next().is_some() {
            *value = Value::Object(Map::new());
        } else if ty.scalar() == Some(Scalar::String) && ty.format() == Format::Plain {
            *value = Value::from("");
        }
    }

    fn map(&mut self, ty: &TypeRef, map: &mut Map<String, Value>, path: &mut String) {
        let name = struct_name(ty).filter(|_| ty.fields().next().is_some()).map(str::to_owned);
        let is_struct = name.is_some();
        if let Some(name) = name {
            self.structs.push(name);
        }
        let keys: Vec<String> = map.keys().cloned().collect();
        for key in keys {
            let length = path.len();
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&key);
            // The server's own account of ownership has a form of its own.
            if path != "metadata.managedFields" {
                self.entry(ty, map, &key, path);
            }
            path.truncate(length);
        }
        if is_struct {
            let name = self.structs.pop().unwrap_or_default();
            if self.built_in {
                for (field, zero) in always_shown(&name) {
                    if let Some(declared) = ty.declared_field(field)
                        && !map.contains_key(*field)
                    {
                        let mut shown = zero.value();
                        self.structs.push(name.clone());
                        self.value(&declared.ty, &mut shown, path);
                        self.structs.pop();
                        map.insert((*field).to_owned(), shown);
                    }
                }
            }
        }
    }

    fn entry(&mut self, ty: &TypeRef, map: &mut Map<String, Value>, key: &str, path: &mut String) {
        let declared = ty.declared_field(key).map(|field| field.required);
        let Some(field) = ty.field(key) else {
            if self.built_in || !matches!(path.as_str(), "apiVersion" | "kind" | "metadata") {
                self.done.unknown.push(format!("unknown field \"{path}\""));
                map.remove(key);
            }
            return;
        };
        let Some(inner) = map.get_mut(key) else { return };
        let depth = self.fields.len();
        if declared.is_some() {
            self.fields.extend(embedded_in(self.structs.last().map_or("", String::as_str), key).map(str::to_owned));
            self.fields.push(key.to_owned());
        } else {
            self.nothing_here(&field, inner);
        }
        self.value(&field, inner, path);
        self.fields.truncate(depth);
        if self.is_nothing(&field, inner, key, declared) {
            map.remove(key);
        }
    }

    fn scalar(&mut self, ty: &TypeRef, value: &mut Value) {
        match ty.format() {
            Format::Quantity => {
                let text = match &*value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                match Quantity::parse(&text) {
                    Ok(quantity) => *value = Value::String(quantity.to_string()),
                    Err(error) => self.wrong(error.to_string()),
                }
                return;
            }
            Format::Bytes if self.built_in => {
                if let Some(text) = value.as_str() {
                    match read_base64(text) {
                        Ok(canonical) => *value = Value::from(canonical),
                        Err(at) => {
                            let decoded = format!("illegal base64 data at input byte {at}");
                            let restored = format!("error decoding from json: {decoded}");
                            self.done.wrong = self.done.wrong.take().or(Some(Wrong { decoded, restored }));
                        }
                    }
                }
            }
            Format::Time if self.built_in && value.is_string() => {
                if let Some(text) = value.as_str()
                    && text.parse::<jiff::Timestamp>().is_err()
                {
                    let (shown, year) = (quote(text), quote("2006"));
                    let form = quote("2006-01-02T15:04:05Z07:00");
                    self.wrong(format!("parsing time {shown} as {form}: cannot parse {shown} as {year}"));
                }
            }
            Format::Time if self.built_in && !value.is_string() => {
                self.mismatch(ty, shape(value));
                return;
            }
            Format::IntOrString if self.built_in && !value.is_string() => {
                match value.as_i64() {
                    Some(number) if i32::try_from(number).is_ok() => {}
                    None if !value.is_number() => self.mismatch(ty, shape(value)),
                    _ => self.mismatch(ty, &format!("number {value}")),
                }
                return;
            }
            _ => {}
        }
        let Some(scalar) = ty.scalar() else {
            if ty.is_map() || ty.is_list() {
                self.mismatch(ty, shape(value));
            }
            return;
        };
        match scalar {
            Scalar::Any => {}
            Scalar::Integer if self.built_in => match value.as_i64() {
                Some(number) if i32::try_from(number).is_ok() || self.is_long(ty) => {}
                None if !value.is_number() => self.mismatch(ty, shape(value)),
                _ => self.mismatch(ty, &format!("number {value}")),
            },
            Scalar::Integer if value.as_f64().is_some_and(|number| number.fract() == 0.0) => {}
            Scalar::String if value.is_string() => {}
            Scalar::Number if value.is_number() => {}
            Scalar::Boolean if value.is_boolean() => {}
            _ => self.mismatch(ty, shape(value)),
        }
    }

    fn is_long(&self, ty: &TypeRef) -> bool {
        let field = self.fields.last().map(String::as_str).unwrap_or_default();
        super::go_types::go_type(self.innermost(), field, ty) == "int64"
    }

    fn innermost(&self) -> &str {
        self.structs.last().map(String::as_str).unwrap_or_default()
    }

    fn mismatch(&mut self, ty: &TypeRef, found: &str) {
        // A custom object is checked against its own schema, in words of its own.
        if !self.built_in && self.fields.first().is_none_or(|field| field != "metadata") {
            return;
        }
        let field = self.fields.last().map(String::as_str).unwrap_or_default();
        // The metadata of a custom object is read by itself.
        let path = self.fields.get(usize::from(!self.built_in)..).unwrap_or_default().join(".");
        let decoded = mismatch(found, self.innermost(), &path, field, ty);
        let kind = match found {
            "array" => "slice",
            "object" => "map",
            "number" => "int64",
            found if found.starts_with("number ") => "float64",
            other => other,
        };
        let restored = match super::go_types::go_type(self.innermost(), field, ty) {
            _ if struct_name(ty).is_some() => format!("cannot restore struct from: {kind}"),
            wanted if wanted.starts_with("map") => format!("cannot restore map from {kind}"),
            wanted if wanted.starts_with("[]") => format!("cannot restore slice from {kind}"),
            wanted if wanted.contains('.') && ty.scalar() == Some(Scalar::String) => {
                "unrecognized type: string".to_owned()
            }
            // What Go can turn into the other type it will not turn here.
            wanted if wanted == "string" && kind == "int64" => "cannot convert int64 to string".to_owned(),
            wanted => format!("unrecognized type: {wanted}"),
        };
        self.done.wrong = self.done.wrong.take().or(Some(Wrong { decoded, restored }));
    }

    fn wrong(&mut self, text: String) {
        // A value that is read by a type of its own stops the reader; another wrong one does so at the end only.
        if !self.stopped {
            let restored = self.done.wrong.take().map_or_else(|| text.clone(), |wrong| wrong.restored);
            self.done.wrong = Some(Wrong { decoded: text, restored });
            self.stopped = true;
        }
    }

    /// Does the server keep nothing in place of this value? `declared` says of a struct's field whether it is required.
    fn is_nothing(&self, ty: &TypeRef, value: &Value, name: &str, declared: Option<bool>) -> bool {
        let metadata = self.fields.first().is_some_and(|field| field == "metadata");
        if !self.built_in && !metadata {
            return false;
        }
        let owner = self.innermost();
        let shown = always_shown(owner).iter().any(|(field, _)| *field == name);
        match value {
            Value::Null => !shown,
            _ if declared.is_none() => false,
            Value::Array(items) => {
                items.is_empty() && declared == Some(false) && !shown && !keeps_no_items(owner, name)
            }
            Value::Object(map) => {
                let open = ty.allows_unknown() && ty.fields().next().is_none();
                map.is_empty() && declared == Some(false) && open && !EMPTY_STRUCTS.contains(&name)
            }
            Value::String(text) => {
                text.is_empty() && declared == Some(false) && ty.format() == Format::Plain && !keeps_empty(owner, name)
            }
            Value::Bool(truth) => !truth && drops_false(owner, name),
            Value::Number(number) => number.as_i64() == Some(0) && drops_zero(owner, name),
        }
    }
}

/// Fields that are kept although they hold nothing: pointers to structs without fields (the status subresource of a
/// definition's version). Source: the Go types of `k8s.io/apiextensions-apiserver`.
const EMPTY_STRUCTS: &[&str] = &["status"];

/// Fields that mean something when they hold no item: an autoscaler that is told of no policy gets none by default.
fn keeps_no_items(owner: &str, field: &str) -> bool {
    (owner, field) == ("HPAScalingRules", "policies")
}

/// What storing does to an object of a built-in kind: a list that is always shown is `null` when it is empty, because what
/// is stored does not tell the two apart. While its owners are worked out it still is what the client sent.
pub(crate) fn settle(resource: &Resource, value: &mut Value) {
    if resource.custom.is_none() && has_empty_list(value) {
        settle_value(&resource.schema, value);
    }
}

fn has_empty_list(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty() || items.iter().any(has_empty_list),
        Value::Object(map) => map.values().any(has_empty_list),
        _ => false,
    }
}

fn settle_value(ty: &TypeRef, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let shown = struct_name(ty).map(always_shown).unwrap_or_default();
            for (key, inner) in map {
                if inner.as_array().is_some_and(Vec::is_empty) && shown.iter().any(|(field, _)| field == key) {
                    *inner = Value::Null;
                } else if let Some(field) = ty.field(key) {
                    settle_value(&field, inner);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = ty.items() {
                items.iter_mut().for_each(|inner| settle_value(&item, inner));
            }
        }
        _ => {}
    }
}

/// What Go calls the type of a JSON value.
pub(crate) fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Base64 as the server writes it, from a text that may hold line ends and whose last bits may be anything; where it breaks
/// off otherwise.
fn read_base64(text: &str) -> Result<String, usize> {
    if let Some(at) = not_base64(text.as_bytes()) {
        return Err(at);
    }
    let plain: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    match GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(&plain) {
        Ok(bytes) => Ok(STANDARD.encode(bytes)),
        Err(_) => Ok(plain),
    }
}

/// Where Go says that base64 breaks off. Line ends do not count; what is missing is missed at the beginning of its group of
/// four.
fn not_base64(text: &[u8]) -> Option<usize> {
    let mut bytes = text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    loop {
        let mut group = 0;
        while group < 4 {
            match bytes.next() {
                None if group == 0 => return None,
                None => return Some(text.len() - group),
                Some((_, byte)) if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => group += 1,
                Some((at, b'=')) if group >= 2 => return padding(at, group, bytes, text.len()),
                Some((at, _)) => return Some(at),
            }
        }
    }
}

/// The same from the first sign that fills up the last group.
fn padding(first: usize, group: usize, mut rest: impl Iterator<Item = (usize, u8)>, length: usize) -> Option<usize> {
    if group == 2 {
        match rest.next() {
            None => return Some(length),
            Some((_, b'=')) => {}
            Some(_) => return Some(first),
        }
    }
    rest.next().map(|(at, _)| at)
}
