//! `strata init`: a directory to begin with.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use strata_components::model::{EnvironmentName, StackName};

use super::{CommandError, CommandResult, Context, Ui};
use crate::check::prove;
use crate::exit;
use crate::init::{self, InitError, Names};
use crate::load::Root;

/// Make a directory with a first stack and environment, which work on a cluster inside this program
#[derive(Debug, clap::Args)]
#[command(
    after_help = "DIR may exist, such as a repository that was just cloned. Nothing in it is overwritten: either all files are \
    written, or none."
)]
pub struct Args {
    /// The directory, which becomes the root
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Name of the stack, unless it is to be called like the directory
    #[arg(long, value_name = "NAME")]
    stack: Option<StackName>,
    /// Name of the environment
    #[arg(short, long = "env", value_name = "ENV", default_value = "development")]
    env: EnvironmentName,
}

/// Writes, and takes it back where it does not hold together.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    if context.root() != Path::new(".") {
        let error = anyhow!("a new root is the directory that is named, and --root names another");
        return Err(CommandError::new(exit::ERROR, error).hint("give one directory, without --root"));
    }
    let stack = match &args.stack {
        Some(name) => name.clone(),
        None => init::stack_name(&args.dir).map_err(hinted)?,
    };
    let names = Names { stack, environment: args.env.clone() };
    let files = init::files(&names).map_err(hinted)?;
    let begun = init::write(&args.dir, &files).map_err(hinted)?;
    if let Err(error) = sound(&args.dir, &names) {
        begun.undo();
        return Err(error);
    }
    let paths: Vec<String> = files.iter().map(|file| format!("{}\n", args.dir.join(&file.path).display())).collect();
    ui.data(&paths.concat())?;
    let Names { stack, environment } = &names;
    ui.status(&format!("{}: the stack {stack} and the environment {environment}", args.dir.display()));
    let enter = if args.dir == Path::new(".") { String::new() } else { format!("cd {} && ", quoted(&args.dir)) };
    ui.status(&format!("next: {enter}strata up {stack} -e {environment}"));
    Ok(exit::OK)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Says what to do about an error.
fn hinted(error: InitError) -> CommandError {
    let hint = match &error {
        InitError::Nameless { .. } | InitError::Taken(_) => "name the stack with --stack",
        InitError::InTheWay { .. } => "name another directory, or move them away",
        InitError::Io { .. } => return error.into(),
    };
    CommandError::new(exit::ERROR, error).hint(hint)
}

/// That what was written can be read, and that nothing is found in it.
fn sound(dir: &Path, names: &Names) -> Result<(), CommandError> {
    let loaded = Root::open(dir).and_then(|root| root.load(names.stack.as_str(), names.environment.as_str()));
    let findings = match loaded {
        Ok(loaded) => prove(&loaded, "local", None).findings,
        Err(error) => error.findings,
    };
    match findings.into_iter().next() {
        None => Ok(()),
        Some(finding) => {
            let error = anyhow!(finding.message).context("these names do not go together");
            Err(CommandError::new(exit::ERROR, error).hint("give others with --stack and --env"))
        }
    }
}
