//! Jobs: what is run to its end before the pods of a service are started or changed.
//!
//! A Job's template never changes once it exists. So a Job is named by a digest of its template: another template is
//! another Job, which is run, and one that is there with its name has been run. Job pods are hardened as those of their
//! service and act as its account, but carry a name of their own, so that no Service leads to them.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job as BatchJob, JobSpec};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::configuration::Configuration;
use crate::context::{Context, GPU_REQUIRED_LABEL, JOB_OF_LABEL, NAME_LABEL, Owner, named};
use crate::desired::{ADDRESS_ANNOTATION, Desired, ResourceId};
use crate::hardening::{container_security, pod_security};
use crate::mesh::dress;
use crate::model::{Amounts, Duration, Job, JobName, Rerun};
use crate::spec::ServiceSpec;
use crate::workload::{environment, mounted, writable};

/// Annotation of a Job: when it is run again, in the words of the stack file.
pub const RERUN_ANNOTATION: &str = "strata.dev/rerun";
/// Annotation of a Job's pod template: the digest of the pod template of the service, with which it is run again.
pub const ROLLOUT_ANNOTATION: &str = "strata.dev/rollout";

/// The container's name.
const CONTAINER: &str = "job";
/// Bytes of a digest that stand in a name.
const KEPT: usize = 4;
/// How long the end of a Job is waited for beyond its own limit, so that its controller is the one to end it.
const MARGIN_SECONDS: u64 = 30;

/// The word for it in the stack file.
fn word(rerun: Rerun) -> &'static str {
    match rerun {
        Rerun::OnChange => "on_change",
        Rerun::OnRollout => "on_rollout",
    }
}

/// The Job for a job of a service.
pub(crate) fn job(context: &Context<'_>, spec: &ServiceSpec, name: &JobName, job: &Job) -> BatchJob {
    let label = spec.job_label(name);
    let mut labels = context.labels(Owner::Service(spec));
    labels.extend([
        (NAME_LABEL.to_owned(), label.clone()),
        (JOB_OF_LABEL.to_owned(), spec.object_name()),
        (GPU_REQUIRED_LABEL.to_owned(), false.to_string()),
    ]);
    let mut template = ObjectMeta { labels: Some(labels), ..ObjectMeta::default() };
    dress(context, &mut template);
    let mut metadata = named(label, Some(&spec.namespace));
    metadata.annotations = Some([(RERUN_ANNOTATION.to_owned(), word(job.rerun).to_owned())].into());
    BatchJob {
        metadata,
        spec: Some(JobSpec {
            active_deadline_seconds: i64::try_from(job.limit().seconds_rounded_up()).ok(),
            backoff_limit: Some(job.retries.get().cast_signed()),
            template: PodTemplateSpec { metadata: Some(template), spec: Some(pod(context, spec, job)) },
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// How long the end of a job is waited for.
pub(crate) fn waited_for(job: &Job) -> Duration {
    let limit = job.limit().seconds_rounded_up().saturating_add(MARGIN_SECONDS);
    Duration::from_secs(u32::try_from(limit).unwrap_or(u32::MAX))
}

fn pod(context: &Context<'_>, spec: &ServiceSpec, job: &Job) -> PodSpec {
    PodSpec {
        service_account_name: Some(spec.object_name()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        priority_class_name: Some(context.priority_class(spec.priority)),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(pod_security(spec.user)),
        volumes: Some([writable()].into_iter().chain(spec.configuration.iter().map(Configuration::volume)).collect()),
        containers: vec![Container {
            name: CONTAINER.to_owned(),
            image: Some(job.image.as_ref().map_or_else(|| spec.image.clone(), ToString::to_string)),
            command: Some(job.command.clone()),
            env: Some(variables(spec, job)),
            resources: Some(resources(spec)),
            security_context: Some(container_security()),
            volume_mounts: Some(
                [mounted()].into_iter().chain(spec.configuration.iter().map(Configuration::mount)).collect(),
            ),
            ..Container::default()
        }],
        ..PodSpec::default()
    }
}

/// The variables of the service, and those of the job in their place or behind them.
fn variables(spec: &ServiceSpec, job: &Job) -> Vec<EnvVar> {
    let mut all = environment(spec);
    for (name, value) in &job.env {
        match all.iter_mut().find(|one| one.name == name.as_str()) {
            Some(one) => one.value = Some(value.clone()),
            None => all.push(EnvVar { name: name.to_string(), value: Some(value.clone()), value_from: None }),
        }
    }
    all
}

/// What the service asks for, without its GPUs.
fn resources(spec: &ServiceSpec) -> ResourceRequirements {
    let plain = |amounts: Amounts| {
        let both = [("cpu", amounts.cpu.to_string()), ("memory", amounts.memory.to_string())];
        both.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount))).collect()
    };
    ResourceRequirements {
        requests: Some(plain(spec.resources.requests)),
        limits: Some(plain(spec.resources.limits)),
        claims: None,
    }
}

/// Names every Job of the stack by the digest of its template as that stands now, after it was told of the rollout that
/// it goes with. Doing it again changes nothing; after a change of a template it brings the names up to date. Returns
/// what each Job is called now that was called otherwise.
///
/// The digest has no key, so it must be made of nothing secret: once what is secret has been taken out of the templates,
/// names are made again.
pub fn name_jobs(desired: &mut Desired) -> BTreeMap<ResourceId, ResourceId> {
    let mut renamed = BTreeMap::new();
    let rollouts: Vec<(String, String)> = desired
        .resources
        .iter()
        .filter(|resource| resource.id.kind.kind == "Deployment")
        .filter_map(|one| Some((one.service.clone()?, digest(&one.manifest["spec"]["template"]))))
        .collect();
    for resource in &mut desired.resources {
        let Some(rerun) = rerun(&resource.manifest) else { continue };
        if rerun == word(Rerun::OnRollout)
            && let Some((_, rollout)) = rollouts.iter().find(|(of, _)| resource.service.as_ref() == Some(of))
        {
            resource.manifest["spec"]["template"]["metadata"]["annotations"][ROLLOUT_ANNOTATION] =
                rollout.as_str().into();
        }
        let template = &resource.manifest["spec"]["template"];
        let label = template["metadata"]["labels"][NAME_LABEL].as_str().unwrap_or_default();
        let (digest, label) = (digest(template), label.to_owned());
        let service = resource.service.as_deref().unwrap_or_default();
        let name = format!("{label}-{digest}");
        let component = label.strip_prefix(&format!("{}-", service.replace('_', "-"))).unwrap_or(&label);
        let address = format!("{}/{service}/job-{component}-{digest}", desired.instance.stack);
        resource.manifest["metadata"]["name"] = name.as_str().into();
        resource.manifest["metadata"]["annotations"][ADDRESS_ANNOTATION] = address.as_str().into();
        // Another template is another Job: what it was before does not move, it goes.
        let before = resource.id.clone();
        (resource.id.name, resource.address, resource.was) = (name, address, None);
        if before != resource.id {
            renamed.insert(before, resource.id.clone());
        }
    }
    desired.resources.sort_by(|one, other| (one.phase, &one.address).cmp(&(other.phase, &other.address)));
    renamed
}

/// When a Job of the stack is run again; nothing of any other object.
pub(crate) fn rerun(manifest: &Value) -> Option<&str> {
    let is_job = manifest["kind"] == "Job";
    manifest["metadata"]["annotations"][RERUN_ANNOTATION].as_str().filter(|_| is_job)
}

fn digest(template: &Value) -> String {
    Sha256::digest(template.to_string()).iter().take(KEPT).map(|byte| format!("{byte:02x}")).collect()
}
