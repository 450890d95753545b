//! A plan as a file: what `plan --save` writes and `up --plan` takes.
//!
//! The file is JSON that a person can read. Its last member is the digest of every byte before it, and the whole must be
//! exactly what this program would write for what it reads there: no altered bit, no member that is passed over and no
//! key that stands twice gets through. Whether the plan still fits the cluster is not said here but in
//! [`stale`](super::stale); files are read and written by the command line.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::planner::sha256;
use super::types::{PLAN_FORMAT, Plan, Step};
use crate::secrets::Secrets;

/// The format of a saved plan.
pub const SAVED_FORMAT: &str = "strata.saved-plan";
/// The version of that format which this program writes, and the only one that it reads.
pub const SAVED_VERSION: u64 = 1;
/// The largest file, in bytes, that is taken for a saved plan: ten times what ten thousand new objects come to.
pub const MAX_BYTES: usize = 512 << 20;

/// How every saved plan of every version begins.
const HEAD: &str = "{\n  \"format\": \"strata.saved-plan\",\n";
/// What stands between the plan and its digest, and after that.
const BEFORE_DIGEST: &str = ",\n  \"digest\": \"";
const AFTER_DIGEST: &str = "\"\n}\n";
/// `sha256:` and 64 digits.
const DIGEST_LENGTH: usize = 71;

/// A plan that was saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Always [`SAVED_FORMAT`].
    format: String,
    /// The version of the format.
    version: u64,
    /// The program that wrote it, `strata 0.1.0`.
    written_by: String,
    /// The plan.
    pub plan: Plan,
}

/// What every version of the format says of itself.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
    #[serde(default)]
    written_by: String,
}

/// Why a file is not taken for a saved plan.
#[derive(Debug, Error)]
pub enum SavedPlanError {
    /// It is larger than any plan.
    #[error("it is larger than the {} MiB that a saved plan may have", MAX_BYTES >> 20)]
    TooLarge,
    /// It holds bytes that are no text.
    #[error("it is not text (UTF-8)")]
    NotText(#[source] std::str::Utf8Error),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is something else.
    #[error("it is not a saved plan")]
    Foreign,
    /// It is what `plan -o json` prints.
    #[error("it is a plan as `plan -o json` prints it, and not a saved one")]
    Printed,
    /// Its end is missing.
    #[error("it ends before its digest: it was cut off or altered")]
    CutOff,
    /// It is not what was written.
    #[error("its digest is not that of its text: it was altered")]
    Altered,
    /// A later program wrote it.
    #[error("its format has version {version}, and this program reads version {SAVED_VERSION}; it was written by {by}")]
    Newer {
        /// The version of its format.
        version: u64,
        /// The program that wrote it.
        by: String,
    },
    /// An earlier program wrote it, in a form that is no longer read.
    #[error("its format has version {0}, which is no longer read")]
    Older(u64),
    /// Its text is no plan, although its digest is right.
    #[error("it holds no plan")]
    Malformed(#[source] serde_json::Error),
    /// The plan within is of another format.
    #[error("the plan in it has the format {0}, and this program reads {PLAN_FORMAT}")]
    PlanFormat(String),
    /// The plan applies an object whose values are secret and were not withheld, and a file would hold them.
    #[error("it would hold what is secret: {0}")]
    Secret(String),
    /// It says something in another way than this program would, which could hide what it says.
    #[error("it is not written as this program writes it, although its digest is right")]
    Unusual,
}

impl SavedPlan {
    /// A plan as this program saves it.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let written_by = concat!("strata ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { format: SAVED_FORMAT.to_owned(), version: SAVED_VERSION, written_by, plan }
    }

    /// The text of the file. The same plan gives the same bytes.
    ///
    /// # Errors
    ///
    /// Where what is secret was not withheld from the plan, because it does not belong into a file; and where the text would not be
    /// read back as this plan: it is too large, too deep, or holds a number that JSON does not keep.
    pub fn to_text(&self) -> Result<String, SavedPlanError> {
        let secrets = Secrets::default();
        let exposed = |step: &Step| Some((step.id.to_string(), secrets.exposed(step.manifest.as_ref()?)?));
        if let Some((object, path)) = self.plan.steps().find_map(exposed) {
            return Err(SavedPlanError::Secret(format!("{object} at {path}")));
        }
        let text = self.text().map_err(SavedPlanError::Malformed)?;
        let back = Self::from_bytes(text.as_bytes())?;
        if back == *self { Ok(text) } else { Err(SavedPlanError::Unusual) }
    }

    /// The plan in a file's bytes.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the file, beginning with what is plainest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SavedPlanError> {
        if bytes.len() > MAX_BYTES {
            return Err(SavedPlanError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(SavedPlanError::NotText)?;
        sealed(text)?;
        let header: Header = serde_json::from_str(text).map_err(SavedPlanError::Malformed)?;
        if header.format != SAVED_FORMAT {
            return Err(SavedPlanError::Foreign);
        }
        if header.version > SAVED_VERSION {
            return Err(SavedPlanError::Newer { version: header.version, by: header.written_by });
        }
        if header.version < SAVED_VERSION {
            return Err(SavedPlanError::Older(header.version));
        }
        let saved: Self = serde_json::from_str(text).map_err(SavedPlanError::Malformed)?;
        if saved.plan.format != PLAN_FORMAT {
            return Err(SavedPlanError::PlanFormat(saved.plan.format));
        }
        if saved.text().map_err(SavedPlanError::Malformed)? != text {
            return Err(SavedPlanError::Unusual);
        }
        Ok(saved)
    }

    fn text(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.truncate(text.len().saturating_sub("\n}".len()));
        let digest = sha256(text.as_bytes());
        Ok(text + BEFORE_DIGEST + &digest + AFTER_DIGEST)
    }
}

/// Whether a text is a saved plan of whatever version, as it was written.
fn sealed(text: &str) -> Result<(), SavedPlanError> {
    if !text.starts_with(HEAD) {
        return Err(match text {
            "" => SavedPlanError::Empty,
            _ if HEAD.starts_with(text) => SavedPlanError::CutOff,
            _ if is_printed(text) => SavedPlanError::Printed,
            _ => SavedPlanError::Foreign,
        });
    }
    let tail = BEFORE_DIGEST.len() + DIGEST_LENGTH + AFTER_DIGEST.len();
    let at = text.len().checked_sub(tail).ok_or(SavedPlanError::CutOff)?;
    let (body, tail) = text.split_at_checked(at).ok_or(SavedPlanError::CutOff)?;
    let told = tail.strip_prefix(BEFORE_DIGEST).and_then(|tail| tail.strip_suffix(AFTER_DIGEST));
    match told {
        None => Err(SavedPlanError::CutOff),
        Some(told) if told != sha256(body.as_bytes()) => Err(SavedPlanError::Altered),
        Some(_) => Ok(()),
    }
}

/// Whether a text is a plan as `plan -o json` prints it.
fn is_printed(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    serde_json::from_str::<Format>(text).is_ok_and(|one| one.format.starts_with("strata.plan/"))
}

#[cfg(test)]
mod tests;
