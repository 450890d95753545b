//! Types of kinds that Kubernetes itself does not have: as the cluster defines them now, and as the plan would.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use serde_json::Value;
use strata_components::desired::{Desired, Kind};
use structured_merge::schema::{Schema, TypeRef};

use super::super::Cluster;
use super::super::discovery::ServedKinds;
use super::super::fields;
use super::super::request::Call;
use crate::provider::ProviderError;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// What is known of the types of the desired kinds.
pub(super) struct Definitions<'a> {
    built_in: &'a Schema,
    /// As the cluster defines them, or why that is not known.
    live: BTreeMap<Kind, Result<TypeRef, String>>,
    /// As the definitions among the desired objects have them, where the cluster has them otherwise or not at all; with
    /// the name of the definition.
    coming: BTreeMap<Kind, (String, TypeRef)>,
}

/// The definitions of custom kinds as the cluster has them, or why they cannot be read.
pub(super) struct Defined(BTreeMap<Kind, Result<Value, String>>);

impl<'a> Definitions<'a> {
    /// What is known of the types of what is desired, by the definitions that were read for it, and perhaps for more.
    pub(super) fn of_desired(desired: &Desired, defined: &Defined, built_in: &'a Schema) -> Self {
        let mut definitions = Self { built_in, live: BTreeMap::new(), coming: BTreeMap::new() };
        let mut schemas = BTreeMap::new();
        let kinds: BTreeSet<&Kind> = desired.resources.iter().map(|resource| &resource.id.kind).collect();
        for (kind, read) in defined.0.iter().filter(|(kind, _)| kinds.contains(kind)) {
            let described = |definition| schema_of(definition, &kind.version).ok_or_else(no_such_version);
            let read = read.as_ref().map_err(Clone::clone).and_then(described);
            if let Ok(schema) = &read {
                schemas.insert(kind.clone(), schema.clone());
            }
            definitions.live.insert(kind.clone(), read.and_then(|schema| schema.read()));
        }
        for resource in desired.resources.iter().filter(|resource| resource.id.kind.kind == "CustomResourceDefinition")
        {
            let spec = &resource.manifest["spec"];
            for version in spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == true)
            {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let kind = Kind {
                    group: text(&spec["group"]),
                    version: text(&version["name"]),
                    kind: text(&spec["names"]["kind"]),
                };
                let Some(schema) = schema_of(&resource.manifest, &kind.version) else { continue };
                if schemas.get(&kind) != Some(&schema)
                    && let Ok(ty) = schema.read()
                {
                    definitions.coming.insert(kind, (resource.id.name.clone(), ty));
                }
            }
        }
        definitions
    }

    /// The type of a kind as the cluster has it; why it is not known where it is not.
    pub(super) fn of(&self, kind: &Kind) -> Result<TypeRef, String> {
        match fields::built_in(self.built_in, kind) {
            Some(ty) => Ok(ty),
            None => {
                self.live.get(kind).cloned().unwrap_or_else(|| Err(format!("the type of {} is not known", kind.kind)))
            }
        }
    }

    /// The definition that brings the kind, or changes it, with the same plan, and the type it is going to have.
    pub(super) fn coming(&self, kind: &Kind) -> Option<(&str, &TypeRef)> {
        self.coming.get(kind).map(|(name, ty)| (name.as_str(), ty))
    }
}

impl Cluster {
    /// Reads the definitions of those desired kinds that are not built in, one request each.
    pub(super) async fn read_definitions(
        &self,
        desired: &[&Desired],
        served: &ServedKinds,
        built_in: &Schema,
    ) -> Result<Defined, ProviderError> {
        let kinds: BTreeSet<&Kind> =
            desired.iter().flat_map(|desired| &desired.resources).map(|resource| &resource.id.kind).collect();
        let custom = kinds.into_iter().filter(|kind| fields::built_in(built_in, kind).is_none());
        let reads = custom.filter_map(|kind| Some(self.definition(kind, &served.get(kind)?.plural)));
        Ok(Defined(try_join_all(reads).await?.into_iter().collect()))
    }

    /// The type of a custom kind as its definition has it now; why it is not known where it is not.
    pub(in crate::cluster) async fn defined(
        &self,
        kind: &Kind,
        plural: &str,
    ) -> Result<Result<TypeRef, String>, ProviderError> {
        let (_, read) = self.definition(kind, plural).await?;
        Ok(read.and_then(|definition| schema_of(&definition, &kind.version).ok_or_else(no_such_version)?.read()))
    }

    async fn definition(&self, kind: &Kind, plural: &str) -> Result<(Kind, Result<Value, String>), ProviderError> {
        let name = format!("{plural}.{}", kind.group);
        let doing = format!("reading CustomResourceDefinition {name}");
        let answer = self.requests.send(&Call::get(format!("{DEFINITIONS}/{name}"), doing.as_str())).await?;
        let read = match answer.status.as_u16() {
            code @ (403 | 404) if answer.is_server_s() => {
                Err(format!("the type of {} cannot be read ({name}: {code})", kind.kind))
            }
            _ => Ok(answer.object("CustomResourceDefinition", &name, &doing)?),
        };
        Ok((kind.clone(), read))
    }
}

/// What a definition says of the fields of one version.
#[derive(Debug, Clone, PartialEq)]
struct Described {
    schema: Option<Value>,
    preserve_unknown: bool,
}

impl Described {
    fn read(&self) -> Result<TypeRef, String> {
        match &self.schema {
            None => Ok(Schema::deduced()),
            Some(schema) => Schema::from_crd_version(schema, self.preserve_unknown).map_err(|error| error.to_string()),
        }
    }
}

fn schema_of(definition: &Value, version: &str) -> Option<Described> {
    let spec = &definition["spec"];
    let described = spec["versions"].as_array()?.iter().find(|described| described["name"] == version)?;
    Some(Described {
        schema: described.pointer("/schema/openAPIV3Schema").cloned(),
        preserve_unknown: spec["preserveUnknownFields"] == true,
    })
}

fn no_such_version() -> String {
    "its definition has no such version".to_owned()
}
