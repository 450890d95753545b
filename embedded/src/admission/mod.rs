//! Admission: what the server's plugins make of a write between defaulting and validation ([`change`]) and after it
//! ([`approve`]), in the order in which a real server runs those that are on by default. Each plugin has its own file.
//!
//! Plugins that are off by default, and those for parts that this cluster does not have (certificates, image policy,
//! the authoriser of nodes), are not there.

mod amounts;
mod classes;
mod lifecycle;
mod limits;
mod pod_security;
mod priority;
mod quota;
mod service_account;
mod tolerations;
mod usage;
pub(crate) mod webhook;

use serde_json::{Value, json};

pub(crate) use self::quota::recount;
use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::rules::Rules;
use crate::store::Txn;

/// A write, as admission sees it.
#[derive(Clone, Copy)]
pub(crate) struct Write<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) resource: &'a Resource,
    /// Empty: the object itself.
    pub(crate) subresource: &'a str,
    /// The object as it is stored; none for a new one.
    pub(crate) old: Option<&'a Value>,
    /// Has the object its name already, where that is to be generated?
    pub(crate) named: bool,
}

impl Write<'_> {
    /// Is a new object of that built-in kind made?
    fn makes(&self, group: &str, kind: &str) -> bool {
        self.old.is_none() && self.touches(group, kind)
    }

    /// Is an object of that built-in kind made or changed, not only one of its subresources?
    fn touches(&self, group: &str, kind: &str) -> bool {
        self.subresource.is_empty() && self.resource.is(group, kind)
    }

    /// The refusal of an admission plugin.
    fn forbidden(&self, new: &Value, why: &str) -> Failure {
        let name = if self.named { object::name(new) } else { known_name(new) };
        Failure::forbidden(&self.resource.group, &self.resource.plural, name, why)
    }
}

/// The name as the plugins that change objects know it: one that is to be generated is still only its beginning.
fn known_name(value: &Value) -> &str {
    match object::text(value, "/metadata/generateName") {
        "" => object::name(value),
        beginning => beginning,
    }
}

/// Lets the plugins that change objects have the object, the webhooks last; and once more, when a webhook has changed
/// it. Says whether one has.
pub(crate) fn change(
    txn: &Txn<'_>,
    write: Write<'_>,
    new: &mut Value,
    warnings: &mut Vec<String>,
) -> Result<bool, Failure> {
    let mut rounds = webhook::Rounds::default();
    change_in_tree(txn, write, new)?;
    let changed = webhook::mutate(txn, write, new, warnings, &mut rounds)?;
    if changed {
        change_in_tree(txn, write, new)?;
        webhook::mutate(txn, write, new, warnings, &mut rounds)?;
    }
    Ok(changed)
}

fn change_in_tree(txn: &Txn<'_>, write: Write<'_>, new: &mut Value) -> Result<(), Failure> {
    lifecycle::check(txn, write, new)?;
    limits::set_defaults(txn, write, new);
    if write.makes("", "Pod") {
        service_account::admit(txn, write, new)?;
    }
    if write.touches("", "Pod") {
        priority::resolve(txn, write, new)?;
        tolerations::admit(new);
    }
    classes::set_defaults(txn, write, new)
}

/// Asks the plugins that only say yes or no, when the object has been found valid.
pub(crate) fn approve(
    txn: &mut Txn<'_>,
    write: Write<'_>,
    new: &Value,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let write = Write { named: true, ..write };
    limits::check(txn, write, new)?;
    pod_security::check(txn, write, new, warnings)?;
    priority::check_class(txn, write, new)?;
    classes::check(txn, write, new)?;
    webhook::validate(txn, write, Some(new), warnings)?;
    quota::check(txn, write, new)
}

/// May the object be deleted? Warnings of webhooks are lost: an answer to a deletion has no place for them yet.
pub(crate) fn remove(txn: &Txn<'_>, write: Write<'_>) -> Result<(), Failure> {
    let old = write.old.unwrap_or(&Value::Null);
    if write.resource.is("", "Namespace") {
        lifecycle::may_delete_namespace(object::name(old))?;
    }
    webhook::remove(txn, write)
}

/// Appends to a list, making it where there is none.
fn push(value: &mut Value, list: &str, item: Value) {
    let list = object::as_map(value).entry(list.to_owned()).or_insert_with(|| json!([]));
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

/// A pod's containers, then its init containers.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    object::items(pod, "/spec/containers").iter().chain(object::items(pod, "/spec/initContainers"))
}
