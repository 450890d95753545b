//! Admission webhooks, answered in this process: a webhook of a stored configuration is called when its rules and
//! selectors match a write, and its answer comes from the function that [`Webhooks`] has for its name. Nothing is sent
//! over a network. A webhook without a function is one whose service cannot be reached: the write fails, or goes on,
//! as its `failurePolicy` says.
//!
//! Admission policies and match conditions are stored and not evaluated: there is no CEL.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook`.

mod matching;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use self::matching::{Matched, matched};
use super::Write;
use crate::access::Identity;
use crate::failure::Failure;
use crate::object;
use crate::store::{Key, Txn};

/// What a webhook is asked: the write that it may change or refuse.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WebhookRequest {
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub operation: &'static str,
    /// The API group of the resource; empty for the core group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// Its plural, `deployments`.
    pub resource: String,
    /// `status`, where only that is written; mostly empty.
    pub subresource: String,
    /// Who writes.
    pub user: Identity,
    /// Is the write only tried? The webhook must then leave no trace elsewhere.
    pub dry_run: bool,
    /// The object as it is to be stored; none when it is deleted.
    pub object: Option<Value>,
    /// The object as it is stored; none when it is made.
    pub old_object: Option<Value>,
}

/// What a webhook says.
///
/// ```
/// use kube_embedded::WebhookAnswer;
/// let answer = WebhookAnswer::allow().warning("this field is on its way out");
/// assert!(format!("{answer:?}").contains("on its way out"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookAnswer {
    verdict: Verdict,
    warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Allow,
    Change(Value),
    Deny(String),
    Fail(String),
}

impl WebhookAnswer {
    /// The write may go on as it is.
    pub fn allow() -> WebhookAnswer {
        WebhookAnswer { verdict: Verdict::Allow, warnings: Vec::new() }
    }

    /// The write may go on with this object in place of the one that was sent. A validating webhook cannot do that.
    pub fn change(object: Value) -> WebhookAnswer {
        WebhookAnswer { verdict: Verdict::Change(object), ..WebhookAnswer::allow() }
    }

    /// The write is refused. The writer is answered with 403 and `admission webhook "NAME" denied the request: WHY`.
    pub fn deny(why: impl Into<String>) -> WebhookAnswer {
        WebhookAnswer { verdict: Verdict::Deny(why.into()), ..WebhookAnswer::allow() }
    }

    /// No answer came, for this reason: what the webhook's `failurePolicy` is for.
    pub fn fail(why: impl Into<String>) -> WebhookAnswer {
        WebhookAnswer { verdict: Verdict::Fail(why.into()), ..WebhookAnswer::allow() }
    }

    /// The same answer with a warning to the writer.
    #[must_use]
    pub fn warning(mut self, text: impl Into<String>) -> WebhookAnswer {
        self.warnings.push(text.into());
        self
    }
}

type Handler = dyn Fn(&WebhookRequest) -> WebhookAnswer + Send + Sync;

/// Who answers for the webhooks of a cluster, by the webhooks' names. Copies share what they hold.
///
/// ```
/// use kube_embedded::{Options, WebhookAnswer, Webhooks};
/// let webhooks = Webhooks::default();
/// webhooks.answer("labels.example.com", |request| match &request.object {
///     Some(object) => {
///         let mut object = object.clone();
///         object["metadata"]["labels"]["seen"] = "true".into();
///         WebhookAnswer::change(object)
///     }
///     None => WebhookAnswer::allow(),
/// });
/// let options = Options { webhooks: webhooks.clone(), ..Options::default() };
/// # drop(options);
/// ```
///
/// A function is called while the cluster writes: it must not wait for the cluster.
#[derive(Clone, Default)]
pub struct Webhooks(Arc<RwLock<BTreeMap<String, Arc<Handler>>>>);

impl Webhooks {
    /// Has the webhook of this name (`webhooks[].name` of its configuration) answered by a function from now on.
    pub fn answer(&self, name: &str, handler: impl Fn(&WebhookRequest) -> WebhookAnswer + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::new(handler));
    }

    /// Lets nobody answer for the webhook any more: its service cannot be reached.
    pub fn silence(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn handler(&self, name: &str) -> Option<Arc<Handler>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        f.debug_tuple("Webhooks").field(&names).finish()
    }
}

const MUTATING: &str = "admissionregistration.k8s.io/mutatingwebhookconfigurations";
const VALIDATING: &str = "admissionregistration.k8s.io/validatingwebhookconfigurations";

/// What the mutating webhooks have come to, between one round and the next.
#[derive(Default)]
pub(super) struct Rounds {
    /// Webhooks that want to be asked again when others have changed the object after them.
    again: BTreeSet<String>,
    due: BTreeSet<String>,
    output: Option<Value>,
}

/// Calls the mutating webhooks that match. A second round calls only those that want to be asked again and have reason
/// to. Says whether the object has changed.
pub(super) fn mutate(
    txn: &Txn<'_>,
    write: Write<'_>,
    new: &mut Value,
    warnings: &mut Vec<String>,
    rounds: &mut Rounds,
) -> Result<bool, Failure> {
    let hooks = matched(txn, write, MUTATING, Some(new));
    if hooks.is_empty() {
        return Ok(false);
    }
    let second = rounds.output.is_some();
    if rounds.output.as_ref().is_some_and(|output| output != new) {
        rounds.due.append(&mut rounds.again);
    }
    let mut changed = false;
    for webhook in hooks {
        // An earlier webhook may have changed what the selectors look at.
        if !webhook.still_matches(txn, write, Some(new)) || second && !rounds.due.contains(webhook.id()) {
            continue;
        }
        if let Some(mut object) = call(txn, write, &webhook, Some(new), warnings)? {
            crate::rules::settle(write.resource, &mut object)?;
            // Who owns which field is not for a webhook to say; what it sets is nobody's.
            match new.pointer("/metadata/managedFields") {
                Some(managed) => object::set(&mut object, "/metadata/managedFields", managed.clone()),
                None => {
                    object::remove(&mut object, "/metadata/managedFields");
                }
            }
            if object != *new {
                *new = object;
                changed = true;
                rounds.due.append(&mut rounds.again);
            }
        }
        if object::text(&webhook.hook, "/reinvocationPolicy") == "IfNeeded" {
            rounds.again.insert(webhook.id().to_owned());
        }
    }
    rounds.output = Some(new.clone());
    Ok(changed)
}

/// Calls the validating webhooks that match. `new` is none for a deletion.
pub(super) fn validate(
    txn: &Txn<'_>,
    write: Write<'_>,
    new: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    for webhook in matched(txn, write, VALIDATING, new) {
        call(txn, write, &webhook, new, warnings)?;
    }
    Ok(())
}

/// Calls the webhooks of both kinds for a deletion, which none of them can change.
pub(super) fn remove(txn: &Txn<'_>, write: Write<'_>) -> Result<(), Failure> {
    let mut warnings = Vec::new();
    for webhook in matched(txn, write, MUTATING, None) {
        if call(txn, write, &webhook, None, &mut warnings)?.is_some() {
            let name = webhook.name();
            return Err(Failure::internal(format!(
                "admission webhook {name:?} attempted to modify the object, which is not supported for this operation"
            )));
        }
    }
    validate(txn, write, None, &mut warnings)
}

/// Asks one webhook: the changed object, where it changes it.
fn call(
    txn: &Txn<'_>,
    write: Write<'_>,
    webhook: &Matched,
    new: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<Option<Value>, Failure> {
    let name = webhook.name();
    let effects = object::text(&webhook.hook, "/sideEffects");
    if write.rules.dry_run && !matches!(effects, "None" | "NoneOnDryRun") {
        return Err(Failure::bad_request(format!("admission webhook {name:?} does not support dry run")));
    }
    let answer = match write.rules.settings.webhooks.handler(name) {
        Some(handler) => handler(&request(write, new)),
        None => WebhookAnswer::fail(unreachable(txn, &webhook.hook)),
    };
    match answer.verdict {
        Verdict::Fail(why) if object::text(&webhook.hook, "/failurePolicy") == "Ignore" => {
            tracing::debug!(name, why, "a webhook that did not answer was passed over");
            Ok(None)
        }
        Verdict::Fail(why) => {
            Err(Failure::internal(format!("failed calling webhook {name:?}: failed to call webhook: {why}")))
        }
        Verdict::Deny(why) => {
            warnings.extend(answer.warnings);
            Err(Failure::denied_by_webhook(name, &why))
        }
        Verdict::Allow => {
            warnings.extend(answer.warnings);
            Ok(None)
        }
        Verdict::Change(object) => {
            warnings.extend(answer.warnings);
            Ok(Some(object))
        }
    }
}

fn request(write: Write<'_>, new: Option<&Value>) -> WebhookRequest {
    let resource = write.resource;
    WebhookRequest {
        operation: operation(write, new),
        group: resource.group.clone(),
        version: resource.version.clone(),
        resource: resource.plural.clone(),
        subresource: write.subresource.to_owned(),
        user: (*write.rules.who).clone(),
        dry_run: write.rules.dry_run,
        object: new.cloned(),
        old_object: write.old.cloned(),
    }
}

/// What is done, in the webhooks' words.
fn operation(write: Write<'_>, new: Option<&Value>) -> &'static str {
    match (write.old, new) {
        (_, None) => "DELETE",
        (None, Some(_)) => "CREATE",
        (Some(_), Some(_)) => "UPDATE",
    }
}

/// Why a webhook that nobody answers for cannot be reached, as the server tells it.
fn unreachable(txn: &Txn<'_>, hook: &Value) -> String {
    let seconds = object::number(hook, "/timeoutSeconds").unwrap_or(10);
    let Some(service) = hook.pointer("/clientConfig/service") else {
        let url = object::text(hook, "/clientConfig/url");
        let host = url.split("://").last().unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
        return format!("Post \"{url}?timeout={seconds}s\": dial tcp: lookup {host}: no such host");
    };
    let (namespace, name) = (object::text(service, "/namespace"), object::text(service, "/name"));
    let path = object::text(service, "/path").trim_start_matches('/');
    let port = object::number(service, "/port").unwrap_or(443);
    let url = format!("https://{name}.{namespace}.svc:{port}/{path}?timeout={seconds}s");
    let why = match txn.get(&Key::new("services", namespace, name)) {
        None => format!("service {name:?} not found"),
        Some(_) => format!("no endpoints available for service {name:?}"),
    };
    format!("Post \"{url}\": {why}")
}
