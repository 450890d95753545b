//! What a strict reading of a JSON body finds wrong with it, in the order of the text: fields that a type does not have,
//! and fields that come twice.

use std::collections::HashSet;
use std::fmt;

use axum::body::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use structured_merge::schema::TypeRef;

use crate::registry::Resource;

/// The faults of a body of this resource, as `unknown field "a.b"` and `duplicate field "a.b"`. Nothing for a body that
/// is no JSON.
pub(crate) fn faults(resource: &Resource, body: &Bytes) -> Vec<String> {
    walk(Some(resource.schema.clone()), resource.custom.is_some(), body)
}

/// The fields that come twice, whatever they are.
pub(crate) fn duplicates(body: &Bytes) -> Vec<String> {
    walk(None, true, body)
}

fn walk(ty: Option<TypeRef>, custom: bool, body: &Bytes) -> Vec<String> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    // A body that cannot be read is refused elsewhere.
    let _ = Seen { path: String::new(), ty, custom, known: true, found: &mut found }.deserialize(&mut reader);
    found
}

/// Walks a document and notes what is wrong with the keys of each map.
struct Seen<'a> {
    path: String,
    /// None: any key will do.
    ty: Option<TypeRef>,
    custom: bool,
    /// What lies below an unknown field is not looked at.
    known: bool,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seen<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seen<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            let head = self.custom && matches!(path.as_str(), "apiVersion" | "kind" | "metadata");
            let ty = self.ty.as_ref().filter(|ty| ty.is_map()).map(|ty| ty.field(&key));
            let unknown = self.known && !head && matches!(ty, Some(None));
            if unknown {
                if keys.insert(key) {
                    self.found.push(format!("unknown field \"{path}\""));
                }
            } else if self.known && !keys.insert(key) {
                self.found.push(format!("duplicate field \"{path}\""));
            }
            let below =
                Seen { path, ty: ty.flatten(), custom: self.custom, known: self.known && !unknown, found: self.found };
            map.next_value_seed(below)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let items = self.ty.as_ref().and_then(TypeRef::items);
        let mut at = 0;
        loop {
            let below = Seen {
                path: format!("{}[{at}]", self.path),
                ty: items.clone(),
                custom: self.custom,
                known: self.known,
                found: self.found,
            };
            if seq.next_element_seed(below)?.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
