//! One stack, or every stack that an environment admits: what the commands that take `--all` begin with.

use std::convert::Infallible;

use anyhow::anyhow;
use strata_components::desired::Desired;
use strata_components::model::Stack;

use super::{CommandError, Context, StackArgs, Ui, findings};
use crate::check::together::{order, prove};
use crate::check::{Proven, compose_with};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::load::{LoadError, Loaded, Root, rules};

/// Which stack, or all of them; where.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StacksArgs {
    /// Name of a stack in stacks/, or a path to a stack file
    #[arg(value_name = "STACK", required_unless_present = "all")]
    stack: Option<String>,
    /// Every stack that the environment admits, each after those that its services wait for
    #[arg(long, conflicts_with = "stack")]
    all: bool,
    /// Name of an environment in environments/
    #[arg(short, long = "env", value_name = "ENV")]
    pub(super) env: String,
    /// Deploy under a name of its own beside other instances of the stack, such as a pull request
    #[arg(long, value_name = "NAME")]
    pub(super) instance: Option<String>,
    /// Cluster to use instead of the environment's default: embedded, context:NAME or kubeconfig:FILE
    #[arg(long, value_name = "CLUSTER")]
    pub(super) cluster: Option<String>,
}

impl StacksArgs {
    /// The one stack that is meant, where one is.
    pub(super) fn one(&self) -> Option<StackArgs> {
        self.stack.as_ref().map(|stack| self.of(stack))
    }

    /// Whether every stack is meant.
    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    /// The same arguments about one stack.
    pub(super) fn of(&self, stack: &str) -> StackArgs {
        let Self { stack: _, all: _, env, instance, cluster } = self.clone();
        StackArgs { stack: stack.to_owned(), env, instance, cluster }
    }
}

/// What is composed of the stacks that are meant, proven, and the cluster that it is for.
pub(super) struct Composed {
    /// In the order in which they are brought up.
    pub(super) stacks: Vec<(Loaded, Desired)>,
    /// The cluster's name.
    pub(super) name: String,
    pub(super) choice: Choice,
}

impl Context<'_> {
    /// What is composed of the one stack that is meant, or of every one; what is wrong is printed.
    pub(super) fn composed(&self, args: &StacksArgs, ui: &mut Ui) -> Result<Composed, CommandError> {
        let cluster = args.cluster.as_deref();
        if let Some(stack) = args.one() {
            let loaded = self.load(&stack, ui)?;
            let (name, choice) = Choice::of(cluster, &loaded.environment)?;
            let desired = findings::checked(self, &loaded, &stack, &name, ui)?;
            return Ok(Composed { stacks: vec![(loaded, desired)], name, choice });
        }
        let all = self.load_all(args, ui)?;
        let environment = all.first().map(|loaded| &loaded.environment).ok_or_else(|| anyhow!("there is no stack"))?;
        let (name, choice) = Choice::of(cluster, environment)?;
        let desired = self.checked_all(&all, args, &name, ui)?;
        Ok(Composed { stacks: all.into_iter().zip(desired).collect(), name, choice })
    }

    /// Every stack that the environment admits, in the order in which they are brought up, or what is wrong with any.
    pub(super) fn read_all(&self, args: &StacksArgs) -> Result<Vec<Loaded>, LoadError> {
        let root = Root::open(self.root())?;
        root.load_environment(&args.env)?;
        let mut names: Vec<String> =
            root.pairs().into_iter().filter(|(_, env)| *env == args.env).map(|(stack, _)| stack).collect();
        let brought = self.program.map(|program| program.stack.stack.to_string());
        names.extend(brought.clone().filter(|brought| !names.contains(brought)));
        let (mut all, mut wrong): (Vec<Loaded>, Option<LoadError>) = (Vec::new(), None);
        for name in names {
            match self.read(&args.of(&name)) {
                Ok(loaded) => all.push(loaded),
                // The stack of a program is not asked before whether it may stand there.
                Err(error) if brought.as_ref() == Some(&name) && is_not_admitted(&error) => {}
                Err(error) => wrong = Some(error.and_all(wrong)),
            }
        }
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let stacks: Vec<&Stack> = all.iter().map(|loaded| &loaded.stack).collect();
        let order = order(&stacks);
        Ok(order.into_iter().filter_map(|at| all.get(at).cloned()).collect())
    }

    /// The same for a command that cannot go on without them: what is wrong is printed, and that there is none is.
    pub(super) fn load_all(&self, args: &StacksArgs, ui: &mut Ui) -> Result<Vec<Loaded>, CommandError> {
        let all = self.read_all(args).map_err(|error| findings::refused(&error, ui))?;
        if all.is_empty() {
            let error = anyhow!("the environment {} admits no stack of this root", args.env);
            return Err(CommandError::new(exit::ERROR, error).hint("add a stack to stacks/, or admit one"));
        }
        Ok(all)
    }

    /// What stacks compose to for a cluster, proven each by itself and together.
    pub(super) fn prove_all(
        &self,
        all: &[Loaded],
        args: &StacksArgs,
        cluster: &str,
    ) -> Result<Vec<Proven>, CommandError> {
        let instance = args.instance.as_deref();
        let composed = all.iter().map(|loaded| {
            let Some(program) = self.program_for(&args.of(loaded.stack.stack.as_str())) else {
                return match compose_with(loaded, cluster, instance, |_| Ok::<(), Infallible>(())) {
                    Ok(composed) => Ok(composed),
                    Err(never) => match never {},
                };
            };
            compose_with(loaded, cluster, instance, program.add).map_err(findings::not_added)
        });
        Ok(prove(all, composed.collect::<Result<_, _>>()?, &[]))
    }

    /// The same for a command that cannot go on where something is wrong: errors and warnings are printed.
    pub(super) fn checked_all(
        &self,
        all: &[Loaded],
        args: &StacksArgs,
        cluster: &str,
        ui: &mut Ui,
    ) -> Result<Vec<Desired>, CommandError> {
        let proven = self.prove_all(all, args, cluster)?;
        let (mut desired, mut refused) = (Vec::new(), None);
        for (loaded, proven) in all.iter().zip(proven) {
            if let Err(error) = findings::shown(loaded, proven.findings, ui) {
                refused.get_or_insert(error);
            }
            desired.extend(proven.desired);
        }
        match refused {
            Some(error) => Err(error),
            None if desired.len() == all.len() => Ok(desired),
            None => Err(CommandError::printed(exit::CHECK, Vec::new())),
        }
    }
}

/// Whether all that is wrong is that the environment does not admit the stack.
fn is_not_admitted(error: &LoadError) -> bool {
    error.findings.iter().all(|finding| finding.rule == rules::NOT_ADMITTED.id)
}
