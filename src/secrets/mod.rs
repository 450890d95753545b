//! What is secret in a stack's objects, and how everything that is shown, compared or kept does without it.
//!
//! [`Secrets::withhold`] takes the values out of what is desired as soon as that is composed. From then on a text stands
//! in the place of each: [`HIDDEN`], or its digest, keyed by a [`Key`] that the cluster keeps. Whoever plans, checks,
//! reports or saves has nothing else to see. What is live gets the same digests when it is read, so that a changed value
//! is seen to change. Only a request that asks the server about an object, or applies it, holds values again
//! ([`Secrets::reveal`]). Texts that a server, a log or an event brings are looked through for every value that was seen
//! ([`Known`]).
//!
//! Pure: keys are made, kept and read by the [provider](crate::cluster).

mod key;
mod known;
mod places;
mod suspicion;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use strata_components::blue_green::plain_id;
use strata_components::desired::{Desired, Kind, ResourceId};
use strata_components::rolling::{SECRETS_ANNOTATION, Uses, annotate, roll_with_config};
use thiserror::Error;

use crate::observe::HIDDEN;
use key::DIGITS;
pub use key::Key;
pub(crate) use key::{BYTES as KEY_BYTES, PASSING, PREFIX};
pub use known::Known;
use places::{Place, Places, replace};
pub(crate) use suspicion::Suspicions;

/// What stands before the name of a ConfigMap among digests of what is secret.
const IN_CONFIG_MAP: &str = "config-map/";

/// The values that were taken out of what is desired. It shows none of them, and does not serialise.
#[derive(Clone, Default)]
pub struct Secrets {
    /// By object, then by place. Every Secret has an entry, also one that holds nothing.
    values: BTreeMap<ResourceId, BTreeMap<String, Value>>,
    known: Known,
    places: Arc<Places>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: usize = self.values.values().map(BTreeMap::len).sum();
        write!(f, "Secrets({values} values of {} objects)", self.values.len())
    }
}

/// Why a value cannot be put back into an object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RevealError {
    /// What is desired holds no such value.
    #[error("there is no value for {0}: what it was is not written down, and its source does not give it any more")]
    Missing(String),
    /// What is desired holds another value than the plan was made with.
    #[error("the value of {0} is another than the one that was planned")]
    Another(String),
}

impl Secrets {
    /// Takes everything that is secret out of what is desired, and leaves [`HIDDEN`] in its place: what Secrets hold,
    /// variables of containers that look like secrets, records of earlier applies in annotations, and every other text
    /// in which one of these values stands.
    ///
    /// `stringData` of a Secret becomes `data`, as the server makes of it: it could not be told later whose it is.
    ///
    /// ```
    /// use serde_json::json;
    /// use strata::secrets::Secrets;
    /// # use strata::components::desired::Desired;
    /// # let mut desired: Desired = serde_json::from_value(json!({
    /// #     "instance": {"stack": "shop", "environment": "local"}, "namespaces": [], "phases": [],
    /// #     "claims": {"ports": [], "edges": [], "compute": []}, "resources": [],
    /// # })).unwrap();
    /// desired.add(None, "keys", json!({
    ///     "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"password": "hunter2"},
    /// })).unwrap();
    /// let secrets = Secrets::withhold(&mut desired);
    /// assert_eq!(desired.resources[0].manifest["data"], json!({"password": "(secret)"}));
    /// assert_eq!(format!("{secrets:?}"), "Secrets(1 values of 1 objects)");
    /// ```
    pub fn withhold(desired: &mut Desired) -> Self {
        Self::withhold_from(desired, Known::default())
    }

    /// The same, with a collection of values that must not be told that others have as well.
    pub fn withhold_from(desired: &mut Desired, known: Known) -> Self {
        let mut secrets = Self { known, ..Self::default() };
        secrets.known.spare(names(desired));
        for resource in &mut desired.resources {
            fold_text(&mut resource.manifest);
            if is_secret(&resource.manifest) {
                secrets.values.entry(resource.id.clone()).or_default();
            }
            for manifest in std::iter::once(&mut resource.manifest).chain(&mut resource.meanwhile) {
                // What only looks as if it stood for a value is one as well: nothing else could tell them apart later.
                let mut found = secrets.places.secret(manifest);
                found.extend(secrets.places.withheld(manifest));
                secrets.take(&resource.id, manifest, found);
            }
        }
        if !secrets.known.is_empty() {
            for resource in &mut desired.resources {
                for manifest in std::iter::once(&mut resource.manifest).chain(&mut resource.meanwhile) {
                    let found = secrets.places.telling(manifest, &secrets.known);
                    secrets.take(&resource.id, manifest, found);
                }
            }
        }
        if !secrets.is_empty() {
            secrets.follow(&roll_with_config(desired));
            secrets.known.spare(names(desired));
        }
        secrets
    }

    /// Digests without a key, and names made of them, were made anew of what is left: what these objects held belongs to
    /// them under the names that they have now.
    fn follow(&mut self, renamed: &BTreeMap<ResourceId, ResourceId>) {
        let moved: Vec<_> =
            renamed.iter().filter_map(|(before, now)| Some((now.clone(), self.values.remove(before)?))).collect();
        self.values.extend(moved);
    }

    /// Puts every value back into what is desired, as it is written where somebody asked for that.
    ///
    /// # Errors
    ///
    /// Where a place stands for a value that was not taken out here.
    pub fn reveal_all(&self, desired: &mut Desired) -> Result<(), RevealError> {
        // No digest stands anywhere yet, so that no key is asked for.
        let key = Key::passing([0; KEY_BYTES]);
        for resource in desired.resources.iter_mut().filter(|resource| self.holds(&resource.id)) {
            for manifest in std::iter::once(&mut resource.manifest).chain(&mut resource.meanwhile) {
                let revealed = self.reveal(&resource.id, manifest, &key)?.into_owned();
                *manifest = revealed;
            }
        }
        Ok(())
    }

    fn take(&mut self, id: &ResourceId, manifest: &mut Value, places: Vec<Place>) {
        if places.is_empty() {
            return;
        }
        let encoded = is_secret(manifest);
        let (values, known) = (self.values.entry(id.clone()).or_default(), &self.known);
        replace(manifest, places, |path, value| {
            if !values.contains_key(path) {
                note(known, &plain(encoded, path, value), value);
                values.insert(path.to_owned(), value.clone());
            }
            Some(HIDDEN.into())
        });
    }

    /// The values that must not be told, with those that are seen while the program goes on.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Whether nothing is secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether anything of an object is secret.
    pub(crate) fn holds(&self, id: &ResourceId) -> bool {
        self.values.contains_key(id)
    }

    /// The object under whose id the values of an object are kept: a workload of one colour holds what is desired of it
    /// without a colour, and both have the same digests.
    fn kept_as<'a>(&self, id: &'a ResourceId) -> Cow<'a, ResourceId> {
        let plain = if self.values.contains_key(id) { None } else { plain_id(id) };
        plain.filter(|plain| self.values.contains_key(plain)).map_or(Cow::Borrowed(id), Cow::Owned)
    }

    /// What is desired with a digest in the place of each value, and with the digests of the Secrets that pods use in
    /// their templates; with [`HIDDEN`] for each where no key is kept yet.
    #[must_use]
    pub fn seal(&self, desired: &Desired, key: Option<&Key>) -> Desired {
        let mut desired = desired.clone();
        for resource in &mut desired.resources {
            self.complete(&resource.id, &mut resource.manifest, key);
            if let Some(meanwhile) = &mut resource.meanwhile {
                self.complete(&resource.id, meanwhile, key);
            }
        }
        desired
    }

    /// The same for one object. What has digests already keeps them.
    pub fn complete(&self, id: &ResourceId, manifest: &mut Value, key: Option<&Key>) {
        if self.is_empty() {
            return;
        }
        let id = &*self.kept_as(id);
        if let (Some(values), Some(key)) = (self.values.get(id), key) {
            let (encoded, places) = (is_secret(manifest), self.places.withheld(manifest));
            replace(manifest, places, |path, stands| {
                // A digest that stands there already is what was planned.
                if stands != HIDDEN {
                    return None;
                }
                Some(key.digest(id, path, &plain(encoded, path, values.get(path)?)).into())
            });
        }
        let annotations = manifest.pointer("/spec/template/metadata/annotations");
        let told = annotations.and_then(|annotations| annotations[SECRETS_ANNOTATION].as_str());
        // A Job has its name from its template, and keeps both: another value does not run it again.
        if manifest["kind"] == "Job" || told.is_some_and(|told| !told.contains(HIDDEN)) {
            return;
        }
        let Uses { secrets, config_maps } = Uses::of(manifest);
        let secrets = secrets.into_iter().map(|name| ("Secret", name.clone(), name));
        // What is secret in a ConfigMap is not in the digest of the rest of it.
        let maps = config_maps.into_iter().map(|name| ("ConfigMap", format!("{IN_CONFIG_MAP}{name}"), name));
        let used = secrets.chain(maps).filter_map(|(kind, told, name)| {
            let kind = Kind { group: String::new(), version: "v1".to_owned(), kind: kind.to_owned() };
            let source = ResourceId { kind, name, ..id.clone() };
            let values = self.values.get(&source)?;
            Some((told, key.map_or_else(|| HIDDEN.to_owned(), |key| of_content(&source, values, key))))
        });
        let used: BTreeMap<String, String> = used.collect();
        if !used.is_empty() {
            annotate(manifest, SECRETS_ANNOTATION, &used);
        }
    }

    /// The object as it is sent: with the values that it stands for.
    ///
    /// # Errors
    ///
    /// Where there is no value for a place, or where there is another than the digest in that place is of.
    pub fn reveal<'a>(&self, id: &ResourceId, object: &'a Value, key: &Key) -> Result<Cow<'a, Value>, RevealError> {
        let mut revealed = Cow::Borrowed(object);
        let id = &*self.kept_as(id);
        for Place { path, pointer } in self.places.withheld(object) {
            let value = self.values.get(id).and_then(|values| values.get(&path));
            let Some(value) = value else { return Err(RevealError::Missing(path)) };
            let digest = key.digest(id, &path, &plain(is_secret(object), &path, value));
            if object.pointer(&pointer).is_some_and(|stands| *stands != HIDDEN && *stands != digest) {
                return Err(RevealError::Another(path));
            }
            if let Some(place) = revealed.to_mut().pointer_mut(&pointer) {
                place.clone_from(value);
            }
        }
        Ok(revealed)
    }

    /// Puts digests into the places of a live object's secret values, and makes these known as what must not be told. What
    /// is withheld of the desired object is withheld of the live one as well, whatever it is now. Returns whether there
    /// was anything.
    pub(crate) fn seal_live(&self, id: &ResourceId, object: &mut Value, key: &Key) -> bool {
        let mut found = self.places.telling(object, &self.known);
        let id = &*self.kept_as(id);
        if let Some(values) = self.values.get(id).filter(|values| !values.is_empty()) {
            let wanted = |place: &Place| values.contains_key(&place.path) && !found.contains(place);
            let more: Vec<Place> = self.places.every(object).into_iter().filter(wanted).collect();
            found.extend(more);
        }
        let (encoded, any) = (is_secret(object), !found.is_empty());
        replace(object, found, |path, value| {
            if is_withheld(value) {
                return None;
            }
            let plain = plain(encoded, path, value);
            note(&self.known, &plain, value);
            Some(key.digest(id, path, &plain).into())
        });
        any
    }

    /// Leaves [`HIDDEN`] in the place of what a live object holds that is no concern of the instance.
    pub(crate) fn blank(&self, object: &mut Value) {
        let found = self.places.secret(object);
        replace(object, found, |_, _| Some(HIDDEN.into()));
    }

    /// The first place of an object that holds what is secret in plain.
    pub(crate) fn exposed(&self, object: &Value) -> Option<String> {
        let found = self.places.secret(object).into_iter();
        let mut plain = found.filter(|place| object.pointer(&place.pointer).is_some_and(|value| !is_withheld(value)));
        plain.next().map(|place| place.path)
    }
}

/// Whether a text stands for a value and is none itself.
pub(crate) fn is_withheld(value: &Value) -> bool {
    let is_digest = |text: &str| {
        let digits = text.strip_prefix(PREFIX).or_else(|| text.strip_prefix(PASSING));
        digits.is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    value.as_str().is_some_and(|text| text == HIDDEN || is_digest(text))
}

/// The places of an object where something stands for a value.
pub(crate) fn withheld(object: &Value) -> Vec<String> {
    Places::default().withheld(object).into_iter().map(|place| place.path).collect()
}

/// Puts [`HIDDEN`] in the place of digests that mean nothing outside of this process.
pub(crate) fn forget_passing(value: &mut Value) {
    match value {
        Value::String(text) => {
            while let Some(at) = text.find(PASSING) {
                let end = (at + PASSING.len() + DIGITS).min(text.len());
                text.replace_range(at..end, HIDDEN);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(forget_passing),
        Value::Object(fields) => fields.values_mut().for_each(forget_passing),
        _ => {}
    }
}

/// Whether an object is a Secret.
pub(crate) fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret"
}

/// Names that the stack gives, and that are shown wherever it is told what happens.
fn names(desired: &Desired) -> impl Iterator<Item = String> {
    let own = [desired.instance.name()].into_iter().chain(desired.namespaces.clone());
    let of_resources = desired.resources.iter().flat_map(|resource| {
        let parts = [Some(resource.id.name.clone()), resource.id.namespace.clone(), Some(resource.address.clone())];
        parts.into_iter().flatten().collect::<Vec<_>>()
    });
    own.chain(of_resources).collect::<std::collections::BTreeSet<_>>().into_iter()
}

/// Makes a value known; where it is itself an object that stands as JSON in a text, as annotations keep it, what is secret
/// in that, and where it is a text around a known value, nothing more.
fn note(known: &Known, plain: &[u8], value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let Some(Ok(record)) = Some(text).filter(|text| text.starts_with('{')).map(serde_json::from_str::<Value>) else {
        if !known.gives_away(text) {
            known.note(plain);
        }
        return;
    };
    for place in Places::default().secret(&record) {
        if let Some(value) = record.pointer(&place.pointer).filter(|value| !is_withheld(value)) {
            known.note(&self::plain(is_secret(&record), &place.path, value));
        }
    }
}

/// A keyed digest of everything that a Secret holds, or that is secret in a ConfigMap.
fn of_content(id: &ResourceId, values: &BTreeMap<String, Value>, key: &Key) -> String {
    let encoded = id.kind.kind == "Secret";
    let mut content = Vec::new();
    for (path, value) in values {
        for part in [path.as_bytes(), &plain(encoded, path, value)] {
            content.extend_from_slice(&(part.len() as u64).to_be_bytes());
            content.extend_from_slice(part);
        }
    }
    key.digest(id, "", &content)
}

/// The bytes that a value stands for: in a Secret's `data`, whose values are `encoded`, those that it encodes.
fn plain(encoded: bool, path: &str, value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) if encoded && (path.starts_with(".data.") || path.starts_with(".data[")) => {
            // Line breaks within are no part of what is encoded.
            let whole: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            STANDARD.decode(&whole).unwrap_or_else(|_| text.clone().into_bytes())
        }
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

/// Makes `data` of what a Secret holds as text.
fn fold_text(manifest: &mut Value) {
    if !is_secret(manifest) || !manifest["data"].is_object() && !manifest["data"].is_null() {
        return;
    }
    let Some(text) = manifest.get_mut("stringData").and_then(Value::as_object_mut) else { return };
    let all = std::mem::take(text);
    let (texts, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, value)| value.is_string());
    // What is no text is left for the server to refuse.
    text.extend(others);
    let is_empty = text.is_empty();
    for (name, value) in texts {
        manifest["data"][name] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
    }
    if let Some(manifest) = manifest.as_object_mut().filter(|_| is_empty) {
        manifest.remove("stringData");
    }
}

#[cfg(test)]
mod tests;
