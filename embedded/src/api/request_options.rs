//! The options that a write's query carries, checked all at once: dry run, field validation, field manager, force.

use serde_json::json;

use super::path::{FieldValidation, Params};
use crate::decoding::quote;
use crate::failure::{Cause, Failure};

/// The longest name of a field manager, in bytes.
const LONGEST_MANAGER: usize = 128;

/// What a write was asked to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteOptions {
    /// Nothing is stored.
    pub(crate) dry_run: bool,
    /// What becomes of unknown fields.
    pub(crate) validation: FieldValidation,
    /// An apply takes over what others own.
    pub(crate) force: bool,
}

/// Reads the options of `kind` (`CreateOptions`, `UpdateOptions`, `PatchOptions`). `apply` is none for what is no patch.
///
/// Source: `k8s.io/apimachinery/pkg/apis/meta/v1/validation`.
pub(crate) fn read(params: &Params, kind: &str, apply: Option<bool>) -> Result<WriteOptions, Failure> {
    let mut causes = Vec::new();
    let force = params.text("force");
    match apply {
        Some(true) if params.text("fieldManager").is_empty() => {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
        Some(false) if params.has("force") => {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        _ => {}
    }
    causes.extend(manager_faults(params.text("fieldManager")));
    let dry_run = params.all("dryRun");
    causes.extend(dry_run_faults(dry_run));
    let validation = match params.text("fieldValidation") {
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        "" | "Warn" => FieldValidation::Warn,
        other => {
            causes.push(Cause::unsupported("fieldValidation", &json!(other), &["", "Ignore", "Strict", "Warn"]));
            FieldValidation::Warn
        }
    };
    if !causes.is_empty() {
        return Err(Failure::invalid("meta.k8s.io", kind, "", causes));
    }
    // Any value but these two counts as true.
    let force = params.has("force") && !force.eq_ignore_ascii_case("false") && force != "0";
    Ok(WriteOptions { dry_run: !dry_run.is_empty(), validation, force })
}

/// What is wrong with dry-run directives.
pub(crate) fn dry_run_faults<T: AsRef<str>>(directives: &[T]) -> Option<Cause> {
    let shown: Vec<&str> = directives.iter().map(AsRef::as_ref).collect();
    let fits = shown.iter().all(|directive| *directive == "All");
    (!fits).then(|| Cause::unsupported("dryRun", &json!(shown), &["All"]))
}

fn manager_faults(manager: &str) -> Option<Cause> {
    if manager.len() > LONGEST_MANAGER {
        return Some(Cause::too_long("fieldManager", LONGEST_MANAGER));
    }
    let (at, wrong) = manager.char_indices().find(|(_, c)| c.is_control())?;
    Some(Cause {
        reason: "FieldValueInvalid",
        message: format!(
            "Invalid value: {}: invalid character U+{:04X} (at position {at})",
            quote(manager),
            u32::from(wrong)
        ),
        field: "fieldManager".to_owned(),
    })
}
