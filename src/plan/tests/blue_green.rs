//! Services that go from one colour to the other.

use strata_components::blue_green::{Colour, painted};
use strata_components::model::BlueGreen;

use super::*;
use crate::observe::{FieldChange, LiveColours};
use crate::plan::types::{Condition, Step};

/// A service with a Deployment and a Service, and what is live of it.
struct Scene {
    desired: Desired,
    points_at: Option<Colour>,
    /// Whether the pods of the colour that has the traffic would be others.
    outdated: bool,
    /// The names of live Deployments, in the order in which they were created.
    live: Vec<&'static str>,
    /// Whether the Service is live.
    served: bool,
}

fn of_cart(kind: &str, component: &str, spec: serde_json::Value) -> Resource {
    let mut resource = desired(&[("cart", 1)]).resources.remove(1);
    resource.id = id(kind, "cart");
    resource.address = format!("s/cart/{component}");
    resource.service = Some("cart".to_owned());
    let metadata = json!({"name": "cart", "labels": {}});
    resource.manifest = json!({"kind": kind, "metadata": metadata, "spec": spec});
    resource
}

impl Scene {
    fn new(points_at: Option<Colour>, outdated: bool, live: &[&'static str]) -> Self {
        let mut desired = desired(&[]);
        let template = json!({"metadata": {"labels": {}}, "spec": {}});
        let target = json!({"scaleTargetRef": {"kind": "Deployment", "name": "cart"}});
        desired.resources.extend([
            of_cart("HorizontalPodAutoscaler", "autoscaler", target),
            of_cart("Deployment", "deployment", json!({"selector": {"matchLabels": {}}, "template": template})),
            of_cart("Service", "service", json!({"selector": {}})),
        ]);
        desired.blue_green.insert("cart".to_owned(), BlueGreen::default());
        Self { desired, points_at, outdated, live: live.to_vec(), served: true }
    }

    fn snapshot(&self) -> Snapshot {
        let change = FieldChange {
            path: ".spec.template.spec.image".to_owned(),
            before: Some(json!(1)),
            after: Some(json!(2)),
            owner: None,
        };
        let colours = vec![LiveColours {
            service: "cart".to_owned(),
            points_at: self.points_at,
            outdated: if self.outdated { vec![change] } else { Vec::new() },
        }];
        let painted = painted(&self.desired, &crate::plan::chosen(&colours));
        let mut objects = vec![live(id("Namespace", "ns"), Owner::This, 0)];
        for (name, at) in self.live.iter().zip(1..) {
            objects.push(LiveObject {
                address: Some("s/cart/deployment".to_owned()),
                created: Some(format!("2026-01-01T00:00:0{at}Z")),
                ..live(id("Deployment", name), Owner::This, 1)
            });
        }
        for kind in ["Service", "HorizontalPodAutoscaler"].into_iter().filter(|_| self.served) {
            let component = if kind == "Service" { "service" } else { "autoscaler" };
            let address = Some(format!("s/cart/{component}"));
            objects.push(LiveObject { address, ..live(id(kind, "cart"), Owner::This, 1) });
        }
        let there: Vec<ResourceId> = objects.iter().map(|object| object.id.clone()).collect();
        let to = painted.resources.iter().find(|one| one.id.kind.kind == "Deployment").map(|one| one.id.clone());
        let switched = to.as_ref().and_then(|to| Colour::of_name(&to.name)) == self.points_at;
        let outcome = |id: &ResourceId| match id.kind.kind.as_str() {
            _ if !there.contains(id) => created(id),
            "Service" | "HorizontalPodAutoscaler" if !switched => changed("strata-s", true, false),
            _ => unchanged(id),
        };
        Snapshot { colours, ..snapshot(&painted, objects, outcome) }
    }

    fn plan(&self, policy: &Policy) -> Plan {
        plan(&self.desired, &self.snapshot(), policy)
    }
}

#[track_caller]
fn check_scene(scene: &Scene, expect: &[&str]) {
    let plan = scene.plan(&Policy::default());
    let told = |one: &&str| !one.contains("unchanged");
    let mut lines = Vec::new();
    for phase in &plan.phases {
        for step in phase.steps.iter().filter(|step| step.action != Action::Unchanged) {
            let causes: Vec<&str> = step.causes.iter().map(cause).collect();
            let [order, action] = [format!("{:?}", phase.order), format!("{:?}", step.action)];
            let kind = &step.id.kind.kind;
            lines.push(format!("{order} {action} {kind} {}: {}", step.id.name, causes.join(" ")));
        }
    }
    assert_eq!(lines.iter().map(String::as_str).filter(told).collect::<Vec<_>>(), expect);
}

/// From blue to green, with what is to be done of it still.
fn turn(created: bool, switched: bool) -> Vec<&'static str> {
    let all = [
        (!created, "Apply Create Deployment cart-green: absent turn stack"),
        (!switched, "Apply Update HorizontalPodAutoscaler cart: stack turn"),
        (!switched, "Apply Update Service cart: stack turn"),
        (true, "Hold Hold Deployment cart-green: turn"),
        (true, "Return Return Service cart: turn"),
        (true, "Return Return HorizontalPodAutoscaler cart: turn"),
        (true, "Delete Delete Deployment cart-blue: other-colour"),
    ];
    all.into_iter().filter_map(|(due, line)| due.then_some(line)).collect()
}

#[test]
fn it_goes_on_from_what_stands() {
    let (blue, green) = (Some(Colour::Blue), Some(Colour::Green));
    let first = [
        "Apply Create HorizontalPodAutoscaler cart: absent",
        "Apply Create Deployment cart-blue: absent",
        "Apply Create Service cart: absent",
    ];
    check_scene(&Scene { served: false, ..Scene::new(None, false, &[]) }, &first);
    check_scene(&Scene::new(blue, false, &["cart-blue"]), &[]);
    check_scene(&Scene::new(blue, true, &["cart-blue"]), &turn(false, false));
    check_scene(&Scene::new(blue, true, &["cart-blue", "cart-green"]), &turn(true, false));
    check_scene(&Scene::new(green, false, &["cart-blue", "cart-green"]), &turn(true, true));
    check_scene(&Scene::new(green, false, &["cart-green"]), &[]);
    // The stack went back to what it was: what has come meanwhile goes, and nothing is held.
    let passed = ["Delete Delete Deployment cart-green: other-colour"];
    check_scene(&Scene::new(blue, false, &["cart-blue", "cart-green"]), &passed);
}

#[test]
fn a_service_without_a_colour_gets_one() {
    let expect = [
        "Apply Create Deployment cart-blue: absent turn",
        "Apply Update HorizontalPodAutoscaler cart: stack turn",
        "Apply Update Service cart: stack turn",
        "Hold Hold Deployment cart-blue: turn",
        "Return Return Service cart: turn",
        "Return Return HorizontalPodAutoscaler cart: turn",
        "Delete Delete Deployment cart: other-colour",
    ];
    check_scene(&Scene::new(None, false, &["cart"]), &expect);
}

#[test]
fn each_step_says_on_what_it_depends() {
    let scene = Scene::new(Some(Colour::Blue), true, &["cart-blue"]);
    let plan = scene.plan(&Policy::default());
    let of = |action: Action, kind: &str| {
        plan.steps().find(|step| step.action == action && step.id.kind.kind == kind).expect("a step")
    };
    let (create, switch) = (of(Action::Create, "Deployment"), of(Action::Update, "Service"));
    assert!(create.gate && switch.stage > create.stage);
    assert_eq!(switch.condition, Some(Condition::Ready));
    let hold = of(Action::Hold, "Deployment");
    assert_eq!((hold.hold, hold.condition), (Some(BlueGreen::default().hold), Some(Condition::Ready)));
    let back = of(Action::Return, "Service");
    assert_eq!(back.condition, Some(Condition::Broken));
    let selector = |step: &Step| step.manifest.as_ref().map(|manifest| manifest["spec"]["selector"].clone());
    assert_eq!(selector(switch), Some(json!({"strata.dev/colour": "green"})));
    assert_eq!(selector(back), Some(json!({"strata.dev/colour": "blue"})));
    let scaled = of(Action::Return, "HorizontalPodAutoscaler").manifest.as_ref().expect("a manifest");
    assert_eq!(scaled["spec"]["scaleTargetRef"]["name"], "cart-blue");
    assert_eq!(of(Action::Delete, "Deployment").condition, Some(Condition::Held));
    assert_eq!((plan.summary.hold, plan.summary.back, plan.summary.changes()), (1, 2, 4));
}

#[test]
fn a_target_goes_through_with_its_turn_and_others_are_left() {
    let scene = Scene::new(Some(Colour::Blue), true, &["cart-blue"]);
    let named = |target: &str| Policy { targets: vec![target.to_owned()], ..Policy::default() };
    let plan = scene.plan(&named("cart"));
    assert!(plan.steps().any(|step| step.action == Action::Delete) && plan.left_out.is_empty());
    let plan = scene.plan(&named("other"));
    assert!(plan.steps().all(|step| step.action == Action::Unchanged));
    assert!(plan.left_out.iter().any(|out| out.left_stack && out.id.name == "cart-blue"));
}

#[test]
fn what_is_forgotten_stays() {
    let scene = Scene::new(Some(Colour::Green), false, &["cart-blue", "cart-green"]);
    let policy = Policy { forget: vec!["Deployment/cart-blue".to_owned()], ..Policy::default() };
    let plan = scene.plan(&policy);
    let done: Vec<Action> =
        plan.steps().map(|step| step.action).filter(|action| *action != Action::Unchanged).collect();
    assert_eq!(done, [Action::Forget]);
}

/// Alters a sound plan in one way, and expects that the checker finds it.
#[track_caller]
fn unsound(alter: impl FnOnce(&mut Plan)) {
    let scene = Scene::new(Some(Colour::Blue), true, &["cart-blue"]);
    let snapshot = scene.snapshot();
    let mut plan = super::super::plan(&scene.desired, &snapshot, &Policy::default());
    alter(&mut plan);
    plan.summary = super::super::types::Summary::of(&plan.phases);
    plan.digest = String::new();
    plan.digest = digest(&plan);
    assert_ne!(verify(&scene.desired, &snapshot, &Policy::default(), &plan), []);
}

#[test]
fn a_turn_that_is_altered_is_not_sound() {
    fn step(plan: &mut Plan, action: Action) -> &mut Step {
        let mut steps = plan.phases.iter_mut().flat_map(|phase| &mut phase.steps);
        steps.find(|step| step.action == action && step.id.kind.kind != "HorizontalPodAutoscaler").expect("a step")
    }
    unsound(|plan| plan.phases.retain(|phase| phase.order != Order::Hold));
    unsound(|plan| plan.phases.retain(|phase| phase.order != Order::Return));
    unsound(|plan| step(plan, Action::Create).gate = false);
    unsound(|plan| step(plan, Action::Create).causes.truncate(1));
    unsound(|plan| step(plan, Action::Update).condition = None);
    unsound(|plan| step(plan, Action::Update).stage = 1);
    unsound(|plan| step(plan, Action::Hold).hold = Some("1s".parse().expect("a time")));
    unsound(|plan| step(plan, Action::Hold).condition = None);
    unsound(|plan| step(plan, Action::Hold).causes.clear());
    unsound(|plan| step(plan, Action::Return).condition = Some(Condition::Ready));
    unsound(|plan| step(plan, Action::Return).from = None);
    unsound(|plan| {
        let there = step(plan, Action::Update).manifest.clone();
        step(plan, Action::Return).manifest = there;
    });
    unsound(|plan| step(plan, Action::Delete).condition = None);
    unsound(|plan| {
        let at = plan.phases.iter().position(|phase| phase.order == Order::Delete).expect("a phase");
        let delete = plan.phases.remove(at);
        plan.phases.insert(1, delete);
    });
}
