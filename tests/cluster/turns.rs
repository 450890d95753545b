//! Two runs that want different things of one instance take turns: neither writes while the other does, whatever happens
//! to the first, and who comes second works on what the first has left. A plan that another run has overtaken is made
//! again under the lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_embedded::Webhooks;
use kube_embedded::faults::{Fault, Faults, On};
use strata::apply::{self, Outcome, Turn, carry_out, take_turn};
use strata::cluster::Cluster;
use strata::components::desired::Desired;
use strata::history::{Command, Draft};
use strata::observe::Look;
use strata::plan::{Plan, Policy, plan};
use strata::provider::{Provider, ProviderError};
use strata::report::plan::View;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::Layer;

use super::faults::{WHERE, cluster_with, desired_of, provider, settings, while_time_stands_still};
use super::killed::in_simulated_time;
use super::support::victim::{Ended, Hook, Station, is_write, unharmed};
use super::support::{ENVIRONMENT, NAME, STACK};
use crate::story;

/// The stack with so many replicas of redis_cache.
fn with_replicas(many: usize) -> String {
    STACK.replace(NAME, WHERE).replace("    replicas: 3\n", &format!("    replicas: {many}\n"))
}

/// What becomes of a run at the write of this number.
#[derive(Debug, Clone, Copy)]
enum Harm {
    None,
    /// It is never heard of again.
    Killed(usize),
    /// Nothing of it gets through for so many seconds.
    CutOff(usize, u64),
}

/// All writes that were carried out, by who made them; the lock's own and its namespace's are not among them.
type Log = Arc<Mutex<Vec<&'static str>>>;

/// The way of one run to the cluster.
struct Way {
    who: &'static str,
    harm: Harm,
    log: Log,
    /// Its writes so far, and until when nothing gets through.
    state: Mutex<(usize, Option<Instant>)>,
}

impl Way {
    async fn pass(self: Arc<Self>, request: Request, next: Next) -> Response {
        let path = request.uri().path();
        let counts = is_write(&request) && !path.contains("/leases") && path != "/api/v1/namespaces/strata-system";
        let blocked = {
            let mut state = self.state.lock().unwrap();
            state.0 += usize::from(counts);
            match self.harm {
                Harm::Killed(at) | Harm::CutOff(at, _) if state.0 < at => None,
                Harm::None => None,
                Harm::Killed(_) => Some(None),
                Harm::CutOff(_, seconds) => {
                    let end = *state.1.get_or_insert(Instant::now() + Duration::from_secs(seconds));
                    (Instant::now() < end).then_some(Some(end))
                }
            }
        };
        match blocked {
            Some(None) => std::future::pending().await,
            Some(Some(end)) => {
                // It is lost on the way, and the connection breaks once there is one again.
                sleep_until(end).await;
                axum::response::IntoResponse::into_response(http::StatusCode::SERVICE_UNAVAILABLE)
            }
            None => {
                if counts {
                    self.log.lock().unwrap().push(self.who);
                }
                next.run(request).await
            }
        }
    }
}

async fn planned(provider: &Cluster, desired: &Desired) -> Result<Plan, ProviderError> {
    let snapshot = provider.observe(desired, &Look::default()).await?;
    Ok(plan(desired, &snapshot, &Policy::default()))
}

/// One run that waits for another one: plans, takes its turn, and plans again where it was not the first.
async fn run(provider: &Cluster, desired: &Desired) -> Result<Outcome, ProviderError> {
    let mark = provider.lock_mark(&desired.instance).await?;
    let mut plan = planned(provider, desired).await?;
    let settings = apply::Settings { lock_limit: Duration::from_secs(3600), ..apply::Settings::default() };
    let (_go_on, interrupt) = watch::channel(false);
    let turn = take_turn(provider, &plan, &settings, Arc::new(|_| ()), interrupt.clone()).await?;
    if matches!(&turn, Turn::Taken(guard) if guard.mark() != mark.as_deref()) {
        plan = planned(provider, desired).await?;
    }
    let draft = Draft::new(Command::Up, desired.clone());
    carry_out(turn, provider, &plan, &draft, &settings, Arc::new(|_| ()), interrupt).await
}

/// Lets two runs go at once, and makes sure that they took turns and that the last one got what it wanted.
#[track_caller]
fn check(seed: u64, harm: Harm) {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        let log = Log::default();
        let some = || On::every().chance(0.04);
        let through = |who, harm| {
            let way = Arc::new(Way { who, harm, log: log.clone(), state: Mutex::default() });
            let router = cluster.router().layer(from_fn(while_time_stands_still));
            let router = router.layer(from_fn(move |request, next| way.clone().pass(request, next)));
            let faults = Faults::seeded(seed)
                .with(some(), Fault::TooManyRequests { retry_after: 1 })
                .with(some(), Fault::InternalError)
                .with(some(), Fault::ResetBefore)
                .with(some(), Fault::ResetAfter);
            Cluster::new(Client::new(faults.layer(router), "default"), settings(who))
        };
        let wishes =
            BTreeMap::from([("first", desired_of(&with_replicas(4))), ("second", desired_of(&with_replicas(5)))]);
        let (first, second) = (through("first", harm), through("second", Harm::None));
        let (one, two) = tokio::join!(run(&first, &wishes["first"]), run(&second, &wishes["second"]));
        let untold = |outcome: &Outcome| Outcome { done: Vec::new(), ..outcome.clone() };
        let when = format!("seed {seed}, {harm:?}: {:#?}, {:#?}", one.as_ref().map(untold), two.as_ref().map(untold));
        let mut turns = log.lock().unwrap().clone();
        turns.dedup();
        let last = turns.last().copied().unwrap_or_default();
        assert!(turns.len() <= 2, "{when}: {turns:?}");
        let complete = one.is_ok_and(|one| one.is_complete());
        assert!(complete || !matches!(harm, Harm::None), "{when}");
        assert!(two.is_ok_and(|two| two.is_complete()), "{when}");
        let through = Faults::seeded(0);
        let again = provider(&cluster, &through, "again");
        if last == "first" && !complete {
            assert!(run(&again, &wishes[last]).await.unwrap().is_complete(), "{when}");
        }
        let found = planned(&again, &wishes[last]).await.unwrap();
        assert!(found.is_empty(), "{when}: {}", strata::report::plan::terminal(&found, &View::default()));
    });
}

#[test]
fn two_runs_at_once_take_turns() {
    (0..4).for_each(|seed| check(seed, Harm::None));
}

#[test]
fn a_run_takes_over_from_one_that_is_gone() {
    (1..=16).step_by(3).for_each(|at| check(at as u64, Harm::Killed(at)));
}

#[test]
fn a_run_that_was_cut_off_for_a_while_writes_nothing_while_another_does() {
    for (seed, at) in (0..).zip((2..=17).step_by(3)) {
        // Shorter than its lock is good for, longer than that, and longer than the other run takes.
        [3, 12, 20, 400].iter().for_each(|seconds| check(seed, Harm::CutOff(at, *seconds)));
    }
}

/// Runs the program with these words. When it is about to lock the instance, another run goes through to its end that
/// wants so many replicas, where the program wants five and found three. Returns how it ended, what then runs, and who
/// holds the lock.
fn overtaken(words: &str, theirs: usize) -> (Ended, Option<i32>, Option<String>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = Arc::new(cluster_with(Webhooks::default()).await);
        let through = Faults::seeded(0);
        let quick = provider(&cluster, &through, "quick");
        assert!(run(&quick, &desired_of(&with_replicas(3))).await.unwrap().is_complete());
        let files = story::Story::new();
        files.file("environments/testing.yaml", ENVIRONMENT);
        files.file(format!("stacks/{WHERE}.yaml").as_str(), with_replicas(5));
        let station = Station::open(cluster.router()).await;
        let saved = station.run(files.path(), "plan faults -e testing --save saved.json --quiet", unharmed()).await;
        assert_eq!((saved.code, saved.writes), (Some(0), 0), "{saved:#?}");
        let other = cluster.clone();
        let hook: Hook = Arc::new(move |passing, _| {
            let other = other.clone();
            Box::pin(async move {
                if passing.number == 1 && !passing.committed {
                    assert!(passing.path.contains("/leases/"), "{passing:?}");
                    let handle = tokio::runtime::Handle::current();
                    let run = move || {
                        let quick = provider(&other, &Faults::seeded(0), "quick");
                        handle.block_on(run(&quick, &desired_of(&with_replicas(theirs))))
                    };
                    assert!(tokio::task::spawn_blocking(run).await.unwrap().unwrap().is_complete());
                }
            })
        });
        let ended = station.run(files.path(), words, hook).await;
        let client = Client::new(cluster.router(), "default");
        let workloads: Api<Deployment> = Api::namespaced(client.clone(), WHERE);
        let replicas = workloads.get("redis-cache-mcp").await.unwrap().spec.unwrap().replicas;
        let leases: Api<Lease> = Api::namespaced(client, "strata-system");
        let lease = leases.get("strata-faults-testing").await.unwrap();
        (ended, replicas, lease.spec.unwrap().holder_identity)
    })
}

/// Compares how the program ended, what then runs, and the last line it had to say.
#[track_caller]
fn check_overtaken(words: &str, theirs: usize, code: i32, replicas: i32, says: &str) {
    let (ended, found, holder) = overtaken(words, theirs);
    assert_eq!((ended.code, found, holder.as_deref()), (Some(code), Some(replicas), Some("")), "{ended:#?}");
    assert!(ended.err.contains(says), "{ended:#?}");
}

#[test]
fn a_plan_that_nobody_has_agreed_to_is_made_again() {
    let says = "another run has worked on faults-testing meanwhile; this is the plan now:";
    check_overtaken("up faults -e testing --yes", 4, 0, 5, says);
}

#[test]
fn what_another_run_has_done_already_is_not_done_again() {
    let says = "another run has worked on faults-testing meanwhile; what is left of the plan holds";
    check_overtaken("up faults -e testing --yes", 5, 0, 5, says);
    check_overtaken("up faults -e testing --plan saved.json --yes", 5, 0, 5, says);
}

#[test]
fn a_saved_plan_is_never_replaced_by_another() {
    let says = "another run has worked on faults-testing meanwhile, and what the plan rests on has moved (see above), so \
                nothing was changed";
    check_overtaken("up faults -e testing --plan saved.json --yes", 4, 3, 4, says);
}
