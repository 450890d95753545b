//! The cluster's objects in memory, as they were after the last durable commit: read by every request, changed only by
//! the writer. Keeps the recent changes too, so that a watch can go on from an earlier version.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use axum::body::Bytes;
use serde_json::Value;

use crate::object;

/// Which object: its resource (`apps/deployments`), namespace (empty for the whole cluster) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) resource: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl Key {
    /// The key of an object.
    pub(crate) fn new(resource: &str, namespace: &str, name: &str) -> Key {
        Key { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// One stored object.
#[derive(Debug)]
pub(crate) struct Object {
    /// The object, `metadata.resourceVersion` included.
    pub(crate) value: Value,
    /// The same as JSON text, ready to be sent.
    pub(crate) json: Bytes,
    /// The version it was last changed at.
    pub(crate) revision: u64,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The version the change made.
    pub(crate) revision: u64,
    pub(crate) key: Key,
    /// The object before; none when it was created.
    pub(crate) before: Option<Arc<Object>>,
    /// The object after; none when it was deleted.
    pub(crate) after: Option<Arc<Object>>,
}

/// Every object, by key.
pub(crate) type Objects = BTreeMap<Key, Arc<Object>>;

/// The committed state.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub(crate) objects: Objects,
    /// Owner's uid to the objects that name it.
    owned: HashMap<String, BTreeSet<Key>>,
    pub(crate) revision: u64,
    history: VecDeque<Change>,
    /// Changes after this version are all in the history.
    history_starts: u64,
    window: usize,
}

impl Image {
    /// An image of what was read from the store.
    pub(crate) fn loaded(objects: Objects, revision: u64, window: usize) -> Image {
        let mut image = Image { revision, history_starts: revision, window, ..Image::default() };
        for (key, object) in objects {
            image.own(&key, &object);
            image.objects.insert(key, object);
        }
        image
    }

    /// The objects of a resource in one namespace, or in all where `namespace` is empty, by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Object>)> {
        range(&self.objects, resource, namespace)
    }

    /// Who names this uid as an owner.
    pub(crate) fn owned_by(&self, uid: &str) -> impl Iterator<Item = &Key> {
        self.owned.get(uid).into_iter().flatten()
    }

    /// The changes after `revision`, oldest first; none where the window no longer holds them all.
    pub(crate) fn changes_after(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        if revision < self.history_starts {
            return None;
        }
        let from = self.history.partition_point(|change| change.revision <= revision);
        Some(self.history.range(from..))
    }

    /// The oldest version a watch can go on from.
    pub(crate) fn oldest_version(&self) -> u64 {
        self.history_starts
    }

    /// Takes over committed changes.
    pub(crate) fn publish(&mut self, changes: Vec<Change>, revision: u64) {
        for change in changes {
            if let Some(before) = &change.before {
                self.disown(&change.key, before);
            }
            match &change.after {
                Some(after) => {
                    self.own(&change.key, after);
                    self.objects.insert(change.key.clone(), Arc::clone(after));
                }
                None => {
                    self.objects.remove(&change.key);
                }
            }
            self.history.push_back(change);
        }
        while self.history.len() > self.window {
            if let Some(oldest) = self.history.pop_front() {
                self.history_starts = oldest.revision;
            }
        }
        self.revision = revision;
    }

    fn own(&mut self, key: &Key, object: &Object) {
        for uid in owner_uids(&object.value) {
            self.owned.entry(uid.to_owned()).or_default().insert(key.clone());
        }
    }

    fn disown(&mut self, key: &Key, object: &Object) {
        for uid in owner_uids(&object.value) {
            if let Some(keys) = self.owned.get_mut(uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.owned.remove(uid);
                }
            }
        }
    }
}

/// The uids of an object's owners.
pub(crate) fn owner_uids(value: &Value) -> impl Iterator<Item = &str> {
    object::items(value, "/metadata/ownerReferences").iter().map(|owner| object::text(owner, "/uid"))
}

/// The entries of one resource, in one namespace where that is not empty.
pub(crate) fn range<'a, T>(
    map: &'a BTreeMap<Key, T>,
    resource: &'a str,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Key, &'a T)> {
    map.range((Bound::Included(Key::new(resource, namespace, "")), Bound::Unbounded)).take_while(move |(key, _)| {
        &*key.resource == resource && (namespace.is_empty() || &*key.namespace == namespace)
    })
}
