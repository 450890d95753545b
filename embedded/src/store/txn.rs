//! One transaction: reads the committed image with its own uncommitted changes laid over it, and collects what it
//! changes. It can be committed by the writer, or dropped (a dry run).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::image::{self, Change, Image, Key};
use super::stored::Object;
use crate::object;

/// A transaction over an image.
pub(crate) struct Txn<'a> {
    base: &'a Image,
    staged: BTreeMap<Key, Option<Arc<Object>>>,
    /// Owner's uid to the staged objects that name it, or have named it in this transaction.
    owned: HashMap<String, BTreeSet<Key>>,
    changes: Vec<Change>,
    revision: u64,
    now: Timestamp,
}

impl<'a> Txn<'a> {
    /// A transaction over `base`.
    pub(crate) fn over(base: &'a Image, now: Timestamp) -> Txn<'a> {
        Txn { base, staged: BTreeMap::new(), owned: HashMap::new(), changes: Vec::new(), revision: base.revision, now }
    }

    /// The present moment, as the cluster's clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the transaction's present: the writer runs several requests in one.
    pub(crate) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The version after the last change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The object, where there is one.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        match self.staged.get(key) {
            Some(staged) => staged.clone(),
            None => self.base.objects.get(key).cloned(),
        }
    }

    /// The objects of a resource in one namespace, or in all where `namespace` is empty, by namespace and name.
    pub(crate) fn list(&self, resource: &str, namespace: &str) -> Vec<Arc<Object>> {
        let mut found: BTreeMap<&Key, &Arc<Object>> = self.base.list(resource, namespace).collect();
        for (key, staged) in image::range(&self.staged, resource, namespace) {
            match staged {
                Some(object) => found.insert(key, object),
                None => found.remove(key),
            };
        }
        found.into_values().cloned().collect()
    }

    /// Who names this uid as an owner.
    pub(crate) fn owned_by(&self, uid: &str) -> Vec<(Key, Arc<Object>)> {
        let mut keys: BTreeSet<&Key> = self.base.owned_by(uid).collect();
        keys.extend(self.owned.get(uid).into_iter().flatten());
        keys.into_iter()
            .filter_map(|key| self.get(key).map(|object| (key.clone(), object)))
            .filter(|(_, object)| image::owner_uids(&object.value).any(|owner| owner == uid))
            .collect()
    }

    /// Every key in a namespace.
    pub(crate) fn keys_in_namespace(&self, namespace: &str) -> Vec<Key> {
        let mut keys: BTreeSet<&Key> = self.base.objects.keys().filter(|key| &*key.namespace == namespace).collect();
        for (key, staged) in &self.staged {
            if &*key.namespace == namespace {
                match staged {
                    Some(_) => keys.insert(key),
                    None => keys.remove(key),
                };
            }
        }
        keys.into_iter().cloned().collect()
    }

    /// Every object, by key.
    pub(crate) fn every(&self) -> Vec<(Key, Arc<Object>)> {
        let mut found: BTreeMap<&Key, &Arc<Object>> = self.base.objects.iter().collect();
        for (key, staged) in &self.staged {
            match staged {
                Some(object) => found.insert(key, object),
                None => found.remove(key),
            };
        }
        found.into_iter().map(|(key, object)| (key.clone(), Arc::clone(object))).collect()
    }

    /// The changes after a version, committed or not, oldest first; none where the window no longer holds them all.
    pub(crate) fn changes_after(&self, revision: u64) -> Option<Vec<Change>> {
        let mut changes: Vec<Change> = self.base.changes_after(revision)?.cloned().collect();
        changes.extend(self.changes.iter().filter(|change| change.revision > revision).cloned());
        Some(changes)
    }

    /// Stores an object under the next version and gives it back as stored.
    pub(crate) fn put(&mut self, key: Key, mut value: Value) -> Arc<Object> {
        self.revision += 1;
        object::metadata(&mut value).insert("resourceVersion".to_owned(), json!(self.revision.to_string()));
        let stored = Arc::new(Object::new(value, self.revision));
        let before = self.get(&key);
        let after = Some(Arc::clone(&stored));
        for uid in image::owner_uids(&stored.value) {
            self.owned.entry(uid.to_owned()).or_default().insert(key.clone());
        }
        self.staged.insert(key.clone(), after.clone());
        self.changes.push(Change { revision: self.revision, key, before, after });
        stored
    }

    /// Takes an object away and gives back its last state, at the deletion's version.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        let before = self.get(key)?;
        self.revision += 1;
        let mut value = before.value.clone();
        object::metadata(&mut value).insert("resourceVersion".to_owned(), json!(self.revision.to_string()));
        let last = Arc::new(Object::new(value, self.revision));
        self.staged.insert(key.clone(), None);
        self.changes.push(Change { revision: self.revision, key: key.clone(), before: Some(before), after: None });
        Some(last)
    }

    /// How many changes have been made so far: a mark to go back to.
    pub(crate) fn mark(&self) -> usize {
        self.changes.len()
    }

    /// Undoes every change after the mark.
    pub(crate) fn roll_back(&mut self, mark: usize) {
        while self.changes.len() > mark {
            if let Some(change) = self.changes.pop() {
                self.revision = change.revision - 1;
                self.staged.insert(change.key, change.before);
            }
        }
    }

    /// The changes after a mark.
    pub(crate) fn changes_since(&self, mark: usize) -> &[Change] {
        self.changes.get(mark..).unwrap_or_default()
    }

    /// What is to be committed.
    pub(crate) fn into_changes(self) -> (Vec<Change>, u64) {
        (self.changes, self.revision)
    }
}
