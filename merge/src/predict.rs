//! What an apply would do, from the live object alone: no request, no right to write.
//!
//! Admission that changes objects (mutating webhooks and policies), and defaults that depend on what is applied, are
//! beyond this: the caller has to know whether any could touch the object.

use serde_json::Value;

use crate::apply::{ApplyOptions, decide};
use crate::conflict::Conflict;
use crate::diff::{Change, diff};
use crate::last_applied;
use crate::managed::{Managed, without_managed_fields};
use crate::proof;
use crate::schema::TypeRef;
use crate::typed::normal::{Sameness, sameness};
use crate::typed::{self, Duplicates};

/// What an apply would do to a live object.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// Nothing: the object stays as it is, owners included.
    Unchanged,
    /// It would change the object, or be refused because of conflicts.
    Changed {
        /// The object after the apply, as if it were forced. The time in the manager's own entry is left out. Where
        /// only owners change, it differs from the live object in `metadata.managedFields` alone.
        after: Value,
        /// The fields that others own with another value; without force the apply fails if there is one.
        conflicts: Vec<Conflict>,
    },
    /// It cannot be said here; ask the server by a dry run.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Prediction {
    /// The prediction where these also have a say in what is stored: admission that changes objects, such as a webhook or
    /// a policy that matches the kind. With any of them nothing is known but conflicts, which come before admission.
    ///
    /// ```
    /// use structured_merge::Prediction;
    /// let unknown = Prediction::Unchanged.despite(["webhook sidecars.example.com"]);
    /// let reason = "admission may change the object: webhook sidecars.example.com".to_owned();
    /// assert_eq!(unknown, Prediction::Unknown { reason });
    /// assert_eq!(Prediction::Unchanged.despite([]), Prediction::Unchanged);
    /// ```
    #[must_use]
    pub fn despite<'a>(self, mutators: impl IntoIterator<Item = &'a str>) -> Self {
        let mutators: Vec<&str> = mutators.into_iter().collect();
        let settled = match &self {
            Self::Unchanged => false,
            Self::Changed { conflicts, .. } => !conflicts.is_empty(),
            Self::Unknown { .. } => true,
        };
        if settled || mutators.is_empty() {
            return self;
        }
        Self::Unknown { reason: format!("admission may change the object: {}", mutators.join(", ")) }
    }

    /// The fields that would change, with their values; none where nothing would, or where that is unknown.
    ///
    /// A change of owners alone has no fields.
    #[must_use]
    pub fn changes(&self, ty: &TypeRef, live: &Value) -> Vec<Change> {
        match self {
            Self::Changed { after, .. } => diff(ty, live, after),
            Self::Unchanged | Self::Unknown { .. } => Vec::new(),
        }
    }
}

/// Whether applying `config` as `manager` would change the live object.
///
/// [`Prediction::Unchanged`] is a proof, given a live object as the server returned it. Amounts that differ in writing
/// only (`1000m` and `1`) count as one where the server stores them as one. What else takes part in a request is for the
/// caller to say: [`Prediction::despite`] has a place for it.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{ApplyOptions, Prediction, apply, predict::predict, schema::Schema};
/// let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
/// let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
/// let live = apply(&ty, None, &config, &ApplyOptions::new("me", "2026-01-01T00:00:00Z"))?;
/// assert_eq!(predict(&ty, &live, &config, "me"), Prediction::Unchanged);
///
/// let next = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "w"}});
/// let prediction = predict(&ty, &live, &next, "me");
/// assert_eq!(prediction.changes(&ty, &live)[0].path.to_string(), ".data.k");
/// let Prediction::Changed { after, conflicts } = prediction else { panic!("it changes") };
/// assert_eq!((&after["data"]["k"], conflicts.len()), (&json!("w"), 0));
/// # Ok::<(), structured_merge::ApplyError>(())
/// ```
#[must_use]
pub fn predict(ty: &TypeRef, live: &Value, config: &Value, manager: &str) -> Prediction {
    predict_with(ty, live, config, &ApplyOptions::new(manager, ""))
}

/// As [`predict`], with a subresource, ignored fields or other versions. `force` and `now` do not matter.
#[must_use]
pub fn predict_with(ty: &TypeRef, live: &Value, config: &Value, options: &ApplyOptions<'_>) -> Prediction {
    let options = ApplyOptions { force: true, now: "", ..*options };
    if config.pointer("/metadata/managedFields").is_some_and(|given| !given.is_null()) {
        return Prediction::Unknown { reason: "metadata.managedFields must be nil".to_owned() };
    }
    let annotated = last_applied::is_minded(live, options.manager);
    if !annotated && proof::is_unchanged(ty, live, config, &options) {
        return Prediction::Unchanged;
    }
    if let Err(errors) = typed::validate(ty, config, Duplicates::Refuse) {
        return Prediction::Unknown { reason: format!("the configuration does not fit its schema: {errors}") };
    }
    let mut outcome = match decide(ty, live, config, &options) {
        Ok(outcome) => outcome,
        Err(error) => return Prediction::Unknown { reason: reason_of(&error) },
    };
    if annotated {
        last_applied::refresh(&mut outcome.object, config, options.manager);
        outcome.conflicts = last_applied::open_conflicts(ty, live, config, options.manager, outcome.conflicts);
    }
    let changed = Prediction::Changed { after: outcome.object.clone(), conflicts: outcome.conflicts.clone() };
    if &outcome.object == live {
        return Prediction::Unchanged;
    }
    if !outcome.conflicts.is_empty() || !same_owners_but_for_time(live, &outcome.object) {
        return changed;
    }
    match sameness(ty, &without_managed_fields(live), &without_managed_fields(&outcome.object)) {
        Sameness::Same => Prediction::Unchanged,
        Sameness::Different => changed,
        Sameness::Unsure(paths) => {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            let reason = format!("the server may store these fields in another form: {}", paths.join(", "));
            Prediction::Unknown { reason }
        }
    }
}

/// The error with its sources.
fn reason_of(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", reason_of(source)),
        None => error.to_string(),
    }
}

fn same_owners_but_for_time(left: &Value, right: &Value) -> bool {
    let owners = |object: &Value| {
        let mut managed = Managed::of_object(object).unwrap_or_default();
        managed.entries_mut().for_each(|entry| entry.manager.time = None);
        managed
    };
    let (left, right) = (owners(left), owners(right));
    left.iter().count() == right.iter().count() && left.iter().all(|entry| right.get(&entry.manager) == Some(entry))
}
