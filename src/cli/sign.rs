//! `strata sign`: a signature beside a saved plan.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::signed::{beside, text};
use super::{CommandError, CommandResult, Ui, saved};
use crate::exit;
use crate::signing::PrivateKey;

/// Sign a saved plan, for environments that carry out signed plans alone
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The signature stands in FILE.sig, in the format of OpenSSH: `ssh-keygen -Y sign -n strata.plan` makes \
    the same, also with a key that an agent holds."
)]
pub struct Args {
    /// A plan that `plan --save` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Private key, as `ssh-keygen -t ed25519` writes it without a passphrase; `-` reads it from standard input
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
}

/// Reads the plan and the key, writes the signature.
pub(super) fn run(args: &Args, ui: &mut Ui) -> CommandResult {
    let Args { file, key } = args;
    let plan = saved::read_with(file)?;
    let signature = private(key)?.sign(plan.1.bytes());
    let name = beside(file);
    saved::replace_text(&name, &signature)?;
    ui.status(&format!("{} signs the plan of {}", name.display(), plan.0.instance.name()));
    Ok(exit::OK)
}

fn private(file: &Path) -> Result<PrivateKey, CommandError> {
    let doing = || format!("reading the key {}", file.display());
    let read = if file == Path::new("-") { text(io::stdin().lock()) } else { File::open(file).and_then(text) };
    PrivateKey::of_text(&read.with_context(doing)?).map_err(|error| {
        CommandError::new(exit::ERROR, anyhow::Error::new(error).context(doing()))
            .hint("make one with `ssh-keygen -t ed25519 -N '' -f FILE`")
    })
}
