//! What a plan comes to, beyond the count of its steps: which pods start anew, how many GPUs are asked for more or less, and
//! what somebody should look at before agreeing. Every form of a report says the same facts.

use std::collections::BTreeMap;

use serde_json::Value;
use strata_components::model::GpuSettings;

use crate::finding::Finding;
use crate::plan::{Action, Cause, Condition, Order, Plan, PlanPhase, PlannedNeed, Step};

/// What a plan comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Workloads whose pods are replaced by new ones, in the order of the plan.
    pub restarts: Vec<Restart>,
    /// GPUs that are asked for more once the plan is carried out, or less: as far as the plan tells, which holds what is
    /// created and changed, and not what a deleted workload asked for.
    pub gpus: i64,
    /// Services that go from one colour to the other, in the order of the plan.
    pub turns: Vec<Turn>,
    /// GPUs that are asked for beside those while the pods of both colours run.
    pub gpus_meanwhile: i64,
    /// What to look at first, the gravest first.
    pub risks: Vec<Risk>,
    /// What the user's own policies have to say of the plan, errors first.
    pub findings: Vec<Finding>,
}

/// A service that goes from one colour to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The service.
    pub service: String,
    /// The workload that has its traffic in the end.
    pub to: String,
    /// How long that is held, as `5m`.
    pub hold: String,
}

/// A workload whose pods are replaced by new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// The workload, as `Deployment shop/cart`.
    pub workload: String,
    /// How many pods it is to have; absent where somebody else decides that.
    pub pods: Option<u64>,
}

/// Something that somebody should look at before agreeing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// It cannot be done, so nothing of the plan is.
    Blocked(String),
    /// The object is deleted and made anew.
    Replaced(String),
    /// The object goes.
    Deleted(String),
    /// The object becomes nobody's.
    Forgotten(String),
    /// An object that belonged to nobody becomes the instance's.
    Adopted(String),
    /// Fields that another manager holds are taken from it.
    Taken(String),
    /// Who may talk to whom changes.
    Network(String),
    /// What comes of it is not known for sure, with the reason.
    Unsure(String, String),
    /// Not every live object of a kind is known.
    Unlisted(String),
}

impl Risk {
    /// What the risk is, for all of its kind: a sentence that the objects follow.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Risk::Blocked(_) => "cannot be done, and until that is dealt with nothing is",
            Risk::Replaced(_) => "deleted and made anew",
            Risk::Deleted(_) => "deleted",
            Risk::Forgotten(_) => "left on the cluster as nobody's",
            Risk::Adopted(_) => "taken over, though not made by this stack",
            Risk::Taken(_) => "fields are taken from another manager",
            Risk::Network(_) => "who may talk to whom changes",
            Risk::Unsure(..) => "not confirmed by the server",
            Risk::Unlisted(_) => "live objects are not all known, so none is deleted",
        }
    }

    /// The object, with what is to be said of it alone.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Risk::Blocked(id)
            | Risk::Replaced(id)
            | Risk::Deleted(id)
            | Risk::Forgotten(id)
            | Risk::Adopted(id)
            | Risk::Taken(id)
            | Risk::Network(id)
            | Risk::Unlisted(id) => id.clone(),
            Risk::Unsure(id, reason) => format!("{id}, because {reason}"),
        }
    }
}

/// Something to look at before agreeing, with every object that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    /// What it is: words that go on from a number of objects.
    pub words: &'static str,
    /// The objects, each with what is to be said of it alone.
    pub objects: Vec<String>,
    /// Whether something goes, or cannot be done.
    pub is_grave: bool,
}

impl Facts {
    /// What is to be looked at before agreeing, the gravest first: each risk with its objects, and the workloads whose pods
    /// start anew.
    #[must_use]
    pub fn matters(&self) -> Vec<Matter> {
        let mut matters: Vec<Matter> = Vec::new();
        for risk in &self.risks {
            let words = risk.words();
            match matters.last_mut() {
                Some(matter) if matter.words == words => matter.objects.push(risk.object()),
                _ => {
                    let is_grave = matches!(risk, Risk::Blocked(_) | Risk::Replaced(_) | Risk::Deleted(_));
                    matters.push(Matter { words, objects: vec![risk.object()], is_grave });
                }
            }
        }
        let objects: Vec<String> = self.restarts.iter().map(|one| one.workload.clone()).collect();
        if !objects.is_empty() {
            matters.push(Matter { words: "pods start anew", objects, is_grave: false });
        }
        matters
    }

    /// What comes of the plan beyond its objects, each in a sentence.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        let mut effects = Vec::new();
        if !self.restarts.is_empty() {
            let pods: u64 = self.restarts.iter().filter_map(|one| one.pods).sum();
            let workloads = self.restarts.len();
            let of = if workloads == 1 { "1 workload".to_owned() } else { format!("{workloads} workloads") };
            let pods = match pods {
                0 => String::new(),
                1 => " (1 pod)".to_owned(),
                pods => format!(" ({pods} pods)"),
            };
            effects.push(format!("Pods of {of} start anew{pods}."));
        }
        if self.gpus != 0 {
            effects.push(format!("GPUs asked for: {:+}.", self.gpus));
        }
        for Turn { service, to, hold } in &self.turns {
            effects.push(format!(
                "{service} goes to {to}, which is held for {hold}, and back if that does not stay ready."
            ));
        }
        if self.gpus_meanwhile != 0 {
            effects.push(format!("GPUs asked for beside that while both colours run: {:+}.", self.gpus_meanwhile));
        }
        effects
    }
}

/// What a plan comes to.
#[must_use]
pub fn facts(plan: &Plan) -> Facts {
    let (mut facts, least) = (Facts::default(), autoscaled(plan));
    for (phase, step) in plan.phases.iter().flat_map(|phase| phase.steps.iter().map(move |step| (phase, step))) {
        if restarts(step) {
            let pods = step.manifest.as_ref().and_then(|manifest| manifest.pointer("/spec/replicas")?.as_u64());
            facts.restarts.push(Restart { workload: step.id.to_string(), pods });
        }
        if let (Action::Hold, Some(hold)) = (step.action, step.hold) {
            let service = step.service.clone().unwrap_or_default();
            facts.turns.push(Turn { service, to: step.id.to_string(), hold: hold.to_string() });
        }
        let (more, had) = gpus(step, &least);
        facts.gpus += more;
        facts.gpus_meanwhile += if turns(step) { had } else { 0 };
        facts.risks.extend(risks(phase.order, step));
    }
    for unlisted in &plan.unlisted {
        let kind = format!("{} {}", unlisted.kind.kind, unlisted.kind.group);
        facts.risks.push(Risk::Unlisted(format!("{}: {}", kind.trim(), unlisted.reason)));
    }
    facts.risks.sort();
    facts.risks.dedup();
    facts.findings.clone_from(&plan.findings);
    facts
}

/// What is to be said of a finding beside its message: where it is, what to do, and why it is accepted.
#[must_use]
pub fn details(finding: &Finding) -> Vec<String> {
    let place = finding.at.as_ref().map(ToString::to_string).or_else(|| finding.path.clone());
    let related = finding.related.iter().map(|related| format!("{}: {}", related.text, related.at));
    let help = finding.help.as_ref().map(|help| format!("help: {help}"));
    let waived = finding.waived.as_ref().map(|reason| format!("waived: {reason}"));
    place.into_iter().chain(related).chain(help).chain(waived).collect()
}

/// What services of a phase wait for outside the stack before anything of them is applied, one phrase each.
#[must_use]
pub fn needs(phase: &PlanPhase) -> Vec<String> {
    let phrase = |PlannedNeed { need, services, .. }: &PlannedNeed| {
        let within = need.within.map(|within| format!(", for {within} at the most")).unwrap_or_default();
        let wait = if services.len() == 1 { "waits" } else { "wait" };
        format!("{} {wait} for {need}{within}", services.join(", "))
    };
    phase.needs.iter().map(phrase).collect()
}

fn is_workload(step: &Step) -> bool {
    matches!(step.id.kind.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
}

/// Whether pods that run are replaced by new ones.
fn restarts(step: &Step) -> bool {
    let of_template = |cause: &Cause| match cause {
        Cause::Stack { path, .. } | Cause::Drift { path, .. } => path.starts_with(".spec.template"),
        _ => false,
    };
    is_workload(step)
        && match step.action {
            Action::Replace | Action::Move => true,
            Action::Update | Action::Adopt => step.causes.iter().any(of_template),
            Action::Create => turns(step),
            _ => false,
        }
}

/// Whether a step brings up the other colour of a service that has one.
fn turns(step: &Step) -> bool {
    let turn = |cause: &Cause| matches!(cause, Cause::Turn { from: Some(_), .. });
    step.action == Action::Create && step.causes.iter().any(turn)
}

fn risks(order: Order, step: &Step) -> Vec<Risk> {
    let id = step.id.to_string();
    let mut risks = Vec::new();
    match step.action {
        Action::Blocked => risks.push(Risk::Blocked(id.clone())),
        Action::Replace => risks.push(Risk::Replaced(id.clone())),
        // The old colour goes when the new one has been held.
        Action::Delete if step.condition == Some(Condition::Held) => {}
        Action::Delete => risks.push(Risk::Deleted(id.clone())),
        Action::Forget => risks.push(Risk::Forgotten(id.clone())),
        Action::Adopt => risks.push(Risk::Adopted(id.clone())),
        Action::Create | Action::Update | Action::Move | Action::Hold | Action::Return | Action::Unchanged => {}
    }
    if step.action == Action::Unchanged {
        return risks;
    }
    // What closes takes a size back from an autoscaler of the stack's own, which is gone by then.
    if step.force && order != Order::Close {
        risks.push(Risk::Taken(id.clone()));
    }
    let open = ["NetworkPolicy", "AuthorizationPolicy", "Ingress", "HTTPRoute", "Gateway"];
    let exists = matches!(step.action, Action::Update | Action::Replace | Action::Delete | Action::Adopt);
    if exists && open.contains(&step.id.kind.kind.as_str()) {
        risks.push(Risk::Network(id.clone()));
    }
    if let Some(crate::observe::Confirmation::Unconfirmed(reason)) = &step.confirmation
        && step.action != Action::Create
    {
        risks.push(Risk::Unsure(id, reason.clone()));
    }
    risks
}

/// The fewest pods that autoscalers keep, as far as the plan tells, by namespace, kind and name of the workload.
fn autoscaled(plan: &Plan) -> BTreeMap<[&str; 3], i64> {
    fn least(step: &Step) -> Option<([&str; 3], i64)> {
        let spec = step.manifest.as_ref()?.get("spec")?;
        let text = |pointer| spec.pointer(pointer).and_then(Value::as_str);
        let place = [step.id.namespace.as_deref()?, text("/scaleTargetRef/kind")?, text("/scaleTargetRef/name")?];
        Some((place, spec.get("minReplicas").and_then(Value::as_i64).unwrap_or(1)))
    }
    let autoscalers = plan.steps().filter(|step| step.id.kind.kind == "HorizontalPodAutoscaler");
    autoscalers.filter_map(least).collect()
}

/// How many GPUs a step asks for more, or less, and how many were asked for before; `least` is how many pods autoscalers
/// keep.
fn gpus(step: &Step, least: &BTreeMap<[&str; 3], i64>) -> (i64, i64) {
    let Some(manifest) = step.manifest.as_ref().filter(|_| is_workload(step)) else { return (0, 0) };
    let each = |manifest: &Value| -> i64 {
        let containers = manifest.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        let limits = containers.into_iter().flatten().filter_map(|one| one.pointer("/resources/limits")?.as_object());
        let gpus = limits.flatten().filter(|(name, _)| GpuSettings::gives(name));
        gpus.filter_map(|(_, many)| number(many)).sum()
    };
    let place = [step.id.namespace.as_deref().unwrap_or_default(), &step.id.kind.kind, &step.id.name];
    let said = manifest.pointer("/spec/replicas").and_then(Value::as_i64);
    let replicas = said.or_else(|| least.get(&place).copied()).unwrap_or(1);
    match step.action {
        Action::Create if !turns(step) => (each(manifest) * replicas, 0),
        Action::Create | Action::Update => {
            let before = |wanted: fn(&str) -> bool| {
                step.causes.iter().find_map(|cause| match cause {
                    Cause::Stack { path, before, .. } | Cause::Drift { path, before, .. } if wanted(path) => {
                        Some(before.as_ref().and_then(number).unwrap_or(0))
                    }
                    _ => None,
                })
            };
            let had = before(|path| path == ".spec.replicas").unwrap_or(replicas);
            let of_gpus =
                |path: &str| path.split_once(".resources.limits.").is_some_and(|(_, name)| GpuSettings::gives(name));
            let each_had = before(of_gpus).unwrap_or_else(|| each(manifest));
            (each(manifest) * replicas - each_had * had, each_had * had)
        }
        _ => (0, 0),
    }
}

/// A number that stands as one, or as a text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test whose plan cannot be read has failed")]

    use serde_json::json;

    use super::*;

    fn step(kind: &str, action: &str, more: Value) -> Value {
        let mut step = json!({
            "id": {"provider": "kubernetes", "target": "t", "group": "", "version": "v1", "kind": kind,
                "namespace": "shop", "name": "cart"},
            "address": "shop/cart/x", "action": action, "causes": [], "stage": 0,
        });
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    }

    #[track_caller]
    fn check(steps: Vec<Value>, restarts: &[(&str, Option<u64>)], gpus: i64, risks: &[(&str, &str)]) {
        let plan = super::super::markdown::tests::plan_of(steps);
        let facts = facts(&plan);
        let found: Vec<_> = facts.restarts.iter().map(|one| (one.workload.as_str(), one.pods)).collect();
        assert_eq!(found, restarts);
        assert_eq!(facts.gpus, gpus);
        let found: Vec<_> = facts.risks.iter().map(|risk| (risk.object(), risk.words())).collect();
        let found: Vec<_> = found.iter().map(|(object, words)| (object.as_str(), *words)).collect();
        assert_eq!(found, risks);
    }

    fn workload(replicas: i64, gpus: i64) -> Value {
        json!({"spec": {"replicas": replicas, "template": {"spec": {"containers": [
            {"resources": {"limits": {"cpu": 1, "nvidia.com/gpu": gpus.to_string()}}},
        ]}}}})
    }

    #[test]
    fn pods_start_anew_where_their_template_changes() {
        let image =
            json!({"cause": "stack", "path": ".spec.template.spec.containers.image", "before": "a", "after": "b"});
        let size = json!({"cause": "stack", "path": ".spec.replicas", "before": 1, "after": 3});
        check(
            vec![step("Deployment", "update", json!({"causes": [image], "manifest": workload(3, 0)}))],
            &[("Deployment shop/cart", Some(3))],
            0,
            &[],
        );
        check(vec![step("Deployment", "update", json!({"causes": [size], "manifest": workload(3, 2)}))], &[], 4, &[]);
        check(vec![step("Deployment", "create", json!({"manifest": workload(2, 4)}))], &[], 8, &[]);
        let target = json!({"kind": "Deployment", "name": "cart"});
        let autoscaler = json!({"manifest": {"spec": {"minReplicas": 3, "scaleTargetRef": target}}});
        let mut sized = json!({"manifest": workload(0, 4)});
        sized["manifest"]["spec"].as_object_mut().unwrap().remove("replicas");
        let made = vec![step("Deployment", "create", sized), step("HorizontalPodAutoscaler", "create", autoscaler)];
        check(made, &[], 12, &[]);
        let less = json!({"cause": "stack", "path": ".spec.template.spec.containers[name=server].resources.limits.nvidia.com/gpu",
            "before": "4", "after": "1"});
        let fewer = step("Deployment", "update", json!({"causes": [less], "manifest": workload(2, 1)}));
        check(vec![fewer], &[("Deployment shop/cart", Some(2))], -6, &[]);
        let of_others = workload(3, 2).to_string().replace("nvidia.com/gpu", "amd.com/gpu");
        let of_others: Value = serde_json::from_str(&of_others).unwrap();
        check(vec![step("Deployment", "create", json!({"manifest": of_others}))], &[], 6, &[]);
    }

    #[test]
    fn another_colour_asks_for_as_much_again_for_a_while() {
        let id = |name: &str| {
            json!({"provider": "kubernetes", "target": "t", "group": "apps", "version": "v1", "kind": "Deployment",
                "namespace": "shop", "name": name})
        };
        let turn = json!({"cause": "turn", "from": id("cart-mcp-blue"), "to": id("cart-mcp-green")});
        let steps = vec![
            step("Deployment", "create", json!({"causes": [{"cause": "absent"}, turn], "manifest": workload(2, 3)})),
            step("Deployment", "hold", json!({"hold": "5m", "service": "cart", "causes": [turn]})),
            step("Deployment", "delete", json!({"condition": "held"})),
        ];
        let facts = facts(&super::super::markdown::tests::plan_of(steps));
        assert_eq!((facts.gpus, facts.gpus_meanwhile, facts.risks.len()), (0, 6, 0));
        let expect = [
            "Pods of 1 workload start anew (2 pods).",
            "cart goes to Deployment shop/cart, which is held for 5m, and back if that does not stay ready.",
            "GPUs asked for beside that while both colours run: +6.",
        ];
        assert_eq!(facts.effects(), expect);
    }

    #[test]
    fn the_gravest_comes_first() {
        let steps = vec![
            step("NetworkPolicy", "update", json!({"confirmation": {"unconfirmed": "of a reason"}})),
            step("Service", "delete", json!({})),
            step("ConfigMap", "blocked", json!({})),
            step("Deployment", "replace", json!({})),
            step("ServiceAccount", "update", json!({"force": true})),
            step("Secret", "unchanged", json!({})),
        ];
        check(
            steps,
            &[("Deployment shop/cart", None)],
            0,
            &[
                ("ConfigMap shop/cart", "cannot be done, and until that is dealt with nothing is"),
                ("Deployment shop/cart", "deleted and made anew"),
                ("Service shop/cart", "deleted"),
                ("ServiceAccount shop/cart", "fields are taken from another manager"),
                ("NetworkPolicy shop/cart", "who may talk to whom changes"),
                ("NetworkPolicy shop/cart, because of a reason", "not confirmed by the server"),
            ],
        );
    }
}
