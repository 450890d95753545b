//! The checker: it finds nothing in the plans that the planner makes of anything, and names what is wrong with plans
//! that were altered.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use strata_components::claims::{Claims, EdgeClaim};
use strata_components::desired::{Desired, Instance, KUBERNETES, Kind, Phase, Resource, ResourceId};
use strata_components::model::Adoption;
use strata_components::needs::{Need, Needed};

use super::*;
use crate::observe::{
    Autoscaled, Confirmation, FieldChange, FieldOwner, Health, Leftover, Readiness, ReplaceOrder, SNAPSHOT_FORMAT,
    Target, UnlistedKind,
};
use crate::plan::{PlannedNeed, plan};

/// How many objects a case has at the most.
const OBJECTS: u32 = 8;
const SERVICES: [&str; 3] = ["cache", "memory", "chat"];

fn id(number: u32) -> ResourceId {
    let kind = ["Namespace", "ConfigMap", "Deployment", "PersistentVolumeClaim"][number as usize % 4];
    ResourceId {
        provider: KUBERNETES.to_owned(),
        target: "local".to_owned(),
        kind: Kind { group: String::new(), version: "v1".to_owned(), kind: kind.to_owned() },
        namespace: (kind != "Namespace").then(|| "ns".to_owned()),
        name: format!("o{number}"),
    }
}

/// What two of the services wait for, one of these things together.
fn needs() -> BTreeMap<String, Vec<Need>> {
    let nodes = Need { needed: Needed::Nodes { label: "gpu".to_owned(), count: 2 }, within: None, stack: None };
    let both = vec![needed("").need, nodes];
    BTreeMap::from([
        ("cache1".to_owned(), both.clone()),
        ("memory1".to_owned(), both),
        ("chat2".to_owned(), vec![needed("").need]),
    ])
}

fn needed(service: &str) -> PlannedNeed {
    let needed = Needed::Definition { name: "queues.example.com".to_owned() };
    let id = needed.id("local");
    PlannedNeed { id, need: Need { needed, within: None, stack: None }, services: vec![service.to_owned()] }
}

fn instance() -> Instance {
    Instance { stack: "s".to_owned(), environment: "e".to_owned(), suffix: None }
}

/// What is made up of one object: whether it is desired, whether it is live, and all that is known of it.
#[derive(Debug, Clone)]
struct Made {
    wanted: bool,
    phase: u32,
    live: Option<LiveObject>,
    outcome: u32,
    changes: Vec<FieldChange>,
    conflicts: Vec<FieldConflict>,
    confirmation: Confirmation,
    previewed: bool,
    stage: u32,
    held: bool,
    /// Whether the stack adopts it; what others hold and give follows from that, too.
    asked: bool,
    was: bool,
    wide: bool,
}

fn change() -> impl Strategy<Value = FieldChange> {
    let value = || prop_oneof![Just(None), (0..3).prop_map(|number| Some(json!(number)))];
    let owner = proptest::option::of(any::<bool>().prop_map(|this| FieldOwner {
        manager: if this { "strata-s" } else { "kubectl" }.to_owned(),
        time: None,
        this,
    }));
    (0..3_u32, value(), value(), owner).prop_map(|(field, before, after, owner)| {
        let path = format!(".data.f{field}");
        FieldChange { path, before, after, owner }
    })
}

fn live(number: u32) -> impl Strategy<Value = Option<LiveObject>> {
    let owner = prop_oneof![
        4 => Just(Owner::This),
        1 => Just(Owner::Nobody),
        1 => Just(Owner::Other("another".to_owned())),
    ];
    let applied = prop_oneof![Just(None), Just(Some(digest(&manifest(number)))), Just(Some("sha256:old".to_owned()))];
    let marks = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let object = (owner, proptest::option::of(0..4_u32), applied, marks, any::<u8>());
    proptest::option::of(object.prop_map(move |(owner, phase, applied, (terminating, controlled, left), uid)| {
        let guarded = matches!(id(number).kind.kind.as_str(), "Namespace" | "PersistentVolumeClaim");
        LiveObject {
            id: id(number),
            uid: format!("uid-{uid}"),
            resource_version: uid.to_string(),
            owner,
            address: phase.map(|_| format!("s/cache/c{number}")),
            phase,
            tier: None,
            applied,
            created: None,
            terminating,
            health: Health::Ready(String::new()),
            controlled,
            left_by: left.then(|| "Deployment ns/o".to_owned()),
            guarded: guarded.then(|| "there is something in it".to_owned()),
        }
    }))
}

fn made(number: u32) -> impl Strategy<Value = Made> {
    let confirmation = prop_oneof![
        Just(Confirmation::Proven),
        Just(Confirmation::DryRun),
        Just(Confirmation::Unconfirmed("nobody was asked".to_owned())),
    ];
    let conflict = (0..3_u32, any::<bool>()).prop_map(|(field, take)| FieldConflict {
        path: format!(".data.f{field}"),
        manager: "x".to_owned(),
        take,
    });
    let flags = (any::<bool>(), prop::bool::weighted(0.95), any::<bool>(), prop::bool::weighted(0.2));
    let names = (any::<bool>(), any::<bool>());
    let what = (0..4_u32, live(number), 0..5_u32, vec(change(), 0..3), vec(conflict, 0..2));
    (flags, names, what, confirmation, 0..3_u32).prop_map(|(flags, (was, wide), what, confirmation, stage)| {
        let ((wanted, previewed, held, asked), (phase, live, outcome, changes, conflicts)) = (flags, what);
        Made {
            wanted,
            phase,
            live,
            outcome,
            changes,
            conflicts,
            confirmation,
            previewed,
            stage,
            held,
            asked,
            was,
            wide,
        }
    })
}

fn manifest(number: u32) -> serde_json::Value {
    json!({"kind": id(number).kind.kind, "metadata": {"name": id(number).name}})
}

fn outcome(number: u32, made: &Made) -> Previewed {
    let confirmation = made.confirmation.clone();
    match (made.outcome, &made.live) {
        (0, _) => Previewed::Refused { reason: "it is not allowed".to_owned() },
        (1, None) => Previewed::Unserved { remedy: "install it".to_owned() },
        (_, None) => Previewed::Create(confirmation),
        (1, Some(_)) if made.held && made.wide => {
            let changed: Vec<String> = made.changes.iter().map(|change| change.path.clone()).collect();
            let reason = if changed.is_empty() { "it ended".to_owned() } else { String::new() };
            Previewed::Again { reason, changed, confirmation }
        }
        (1, Some(_)) => Previewed::Unchanged(confirmation),
        (_, Some(_)) => {
            let (mut changes, mut conflicts) = (made.changes.clone(), made.conflicts.clone());
            changes.sort_by(|a, b| a.path.cmp(&b.path));
            changes.dedup_by(|a, b| a.path == b.path);
            conflicts.sort();
            conflicts.dedup();
            if made.outcome < 4 {
                return Previewed::Change { changes, conflicts, confirmation };
            }
            let order = if made.held { ReplaceOrder::CreateFirst } else { ReplaceOrder::DeleteFirst };
            let left = || Leftover {
                id: ResourceId { name: format!("left-by-{number}"), ..id(1) },
                uid: "uid-left".to_owned(),
                resource_version: "5".to_owned(),
            };
            let leaves = made.held.then(left).into_iter().filter(|_| made.wide).collect();
            let (reason, paths) = ("it stays".to_owned(), vec![".data".to_owned()]);
            Previewed::Replace { reason, paths, changes, conflicts, order, leaves, confirmation }
        }
    }
}

fn left(made: &Made) -> Vec<FieldConflict> {
    let left = FieldConflict { path: ".data.left".to_owned(), manager: "y".to_owned(), take: false };
    if made.asked && made.live.is_some() { vec![left] } else { Vec::new() }
}

/// Its size is decided by the first object that leaves.
fn autoscaled(made: &Made, all: &[Made]) -> Option<Autoscaled> {
    let leaves = |made: &&LiveObject| made.owner == Owner::This && !made.controlled && made.left_by.is_none();
    let by = all.iter().filter(|one| !one.wanted).filter_map(|one| one.live.as_ref()).find(leaves)?.id.clone();
    let ours = made.live.as_ref().is_some_and(|live| live.owner == Owner::This);
    let field = |after: u32| FieldChange {
        path: ".spec.replicas".to_owned(),
        before: Some(3.into()),
        after: Some(after.into()),
        owner: None,
    };
    (ours && made.asked && !made.wide).then(|| Autoscaled {
        by,
        manifest: json!({"sized": true}),
        changes: made.held.then(|| field(2)).into_iter().collect(),
        readiness: Readiness::Available(2),
    })
}

/// Only what is nobody's is handed over.
fn gives(made: &Made) -> Vec<String> {
    let nobodys = made.live.as_ref().is_some_and(|live| live.owner == Owner::Nobody);
    if made.held && nobodys { vec!["helm".to_owned()] } else { Vec::new() }
}

fn adoptions(made: &[Made]) -> Vec<Adoption> {
    let asked = (0_u32..).zip(made).filter(|(_, made)| made.asked).map(|(number, _)| id(number));
    asked
        .map(|id| Adoption {
            object: format!("{}/{}", id.kind.kind, id.name).as_str().try_into().unwrap(),
            from: Vec::new(),
        })
        .collect()
}

/// What was made up, as the planner takes it.
fn inputs(made: &[Made], unlisted: bool) -> (Desired, Snapshot) {
    let mut resources = Vec::new();
    let mut previews = Vec::new();
    let all = made;
    for (number, made) in (0_u32..).zip(made).filter(|(_, made)| made.wanted) {
        // A service's phase is one: a name stands for a service and the phase it starts in.
        let service = (made.phase > 0).then(|| format!("{}{}", SERVICES[number as usize % 3], made.phase));
        let before = (1..made.phase).map(|phase| format!("{}{phase}", SERVICES[number as usize % 3]));
        resources.push(Resource {
            id: id(number),
            address: format!("s/{}/c{number}", service.as_deref().unwrap_or("ground")),
            phase: made.phase,
            tier: service.as_ref().map(|_| "core".to_owned()),
            service,
            depends_on: before.collect(),
            ready_within: None,
            manifest: manifest(number),
            // Half of the objects are of the other half's kinds, in their order.
            was: made.was.then(|| format!("s/cache/c{}", (number + OBJECTS / 2) % OBJECTS)),
            meanwhile: made.wide.then(|| json!({"both": number})),
        });
        if made.previewed {
            previews.push(Preview {
                id: id(number),
                digest: digest(&manifest(number)),
                applied_as: made.held.then(|| json!({"held": number})),
                meanwhile_as: (made.wide && made.asked).then(|| json!({"wide": number})),
                autoscaled: autoscaled(made, all),
                left: left(made),
                hands_over: gives(made),
                altered: if made.held { made.changes.clone() } else { Vec::new() },
                stage: made.stage,
                gate: made.stage == 0,
                readiness: Readiness::Exists,
                outcome: outcome(number, made),
            });
        }
    }
    // What is waited for exists.
    let there: BTreeSet<String> = resources.iter().filter_map(|resource: &Resource| resource.service.clone()).collect();
    resources.iter_mut().for_each(|resource| resource.depends_on.retain(|service| there.contains(service)));
    resources.sort_by(|a, b| (a.phase, &a.address).cmp(&(b.phase, &b.address)));
    previews.sort_by(|a, b| a.id.cmp(&b.id));
    let mut objects: Vec<LiveObject> = made
        .iter()
        .filter_map(|made| made.live.clone().filter(|live| made.wanted || live.owner == Owner::This))
        .collect();
    objects.sort_by(|a, b| a.id.cmp(&b.id));
    let desired = Desired {
        instance: instance(),
        namespaces: vec!["ns".to_owned()],
        phases: (0..4).map(|number| Phase { number, name: format!("p{number}"), services: Vec::new() }).collect(),
        resources,
        claims: Claims::default(),
        ownership: Ownership { fields: Vec::new(), adopt: adoptions(made) },
        needs: needs(),
        outputs: Default::default(),
        blue_green: Default::default(),
        notes: Vec::new(),
    };
    let kind = Kind { group: String::new(), version: "v1".to_owned(), kind: "Widget".to_owned() };
    let unlisted = unlisted.then(|| UnlistedKind { kind, namespace: None, reason: "it is not served".to_owned() });
    let snapshot = Snapshot {
        format: SNAPSHOT_FORMAT.to_owned(),
        target: Target { name: "local".to_owned(), identity: "u".to_owned(), version: "v1.36.2".to_owned() },
        instance: instance(),
        objects,
        previews,
        previewing: Default::default(),
        colours: Vec::new(),
        unlisted: unlisted.into_iter().collect(),
        suspicious: Vec::new(),
    };
    (desired, snapshot)
}

fn case() -> impl Strategy<Value = (Desired, Snapshot)> {
    let objects: Vec<_> = (0..OBJECTS).map(made).collect();
    (objects, prop::bool::weighted(0.2)).prop_map(|(made, unlisted)| inputs(&made, unlisted))
}

fn policy() -> impl Strategy<Value = Policy> {
    let named = || {
        let some = proptest::sample::subsequence((0..OBJECTS).map(id).collect::<Vec<_>>(), 0..3);
        some.prop_map(|some| some.iter().map(|id| format!("{}/{}", id.kind.kind, id.name)).collect::<Vec<_>>())
    };
    let services = vec!["cache1".to_owned(), "memory2".to_owned(), "chat3".to_owned()];
    let targets = prop_oneof![
        3 => Just(Vec::new()),
        1 => proptest::sample::subsequence(services, 1..3),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, named(), named(), targets).prop_map(|(flags, delete, forget, targets)| {
        let (force_conflicts, adopt, destroy, allow_replace, allow_prune) = flags;
        Policy { force_conflicts, adopt, allow_replace, allow_prune, delete, forget, targets, destroy }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_of_the_planner_breaks_an_invariant((desired, snapshot) in case(), policy in policy()) {
        let plan = plan(&desired, &snapshot, &policy);
        prop_assert_eq!(verify(&desired, &snapshot, &policy, &plan), []);
    }

    /// No step can be taken out, doubled, turned into another or moved without its being seen.
    #[test]
    fn an_altered_plan_breaks_one(
        (desired, snapshot) in case(),
        policy in policy(),
        at in any::<prop::sample::Index>(),
        how in 0..24_u32,
    ) {
        let mut plan = plan(&desired, &snapshot, &policy);
        let steps = plan.steps().count();
        prop_assume!(steps > 0);
        let mut at = at.index(steps);
        let phase = plan.phases.iter().position(|phase| {
            let here = at < phase.steps.len();
            if !here {
                at -= phase.steps.len();
            }
            here
        }).unwrap_or_default();
        let PlanPhase { needs, steps, .. } = &mut plan.phases[phase];
        let altered = FieldChange { path: ".x".to_owned(), before: None, after: None, owner: None };
        let other = |action| if action == Action::Unchanged { Action::Delete } else { Action::Unchanged };
        match how {
            0 => { steps.remove(at); }
            1 => { let twice = steps[at].clone(); steps.insert(at, twice); }
            2 => steps[at].action = other(steps[at].action),
            3 => steps[at].uid = Some("uid-of-another".to_owned()),
            4 => steps[at].force = !steps[at].force,
            5 => steps[at].causes.push(Cause::Destroy),
            6 => steps[at].stage += 7,
            7 => steps[at].id.name.push('x'),
            8 => steps[at].gate = !steps[at].gate,
            9 => steps[at].replace = match steps[at].replace {
                Some(ReplaceOrder::DeleteFirst) => Some(ReplaceOrder::CreateFirst),
                Some(ReplaceOrder::CreateFirst) => None,
                None => Some(ReplaceOrder::DeleteFirst),
            },
            10 => steps[at].leaves.push(id(1)),
            11 => steps[at].from = match steps[at].from.take() {
                Some(_) => None,
                None => Some(id(1)),
            },
            12 => steps[at].condition = match steps[at].condition {
                Some(_) => None,
                None => Some(Condition::Unowned),
            },
            13 => steps[at].hands_over.push("somebody".to_owned()),
            14 => steps[at].altered.push(altered.clone()),
            15 => steps[at].waits_for.push("nobody".to_owned()),
            16 => steps[at].readiness = match steps[at].readiness.take() {
                Some(_) => None,
                None => Some(Readiness::Exists),
            },
            17 => steps[at].ready_within = Some("7s".parse().unwrap()),
            18 => steps[at].resource_version = Some("of another".to_owned()),
            19 => steps[at].manifest = Some(json!({"another": true})),
            20 => steps[at].address.push('x'),
            21 => match needs.pop() {
                Some(_) => {}
                None => needs.push(needed("nobody")),
            },
            22 => match needs.first_mut() {
                Some(need) => need.id.name.push('x'),
                None => needs.push(PlannedNeed { services: Vec::new(), ..needed("nobody") }),
            },
            _ => steps[at].confirmation = match steps[at].confirmation.take() {
                Some(_) => None,
                None => Some(Confirmation::Proven),
            },
        }
        let plan = sealed(plan);
        prop_assert!(!verify(&desired, &snapshot, &policy, &plan).is_empty(), "how {how}: {:#?}", plan.phases[phase]);
    }
}

/// The plan with counts and digest made right again, so that only what was altered is wrong.
fn sealed(mut plan: Plan) -> Plan {
    plan.summary = Summary::of(&plan.phases);
    plan.digest = String::new();
    plan.digest = digest(&plan);
    plan
}

fn object(number: u32, wanted: bool, owner: Option<Owner>, outcome: u32) -> Made {
    let live = owner.map(|owner| LiveObject {
        id: id(number),
        uid: format!("uid-{number}"),
        resource_version: "1".to_owned(),
        owner,
        address: Some(format!("s/cache/c{number}")),
        phase: Some(1),
        tier: None,
        applied: None,
        created: None,
        terminating: false,
        health: Health::Ready(String::new()),
        controlled: false,
        left_by: None,
        guarded: (number.is_multiple_of(4)).then(|| "there is something in it".to_owned()),
    });
    let owner = None;
    let change = FieldChange { path: ".data.f".to_owned(), before: Some(json!(1)), after: Some(json!(2)), owner };
    Made {
        wanted,
        phase: 1,
        live,
        outcome,
        changes: vec![change],
        conflicts: Vec::new(),
        confirmation: Confirmation::DryRun,
        previewed: true,
        stage: 0,
        asked: false,
        held: false,
        was: false,
        wide: false,
    }
}

/// What is said of a sound plan after it was altered: a ConfigMap that is created, one that changes, one that is as it
/// should be, and one that is deleted, beside a Namespace that is kept.
#[track_caller]
fn check(alter: impl FnOnce(&mut Plan), expect: &[(Invariant, &str)]) {
    let ours = || Some(Owner::This);
    let made = [
        object(0, false, ours(), 0),
        object(1, true, None, 2),
        object(2, true, ours(), 2),
        object(3, true, ours(), 1),
        object(4, false, None, 0),
        object(5, false, ours(), 0),
    ];
    let (desired, snapshot) = inputs(&made, false);
    let policy = Policy::default();
    let mut plan = plan(&desired, &snapshot, &policy);
    assert_eq!(verify(&desired, &snapshot, &policy, &plan), []);
    alter(&mut plan);
    let found = verify(&desired, &snapshot, &policy, &plan);
    let found: Vec<(Invariant, String)> = found.iter().map(|one| (one.invariant, one.to_string())).collect();
    let found: Vec<(Invariant, &str)> = found.iter().map(|(invariant, text)| (*invariant, text.as_str())).collect();
    assert_eq!(found, expect);
}

/// Alters one object's step and makes the plan's counts and digest right again.
fn of(number: u32, alter: impl FnOnce(&mut Step)) -> impl FnOnce(&mut Plan) {
    move |plan| {
        let step = plan.phases.iter_mut().flat_map(|phase| &mut phase.steps).find(|step| step.id == id(number));
        alter(step.expect("it has a step"));
        *plan = sealed(plan.clone());
    }
}

#[test]
fn what_is_wrong_is_named() {
    use Invariant::*;
    check(|_| {}, &[]);
    check(|plan| plan.digest.push('0'), &[(Sealed, "its digest is not its own")]);
    check(
        |plan| plan.field_manager.clear(),
        &[(Header, "fields would be owned under another name"), (Sealed, "its digest is not its own")],
    );
    let forged = |plan: &mut Plan| {
        plan.summary.create = 7;
        plan.digest = String::new();
        plan.digest = digest(&*plan);
    };
    check(forged, &[(Counted, "its counts are not those of its steps")]);
    check(of(1, |step| step.manifest = None), &[(Manifest, "ConfigMap ns/o1: what is applied is not what is desired")]);
    check(
        of(1, |step| step.waits_for = vec!["nobody".to_owned()]),
        &[
            (Dependencies, "ConfigMap ns/o1: waits for nobody, which comes later or not at all"),
            (Dependencies, "ConfigMap ns/o1: waits for something else"),
        ],
    );
    check(
        of(2, |step| step.causes.clear()),
        &[
            (Explained, "Deployment ns/o2: a field that changes is not told"),
            (Explained, "Deployment ns/o2: has no cause, or one for doing nothing"),
        ],
    );
    check(
        of(2, |step| step.force = true),
        &[(Manifest, "Deployment ns/o2: fields are taken by force, or not, as was not asked")],
    );
    check(
        of(5, |step| step.uid = None),
        &[
            (Bound, "ConfigMap ns/o5: has another UID than was observed"),
            (Bound, "ConfigMap ns/o5: is deleted without a UID"),
        ],
    );
    check(
        of(5, |step| step.causes = vec![Cause::Destroy]),
        &[(Explained, "ConfigMap ns/o5: destroy is no cause for it")],
    );
    let backwards = |plan: &mut Plan| {
        plan.phases.reverse();
        *plan = sealed(plan.clone());
    };
    check(backwards, &[(Ordered, "its phases do not apply upwards and then delete downwards")]);
    let unkept = |plan: &mut Plan| {
        plan.kept.clear();
        *plan = sealed(plan.clone());
    };
    check(unkept, &[(Complete, "Namespace o0: left the stack and is not told")]);
}

/// A delete that the planner would never plan, of an object that is not the instance's, was not named, or while not all
/// is known.
#[test]
fn a_delete_must_be_allowed() {
    use Invariant::*;
    let delete = |owner: Owner, unlisted: bool, number: u32, expect: &[(Invariant, &str)]| {
        let (desired, honest) = inputs(&[object(number, false, Some(Owner::This), 0)], false);
        let policy = Policy { delete: vec![format!("{}/o{number}", id(number).kind.kind)], ..Policy::default() };
        let plan = plan(&desired, &honest, &policy);
        let (_, mut snapshot) = inputs(&[object(number, false, Some(Owner::This), 0)], unlisted);
        snapshot.objects[0].owner = owner;
        let policy = Policy::default();
        let plan = sealed(Plan { unlisted: snapshot.unlisted.clone(), policy: policy.clone(), ..plan });
        let found = verify(&desired, &snapshot, &policy, &plan);
        let found: Vec<(Invariant, &str)> = found.iter().map(|one| (one.invariant, one.detail.as_str())).collect();
        assert_eq!(found, expect);
    };
    delete(Owner::This, false, 1, &[]);
    delete(Owner::This, false, 0, &[(Guarded, "is deleted only when named, and was not")]);
    delete(Owner::This, true, 1, &[(Listed, "is deleted while a kind could not be listed")]);
    let foreign = [
        (Inside, "is deleted and does not belong to the instance"),
        (Inside, "is touched and does not belong to the instance"),
    ];
    delete(Owner::Other("another".to_owned()), false, 1, &foreign);
    delete(Owner::Nobody, false, 1, &foreign);
}

#[test]
fn a_service_of_another_stack_is_a_need() {
    let (mut desired, snapshot) = inputs(&[object(1, true, None, 0)], false);
    let waits = "other/store".to_owned();
    let service = desired.resources[0].service.clone().unwrap();
    desired.resources[0].depends_on.push(waits.clone());
    let found = |desired: &Desired| {
        verify(desired, &snapshot, &Policy::default(), &plan(desired, &snapshot, &Policy::default()))
    };
    assert_eq!(found(&desired), [], "what lies outside of the cluster is no edge");
    desired.claims.edges.push(EdgeClaim { from: service.clone(), to: waits });
    let missing: Vec<Invariant> = found(&desired).into_iter().map(|one| one.invariant).collect();
    assert_eq!(missing, [Invariant::Dependencies]);
    let needed = Needed::Service { namespace: "other".to_owned(), name: "store-mcp".to_owned() };
    let need = Need { needed, within: None, stack: Some("other".to_owned()) };
    desired.needs = BTreeMap::from([(service, vec![need])]);
    assert_eq!(found(&desired), []);
}
