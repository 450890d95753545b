//! `create` of a kind that is answered and not kept: reads the review and hands it to [`crate::access::review`].

use axum::response::Response;
use http::StatusCode;

use super::path::FieldValidation;
use super::{Call, body, write};
use crate::access::review::Asker;
use crate::failure::Failure;
use crate::merging;
use crate::rules::Author;

/// `POST` of a review.
pub(crate) fn answer(call: &Call) -> Result<Response, Failure> {
    let (review, warnings) = write::decode(call, &call.resource, FieldValidation::Warn)?;
    let manager = call.manager();
    let answered = call.store().dry_run(|txn| {
        let author = Author { manager: &manager, subresource: "" };
        let review = merging::track(&call.resource, None, &review, author, txn.now())?;
        let asker = Asker {
            who: &call.who,
            entrance: &call.entrance,
            settings: &call.system.settings,
            namespace: &call.target.namespace,
        };
        // A Binding that is sent to its collection is no review: every scheduler sends it to its pod.
        asker.answer(txn, &call.resource.kind, review).unwrap_or_else(|| Err(Failure::method_not_allowed()))
    })?;
    let mut response = body::answer(StatusCode::CREATED, &answered, call.accept.yaml);
    body::warn(&mut response, &warnings);
    Ok(response)
}
