//! Role-based authorisation: which rules apply to somebody, and whether one of them allows what is asked for. Reads the
//! stored roles and bindings afresh each time; keeps nothing.
//!
//! Source: `k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/rbac.go` and
//! `k8s.io/kubernetes/pkg/registry/rbac/validation/rule.go`.

use std::ops::ControlFlow;

use serde_json::Value;

use super::attributes::Attributes;
use super::identity::{Identity, MASTERS, account_of};
use super::rule::Rule;
use crate::failure::{Failure, together};
use crate::object;
use crate::store::{Key, Txn};

/// The API group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// What the authoriser says to one question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    /// The binding that allows it, or why roles could not be asked; often empty.
    pub(crate) reason: String,
}

/// May `who` do what is asked for?
pub(crate) fn authorize(txn: &Txn<'_>, who: &Identity, wanted: &Attributes) -> Verdict {
    if who.is_in(MASTERS) {
        return Verdict { allowed: true, reason: String::new() };
    }
    let mut errors = Vec::new();
    let allowed = visit(txn, who, &wanted.namespace, &mut |found| match found {
        Ok((source, rules)) if rules.iter().any(|rule| rule.allows(wanted)) => ControlFlow::Break(source.to_string()),
        Ok(_) => ControlFlow::Continue(()),
        Err(error) => {
            errors.push(error);
            ControlFlow::Continue(())
        }
    });
    match allowed {
        ControlFlow::Break(source) => Verdict { allowed: true, reason: format!("RBAC: allowed by {source}") },
        ControlFlow::Continue(()) if errors.is_empty() => Verdict::default(),
        ControlFlow::Continue(()) => Verdict { allowed: false, reason: format!("RBAC: {}", together(&errors)) },
    }
}

/// Lets it pass, or refuses it as the server does.
pub(crate) fn require(txn: &Txn<'_>, who: &Identity, wanted: &Attributes) -> Result<(), Failure> {
    let verdict = authorize(txn, who, wanted);
    if verdict.allowed { Ok(()) } else { Err(wanted.refused(&who.name, &verdict.reason)) }
}

/// Every rule that applies to somebody in a namespace (empty: the whole cluster), and what could not be read, as one
/// text.
pub(crate) fn rules_for(txn: &Txn<'_>, who: &Identity, namespace: &str) -> (Vec<Rule>, Option<String>) {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    let _all = visit(txn, who, namespace, &mut |found| {
        match found {
            Ok((_, found)) => rules.extend(found),
            Err(error) => errors.push(error),
        }
        ControlFlow::Continue(())
    });
    let errors = (!errors.is_empty()).then(|| together(&errors));
    (rules, errors)
}

/// The rules of the role that a binding names, or the kind and name of a role that is not there.
pub(crate) fn rules_of(txn: &Txn<'_>, reference: &Value, namespace: &str) -> Result<Vec<Rule>, String> {
    let (kind, name) = (object::text(reference, "/kind"), object::text(reference, "/name"));
    let key = match kind {
        "Role" => Key::new(&stored("roles"), namespace, name),
        "ClusterRole" => Key::new(&stored("clusterroles"), "", name),
        other => return Err(format!("unsupported role reference kind: {other:?}")),
    };
    match txn.get(&key) {
        Some(role) => Ok(Rule::all_of(&role.value)),
        None => Err(format!("{}.{GROUP} {name:?} not found", kind.to_ascii_lowercase())),
    }
}

fn stored(plural: &str) -> String {
    crate::registry::storage_of(GROUP, plural)
}

/// The binding through which rules apply, and the subject in it.
struct Source<'a> {
    binding: &'a Value,
    subject: &'a Value,
    namespace: &'a str,
}

impl std::fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |pointer: &str| object::text(self.binding, pointer);
        let (role, named) = (text("/roleRef/kind"), text("/roleRef/name"));
        let (kind, name) = (object::text(self.subject, "/kind"), object::text(self.subject, "/name"));
        if self.namespace.is_empty() {
            write!(f, "ClusterRoleBinding {:?}", object::name(self.binding))?;
        } else {
            write!(f, "RoleBinding {:?}", format!("{}/{}", object::name(self.binding), self.namespace))?;
        }
        write!(f, " of {role} {named:?} to {kind} ")?;
        if kind == "ServiceAccount" {
            let own = object::text(self.subject, "/namespace");
            let home = if own.is_empty() { self.namespace } else { own };
            return write!(f, "{:?}", format!("{name}/{home}"));
        }
        write!(f, "{name:?}")
    }
}

type Found<'a> = Result<(Source<'a>, Vec<Rule>), String>;

/// Goes through the bindings that apply: those of the whole cluster, then those of the namespace.
fn visit(
    txn: &Txn<'_>,
    who: &Identity,
    namespace: &str,
    visitor: &mut dyn FnMut(Found<'_>) -> ControlFlow<String>,
) -> ControlFlow<String> {
    let scopes = [("clusterrolebindings", ""), ("rolebindings", namespace)];
    for (plural, namespace) in scopes {
        if plural == "rolebindings" && namespace.is_empty() {
            continue;
        }
        for binding in txn.list(&stored(plural), namespace) {
            let binding = &binding.value;
            let subjects = object::items(binding, "/subjects");
            let Some(subject) = subjects.iter().find(|subject| applies(subject, who, namespace)) else { continue };
            let reference = binding.get("roleRef").unwrap_or(&Value::Null);
            let found = rules_of(txn, reference, namespace);
            visitor(found.map(|rules| (Source { binding, subject, namespace }, rules)))?;
        }
    }
    ControlFlow::Continue(())
}

/// Does a subject of a binding mean this user?
fn applies(subject: &Value, who: &Identity, namespace: &str) -> bool {
    let name = object::text(subject, "/name");
    match object::text(subject, "/kind") {
        "User" => who.name == name,
        "Group" => who.is_in(name),
        "ServiceAccount" => {
            let own = object::text(subject, "/namespace");
            let home = if own.is_empty() { namespace } else { own };
            !home.is_empty() && account_of(&who.name) == Some((home, name))
        }
        _ => false,
    }
}
