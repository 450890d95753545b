//! What a schema says about types, before names are resolved: the form that documents are read into and that the
//! shipped file holds.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a scalar may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scalar {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Any of them.
    Any,
}

/// What the text or number of a scalar stands for, where the server reads more into it than its JSON type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Format {
    /// Nothing more.
    #[default]
    Plain,
    /// An amount such as `500m` or `1Gi`; the server writes it in its canonical form.
    Quantity,
    /// A whole number or text.
    IntOrString,
    /// A moment; the server writes it in its canonical form.
    Time,
    /// Bytes in base64.
    Bytes,
}

/// How the items of a list are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) enum ListKind {
    /// Not at all: the list is one value.
    #[default]
    Atomic,
    /// By the item itself.
    Set,
    /// By these fields of the item.
    Map(Vec<String>),
}

/// How a strategic merge patch treats a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PatchRule {
    /// Lists merge item by item, maps key by key (`merge`); otherwise the patch's value replaces what is there.
    pub merge: bool,
    /// Keys of the merged map that the patch does not name are dropped (`retainKeys`).
    pub retain_keys: bool,
    /// The field that tells the items of a merged list apart; absent for a list of plain values.
    pub merge_key: Option<String>,
}

/// One type, with references by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Definition {
    pub(crate) scalar: Option<Scalar>,
    pub(crate) format: Format,
    pub(crate) list: Option<ListDefinition>,
    pub(crate) map: Option<MapDefinition>,
}

/// The list a type may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListDefinition {
    pub(crate) element: Reference,
    pub(crate) kind: ListKind,
}

/// The struct or map a type may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MapDefinition {
    pub(crate) fields: Vec<FieldDefinition>,
    /// The type of keys that are no field; absent where there may be none.
    pub(crate) element: Option<Reference>,
    pub(crate) atomic: bool,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldDefinition {
    pub(crate) name: String,
    pub(crate) reference: Reference,
    pub(crate) required: bool,
    pub(crate) patch: PatchRule,
    /// What an absent field means where it is a key of a list map.
    pub(crate) default: Option<Value>,
    /// Whether the server's own form of the object has the field even when nothing set it.
    pub(crate) always_present: bool,
    /// Whether the server takes the field in and never gives it out.
    pub(crate) write_only: bool,
}

/// A type by name, or written out in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Named {
        name: String,
        /// The map type the field asks for in place of the definition's own.
        atomic: Option<bool>,
    },
    Inline(Box<Definition>),
}

impl Reference {
    pub(crate) fn named(name: &str) -> Self {
        Self::Named { name: name.to_owned(), atomic: None }
    }
}

/// The name of the type of a value that is owned whole, whatever it is.
pub(crate) const UNTYPED_ATOMIC: &str = "__untyped_atomic_";
/// The name of the type of a value no schema describes: maps are owned key by key, lists whole.
pub(crate) const DEDUCED: &str = "__untyped_deduced_";

/// The type behind [`UNTYPED_ATOMIC`].
pub(crate) fn untyped_atomic() -> Definition {
    Definition {
        scalar: Some(Scalar::Any),
        format: Format::Plain,
        list: Some(ListDefinition { element: Reference::named(UNTYPED_ATOMIC), kind: ListKind::Atomic }),
        map: Some(MapDefinition { fields: Vec::new(), element: Some(Reference::named(UNTYPED_ATOMIC)), atomic: true }),
    }
}

/// The type behind [`DEDUCED`].
pub(crate) fn deduced() -> Definition {
    Definition {
        scalar: Some(Scalar::Any),
        format: Format::Plain,
        list: Some(ListDefinition { element: Reference::named(UNTYPED_ATOMIC), kind: ListKind::Atomic }),
        map: Some(MapDefinition { fields: Vec::new(), element: Some(Reference::named(DEDUCED)), atomic: false }),
    }
}
