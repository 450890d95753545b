//! The same object in several versions of its API.
//!
//! Each manager's fields are named in the version it wrote in. Where versions differ in their fields, comparing needs
//! the object in each of them; how to convert is the business of whoever serves the kind.

use std::borrow::Cow;

use serde_json::Value;

use crate::schema::TypeRef;

/// Converts objects of one kind between the versions of its API.
pub trait Versions {
    /// The object in another version, and its type there. `None` where that version is not served (any more): who owns
    /// fields in it is then forgotten, as on the server.
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeRef)>;
}

/// An object, its type, and how to see it in another version.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) ty: &'a TypeRef,
    /// The version of the request.
    pub(crate) api_version: &'a str,
    pub(crate) versions: Option<&'a dyn Versions>,
}

impl View<'_> {
    /// The object in a version. Without a converter every version is taken to have the same fields.
    pub(crate) fn of<'v>(&self, object: &'v Value, api_version: &str) -> Option<(Cow<'v, Value>, TypeRef)> {
        match self.versions {
            Some(versions) if api_version != self.api_version => {
                versions.convert(object, api_version).map(|(object, ty)| (Cow::Owned(object), ty))
            }
            _ => Some((Cow::Borrowed(object), self.ty.clone())),
        }
    }

    /// An object of some version in the version of the request.
    pub(crate) fn back(&self, object: Value, api_version: &str) -> Option<Value> {
        match self.versions {
            Some(versions) if api_version != self.api_version => {
                versions.convert(&object, self.api_version).map(|(object, _)| object)
            }
            _ => Some(object),
        }
    }
}
