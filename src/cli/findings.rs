//! Loading and checking for a command: what is wrong is printed in full, and only an exit code is left to say.

use strata_components::desired::Desired;
use strata_components::model::Environment;

use super::{CommandError, Context, Program, ProgramError, StackArgs, Ui};
use crate::check::{Proven, prove, prove_with, stops};
use crate::exit;
use crate::finding::{Finding, Level};
use crate::load::{LoadError, Loaded, Root, StackSource, YamlStack};
use crate::report;

impl Context<'_> {
    /// The stack and the environment that the arguments name, or what is wrong with them.
    pub(super) fn read(&self, args: &StackArgs) -> Result<Loaded, LoadError> {
        let yaml = YamlStack(args.stack.clone());
        let source: &dyn StackSource = match self.program_for(args) {
            Some(program) => program.stack,
            None => &yaml,
        };
        source.load(self.root(), &args.env)
    }

    /// The Rust program, if it is its stack that the arguments name.
    pub(super) fn program_for(&self, args: &StackArgs) -> Option<Program<'_>> {
        self.program.filter(|program| program.stack.stack.as_str() == args.stack)
    }

    /// What the stack composes to for a cluster, with what a Rust program adds, proven as far as it can be without one.
    pub(super) fn prove(&self, loaded: &Loaded, args: &StackArgs, cluster: &str) -> Result<Proven, CommandError> {
        let instance = args.instance.as_deref();
        let Some(program) = self.program_for(args) else { return Ok(prove(loaded, cluster, instance)) };
        prove_with(loaded, cluster, instance, program.add).map_err(not_added)
    }

    /// The same for a command that cannot go on without them: what is wrong is printed.
    pub(super) fn load(&self, args: &StackArgs, ui: &mut Ui) -> Result<Loaded, CommandError> {
        self.read(args).map_err(|error| refused(&error, ui))
    }

    /// An environment by itself.
    pub(super) fn environment(&self, env: &str, ui: &mut Ui) -> Result<Environment, CommandError> {
        let loaded = Root::open(self.root()).and_then(|root| root.load_environment(env));
        loaded.map_err(|error| refused(&error, ui))
    }
}

/// What is said where a Rust program could not add to what its stack composes to.
pub(super) fn not_added(error: ProgramError) -> CommandError {
    CommandError::from(anyhow::Error::from_boxed(error).context("the program could not add its own objects"))
}

/// Prints what is wrong with files; what is left to say.
pub(super) fn refused(error: &LoadError, ui: &mut Ui) -> CommandError {
    ui.warn(report::findings::terminal(&error.findings, &error.sources, ui.width()).trim_end());
    CommandError::printed(exit::ERROR, error.findings.clone())
}

/// What the stack composes to for a cluster, proven as far as it can be without one. Errors and warnings are
/// printed; what is only worth knowing is left to `strata check`.
pub(super) fn checked(
    context: &Context<'_>,
    loaded: &Loaded,
    args: &StackArgs,
    cluster: &str,
    ui: &mut Ui,
) -> Result<Desired, CommandError> {
    let Proven { desired, findings } = context.prove(loaded, args, cluster)?;
    shown(loaded, findings, ui)?;
    desired.ok_or_else(|| CommandError::printed(exit::CHECK, Vec::new()))
}

/// Prints findings but for notes; an error where there are any that stop a command.
pub(super) fn shown(loaded: &Loaded, mut findings: Vec<Finding>, ui: &mut Ui) -> Result<(), CommandError> {
    findings.retain(|finding| finding.level != Level::Note);
    if !findings.is_empty() {
        ui.warn(report::findings::terminal(&findings, &loaded.sources(), ui.width()).trim_end());
    }
    if stops(&findings) { Err(CommandError::printed(exit::CHECK, findings)) } else { Ok(()) }
}
