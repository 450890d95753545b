//! PriorityClasses: when nodes or GPUs are short, the scheduler places pods of a higher class first, and evicts pods
//! of a lower one to make room.

use k8s_openapi::api::scheduling::v1::PriorityClass;

use crate::context::{Context, named};
use crate::model::Priority;

pub(crate) fn priority_class(context: &Context<'_>, priority: Priority) -> PriorityClass {
    PriorityClass {
        metadata: named(context.priority_class(priority), None),
        value: Some(priority.value()),
        description: Some(format!("Services of {} with {priority} priority", context.instance.name())),
        ..PriorityClass::default()
    }
}
