//! Backups of a store: a CronJob that makes copies on a volume of their own, and one that is never due and holds what a
//! restore is made of (`kubectl create job --from=cronjob/cache-restore …`).
//!
//! What a copy is, and how one is restored, is said by a script for each kind of store, run from the store's own image,
//! so that its programs are of the same version. The pods have an account, a name and a policy of their own: they get
//! through to their store and to nothing else, and nobody calls them.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Affinity, ConfigMap, ConfigMapVolumeSource, Container, EnvVar, PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource, PodAffinity, PodAffinityTerm, PodSecurityContext, PodSpec, PodTemplateSpec,
    ServiceAccount, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::compose::Building;
use crate::context::{Context, GPU_REQUIRED_LABEL, NAME_LABEL, Owner, backup_labels, named};
use crate::hardening::{container_security, pod_security};
use crate::isolation::backup_policy;
use crate::mesh::{self, dress};
use crate::model::Backup;
use crate::secret_file::SecretFile;
use crate::spec::ServiceSpec;
use crate::stateful::{claim, variable};
use crate::workload::{mounted, resources, writable};

/// The container's name.
const CONTAINER: &str = "backup";
/// Where the copies are.
pub(crate) const COPIES_PATH: &str = "/var/lib/backups";
/// Where the scripts are.
const SCRIPTS_PATH: &str = "/etc/backup";
/// The variable that tells a script where the file with the secret is.
const SECRET_VARIABLE: &str = "SECRET_FILE";
/// A schedule that is never due: there is no 31st of February.
const NEVER: &str = "0 0 31 2 *";
/// The zone that schedules are meant in.
const ZONE: &str = "Etc/UTC";
/// How late a copy may still be begun, in seconds: after that the next one is waited for.
const LATEST_SECONDS: i64 = 1800;
/// How many Jobs that have ended are kept to be looked at, of those that went well and of those that did not.
const ENDED_KEPT: i32 = 3;

/// What makes the backup of one kind of store different from another.
#[derive(Debug, Clone)]
pub(crate) struct Copying {
    /// The script that makes a copy.
    pub(crate) backup: &'static str,
    /// The script that restores one.
    pub(crate) restore: &'static str,
    /// Where the store is.
    pub(crate) env: Vec<EnvVar>,
    /// What lets the scripts in; the variable that names it to them is [`SECRET_VARIABLE`].
    pub(crate) secret: SecretFile,
    /// Whether the store itself writes the copies, so that its pod and those of the backup share a node with the volume.
    pub(crate) by_store: bool,
}

impl ServiceSpec {
    /// The name of the objects of its backup, and of the volume with the copies: `cache-backup`.
    pub(crate) fn backup_name(&self) -> String {
        format!("{}-backup", self.object_name())
    }
}

impl Building<'_, '_> {
    /// The objects of a backup.
    pub(crate) fn backup(&mut self, spec: &ServiceSpec, backup: &Backup, copying: &Copying) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let name = spec.backup_name();
        let volume =
            PersistentVolumeClaim { metadata: named(&name, Some(&spec.namespace)), ..claim(&name, &backup.storage) };
        let account = ServiceAccount {
            metadata: named(&name, Some(&spec.namespace)),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        };
        self.add(owner, "backup-volume", volume);
        self.add(owner, "backup-account", account);
        self.add(owner, "backup-scripts", scripts(spec, copying));
        self.add(owner, "backup-network-policy", backup_policy(context, spec));
        self.add_any(owner, "backup-authorization", mesh::backup_authorization(context, spec));
        let kept = variable("KEEP", &backup.keep.to_string());
        let made = Run { script: "backup.sh", schedule: backup.schedule.as_str(), retries: 1, kept: Some(kept) };
        self.add(owner, "backup", cron_job(context, spec, backup, copying, &name, made));
        let restored = Run { script: "restore.sh", schedule: NEVER, retries: 0, kept: None };
        let name = format!("{}-restore", spec.object_name());
        self.add(owner, "restore", cron_job(context, spec, backup, copying, &name, restored));
    }
}

/// One of the two things that are done.
struct Run<'a> {
    script: &'static str,
    schedule: &'a str,
    retries: i32,
    kept: Option<EnvVar>,
}

fn scripts(spec: &ServiceSpec, copying: &Copying) -> ConfigMap {
    let files = [("backup.sh", copying.backup), ("restore.sh", copying.restore)];
    ConfigMap {
        metadata: named(spec.backup_name(), Some(&spec.namespace)),
        data: Some(files.map(|(file, text)| (file.to_owned(), text.to_owned())).into()),
        ..ConfigMap::default()
    }
}

fn cron_job(
    context: &Context<'_>,
    spec: &ServiceSpec,
    backup: &Backup,
    copying: &Copying,
    name: &str,
    run: Run<'_>,
) -> CronJob {
    let mut labels = context.labels(Owner::Service(spec));
    labels.extend(backup_labels(&spec.object_name(), context.instance));
    labels.insert(GPU_REQUIRED_LABEL.to_owned(), false.to_string());
    let mut template = ObjectMeta { labels: Some(labels), ..ObjectMeta::default() };
    dress(context, &mut template);
    let never = run.schedule == NEVER;
    CronJob {
        metadata: named(name, Some(&spec.namespace)),
        spec: CronJobSpec {
            schedule: run.schedule.to_owned(),
            time_zone: Some(ZONE.to_owned()),
            suspend: never.then_some(true),
            // Two at once would write one file.
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(LATEST_SECONDS),
            successful_jobs_history_limit: Some(ENDED_KEPT),
            failed_jobs_history_limit: Some(ENDED_KEPT),
            job_template: JobTemplateSpec {
                spec: Some(JobSpec {
                    active_deadline_seconds: i64::try_from(backup.limit().seconds_rounded_up()).ok(),
                    backoff_limit: Some(run.retries),
                    template: PodTemplateSpec {
                        metadata: Some(template),
                        spec: Some(pod(context, spec, copying, run)),
                    },
                    ..JobSpec::default()
                }),
                metadata: Some(ObjectMeta {
                    labels: Some(BTreeMap::from([(NAME_LABEL.to_owned(), name.to_owned())])),
                    ..ObjectMeta::default()
                }),
            },
        },
        status: None,
    }
}

fn pod(context: &Context<'_>, spec: &ServiceSpec, copying: &Copying, run: Run<'_>) -> PodSpec {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let scripts = Volume {
        name: "scripts".to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: spec.backup_name(), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    };
    let told = [variable("COPIES", COPIES_PATH)].into_iter().chain(run.kept).chain(copying.env.iter().cloned());
    let env = told.chain([variable(SECRET_VARIABLE, &copying.secret.path())]);
    PodSpec {
        service_account_name: Some(spec.backup_name()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        priority_class_name: Some(context.priority_class(spec.priority)),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(PodSecurityContext {
            fs_group: Some(spec.user.get().into()),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            ..pod_security(spec.user)
        }),
        affinity: copying.by_store.then(|| beside_store(context, spec)),
        volumes: Some(vec![writable(), copies(spec), scripts, copying.secret.volume()]),
        containers: vec![Container {
            name: CONTAINER.to_owned(),
            image: Some(spec.image.clone()),
            command: Some(vec!["sh".to_owned(), format!("{SCRIPTS_PATH}/{}", run.script)]),
            env: Some(env.collect()),
            resources: Some(resources(spec)),
            security_context: Some(container_security()),
            volume_mounts: Some(vec![
                mounted(),
                mount(COPIES, COPIES_PATH, false),
                mount("scripts", SCRIPTS_PATH, true),
                copying.secret.mount(),
            ]),
            ..Container::default()
        }],
        ..PodSpec::default()
    }
}

/// The name, in a pod, of the volume with the copies.
pub(crate) const COPIES: &str = "copies";

/// The volume with the copies, as a pod has it.
pub(crate) fn copies(spec: &ServiceSpec) -> Volume {
    Volume {
        name: COPIES.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: spec.backup_name(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

/// On the node of the store's pod, because a volume is attached to one node.
fn beside_store(context: &Context<'_>, spec: &ServiceSpec) -> Affinity {
    let term = PodAffinityTerm {
        label_selector: Some(context.selector(spec)),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    let required =
        PodAffinity { required_during_scheduling_ignored_during_execution: Some(vec![term]), ..PodAffinity::default() };
    Affinity { pod_affinity: Some(required), ..Affinity::default() }
}
