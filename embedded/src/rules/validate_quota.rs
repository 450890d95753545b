//! What the server refuses in a ResourceQuota and in a LimitRange. Wording as in
//! `k8s.io/kubernetes/pkg/apis/core/validation`.
//!
//! The server goes through the amounts of a map in any order; here they come by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::{naming, resource_names};
use crate::failure::Cause;
use crate::object;

const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
const SCOPE_PAIRS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];
/// What a quota can limit of the pods of a scope, beside their number.
const OF_SCOPED_PODS: [&str; 6] = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

/// A quota.
pub(super) fn quota(value: &Value, causes: &mut Vec<Cause>) {
    let hard: BTreeMap<&String, &Value> = object::entries(value, "/spec/hard").collect();
    for (name, amount) in &hard {
        let field = format!("spec.hard[{name}]");
        resource_names::check_of_a_quota(name, &field, causes);
        let Ok(quantity) = Quantity::parse(amount.as_str().unwrap_or_default()) else { continue };
        if quantity.nano() < 0 {
            causes.push(Cause::invalid(field.clone(), amount, "must be greater than or equal to 0"));
        }
        if resource_names::is_whole(name) && !quantity.is_whole() {
            causes.push(Cause::invalid(field, amount, "must be an integer"));
        }
    }
    let shown = value.pointer("/spec/scopes").unwrap_or(&Value::Null);
    let scopes: Vec<&str> = object::items(value, "/spec/scopes").iter().filter_map(Value::as_str).collect();
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            causes.push(Cause::invalid("spec.scopes", shown, "unsupported scope"));
        }
        for _ in hard.keys().filter(|name| !can_be_scoped(scope, name)) {
            causes.push(Cause::invalid("spec.scopes", shown, "unsupported scope applied to resource"));
        }
    }
    if has_both(&scopes) {
        causes.push(Cause::invalid("spec.scopes", shown, "conflicting scopes"));
    }
    selector(value, hard.keys().map(|name| name.as_str()), causes);
}

/// A scope of pods holds for what pods count as, one of claims for what claims count as.
fn can_be_scoped(scope: &str, name: &str) -> bool {
    if !resource_names::is_for_quotas(name) {
        return true;
    }
    match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        scope if SCOPES.contains(&scope) => name == "pods" || OF_SCOPED_PODS.contains(&name),
        _ => true,
    }
}

fn has_both(scopes: &[&str]) -> bool {
    SCOPE_PAIRS.iter().any(|pair| pair.iter().all(|scope| scopes.contains(scope)))
}

fn selector<'a>(value: &Value, limited: impl Iterator<Item = &'a str> + Clone, causes: &mut Vec<Cause>) {
    let terms = object::items(value, "/spec/scopeSelector/matchExpressions");
    let place = "spec.scopeSelector.matchExpressions";
    for term in terms {
        let scope = object::text(term, "/scopeName");
        if !SCOPES.contains(&scope) {
            causes.push(Cause::invalid(format!("{place}.scopeName"), &json!(scope), "unsupported scope"));
        }
        for _ in limited.clone().filter(|name| !can_be_scoped(scope, name)) {
            causes.push(Cause::invalid_as(place, &as_go(terms), "unsupported scope applied to resource"));
        }
        let operator = object::text(term, "/operator");
        if SCOPES.contains(&scope)
            && !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
            && operator != "Exists"
        {
            let why = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            causes.push(Cause::invalid(format!("{place}.operator"), &json!(operator), why));
        }
        let values = object::items(term, "/values");
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                causes.push(Cause::required(format!("{place}.values"), why));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                causes.push(Cause::invalid(format!("{place}.values"), &json!(values), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                causes.push(Cause::invalid(
                    format!("{place}.operator"),
                    &json!(other),
                    "not a valid selector operator",
                ));
            }
        }
    }
    let scopes: Vec<&str> = terms.iter().map(|term| object::text(term, "/scopeName")).collect();
    if has_both(&scopes) {
        let shown = value.pointer("/spec/scopes").unwrap_or(&Value::Null);
        causes.push(Cause::invalid(place, shown, "conflicting scopes"));
    }
}

/// A scope selector as the server prints it: with Go's names.
fn as_go(terms: &[Value]) -> String {
    let shown = terms.iter().map(|term| {
        let (scope, operator) = (object::text(term, "/scopeName"), object::text(term, "/operator"));
        let values = term.get("values").unwrap_or(&Value::Null);
        format!("{{\"ScopeName\":{scope:?},\"Operator\":{operator:?},\"Values\":{values}}}")
    });
    format!("{{\"MatchExpressions\":[{}]}}", shown.collect::<Vec<_>>().join(","))
}

/// What the scopes of a quota were stays.
pub(super) fn quota_unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let scopes = |quota| -> BTreeSet<String> {
        object::items(quota, "/spec/scopes").iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if scopes(old) != scopes(new) {
        let shown = new.pointer("/spec/scopes").unwrap_or(&Value::Null);
        causes.push(Cause::invalid("spec.scopes", shown, "field is immutable"));
    }
}

/// A range of limits.
pub(super) fn limits(value: &Value, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (at, limit) in object::items(value, "/spec/limits").iter().enumerate() {
        let place = format!("spec.limits[{at}]");
        let kind = object::text(limit, "/type");
        let faults = naming::qualified_name(kind);
        causes.extend(faults.iter().map(|fault| Cause::invalid(format!("{place}.type"), &json!(kind), fault)));
        if faults.is_empty() && !kind.contains('/') && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") {
            let why = "must be a standard limit type or fully qualified";
            causes.push(Cause::invalid(format!("{place}.type"), &json!(kind), why));
        }
        if !seen.insert(kind) {
            causes.push(Cause::duplicate(format!("{place}.type"), &json!(kind)));
        }
        one_limit(limit, kind, &place, causes);
    }
}

fn one_limit(limit: &Value, kind: &str, place: &str, causes: &mut Vec<Cause>) {
    let mut lists: BTreeMap<&str, BTreeMap<&String, Quantity>> = BTreeMap::new();
    for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let amounts: BTreeMap<&String, &Value> = object::entries(limit, &format!("/{list}")).collect();
        if kind == "Pod" && list.starts_with("default") {
            if !amounts.is_empty() {
                let why = "may not be specified when `type` is 'Pod'";
                causes.push(Cause::forbidden(format!("{place}.{list}"), why));
            }
            continue;
        }
        let bounded = ["min", "max"].iter().any(|list| limit.pointer(&format!("/{list}/storage")).is_some());
        if kind == "PersistentVolumeClaim" && list == "maxLimitRequestRatio" && !bounded {
            let why = "either minimum or maximum storage value is required, but neither was provided";
            causes.push(Cause::required(format!("{place}.limits"), why));
        }
        for name in amounts.keys() {
            let field = format!("{place}.{list}[{name}]");
            match kind {
                "Pod" | "Container" => resource_names::check_of_a_container(name, &field, causes),
                _ => resource_names::check(name, &field, causes),
            }
        }
        let read = amounts.iter().filter_map(|(name, amount)| Some((*name, Quantity::parse(amount.as_str()?).ok()?)));
        lists.insert(list, read.collect());
    }
    let names: BTreeSet<&String> = lists.values().flat_map(BTreeMap::keys).copied().collect();
    for name in names {
        bounds(name, |list| lists.get(list)?.get(name).copied(), place, causes);
    }
}

/// How the bounds of one resource stand to each other.
fn bounds(name: &str, amount: impl Fn(&str) -> Option<Quantity>, place: &str, causes: &mut Vec<Cause>) {
    let (min, max, ratio) = (amount("min"), amount("max"), amount("maxLimitRequestRatio"));
    let (default, request) = (amount("default"), amount("defaultRequest"));
    let mut above =
        |first: Option<Quantity>, second: Option<Quantity>, field: &str, shown: Option<Quantity>, words: [&str; 2]| {
            if let (Some(first), Some(second), Some(shown)) = (first, second, shown)
                && first.nano() > second.nano()
            {
                let why = format!("{} value {first} is greater than {} value {second}", words[0], words[1]);
                causes.push(Cause::invalid(format!("{place}.{field}[{name}]"), &json!(shown.to_string()), &why));
            }
        };
    above(min, max, "min", min, ["min", "max"]);
    above(min, request, "defaultRequest", request, ["min", "default request"]);
    above(request, max, "defaultRequest", request, ["default request", "max"]);
    above(request, default, "defaultRequest", request, ["default request", "default limit"]);
    above(min, default, "default", min, ["min", "default"]);
    above(default, max, "default", max, ["default", "max"]);
    if let Some(ratio) = ratio {
        let field = format!("{place}.maxLimitRequestRatio[{name}]");
        if ratio.nano() < Quantity::count(1).nano() {
            let why = format!("ratio {ratio} is less than 1");
            causes.push(Cause::invalid(field.clone(), &json!(ratio.to_string()), &why));
        }
        if let (Some(min), Some(max)) = (min, max) {
            let widest = max.nano() as f64 / min.nano() as f64;
            if ratio.nano() as f64 / 1e9 > widest {
                let why = format!("ratio {ratio} is greater than max/min = {widest:.6}");
                causes.push(Cause::invalid(field, &json!(ratio.to_string()), &why));
            }
        }
    }
    if let (Some(default), Some(request)) = (default, request)
        && !resource_names::can_be_overcommitted(name)
        && default.nano() != request.nano()
    {
        let why = format!("default value {default} must equal to defaultRequest value {request} in {name}");
        causes.push(Cause::invalid(format!("{place}.defaultRequest[{name}]"), &json!(request.to_string()), &why));
    }
}
