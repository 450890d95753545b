//! What a plan says. It serialises as [`PLAN_FORMAT`], with a published JSON Schema ([`json_schema`]).

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strata_components::desired::{Instance, ResourceId};

use crate::observe::{Confirmation, FieldOwner, Readiness, Target, UnlistedKind};

/// The format that [`Plan`] serialises as.
pub const PLAN_FORMAT: &str = "strata.plan/v1";

/// What is to be done so that the cluster holds what the stack says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Always `strata.plan/v1`.
    pub format: String,
    /// What is deployed.
    pub instance: Instance,
    /// The cluster the plan was made for.
    pub target: Target,
    /// The name under which fields are owned on the cluster.
    pub field_manager: String,
    /// Digest of everything that was desired: the same inputs give the same digest.
    pub inputs: String,
    /// What the user allowed beyond the ordinary.
    pub policy: Policy,
    /// Phases in the order they are carried out: those that apply, then those that delete.
    pub phases: Vec<PlanPhase>,
    /// What belongs to the instance and left the stack, and is kept all the same.
    pub kept: Vec<Kept>,
    /// Kinds of which not every live object is known; while there are any, nothing is deleted.
    pub unlisted: Vec<UnlistedKind>,
    /// The namespaces the instance lives in, sorted.
    pub namespaces: Vec<String>,
    /// How many steps of each action there are.
    pub summary: Summary,
    /// Digest of the whole plan but this field.
    pub digest: String,
}

/// What the user allows beyond the ordinary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// Take fields that another manager holds.
    pub force_conflicts: bool,
    /// Make objects the instance's that exist and belong to nobody.
    pub adopt: bool,
    /// Objects that are deleted only when named, each as `Kind/name`.
    pub delete: Vec<String>,
    /// Delete because the instance is taken down, not because something left the stack.
    pub destroy: bool,
}

/// Whether the steps of a phase apply or delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Everything in it is applied, and ready before the next phase begins.
    Apply,
    /// Everything in it is deleted, and gone before the next phase begins.
    Delete,
}

/// Steps that are carried out together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanPhase {
    /// What its steps do.
    pub order: Order,
    /// The phase's number in the stack.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Its steps, by stage and then by address.
    pub steps: Vec<Step>,
}

/// One thing to do to one object, or the statement that nothing is to be done to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Which object.
    pub id: ResourceId,
    /// Its address, `stack/service/component`.
    pub address: String,
    /// The service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The tier of that service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// What is done.
    pub action: Action,
    /// Why, each reason with its old and new values.
    pub causes: Vec<Cause>,
    /// The UID of the live object the step was planned against; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The revision of that object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Where it comes within its phase; a stage begins when the one before it is acknowledged.
    pub stage: u32,
    /// The services whose readiness it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// How its readiness is judged; absent on a delete, which is done when the object is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    /// Whether fields that another manager holds are taken from it.
    #[serde(default)]
    pub force: bool,
    /// How sure it is that this is what will happen; absent on what cannot be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The digest of the manifest, as it will stand on the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// The manifest that is applied; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Value>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The object is created.
    Create,
    /// Fields of the object are changed.
    Update,
    /// An object that belonged to nobody becomes the instance's.
    Adopt,
    /// The object is deleted.
    Delete,
    /// Nothing is done: the object is as it should be.
    Unchanged,
    /// Something should be done and cannot be; while there is such a step, `up` changes nothing.
    Blocked,
}

/// Why a step does what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// The object does not exist.
    Absent,
    /// The stack says something else than what was applied last.
    Stack {
        /// The field.
        path: String,
        /// The live value; absent where the field is not there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Value>,
        /// What the stack says; absent where the field goes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Value>,
        /// Who set the live value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<FieldOwner>,
    },
    /// The stack is what was applied last; the live value was changed behind its back.
    Drift {
        /// The field.
        path: String,
        /// The live value; absent where the field was removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Value>,
        /// What the stack says; absent where it says nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Value>,
        /// Who set the live value, where the object says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<FieldOwner>,
    },
    /// No field changes its value, only what is recorded on the object of who applied what.
    Ownership,
    /// Another field manager holds a field that the stack sets.
    Conflict {
        /// The field.
        path: String,
        /// Who holds it.
        manager: String,
    },
    /// The object exists and belongs to no instance.
    NotOurs,
    /// The object exists and belongs to another instance.
    BelongsTo {
        /// The other instance, as far as the object says.
        instance: String,
    },
    /// The object is being deleted.
    Terminating,
    /// The cluster does not serve the kind.
    Unserved {
        /// What to do about it.
        remedy: String,
    },
    /// The server would not take it.
    Refused {
        /// What it says.
        reason: String,
    },
    /// The object is no longer in the stack.
    LeftStack,
    /// The instance is taken down.
    Destroy,
    /// Not every live object is known, so nothing is deleted.
    Unlisted,
}

/// An object that left the stack and is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Which object.
    pub id: ResourceId,
    /// Why, and how to delete it.
    pub reason: String,
}

/// How many steps of each action a plan has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Objects to create.
    pub create: usize,
    /// Objects to change.
    pub update: usize,
    /// Objects to adopt.
    pub adopt: usize,
    /// Objects to delete.
    pub delete: usize,
    /// Objects that are as they should be.
    pub unchanged: usize,
    /// Steps that cannot be carried out.
    pub blocked: usize,
}

impl Summary {
    /// Counts the steps of these phases.
    pub(super) fn of(phases: &[PlanPhase]) -> Self {
        let mut summary = Self::default();
        for step in phases.iter().flat_map(|phase| &phase.steps) {
            let count = match step.action {
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Adopt => &mut summary.adopt,
                Action::Delete => &mut summary.delete,
                Action::Unchanged => &mut summary.unchanged,
                Action::Blocked => &mut summary.blocked,
            };
            *count += 1;
        }
        summary
    }

    /// How many steps would change something, or should and cannot.
    #[must_use]
    pub fn changes(&self) -> usize {
        let Self { create, update, adopt, delete, unchanged: _, blocked } = *self;
        create + update + adopt + delete + blocked
    }
}

impl Plan {
    /// All steps, in the order they are carried out.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flat_map(|phase| &phase.steps)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.summary.changes() == 0
    }
}

/// The JSON Schema of a serialised [`Plan`].
#[must_use]
pub fn json_schema() -> Schema {
    schema_for!(Plan)
}
