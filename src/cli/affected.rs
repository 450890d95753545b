//! `strata affected`: which stacks and environments a change touches.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;

use super::{CommandError, CommandResult, Context, Ui};
use crate::affected::{Pair, State, compare, everything, states};
use crate::load::Root;
use crate::report::affected::{AffectedDocument, Since, matrix, terminal};
use crate::report::json_document;
use crate::repository::{Repository, RepositoryError};
use crate::{exit, report};

/// Say which stacks and environments a change touches, as a matrix for jobs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every stack is composed for every environment at both ends of the change, and what it comes to is \
    compared: a comment touches nothing. The other end is read from the repository's own files."
)]
pub struct Args {
    /// Commit, branch or tag that the files are compared with, such as main or HEAD~2
    #[arg(long, value_name = "REV", required_unless_present = "all")]
    since: Option<String>,
    /// Every stack in every environment that admits it, whatever has changed
    #[arg(long, conflicts_with = "since")]
    all: bool,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: AffectedFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AffectedFormat {
    /// For people
    Terminal,
    /// For programs
    Json,
    /// One line: a matrix of jobs, as a workflow takes it
    Matrix,
}

/// Reads the other end, composes both, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let root = Root::open(context.root()).map_err(|error| {
        ui.warn(report::findings::terminal(&error.findings, &error.sources, ui.width()).trim_end());
        CommandError::printed(exit::ERROR, error.findings)
    })?;
    let now = states(&root);
    let document = match &args.since {
        None => AffectedDocument::new(everything(&now), None),
        Some(since) => {
            let (commit, before) = before(&root, since)?;
            if now.is_empty() && before.is_empty() {
                let error = anyhow!("{} holds no stacks, neither now nor at {since}", root.dir().display());
                return Err(CommandError::new(exit::ERROR, error)
                    .hint("give the directory that holds stacks/ and environments/ with --root"));
            }
            let program = context.program.map(|program| program.stack.stack.to_string());
            let compared = Since { revision: since.clone(), commit };
            AffectedDocument::new(compare(&before, &now, program.as_deref()), Some(compared))
        }
    };
    ui.data(&match args.output {
        AffectedFormat::Terminal => terminal(&document),
        AffectedFormat::Json => json_document(&document),
        AffectedFormat::Matrix => matrix(&document),
    })?;
    Ok(exit::OK)
}

/// The commit that a revision means, and what the root came to there.
fn before(root: &Root, since: &str) -> Result<(String, BTreeMap<Pair, State>), CommandError> {
    let repository = Repository::open(root.dir()).map_err(refused)?;
    let commit = repository.commit(since).map_err(refused)?;
    let within = root.dir().strip_prefix(repository.dir()).unwrap_or(Path::new(""));
    let parts: Vec<_> = within.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let then = tempfile::tempdir().context("making a directory for the files of before")?;
    for directory in Root::DIRECTORIES {
        let place = then.path().join(directory);
        fs::create_dir(&place).with_context(|| format!("making the directory {}", place.display()))?;
        let inside = parts.iter().map(AsRef::as_ref).chain([directory]).collect::<Vec<_>>().join("/");
        for (name, bytes) in repository.files(&commit, &inside).map_err(refused)? {
            // The name of an entry is no path, whoever has made the tree.
            if Path::new(&name).file_name().is_none_or(|file| file != name.as_str()) {
                let error = anyhow!("{inside} of commit {commit} names a file {name:?}, which no directory can have");
                return Err(error.into());
            }
            fs::write(place.join(&name), bytes).with_context(|| format!("writing {inside}/{name} of before"))?;
        }
    }
    let before = Root::open(then.path()).map(|root| states(&root)).unwrap_or_default();
    Ok((commit.to_string(), before))
}

fn refused(error: RepositoryError) -> CommandError {
    let hint = match &error {
        RepositoryError::None(_) => "give the root of a checked out repository with --root",
        RepositoryError::Unknown(_) => "name a commit, a branch or a tag that is here: `git log` shows them",
        RepositoryError::Ambiguous(_) => "give more of its digits",
        RepositoryError::Missing(_) => {
            "a shallow or partial clone lacks it: fetch the commit and its files, as with `fetch-depth: 0`"
        }
        RepositoryError::Broken { .. } | RepositoryError::Io { .. } => "look at the repository with `git fsck`",
    };
    CommandError::from(error).hint(hint)
}
