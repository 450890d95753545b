//! The executor: phases in order, stages inside a phase, everything of a stage at once. What waits for something outside
//! the stack begins later, beside the rest of its phase.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join, join_all};
use futures::stream::{self, StreamExt};
use strata_components::desired::ResourceId;
use strata_components::needs::Need;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::interrupt::Interrupt;
use super::lanes::Lanes;
use super::outcome::{Event, Failure, NotTried, Outcome, StepDone};
use crate::history::{Draft, Ending, Head};
use crate::observe::Readiness;
use crate::plan::{Action, Order, Plan, PlanPhase, PlannedNeed, Step};
use crate::provider::{Done, LockGuard, Patience, Provider, ProviderError, Until, Wait, WaitError, WaitNotice};

/// How a plan is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Steps in flight at once.
    pub parallel: usize,
    /// How long one object is waited for at the most.
    pub wait_limit: Duration,
    /// How long another run that is at work on the instance is waited for.
    pub lock_limit: Duration,
}

impl Default for Settings {
    /// 16 steps at once, ten minutes of waiting (the progress deadline that Kubernetes gives a Deployment), and no waiting
    /// for another run that is heard of.
    fn default() -> Self {
        Self { parallel: 16, wait_limit: Duration::from_secs(600), lock_limit: Duration::ZERO }
    }
}

pub(super) type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// The turn of a run at its instance.
pub enum Turn {
    /// There is nothing to write, so nothing is locked.
    Unneeded,
    /// The instance is locked for this run.
    Taken(Box<dyn LockGuard>),
    /// There was an interrupt while another run was waited for.
    Interrupted,
}

/// Makes sure that a plan may be carried out, and that no other run works on the instance until it is.
///
/// Whether the plan still holds then is not looked at: see [`LockGuard::mark`].
///
/// # Errors
///
/// Where rights are missing, another run holds the lock, or the provider does not answer.
pub async fn take_turn(
    provider: &dyn Provider,
    plan: &Plan,
    settings: &Settings,
    tell: Tell,
    interrupt: watch::Receiver<bool>,
) -> Result<Turn, ProviderError> {
    if blocked(plan).is_some() || (plan.is_empty() && provider.finished(plan).await?) {
        return Ok(Turn::Unneeded);
    }
    provider.permitted(plan).await?;
    let patience = Patience { limit: settings.lock_limit, interrupt };
    let guard = provider.lock(&plan.instance, patience, Arc::new(move |notice| tell(Event::Lock(notice)))).await?;
    Ok(guard.map_or(Turn::Interrupted, Turn::Taken))
}

/// Takes the turn and carries the plan out: [`take_turn`], then [`carry_out`].
///
/// # Errors
///
/// Where nothing could be begun, because the lock is held by another run or the provider does not answer. What
/// happens afterwards is in the [`Outcome`].
pub async fn apply(
    provider: &dyn Provider,
    plan: &Plan,
    draft: &Draft,
    settings: &Settings,
    tell: Tell,
    interrupt: watch::Receiver<bool>,
) -> Result<Outcome, ProviderError> {
    let turn = take_turn(provider, plan, settings, tell.clone(), interrupt.clone()).await?;
    carry_out(turn, provider, plan, draft, settings, tell, interrupt).await
}

/// Carries the plan out, and gives the lock back. `tell` hears everything that happens, in order; `interrupt` turns true
/// to make it stop once what is in flight is finished.
///
/// A plan with blocked steps is not carried out at all. One that changes something leaves a record: it is opened before
/// anything is changed, with what `draft` says, and closed at the end.
///
/// # Errors
///
/// Where nothing could be begun. What happens afterwards is in the [`Outcome`].
pub async fn carry_out(
    turn: Turn,
    provider: &dyn Provider,
    plan: &Plan,
    draft: &Draft,
    settings: &Settings,
    tell: Tell,
    interrupt: watch::Receiver<bool>,
) -> Result<Outcome, ProviderError> {
    if let Some(reason) = blocked(plan) {
        if let Turn::Taken(guard) = turn {
            guard.release(false).await?;
        }
        let run = Run::new(provider, plan, settings, tell, interrupt);
        run.abort(&reason);
        return Ok(run.outcome());
    }
    let Turn::Taken(guard) = turn else {
        // What an earlier run left unready is still waited for; after an interrupt, nothing is.
        let run = Run::new(provider, plan, settings, tell, interrupt);
        run.until_the_end().await;
        return Ok(run.outcome());
    };
    let head = match open(provider, plan, draft, &tell).await {
        Ok(head) => head,
        Err(error) => {
            // The lock runs out by itself where it cannot be given back.
            let _ = guard.release(false).await;
            return Err(error);
        }
    };
    let (outcome, lost) = {
        let run = Run::new(provider, plan, settings, tell.clone(), interrupt);
        let lost = tokio::select! {
            () = run.until_the_end() => None,
            reason = guard.lost() => Some(reason),
        };
        if let Some(reason) = &lost {
            run.abort(reason);
        }
        let mut outcome = run.outcome();
        if lost.is_none()
            && outcome.is_complete()
            && let Err(error) = provider.finish(plan).await
        {
            outcome.aborted = Some(error.to_string());
        }
        (outcome, lost)
    };
    // Who has lost the lock writes nothing more.
    if lost.is_none()
        && let Some(head) = &head
    {
        close(provider, head, &outcome.ending(), draft.keep, &tell).await;
    }
    let leaves = |step: &Step| matches!(step.action, Action::Delete | Action::Forget);
    let nothing_stays = plan.kept.is_empty() && plan.left_out.is_empty() && plan.steps().all(leaves);
    let forget = outcome.is_complete() && nothing_stays;
    if lost.is_none()
        && let Err(error) = guard.release(forget).await
    {
        tracing::debug!(%error, "the lock could not be given back; it runs out by itself");
    }
    Ok(outcome)
}

/// Why nothing of a plan is carried out, where something of it is blocked: the rest was planned to go with it.
fn blocked(plan: &Plan) -> Option<String> {
    let step = plan.steps().find(|step| step.action == Action::Blocked)?;
    Some(format!("nothing is carried out of a plan in which something is blocked ({})", step.id))
}

/// Opens the record of a run, and the inventory.
async fn open(provider: &dyn Provider, plan: &Plan, draft: &Draft, tell: &Tell) -> Result<Option<Head>, ProviderError> {
    if plan.is_empty() {
        // What a killed run left open belongs to the record of that run.
        return provider.begin(plan).await.map(|()| None);
    }
    let head = provider.open_record(plan, draft).await?;
    tell(Event::Recorded { revision: head.revision });
    let Err(error) = provider.begin(plan).await else { return Ok(Some(head)) };
    let outcome = Outcome { aborted: Some(with_sources(&error)), ..Outcome::default() };
    close(provider, &head, &outcome.ending(), draft.keep, tell).await;
    Err(error)
}

/// Closes the record of a run. What was done is done: that this fails is told, and no more.
async fn close(provider: &dyn Provider, head: &Head, ending: &Ending, keep: usize, tell: &Tell) {
    if let Err(error) = provider.close_record(head, ending, keep).await {
        tell(Event::RecordLeftOpen { revision: head.revision, reason: with_sources(&error) });
    }
}

/// One run of a plan.
struct Run<'a> {
    provider: &'a dyn Provider,
    plan: &'a Plan,
    settings: &'a Settings,
    tell: Tell,
    interrupt: Interrupt,
    /// As many as steps may be in flight at once.
    permits: Semaphore,
    books: Mutex<Books>,
    /// What is known of steps that were begun, for when the run ends in the middle of a stage.
    begun: Mutex<BTreeMap<(Order, ResourceId), Begun>>,
}

/// How far a run has come.
struct Books {
    outcome: Outcome,
    /// Services of which something failed or was not tried, with why others do not go on.
    stopped: BTreeMap<String, String>,
    /// Steps that have been accounted for in the outcome.
    settled: BTreeSet<(Order, ResourceId)>,
    /// What was not there, by the number of the phase that waited for it.
    unmet: BTreeSet<(u32, Need)>,
    /// Services of which a new colour did not stay ready while it was held.
    broken: BTreeSet<String>,
    /// The order of the phase that is being carried out.
    order: Order,
}

/// What is live of the steps that were carried out, or had nothing to do.
type Uids = BTreeMap<ResourceId, Option<String>>;

/// A wait for something outside the stack, which several may wait for.
type Awaited<'a> = Shared<BoxFuture<'a, Result<(), WaitError>>>;

/// What is known of a step that was begun.
enum Begun {
    /// It was sent.
    Sent,
    /// The provider has acknowledged it; this is the UID of what then exists.
    Acknowledged(Option<String>),
    /// The provider has refused it, for this reason.
    Refused(String),
}

impl<'a> Run<'a> {
    fn new(
        provider: &'a dyn Provider,
        plan: &'a Plan,
        settings: &'a Settings,
        tell: Tell,
        interrupt: watch::Receiver<bool>,
    ) -> Self {
        Self {
            provider,
            plan,
            settings,
            interrupt: Interrupt::new(interrupt, tell.clone()),
            tell,
            permits: Semaphore::new(settings.parallel.max(1)),
            books: Mutex::new(Books {
                outcome: Outcome::default(),
                stopped: BTreeMap::new(),
                settled: BTreeSet::new(),
                unmet: BTreeSet::new(),
                broken: BTreeSet::new(),
                order: Order::Apply,
            }),
            begun: Mutex::default(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended.
    fn outcome(self) -> Outcome {
        self.books.into_inner().unwrap_or_else(PoisonError::into_inner).outcome
    }

    /// Notes what is known of a step.
    fn note(begun: &Mutex<BTreeMap<(Order, ResourceId), Begun>>, order: Order, step: &Step, known: Begun) {
        begun.lock().unwrap_or_else(PoisonError::into_inner).insert((order, step.id.clone()), known);
    }

    /// Carries out all phases. An interrupt is told as soon as it is heard.
    async fn until_the_end(&self) {
        let told = async {
            self.interrupt.comes().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = told => {}
            () = self.phases() => {}
        }
        let mut books = self.books();
        books.outcome.interrupted |= !books.outcome.not_tried.is_empty() && self.interrupt.heard();
    }

    async fn phases(&self) {
        let plan = self.plan;
        for phase in &plan.phases {
            self.books().order = phase.order;
            if phase.order == Order::Return {
                self.way_back(phase).await;
                continue;
            }
            if let Some(reason) = self.reason_to_stop(phase) {
                phase.steps.iter().for_each(|step| self.not_tried(step, &reason));
                continue;
            }
            self.phase(phase).await;
        }
    }

    /// Why nothing of a phase is begun.
    fn reason_to_stop(&self, phase: &PlanPhase) -> Option<String> {
        if self.interrupt.heard() {
            return Some("interrupted".to_owned());
        }
        let books = self.books();
        let failure = books.outcome.failed.first()?;
        match phase.order {
            Order::Delete => Some(format!("nothing is deleted after a failure ({})", failure.id)),
            Order::Close => Some(format!("nothing is closed after a failure ({})", failure.id)),
            Order::Hold => Some(format!("nothing is held after a failure ({})", failure.id)),
            // It is for a failure that it is there.
            Order::Return => None,
            // What belongs to no service is what every service stands on.
            Order::Apply => {
                let ground = books.stopped.get("")?;
                Some(ground.clone())
            }
        }
    }

    async fn phase(&self, phase: &'a PlanPhase) {
        let began = Instant::now();
        let tried: Vec<&Step> = phase.steps.iter().filter(|step| self.reason_not_to_try(step).is_none()).collect();
        let changes = tried.iter().filter(|step| is_change(step)).count();
        let waits = tried.iter().filter(|step| until(step).is_some()).count();
        let needs: Vec<Option<Awaited<'_>>> = phase.needs.iter().map(|need| self.awaited(need, &tried)).collect();
        (self.tell)(Event::PhaseStarted {
            order: phase.order,
            number: phase.number,
            name: phase.name.clone(),
            changes,
            waits: waits + needs.iter().flatten().count(),
        });
        let Lanes { free, held } = Lanes::of(phase);
        let (through, passed) = watch::channel(false);
        let first = async {
            let uids = self.stages(phase, &free).await;
            through.send_replace(true);
            self.wait(phase, &free, &uids).await;
        };
        let others = held.iter().map(|(waits, steps)| {
            let mut passed = passed.clone();
            let awaited = waits.iter().filter_map(|at| Some((phase.needs.get(*at)?, needs.get(*at)?.clone()?)));
            let (needs, awaited): (Vec<_>, Vec<_>) = awaited.unzip();
            async move {
                let met = self.interrupt.ends(join_all(awaited)).await.unwrap_or_default();
                for (need, met) in needs.into_iter().zip(met) {
                    self.met(phase, need, met);
                }
                // A sender that is gone can tell no more.
                let _ = passed.wait_for(|through| *through).await;
                let uids = self.stages(phase, steps).await;
                self.wait(phase, steps, &uids).await;
            }
        });
        join(first, join_all(others)).await;
        (self.tell)(Event::PhaseEnded { number: phase.number, name: phase.name.clone(), after: began.elapsed() });
    }

    /// The wait for something outside the stack; none where no service that waits for it has a step that is tried.
    fn awaited<'s>(&'s self, need: &'s PlannedNeed, tried: &[&Step]) -> Option<Awaited<'s>> {
        let due = |step: &&Step| step.service.as_ref().is_some_and(|service| need.services.contains(service));
        tried.iter().find(|step| due(step))?;
        let wait = async move {
            let (began, tell) = (Instant::now(), self.tell.clone());
            let heard = move |WaitNotice { id, missing }: WaitNotice| match missing {
                Some(missing) => tell(Event::Waiting { id, missing }),
                None => tell(Event::Ready { id, after: began.elapsed() }),
            };
            let limit = need.need.within.map_or(self.settings.wait_limit, |limit| limit.as_std());
            let met = self.provider.meet(need, limit, Arc::new(heard)).await;
            if let Err(error) = &met {
                let (reason, details) = unmet(need, error);
                (self.tell)(Event::Failed { id: need.id.clone(), reason, details });
            }
            met
        };
        Some(wait.boxed().shared())
    }

    /// Accounts for a wait for something outside the stack, once for all who wait.
    fn met(&self, phase: &PlanPhase, need: &PlannedNeed, met: Result<(), WaitError>) {
        let mut books = self.books();
        let Err(error) = met else { return };
        if !books.unmet.insert((phase.number, need.need.clone())) {
            return;
        }
        let (id, (reason, details)) = (need.id.clone(), unmet(need, &error));
        for service in &need.services {
            books.stopped.entry(service.clone()).or_insert_with(|| format!("it waits for {id}, which is not there"));
        }
        // Nothing was to be done to it.
        books.outcome.failed.push(Failure { id, action: Action::Unchanged, reason, details });
    }

    /// Carries out these steps of a phase stage by stage, and says what is live of them afterwards.
    async fn stages(&self, phase: &'a PlanPhase, steps: &[&'a Step]) -> Uids {
        let mut uids = Uids::new();
        let stages: BTreeSet<u32> = steps.iter().map(|step| step.stage).collect();
        for stage in stages {
            let of_stage = |step: &&&'a Step| step.stage == stage;
            let chosen: Vec<&'a Step> = steps.iter().filter(of_stage).copied().collect();
            self.stage(phase, &chosen, &mut uids).await;
            // What others cannot exist without is waited for before they are applied.
            let gates: Vec<&'a Step> = chosen.into_iter().filter(|step| step.gate).collect();
            self.wait(phase, &gates, &uids).await;
        }
        uids
    }

    async fn stage(&self, phase: &'a PlanPhase, steps: &[&'a Step], uids: &mut Uids) {
        let mut ready = Vec::new();
        for step in steps.iter().copied() {
            match self.reason_not_to_try(step) {
                Some(reason) => self.not_tried(step, &reason),
                None if is_change(step) => ready.push(step),
                None => {
                    uids.insert(step.id.clone(), step.uid.clone());
                }
            }
        }
        let (provider, plan, tell, interrupt) = (self.provider, self.plan, &self.tell, &self.interrupt);
        let limit = self.settings.wait_limit;
        let (begun, order, permits) = (&self.begun, phase.order, &self.permits);
        let results: Vec<_> = stream::iter(ready)
            .map(|step| async move {
                // Nobody closes it.
                let _permit = permits.acquire().await;
                if interrupt.heard() {
                    return (step, None);
                }
                tell(Event::Started { action: step.action, id: step.id.clone() });
                Self::note(begun, order, step, Begun::Sent);
                let result = match step.action {
                    Action::Replace => replace(provider, plan, step, limit, tell).await,
                    _ => provider.carry_out(plan, step).await.map_err(Trouble::from),
                };
                let known = match &result {
                    Ok(done) => Begun::Acknowledged(done.uid.clone()),
                    Err(Trouble::Refused(error)) => Begun::Refused(reason(step, error)),
                    Err(Trouble::StillThere(error)) => Begun::Refused(error.to_string()),
                };
                Self::note(begun, order, step, known);
                if let Ok(done) = &result {
                    let (action, id, warnings) = (what(step, &done.uid), step.id.clone(), done.warnings.clone());
                    tell(Event::Acknowledged { action, id, warnings });
                }
                (step, Some(result))
            })
            .buffered(self.settings.parallel.max(1))
            .collect()
            .await;
        for (step, result) in results {
            match result {
                None => self.not_tried(step, "interrupted"),
                Some(Ok(done)) => {
                    uids.insert(step.id.clone(), done.uid);
                }
                Some(Err(Trouble::Refused(error))) => self.failed(step, reason(step, &error), details(&error)),
                Some(Err(Trouble::StillThere(error))) => {
                    let (reason, details) = unready(error);
                    self.failed(step, reason, details);
                }
            }
        }
        self.books().outcome.interrupted |= self.interrupt.heard();
    }

    /// Waits for those of these steps of a phase that were carried out, or were there already, and are not settled yet.
    async fn wait(&self, phase: &'a PlanPhase, steps: &[&'a Step], uids: &Uids) {
        let mut waiting = Vec::new();
        let mut waits = Vec::new();
        let open: Vec<&Step> = {
            let books = self.books();
            let is_open =
                |step: &&Step| uids.contains_key(&step.id) && !books.settled.contains(&(phase.order, step.id.clone()));
            steps.iter().copied().filter(is_open).collect()
        };
        if open.is_empty() {
            return;
        }
        for step in open {
            let action = what(step, &uids[&step.id]);
            match until(step).filter(|_| action == step.action) {
                Some(until) => {
                    let uid = if until == Until::Gone { step.uid.clone() } else { uids[&step.id].clone() };
                    waits.push(Wait { id: step.id.clone(), uid, until, limit: self.limit(step) });
                    waiting.push(step);
                }
                None => self.done(phase, step, action),
            }
        }
        let began = Instant::now();
        let tell = self.tell.clone();
        let heard = move |notice: WaitNotice| match notice.missing {
            Some(missing) => tell(Event::Waiting { id: notice.id, missing }),
            None => tell(Event::Ready { id: notice.id, after: began.elapsed() }),
        };
        let waited = self.provider.wait(&self.plan.instance, &waits, Arc::new(heard));
        let Some(results) = self.interrupt.ends(waited).await else {
            self.books().outcome.interrupted |= !waits.is_empty();
            waiting.iter().for_each(|step| self.not_tried(step, "applied, but interrupted before it was ready"));
            return;
        };
        for (step, result) in waiting.into_iter().zip(results) {
            match result {
                Ok(()) => self.done(phase, step, step.action),
                Err(error) => {
                    // Of what could not be watched nothing is known that would ask for the way back.
                    if step.action == Action::Hold && !matches!(error, WaitError::Lost(_)) {
                        self.books().broken.extend(step.service.clone());
                    }
                    let (reason, details) = unready(error);
                    self.failed(step, reason, details);
                }
            }
        }
    }

    /// Gives the traffic of services whose hold failed back to what had it before, as far as that has pods that are ready.
    /// An interrupt does not stop it: it would leave the traffic with what is broken.
    async fn way_back(&self, phase: &'a PlanPhase) {
        let broken = self.books().broken.clone();
        let due = |step: &&Step| step.service.as_ref().is_some_and(|service| broken.contains(service));
        let steps: Vec<&Step> = phase.steps.iter().filter(due).collect();
        if steps.is_empty() {
            return;
        }
        let began = Instant::now();
        let (order, number, name) = (phase.order, phase.number, phase.name.clone());
        (self.tell)(Event::PhaseStarted { order, number, name: name.clone(), changes: steps.len(), waits: 0 });
        let limit = self.settings.wait_limit;
        let (readiness, now) = (Readiness::Available(1), Duration::ZERO);
        let until = || Until::Held { readiness: readiness.clone(), lasting: now, patience: now };
        let olds: BTreeSet<&ResourceId> = steps.iter().filter_map(|step| step.from.as_ref()).collect();
        let waits: Vec<Wait> =
            olds.iter().map(|id| Wait { id: (*id).clone(), uid: None, until: until(), limit }).collect();
        let ready = self.provider.wait(&self.plan.instance, &waits, Arc::new(|_| ())).await;
        let unfit: BTreeMap<&ResourceId, WaitError> =
            olds.into_iter().zip(ready).filter_map(|(id, ready)| Some((id, ready.err()?))).collect();
        for step in steps {
            if let Some(error) = step.from.as_ref().and_then(|from| unfit.get(from)) {
                let (reason, details) = unready(error.clone());
                self.failed(step, format!("the traffic stays where it is: {reason}"), details);
                continue;
            }
            (self.tell)(Event::Started { action: step.action, id: step.id.clone() });
            Self::note(&self.begun, order, step, Begun::Sent);
            match self.provider.carry_out(self.plan, step).await {
                Ok(Done { uid, warnings }) => {
                    Self::note(&self.begun, order, step, Begun::Acknowledged(uid));
                    (self.tell)(Event::Acknowledged { action: step.action, id: step.id.clone(), warnings });
                    self.done(phase, step, step.action);
                }
                Err(error) => {
                    Self::note(&self.begun, order, step, Begun::Refused(reason(step, &error)));
                    self.failed(step, reason(step, &error), details(&error));
                }
            }
        }
        (self.tell)(Event::PhaseEnded { number, name, after: began.elapsed() });
    }

    /// How long one step is waited for.
    fn limit(&self, step: &Step) -> Duration {
        let hold = [step.hold, step.patience].into_iter().flatten().map(|time| time.as_std()).sum::<Duration>();
        hold + step.ready_within.map_or(self.settings.wait_limit, |limit| limit.as_std())
    }

    /// Why a step is not tried although its phase is: something it depends on has not come to be.
    fn reason_not_to_try(&self, step: &Step) -> Option<String> {
        if self.interrupt.heard() {
            return Some("interrupted".to_owned());
        }
        let books = self.books();
        if books.stopped.is_empty() {
            return None;
        }
        let own = step.service.as_deref().unwrap_or_default();
        std::iter::once("")
            .chain(std::iter::once(own))
            .chain(step.waits_for.iter().map(String::as_str))
            .find_map(|service| books.stopped.get(service).cloned())
    }

    fn done(&self, phase: &PlanPhase, step: &Step, action: Action) {
        let mut books = self.books();
        let order = books.order;
        if books.settled.insert((order, step.id.clone())) {
            books.outcome.done.push(StepDone {
                id: step.id.clone(),
                action,
                phase: phase.number,
                tier: step.tier.clone(),
                service: step.service.clone(),
            });
        }
    }

    fn failed(&self, step: &Step, reason: String, details: Vec<String>) {
        let mut books = self.books();
        let order = books.order;
        if !books.settled.insert((order, step.id.clone())) {
            return;
        }
        (self.tell)(Event::Failed { id: step.id.clone(), reason: reason.clone(), details: details.clone() });
        let service = step.service.clone().unwrap_or_default();
        books.stopped.entry(service).or_insert_with(|| format!("it depends on {}, which failed", step.id));
        books.outcome.failed.push(Failure { id: step.id.clone(), action: step.action, reason, details });
    }

    fn not_tried(&self, step: &Step, reason: &str) {
        let mut books = self.books();
        let order = books.order;
        if !books.settled.insert((order, step.id.clone()))
            || (step.action == Action::Unchanged && books.outcome.failed.is_empty())
        {
            return;
        }
        if let Some(service) = &step.service {
            books.stopped.entry(service.clone()).or_insert_with(|| reason.to_owned());
        }
        let (id, action, service) = (step.id.clone(), step.action, step.service.clone());
        books.outcome.not_tried.push(NotTried { id, action, service, reason: reason.to_owned() });
    }

    /// Ends the run where nothing more may be written.
    fn abort(&self, reason: &str) {
        let plan = self.plan;
        let mut begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        // What was begun comes first: whether it failed decides what is told of the rest.
        let all = || plan.phases.iter().flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)));
        let is_begun = |(phase, step): &(&PlanPhase, &Step)| begun.contains_key(&(phase.order, step.id.clone()));
        let (first, rest): (Vec<_>, Vec<_>) = all().partition(is_begun);
        for (phase, step) in first.into_iter().chain(rest) {
            self.books().order = phase.order;
            let place = (phase.order, step.id.clone());
            let known = begun.remove(&place).filter(|_| !self.books().settled.contains(&place));
            // A way back that nothing asked for is nothing that was not tried.
            let asked = step.service.as_ref().is_some_and(|service| self.books().broken.contains(service));
            if phase.order == Order::Return && known.is_none() && !asked {
                continue;
            }
            match known {
                Some(Begun::Acknowledged(uid)) if until(step).is_none() => self.done(phase, step, what(step, &uid)),
                Some(Begun::Acknowledged(_)) => {
                    self.not_tried(step, &format!("carried out, and not waited for: {reason}"));
                }
                Some(Begun::Refused(error)) => self.failed(step, error, Vec::new()),
                Some(Begun::Sent) => {
                    let reason = format!("it is not known whether it was carried out: {reason}");
                    self.failed(step, reason, Vec::new());
                }
                None => self.not_tried(step, reason),
            }
        }
        self.books().outcome.aborted = Some(reason.to_owned());
    }
}

/// Whether a step changes something.
pub(super) fn is_change(step: &Step) -> bool {
    !matches!(step.action, Action::Unchanged | Action::Blocked)
}

/// What a step did, with the UID of what then exists: an object whose delete found its condition not met stays, without
/// our marks, and nobody waits for it.
fn what(step: &Step, uid: &Option<String>) -> Action {
    if step.action == Action::Delete && uid.is_some() { Action::Forget } else { step.action }
}

/// Why a step could not be carried out.
enum Trouble {
    /// The provider did not do it.
    Refused(ProviderError),
    /// What had to go first did not go.
    StillThere(WaitError),
}

impl From<ProviderError> for Trouble {
    fn from(error: ProviderError) -> Self {
        Self::Refused(error)
    }
}

/// Carries out a replace: the old object is deleted, waited for until it is gone, and the new one created. An interrupt
/// does not stop it halfway.
async fn replace(
    provider: &dyn Provider,
    plan: &Plan,
    step: &Step,
    limit: Duration,
    tell: &Tell,
) -> Result<Done, Trouble> {
    provider.make_way(plan, step).await?;
    let tell = tell.clone();
    let heard = move |notice: WaitNotice| {
        if let Some(missing) = notice.missing {
            tell(Event::Waiting { id: notice.id, missing });
        }
    };
    let gone = Wait { id: step.id.clone(), uid: step.uid.clone(), until: Until::Gone, limit };
    let waited = provider.wait(&plan.instance, &[gone], Arc::new(heard)).await;
    waited.into_iter().collect::<Result<(), WaitError>>().map_err(Trouble::StillThere)?;
    Ok(provider.carry_out(plan, step).await?)
}

/// What ends a step after it was acknowledged; `None` where nothing is left to wait for.
fn until(step: &Step) -> Option<Until> {
    match (step.action, &step.readiness) {
        (Action::Delete, _) => Some(Until::Gone),
        (Action::Hold, Some(readiness)) => {
            let [lasting, patience] =
                [step.hold, step.patience].map(|time| time.map_or(Duration::ZERO, |time| time.as_std()));
            Some(Until::Held { readiness: readiness.clone(), lasting, patience })
        }
        (Action::Blocked | Action::Forget, _) | (_, None | Some(Readiness::Exists)) => None,
        (_, Some(readiness)) => Some(Until::Ready(readiness.clone())),
    }
}

/// Why a wait failed, and what explains it.
fn unready(error: WaitError) -> (String, Vec<String>) {
    let reason = error.to_string();
    match error {
        WaitError::Failed { details, .. }
        | WaitError::TimedOut { details, .. }
        | WaitError::StillThere { details, .. } => (reason, details),
        WaitError::Lost(_) => (reason, Vec::new()),
    }
}

/// Why something outside the stack is not there, with who waits for it, and what explains it.
fn unmet(need: &PlannedNeed, error: &WaitError) -> (String, Vec<String>) {
    let (reason, details) = unready(error.clone());
    let who = need.services.join(", ");
    let first = need.need.stack.as_ref().map(|stack| format!(": bring up the stack {stack} first"));
    (format!("{reason}; {who} cannot do without it{}", first.unwrap_or_default()), details)
}

/// What went wrong with a step, without what was being done: a failure is told beside its object.
fn reason(step: &Step, error: &ProviderError) -> String {
    let text = with_sources(error);
    let doing = ["applying", "deleting", "replacing", "forgetting"].map(|verb| format!("{verb} {}: ", step.id));
    doing.iter().find_map(|doing| text.strip_prefix(doing)).unwrap_or(&text).to_owned()
}

/// What explains an error, one line each.
fn details(error: &ProviderError) -> Vec<String> {
    match error {
        ProviderError::Otherwise { fields, .. } => fields.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
