//! Kinds that the cluster serves only where somebody has installed them: each has a typed spec, and all share this
//! frame of kind, metadata and spec.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// The spec of a custom kind, with the kind's names.
pub(crate) trait CustomSpec: Serialize {
    /// The API group.
    const GROUP: &'static str;
    /// The version in that group.
    const VERSION: &'static str;
    /// Both, joined by `/`.
    const API_VERSION: &'static str;
    /// The kind.
    const KIND: &'static str;
    /// What its objects are called in a path.
    const PLURAL: &'static str;
}

/// Gives a spec the names of its kind.
macro_rules! custom_kind {
    ($spec:ty, $group:literal, $version:literal, $kind:literal, $plural:literal) => {
        impl $crate::custom::CustomSpec for $spec {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const API_VERSION: &'static str = concat!($group, "/", $version);
            const KIND: &'static str = $kind;
            const PLURAL: &'static str = $plural;
        }
    };
}

pub(crate) use custom_kind;

/// An object of a custom kind.
#[derive(Debug, Clone)]
pub(crate) struct Custom<S> {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: S,
}

impl<S: CustomSpec> k8s_openapi::Resource for Custom<S> {
    const API_VERSION: &'static str = S::API_VERSION;
    const GROUP: &'static str = S::GROUP;
    const KIND: &'static str = S::KIND;
    const VERSION: &'static str = S::VERSION;
    const URL_PATH_SEGMENT: &'static str = S::PLURAL;
    type Scope = NamespaceResourceScope;
}

impl<S: CustomSpec> k8s_openapi::Metadata for Custom<S> {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<S: CustomSpec> Serialize for Custom<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        let mut object = serializer.serialize_struct(S::KIND, 4)?;
        object.serialize_field("apiVersion", S::API_VERSION)?;
        object.serialize_field("kind", S::KIND)?;
        object.serialize_field("metadata", &self.metadata)?;
        object.serialize_field("spec", &self.spec)?;
        object.end()
    }
}
