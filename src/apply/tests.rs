//! The executor against a provider that only writes down what it is asked, and fails where it is told to.

mod needs;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use strata_components::desired::{Desired, Instance, KUBERNETES, Kind, ResourceId};
use tokio::sync::watch;

use super::*;
use crate::history::{Command, Draft, Ending, Entry, Head, Record};
use crate::observe::{Look, Readiness, Snapshot, Target};
use crate::plan::{Action, Condition, Order, PLAN_FORMAT, Plan, PlanPhase, PlannedNeed, Policy, Step, Summary};
use crate::provider::{
    Done, LockGuard, LockNotice, Patience, Provider, ProviderError, Unlock, Until, Wait, WaitError, WaitNotice,
};

/// Writes down what it is asked.
#[derive(Default)]
struct Scribe {
    log: Mutex<Vec<String>>,
    refuses: Vec<&'static str>,
    never_ready: Vec<&'static str>,
    /// What does not stay ready.
    breaks: Vec<&'static str>,
    locked: bool,
    /// Whether what is asked about the record is written down too.
    records: bool,
    interrupts: Option<(&'static str, watch::Sender<bool>)>,
    /// A run was killed just before its end.
    unfinished: bool,
}

impl Scribe {
    fn note(&self, text: String) {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(text);
    }
}

struct Held(Arc<Scribe>);

impl LockGuard for Held {
    fn mark(&self) -> Option<&str> {
        None
    }

    fn lost<'a>(&'a self) -> BoxFuture<'a, String> {
        Box::pin(std::future::pending())
    }

    fn release(self: Box<Self>, forget: bool) -> BoxFuture<'static, Result<(), ProviderError>> {
        self.0.note(format!("release{}", if forget { " and forget" } else { "" }));
        Box::pin(async { Ok(()) })
    }
}

/// The provider that hands out guards which know it.
struct Fake(Arc<Scribe>);

impl Provider for Fake {
    fn observe<'a>(&'a self, _: &'a Desired, _: &'a Look) -> BoxFuture<'a, Result<Snapshot, ProviderError>> {
        Box::pin(async { Err(ProviderError::WrongTarget("apply observes nothing".to_owned())) })
    }

    fn permitted<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }

    fn lock_mark<'a>(&'a self, _: &'a Instance) -> BoxFuture<'a, Result<Option<String>, ProviderError>> {
        Box::pin(async { Ok(None) })
    }

    fn unlock<'a>(&'a self, _: &'a Instance, _: &'a str) -> BoxFuture<'a, Result<Unlock, ProviderError>> {
        Box::pin(async { Ok(Unlock::Free) })
    }

    fn lock<'a>(
        &'a self,
        instance: &'a Instance,
        patience: Patience,
        _: Arc<dyn Fn(LockNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<Option<Box<dyn LockGuard>>, ProviderError>> {
        Box::pin(async move {
            if *patience.interrupt.borrow() {
                return Ok(None);
            }
            if self.0.locked {
                let (holder, renewed) = ("another".to_owned(), "now".to_owned());
                return Err(ProviderError::Locked { instance: instance.name(), holder, renewed });
            }
            self.0.note("lock".to_owned());
            Ok(Some(Box::new(Held(self.0.clone())) as Box<dyn LockGuard>))
        })
    }

    fn open_record<'a>(&'a self, plan: &'a Plan, draft: &'a Draft) -> BoxFuture<'a, Result<Head, ProviderError>> {
        if self.0.records {
            self.0.note(format!("open the record: {:?}", draft.command).to_lowercase());
        }
        Box::pin(async { Ok(Head::begin(plan, draft, "somebody".to_owned(), "now".to_owned())) })
    }

    fn close_record<'a>(
        &'a self,
        _: &'a Head,
        ending: &'a Ending,
        keep: usize,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        if self.0.records {
            self.0.note(format!("close the record: {:?}, keep {keep}", ending.state).to_lowercase());
        }
        Box::pin(async { Ok(()) })
    }

    fn records<'a>(&'a self, _: &'a Instance) -> BoxFuture<'a, Result<Vec<Entry>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn record<'a>(&'a self, _: &'a Instance, _: u64) -> BoxFuture<'a, Result<Option<Record>, ProviderError>> {
        Box::pin(async { Ok(None) })
    }

    fn begin<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.note("begin".to_owned());
        Box::pin(async { Ok(()) })
    }

    fn make_way<'a>(&'a self, _: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.note(format!("make way for {}", step.id.name));
        Box::pin(async { Ok(()) })
    }

    fn carry_out<'a>(&'a self, _: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<Done, ProviderError>> {
        Box::pin(async move {
            let name = step.id.name.as_str();
            self.0.note(format!("{:?} {name}", step.action).to_lowercase());
            if let Some((_, tell)) = self.0.interrupts.as_ref().filter(|(at, _)| *at == name) {
                tell.send_replace(true);
            }
            if self.0.refuses.contains(&name) {
                return Err(ProviderError::WrongTarget("refused".to_owned()));
            }
            // What is not deleted because its condition is not met is there afterwards.
            let gone = step.action == Action::Delete && step.condition != Some(Condition::Unowned);
            Ok(Done { uid: (!gone).then(|| format!("uid-{name}")), warnings: Vec::new() })
        })
    }

    fn wait<'a>(
        &'a self,
        _: &'a Instance,
        waits: &'a [Wait],
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Vec<Result<(), WaitError>>> {
        Box::pin(async move {
            let one = |wait: &Wait| {
                let until = match wait.until {
                    Until::Gone => "gone",
                    Until::Ready(_) => "ready",
                    Until::Held { .. } => "held",
                };
                self.0.note(format!("wait {} {until} {}", wait.id.name, wait.uid.as_deref().unwrap_or("-")));
                heard(WaitNotice { id: wait.id.clone(), missing: None });
                if until == "held" && self.0.breaks.contains(&wait.id.name.as_str()) {
                    let reason = "it did not stay ready".to_owned();
                    return Err(WaitError::Failed { reason, details: Vec::new() });
                }
                if self.0.never_ready.contains(&wait.id.name.as_str()) {
                    return Err(WaitError::TimedOut {
                        limit: wait.limit,
                        missing: "0/1".to_owned(),
                        details: Vec::new(),
                    });
                }
                Ok(())
            };
            waits.iter().map(one).collect()
        })
    }

    fn meet<'a>(
        &'a self,
        need: &'a PlannedNeed,
        limit: Duration,
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<(), WaitError>> {
        Box::pin(async move {
            let name = need.id.name.as_str();
            self.0.note(format!("need {name}"));
            if let Some((_, tell)) = self.0.interrupts.as_ref().filter(|(at, _)| *at == name) {
                tell.send_replace(true);
                std::future::pending::<()>().await;
            }
            // Others go on meanwhile.
            tokio::task::yield_now().await;
            if self.0.never_ready.contains(&name) {
                let missing = "there is no such thing".to_owned();
                return Err(WaitError::TimedOut { limit, missing, details: Vec::new() });
            }
            self.0.note(format!("met {name}"));
            heard(WaitNotice { id: need.id.clone(), missing: None });
            Ok(())
        })
    }

    fn finish<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.note("finish".to_owned());
        Box::pin(async { Ok(()) })
    }

    fn finished<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Result<bool, ProviderError>> {
        Box::pin(async { Ok(!self.0.unfinished) })
    }
}

fn step(name: &str, action: Action, readiness: Option<Readiness>) -> Step {
    let kind = Kind { group: String::new(), version: "v1".to_owned(), kind: "K".to_owned() };
    let id = ResourceId {
        provider: KUBERNETES.to_owned(),
        target: "t".to_owned(),
        kind,
        namespace: None,
        name: name.to_owned(),
    };
    Step {
        id,
        address: format!("s/{name}/k"),
        service: Some(name.to_owned()),
        tier: None,
        action,
        replace: None,
        leaves: Vec::new(),
        from: None,
        hands_over: Vec::new(),
        altered: Vec::new(),
        hold: None,
        patience: None,
        condition: None,
        causes: Vec::new(),
        uid: (action != Action::Create).then(|| format!("old-{name}")),
        resource_version: None,
        stage: 0,
        gate: false,
        waits_for: Vec::new(),
        readiness,
        ready_within: None,
        force: false,
        confirmation: None,
        manifest_digest: None,
        manifest: None,
    }
}

fn create(name: &str) -> Step {
    step(name, Action::Create, Some(Readiness::Available(1)))
}

fn delete(name: &str) -> Step {
    step(name, Action::Delete, None)
}

fn after(mut step: Step, service: &str) -> Step {
    step.waits_for = vec![service.to_owned()];
    step
}

fn plan_of(phases: Vec<(Order, Vec<Step>)>) -> Plan {
    let mut summary = Summary::default();
    let phases: Vec<PlanPhase> = phases
        .into_iter()
        .zip(0..)
        .map(|((order, steps), number)| PlanPhase {
            order,
            number,
            name: format!("p{number}"),
            needs: Vec::new(),
            steps,
        })
        .collect();
    for step in phases.iter().flat_map(|phase| &phase.steps) {
        match step.action {
            Action::Create => summary.create += 1,
            Action::Delete => summary.delete += 1,
            Action::Unchanged => summary.unchanged += 1,
            _ => summary.update += 1,
        }
    }
    Plan {
        format: PLAN_FORMAT.to_owned(),
        instance: Instance { stack: "s".to_owned(), environment: "e".to_owned(), suffix: None },
        target: Target { name: "t".to_owned(), identity: "u".to_owned(), version: String::new() },
        field_manager: "strata-s".to_owned(),
        inputs: String::new(),
        policy: Policy::default(),
        phases,
        kept: Vec::new(),
        left_out: Vec::new(),
        unlisted: Vec::new(),
        namespaces: Vec::new(),
        previews: Default::default(),
        summary,
        overview: None,
        findings: Vec::new(),
        digest: String::new(),
    }
}

fn run(scribe: Scribe, phases: Vec<(Order, Vec<Step>)>) -> (Vec<String>, Result<Outcome, ProviderError>) {
    run_plan(scribe, plan_of(phases))
}

fn run_plan(scribe: Scribe, plan: Plan) -> (Vec<String>, Result<Outcome, ProviderError>) {
    let (tell, interrupt) = watch::channel(false);
    let interrupted = scribe.interrupts.as_ref().map(|(_, tell)| tell.subscribe());
    let fake = Fake(Arc::new(scribe));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let settings = Settings { parallel: 1, ..Settings::default() };
    let nothing = Desired {
        instance: plan.instance.clone(),
        namespaces: Vec::new(),
        phases: Vec::new(),
        resources: Vec::new(),
        claims: Default::default(),
        ownership: Default::default(),
        needs: Default::default(),
        outputs: Default::default(),
        blue_green: Default::default(),
        notes: Vec::new(),
    };
    let draft = Draft { keep: 3, ..Draft::new(Command::Up, nothing) };
    let interrupt = interrupted.unwrap_or(interrupt);
    let scribe = fake.0.clone();
    let heard = move |event| {
        if event == Event::Interrupted {
            scribe.note("interrupted".to_owned());
        }
    };
    let outcome = runtime.block_on(apply(&fake, &plan, &draft, &settings, Arc::new(heard), interrupt));
    drop(tell);
    let log = fake.0.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    (log, outcome)
}

/// Runs, and compares what was asked of the provider, line by line, and where in between an interrupt was told.
#[track_caller]
fn check(scribe: Scribe, phases: Vec<(Order, Vec<Step>)>, expect: &[&str]) -> Outcome {
    let (log, outcome) = run(scribe, phases);
    assert_eq!(log, expect);
    outcome.expect("it could begin")
}

/// Names and reasons of what was not tried.
fn not_tried(outcome: &Outcome) -> BTreeMap<&str, &str> {
    outcome.not_tried.iter().map(|step| (step.id.name.as_str(), step.reason.as_str())).collect()
}

#[test]
fn phases_wait_for_each_other() {
    let phases = vec![(Order::Apply, vec![create("a"), create("b")]), (Order::Apply, vec![create("c")])];
    let expect = [
        "lock",
        "begin",
        "create a",
        "create b",
        "wait a ready uid-a",
        "wait b ready uid-b",
        "create c",
        "wait c ready uid-c",
        "finish",
        "release",
    ];
    let outcome = check(Scribe::default(), phases, &expect);
    assert!(outcome.is_complete() && outcome.done.len() == 3);
}

#[test]
fn a_record_is_opened_before_anything_is_changed_and_closed_whatever_happens() {
    let told = |scribe: Scribe, step: Step, expect: &[&str]| {
        check(Scribe { records: true, ..scribe }, vec![(Order::Apply, vec![step])], expect)
    };
    let first = ["lock", "open the record: up", "begin", "create a"];
    let last = ["wait a ready uid-a", "finish", "close the record: done, keep 3", "release"];
    told(Scribe::default(), create("a"), &[first, last].concat());
    let failed = ["close the record: failed, keep 3", "release"];
    told(Scribe { refuses: vec!["a"], ..Scribe::default() }, create("a"), &[&first[..], &failed].concat());
    let (tell, _) = watch::channel(false);
    let interrupted = ["interrupted", "close the record: interrupted, keep 3", "release"];
    let scribe = Scribe { interrupts: Some(("a", tell)), ..Scribe::default() };
    told(scribe, create("a"), &[&first[..], &interrupted].concat());
    told(Scribe::default(), step("a", Action::Unchanged, None), &[]);
}

#[test]
fn a_replaced_object_is_gone_before_the_new_one_comes() {
    let replace = || vec![(Order::Apply, vec![step("a", Action::Replace, Some(Readiness::Available(1)))])];
    let gone = ["lock", "begin", "make way for a", "wait a gone old-a"];
    let ready = ["replace a", "wait a ready uid-a", "finish", "release"];
    assert!(check(Scribe::default(), replace(), &[gone, ready].concat()).is_complete());

    let stays = Scribe { never_ready: vec!["a"], ..Scribe::default() };
    let outcome = check(stays, replace(), &[&gone[..], &["release"]].concat());
    assert_eq!(outcome.failed[0].reason, "not ready after 600 s: 0/1");
}

#[test]
fn what_stays_is_not_waited_for() {
    let mut taken = delete("a");
    taken.condition = Some(Condition::Unowned);
    let phases = vec![(Order::Delete, vec![taken, step("b", Action::Forget, None)])];
    let outcome =
        check(Scribe::default(), phases, &["lock", "begin", "delete a", "forget b", "finish", "release and forget"]);
    assert!(outcome.is_complete());
    assert_eq!(outcome.done.iter().map(|step| step.action).collect::<Vec<_>>(), [Action::Forget, Action::Forget]);
}

#[test]
fn what_was_opened_for_a_move_is_closed_at_the_end_and_only_then() {
    let phases = || {
        let open = |action| step("a", action, Some(Readiness::Exists));
        vec![
            (Order::Apply, vec![open(Action::Update), create("b")]),
            (Order::Delete, vec![delete("c")]),
            (Order::Close, vec![open(Action::Update)]),
        ]
    };
    let first = ["lock", "begin", "update a", "create b"];
    let rest = ["wait b ready uid-b", "delete c", "wait c gone old-c", "update a", "finish", "release"];
    let outcome = check(Scribe::default(), phases(), &[&first[..], &rest].concat());
    assert_eq!((outcome.done.len(), outcome.is_complete()), (4, true));

    let scribe = Scribe { refuses: vec!["b"], ..Scribe::default() };
    let outcome = check(scribe, phases(), &[&first[..], &["release"]].concat());
    let told = BTreeMap::from([
        ("a", "nothing is closed after a failure (K b)"),
        ("c", "nothing is deleted after a failure (K b)"),
    ]);
    assert_eq!(not_tried(&outcome), told);
}

#[test]
fn a_stage_is_acknowledged_before_the_next_begins() {
    let mut ground = create("z");
    ground.readiness = Some(Readiness::Exists);
    let mut rest = create("a");
    (rest.stage, rest.readiness) = (1, Some(Readiness::Exists));
    let phases = vec![(Order::Apply, vec![rest, ground])];
    check(Scribe::default(), phases, &["lock", "begin", "create z", "create a", "finish", "release"]);
}

#[test]
fn an_empty_plan_writes_nothing_and_still_waits() {
    let steady = step("a", Action::Unchanged, Some(Readiness::Available(1)));
    let outcome = check(Scribe::default(), vec![(Order::Apply, vec![steady])], &["wait a ready old-a"]);
    assert!(outcome.is_complete());
}

#[test]
fn what_a_killed_run_did_not_come_to_is_done_although_nothing_else_is() {
    let unfinished = || Scribe { unfinished: true, ..Scribe::default() };
    let steady = step("a", Action::Unchanged, Some(Readiness::Available(1)));
    let expect = ["lock", "begin", "wait a ready old-a", "finish", "release"];
    assert!(check(unfinished(), vec![(Order::Apply, vec![steady])], &expect).is_complete());
    assert!(check(unfinished(), Vec::new(), &["lock", "begin", "finish", "release and forget"]).is_complete());
}

#[test]
fn a_failure_stops_what_depends_on_it_and_nothing_else() {
    let phases = vec![
        (Order::Apply, vec![create("a"), create("b")]),
        (Order::Apply, vec![after(create("c"), "a"), create("d")]),
        (Order::Apply, vec![after(create("e"), "c")]),
        (Order::Delete, vec![delete("f")]),
    ];
    let scribe = Scribe { refuses: vec!["a"], ..Scribe::default() };
    let expect =
        ["lock", "begin", "create a", "create b", "wait b ready uid-b", "create d", "wait d ready uid-d", "release"];
    let outcome = check(scribe, phases, &expect);
    assert_eq!(outcome.failed.iter().map(|f| f.id.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(
        not_tried(&outcome),
        BTreeMap::from([
            ("c", "it depends on K a, which failed"),
            ("e", "it depends on K a, which failed"),
            ("f", "nothing is deleted after a failure (K a)"),
        ])
    );
}

#[test]
fn what_never_becomes_ready_is_a_failure() {
    let phases = vec![(Order::Apply, vec![create("a")]), (Order::Apply, vec![after(create("b"), "a")])];
    let scribe = Scribe { never_ready: vec!["a"], ..Scribe::default() };
    let outcome = check(scribe, phases, &["lock", "begin", "create a", "wait a ready uid-a", "release"]);
    assert_eq!(outcome.failed[0].reason, "not ready after 600 s: 0/1");
    assert_eq!(not_tried(&outcome), BTreeMap::from([("b", "it depends on K a, which failed")]));
}

#[test]
fn the_ground_that_fails_stops_everything() {
    let mut ground = create("ns");
    ground.service = None;
    let phases = vec![(Order::Apply, vec![ground]), (Order::Apply, vec![create("a")])];
    let scribe = Scribe { refuses: vec!["ns"], ..Scribe::default() };
    let outcome = check(scribe, phases, &["lock", "begin", "create ns", "release"]);
    assert_eq!(not_tried(&outcome), BTreeMap::from([("a", "it depends on K ns, which failed")]));
}

#[test]
fn an_instance_of_which_nothing_is_left_is_forgotten() {
    let phases = vec![(Order::Delete, vec![delete("a")])];
    let expect = ["lock", "begin", "delete a", "wait a gone old-a", "finish", "release and forget"];
    assert!(check(Scribe::default(), phases, &expect).is_complete());
}

#[test]
fn an_interrupt_finishes_what_is_in_flight_and_begins_nothing() {
    let (tell, _) = watch::channel(false);
    let scribe = Scribe { interrupts: Some(("a", tell)), ..Scribe::default() };
    let phases = vec![(Order::Apply, vec![create("a"), create("b")]), (Order::Apply, vec![create("c")])];
    let outcome = check(scribe, phases, &["lock", "begin", "create a", "interrupted", "release"]);
    assert!(outcome.interrupted && !outcome.is_complete());
    assert_eq!(not_tried(&outcome).keys().copied().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn a_lock_that_another_holds_lets_nothing_begin() {
    let scribe = Scribe { locked: true, ..Scribe::default() };
    let (log, outcome) = run(scribe, vec![(Order::Apply, vec![create("a")])]);
    assert!(log.is_empty() && matches!(outcome, Err(ProviderError::Locked { .. })));
}

#[test]
fn an_interrupt_while_another_run_is_waited_for_leaves_everything_untried() {
    let (interrupt, _) = watch::channel(true);
    let scribe = Scribe { interrupts: Some(("nothing", interrupt)), ..Scribe::default() };
    let outcome = check(scribe, vec![(Order::Apply, vec![create("a"), create("b")])], &["interrupted"]);
    assert!(outcome.interrupted);
    assert_eq!(not_tried(&outcome), BTreeMap::from([("a", "interrupted"), ("b", "interrupted")]));
}

/// The traffic of a service would go to a colour that was never brought up.
#[test]
fn nothing_is_carried_out_of_a_plan_in_which_something_is_blocked() {
    let mut phases = turn();
    phases[0].1[0].action = Action::Blocked;
    let outcome = check(Scribe::default(), phases, &[]);
    assert_eq!(not_tried(&outcome).into_keys().collect::<Vec<_>>(), ["blue", "cart", "green"]);
    let why = format!("nothing is carried out of a plan in which something is blocked ({})", create("green").id);
    assert_eq!((outcome.aborted, outcome.done), (Some(why), Vec::new()));
}

/// A service that goes from blue to green, in its order.
fn turn() -> Vec<(Order, Vec<Step>)> {
    let of_cart = |step: Step| Step { service: Some("cart".to_owned()), ..step };
    let hold = Step {
        hold: Some("5m".parse().expect("a time")),
        patience: Some("1m".parse().expect("a time")),
        condition: Some(Condition::Ready),
        ..step("green", Action::Hold, Some(Readiness::Available(1)))
    };
    let back = Step {
        from: Some(delete("blue").id),
        condition: Some(Condition::Broken),
        ..step("cart", Action::Return, Some(Readiness::Exists))
    };
    let switch = Step { stage: 1, condition: Some(Condition::Ready), ..step("cart", Action::Update, None) };
    vec![
        (Order::Apply, vec![of_cart(Step { gate: true, ..create("green") }), of_cart(switch)]),
        (Order::Hold, vec![of_cart(hold)]),
        (Order::Return, vec![of_cart(back)]),
        (Order::Delete, vec![of_cart(Step { condition: Some(Condition::Held), ..delete("blue") })]),
    ]
}

const TURNED: [&str; 7] = [
    "lock",
    "begin",
    "create green",
    "wait green ready uid-green",
    "update cart",
    "hold green",
    "wait green held uid-green",
];

#[test]
fn the_old_colour_goes_when_the_new_one_has_been_held() {
    let last = ["delete blue", "wait blue gone old-blue", "finish", "release"];
    let outcome = check(Scribe::default(), turn(), &[&TURNED[..], &last].concat());
    assert!(outcome.is_complete());
    let done: Vec<Action> = outcome.done.iter().map(|step| step.action).collect();
    assert_eq!(done, [Action::Create, Action::Update, Action::Hold, Action::Delete]);
}

#[test]
fn traffic_goes_back_where_a_hold_fails() {
    let scribe = Scribe { breaks: vec!["green"], ..Scribe::default() };
    let last = ["wait blue held -", "return cart", "release"];
    let outcome = check(scribe, turn(), &[&TURNED[..], &last].concat());
    assert!(!outcome.is_complete());
    assert_eq!(outcome.failed[0].reason, "it did not stay ready");
    assert_eq!(outcome.done.last().map(|step| (step.action, step.id.name.as_str())), Some((Action::Return, "cart")));
    let why = outcome.failed[0].id.to_string();
    assert_eq!(not_tried(&outcome), [("blue", format!("nothing is deleted after a failure ({why})").as_str())].into());
}

#[test]
fn traffic_stays_where_neither_colour_is_ready() {
    let scribe = Scribe { breaks: vec!["green", "blue"], ..Scribe::default() };
    let outcome = check(scribe, turn(), &[&TURNED[..], &["wait blue held -", "release"]].concat());
    let failed: Vec<&str> = outcome.failed.iter().map(|failure| failure.reason.as_str()).collect();
    assert_eq!(failed, ["it did not stay ready", "the traffic stays where it is: it did not stay ready"]);
}

#[test]
fn nothing_is_switched_to_what_does_not_become_ready() {
    let scribe = Scribe { never_ready: vec!["green"], ..Scribe::default() };
    let outcome = check(scribe, turn(), &[&TURNED[..4], &["release"]].concat());
    let names: Vec<&str> = not_tried(&outcome).into_keys().collect();
    assert_eq!(names, ["blue", "cart", "green"]);
}

#[test]
fn an_interrupt_ends_a_hold_and_leaves_both_colours() {
    let (tell, _) = watch::channel(false);
    let scribe = Scribe { interrupts: Some(("cart", tell)), ..Scribe::default() };
    let outcome = check(scribe, turn(), &[&TURNED[..5], &["interrupted", "release"]].concat());
    assert!(outcome.interrupted && outcome.failed.is_empty());
    assert!(outcome.not_tried.iter().all(|step| step.action != Action::Return));
}
