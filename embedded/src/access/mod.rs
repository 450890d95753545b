//! Access: who sends a request, as whom it is made, and whether that user may make it. A request that is refused here
//! has looked nothing up and changed nothing.
//!
//! Certificates, bootstrap tokens and OpenID are not read; the only authoriser is RBAC, with the group `system:masters`
//! above it.

mod attributes;
mod authentication;
pub(crate) mod bootstrap;
mod escalation;
mod identity;
mod impersonation;
mod rbac;
pub(crate) mod review;
mod rule;
pub(crate) mod token;
pub(crate) mod token_request;

use http::request::Parts;

pub(crate) use self::attributes::Attributes;
pub(crate) use self::authentication::Entrance;
pub(crate) use self::escalation::check as check_escalation;
pub use self::identity::Identity;
pub(crate) use self::rbac::require;
use crate::failure::Failure;
use crate::store::Txn;
use crate::system::System;

/// Lets a request in: who makes it, after a token in its path has been taken off. 401 for a token that nobody knows,
/// 403 for what the user may not do.
pub(crate) fn admit(system: &System, entrance: &Entrance, parts: &mut Parts) -> Result<Identity, Failure> {
    let image = system.store.read();
    let txn = Txn::over(&image, system.store.clock().now());
    let who = entrance.authenticate(&txn, &system.settings, parts)?;
    let wanted = Attributes::of(&parts.method, &parts.uri);
    let who = impersonation::act(&txn, who, &parts.headers, &wanted)?;
    require(&txn, &who, &wanted)?;
    Ok(who)
}
