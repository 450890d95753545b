//! What a plan says. It serialises as [`PLAN_FORMAT`], with a published JSON Schema ([`json_schema`]).

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strata_components::desired::{Instance, ResourceId};
use strata_components::model::Duration;

use super::needs::PlannedNeed;
use super::overview::Overview;
use super::policy::Policy;
use super::previews::Previews;
use crate::finding::Finding;
use crate::observe::{Confirmation, FieldChange, FieldOwner, Readiness, ReplaceOrder, Target, UnlistedKind};

/// The format that [`Plan`] serialises as.
pub const PLAN_FORMAT: &str = "strata.plan/v2";

/// What is to be done so that the cluster holds what the stack says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Always `strata.plan/v2`.
    pub format: String,
    /// What is deployed.
    pub instance: Instance,
    /// The cluster the plan was made for.
    pub target: Target,
    /// The name under which fields are owned on the cluster.
    pub field_manager: String,
    /// Digest of everything that was desired: the same inputs give the same digest.
    pub inputs: String,
    /// What was allowed beyond the ordinary.
    pub policy: Policy,
    /// Phases in the order they are carried out: those that apply, those that delete, then one with what had to
    /// wait until something is gone.
    pub phases: Vec<PlanPhase>,
    /// What belongs to the instance and left the stack, and is kept all the same.
    pub kept: Vec<Kept>,
    /// What the choice of targets leaves out, sorted; nothing where no target was named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Kinds of which not every live object is known; while there are any, nothing is deleted.
    pub unlisted: Vec<UnlistedKind>,
    /// The namespaces the instance lives in, sorted.
    pub namespaces: Vec<String>,
    /// How sure what is planned for the desired objects is.
    pub previews: Previews,
    /// How many steps of each action there are.
    pub summary: Summary,
    /// The fleet as a whole, for those who read the plan; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overview: Option<Overview>,
    /// What the user's own policies have to say of the plan, errors first; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Digest of the whole plan but this field.
    pub digest: String,
}

/// Whether the steps of a phase apply or delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Everything in it is applied, and ready before the next phase begins.
    Apply,
    /// New colours of services are held: they have the traffic, and have to stay ready for a while. It begins only when
    /// nothing has failed.
    Hold,
    /// What was held and has not stayed ready gives the traffic back to the old colour. It begins only when a hold has
    /// failed, and is for the services of which that is so.
    Return,
    /// Everything in it is deleted, and gone before the next phase begins. It begins only when nothing has failed.
    Delete,
    /// What had to wait until something is gone: what let an old name and a new one through while a service moved lets
    /// only the new one through, and a workload whose autoscaler has gone gets the size that the stack says. It begins
    /// only when nothing has failed.
    Close,
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
    /// What services of it wait for outside the stack before the first of their steps, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<PlannedNeed>,
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
    /// On a replace, which goes first: the old object or the new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<ReplaceOrder>,
    /// On a replace where the new object comes first, what the old one leaves behind; a later step deletes each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<ResourceId>,
    /// On a move, the object under its old name, which a later step deletes. On a way back, the workload that has the
    /// traffic again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ResourceId>,
    /// Managers whose fields are handed over to the instance before the manifest is applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hands_over: Vec<String>,
    /// Fields that the server makes otherwise than they are applied, as it has shown before: admission may do so. What is
    /// applied stands before, what becomes of it after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altered: Vec<FieldChange>,
    /// On a hold, how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Duration>,
    /// On a hold, for how much of it all in all fewer pods than wanted may be available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Duration>,
    /// What must hold when its turn comes; where it does not, nothing is done and that counts as done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
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
    /// Whether the stages after its own begin only when it is ready, because others cannot exist before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gate: bool,
    /// The services whose readiness it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// How its readiness is judged; absent on a delete, which is done when the object is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    /// How long it is waited for, where the stack says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_within: Option<Duration>,
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

impl Step {
    /// Keeps the step from being carried out, with one more reason.
    pub(super) fn block(&mut self, cause: Cause) {
        (self.action, self.confirmation) = (Action::Blocked, None);
        self.causes.push(cause);
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The object is created.
    Create,
    /// Fields of the object are changed.
    Update,
    /// The object is deleted and created anew, because the server refuses to change a field of it, or because it has been
    /// run and has failed.
    Replace,
    /// An object that belonged to nobody becomes the instance's.
    Adopt,
    /// The object is created under a new name; a later step deletes the one under the old name.
    Move,
    /// The object is deleted.
    Delete,
    /// The object stays and stops being the instance's: its marks are taken off.
    Forget,
    /// The object is watched: it has to stay ready for a while.
    Hold,
    /// Fields of the object are changed back, so that what had the traffic before has it again.
    Return,
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
    /// The server refuses to change fields of an object that exists; it would take a new one.
    Immutable {
        /// What it says.
        reason: String,
        /// The fields it names.
        paths: Vec<String>,
    },
    /// It has been run and has failed: it is run again.
    Failed {
        /// How it failed.
        reason: String,
    },
    /// It has been run with other values, which its name does not tell because they are secret: it is run again.
    Rerun {
        /// The fields that hold them.
        paths: Vec<String>,
    },
    /// The service was renamed: this is the object under its new name.
    MovedFrom {
        /// The object under its old name.
        id: ResourceId,
    },
    /// The service was renamed: the object under its new name has taken its place.
    MovedTo {
        /// The object under its new name.
        id: ResourceId,
    },
    /// While a service moves, what it is called by and what it calls have to reach it under both names.
    Overlap {
        /// Whether this step ends that: only the new name is left.
        over: bool,
    },
    /// The service goes from one colour to the other: from pods of this workload to those of that.
    Turn {
        /// The workload that has the traffic until then; absent where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ResourceId>,
        /// The workload that has it from then on.
        to: ResourceId,
    },
    /// It is a workload of a service that is to be of another colour.
    OtherColour {
        /// The workload that is desired.
        of: ResourceId,
    },
    /// The autoscaler that decided the number of pods is gone, and the stack decides it again.
    Released {
        /// The autoscaler.
        by: ResourceId,
    },
    /// A replaced object has left it behind.
    LeftBy {
        /// The object that was replaced, or its address.
        what: String,
    },
    /// It is done only when it is allowed.
    Guarded {
        /// Why, and what allows it.
        reason: String,
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
    /// Another field manager holds a field with a value of its own, and the stack leaves it so.
    Left {
        /// The field.
        path: String,
        /// Who holds it.
        manager: String,
    },
    /// What a client-side manager owns of the object becomes the instance's, so that what the stack does not say goes.
    HandedOver {
        /// The manager.
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
    /// It is applied, and what comes of that is not known.
    Unknown {
        /// Why not.
        reason: String,
    },
    /// Whether the object is there could not be read.
    Unreadable {
        /// What stood in the way.
        reason: String,
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

/// What the choice of targets leaves out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// The service it belongs to, or belonged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Which object.
    pub id: ResourceId,
    /// Whether it is live and left the stack, so that a plan without targets would delete it.
    #[serde(default)]
    pub left_stack: bool,
}

/// What must hold when a step's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// No controller has taken the object by then.
    Unowned,
    /// The workload that the traffic goes to is ready.
    Ready,
    /// The workload that the traffic went to has stayed ready for as long as it was held.
    Held,
    /// The workload that the traffic went to has not stayed ready.
    Broken,
}

/// How many steps of each action a plan has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Objects to create.
    pub create: usize,
    /// Objects to change.
    pub update: usize,
    /// Objects to replace.
    #[serde(default)]
    pub replace: usize,
    /// Objects to adopt.
    pub adopt: usize,
    /// Objects to move.
    #[serde(default, rename = "move")]
    pub moved: usize,
    /// Objects to delete.
    pub delete: usize,
    /// Objects to forget.
    #[serde(default)]
    pub forget: usize,
    /// Workloads to hold for a while after the traffic went to them.
    #[serde(default)]
    pub hold: usize,
    /// Objects to change back where a hold fails.
    #[serde(default, rename = "return")]
    pub back: usize,
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
                Action::Replace => &mut summary.replace,
                Action::Adopt => &mut summary.adopt,
                Action::Move => &mut summary.moved,
                Action::Delete => &mut summary.delete,
                Action::Forget => &mut summary.forget,
                Action::Hold => &mut summary.hold,
                Action::Return => &mut summary.back,
                Action::Unchanged => &mut summary.unchanged,
                Action::Blocked => &mut summary.blocked,
            };
            *count += 1;
        }
        summary
    }

    /// The steps of both.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let Self { create, update, replace, adopt, moved, delete, forget, hold, back, unchanged, blocked } = *other;
        Self {
            create: self.create + create,
            update: self.update + update,
            replace: self.replace + replace,
            adopt: self.adopt + adopt,
            moved: self.moved + moved,
            delete: self.delete + delete,
            forget: self.forget + forget,
            hold: self.hold + hold,
            back: self.back + back,
            unchanged: self.unchanged + unchanged,
            blocked: self.blocked + blocked,
        }
    }

    /// How many steps would change something, or should and cannot.
    #[must_use]
    pub fn changes(&self) -> usize {
        let Self { create, update, replace, adopt, moved, delete, forget, hold: _, back: _, unchanged: _, blocked } =
            *self;
        // What is held is held because something else changes.
        create + update + replace + adopt + moved + delete + forget + blocked
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
