//! What a cluster has to do with secrets: it keeps the key of an instance's digests, and the Secrets as the last run left
//! them, sealed, so that a plan can be held against them without a right to read Secrets.
//!
//! Both are in one ConfigMap of the control namespace, `strata-INSTANCE.digests`, which only a run that applies writes,
//! under the lock. Nothing leaves here that is neither sealed nor on its way to the server.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use http::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};
use strata_components::desired::{Desired, INSTANCE_LABEL, Instance, Kind, ResourceId};

use super::Cluster;
use super::carry::CONTROL_MANAGER;
use super::identity::{Identity, PART_OF_LABEL};
use super::request::Call;
use crate::observe::Snapshot;
use crate::plan::{Plan, Step, digest};
use crate::provider::ProviderError;
use crate::secrets::{KEY_BYTES, Key, RevealError, Secrets, forget_passing, is_secret};

/// Under which name the key stands; the name of every Secret's entry has a dot in it.
const KEY: &str = "key";
/// Bytes of sealed Secrets that are kept at the most: an object may have 1 MiB, and the last ones are left out.
const KEPT_BYTES: usize = 900 << 10;

/// What is secret in a run, and what the cluster keeps for that.
#[derive(Default)]
pub(super) struct Sealing {
    pub(super) secrets: Secrets,
    state: RwLock<State>,
}

#[derive(Clone, Default)]
struct State {
    /// The key of this run's digests: the one that is kept, or one that passes.
    key: Option<Key>,
    books: Option<Books>,
    /// Whether any digest was made of what is live.
    marked: bool,
    /// The instance's Secrets as they were listed, sealed.
    seen: BTreeMap<ResourceId, Value>,
}

/// What a cluster keeps.
#[derive(Clone, Default)]
pub(super) struct Books {
    /// None where nothing is kept yet.
    key: Option<Key>,
    /// Secrets as the last run left them, sealed, by [`entry`].
    kept: BTreeMap<String, Value>,
}

impl Books {
    /// Whether nothing is kept: nothing is known of what no list tells.
    pub(super) fn is_empty(&self) -> bool {
        self.key.is_none()
    }

    /// A Secret as the last run left it.
    pub(super) fn last(&self, id: &ResourceId) -> Option<&Value> {
        self.kept.get(&entry(id))
    }

    /// All of them, without their ids.
    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.kept.values()
    }
}

/// Under which name a Secret is kept: a namespace has no dot in its name.
fn entry(id: &ResourceId) -> String {
    format!("{}.{}", id.namespace.as_deref().unwrap_or_default(), id.name)
}

impl Sealing {
    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The key of this run, made where there is none.
    fn key(&self) -> Result<Key, ProviderError> {
        if let Some(key) = &self.state.read().unwrap_or_else(PoisonError::into_inner).key {
            return Ok(key.clone());
        }
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| ProviderError::Unexpected {
            doing: "making a key for digests of what is secret".to_owned(),
            detail: "the system gives no random bytes".to_owned(),
        })?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        Ok(state.key.get_or_insert_with(|| Key::passing(bytes)).clone())
    }

    /// Whether digests of this run mean nothing to another.
    fn is_passing(&self) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.key.as_ref().is_some_and(Key::is_passing)
    }

    fn is_marked(&self) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).marked
    }

    /// What was listed, sealed. A Secret that is no concern of the instance keeps nothing of what it holds.
    pub(super) fn seal_listed(
        &self,
        live: &mut BTreeMap<ResourceId, Value>,
        identity: &Identity,
    ) -> Result<(), ProviderError> {
        // First Secrets, because of what they hold may stand in others.
        for (id, object) in live.iter_mut().filter(|(_, object)| is_secret(object)) {
            let ours = object["metadata"]["labels"][PART_OF_LABEL] == *identity.set;
            if !ours && !self.secrets.holds(id) {
                self.secrets.blank(object);
                continue;
            }
            self.seal_answer(id, object)?;
            if ours {
                self.set(|state| drop(state.seen.insert(id.clone(), object.clone())));
            }
        }
        let mut others = live.iter_mut().filter(|(_, object)| !is_secret(object));
        others.try_for_each(|(id, object)| self.seal_answer(id, object))
    }

    /// What is live, sealed: an object of a list, or of an answer.
    pub(super) fn seal_answer(&self, id: &ResourceId, object: &mut Value) -> Result<(), ProviderError> {
        if self.secrets.seal_live(id, object, &self.key()?) && !self.is_marked() {
            self.set(|state| state.marked = true);
        }
        Ok(())
    }

    /// The object with the values that it stands for, to be sent.
    pub(super) fn reveal(&self, id: &ResourceId, object: &Value, doing: &str) -> Result<Value, ProviderError> {
        let revealed = self.secrets.reveal(id, object, &self.key()?);
        revealed.map(std::borrow::Cow::into_owned).map_err(|source| withheld(doing, source))
    }

    /// What is desired as this run compares it, where that is otherwise than it is shown.
    pub(super) fn compared(&self, desired: &Desired) -> Result<Option<Desired>, ProviderError> {
        if let Some(open) = desired.resources.iter().find_map(|resource| {
            let path = self.secrets.exposed(&resource.manifest)?;
            Some(ProviderError::Unexpected {
                doing: format!("planning {}", resource.id),
                detail: format!("{path} holds what is secret in plain text: it has to be withheld before"),
            })
        }) {
            return Err(open);
        }
        if self.secrets.is_empty() {
            return Ok(None);
        }
        let key = self.key()?;
        Ok(key.is_passing().then(|| self.secrets.seal(desired, Some(&key))))
    }

    /// The digest of a manifest as it is shown.
    pub(super) fn digest(&self, manifest: &Value) -> String {
        if !self.is_passing() || self.secrets.is_empty() {
            return digest(manifest);
        }
        let mut shown = manifest.clone();
        forget_passing(&mut shown);
        digest(&shown)
    }

    /// A snapshot as it is shown.
    pub(super) fn shown(&self, snapshot: Snapshot) -> Result<Snapshot, ProviderError> {
        if !self.is_passing() || (self.secrets.is_empty() && !self.is_marked()) {
            return Ok(snapshot);
        }
        let unexpected = |error: serde_json::Error| ProviderError::Unexpected {
            doing: "withholding what is secret from a snapshot".to_owned(),
            detail: error.to_string(),
        };
        let mut value = serde_json::to_value(&snapshot).map_err(unexpected)?;
        forget_passing(&mut value);
        serde_json::from_value(value).map_err(unexpected)
    }

    /// The manifest of a step with every digest that was not known when it was planned, and its own digest.
    pub(super) fn completed(&self, step: &Step, manifest: &Value) -> Result<(Value, String), ProviderError> {
        let planned = digest(manifest);
        let mut completed = manifest.clone();
        if !self.secrets.is_empty() {
            self.secrets.complete(&step.id, &mut completed, Some(&self.key()?));
        }
        // Where it is not the stack's own manifest that is applied, the digest is still of that.
        let own = match &step.manifest_digest {
            Some(own) if *own != planned => own.clone(),
            _ => digest(&completed),
        };
        Ok((completed, own))
    }
}

fn withheld(doing: &str, source: RevealError) -> ProviderError {
    ProviderError::Withheld { doing: doing.to_owned(), source }
}

impl Cluster {
    /// The same cluster, which puts the values that were withheld into what it sends, and tells none of them.
    #[must_use]
    pub fn withholding(self, secrets: Secrets) -> Self {
        let requests = self.requests.knowing(secrets.known().clone());
        Self { requests, sealing: Sealing { secrets, state: RwLock::default() }, ..self }
    }

    /// What is desired with the digests that the cluster's key gives, in the place of what was withheld: what
    /// [`observe`](crate::provider::Provider::observe) and [`plan`](crate::plan::plan) take. Where no key is kept yet, the
    /// places stay as they are.
    ///
    /// # Errors
    ///
    /// Where the key cannot be read.
    pub async fn seal(&self, desired: &Desired) -> Result<Desired, ProviderError> {
        let secrets = &self.sealing.secrets;
        if secrets.is_empty() {
            return Ok(desired.clone());
        }
        let books = self.read_books(&desired.instance).await?;
        if let Some(key) = &books.key {
            self.sealing.set(|state| state.key = Some(key.clone()));
        }
        Ok(secrets.seal(desired, books.key.as_ref()))
    }

    /// What the cluster keeps, read once.
    pub(super) async fn books(&self, instance: &Instance) -> Result<Books, ProviderError> {
        match self.sealing.state().books {
            Some(books) => Ok(books),
            None => self.read_books(instance).await,
        }
    }

    async fn read_books(&self, instance: &Instance) -> Result<Books, ProviderError> {
        let identity = self.identity(instance);
        let doing = format!("reading the digests ConfigMap {}/{}", identity.control_namespace, name(&identity));
        let call = Call::get(path(&identity), doing);
        let books = match self.requests.find(&call).await? {
            None => Books::default(),
            Some(map) => {
                let data = map["data"].as_object().cloned().unwrap_or_default();
                let text = data.get(KEY).and_then(Value::as_str);
                let key = text.and_then(Key::of_text).ok_or_else(|| ProviderError::Unexpected {
                    doing: call.doing,
                    detail: "it holds no key; delete it, and the next `up` makes another".to_owned(),
                })?;
                let sealed = |text: Value| serde_json::from_str(text.as_str()?).ok();
                let kept = data.into_iter().filter(|(name, _)| name != KEY);
                Books { key: Some(key), kept: kept.filter_map(|(name, text)| Some((name, sealed(text)?))).collect() }
            }
        };
        self.sealing.set(|state| state.books = Some(books.clone()));
        Ok(books)
    }

    /// Before the first step of a plan: makes sure that there is a key, if anything is to be applied that needs one, and
    /// that what is kept of the instance's Secrets is what was listed.
    pub(super) async fn begin_sealing(&self, plan: &Plan) -> Result<(), ProviderError> {
        let applies = plan.steps().any(|step| step.manifest.is_some());
        if self.sealing.secrets.is_empty() || !applies {
            return Ok(());
        }
        let mut books = self.read_books(&plan.instance).await?;
        if books.key.is_none() {
            self.write_key(&plan.instance).await?;
            books = self.read_books(&plan.instance).await?;
        }
        let before = self.sealing.state();
        self.sealing.set(|state| state.key.clone_from(&books.key));
        // What was sealed with a key that has become the kept one has the digests of that.
        let passed = before.key.as_ref().filter(|key| key.is_passing()).map(Key::keep);
        let same = |key: &Key| books.key.as_ref().is_some_and(|kept| kept.to_text() == key.to_text());
        if !passed.as_ref().or(before.key.as_ref()).is_some_and(same) {
            return Ok(());
        }
        let mut changes = Map::new();
        for (id, object) in before.seen {
            let sealed = object.to_string().replace(crate::secrets::PASSING, crate::secrets::PREFIX);
            if books.last(&id).map(Value::to_string).as_ref() != Some(&sealed) {
                changes.insert(entry(&id), sealed.into());
            }
        }
        self.write_kept(&plan.instance, changes).await
    }

    async fn write_key(&self, instance: &Instance) -> Result<(), ProviderError> {
        let identity = self.identity(instance);
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name(&identity),
                "labels": {INSTANCE_LABEL: identity.instance, "app.kubernetes.io/managed-by": "strata"},
            },
            "data": {KEY: self.sealing.key()?.to_text()},
        });
        let collection = format!("/api/v1/namespaces/{}/configmaps", identity.control_namespace);
        let doing = format!("writing the digests ConfigMap {}/{}", identity.control_namespace, name(&identity));
        let call = Call::post(collection, doing, &map).query("fieldManager", CONTROL_MANAGER);
        let answer = self.requests.send(&call).await?;
        // A try whose answer was lost may have made it; what is there is read next.
        if answer.status == StatusCode::CONFLICT { Ok(()) } else { answer.ok(&call.doing).map(|_| ()) }
    }

    /// Keeps what a step has left of a Secret; nothing of it where that is gone.
    pub(super) async fn keep_sealed(
        &self,
        plan: &Plan,
        step: &Step,
        after: Option<&Value>,
    ) -> Result<(), ProviderError> {
        if !is_core_secret(&step.id.kind) {
            return Ok(());
        }
        if after.is_none() && self.books(&plan.instance).await?.last(&step.id).is_none() {
            return Ok(());
        }
        let sealed = after.map_or(Value::Null, |object| object.to_string().into());
        self.write_kept(&plan.instance, Map::from_iter([(entry(&step.id), sealed)])).await
    }

    async fn write_kept(&self, instance: &Instance, mut changes: Map<String, Value>) -> Result<(), ProviderError> {
        if changes.is_empty() {
            return Ok(());
        }
        let length = |value: &Value| value.as_str().map_or(0, str::len);
        self.sealing.set(|state| {
            let books = state.books.get_or_insert_default();
            changes.keys().for_each(|name| drop(books.kept.remove(name)));
            let mut left = KEPT_BYTES.saturating_sub(books.kept.values().map(|value| value.to_string().len()).sum());
            for (name, text) in &mut changes {
                let object = text.as_str().and_then(|text| serde_json::from_str(text).ok());
                match (object, left.checked_sub(length(text))) {
                    (Some(object), Some(rest)) => {
                        left = rest;
                        books.kept.insert(name.clone(), object);
                    }
                    // It is planned as if it were not known then.
                    _ => *text = Value::Null,
                }
            }
        });
        let identity = self.identity(instance);
        let doing = format!("writing the digests ConfigMap {}/{}", identity.control_namespace, name(&identity));
        let call = Call::merge_patch(path(&identity), doing, &json!({"data": changes}));
        self.requests.ok(&call.query("fieldManager", CONTROL_MANAGER)).await.map(|_| ())
    }

    /// Forgets the key and what is kept, because nothing of the instance is left.
    pub(super) async fn end_sealing(&self, plan: &Plan) -> Result<(), ProviderError> {
        let deletes = plan.steps().any(|step| step.id.kind.kind == "Secret");
        if self.sealing.secrets.is_empty() && !deletes {
            return Ok(());
        }
        let identity = self.identity(&plan.instance);
        let doing = format!("deleting the digests ConfigMap {}/{}", identity.control_namespace, name(&identity));
        self.requests.find(&Call::delete(path(&identity), doing, &json!({}))).await.map(|_| ())
    }
}

/// Whether a kind is that of Secrets.
pub(super) fn is_core_secret(kind: &Kind) -> bool {
    kind.kind == "Secret" && kind.group.is_empty()
}

pub(super) fn name(identity: &Identity) -> String {
    format!("{}.digests", identity.control_name())
}

fn path(identity: &Identity) -> String {
    format!("/api/v1/namespaces/{}/configmaps/{}", identity.control_namespace, name(identity))
}
