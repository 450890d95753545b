//! `TokenRequest`: the subresource `token` of a ServiceAccount, which makes a token for it.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage/token.go`.

use serde_json::{Value, json};

use super::token::{self, Bound, ISSUER};
use crate::failure::{Cause, Failure};
use crate::object;
use crate::store::{Key, Txn};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
const SHORTEST: i64 = 600;
const LONGEST: i64 = 1 << 32;
const USUAL: i64 = 3600;

/// Answers a request for a token of the account `namespace/name`: the request with its status.
pub(crate) fn answer(txn: &Txn<'_>, namespace: &str, name: &str, mut request: Value) -> Result<Value, Failure> {
    let invalid = |name: &str, cause: Cause| Failure::invalid(GROUP, KIND, name, vec![cause]);
    for (field, value) in [("name", name), ("namespace", namespace)] {
        let given = object::text(&request, &format!("/metadata/{field}"));
        if !given.is_empty() && given != value {
            let why = format!("must match the service account {field} if specified");
            return Err(invalid(name, Cause::invalid(format!("metadata.{field}"), &json!(given), &why)));
        }
    }
    let missing = || Failure::not_found("", "serviceaccounts", name);
    let account = txn.get(&Key::new("serviceaccounts", namespace, name)).ok_or_else(missing)?;
    let (given, uid) = (object::uid(&request).to_owned(), object::uid(&account.value));
    if !given.is_empty() && given != uid {
        let why =
            format!("the UID in the token request ({given}) does not match the UID of the service account ({uid})");
        return Err(Failure::conflict(GROUP, KIND, name, &why));
    }
    let seconds = object::number(&request, "/spec/expirationSeconds").unwrap_or(USUAL);
    let bound = match request.pointer("/spec/boundObjectRef").filter(|reference| !reference.is_null()) {
        _ if !(SHORTEST..=LONGEST).contains(&seconds) => {
            let why = if seconds < SHORTEST {
                "may not specify a duration less than 10 minutes"
            } else {
                "may not specify a duration larger than 2^32 seconds"
            };
            return Err(invalid("", Cause::invalid("spec.expirationSeconds", &json!(seconds), why)));
        }
        Some(reference) => Some(bound(txn, namespace, name, reference)?),
        None => None,
    };
    let mut audiences: Vec<String> =
        object::items(&request, "/spec/audiences").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let token = token::issue(txn, &account.value, &audiences, seconds, bound.as_ref())
        .ok_or_else(|| Failure::internal("failed to generate token: the cluster has no signing key"))?;
    let now = txn.now();
    let end = now + jiff::SignedDuration::from_secs(seconds);
    let metadata = object::metadata(&mut request);
    for (field, value) in [("name", name), ("namespace", namespace), ("uid", uid)] {
        metadata.insert(field.to_owned(), json!(value));
    }
    metadata.insert("creationTimestamp".to_owned(), json!(object::rfc3339(now)));
    let reference = request.pointer("/spec/boundObjectRef").cloned().unwrap_or_default();
    let spec = json!({"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference});
    object::set(&mut request, "/spec", spec);
    let status = json!({"token": token, "expirationTimestamp": object::rfc3339(end)});
    object::set(&mut request, "/status", status);
    Ok(request)
}

/// The object that the token is to end with.
fn bound(txn: &Txn<'_>, namespace: &str, account: &str, reference: &Value) -> Result<Bound, Failure> {
    let text = |pointer: &str| object::text(reference, pointer);
    let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/name"));
    let (kind, plural, home) = match (version, kind) {
        ("v1" | "", "Pod") => ("pod", "pods", namespace),
        ("v1" | "", "Secret") => ("secret", "secrets", namespace),
        ("v1" | "", "Node") => ("node", "nodes", ""),
        (version, kind) => {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let shown = format!("{group}/{version}, Kind={kind}");
            return Err(Failure::bad_request(format!("cannot bind token to object of type {shown}")));
        }
    };
    let live = txn.get(&Key::new(plural, home, name)).ok_or_else(|| Failure::not_found("", plural, name))?;
    let mut node = None;
    if kind == "pod" {
        if object::text(&live.value, "/spec/serviceAccountName") != account {
            return Err(Failure::bad_request(format!(
                "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
            )));
        }
        let placed = object::text(&live.value, "/spec/nodeName");
        if !placed.is_empty() {
            let known = txn.get(&Key::new("nodes", "", placed));
            let uid = known.map(|node| object::uid(&node.value).to_owned()).unwrap_or_default();
            node = Some((placed.to_owned(), uid));
        }
    }
    let uid = object::uid(&live.value).to_owned();
    let wanted = text("/uid");
    if !wanted.is_empty() && wanted != uid {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Failure::conflict("", text("/kind"), name, &why));
    }
    Ok(Bound { kind, name: name.to_owned(), uid, node })
}
