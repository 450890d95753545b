//! Bytes to JSON. Fields that the table does not know are passed over, as any reader of protocol buffers does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use super::table::{Field, Form, Holds, Message, Table, Type};
use super::wire::{Reader, Wire};
use super::{DEEPEST, MAGIC, Malformed};

/// Text out of bytes.
pub(super) fn text<'a>(bytes: &'a [u8], field: &str) -> Result<&'a str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::Text(field.to_owned()))
}

/// One message, in the form that JSON has for it.
pub(super) fn message(table: &Table, message: &Message, bytes: &[u8], depth: usize) -> Result<Value, Malformed> {
    if depth > DEEPEST {
        return Err(Malformed::Deep);
    }
    if message.form == Form::Json {
        return json(bytes);
    }
    let mut map = Map::new();
    fields(table, message, bytes, &mut map, depth)?;
    let number = |name: &str| map.get(name).and_then(Value::as_i64).unwrap_or_default();
    Ok(match message.form {
        Form::Object | Form::Json => Value::Object(map),
        Form::Items => map.remove("items").unwrap_or_else(|| Value::Array(Vec::new())),
        Form::Quantity => match map.remove("string") {
            Some(Value::String(amount)) if !amount.is_empty() => Value::String(amount),
            _ => Value::from("0"),
        },
        Form::Time | Form::MicroTime if map.is_empty() => Value::Null,
        Form::Time | Form::MicroTime => {
            let nanos = i32::try_from(number("nanos")).unwrap_or_default();
            let at = Timestamp::new(number("seconds"), nanos).map_err(|_| Malformed::Text("seconds".to_owned()))?;
            let form = if message.form == Form::Time { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
            Value::String(at.strftime(form).to_string())
        }
        Form::IntOrString if number("type") == 1 => {
            map.remove("strVal").unwrap_or_else(|| Value::String(String::new()))
        }
        Form::IntOrString => Value::from(number("intVal")),
        Form::SchemaOr => {
            let allows = map.remove("allows");
            let schema = map.remove("schema");
            let other = map.into_iter().next().map(|(_, value)| value);
            schema.or(other).or(allows).unwrap_or(Value::Bool(false))
        }
    })
}

/// The JSON that a message carries as text, or an object inside one.
fn json(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut value = Value::Null;
    while let Some((number, wire)) = reader.field()? {
        if let (1, Wire::Bytes(raw)) = (number, wire) {
            value = match raw {
                [] => Value::Null,
                _ if raw.starts_with(MAGIC) => super::decode(raw)?,
                _ => serde_json::from_slice(raw).map_err(|_| Malformed::Text("raw".to_owned()))?,
            };
        }
    }
    Ok(value)
}

fn fields(
    table: &Table,
    of: &Message,
    bytes: &[u8],
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        let Some(field) = of.fields.iter().find(|field| field.number == number) else { continue };
        match field.holds {
            Holds::Inline => {
                let (Wire::Bytes(bytes), Some(inner)) = (wire, inner(table, field)) else {
                    return Err(Malformed::Type(field.name.clone()));
                };
                fields(table, inner, bytes, map, depth + 1)?;
            }
            Holds::List => {
                let value = value(table, field, wire, depth)?;
                match map.entry(field.name.clone()).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(items) => items.push(value),
                    other => *other = Value::Array(vec![value]),
                }
            }
            Holds::Map => {
                let Wire::Bytes(bytes) = wire else { return Err(Malformed::Type(field.name.clone())) };
                let (key, value) = entry(table, field, bytes, depth)?;
                match map.entry(field.name.clone()).or_insert_with(|| Value::Object(Map::new())) {
                    Value::Object(entries) => {
                        entries.insert(key, value);
                    }
                    other => *other = Value::Object(Map::from_iter([(key, value)])),
                }
            }
            Holds::One | Holds::OneUnlessZero => {
                let value = value(table, field, wire, depth)?;
                if value.is_null() || field.holds == Holds::OneUnlessZero && is_zero(&value) {
                    map.remove(&field.name);
                } else {
                    map.insert(field.name.clone(), value);
                }
            }
        }
    }
    Ok(())
}

fn inner<'a>(table: &'a Table, field: &Field) -> Option<&'a Message> {
    match field.ty {
        Type::Message(position) => table.at(position),
        _ => None,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// One entry of a map: a message of key and value.
fn entry(table: &Table, field: &Field, bytes: &[u8], depth: usize) -> Result<(String, Value), Malformed> {
    let mut reader = Reader::new(bytes);
    let (mut key, mut found) = (String::new(), None);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes, &field.name)?.to_owned(),
            (2, wire) => found = Some(value(table, field, wire, depth)?),
            _ => {}
        }
    }
    let value = match found {
        Some(value) => value,
        None => value(table, field, Wire::Bytes(&[]), depth)?,
    };
    Ok((key, value))
}

fn value(table: &Table, field: &Field, wire: Wire<'_>, depth: usize) -> Result<Value, Malformed> {
    Ok(match (field.ty, wire) {
        (Type::String, Wire::Bytes(bytes)) => Value::from(text(bytes, &field.name)?),
        (Type::Bytes, Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        (Type::Bool, Wire::Number(number)) => Value::Bool(number != 0),
        // Negative numbers are written as 64 bits in two's complement, whatever their width.
        (Type::Int32 | Type::Int64, Wire::Number(number)) => Value::from(number.cast_signed()),
        (Type::Double, Wire::Fixed(bits)) => double(f64::from_bits(bits)),
        (Type::Message(_), Wire::Bytes(bytes)) => match inner(table, field) {
            Some(inner) => message(table, inner, bytes, depth + 1)?,
            None => return Err(Malformed::Type(field.name.clone())),
        },
        _ => return Err(Malformed::Type(field.name.clone())),
    })
}

/// A number as JSON writes it: whole ones without a fraction.
fn double(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
