//! What every component knows beside its own spec, and the one place where objects get their names, labels and
//! annotations.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::{Metadata, Resource as KubernetesResource};
use serde::Serialize;
use serde_json::Value;

use crate::compose::Problem;
use crate::desired::{
    ADDRESS_ANNOTATION, DEPENDS_ON_ANNOTATION, INSTANCE_LABEL, Instance, KUBERNETES, Kind, PHASE_ANNOTATION, Resource,
    ResourceId, TIER_ANNOTATION,
};
use crate::model::{Environment, Priority, Service, ServiceRef, Stack, Tier, TierName};
use crate::spec::ServiceSpec;

/// The recommended label with the name of what runs.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The recommended label with the larger whole that an object is part of: the stack.
pub const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";
/// The recommended label with the part that an object plays in the whole: the tier.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The recommended label with the tool that manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The label with a service's tier.
pub const TIER_LABEL: &str = "tier";
/// The label with a service's priority.
pub const PRIORITY_LABEL: &str = "priority";
/// The label that says whether a service's pods ask for a GPU, `true` or `false`.
pub const GPU_REQUIRED_LABEL: &str = "gpu-required";
/// The label of pods that are run to their end for a service, with the name of its objects.
pub const JOB_OF_LABEL: &str = "strata.dev/job-of";
/// The well-known annotation for what an object is, in words.
pub const DESCRIPTION_ANNOTATION: &str = "kubernetes.io/description";

/// The longest name of an object, a label of the domain name system (RFC 1035), and the longest label value.
pub const LONGEST_NAME: usize = 63;

/// The longest name of a CronJob: what it starts has eleven characters more.
const LONGEST_CRON_JOB: usize = LONGEST_NAME - 11;

/// One deployment of a stack.
pub(crate) struct Context<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) environment: &'a Environment,
    pub(crate) instance: &'a Instance,
    pub(crate) target: &'a str,
    /// The other stacks that are deployed to the environment.
    pub(crate) others: &'a [&'a Stack],
}

/// What an object belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Owner<'a> {
    /// The stack as a whole, with a word for people on what the object is.
    Stack(Option<&'a str>),
    /// A service.
    Service(&'a ServiceSpec),
}

impl Context<'_> {
    /// What the namespace of a tier is called here.
    pub(crate) fn namespace(&self, (name, tier): (&TierName, &Tier)) -> String {
        self.of_instance(self.environment.namespace_of(self.stack, (name, tier)).here)
    }

    /// What the namespace of the stack itself is called here.
    pub(crate) fn own_namespace(&self) -> String {
        self.of_instance(self.environment.own_namespace(self.stack).here)
    }

    /// The namespaces of the stack: what it calls each, and what that is called here; sorted.
    pub(crate) fn namespaces(&self) -> Vec<(String, String)> {
        let all = self.environment.namespaces_of(self.stack);
        all.into_iter().map(|namespace| (namespace.written, self.of_instance(namespace.here))).collect()
    }

    /// What a namespace of the environment is called in this instance.
    pub(crate) fn of_instance(&self, namespace: String) -> String {
        match &self.instance.suffix {
            Some(suffix) => format!("{namespace}-{suffix}"),
            None => namespace,
        }
    }

    /// The service that a reference names, in this stack or in another of the environment.
    pub(crate) fn service(&self, reference: &ServiceRef) -> Option<&Service> {
        let own = reference.within(&self.stack.stack).map(|_| self.stack);
        let stack =
            own.or_else(|| self.others.iter().copied().find(|other| reference.stack() == Some(other.stack.as_str())))?;
        stack.services.get(reference.service())
    }

    /// The name of the PriorityClass for a priority. The class belongs to the whole cluster, so its name carries the
    /// instance.
    pub(crate) fn priority_class(&self, priority: Priority) -> String {
        format!("{}-{priority}", self.instance.name())
    }

    /// The labels that select the pods of a service, and nothing else.
    pub(crate) fn selector(&self, spec: &ServiceSpec) -> LabelSelector {
        LabelSelector { match_labels: Some(self.selector_labels(spec)), match_expressions: None }
    }

    /// The same as plain labels.
    pub(crate) fn selector_labels(&self, spec: &ServiceSpec) -> BTreeMap<String, String> {
        selector_labels(&spec.object_name(), self.instance)
    }

    /// The labels of what belongs to `owner`: of its objects, and of a service's pods.
    pub(crate) fn labels(&self, owner: Owner<'_>) -> BTreeMap<String, String> {
        let mut all = labels([
            (INSTANCE_LABEL, self.instance.name()),
            (MANAGED_BY_LABEL, "strata".to_owned()),
            (PART_OF_LABEL, self.stack.stack.to_string()),
        ]);
        all.extend(match owner {
            Owner::Stack(_) => labels([(NAME_LABEL, self.stack.stack.to_string())]),
            Owner::Service(spec) => labels([
                (NAME_LABEL, spec.object_name()),
                (COMPONENT_LABEL, spec.tier.to_string()),
                (TIER_LABEL, spec.tier.to_string()),
                (PRIORITY_LABEL, spec.priority.to_string()),
                (GPU_REQUIRED_LABEL, (spec.gpus > 0).to_string()),
            ]),
        });
        all
    }

    /// Finishes an object: gives it its labels and annotations, and turns it into a resource. `component` is the
    /// last part of its address.
    pub(crate) fn resource<K>(&self, owner: Owner<'_>, component: &str, mut object: K) -> Result<Resource, Problem>
    where
        K: KubernetesResource + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let (address, phase, service, tier, depends_on, description) = match owner {
            Owner::Stack(words) => {
                (format!("{}/{component}", self.stack.stack), 0, None, None, Vec::new(), words.map(str::to_owned))
            }
            Owner::Service(spec) => (
                format!("{}/{}/{component}", self.stack.stack, spec.name),
                spec.phase,
                Some(spec.name.to_string()),
                Some(spec.tier.to_string()),
                spec.depends_on.iter().map(ToString::to_string).collect(),
                spec.purpose.clone(),
            ),
        };
        let ready_within = match owner {
            Owner::Stack(_) => None,
            Owner::Service(spec) => spec.ready_within,
        };
        let was = match owner {
            Owner::Stack(_) => None,
            Owner::Service(spec) => self.stack.services.get(&spec.name).and_then(|service| service.was.as_ref()),
        };
        let was = was.map(|was| format!("{}/{was}/{component}", self.stack.stack));
        let metadata = object.metadata_mut();
        metadata.labels.get_or_insert_default().extend(self.labels(owner));
        metadata.annotations.get_or_insert_default().extend(
            [
                (ADDRESS_ANNOTATION, Some(address.clone())),
                (PHASE_ANNOTATION, Some(phase.to_string())),
                (TIER_ANNOTATION, tier.clone()),
                (DEPENDS_ON_ANNOTATION, Some(depends_on.join(",")).filter(|names| !names.is_empty())),
                (DESCRIPTION_ANNOTATION, description),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
        );
        let id = ResourceId {
            provider: KUBERNETES.to_owned(),
            target: self.target.to_owned(),
            kind: Kind { group: K::GROUP.to_owned(), version: K::VERSION.to_owned(), kind: K::KIND.to_owned() },
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
        };
        let most = if id.kind.kind == "CronJob" { LONGEST_CRON_JOB } else { LONGEST_NAME };
        if id.name.len() > most {
            return Err(Problem::LongName { what: id.kind.kind, name: id.name, most });
        }
        let mut manifest = serde_json::to_value(&object)
            .map_err(|error| Problem::Unwritable { object: id.to_string(), reason: error.to_string() })?;
        without_null(&mut manifest);
        Ok(Resource { id, address, was, phase, service, tier, depends_on, ready_within, manifest, meanwhile: None })
    }
}

/// The labels that select the pods of the service whose objects are called `object_name`, in an instance.
pub(crate) fn selector_labels(object_name: &str, instance: &Instance) -> BTreeMap<String, String> {
    labels([(NAME_LABEL, object_name.to_owned()), (INSTANCE_LABEL, instance.name())])
}

/// The labels that select the pods of all jobs of the service whose objects are called `object_name`, in an instance.
pub(crate) fn job_labels(object_name: &str, instance: &Instance) -> BTreeMap<String, String> {
    labels([(JOB_OF_LABEL, object_name.to_owned()), (INSTANCE_LABEL, instance.name())])
}

/// The labels that select the pods of the backup of the store whose objects are called `object_name`, in an instance. No
/// service and no job is called so: their names have no dot.
pub(crate) fn backup_labels(object_name: &str, instance: &Instance) -> BTreeMap<String, String> {
    selector_labels(&format!("{object_name}.backup"), instance)
}

/// Metadata with a name, in a namespace or none.
pub(crate) fn named(name: impl Into<String>, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), namespace: namespace.map(str::to_owned), ..ObjectMeta::default() }
}

fn labels<const N: usize>(entries: [(&str, String); N]) -> BTreeMap<String, String> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Takes out every field that is null: server-side apply would read one as a wish.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
