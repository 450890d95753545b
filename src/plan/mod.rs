//! The plan: every choice, made before anything is touched.
//!
//! [`plan`] is a pure function of what is desired, what was observed and a policy. Apply carries a plan out and
//! decides nothing; reports show it.

mod autoscaled;
mod blue_green;
mod leaving;
mod moves;
pub mod names;
mod needs;
pub mod overview;
mod planner;
pub(crate) mod policy;
mod previews;
pub mod saved;
pub mod stale;
mod targets;
mod types;
pub mod verify;

pub(crate) use planner::{digest, field_manager, sha256};

pub use blue_green::{chosen, in_colour, in_live_colour};
pub use needs::PlannedNeed;
pub use planner::plan;
pub use policy::Policy;
pub use previews::Previews;
pub use types::{
    Action, Cause, Condition, Kept, LeftOut, Order, PLAN_FORMAT, Plan, PlanPhase, Step, Summary, json_schema,
};

#[cfg(test)]
mod tests;
