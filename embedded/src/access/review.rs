//! Questions that are answered and not kept: may I do this, may they, what may I do at all, who am I, whose token is
//! this. Answered by the same authoriser that requests go through.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/authorization` and `…/registry/authentication`.

use serde_json::{Value, json};

use super::attributes::Attributes;
use super::authentication::Entrance;
use super::identity::Identity;
use super::rbac;
use super::token::{self, UNKNOWN};
use crate::failure::{Cause, Failure};
use crate::object;
use crate::options::Options;
use crate::store::Txn;

/// Who asks, and of what.
pub(crate) struct Asker<'a> {
    pub(crate) who: &'a Identity,
    pub(crate) entrance: &'a Entrance,
    pub(crate) settings: &'a Options,
    /// The namespace of the path.
    pub(crate) namespace: &'a str,
}

impl Asker<'_> {
    /// The answer to a review: the review with its status, or the refusal of one that makes no sense. None for a kind
    /// that is no review.
    pub(crate) fn answer(&self, txn: &Txn<'_>, kind: &str, review: Value) -> Option<Result<Value, Failure>> {
        Some(match kind {
            "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
                self.access(txn, kind, review)
            }
            "SelfSubjectRulesReview" => self.rules(txn, &review),
            "SelfSubjectReview" => Ok(self.myself(txn)),
            "TokenReview" => self.token(txn, review),
            _ => return None,
        })
    }

    fn access(&self, txn: &Txn<'_>, kind: &str, mut review: Value) -> Result<Value, Failure> {
        let own = kind == "SelfSubjectAccessReview";
        let causes = faults(kind, &review, self.namespace);
        if !causes.is_empty() {
            return Err(Failure::invalid("authorization.k8s.io", "", "", causes));
        }
        let spec = review.get("spec").unwrap_or(&Value::Null);
        let subject = if own { self.who.clone() } else { subject(spec) };
        let verdict = rbac::authorize(txn, &subject, &asked(spec));
        let mut status = json!({"allowed": verdict.allowed});
        if !verdict.reason.is_empty() {
            object::set(&mut status, "/reason", json!(verdict.reason));
        }
        object::set(&mut review, "/status", status);
        Ok(review)
    }

    fn rules(&self, txn: &Txn<'_>, review: &Value) -> Result<Value, Failure> {
        let namespace = object::text(review, "/spec/namespace");
        if namespace.is_empty() {
            return Err(Failure::bad_request("no namespace on request"));
        }
        let (rules, errors) = rbac::rules_for(txn, self.who, namespace);
        let (mut resources, mut urls) = (Vec::new(), Vec::new());
        for rule in rules {
            if !rule.resources.is_empty() {
                let mut entry = json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources});
                if !rule.names.is_empty() {
                    object::set(&mut entry, "/resourceNames", json!(rule.names));
                }
                resources.push(entry);
            }
            if !rule.urls.is_empty() {
                urls.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.urls}));
            }
        }
        let mut status = json!({"resourceRules": resources, "nonResourceRules": urls, "incomplete": false});
        if let Some(errors) = errors {
            object::set(&mut status, "/evaluationError", json!(errors));
        }
        Ok(json!({
            "kind": "SelfSubjectRulesReview",
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {},
            "spec": {},
            "status": status,
        }))
    }

    fn myself(&self, txn: &Txn<'_>) -> Value {
        json!({
            "kind": "SelfSubjectReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"creationTimestamp": object::rfc3339(txn.now())},
            "status": {"userInfo": self.who.shown()},
        })
    }

    fn token(&self, txn: &Txn<'_>, mut review: Value) -> Result<Value, Failure> {
        let shown = object::text(&review, "/spec/token");
        if shown.is_empty() {
            return Err(Failure::bad_request("token is required for TokenReview in authentication"));
        }
        let wanted: Vec<&str> = match object::items(&review, "/spec/audiences") {
            [] => vec![token::ISSUER],
            some => some.iter().filter_map(Value::as_str).collect(),
        };
        let status = match self.entrance.known(txn, self.settings, shown) {
            Ok((identity, audiences)) => {
                let both: Vec<&String> = audiences.iter().filter(|a| wanted.contains(&a.as_str())).collect();
                if both.is_empty() {
                    let why = format!("token audiences {audiences:?} is invalid for the target audiences {wanted:?}");
                    json!({"user": {}, "error": format!("[{UNKNOWN}, {why}]").replace(", \"", " \"")})
                } else {
                    json!({"authenticated": true, "user": identity.shown(), "audiences": both})
                }
            }
            Err(why) => json!({"user": {}, "error": why}),
        };
        object::set(&mut review, "/status", status);
        Ok(review)
    }
}

/// Whom a review asks about.
fn subject(spec: &Value) -> Identity {
    let texts =
        |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Identity {
        name: object::text(spec, "/user").to_owned(),
        uid: object::text(spec, "/uid").to_owned(),
        groups: spec.get("groups").map(texts).unwrap_or_default(),
        extra: object::entries(spec, "/extra").map(|(key, values)| (key.clone(), texts(values))).collect(),
    }
}

/// What a review asks about.
fn asked(spec: &Value) -> Attributes {
    let text = |pointer: &str| object::text(spec, pointer).to_owned();
    if spec.get("resourceAttributes").is_none() {
        let path = Some(text("/nonResourceAttributes/path"));
        return Attributes { verb: text("/nonResourceAttributes/verb"), path, ..Attributes::default() };
    }
    Attributes {
        verb: text("/resourceAttributes/verb"),
        group: text("/resourceAttributes/group"),
        resource: text("/resourceAttributes/resource"),
        subresource: text("/resourceAttributes/subresource"),
        namespace: text("/resourceAttributes/namespace"),
        name: text("/resourceAttributes/name"),
        path: None,
    }
}

/// What is wrong with a review. Source: `k8s.io/kubernetes/pkg/apis/authorization/validation`.
fn faults(kind: &str, review: &Value, namespace: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = review.get("spec").unwrap_or(&Value::Null);
    let (resource, path) = (spec.get("resourceAttributes"), spec.get("nonResourceAttributes"));
    if let (Some(_), Some(path)) = (resource, path) {
        let shown = json!({"Path": object::text(path, "/path"), "Verb": object::text(path, "/verb")});
        let why = "cannot be specified in combination with resourceAttributes";
        causes.push(Cause::invalid("spec.nonResourceAttributes", &shown, why));
    }
    if resource.is_none() && path.is_none() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(Cause::invalid("spec.resourceAttributes", &Value::Null, why));
    }
    let own = kind == "SelfSubjectAccessReview";
    if !own && object::text(spec, "/user").is_empty() && object::items(spec, "/groups").is_empty() {
        causes.push(Cause::invalid("spec.user", &json!(""), "at least one of user or group must be specified"));
    }
    let local = kind == "LocalSubjectAccessReview";
    let mut metadata = review.get("metadata").cloned().unwrap_or_else(|| json!({}));
    let shown = metadata.clone();
    let fields = object::as_map(&mut metadata);
    fields.remove("managedFields");
    if local {
        fields.remove("namespace");
    }
    if !fields.is_empty() {
        let why = if local { "must be empty except for namespace" } else { "must be empty" };
        causes.push(Cause::invalid("metadata", &shown, why));
    }
    if local && resource.is_some() {
        let named = object::text(spec, "/resourceAttributes/namespace");
        if named != namespace {
            let why = "must match metadata.namespace";
            causes.push(Cause::invalid("spec.resourceAttributes.namespace", &json!(named), why));
        }
    }
    if let (true, Some(path)) = (local, path) {
        let why = "disallowed on this kind of request";
        causes.push(Cause::invalid("spec.nonResourceAttributes", path, why));
    }
    causes
}
