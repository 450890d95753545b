//! The message definitions of the Kubernetes API, as the file that ships with the crate holds them: which field has
//! which number, its name in JSON, and its type. Made by `cargo xtask protobuf`; reads no bytes of a request.
//!
//! Inflated, the file is text. A line is a message's name, or ` NUMBER NAME TYPE` for one of its fields. A type is a
//! scalar's name or the position of a message, after `[` for a list, `{` for a map of it, `.` where the JSON holds the
//! message's fields in place of the field, and `?` where the JSON leaves out a zero.

use std::collections::HashMap;
use std::sync::OnceLock;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

static SHIPPED: &[u8] = include_bytes!("../../kubernetes.messages");
/// The file inflates to no more bytes than this.
const MOST_BYTES: usize = 4 << 20;

/// What a value is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Bytes,
    Bool,
    Int32,
    Int64,
    Double,
    /// By position in the table.
    Message(usize),
}

/// How a field holds its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    One,
    /// The JSON leaves it out when it is zero.
    OneUnlessZero,
    /// The JSON holds the message's fields in place of it.
    Inline,
    List,
    /// Keys are text.
    Map,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u32,
    /// Its name in JSON.
    pub(super) name: String,
    pub(super) holds: Holds,
    pub(super) ty: Type,
}

/// How a message looks in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An object of its fields.
    Object,
    /// Its only field, which is a list.
    Items,
    /// Text: an amount.
    Quantity,
    /// Text: a moment, in whole seconds.
    Time,
    /// Text: a moment, in microseconds.
    MicroTime,
    /// A number or text.
    IntOrString,
    /// Any JSON, whose text is its field.
    Json,
    /// A schema (`first`), or what the second field holds.
    SchemaOr,
}

/// A message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) form: Form,
    pub(super) fields: Vec<Field>,
}

/// Every message.
#[derive(Debug, Default)]
pub(super) struct Table {
    messages: Vec<Message>,
    names: HashMap<String, usize>,
}

impl Table {
    /// The shipped table, read on the first call.
    pub(super) fn shipped() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            let text = decompress_to_vec_with_limit(SHIPPED, MOST_BYTES).unwrap_or_default();
            Table::parse(&String::from_utf8_lossy(&text))
        })
    }

    fn parse(text: &str) -> Table {
        let mut table = Table::default();
        for line in text.lines() {
            match line.strip_prefix(' ') {
                Some(row) => {
                    if let (Some(message), Some(field)) = (table.messages.last_mut(), field(row)) {
                        message.fields.push(field);
                    }
                }
                None => {
                    table.names.insert(line.to_owned(), table.messages.len());
                    table.messages.push(Message { form: form(line), fields: Vec::new() });
                }
            }
        }
        table
    }

    /// A message by position.
    pub(super) fn at(&self, position: usize) -> Option<&Message> {
        self.messages.get(position)
    }

    /// The message of an `apiVersion` and `kind`. Options and the other kinds of the machinery are the same in every
    /// group.
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Message> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let package = match group {
            "" => format!("k8s.io.api.core.{version}"),
            "apiextensions.k8s.io" => {
                format!("k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.{version}")
            }
            _ => format!("k8s.io.api.{}.{version}", group.split('.').next().unwrap_or_default()),
        };
        let machinery = || self.names.get(&format!("k8s.io.apimachinery.pkg.apis.meta.v1.{kind}"));
        self.at(*self.names.get(&format!("{package}.{kind}")).or_else(machinery)?)
    }
}

fn field(row: &str) -> Option<Field> {
    let mut parts = row.split(' ');
    let (number, name, ty) = (parts.next()?, parts.next()?, parts.next()?);
    let (holds, ty) = match ty.split_at_checked(1)? {
        ("[", ty) => (Holds::List, ty),
        ("{", ty) => (Holds::Map, ty),
        (".", ty) => (Holds::Inline, ty),
        ("?", ty) => (Holds::OneUnlessZero, ty),
        _ => (Holds::One, ty),
    };
    let ty = match ty {
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "bool" => Type::Bool,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "double" => Type::Double,
        position => Type::Message(position.parse().ok()?),
    };
    Some(Field { number: number.parse().ok()?, name: name.to_owned(), holds, ty })
}

/// Messages that JSON shows in a form of their own.
///
/// Source: the types' own JSON methods in `k8s.io/apimachinery` and `k8s.io/apiextensions-apiserver`; the rest of the
/// list are types that are lists in Go.
fn form(name: &str) -> Form {
    match name.rsplit('.').next().unwrap_or_default() {
        "Quantity" => Form::Quantity,
        "Time" => Form::Time,
        "MicroTime" => Form::MicroTime,
        "IntOrString" => Form::IntOrString,
        "RawExtension" | "FieldsV1" | "JSON" => Form::Json,
        "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray" => Form::SchemaOr,
        "ExtraValue" | "Verbs" => Form::Items,
        _ => Form::Object,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn every_served_kind_has_a_message() {
        let table = Table::shipped();
        for kind in KINDS {
            let version =
                if kind.group.is_empty() { kind.version.into() } else { [kind.group, kind.version].join("/") };
            assert!(table.of_kind(&version, kind.kind).is_some(), "{version} {}", kind.kind);
        }
    }

    #[test]
    fn every_type_of_the_table_is_in_it() {
        let table = Table::shipped();
        for message in &table.messages {
            for field in &message.fields {
                if let Type::Message(position) = field.ty {
                    assert!(table.at(position).is_some(), "{field:?}");
                }
            }
        }
        assert_eq!(table.of_kind("v1", "DeleteOptions").unwrap().fields[0].name, "gracePeriodSeconds");
    }
}
