//! Listing what is live: each kind once a namespace and without a selector, page by page.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use serde_json::Value;
use strata_components::desired::{Desired, Instance, KUBERNETES, Kind, ResourceId};

use super::super::Cluster;
use super::super::discovery::{Served, ServedKinds, collection};
use super::super::identity::{Identity, PART_OF_LABEL, counts_of, members};
use super::super::request::Call;
use super::super::sealing::{Books, is_core_secret};
use super::preview::moved_on;
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
            let page = answer.page(&call.doing)?;
            let unexpected = |detail| Err(ProviderError::Unexpected { doing: call.doing.clone(), detail });
            // A server may hold items back until it has looked at them, but not say the same again and again.
            if !page.after.is_empty() && page.after == after {
                return unexpected("its next page is the same page".to_owned());
            }
            items.extend(page.items);
            after = page.after;
            if after.is_empty() {
                if page.left > 0 {
                    return unexpected(format!("it ends although {} more are said to be left", page.left));
                }
                return Ok(items);
            }
        }
    }

    /// Every collection that any of the scopes asks for, listed once.
    pub(super) async fn list_once(&self, served: &ServedKinds, scopes: &[&Scope]) -> Result<Lists, ProviderError> {
        let mut askers: BTreeMap<Place, usize> = BTreeMap::new();
        let mut lists = Vec::new();
        for scope in scopes {
            for (kind, place, namespace) in scope.lists(served) {
                let asked = askers.entry((kind.clone(), namespace.cloned())).or_default();
                if *asked == 0 {
                    let path = collection(kind, &place.plural, namespace.map(String::as_str));
                    lists.push(self.list_identified(kind, namespace, path));
                }
                *asked += 1;
            }
        }
        let lists: Vec<_> = stream::iter(lists).buffer_unordered(CONCURRENCY).try_collect().await?;
        let with_askers = |(place, list)| Some((askers.get(&place).copied()?, list)).map(|asked| (place, asked));
        Ok(Lists(lists.into_iter().filter_map(with_askers).collect()))
    }

    /// Takes in the lists of a scope, and reads one by one what is wanted of those that may not be listed. What is secret
    /// in them is sealed.
    pub(super) async fn list_all(
        &self,
        served: &ServedKinds,
        scope: &Scope,
        lists: Vec<List>,
        instance: &Instance,
    ) -> Result<Listed, ProviderError> {
        let mut listed = Listed { unlisted: scope.unlisted.clone(), ..Listed::default() };
        for kind in &scope.kinds {
            if let Some(reason) = served.silent(&kind.group, Some(&kind.version)) {
                listed.unlisted.push(UnlistedKind { kind: kind.clone(), namespace: None, reason });
            }
        }
        let mut concealed: Vec<UnlistedKind> = Vec::new();
        for list in lists {
            match list {
                Ok(objects) => listed.live.extend(objects),
                Err((unlisted, 403)) if is_core_secret(&unlisted.kind) => concealed.push(unlisted),
                Err((unlisted, _)) => listed.unlisted.push(unlisted),
            }
        }
        // What the last run left says as much as a list does; without that nothing does.
        let books = if concealed.is_empty() { Books::default() } else { self.books(instance).await? };
        if books.is_empty() {
            listed.unlisted.append(&mut concealed);
        }
        listed.unlisted.sort();
        listed.unlisted.dedup();
        listed.suspicious = scope.suspicious(&listed);
        let doubtful = |id: &&ResourceId| listed.suspicious.iter().any(|suspicious| suspicious.kind == id.kind);
        let doubtful: Vec<&ResourceId> =
            scope.wanted.iter().filter(doubtful).filter(|id| !listed.live.contains_key(id)).collect();
        for (id, read) in self.read_all_singly(served, doubtful).await? {
            if let Ok(Some(_)) = read {
                return Err(moved_on(&id, "it was in no list, and is there"));
            }
        }
        let unlisted = scope.wanted.iter().filter(|id| listed.unlisted_for(id).is_some()).collect();
        for (id, read) in self.read_all_singly(served, unlisted).await? {
            match read {
                Ok(None) => {}
                Ok(Some(object)) => {
                    listed.live.insert(id, object);
                }
                Err(reason) => {
                    listed.unreadable.insert(id, reason);
                }
            }
        }
        self.read_concealed(served, scope, &concealed, &books, &mut listed).await?;
        self.sealing.seal_listed(&mut listed.live, &self.identity(instance))?;
        Ok(listed)
    }

    /// Secrets of namespaces in which they may not be listed: read by name where that is allowed, and else as the last
    /// run has left them.
    async fn read_concealed(
        &self,
        served: &ServedKinds,
        scope: &Scope,
        concealed: &[UnlistedKind],
        books: &Books,
        listed: &mut Listed,
    ) -> Result<(), ProviderError> {
        let Some(kind) = concealed.first().map(|unlisted| &unlisted.kind) else { return Ok(()) };
        let here =
            |id: &ResourceId| id.kind == *kind && concealed.iter().any(|unlisted| unlisted.namespace == id.namespace);
        let kept = books.all().map(|object| self.identified(kind, object.clone()).0);
        let mut ids: BTreeSet<ResourceId> = kept.filter(here).collect();
        ids.extend(scope.wanted.iter().filter(|id| here(id)).cloned());
        for (id, read) in self.read_all_singly(served, ids.iter().collect()).await? {
            let object = match read {
                Ok(found) => found,
                Err(_) => {
                    listed.unread.insert(id.clone());
                    books.last(&id).cloned()
                }
            };
            listed.live.extend(object.map(|object| (id, object)));
        }
        Ok(())
    }

    /// Objects of which no list tells whether they are there, read one by one.
    async fn read_all_singly(
        &self,
        served: &ServedKinds,
        ids: Vec<&ResourceId>,
    ) -> Result<Vec<(ResourceId, Result<Option<Value>, String>)>, ProviderError> {
        let reads: Vec<_> = ids.into_iter().map(|id| self.read_singly(served, id)).collect();
        stream::iter(reads).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// The objects of a collection, with which one it is.
    async fn list_identified(
        &self,
        kind: &Kind,
        namespace: Option<&String>,
        path: String,
    ) -> Result<(Place, List), ProviderError> {
        let list = match self.list(&kind.kind, &path).await {
            Ok(items) => Ok(items.into_iter().map(|item| self.identified(kind, item)).collect()),
            // Without a reason it is not the server that says so.
            Err(ProviderError::Refused { code: code @ (403 | 404), message, reason, .. }) if !reason.is_empty() => {
                Err((UnlistedKind { kind: kind.clone(), namespace: namespace.cloned(), reason: message }, code))
            }
            Err(error) => return Err(error),
        };
        Ok(((kind.clone(), namespace.cloned()), list))
    }

    /// One object whose kind may not be listed; the inner error is that it may not be read either.
    async fn read_singly(
        &self,
        served: &ServedKinds,
        id: &ResourceId,
    ) -> Result<(ResourceId, Result<Option<Value>, String>), ProviderError> {
        if let Some(reason) = served.silent(&id.kind.group, Some(&id.kind.version)) {
            return Ok((id.clone(), Err(reason)));
        }
        let Some(path) = served.path(id) else { return Ok((id.clone(), Ok(None))) };
        let found = match self.requests.find_object(&Call::get(path, format!("reading {id}")), id).await {
            Ok(found) => Ok(found.map(|object| self.identified(&id.kind, object).1)),
            Err(ProviderError::Refused { code: 403, message, reason, .. }) if !reason.is_empty() => Err(message),
            Err(error) => return Err(error),
        };
        Ok((id.clone(), found))
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

/// A collection: a kind, and the namespace where its objects live in one.
type Place = (Kind, Option<String>);

/// The objects of a collection; the error is of a kind that may not be listed, or is not there any more, with the server's
/// code.
pub(super) type List = Result<Vec<(ResourceId, Value)>, (UnlistedKind, u16)>;

/// Lists by what they are of, with how many are yet to take each.
pub(super) struct Lists(BTreeMap<Place, (usize, List)>);

impl Lists {
    /// The lists that a scope asks for. The last that takes one takes it away: only what is shared is ever there twice.
    pub(super) fn take(&mut self, scope: &Scope, served: &ServedKinds) -> Vec<List> {
        let take = |(kind, _, namespace): (&Kind, &Served, Option<&String>)| {
            let place = (kind.clone(), namespace.cloned());
            let (left, list) = self.0.get_mut(&place)?;
            *left -= 1;
            if *left > 0 {
                return Some(list.clone());
            }
            let (_, list) = self.0.remove(&place)?;
            Some(list)
        };
        scope.lists(served).filter_map(take).collect()
    }
}

/// What is to be listed.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Scope {
    pub(in crate::cluster) kinds: BTreeSet<Kind>,
    namespaces: BTreeSet<String>,
    /// What the stack wants to be there.
    wanted: BTreeSet<ResourceId>,
    /// Group and kind of what the inventory counts.
    counted: BTreeSet<(String, String)>,
    unlisted: Vec<UnlistedKind>,
    /// The mark of a member.
    set: String,
}

/// What was listed, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Live objects by id.
    pub(super) live: Live,
    /// Kinds that could not be listed.
    pub(super) unlisted: Vec<UnlistedKind>,
    /// Wanted objects of which it is not known whether they are there, with the reason.
    pub(super) unreadable: BTreeMap<ResourceId, String>,
    /// Secrets that may not be read, and are here as the last run has left them.
    pub(super) unread: BTreeSet<ResourceId>,
    /// Kinds that were listed and hold no member, although the inventory counts some.
    pub(super) suspicious: Vec<UnlistedKind>,
}

impl Listed {
    fn unlisted_for(&self, id: &ResourceId) -> Option<&UnlistedKind> {
        self.unlisted.iter().find(|unlisted| {
            unlisted.kind == id.kind && (unlisted.namespace.is_none() || unlisted.namespace == id.namespace)
        })
    }
}

impl Scope {
    /// The kinds and namespaces of the stack, and those of the inventory for what left it.
    pub(in crate::cluster) fn of(
        desired: &Desired,
        parent: Option<&Value>,
        served: &ServedKinds,
        identity: &Identity,
    ) -> Self {
        let mut scope = Self {
            kinds: desired.resources.iter().map(|resource| resource.id.kind.clone()).collect(),
            namespaces: desired.namespaces.iter().cloned().collect(),
            wanted: desired.resources.iter().map(|resource| resource.id.clone()).collect(),
            set: identity.set.clone(),
            ..Self::default()
        };
        scope.counted = parent.map(counts_of).unwrap_or_default().into_keys().collect();
        let (known, namespaces) = parent.map(members).unwrap_or_default();
        scope.namespaces.extend(namespaces);
        for (group, kind) in known {
            if scope.kinds.iter().any(|listed| listed.group == group && listed.kind == kind) {
                continue;
            }
            match served.of_group(&group, &kind) {
                Some(kind) => {
                    scope.kinds.insert(kind.clone());
                }
                None => {
                    let gone = || "the inventory names it and the cluster does not serve it".to_owned();
                    scope.unlisted.push(UnlistedKind {
                        reason: served.silent(&group, None).unwrap_or_else(gone),
                        kind: Kind { group, version: String::new(), kind },
                        namespace: None,
                    });
                }
            }
        }
        // Whether a namespace exists decides how the objects in it can be previewed.
        let namespace = Kind { group: String::new(), version: "v1".to_owned(), kind: "Namespace".to_owned() };
        let places = scope.namespaces.iter().map(|name| ResourceId {
            provider: KUBERNETES.to_owned(),
            target: desired.resources.first().map(|resource| resource.id.target.clone()).unwrap_or_default(),
            kind: namespace.clone(),
            namespace: None,
            name: name.clone(),
        });
        scope.wanted.extend(places);
        scope.kinds.insert(namespace);
        scope
    }

    /// Everything that is listed: what a silent server serves may not even be named.
    fn lists<'a>(
        &'a self,
        served: &'a ServedKinds,
    ) -> impl Iterator<Item = (&'a Kind, &'a Served, Option<&'a String>)> + use<'a> {
        let told = |kind: &&Kind| served.silent(&kind.group, Some(&kind.version)).is_none();
        self.kinds
            .iter()
            .filter(told)
            .flat_map(|kind| self.collections(kind, served).map(move |(place, namespace)| (kind, place, namespace)))
    }

    /// What is listed of a kind, as far as it is served: in each namespace, or once where its objects live in none.
    pub(in crate::cluster) fn collections<'a>(
        &'a self,
        kind: &Kind,
        served: &'a ServedKinds,
    ) -> impl Iterator<Item = (&'a Served, Option<&'a String>)> + use<'a> {
        let place = served.get(kind);
        let within = place.filter(|place| place.namespaced);
        let everywhere = self.namespaces.iter().filter_map(move |namespace| Some((within?, Some(namespace))));
        place.filter(|place| !place.namespaced).map(|place| (place, None)).into_iter().chain(everywhere)
    }

    /// What the inventory counts and a complete answer holds no member of: perhaps all are gone, and perhaps the answer
    /// is wrong. What it only names may never have come to be: a run that was killed names more than it made.
    fn suspicious(&self, listed: &Listed) -> Vec<UnlistedKind> {
        let of = |kind: &Kind| (kind.group.clone(), kind.kind.clone());
        let label = |object: &Value| {
            let labels = object.pointer("/metadata/labels");
            labels.and_then(|labels| labels.get(PART_OF_LABEL)?.as_str()) == Some(&self.set)
        };
        let mut absent = self.counted.clone();
        for (id, _) in listed.live.iter().filter(|(_, object)| label(object)) {
            absent.remove(&of(&id.kind));
        }
        let unlisted: BTreeSet<_> = listed.unlisted.iter().map(|unlisted| of(&unlisted.kind)).collect();
        self.kinds
            .iter()
            .filter(|kind| absent.contains(&of(kind)) && !unlisted.contains(&of(kind)))
            .map(|kind| UnlistedKind {
                kind: kind.clone(),
                namespace: None,
                reason: "the inventory counts some, and the list of it holds no member".to_owned(),
            })
            .collect()
    }
}
