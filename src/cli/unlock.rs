//! `strata unlock`: takes the lock away from a run that is gone.

use anyhow::anyhow;

use super::session::Session;
use super::{CommandError, CommandResult, Context, StackArgs, Ui};
use crate::exit;
use crate::provider::Unlock;
use crate::report::clean::clean;

/// Take the lock of an instance away from a run that is surely gone
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A lock is taken over by itself 15 seconds after the last sign of its holder, so this is for those who \
    cannot wait.\nShould the holder live after all, it notices within seconds and stops."
)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Who holds it, as `strata up` says when it finds the instance locked
    #[arg(value_name = "HOLDER")]
    holder: String,
}

/// Releases the lock if it is that run's.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    Session::run(context, &args.stack, ui, async |session, ui| {
        let instance = &session.desired().instance;
        match session.provider().unlock(instance, &args.holder).await? {
            Unlock::Released => {
                ui.status(&clean(&format!("{} is not locked by {} any more", instance.name(), args.holder)));
                Ok(exit::OK)
            }
            Unlock::Free => {
                let error = anyhow!("{} is not locked by anyone, so there was nothing to do", instance.name());
                Err(CommandError::new(exit::ERROR, error))
            }
            Unlock::Other { holder, renewed } => {
                let (name, asked) = (instance.name(), &args.holder);
                let error = anyhow!("{name} is locked by {holder}, last heard of at {renewed}, and not by {asked}");
                Err(CommandError::new(exit::ERROR, error).hint("name that run only if it is surely gone"))
            }
        }
    })
}
