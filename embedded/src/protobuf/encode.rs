//! JSON to bytes. What does not fit the table is left out: objects come from the store, whose schema they fit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::table::{Field, Form, Holds, Message, Table, Type};
use super::wire::{write_bytes, write_fixed, write_number};

/// The bytes of one message.
pub(super) fn message(table: &Table, message: &Message, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match (message.form, value) {
        (Form::Object, _) => fields(table, message, value, &mut out),
        (Form::Items, Value::Array(items)) => {
            for item in items {
                if let Some(field) = message.fields.first() {
                    one(table, field, item, &mut out);
                }
            }
        }
        (Form::Quantity, Value::String(amount)) => write_bytes(&mut out, 1, amount.as_bytes()),
        (Form::Quantity, amount) => write_bytes(&mut out, 1, amount.to_string().as_bytes()),
        (Form::Time | Form::MicroTime, Value::String(at)) => {
            if let Ok(at) = at.parse::<Timestamp>() {
                write_number(&mut out, 1, at.as_second().cast_unsigned());
                write_number(&mut out, 2, i64::from(at.subsec_nanosecond()).cast_unsigned());
            }
        }
        (Form::IntOrString, Value::String(text)) => {
            write_number(&mut out, 1, 1);
            write_number(&mut out, 2, 0);
            write_bytes(&mut out, 3, text.as_bytes());
        }
        (Form::IntOrString, value) => {
            write_number(&mut out, 1, 0);
            write_number(&mut out, 2, value.as_i64().unwrap_or_default().cast_unsigned());
            write_bytes(&mut out, 3, b"");
        }
        (Form::Json, value) => write_bytes(&mut out, 1, value.to_string().as_bytes()),
        (Form::SchemaOr, value) => schema_or(table, message, value, &mut out),
        (Form::Items | Form::Time | Form::MicroTime, _) => {}
    }
    out
}

/// A schema, or what stands in its place: a list of schemas, a truth value, or a list of names.
fn schema_or(table: &Table, message: &Message, value: &Value, out: &mut Vec<u8>) {
    let field = |wanted: fn(&Field) -> bool| message.fields.iter().find(|field| wanted(field));
    let (field, values) = match value {
        Value::Array(items) => (field(|field| field.holds == Holds::List), items.iter().collect()),
        Value::Bool(_) => (field(|field| field.ty == Type::Bool), vec![value]),
        _ => {
            if let Some(allows) = field(|field| field.ty == Type::Bool) {
                one(table, allows, &Value::Bool(true), out);
            }
            (field(|field| field.name == "schema"), vec![value])
        }
    };
    for value in values {
        if let Some(field) = field {
            one(table, field, value, out);
        }
    }
}

fn fields(table: &Table, of: &Message, value: &Value, out: &mut Vec<u8>) {
    for field in &of.fields {
        if field.holds == Holds::Inline {
            if let Type::Message(position) = field.ty
                && let Some(inner) = table.at(position)
            {
                write_bytes(out, field.number, &message(table, inner, value));
            }
            continue;
        }
        match (field.holds, value.get(&field.name)) {
            (_, None | Some(Value::Null)) => {}
            (Holds::List, Some(Value::Array(items))) => {
                for item in items {
                    one(table, field, item, out);
                }
            }
            (Holds::Map, Some(Value::Object(entries))) => {
                for (key, value) in entries {
                    let mut entry = Vec::new();
                    write_bytes(&mut entry, 1, key.as_bytes());
                    let in_entry = Field { number: 2, ..field.clone() };
                    one(table, &in_entry, value, &mut entry);
                    write_bytes(out, field.number, &entry);
                }
            }
            (_, Some(value)) => one(table, field, value, out),
        }
    }
}

fn one(table: &Table, field: &Field, value: &Value, out: &mut Vec<u8>) {
    match (field.ty, value) {
        (Type::String, Value::String(text)) => write_bytes(out, field.number, text.as_bytes()),
        (Type::Bytes, Value::String(text)) => {
            if let Ok(bytes) = STANDARD.decode(text) {
                write_bytes(out, field.number, &bytes);
            }
        }
        (Type::Bool, Value::Bool(truth)) => write_number(out, field.number, u64::from(*truth)),
        (Type::Int32 | Type::Int64, Value::Number(number)) => {
            let whole = number.as_i64().or_else(|| number.as_f64().map(|number| number as i64));
            write_number(out, field.number, whole.unwrap_or_default().cast_unsigned());
        }
        (Type::Double, Value::Number(number)) => {
            write_fixed(out, field.number, number.as_f64().unwrap_or_default().to_bits());
        }
        (Type::Message(position), value) => {
            if let Some(inner) = table.at(position) {
                write_bytes(out, field.number, &message(table, inner, value));
            }
        }
        _ => {}
    }
}
