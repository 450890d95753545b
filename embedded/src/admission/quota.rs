//! `ResourceQuota`: a write that would take a namespace beyond what its quotas allow is refused; any other is counted in
//! their status, in the same transaction. A count from the ground up is what the controller asks for.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go` and
//! `k8s.io/kubernetes/pkg/controller/resourcequota`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::amounts::{self, Amounts};
use super::{Write, usage};
use crate::failure::Failure;
use crate::object;
use crate::rules::{Author, Ownership, Rules};
use crate::store::{Object, Txn};

const QUOTAS: &str = "resourcequotas";

/// Refuses what is too much, and counts the rest.
pub(super) fn check(txn: &mut Txn<'_>, write: Write<'_>, new: &Value) -> Result<(), Failure> {
    let resource = write.resource;
    let counted_now = write.old.is_none_or(|old| usage::can_change(resource, old, new));
    if !resource.namespaced || !write.subresource.is_empty() || !counted_now {
        return Ok(());
    }
    let now = txn.now();
    let usage_of = |value: &Value| usage::of(resource, value, now);
    let mut counted: Vec<(Arc<Object>, Amounts)> = Vec::new();
    let mut exceeded = None;
    let quotas = txn.list(QUOTAS, object::namespace(new));
    let mut interesting = Vec::new();
    for quota in quotas {
        let hard = amounts::read(&quota.value, "/status/hard");
        let limited: Vec<String> = hard.keys().filter(|name| usage::counts_as(resource, name)).cloned().collect();
        if limited.is_empty() || !usage::in_scope(resource, new, &quota.value) {
            continue;
        }
        let name = object::name(&quota.value);
        if let Some(why) = usage::missing(resource, new, &limited) {
            return Err(write.forbidden(new, &format!("failed quota: {name}: {why}")));
        }
        let used = amounts::read(&quota.value, "/status/used");
        if limited.iter().any(|name| !used.contains_key(name)) {
            let why = format!("status unknown for quota: {name}, resources: {}", limited.join(","));
            return Err(write.forbidden(new, &why));
        }
        interesting.push((quota, hard, used));
    }
    if interesting.is_empty() {
        return Ok(());
    }
    let whole = usage_of(new);
    let negative: Vec<&str> = whole.iter().filter(|(_, q)| q.nano() < 0).map(|(name, _)| name.as_str()).collect();
    if !negative.is_empty() {
        let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
        return Err(write.forbidden(new, &why));
    }
    for (quota, hard, used) in interesting {
        let mut more = whole.clone();
        if let Some(old) = write.old.filter(|old| usage::in_scope(resource, old, &quota.value)) {
            for (name, before) in usage_of(old) {
                more.entry(name).and_modify(|amount| *amount = amount.minus_or_zero(before));
            }
        }
        let more =
            amounts::only(&more, |name| hard.contains_key(name) && more.get(name).is_some_and(|q| q.nano() != 0));
        if more.is_empty() {
            continue;
        }
        let mut sum = used.clone();
        amounts::add(&mut sum, &more);
        let above = |name: &str| {
            let nano = |list: &Amounts| list.get(name).map_or(0, |amount| amount.nano());
            more.contains_key(name) && nano(&sum) > nano(&hard)
        };
        if hard.keys().any(|name| above(name)) && exceeded.is_none() {
            exceeded = Some(format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                object::name(&quota.value),
                amounts::shown(&amounts::only(&more, above)),
                amounts::shown(&amounts::only(&used, above)),
                amounts::shown(&amounts::only(&hard, above)),
            ));
        }
        counted.push((quota, sum));
    }
    if let Some(why) = exceeded {
        return Err(write.forbidden(new, &why));
    }
    let rules = Rules::own(Arc::clone(&write.rules.registry), Arc::clone(&write.rules.settings));
    for (quota, used) in counted {
        let mut status = quota.value.get("status").cloned().unwrap_or_else(|| json!({}));
        object::set(&mut status, "/used", amounts::write(&used));
        set_status(&rules, txn, &quota, status, "kube-apiserver")?;
    }
    Ok(())
}

fn set_status(
    rules: &Rules,
    txn: &mut Txn<'_>,
    quota: &Arc<Object>,
    status: Value,
    manager: &str,
) -> Result<(), Failure> {
    let Some(resource) = rules.registry.of_kind("v1", "ResourceQuota").cloned() else { return Ok(()) };
    let mut new = quota.value.clone();
    object::set(&mut new, "/status", status);
    let author = Author { manager, subresource: "status" };
    rules.update(txn, &resource, quota, new, author, Ownership::Tracked).map(|_| ())
}

/// Counts everything in the namespace again, for each of its quotas.
pub(crate) fn recount(rules: &Rules, txn: &mut Txn<'_>, namespace: &str) -> Result<(), Failure> {
    for quota in txn.list(QUOTAS, namespace) {
        let hard = amounts::read(&quota.value, "/spec/hard");
        let mut used: Amounts = hard.keys().map(|name| (name.clone(), Quantity::count(0))).collect();
        // A resource that is served in several versions is counted once.
        let mut stores = BTreeSet::new();
        for resource in rules.registry.resources().iter().filter(|resource| resource.namespaced) {
            if !stores.insert(Arc::clone(&resource.storage)) {
                continue;
            }
            if !hard.keys().any(|name| usage::counts_as(resource, name)) {
                continue;
            }
            for live in txn.list(&resource.storage, namespace) {
                if usage::in_scope(resource, &live.value, &quota.value) {
                    let counted = usage::of(resource, &live.value, txn.now());
                    amounts::add(&mut used, &amounts::only(&counted, |name| hard.contains_key(name)));
                }
            }
        }
        let status = json!({"hard": amounts::write(&hard), "used": amounts::write(&used)});
        if quota.value.get("status") != Some(&status) {
            set_status(rules, txn, &quota, status, "kube-controller-manager")?;
        }
    }
    Ok(())
}
