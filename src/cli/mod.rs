//! The command line: one file a command, each an `Args` struct whose doc comments are the help text, and one
//! thin function. Only this room reads arguments and the environment, and only this room prints.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};
use strata_components::desired::Desired;
use strata_components::model::Stack;

use crate::exit;

pub mod affected;
mod begin;
pub mod check;
pub mod cluster;
pub mod completions;
mod detail;
pub mod diff;
pub mod error;
mod events;
pub mod examples;
mod findings;
mod format;
mod gitops;
pub mod graph;
pub mod history;
pub mod init;
mod interrupt;
mod look;
mod names;
pub mod outputs;
pub mod plan;
mod progress;
pub mod rbac;
pub mod reach;
pub mod render;
pub mod rollback;
mod saved;
pub mod schema;
mod session;
pub mod show;
pub mod sign;
mod signed;
mod stacks;
pub mod status;
pub mod ui;
pub mod unlock;
pub mod up;

pub use error::{CommandError, CommandResult};
pub use ui::Ui;

/// Infrastructure as code for fleets of MCP servers on GPU Kubernetes clusters
#[derive(Debug, Args)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

impl CommandFactory for Cli {
    fn command() -> clap::Command {
        let command = clap::Command::new("strata").version(env!("CARGO_PKG_VERSION")).max_term_width(100);
        examples::shown(Self::augment_args(command).arg_required_else_help(true), "")
    }

    fn command_for_update() -> clap::Command {
        Self::command()
    }
}

impl Parser for Cli {}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Directory that holds stacks/ and environments/
    #[arg(long, global = true, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub root: PathBuf,
    /// Show each request that goes to the cluster, never what it holds; -vv also whom watches have news of
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Show only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Which stack, where.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    /// Name of a stack in stacks/, or a path to a stack file
    #[arg(value_name = "STACK")]
    pub stack: String,
    /// Name of an environment in environments/
    #[arg(short, long = "env", value_name = "ENV")]
    pub env: String,
    /// Deploy under a name of its own beside other instances of the stack, such as a pull request
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Cluster to use instead of the environment's default: embedded, context:NAME or kubeconfig:FILE
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Check(check::Args),
    Render(render::Args),
    Plan(plan::Args),
    Show(show::Args),
    Sign(sign::Args),
    Up(up::UpArgs),
    Destroy(up::DestroyArgs),
    Status(status::Args),
    History(history::Args),
    Unlock(unlock::Args),
    Diff(diff::Args),
    Rollback(rollback::Args),
    Graph(graph::Args),
    Reach(reach::Args),
    Outputs(outputs::Args),
    Schema(schema::Args),
    Affected(affected::Args),
    Rbac(rbac::Args),
    Cluster(cluster::Args),
    Completions(completions::Args),
}

/// What goes wrong in a Rust program that adds objects to its stack.
pub type ProgramError = Box<dyn std::error::Error + Send + Sync>;

/// What a Rust program brings.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// Its stack.
    pub stack: &'a Stack,
    /// What adds objects of its own to what the stack composes to.
    pub add: &'a dyn Fn(&mut Desired) -> Result<(), ProgramError>,
}

/// What a command runs in: the arguments of every command, and what a Rust program brought.
struct Context<'a> {
    global: &'a GlobalArgs,
    program: Option<Program<'a>>,
}

impl Context<'_> {
    /// The directory with stacks/ and environments/.
    fn root(&self) -> &Path {
        &self.global.root
    }
}

/// Runs with the arguments of this process; `program` is as for [`run`].
#[must_use]
pub fn program(program: Option<Program<'_>>) -> ExitCode {
    run(std::env::args_os(), program).into()
}

/// Runs the program with these arguments (the first is the program's own name) and returns its exit code.
///
/// `program` is what a Rust program brings: the name of its stack then means that, and any other name a file of the root.
pub fn run(arguments: impl IntoIterator<Item = OsString>, program: Option<Program<'_>>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(code) = completions::answer(&arguments, program) {
        return code;
    }
    if arguments.len() < 2 {
        Ui::new(false).warn(begin::text(Path::new(".")).trim_end());
        return exit::ERROR;
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return error::usage(&error, || completions::names(&arguments, program)),
    };
    let mut ui = Ui::new(cli.global.quiet);
    ui.trace(cli.global.verbose);
    let context = Context { global: &cli.global, program };
    let result = match &cli.command {
        Command::Init(args) => init::run(args, &context, &mut ui),
        Command::Check(args) => check::run(args, &context, &mut ui),
        Command::Render(args) => render::run(args, &context, &mut ui),
        Command::Plan(args) => plan::run(args, &context, &mut ui),
        Command::Show(args) => show::run(args, &mut ui),
        Command::Sign(args) => sign::run(args, &mut ui),
        Command::Up(args) => up::up(args, &context, &mut ui),
        Command::Destroy(args) => up::destroy(args, &context, &mut ui),
        Command::Status(args) => status::run(args, &context, &mut ui),
        Command::History(args) => history::run(args, &context, &mut ui),
        Command::Unlock(args) => unlock::run(args, &context, &mut ui),
        Command::Diff(args) => diff::run(args, &context, &mut ui),
        Command::Rollback(args) => rollback::run(args, &context, &mut ui),
        Command::Graph(args) => graph::run(args, &context, &mut ui),
        Command::Reach(args) => reach::run(args, &context, &mut ui),
        Command::Outputs(args) => outputs::run(args, &context, &mut ui),
        Command::Schema(args) => schema::run(args, &mut ui),
        Command::Affected(args) => affected::run(args, &context, &mut ui),
        Command::Rbac(args) => rbac::run(args, &context, &mut ui),
        Command::Cluster(args) => cluster::run(args, &context, &mut ui),
        Command::Completions(args) => completions::run(args, &mut ui),
    };
    match result {
        Ok(code) => code,
        Err(error) => ui.fail(&error),
    }
}
