//! Whose request it is: by the bearer token it shows, or by a token as the first part of its path, or else by the way
//! it came in. Decides nothing about what that user may do.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, header};

use super::identity::Identity;
use super::token::{self, same};
use crate::failure::Failure;
use crate::options::Options;
use crate::store::Txn;

/// What a path of the API begins with. Anything else there is taken for a token.
const ROOTS: [&str; 8] = ["", "api", "apis", "healthz", "livez", "openapi", "readyz", "version"];

/// A way into the cluster: a router in this process, or the address where it is served.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// Who sends a request without credentials.
    pub(crate) stranger: Identity,
    /// The administrator's token, where the cluster is served.
    served: Option<Arc<str>>,
}

impl Entrance {
    /// For a client in this process: a request without credentials comes from `identity`.
    pub(crate) fn within(identity: Identity) -> Entrance {
        Entrance { stranger: identity, served: None }
    }

    /// For clients on loopback: `token` is the administrator's, a request without credentials is anonymous.
    pub(crate) fn served(token: &str) -> Entrance {
        Entrance { stranger: Identity::anonymous(), served: Some(token.into()) }
    }

    /// Whose token it is and whom it is for; or why it is not taken.
    pub(crate) fn known(
        &self,
        txn: &Txn<'_>,
        settings: &Options,
        shown: &str,
    ) -> Result<(Identity, Vec<String>), String> {
        let ours = || vec![token::ISSUER.to_owned()];
        if self.served.as_deref().is_some_and(|token| same(shown, token)) {
            return Ok((Identity::admin(), ours()));
        }
        if let Some((_, identity)) = settings.identities.iter().find(|(token, _)| same(shown, token)) {
            return Ok((identity.clone(), ours()));
        }
        token::verify(txn, shown)
    }

    /// Who sends the request. A token at the head of its path is taken off.
    pub(crate) fn authenticate(
        &self,
        txn: &Txn<'_>,
        settings: &Options,
        parts: &mut Parts,
    ) -> Result<Identity, Failure> {
        let admit = |token: &str| match self.known(txn, settings, token) {
            Ok((identity, audiences)) if audiences.iter().any(|audience| audience == token::ISSUER) => Ok(identity),
            Ok(_) | Err(_) => Err(Failure::unauthorized()),
        };
        let in_path = if self.served.is_some() { from_path(parts) } else { None };
        match (bearer(&parts.headers), in_path) {
            (Some(token), _) => admit(&token),
            (None, Some(token)) => admit(&token),
            (None, None) => Ok(self.stranger.clone()),
        }
    }
}

/// The token in `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = shown.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

/// Takes the first part off a path that does not begin as one of the API's.
fn from_path(parts: &mut Parts) -> Option<String> {
    let whole = parts.uri.path_and_query()?.as_str().trim_start_matches('/').to_owned();
    let end = whole.find(['/', '?']).unwrap_or(whole.len());
    let (first, rest) = whole.split_at(end);
    if ROOTS.contains(&first) {
        return None;
    }
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    parts.uri = rest.parse().ok()?;
    Some(first.to_owned())
}
