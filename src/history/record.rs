//! What a record says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strata_components::desired::{Desired, Instance, Resource, ResourceId};
use strata_components::model::{HistoryLength, Stack};

use crate::observe::{FieldChange, HIDDEN, Target};
use crate::plan::{Action, Cause, Plan, Step, Summary};

/// The format that a [`Head`] and what belongs to it serialise as.
pub const HISTORY_FORMAT: &str = "strata.history/v1";

/// Which command a run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// `up`.
    Up,
    /// `destroy`.
    Destroy,
    /// `rollback`.
    Rollback,
}

/// The commit that the files of a run were checked out from. They may have been edited since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its id, in hexadecimal digits.
    pub id: String,
    /// The branch that was checked out; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// What only the one who starts a run can say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The command.
    pub command: Command,
    /// The revision that a rollback goes back to.
    pub back_to: Option<u64>,
    /// The commit of the files.
    pub commit: Option<Commit>,
    /// What the plan leads to.
    pub desired: Desired,
    /// The stack that this was composed from, so that it can be proven again; absent where it was composed from none.
    pub stack: Option<Stack>,
    /// How many records are kept, at least one.
    pub keep: usize,
}

impl Draft {
    /// A draft with nothing to say of a commit, and the usual number of records kept.
    #[must_use]
    pub fn new(command: Command, desired: Desired) -> Self {
        Self { command, back_to: None, commit: None, desired, stack: None, keep: HistoryLength::default().get().into() }
    }
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on, or it was killed: nobody wrote down how it ended.
    Unfinished,
    /// Everything was done.
    Done,
    /// Something failed.
    Failed,
    /// It was interrupted.
    Interrupted,
}

/// The head of a record: what a list of all records shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Always `strata.history/v1`.
    pub format: String,
    /// Its number, from 1; each record of an instance has a higher one than those before it.
    pub revision: u64,
    /// What was deployed.
    pub instance: Instance,
    /// Where.
    pub target: Target,
    /// The command.
    pub command: Command,
    /// The revision that a rollback went back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<u64>,
    /// The services that the run was about; every service, when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Who, as the provider knows them.
    pub by: String,
    /// The program, `strata 0.1.0`.
    pub program: String,
    /// When it began, RFC 3339 in UTC.
    pub begun: String,
    /// When it ended, likewise; absent while nobody wrote that down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The commit of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Digest of what was desired.
    pub inputs: String,
    /// Digest of the plan.
    pub plan: String,
    /// What the plan counts.
    pub summary: Summary,
    /// How far it came.
    pub state: State,
    /// Steps that were done, and objects that were found as they should be.
    #[serde(default)]
    pub done: usize,
    /// Steps that failed.
    #[serde(default)]
    pub failed: usize,
    /// Steps that were not tried.
    #[serde(default)]
    pub not_tried: usize,
}

/// What a record holds beside its head from the beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// What the plan changes, in its order.
    pub changes: Vec<Change>,
    /// What it leads to, without what Secrets hold.
    pub desired: Desired,
    /// The stack that this was composed from, without the variables of its services: they may hold what is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<Box<Stack>>,
}

/// One object that a plan changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// To which object.
    pub id: ResourceId,
    /// Fields that change, with their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// How far it came.
    pub state: State,
    /// How many steps were done, and objects found as they should be.
    pub done: usize,
    /// What failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<NotDone>,
    /// What was not tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_tried: Vec<NotDone>,
    /// Why it could not go on at all, where it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
}

/// A step that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDone {
    /// What should have been done.
    pub action: Action,
    /// To which object.
    pub id: ResourceId,
    /// Why it was not.
    pub reason: String,
}

/// A whole record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// What a list shows of it.
    pub head: Head,
    /// What it was to do.
    pub made: Made,
    /// How it ended; absent where nobody wrote that down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
}

/// One record as it stands in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It can be read.
    Known(Box<Head>),
    /// It cannot.
    Unreadable {
        /// Its number.
        revision: u64,
        /// Why not.
        why: String,
    },
}

impl Entry {
    /// The number of the record.
    #[must_use]
    pub fn revision(&self) -> u64 {
        match self {
            Self::Known(head) => head.revision,
            Self::Unreadable { revision, .. } => *revision,
        }
    }

    /// Its head, where that can be read.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        match self {
            Self::Known(head) => Some(head),
            Self::Unreadable { .. } => None,
        }
    }
}

impl Head {
    /// The head of a run that begins. Its number is 0 until it is given one.
    #[must_use]
    pub fn begin(plan: &Plan, draft: &Draft, by: String, begun: String) -> Self {
        Self {
            format: HISTORY_FORMAT.to_owned(),
            revision: 0,
            instance: plan.instance.clone(),
            target: plan.target.clone(),
            command: draft.command,
            back_to: draft.back_to,
            targets: plan.policy.targets.clone(),
            by,
            program: concat!("strata ", env!("CARGO_PKG_VERSION")).to_owned(),
            begun,
            ended: None,
            commit: draft.commit.clone(),
            inputs: plan.inputs.clone(),
            plan: plan.digest.clone(),
            summary: plan.summary,
            state: State::Unfinished,
            done: 0,
            failed: 0,
            not_tried: 0,
        }
    }

    /// The same head once the run has ended.
    #[must_use]
    pub fn end(&self, ending: &Ending, ended: String) -> Self {
        Self {
            ended: Some(ended),
            state: ending.state,
            done: ending.done,
            failed: ending.failed.len(),
            not_tried: ending.not_tried.len(),
            ..self.clone()
        }
    }

    /// Reads the head of a record with this number.
    #[must_use]
    pub fn read(revision: u64, text: &str) -> Entry {
        /// What every version of the format says of itself.
        #[derive(Deserialize)]
        struct Format {
            format: String,
            #[serde(default)]
            program: String,
        }
        let unreadable = |why: String| Entry::Unreadable { revision, why };
        match serde_json::from_str::<Format>(text) {
            Err(_) => return unreadable("its head was altered".to_owned()),
            Ok(Format { format, program }) if format != HISTORY_FORMAT => {
                let by = if program.is_empty() { "another program" } else { &program };
                return unreadable(format!("{by} wrote it as {format}, and this program reads {HISTORY_FORMAT}"));
            }
            Ok(_) => {}
        }
        match serde_json::from_str::<Self>(text) {
            Ok(head) if head.revision == revision => Entry::Known(Box::new(head)),
            Ok(_) | Err(_) => unreadable("its head was altered".to_owned()),
        }
    }
}

impl Made {
    /// What a plan changes and leads to.
    #[must_use]
    pub fn of(plan: &Plan, draft: &Draft) -> Self {
        let changes = plan.steps().filter(|step| step.action != Action::Unchanged).map(Change::of).collect();
        let stack = draft.stack.clone().map(without_variables).map(Box::new);
        Self { changes, desired: redacted(&draft.desired), stack }
    }
}

/// The stack without the variables of its services.
pub(super) fn without_variables(mut stack: Stack) -> Stack {
    stack.services.values_mut().for_each(|service| service.env.clear());
    stack
}

impl Change {
    fn of(step: &Step) -> Self {
        let secret = step.id.kind.kind == "Secret";
        let shown =
            |value: &Option<Value>| value.as_ref().map(|value| if secret { HIDDEN.into() } else { value.clone() });
        let field = |cause: &Cause| match cause {
            Cause::Stack { path, before, after, .. } | Cause::Drift { path, before, after, .. } => {
                Some(FieldChange { path: path.clone(), before: shown(before), after: shown(after), owner: None })
            }
            _ => None,
        };
        Self { action: step.action, id: step.id.clone(), fields: step.causes.iter().filter_map(field).collect() }
    }
}

/// What is desired, without what Secrets hold. Where that was withheld before, what stands in its place stays.
///
/// ```
/// # use serde_json::json;
/// # use strata::components::desired::Desired;
/// # let secret = json!({"kind": "Secret", "metadata": {"name": "a"}, "type": "Opaque", "data": {"key": "dmFsdWU="}});
/// # let desired: Desired = serde_json::from_value(json!({
/// #     "instance": {"stack": "shop", "environment": "local"}, "namespaces": [], "phases": [],
/// #     "claims": {"ports": [], "edges": [], "compute": []},
/// #     "resources": [{
/// #         "id": {"provider": "kubernetes", "target": "here", "group": "", "version": "v1", "kind": "Secret", "name": "a"},
/// #         "address": "shop/a/secret", "phase": 0, "manifest": secret, "meanwhile": secret,
/// #     }],
/// # })).unwrap();
/// let kept = strata::history::redacted(&desired);
/// let manifest = &kept.resources[0].manifest;
/// assert_eq!(manifest, &json!({"kind": "Secret", "metadata": {"name": "a"}, "type": "Opaque"}));
/// assert_eq!(kept.resources[0].meanwhile.as_ref(), Some(manifest));
/// ```
#[must_use]
pub fn redacted(desired: &Desired) -> Desired {
    let is_open = |value: &Value| value.as_object().is_some_and(|held| held.values().all(|one| one == HIDDEN));
    let mut kept = desired.clone();
    for resource in kept.resources.iter_mut().filter(|resource| is_secret(resource)) {
        for manifest in std::iter::once(&mut resource.manifest).chain(&mut resource.meanwhile) {
            if let Some(object) = manifest.as_object_mut() {
                object.retain(|key, value| !matches!(key.as_str(), "data" | "stringData") || is_open(value));
            }
        }
    }
    kept
}

/// Whether a resource is a Secret.
pub(super) fn is_secret(resource: &Resource) -> bool {
    let mut manifests = std::iter::once(&resource.manifest).chain(&resource.meanwhile);
    resource.id.kind.kind == "Secret" || manifests.any(|manifest| manifest["kind"] == "Secret")
}
