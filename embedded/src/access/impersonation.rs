//! Acting as somebody else: the `Impersonate-*` headers, and who may send them. The modes that bind impersonation to
//! what is then done (`impersonate:user-info` and its like) are asked first, then the plain verb `impersonate`; when
//! none allows it the first refusal is the answer.
//!
//! Source: `k8s.io/apiserver/pkg/endpoints/filters/impersonation/` of Kubernetes 1.36.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::attributes::Attributes;
use super::identity::{
    ANONYMOUS, AUTHENTICATED, Identity, MASTERS, UNAUTHENTICATED, account_groups, account_of, node_of,
};
use super::rbac;
use crate::api::percent_decoded;
use crate::failure::Failure;
use crate::store::Txn;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
/// The key under which a token that is bound to a pod says where the pod runs.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// From so many values on, the permission for all of them is asked for first.
const MANY: usize = 4;
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Whom the headers ask to be; none where they ask nothing.
fn asked(headers: &HeaderMap) -> Result<Option<Identity>, Failure> {
    let all = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
    };
    let first = |name: &str| all(name).into_iter().next().unwrap_or_default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in headers.keys() {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            let key = percent_decoded(key).unwrap_or_else(|| key.to_owned());
            extra.entry(key).or_default().extend(all(name.as_str()));
        }
    }
    let wanted = Identity { name: first(USER), uid: first(UID), groups: all(GROUP), extra };
    if !wanted.name.is_empty() {
        return Ok(Some(wanted));
    }
    if wanted == Identity::default() {
        return Ok(None);
    }
    Err(Failure::bad_request(format!("requested {} without impersonating a user name", go_user(&wanted))))
}

/// A user as Go prints its struct in full.
fn go_user(user: &Identity) -> String {
    let list = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        format!("[]string{{{}}}", texts.join(", "))
    };
    let groups = if user.groups.is_empty() { "[]string(nil)".to_owned() } else { list(&user.groups) };
    let extra: Vec<String> = user.extra.iter().map(|(key, values)| format!("{key:?}:{}", list(values))).collect();
    let extra = if extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        format!("map[string][]string{{{}}}", extra.join(", "))
    };
    format!("&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{groups}, Extra:{extra}}}", user.name, user.uid)
}

/// Who the request is made as: whom the headers name, where `who` may act as that user; else `who`.
pub(crate) fn act(
    txn: &Txn<'_>,
    who: Identity,
    headers: &HeaderMap,
    request: &Attributes,
) -> Result<Identity, Failure> {
    let Some(wanted) = asked(headers)? else { return Ok(who) };
    let attempt = Attempt { txn, who: &who, wanted: &wanted, request };
    let only_name = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
    let (node, account) = (node_of(&wanted.name), account_of(&wanted.name));
    let beside = account_of(&who.name).is_some()
        && who.extra.get(NODE_NAME).is_some_and(|nodes| nodes.len() == 1 && nodes.first().map(String::as_str) == node);
    let modes = [
        ("associated-node", only_name && node.is_some() && beside),
        ("arbitrary-node", only_name && node.is_some()),
        ("serviceaccount", only_name && account.is_some()),
        ("user-info", node.is_none() && account.is_none()),
    ];
    let mut refusal = None;
    for (mode, _) in modes.into_iter().filter(|(_, fits)| *fits) {
        match attempt.constrained(mode) {
            Ok(identity) => return Ok(identity),
            Err(failure) => refusal = refusal.or(Some(failure)),
        }
    }
    attempt.as_user("impersonate", "").map_err(|failure| refusal.unwrap_or(failure))
}

/// One wish to be somebody else.
struct Attempt<'a, 'b> {
    txn: &'a Txn<'b>,
    who: &'a Identity,
    wanted: &'a Identity,
    request: &'a Attributes,
}

impl Attempt<'_, '_> {
    fn constrained(&self, mode: &str) -> Result<Identity, Failure> {
        let verb = format!("impersonate-on:{mode}:{}", self.request.verb);
        self.require(&Attributes { verb, ..self.request.clone() })?;
        self.as_user(&format!("impersonate:{mode}"), mode)
    }

    fn require(&self, wanted: &Attributes) -> Result<(), Failure> {
        rbac::require(self.txn, self.who, wanted)
    }

    /// Asks for every part of the user with `verb`. `mode` is empty for the plain verb.
    fn as_user(&self, verb: &str, mode: &str) -> Result<Identity, Failure> {
        let plain = mode.is_empty();
        let part = |group: &str, resource: &str, name: &str| Attributes {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        };
        let group = if plain { "" } else { AUTHENTICATION };
        let mut identity = self.wanted.clone();
        let mut name = part(group, "users", &self.wanted.name);
        if let (false, Some(node)) = (plain, node_of(&self.wanted.name)) {
            // A pod may be allowed to act as its own node, whichever that is.
            let node = if mode == "associated-node" { "*" } else { node };
            name = part(group, "nodes", node);
            identity.groups = vec!["system:nodes".to_owned()];
        } else if let Some((namespace, account)) = account_of(&self.wanted.name) {
            name = Attributes { namespace: namespace.to_owned(), ..part(group, "serviceaccounts", account) };
            if self.wanted.groups.is_empty() {
                identity.groups = account_groups(namespace).to_vec();
            }
        }
        self.require(&name)?;
        if !self.wanted.uid.is_empty() {
            self.require(&part(AUTHENTICATION, "uids", &self.wanted.uid))?;
        }
        self.groups(plain, &part(group, "groups", ""))?;
        self.extra(plain, &part(AUTHENTICATION, "userextras", ""))?;
        let known = identity.is_in(UNAUTHENTICATED) || identity.is_in(AUTHENTICATED);
        if identity.name == ANONYMOUS && !identity.is_in(UNAUTHENTICATED) {
            identity.groups.push(UNAUTHENTICATED.to_owned());
        } else if identity.name != ANONYMOUS && !known {
            identity.groups.push(AUTHENTICATED.to_owned());
        }
        Ok(identity)
    }

    fn groups(&self, plain: bool, asked: &Attributes) -> Result<(), Failure> {
        let groups = &self.wanted.groups;
        let named = |name: &str| Attributes { name: name.to_owned(), ..asked.clone() };
        if !plain {
            if groups.iter().any(String::is_empty) {
                let why = "impersonating the empty string group is not allowed";
                return Err(asked.refused(&self.who.name, why));
            }
            if groups.iter().any(|group| group == MASTERS) {
                let why = "impersonating the system:masters group is not allowed";
                return Err(named(MASTERS).refused(&self.who.name, why));
            }
            if groups.len() >= MANY && self.require(&named("*")).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|group| self.require(&named(group)))
    }

    fn extra(&self, plain: bool, asked: &Attributes) -> Result<(), Failure> {
        let extra = &self.wanted.extra;
        let below = |key: &str, value: &str| Attributes {
            subresource: key.to_owned(),
            name: value.to_owned(),
            ..asked.clone()
        };
        let values = || extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        if !plain {
            if values().any(|(_, value)| value.is_empty()) {
                let why = "impersonating the empty string value in extra is not allowed";
                return Err(asked.refused(&self.who.name, why));
            }
            if values().count() >= MANY && self.require(&below("*", "*")).is_ok() {
                return Ok(());
            }
        }
        for (key, value) in values() {
            self.require(&below(key, value))?;
        }
        Ok(())
    }
}
