//! The same object in several versions of its API.
//!
//! Each manager's fields are named in the version it wrote in. Where versions differ in their fields, comparing needs
//! the object in each of them; how to convert is the business of whoever serves the kind.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::schema::TypeRef;
use crate::typed::{self, Duplicates, ValidationErrors};

/// Converts objects of one kind between the versions of its API.
///
/// Give it to [`ApplyOptions::versions`](crate::ApplyOptions::versions) and
/// [`UpdateOptions::versions`](crate::UpdateOptions::versions). The live object and the type that go with a request are
/// those of the request's version; everything else is converted from there. [`ServedVersions`] serves kinds whose versions
/// have the same fields.
///
/// ```
/// use serde_json::{Value, json};
/// use structured_merge::{ApplyOptions, Schema, TypeRef, Versions, apply};
///
/// /// `v1` of a kind has one label, which `v2` calls a name.
/// struct Renamed;
///
/// fn ty(field: &str) -> TypeRef {
///     let schema = json!({"type": "object", "properties": {field: {"type": "string"}}});
///     Schema::from_crd_version(&schema, false).unwrap()
/// }
///
/// impl Versions for Renamed {
///     fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeRef)> {
///         let to = match api_version {
///             "example.com/v1" => "label",
///             "example.com/v2" => "name",
///             _ => return None,
///         };
///         let mut object = object.clone();
///         let fields = object.as_object_mut()?;
///         fields.insert("apiVersion".to_owned(), json!(api_version));
///         if let Some(value) = fields.remove("label").or_else(|| fields.remove("name")) {
///             fields.insert(to.to_owned(), value);
///         }
///         Some((object, ty(to)))
///     }
/// }
///
/// let meta = json!({"name": "thing"});
/// let one = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": meta, "label": "x"});
/// let two = json!({"apiVersion": "example.com/v2", "kind": "Thing", "metadata": meta, "name": "y"});
/// let live = apply(&ty("label"), None, &one, &ApplyOptions::new("one", "2026-01-01T00:00:00Z")).unwrap();
///
/// let (live, ty) = Renamed.convert(&live, "example.com/v2").unwrap();
/// let options = ApplyOptions { versions: Some(&Renamed), ..ApplyOptions::new("two", "2026-01-01T00:01:00Z") };
/// let refused = apply(&ty, Some(&live), &two, &options).unwrap_err();
/// assert_eq!(refused.to_string(), r#"Apply failed with 1 conflict: conflict with "one": .label"#);
/// ```
pub trait Versions {
    /// The object in another version, and its type there; `apiVersion` of the result is `api_version`, and
    /// `metadata.managedFields` does not matter. `None` where that version is not served (any more): who owns fields in it
    /// is then forgotten, as on the server.
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeRef)>;
}

/// The served versions of a kind whose fields are named alike in all of them, as those of a custom resource whose
/// `spec.conversion.strategy` is `None`: nothing but `apiVersion` changes. Types may differ.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{Schema, ServedVersions, Versions};
/// let ty = Schema::kubernetes().kind("batch", "v1", "Job").unwrap();
/// let served = ServedVersions::from_iter([("batch/v1".to_owned(), ty.clone()), ("batch/v2".to_owned(), ty)]);
/// let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": true}});
/// let (converted, _) = served.convert(&job, "batch/v2").unwrap();
/// assert_eq!(converted, json!({"apiVersion": "batch/v2", "kind": "Job", "spec": {"suspend": true}}));
/// assert!(served.convert(&job, "batch/v1beta1").is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ServedVersions {
    types: BTreeMap<String, TypeRef>,
}

impl FromIterator<(String, TypeRef)> for ServedVersions {
    fn from_iter<I: IntoIterator<Item = (String, TypeRef)>>(versions: I) -> Self {
        Self { types: versions.into_iter().collect() }
    }
}

impl Versions for ServedVersions {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeRef)> {
        let ty = self.types.get(api_version)?.clone();
        let mut object = object.clone();
        object.as_object_mut()?.insert("apiVersion".to_owned(), Value::from(api_version));
        Some((object, ty))
    }
}

/// An object in some version, and its type there.
pub(crate) type Seen<'a> = (Cow<'a, Value>, TypeRef);

/// An object, its type, and how to see it in another version.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) ty: &'a TypeRef,
    /// The version of the request.
    pub(crate) api_version: &'a str,
    pub(crate) versions: Option<&'a dyn Versions>,
}

impl View<'_> {
    /// The object in a version, or nothing where that version is not served. Without a converter every version is taken
    /// to have the same fields. What a converter gives has to fit its type, without duplicates, as on the server.
    pub(crate) fn of<'v>(&self, object: &'v Value, api_version: &str) -> Result<Option<Seen<'v>>, ValidationErrors> {
        let Some(versions) = self.versions.filter(|_| api_version != self.api_version) else {
            return Ok(Some((Cow::Borrowed(object), self.ty.clone())));
        };
        let Some((object, ty)) = versions.convert(object, api_version) else { return Ok(None) };
        typed::validate(&ty, &object, Duplicates::Refuse)?;
        Ok(Some((Cow::Owned(object), ty)))
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
