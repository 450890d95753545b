//! The cluster's objects in memory, as they were after the last durable commit: read by every request, changed only by
//! the writer. Keeps the recent changes too, so that a watch can go on from an earlier version and
//! a list can be read as it was.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use super::disk::{DiskError, Loaded, Row};
use super::stored::Object;
use crate::object;

/// Which object: its resource (`apps/deployments`), namespace (empty for the whole cluster) and name. Ordered as a
/// server orders them, by the path `NAMESPACE/NAME`: `a-b/x` comes before `a/x`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        let namespaces = || {
            if self.namespace == other.namespace {
                return Ordering::Equal;
            }
            let end = [b'/'];
            let (mine, theirs) = (self.namespace.bytes().chain(end), other.namespace.bytes().chain(end));
            mine.cmp(theirs)
        };
        self.resource.cmp(&other.resource).then_with(namespaces).then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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

/// Objects of one resource, in order.
pub(crate) type Listed<'a> = Vec<(&'a Key, &'a Arc<Object>)>;

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
    /// An image of what was read from the store, and the versions in it that nobody can ask for. Of the changes it keeps
    /// the last `window`.
    pub(crate) fn loaded(loaded: Loaded, window: usize) -> Result<(Image, Vec<u64>), DiskError> {
        let mut image = Image { history_starts: loaded.window, window, ..Image::default() };
        let mut changes = Vec::new();
        for row in loaded.rows {
            let revision = row.revision;
            let before = image.objects.get(&row.key).cloned();
            let key = row.key.clone();
            let after = read(row)?;
            if before.is_none() && after.is_none() {
                return Err(DiskError::Torn(format!("version {revision} deletes {key:?}, which was not there")));
            }
            let change = Change { revision, key, before, after };
            image.take(&change);
            if revision > loaded.window {
                changes.push(change);
            }
        }
        image.history = changes.into();
        image.revision = loaded.revision;
        let forgotten = image.shorten();
        Ok((image, forgotten))
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

    /// The objects of a resource in one namespace, or in all, as they were at an earlier version, by namespace and name;
    /// none where the window no longer holds all changes since then.
    pub(crate) fn list_at<'a>(&'a self, revision: u64, resource: &'a str, namespace: &'a str) -> Option<Listed<'a>> {
        let mut then: BTreeMap<&Key, Option<&Arc<Object>>> = BTreeMap::new();
        for change in self.changes_after(revision)? {
            let Key { resource: of, namespace: within, .. } = &change.key;
            if &**of == resource && (namespace.is_empty() || &**within == namespace) {
                // The first change after the version tells how it was at the version.
                then.entry(&change.key).or_insert(change.before.as_ref());
            }
        }
        let mut found: Vec<_> = self.list(resource, namespace).filter(|(key, _)| !then.contains_key(key)).collect();
        if !then.is_empty() {
            found.extend(then.into_iter().filter_map(|(key, object)| Some((key, object?))));
            found.sort_by_key(|(key, _)| *key);
        }
        Some(found)
    }

    /// Takes over committed changes. Returns the versions that nobody can ask for any more.
    pub(crate) fn publish(&mut self, changes: Vec<Change>, revision: u64) -> Vec<u64> {
        for change in changes {
            self.take(&change);
            self.history.push_back(change);
        }
        self.revision = revision;
        self.shorten()
    }

    fn take(&mut self, change: &Change) {
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
    }

    /// Lets go of the changes that are too many. Returns the versions that nobody can ask for any more: what an object
    /// was before a change that is let go, and a deletion itself.
    fn shorten(&mut self) -> Vec<u64> {
        let mut forgotten = Vec::new();
        while self.history.len() > self.window {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_starts = oldest.revision;
            forgotten.extend(oldest.before.map(|before| before.revision));
            forgotten.extend(oldest.after.is_none().then_some(oldest.revision));
        }
        forgotten
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

/// The object that a row holds; none where it says that the object was deleted.
fn read(row: Row) -> Result<Option<Arc<Object>>, DiskError> {
    let Row { revision, key, json } = row;
    if json.is_empty() {
        return Ok(None);
    }
    let wrong = |what: String| {
        let Key { resource, namespace, name } = &key;
        DiskError::Torn(format!("object {namespace}/{name} of {resource} cannot be read: {what}"))
    };
    let value: Value = serde_json::from_slice(&json).map_err(|error| wrong(error.to_string()))?;
    let says = object::text(&value, "/metadata/resourceVersion");
    if says != revision.to_string() {
        return Err(wrong(format!("it stands at version {revision} and says {says:?}")));
    }
    Ok(Some(Arc::new(Object::new(value, revision))))
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
