//! Signatures beside saved plans, asked for where the environment demands one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use strata_components::model::PlanPolicy;

use super::{CommandError, Ui};
use crate::exit;
use crate::signing::{self, ENDING, fingerprint, signer};

/// A saved plan as it was read, and what was beside it: what its signature is held against.
pub(super) struct Evidence {
    file: PathBuf,
    bytes: Vec<u8>,
    signature: Option<String>,
}

impl Evidence {
    /// Of a file with these bytes. The signature is read now, if there is one.
    pub(super) fn of(file: &Path, bytes: Vec<u8>) -> Result<Self, CommandError> {
        let beside = beside(file);
        let signature = match File::open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => {
                let doing = || format!("reading the signature {}", beside.display());
                Some(text(opened.with_context(doing)?).with_context(doing)?)
            }
        };
        Ok(Self { file: file.to_owned(), bytes, signature })
    }

    /// The bytes of the plan's file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The file that holds a plan's signature.
pub(super) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ENDING);
    PathBuf::from(name)
}

/// A short text: a signature or a key.
pub(super) fn text(from: impl Read) -> Result<String, io::Error> {
    let mut text = String::new();
    from.take(signing::MAX_BYTES as u64).read_to_string(&mut text)?;
    Ok(text)
}

/// An error where the environment asks for a signed plan, and this is none, or none at all.
pub(super) fn admit(
    policy: Option<&PlanPolicy>,
    environment: &str,
    evidence: Option<&Evidence>,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let Some(policy) = policy else { return Ok(()) };
    let refused = |error: anyhow::Error, hint: &str| Err(CommandError::new(exit::ERROR, error).hint(hint));
    let Some(Evidence { file, bytes, signature }) = evidence else {
        let error = anyhow!("the environment {environment} carries out signed plans alone, so nothing was changed");
        return refused(
            error,
            "save a plan, sign it with `strata sign`, and carry it out with `strata up --plan FILE`",
        );
    };
    let file = file.display();
    let Some(signature) = signature else {
        let error =
            anyhow!("the environment {environment} carries out signed plans alone, and {file}.{ENDING} is not there");
        return refused(error, "once it was looked at, sign it with `strata sign FILE --key KEY`");
    };
    match signer(bytes, signature, &policy.signed_by) {
        Ok(key) => {
            ui.status(&format!("{file} is signed by {}", fingerprint(key)));
            Ok(())
        }
        Err(error) => {
            let error = anyhow::Error::new(error).context(format!("the signature {file}.{ENDING} is not accepted"));
            refused(error, "nothing was changed; have the plan signed with a key that the environment file names")
        }
    }
}
