//! Listing what is live: each kind once a namespace and without a selector, page by page.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use serde_json::Value;
use strata_components::desired::{Desired, KUBERNETES, Kind, ResourceId};

use super::super::Cluster;
use super::super::discovery::{ServedKinds, collection};
use super::super::identity::members;
use super::super::request::Call;
use super::{CONCURRENCY, text};
use crate::observe::UnlistedKind;
use crate::provider::ProviderError;

/// Objects a page of a LIST holds, as kubectl asks for them.
const PAGE: &str = "500";
/// How often a LIST is begun before it is given up.
const BEGINNINGS: u32 = 3;

/// What was listed: live objects by id.
pub(super) type Live = BTreeMap<ResourceId, Value>;

impl Cluster {
    /// All objects of a collection, page by page; from its first page again where the server no longer knows how the
    /// collection was when that was read.
    pub(in crate::cluster) async fn list(&self, kind: &str, path: &str) -> Result<Vec<Value>, ProviderError> {
        let mut items = Vec::new();
        let mut after = String::new();
        let mut beginnings = 1;
        loop {
            let mut call = Call::get(path, format!("listing {kind} objects at {path}")).query("limit", PAGE);
            if !after.is_empty() {
                call = call.query("continue", after.as_str());
            }
            let answer = self.requests.send(&call).await?;
            if answer.status == StatusCode::GONE && !after.is_empty() && beginnings < BEGINNINGS {
                items.clear();
                after.clear();
                beginnings += 1;
                continue;
            }
            let mut page = answer.ok(&call.doing)?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(more)) => items.extend(more),
                _ => {
                    return Err(ProviderError::Unexpected { doing: call.doing, detail: "it is no list".to_owned() });
                }
            }
            after = text(&page, "/metadata/continue");
            if after.is_empty() {
                return Ok(items);
            }
        }
    }

    pub(super) async fn list_all(
        &self,
        served: &ServedKinds,
        kinds: &BTreeSet<Kind>,
        namespaces: &BTreeSet<String>,
    ) -> Result<Live, ProviderError> {
        let mut lists = Vec::new();
        for kind in kinds {
            let Some(place) = served.get(kind) else { continue };
            if place.namespaced {
                lists.extend(namespaces.iter().map(|ns| (kind, collection(kind, &place.plural, Some(ns)))));
            } else {
                lists.push((kind, collection(kind, &place.plural, None)));
            }
        }
        let lists: Vec<_> = lists.into_iter().map(|(kind, path)| self.list_identified(kind, path)).collect();
        let lists: Vec<_> = stream::iter(lists).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(lists.into_iter().flatten().collect())
    }

    async fn list_identified(&self, kind: &Kind, path: String) -> Result<Vec<(ResourceId, Value)>, ProviderError> {
        let items = self.list(&kind.kind, &path).await?;
        Ok(items.into_iter().map(|item| self.identified(kind, item)).collect())
    }

    /// The object with its id, and with the kind and version that items of a list do not repeat.
    fn identified(&self, kind: &Kind, mut item: Value) -> (ResourceId, Value) {
        if let Some(object) = item.as_object_mut() {
            object.insert("apiVersion".to_owned(), kind.api_version().into());
            object.insert("kind".to_owned(), kind.kind.clone().into());
        }
        let id = ResourceId {
            provider: KUBERNETES.to_owned(),
            target: self.settings.name.clone(),
            kind: kind.clone(),
            namespace: item.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned),
            name: text(&item, "/metadata/name"),
        };
        (id, item)
    }
}

/// Which kinds to list in which namespaces: those of the stack, and those of the inventory for what left it.
pub(super) fn scope(
    desired: &Desired,
    parent: Option<&Value>,
    served: &ServedKinds,
) -> (BTreeSet<Kind>, BTreeSet<String>, Vec<UnlistedKind>) {
    let mut kinds: BTreeSet<Kind> = desired.resources.iter().map(|resource| resource.id.kind.clone()).collect();
    let mut namespaces: BTreeSet<String> = desired.namespaces.iter().cloned().collect();
    let mut unlisted = Vec::new();
    if let Some(parent) = parent {
        let (known, more) = members(parent);
        namespaces.extend(more);
        for (group, kind) in known {
            if kinds.iter().any(|listed| listed.group == group && listed.kind == kind) {
                continue;
            }
            match served.of_group(&group, &kind) {
                Some(kind) => {
                    kinds.insert(kind.clone());
                }
                None => unlisted.push(UnlistedKind {
                    kind: Kind { group, version: String::new(), kind },
                    namespace: None,
                    reason: "the inventory names it and the cluster does not serve it".to_owned(),
                }),
            }
        }
    }
    // Whether a namespace exists decides how the objects in it can be previewed.
    kinds.insert(Kind { group: String::new(), version: "v1".to_owned(), kind: "Namespace".to_owned() });
    (kinds, namespaces, unlisted)
}
