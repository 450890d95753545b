//! What most commands begin with: the stack loaded, composed and checked, and the cluster reached.

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use futures::future::try_join_all;
use kube_embedded::OpenError;
use strata_components::desired::{Desired, Phase};
use strata_components::model::{Environment, PlanPolicy, Stack};

use super::signed::{Evidence, admit};
use super::stacks::StacksArgs;
use super::{CommandError, Context, StackArgs, Ui, findings};
use crate::check::policies::check_plan;
use crate::cluster::connect::{Choice, ConnectError, Connection};
use crate::cluster::{Cluster, Settings};
use crate::exit;
use crate::finding::Finding;
use crate::history::{Command, Commit, Draft};
use crate::load::Loaded;
use crate::load::commit::commit_of;
use crate::observe::{Look, Snapshot};
use crate::plan::names::{UnknownName, unknown_names};
use crate::plan::overview::Overview;
use crate::plan::verify::verify;
use crate::plan::{Plan, Policy, plan};
use crate::provider::Provider;
use crate::report::clean::clean;
use crate::secrets::Secrets;

/// What a plan may do beyond the ordinary.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub(super) struct PolicyArgs {
    /// Take fields that another field manager holds
    #[arg(long)]
    pub(super) force_conflicts: bool,
    /// Make existing objects the instance's that belong to nobody
    #[arg(long)]
    pub(super) adopt: bool,
    /// Delete and create anew where the server refuses to change a field
    #[arg(long)]
    pub(super) allow_replace: bool,
    /// Delete also where so much has left the stack that it may be a mistake
    #[arg(long)]
    pub(super) allow_prune: bool,
    /// Delete what is deleted only when named, as KIND/NAME
    #[arg(long, value_name = "KIND/NAME")]
    pub(super) delete: Vec<String>,
    /// Leave what left the stack on the cluster as nobody's, as KIND/NAME
    #[arg(long, value_name = "KIND/NAME")]
    pub(super) forget: Vec<String>,
    /// Only this service, with all it depends on and what belongs to no service; can be given several times
    #[arg(long, value_name = "SERVICE")]
    pub(super) target: Vec<String>,
}

impl PolicyArgs {
    /// An error where something is asked for that one stack alone can have.
    pub(super) fn for_all(&self) -> Result<(), CommandError> {
        if self.target.is_empty() {
            return Ok(());
        }
        let error = anyhow!("--target names services of one stack, and --all is about every stack");
        Err(CommandError::new(exit::ERROR, error).hint("name the stack in the place of --all"))
    }

    /// The policy that the arguments ask for.
    pub(super) fn policy(&self) -> Policy {
        let Self { force_conflicts, adopt, allow_replace, allow_prune, delete, forget, target } = self.clone();
        let (targets, destroy) = (target, false);
        Policy { force_conflicts, adopt, allow_replace, allow_prune, delete, forget, targets, destroy }
    }
}

/// A stack, composed for an environment, and the cluster it is for.
pub(super) struct Session {
    /// Without what is secret.
    pub(super) desired: Desired,
    /// What that was composed from, where it is known.
    pub(super) stack: Option<Stack>,
    /// What it is proven with, where that could be loaded.
    pub(super) loaded: Option<Loaded>,
    /// Whether errors that the user's policies find in a plan are shown and stop nothing.
    pub(super) lenient: bool,
    pub(super) cluster: Cluster,
    /// The commit of the files.
    pub(super) commit: Option<Commit>,
    /// How many records of runs are kept.
    pub(super) keep: usize,
    /// Which plans are carried out here.
    pub(super) plans: Option<PlanPolicy>,
}

impl Session {
    /// Loads, composes, checks and connects, then does `work`.
    pub(super) fn run<T>(
        context: &Context<'_>,
        args: &StackArgs,
        ui: &mut Ui,
        work: impl AsyncFnOnce(&Self, &mut Ui) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let loaded = context.load(args, ui)?;
        let (name, choice) = Choice::of(args.cluster.as_deref(), &loaded.environment)?;
        let mut desired = findings::checked(context, &loaded, args, &name, ui)?;
        let secrets = Secrets::withhold_from(&mut desired, ui.known().clone());
        let environment = loaded.environment.clone();
        connected(context, &environment, (name, choice), async |cluster| {
            let commit = commit_of(context.root());
            let cluster = cluster.withholding(secrets);
            let (stack, keep) = (Some(loaded.stack.clone()), loaded.environment.history.get().into());
            let plans = loaded.environment.plans.clone();
            let session = Self { desired, stack, loaded: Some(loaded), lenient: false, cluster, commit, keep, plans };
            work(&session, ui).await
        })
    }

    /// The same for every stack of an environment, over one connection and in the order in which they are brought up.
    pub(super) fn run_all<T>(
        context: &Context<'_>,
        args: &StacksArgs,
        ui: &mut Ui,
        work: impl AsyncFnOnce(&[Self], &mut Ui) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let all = context.load_all(args, ui)?;
        let Some(environment) = all.first().map(|loaded| loaded.environment.clone()) else {
            return Err(anyhow!("there is no stack").into());
        };
        let (name, choice) = Choice::of(args.cluster.as_deref(), &environment)?;
        let desired = context.checked_all(&all, args, &name, ui)?;
        connected(context, &environment, (name, choice), async |cluster| {
            let commit = commit_of(context.root());
            let mut sessions = Vec::new();
            for (loaded, mut desired) in all.into_iter().zip(desired) {
                let secrets = Secrets::withhold_from(&mut desired, ui.known().clone());
                let (stack, keep) = (Some(loaded.stack.clone()), loaded.environment.history.get().into());
                let (plans, commit) = (loaded.environment.plans.clone(), commit.clone());
                let cluster = cluster.beside().withholding(secrets);
                sessions.push(Self {
                    desired,
                    stack,
                    loaded: Some(loaded),
                    lenient: false,
                    cluster,
                    commit,
                    keep,
                    plans,
                });
            }
            work(&sessions, ui).await
        })
    }

    pub(super) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What the record of a run towards `desired` begins with.
    pub(super) fn draft(&self, command: Command, desired: Desired) -> Draft {
        let stack = self.stack.clone().filter(|_| command != Command::Destroy);
        Draft { command, back_to: None, commit: self.commit.clone(), desired, stack, keep: self.keep }
    }

    /// What there is on the way to `desired`, which comes back with digests of what was withheld of it.
    pub(super) async fn observe(&self, desired: &Desired, look: &Look) -> Result<(Desired, Snapshot), CommandError> {
        let desired = self.cluster.seal(desired).await?;
        let snapshot = self.provider().observe(&desired, look).await?;
        Ok((desired, snapshot))
    }

    /// What is to be done towards `desired`: observed, planned, and found sound by the checker; an error where the
    /// policy names what is not there.
    pub(super) async fn plan(
        &self,
        desired: &Desired,
        policy: &Policy,
        look: &Look,
        ui: &mut Ui,
    ) -> Result<Plan, CommandError> {
        let (desired, snapshot) = self.observe(desired, look).await?;
        match unknown_names(&self.desired, &snapshot, policy)[..] {
            [] => sound(&desired, &snapshot, policy, ui),
            ref unknown => Err(refused(unknown)),
        }
    }

    /// A plan as readers get it where the files are at hand, with an overview and with what the user's policies have to say
    /// of it; and whether these let it be carried out. What they find is printed, but for notes.
    pub(super) fn reviewed(&self, plan: Plan, ui: &mut Ui) -> (Plan, Result<(), CommandError>) {
        let Some(loaded) = &self.loaded else { return (plan, Ok(())) };
        let findings = check_plan(&self.desired, &plan, loaded);
        let overview = Overview::of(&plan, &self.desired, loaded);
        (plan.for_readers(Some(overview), findings.clone()), self.judged(loaded, findings, ui))
    }

    /// The same for a plan that was made before, with what was observed: what it names may be gone because it was
    /// carried out.
    pub(super) async fn plan_again(
        &self,
        desired: &Desired,
        made: &Plan,
        ui: &mut Ui,
    ) -> Result<(Plan, Snapshot), CommandError> {
        let look = Look { preview: made.previews.mode };
        let (desired, snapshot) = self.observe(desired, &look).await?;
        Ok((sound(&desired, &snapshot, &made.policy, ui)?, snapshot))
    }

    /// Asks the user's own policies about a plan towards `desired`: what they find is printed, but for notes.
    ///
    /// # Errors
    ///
    /// They find one.
    pub(super) fn judge(&self, desired: &Desired, plan: &Plan, ui: &mut Ui) -> Result<(), CommandError> {
        let Some(loaded) = &self.loaded else { return Ok(()) };
        self.judged(loaded, check_plan(desired, plan, loaded), ui)
    }

    fn judged(&self, loaded: &Loaded, findings: Vec<Finding>, ui: &mut Ui) -> Result<(), CommandError> {
        match findings::shown(loaded, findings, ui) {
            Err(_) if self.lenient => Ok(()),
            result => result,
        }
    }

    /// An error where the environment carries out signed plans alone, and there is none of them.
    pub(super) fn admit(&self, evidence: Option<&Evidence>, ui: &mut Ui) -> Result<(), CommandError> {
        admit(self.plans.as_ref(), &self.desired.instance.environment, evidence, ui)
    }

    /// The mark of the instance's lock: whether it is another one under the lock tells whether a plan has to be made again.
    pub(super) async fn lock_mark(&self) -> Result<Option<String>, CommandError> {
        Ok(self.provider().lock_mark(&self.desired.instance).await?)
    }

    pub(super) fn provider(&self) -> &dyn Provider {
        &self.cluster
    }

    /// Where the records of runs stay.
    pub(super) fn control_namespace(&self) -> &str {
        self.cluster.control_namespace()
    }

    /// The same instance with nothing in it: what a destroy is towards.
    pub(super) fn nothing(&self) -> Desired {
        let Desired {
            instance,
            namespaces,
            phases,
            resources: _,
            claims: _,
            ownership: _,
            needs: _,
            outputs: _,
            blue_green: _,
            notes: _,
        } = self.desired.clone();
        let phases = phases.into_iter().map(|phase| Phase { services: Vec::new(), ..phase }).collect();
        Desired {
            instance,
            namespaces,
            phases,
            resources: Vec::new(),
            claims: Default::default(),
            ownership: Default::default(),
            needs: Default::default(),
            outputs: Default::default(),
            blue_green: Default::default(),
            notes: Vec::new(),
        }
    }
}

/// What there is on the way of several stacks, each towards what `towards` says of it, which comes back with digests of what
/// was withheld of it.
pub(super) async fn observe_all(
    sessions: &[Session],
    towards: impl Fn(&Session) -> Desired,
    look: &Look,
) -> Result<Vec<(Desired, Snapshot)>, CommandError> {
    let towards: Vec<Desired> = sessions.iter().map(towards).collect();
    let sealed: Vec<_> =
        sessions.iter().zip(&towards).map(|(session, desired)| session.cluster.seal(desired)).collect();
    let sealed = try_join_all(sealed).await?;
    let looks: Vec<(&Cluster, &Desired)> =
        sessions.iter().zip(&sealed).map(|(session, desired)| (&session.cluster, desired)).collect();
    let snapshots = Cluster::observe_all(&looks, look).await?;
    Ok(sealed.into_iter().zip(snapshots).collect())
}

/// The plans of several stacks, each towards what `towards` says of it. A name in the policy is for the stacks that know it;
/// one that none of them knows is an error.
pub(super) async fn plan_all(
    sessions: &[Session],
    towards: impl Fn(&Session) -> Desired,
    (policy, look): (&Policy, &Look),
    ui: &mut Ui,
) -> Result<Vec<Plan>, CommandError> {
    let (mut plans, mut unknown): (Vec<Plan>, Vec<Vec<UnknownName>>) = (Vec::new(), Vec::new());
    let observed = observe_all(sessions, towards, look).await?;
    for (session, (desired, snapshot)) in sessions.iter().zip(observed) {
        let lacks = unknown_names(&session.desired, &snapshot, policy);
        let knows = |name: &String| !lacks.iter().any(|lack| lack.name() == name);
        let mut own = policy.clone();
        own.delete.retain(knows);
        own.forget.retain(knows);
        plans.push(sound(&desired, &snapshot, &own, ui)?);
        unknown.push(lacks);
    }
    let Some((first, rest)) = unknown.split_first() else { return Ok(plans) };
    let nowhere = |name: &&UnknownName| rest.iter().all(|lacks| lacks.iter().any(|lack| lack.name() == name.name()));
    let nowhere: Vec<UnknownName> = first.iter().filter(nowhere).cloned().collect();
    if nowhere.is_empty() { Ok(plans) } else { Err(refused(&nowhere)) }
}

/// The plan, which the checker finds sound.
fn sound(desired: &Desired, snapshot: &Snapshot, policy: &Policy, ui: &mut Ui) -> Result<Plan, CommandError> {
    let plan = plan(desired, snapshot, policy);
    let violations = verify(desired, snapshot, policy, &plan);
    if violations.is_empty() {
        return Ok(plan);
    }
    violations.iter().for_each(|one| ui.warn(&clean(&one.to_string())));
    Err(CommandError::new(exit::ERROR, anyhow!("the plan is not sound, so nothing was changed"))
        .hint("report this as a mistake of strata, with the lines above"))
}

/// What is said of names that fit nothing.
fn refused(unknown: &[UnknownName]) -> CommandError {
    let lines: Vec<String> = unknown.iter().map(UnknownName::to_string).collect();
    let hint = |one: &UnknownName| match unknown {
        [_] => one.help().to_owned(),
        _ => format!("for {}: {}", one.name(), one.help()),
    };
    let hints = unknown.iter().map(hint).collect();
    CommandError { hints, ..CommandError::new(exit::ERROR, anyhow!(lines.join("; "))) }
}

/// Reaches a cluster of an environment, and does `work` with it.
pub(super) fn connected<T>(
    context: &Context<'_>,
    environment: &Environment,
    (name, choice): (String, Choice),
    work: impl AsyncFnOnce(Cluster) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let store = store_path(context.root(), environment.environment.as_str());
    block_on(async {
        let connection = Connection::open(&choice, &store).await.map_err(connect_hint)?;
        let settings = Settings {
            name,
            control_namespace: environment.control_namespace.to_string(),
            guard: connection.guard.clone(),
            holder: holder(),
        };
        let result = work(Cluster::new(connection.client.clone(), settings).renewing(connection.renew.clone())).await;
        connection.close().await;
        result
    })
}

/// Where an environment's embedded cluster is stored.
pub(super) fn store_path(root: &Path, env: &str) -> PathBuf {
    root.join(".strata").join(format!("{env}.redb"))
}

/// Runs a future to its end.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the threads that talk to the cluster")?;
    let result = runtime.block_on(work);
    // What still runs in the background has nothing more to say.
    runtime.shutdown_background();
    result
}

fn connect_hint(error: ConnectError) -> CommandError {
    let hint = match &error {
        ConnectError::Embedded(OpenError::Held { .. }) => Some("wait until that process is over"),
        ConnectError::Embedded(OpenError::Torn { .. }) => Some("begin a new one with `strata cluster reset`"),
        ConnectError::Kubeconfig { .. } => Some("list what there is with `kubectl config get-contexts`"),
        _ => None,
    };
    let error = CommandError::from(error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What tells this run from every other: machine, process, and a random part for machines of one name.
fn holder() -> String {
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{host}_{}_{}", std::process::id(), &random[..8])
}
