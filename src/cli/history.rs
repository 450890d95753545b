//! `strata history`: what was done to an instance, run by run.
//!
//! Neither the stack's file nor what it says is needed: what was destroyed, or has left the root, has a history too.

use std::fmt::Display;

use anyhow::anyhow;
use strata_components::desired::Instance;
use strata_components::model::{PlanPolicy, StackName};

use super::format::Format;
use super::session::connected;
use super::{CommandError, CommandResult, Context, StackArgs, Ui};
use crate::cluster::Cluster;
use crate::cluster::connect::Choice;
use crate::exit;
use crate::history::Record;
use crate::provider::Provider;
use crate::report::plan::Detail;
use crate::report::{self, json_document};

/// Show what was done to an instance, run by run
#[derive(Debug, clap::Args)]
#[command(after_help = "Records stand in the cluster, in the control namespace, and outlive a destroy.")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// One revision, with what it changed and how it ended; all of them where none is named
    #[arg(value_name = "REV")]
    revision: Option<u64>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Reads and prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let text = read(context, &args.stack, ui, async |books, ui| {
        Ok(match args.revision {
            None => {
                let entries = books.cluster.records(&books.instance).await?;
                match args.output {
                    Format::Terminal => report::history::terminal(&books.instance, &entries),
                    Format::Json => json_document(&report::history::list(&books.instance, &entries)),
                }
            }
            Some(revision) => {
                let record = books.record(revision).await?;
                match args.output {
                    Format::Terminal => report::history::one(&record, &ui.view(Detail::default())),
                    Format::Json => json_document(&record),
                }
            }
        })
    })?;
    ui.data(&text)?;
    Ok(exit::OK)
}

/// The history of an instance.
pub(super) struct Books {
    pub(super) instance: Instance,
    pub(super) cluster: Cluster,
    /// What the environment, or the command line, calls the cluster.
    pub(super) target: String,
    /// How many records are kept.
    pub(super) keep: usize,
    /// Which plans are carried out here.
    pub(super) plans: Option<PlanPolicy>,
}

impl Books {
    /// One record; an error where there is none.
    pub(super) async fn record(&self, revision: u64) -> Result<Record, CommandError> {
        let found = self.cluster.record(&self.instance, revision).await?;
        found.ok_or_else(|| self.missing(&format!("revision {revision}")))
    }

    /// That something is not there.
    pub(super) fn missing(&self, what: &impl Display) -> CommandError {
        let error = anyhow!("there is no {what} of {} on cluster {}", self.instance.name(), self.target);
        CommandError::new(exit::ERROR, error).hint("see with `strata history` what there is")
    }
}

/// Reaches the cluster and does `work` with the history that is there.
pub(super) fn read<T>(
    context: &Context<'_>,
    args: &StackArgs,
    ui: &mut Ui,
    work: impl AsyncFnOnce(Books, &mut Ui) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let environment = context.environment(&args.env, ui)?;
    let stack = match StackName::new(args.stack.as_str()) {
        Ok(name) => name,
        // A path leads to a file, which says its stack's name.
        Err(_) => context.load(args, ui)?.stack.stack,
    };
    let (stack, suffix) = (stack.to_string(), args.instance.clone());
    let instance = Instance { stack, environment: environment.environment.to_string(), suffix };
    let (target, choice) = Choice::of(args.cluster.as_deref(), &environment)?;
    connected(context, &environment, (target.clone(), choice), async |cluster| {
        let (keep, plans) = (environment.history.get().into(), environment.plans.clone());
        work(Books { instance, cluster, target, keep, plans }, ui).await
    })
}
