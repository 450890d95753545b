//! What applying an object would do, as the merge says it: from what is live and the type alone, without a request.
//!
//! What lies beyond the merge is said to be unknown, with the reason: admission that changes objects, values the server
//! writes in a form of its own, defaults that come back. Values are held against their types and nothing else: that a
//! number is out of bounds only the server says.

use serde_json::Value;
use strata_components::desired::ResourceId;
use structured_merge::predict::{Prediction, predict};
use structured_merge::schema::TypeRef;
use structured_merge::typed::{self, Duplicates};

use super::super::fields;
use crate::observe::{Confirmation, Previewed};

/// What an object would be that is not there; `unconfirmed` says why that is not certain.
pub(super) fn create(
    id: &ResourceId,
    ty: &Result<TypeRef, String>,
    object: &Value,
    unconfirmed: Option<String>,
) -> Previewed {
    match ty {
        Err(reason) => Previewed::Create(Confirmation::Unconfirmed(unconfirmed.unwrap_or_else(|| reason.clone()))),
        Ok(ty) => refused(id, ty, object).unwrap_or_else(|| Previewed::Create(certainty(unconfirmed))),
    }
}

/// What would become of an object that is there; `base` is the same with its books as they will be by then, `unconfirmed` says why that is not certain.
pub(super) fn change(
    id: &ResourceId,
    ty: &Result<TypeRef, String>,
    (live, base): (&Value, &Value),
    object: &Value,
    manager: &str,
    unconfirmed: Option<String>,
) -> Previewed {
    let ty = match ty {
        Ok(ty) => ty,
        Err(reason) => return Previewed::Unknown { reason: reason.clone() },
    };
    if let Some(refused) = refused(id, ty, object) {
        return refused;
    }
    let unchanged = |unconfirmed: Option<String>| {
        Previewed::Unchanged(unconfirmed.map_or(Confirmation::Proven, Confirmation::Unconfirmed))
    };
    let (after, conflicts) = match predict(ty, base, object, manager) {
        Prediction::Unchanged => return unchanged(unconfirmed),
        Prediction::Unknown { reason } => return Previewed::Unknown { reason },
        Prediction::Changed { after, conflicts } => (after, fields::predicted_conflicts(&conflicts)),
    };
    let (changes, open) = fields::predicted(&id.kind, ty, live, &after, manager);
    if changes.is_empty() && conflicts.is_empty() && fields::same_books(live, &after, manager) {
        return unchanged(unconfirmed);
    }
    let open = (!open.is_empty()).then(|| format!("the server decides what it stores at {}", open.join(", ")));
    Previewed::Change { changes, conflicts, confirmation: certainty(unconfirmed.or(open)) }
}

fn certainty(unconfirmed: Option<String>) -> Confirmation {
    unconfirmed.map_or(Confirmation::Predicted, Confirmation::Unconfirmed)
}

/// What the server would not take, because it does not fit its type.
fn refused(id: &ResourceId, ty: &TypeRef, object: &Value) -> Option<Previewed> {
    let errors = typed::validate(ty, object, Duplicates::Refuse).err()?;
    Some(Previewed::Refused {
        reason: match id.kind.kind.as_str() {
            "Secret" => {
                "it does not fit its type (the message is not shown, because it may hold what is secret)".to_owned()
            }
            _ => format!("it does not fit its type: {errors}"),
        },
    })
}
