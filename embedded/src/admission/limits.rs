//! `LimitRanger`: the limit ranges of a namespace give the containers of new pods what they do not ask for, and refuse
//! pods and claims that ask for too little or too much.
//!
//! Source: `k8s.io/kubernetes/plugin/pkg/admission/limitranger`.

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::amounts::{self, Amounts};
use super::{Write, containers};
use crate::failure::{Failure, together};
use crate::object;
use crate::store::Txn;

const RANGES: &str = "limitranges";
/// Says on a pod what was added.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Gives a new pod's containers what the ranges have by default.
pub(super) fn set_defaults(txn: &Txn<'_>, write: Write<'_>, pod: &mut Value) {
    if !write.makes("", "Pod") {
        return;
    }
    for range in txn.list(RANGES, object::namespace(pod)) {
        let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
        for limit in object::items(&range.value, "/spec/limits").iter().filter(|l| kind(l) == "Container") {
            requests.extend(amounts::read(limit, "/defaultRequest"));
            limits.extend(amounts::read(limit, "/default"));
        }
        let mut told = Vec::new();
        for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
            let containers = pod.get_mut("spec").and_then(|s| s.get_mut(list)).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                for (of, what, given) in [("request", "requests", &requests), ("limit", "limits", &limits)] {
                    let set = fill(container, what, given);
                    if !set.is_empty() {
                        told.push(format!("{} {of} for {word} {}", set.join(", "), object::name_of(container)));
                    }
                }
            }
        }
        if !told.is_empty() {
            let text = format!("LimitRanger plugin set: {}", told.join("; "));
            object::set(pod, &format!("/metadata/annotations/{}", ANNOTATION.replace('/', "~1")), json!(text));
        }
    }
}

fn kind(limit: &Value) -> &str {
    object::text(limit, "/type")
}

/// Sets what a container does not say; the names of what was set.
fn fill(container: &mut Value, list: &str, given: &Amounts) -> Vec<String> {
    let mut set = Vec::new();
    for (name, amount) in given {
        let resources = object::as_map(container).entry("resources").or_insert_with(|| json!({}));
        let list = object::map_mut(resources, list);
        if !list.contains_key(name) {
            list.insert(name.clone(), json!(amount.to_string()));
            set.push(name.clone());
        }
    }
    set
}

/// Refuses what does not keep within the ranges.
pub(super) fn check(txn: &Txn<'_>, write: Write<'_>, new: &Value) -> Result<(), Failure> {
    let (pod, claim) = (write.makes("", "Pod"), write.touches("", "PersistentVolumeClaim"));
    if !(pod || claim) || write.old.is_some_and(object::is_deleting) {
        return Ok(());
    }
    for range in txn.list(RANGES, object::namespace(new)) {
        let mut faults = Vec::new();
        for limit in object::items(&range.value, "/spec/limits") {
            match kind(limit) {
                "Container" if pod => {
                    for container in containers(new) {
                        let asked = Asked {
                            requests: amounts::read(container, "/resources/requests"),
                            limits: amounts::read(container, "/resources/limits"),
                        };
                        faults.extend(asked.faults(limit));
                    }
                }
                "Pod" if pod => {
                    let requests = amounts::of_pod(new, "requests");
                    faults.extend(Asked { requests, limits: amounts::of_pod(new, "limits") }.faults(limit));
                }
                "PersistentVolumeClaim" if claim => {
                    let requests = amounts::read(new, "/spec/resources/requests");
                    faults.extend(Asked { requests, limits: Amounts::new() }.claim_faults(limit));
                }
                _ => {}
            }
        }
        if !faults.is_empty() {
            return Err(write.forbidden(new, &together(&faults)));
        }
    }
    Ok(())
}

/// What a container, a pod or a claim asks for.
struct Asked {
    requests: Amounts,
    limits: Amounts,
}

impl Asked {
    fn faults(&self, limit: &Value) -> Vec<String> {
        let each = |list: &str, check: &dyn Fn(&str, Quantity) -> Option<String>| -> Vec<String> {
            amounts::read(limit, list).into_iter().filter_map(|(name, bound)| check(&name, bound)).collect()
        };
        let mut faults = each("/min", &|name, bound| self.below(kind(limit), name, bound));
        faults.extend(each("/max", &|name, bound| self.above(kind(limit), name, bound)));
        faults.extend(each("/maxLimitRequestRatio", &|name, bound| self.ratio(kind(limit), name, bound)));
        faults
    }

    fn claim_faults(&self, limit: &Value) -> Vec<String> {
        let kind = kind(limit);
        let mut faults: Vec<String> =
            amounts::read(limit, "/min").iter().filter_map(|(name, bound)| self.below(kind, name, *bound)).collect();
        for (name, bound) in amounts::read(limit, "/max") {
            let head = format!("maximum {name} usage per {kind} is {bound}");
            match self.requests.get(&name) {
                None => faults.push(format!("{head}.  No request is specified")),
                Some(request) if request.nano() > bound.nano() => {
                    faults.push(format!("{head}, but request is {request}"));
                }
                Some(_) => {}
            }
        }
        faults
    }

    fn below(&self, kind: &str, name: &str, bound: Quantity) -> Option<String> {
        let head = format!("minimum {name} usage per {kind} is {bound}");
        let Some(request) = self.requests.get(name) else {
            return Some(format!("{head}.  No request is specified"));
        };
        if request.nano() < bound.nano() {
            return Some(format!("{head}, but request is {request}"));
        }
        let limit = self.limits.get(name).filter(|limit| limit.nano() < bound.nano())?;
        Some(format!("{head}, but limit is {limit}"))
    }

    fn above(&self, kind: &str, name: &str, bound: Quantity) -> Option<String> {
        let head = format!("maximum {name} usage per {kind} is {bound}");
        let Some(limit) = self.limits.get(name) else {
            return Some(format!("{head}.  No limit is specified"));
        };
        if limit.nano() > bound.nano() {
            return Some(format!("{head}, but limit is {limit}"));
        }
        let request = self.requests.get(name).filter(|request| request.nano() > bound.nano())?;
        Some(format!("{head}, but request is {request}"))
    }

    fn ratio(&self, kind: &str, name: &str, bound: Quantity) -> Option<String> {
        let head = format!("{name} max limit to request ratio per {kind} is {bound}");
        let there = |list: &Amounts| list.get(name).map(|amount| amount.nano()).filter(|nano| *nano != 0);
        let Some(request) = there(&self.requests) else {
            return Some(format!("{head}, but no request is specified or request is 0"));
        };
        let Some(limit) = there(&self.limits) else {
            return Some(format!("{head}, but no limit is specified or limit is 0"));
        };
        // limit / request > bound, without rounding; the message shows six digits of the quotient.
        let above = limit.saturating_mul(Quantity::count(1).nano()) > bound.nano().saturating_mul(request);
        let millionths = (limit.saturating_mul(2_000_000) / request + 1) / 2;
        above.then(|| format!("{head}, but provided ratio is {}.{:06}", millionths / 1_000_000, millionths % 1_000_000))
    }
}
