//! A stack as a Compose file, for a single machine with Docker.
//!
//! Compose knows less than Kubernetes, and the file says so where it matters: phases become an order of starting, not
//! of being ready, because Compose asks for health with a program inside the container, and nobody knows which ones an
//! image has. A service that others call has a network of its own with its callers, and no way out; those callers can
//! reach each other there, which Compose cannot forbid. A stack of several namespaces has a network for each instead, with
//! its services and with those that call across. A service that declares a way out, or takes traffic in, is also on the
//! network `outside`, whose members do not see each other. Any other has no network at all.
//!
//! What components read from files and keep on volumes is there too, and what is secret has to be given in the
//! environment of Compose; both are told in `compose_parts.rs`. A container with such files can be written to, because
//! Compose itself puts them there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use strata_components::desired::{Desired, Resource};
use strata_components::model::{Cpu, Memory};

use super::compose_parts::{aliases, command, configs, environment, files_of, secrets, secrets_of, volumes_of};
use super::manifests::{ManifestError, yaml};

/// The network of what leaves the fleet, or comes in.
const OUTSIDE: &str = "outside";

/// The Compose file of a stack.
///
/// # Errors
///
/// When an object holds something that YAML cannot say.
pub fn compose_file(desired: &Desired) -> Result<String, ManifestError> {
    let fleet = Fleet::new(desired);
    let deployments = fleet.deployments.values().map(|one| (one.id.name.clone(), fleet.service(one)));
    let jobs = fleet.jobs.iter().map(|job| (job_name(job).to_owned(), fleet.job(job)));
    let services: Map<String, Value> = deployments.chain(jobs).collect();
    let of_called = fleet.called.iter().filter_map(|name| fleet.network_of(fleet.deployments.get(name)?));
    let of_namespaces =
        fleet.deployments.values().filter(|_| fleet.by_namespace).filter_map(|one| fleet.network_of(one));
    let networks: BTreeMap<&str, Value> = of_called
        .chain(of_namespaces)
        .map(|name| (name, json!({"internal": true})))
        .chain((!fleet.outward.is_empty()).then(|| (OUTSIDE, apart())))
        .collect();
    let mut file = json!({"name": desired.instance.name(), "services": services, "networks": networks});
    let workloads = || fleet.deployments.values().copied();
    let volumes: Map<String, Value> = workloads().flat_map(volumes_of).map(|(name, _)| (name, json!({}))).collect();
    for (key, entries) in
        [("configs", configs(workloads(), desired)), ("secrets", secrets(workloads())), ("volumes", volumes)]
    {
        if !entries.is_empty() {
            file[key] = Value::Object(entries);
        }
    }
    yaml(&file, "the Compose file")
}

/// A network that leads out, whose members do not see each other.
fn apart() -> Value {
    json!({"driver_opts": {"com.docker.network.bridge.enable_icc": "false"}})
}

/// What a service's entry has to know of the others.
struct Fleet<'a> {
    desired: &'a Desired,
    /// Whether each namespace is a network, because there are several.
    by_namespace: bool,
    /// By the service's name: what has pods that stay.
    deployments: BTreeMap<&'a str, &'a Resource>,
    /// What is run to its end before a service.
    jobs: Vec<&'a Resource>,
    /// The services that others depend on.
    called: BTreeSet<&'a str>,
    /// The services that connect to what lies outside, or are reached from there.
    outward: BTreeSet<&'a str>,
    /// Those that connect to what lies outside.
    leaving: BTreeSet<&'a str>,
    /// The service that takes traffic in.
    entered: BTreeSet<&'a str>,
}

impl<'a> Fleet<'a> {
    fn new(desired: &'a Desired) -> Self {
        let of_kind = |kinds: &'static [&str]| {
            let resources = desired.resources.iter();
            let of_kind = resources.filter(move |resource| kinds.contains(&resource.id.kind.kind.as_str()));
            of_kind.filter_map(|resource| Some((resource.service.as_deref()?, resource)))
        };
        let deployments: BTreeMap<&str, &Resource> = of_kind(&["Deployment", "StatefulSet"]).collect();
        let entered: BTreeSet<&str> = of_kind(&["Ingress", "HTTPRoute"]).map(|(name, _)| name).collect();
        let called = desired.claims.edges.iter().map(|edge| edge.to.as_str());
        let leaving: BTreeSet<&str> = desired.claims.egress.iter().map(|way| way.service.as_str()).collect();
        Self {
            desired,
            by_namespace: desired.namespaces.len() > 1,
            called: called.filter(|name| deployments.contains_key(name)).collect(),
            outward: leaving.union(&entered).copied().collect(),
            leaving,
            jobs: of_kind(&["Job"]).map(|(_, job)| job).collect(),
            deployments,
            entered,
        }
    }

    /// What is run once: tried again as often as the Job is, and nobody calls it.
    fn job(&self, job: &'a Resource) -> Value {
        let pod = &job.manifest["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let words = list(&container["command"]).filter_map(Value::as_str);
        let mut entry = json!({
            "image": container["image"],
            "entrypoint": words.map(|word| word.replace('$', "$$")).collect::<Vec<_>>(),
            "restart": match job.manifest["spec"]["backoffLimit"].as_u64() {
                None | Some(0) => "no".to_owned(),
                Some(retries) => format!("on-failure:{retries}"),
            },
            "deploy": self.deploy(&job.manifest, job.service.as_deref().unwrap_or_default()),
        });
        confine(&mut entry, pod);
        let name = job.service.as_deref().unwrap_or_default();
        self.connect(&mut entry, job, self.leaving.contains(name), None);
        entry
    }

    /// The network where a service is called.
    fn network_of(&self, workload: &'a Resource) -> Option<&'a str> {
        if self.by_namespace { workload.id.namespace.as_deref() } else { Some(&workload.id.name) }
    }

    fn service(&self, deployment: &'a Resource) -> Value {
        let manifest = &deployment.manifest;
        let pod = &manifest["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let name = deployment.service.as_deref().unwrap_or_default();
        let mut entry = json!({
            "image": container["image"],
            "restart": "unless-stopped",
            "deploy": self.deploy(manifest, name),
        });
        confine(&mut entry, pod);
        if let Some(seconds) = pod["terminationGracePeriodSeconds"].as_i64() {
            entry["stop_grace_period"] = json!(format!("{seconds}s"));
        }
        let ports = list(&container["ports"]).filter_map(|port| port["containerPort"].as_i64());
        let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
        if let Some(port) = ports.first().filter(|_| self.entered.contains(name)) {
            entry["ports"] = json!([format!("{port}:{port}")]);
        }
        entry["expose"] = json!(ports);
        command(&mut entry, container);
        let files = files_of(deployment, self.desired);
        let files: Vec<_> = files.into_iter().map(|file| json!({"source": file.name, "target": file.path})).collect();
        if !files.is_empty() {
            entry["configs"] = json!(files);
        }
        let user = pod["securityContext"]["runAsUser"].as_i64().unwrap_or_default().to_string();
        let secrets = secrets_of(deployment).into_iter();
        let secrets: Vec<_> = secrets
            .map(|file| json!({"source": file.name, "target": file.path, "uid": user, "gid": user, "mode": "0400"}))
            .collect();
        // Compose writes such files into the container, and refuses to start one that cannot be written to.
        entry["read_only"] = json!(files.is_empty() && secrets.is_empty());
        if !secrets.is_empty() {
            entry["secrets"] = json!(secrets);
        }
        let volumes: Vec<_> = volumes_of(deployment).map(|(name, path)| format!("{name}:{path}")).collect();
        if !volumes.is_empty() {
            entry["volumes"] = json!(volumes);
        }
        let own = (self.by_namespace || self.called.contains(name)).then(|| self.network_of(deployment)).flatten();
        self.connect(&mut entry, deployment, self.outward.contains(name), own);
        self.answer_to_names(&mut entry, deployment, own);
        let jobs = self.jobs.iter().filter(|job| job.service == deployment.service);
        for job in jobs {
            entry["depends_on"][job_name(job)] = json!({"condition": "service_completed_successfully"});
        }
        entry
    }

    /// What an entry waits for, and the networks that lead there.
    fn connect(&self, entry: &mut Value, of: &'a Resource, outward: bool, own: Option<&str>) {
        let depends_on: Vec<&Resource> =
            of.depends_on.iter().filter_map(|other| self.deployments.get(other.as_str()).copied()).collect();
        if !depends_on.is_empty() {
            let started = |other: &&Resource| (other.id.name.clone(), json!({"condition": "service_started"}));
            entry["depends_on"] = Value::Object(depends_on.iter().map(started).collect());
        }
        let others = depends_on.iter().filter_map(|other| self.network_of(other));
        let outside = outward.then_some(OUTSIDE);
        let networks: BTreeSet<&str> = own.into_iter().chain(others).chain(outside).collect();
        if networks.is_empty() {
            entry["network_mode"] = json!("none");
        } else {
            entry["networks"] = json!(networks);
        }
    }

    /// Lets a service be found on its network by the names that files of others have for it.
    fn answer_to_names(&self, entry: &mut Value, workload: &Resource, own: Option<&str>) {
        let aliases = aliases(workload, self.desired);
        let Some(own) = own.filter(|_| !aliases.is_empty()) else { return };
        let joined: Vec<String> =
            list(&entry["networks"]).filter_map(|name| name.as_str().map(str::to_owned)).collect();
        let named = |name: &String| if name == own { json!({"aliases": aliases}) } else { Value::Null };
        entry["networks"] = Value::Object(joined.iter().map(|name| (name.clone(), named(name))).collect());
    }

    /// How many containers, and what each may take. What takes traffic in has one, because one port of a machine leads
    /// to one container.
    fn deploy(&self, manifest: &Value, service: &str) -> Value {
        let replicas = manifest["spec"]["replicas"].as_u64().unwrap_or(1);
        let replicas = if self.entered.contains(service) { 1 } else { replicas };
        let resources = &manifest["spec"]["template"]["spec"]["containers"][0]["resources"];
        let mut reservations = amounts(&resources["requests"]);
        let gpus = resources["limits"].as_object().into_iter().flatten();
        let gpus =
            gpus.filter(|(name, _)| name.contains('/')).find_map(|(_, count)| count.as_str()?.parse::<u32>().ok());
        if let Some(count) = gpus {
            let device = json!({"driver": "nvidia", "count": count, "capabilities": ["gpu"]});
            reservations.insert("devices".to_owned(), json!([device]));
        }
        json!({"replicas": replicas, "resources": {"limits": amounts(&resources["limits"]), "reservations": reservations}})
    }
}

/// What a container may not do, who it runs as, and what it is told.
fn confine(entry: &mut Value, pod: &Value) {
    entry["read_only"] = json!(true);
    // Directories that keep nothing; one of them is the same for all.
    let scratch = list(&pod["volumes"]).filter(|volume| volume["emptyDir"].is_object() && volume["name"] != "tmp");
    let mounts = || list(&pod["containers"][0]["volumeMounts"]);
    let paths =
        scratch.filter_map(|volume| mounts().find(|mount| mount["name"] == volume["name"])?["mountPath"].as_str());
    entry["tmpfs"] = json!(["/tmp:size=256m"].into_iter().chain(paths).collect::<Vec<_>>());
    entry["cap_drop"] = json!(["ALL"]);
    entry["security_opt"] = json!(["no-new-privileges:true"]);
    entry["environment"] = Value::Object(environment(&pod["containers"][0]));
    if let Some(user) = pod["securityContext"]["runAsUser"].as_i64() {
        entry["user"] = json!(format!("{user}:{user}"));
    }
}

/// What a job is called: without the digest that tells one Job from the next.
fn job_name(job: &Resource) -> &str {
    job.manifest
        .pointer("/spec/template/metadata/labels/app.kubernetes.io~1name")
        .and_then(Value::as_str)
        .unwrap_or(&job.id.name)
}

/// CPU and memory in Compose's words.
fn amounts(amounts: &Value) -> Map<String, Value> {
    let text = |name: &str| amounts[name].as_str();
    let cpu = text("cpu").and_then(|text| text.parse::<Cpu>().ok()).map(|cpu| {
        let millis = cpu.millis();
        let parts = format!("{}.{:03}", millis / 1000, millis % 1000);
        ("cpus".to_owned(), Value::from(parts.trim_end_matches('0').trim_end_matches('.')))
    });
    let memory = text("memory").and_then(|text| text.parse::<Memory>().ok()).map(|memory| {
        let bytes = memory.bytes();
        let mebibytes = bytes.is_multiple_of(1 << 20).then(|| format!("{}m", bytes >> 20));
        ("memory".to_owned(), Value::from(mebibytes.unwrap_or_else(|| format!("{bytes}b"))))
    });
    cpu.into_iter().chain(memory).collect()
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
