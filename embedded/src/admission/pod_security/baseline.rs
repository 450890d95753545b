//! What the level `baseline` forbids: known ways out of a container.
//!
//! Source: the checks of that level in `k8s.io/pod-security-admission/policy`, in the order of their names.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, Subject, named, quoted, setters, several};
use crate::object;

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Kernel parameters that touch only the pod, each with the minor version that has let it pass first.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

/// What the subject does beyond the level. `restricted` leaves out what that level asks more strictly.
pub(super) fn findings(subject: Subject<'_>, minor: u32, restricted: bool) -> Vec<Finding> {
    let unless = |replaced_in: u32| !(restricted && minor >= replaced_in);
    let found = [
        app_armor(subject),
        unless(22).then(|| capabilities(subject)).flatten(),
        host_namespaces(subject),
        unless(0).then(|| host_paths(subject)).flatten(),
        host_ports(subject),
        if minor >= 34 { hosts(subject) } else { None },
        privileged(subject),
        unless(35).then(|| if minor >= 35 && subject.has_own_users() { None } else { proc_mount(subject) }).flatten(),
        se_linux(subject, minor),
        unless(19).then(|| if minor >= 19 { seccomp(subject) } else { seccomp_annotations(subject) }).flatten(),
        sysctls(subject, minor),
        windows(subject),
    ];
    found.into_iter().flatten().collect()
}

/// The kind of an AppArmor profile that lets too much pass, where one is set.
fn bad_app_armor(value: &Value) -> Option<&str> {
    let kind = value.pointer("/securityContext/appArmorProfile/type")?.as_str()?;
    (!matches!(kind, "RuntimeDefault" | "Localhost")).then_some(kind)
}

fn app_armor(subject: Subject<'_>) -> Option<Finding> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let mut values: BTreeSet<&str> = bad_app_armor(subject.spec).into_iter().collect();
    let containers = subject.those(|container| bad_app_armor(container).map(|kind| values.insert(kind)).is_some());
    let annotations: BTreeSet<String> = object::entries(subject.pod, "/metadata/annotations")
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(key, value)| {
            let allowed = value.is_empty() || *value == "runtime/default" || value.starts_with("localhost/");
            key.starts_with(PREFIX) && !allowed
        })
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let mut who: Vec<String> = setters(bad_app_armor(subject.spec).is_some(), &containers).into_iter().collect();
    if !annotations.is_empty() {
        who.push(several("annotation", annotations.len()));
    }
    if who.is_empty() {
        return None;
    }
    let all: Vec<String> = values.into_iter().map(str::to_owned).chain(annotations).collect();
    let reason = several("forbidden AppArmor profile", all.len());
    Finding::new(&reason, format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(all)))
}

fn capabilities(subject: Subject<'_>) -> Option<Finding> {
    let mut added = BTreeSet::new();
    let containers = subject.those(|container| {
        let add = object::items(container, "/securityContext/capabilities/add").iter().filter_map(Value::as_str);
        let before: Vec<&str> = add.filter(|name| !CAPABILITIES.contains(name)).collect();
        added.extend(before.iter().copied());
        !before.is_empty()
    });
    if containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    let what = quoted(added);
    Finding::new(
        "non-default capabilities",
        format!("{who} must not include {what} in securityContext.capabilities.add"),
    )
}

fn host_namespaces(subject: Subject<'_>) -> Option<Finding> {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| object::truth(subject.spec, &format!("/{field}")))
        .map(|field| format!("{field}=true"))
        .collect();
    if shared.is_empty() { None } else { Finding::new("host namespaces", shared.join(", ")) }
}

fn host_paths(subject: Subject<'_>) -> Option<Finding> {
    let volumes = object::items(subject.spec, "/volumes").iter().filter(|volume| volume.get("hostPath").is_some());
    let volumes: Vec<&str> = volumes.map(object::name_of).collect();
    if volumes.is_empty() { None } else { Finding::new("hostPath volumes", named("volume", &volumes)) }
}

fn host_ports(subject: Subject<'_>) -> Option<Finding> {
    let mut ports = BTreeSet::new();
    let containers = subject.those(|container| {
        let own = object::items(container, "/ports").iter().filter_map(|port| object::number(port, "/hostPort"));
        let own: Vec<String> = own.filter(|port| *port != 0).map(|port| port.to_string()).collect();
        let any = !own.is_empty();
        ports.extend(own);
        any
    });
    if containers.is_empty() {
        return None;
    }
    let uses = if containers.len() == 1 { "uses" } else { "use" };
    let word = several("hostPort", ports.len());
    let ports: Vec<String> = ports.into_iter().collect();
    Finding::new("hostPort", format!("{} {uses} {word} {}", named("container", &containers), ports.join(", ")))
}

fn hosts(subject: Subject<'_>) -> Option<Finding> {
    let (mut names, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for container in subject.containers() {
        for handler in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"] {
            for action in ["httpGet", "tcpSocket"] {
                let host = object::text(container, &format!("/{handler}/{action}/host"));
                if !host.is_empty() {
                    names.insert(object::name_of(container));
                    hosts.insert(host);
                }
            }
        }
    }
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let uses = if names.len() == 1 { "uses" } else { "use" };
    let word = several("probe or lifecycle host", hosts.len());
    let detail = format!("{} {uses} {word} {}", named("container", &names), quoted(hosts));
    Finding::new("probe or lifecycle host", detail)
}

fn privileged(subject: Subject<'_>) -> Option<Finding> {
    let containers = subject.those(|container| object::truth(container, "/securityContext/privileged"));
    if containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    Finding::new("privileged", format!("{who} must not set securityContext.privileged=true"))
}

/// Also what `restricted` asks since 1.35, of every pod.
pub(super) fn proc_mount(subject: Subject<'_>) -> Option<Finding> {
    let mut kinds = BTreeSet::new();
    let containers = subject.those(|container| {
        let kind = container.pointer("/securityContext/procMount").and_then(Value::as_str);
        kind.filter(|kind| *kind != "Default").map(|kind| kinds.insert(kind)).is_some()
    });
    if containers.is_empty() {
        return None;
    }
    let (who, kinds) = (named("container", &containers), quoted(kinds));
    Finding::new("procMount", format!("{who} must not set securityContext.procMount to {kinds}"))
}

fn se_linux(subject: Subject<'_>, minor: u32) -> Option<Finding> {
    let (mut kinds, mut user, mut role) = (BTreeSet::new(), false, false);
    let mut bad = |value: &Value| {
        let Some(options) = value.pointer("/securityContext/seLinuxOptions") else { return false };
        let text = |field: &str| object::text(options, field);
        let kind = text("/type");
        let known = matches!(kind, "" | "container_t" | "container_init_t" | "container_kvm_t");
        let fits = known || minor >= 31 && kind == "container_engine_t";
        if !fits {
            kinds.insert(kind.to_owned());
        }
        user |= !text("/user").is_empty();
        role |= !text("/role").is_empty();
        !fits || !text("/user").is_empty() || !text("/role").is_empty()
    };
    let pod = bad(subject.spec);
    let containers = subject.those(bad);
    let who = setters(pod, &containers)?;
    let mut what = Vec::new();
    if !kinds.is_empty() {
        what.push(format!("{} {}", several("type", kinds.len()), quoted(&kinds)));
    }
    for (set, field) in [(user, "user"), (role, "role")] {
        if set {
            what.push(format!("{field} may not be set"));
        }
    }
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    Finding::new("seLinuxOptions", detail)
}

/// The kind of a seccomp profile that lets too much pass, where one is set.
pub(super) fn bad_seccomp(value: &Value) -> Option<&str> {
    let kind = value.pointer("/securityContext/seccompProfile")?;
    Some(object::text(kind, "/type")).filter(|kind| !matches!(*kind, "RuntimeDefault" | "Localhost"))
}

/// Seccomp profiles that are set, and to the wrong thing; also what `restricted` asks first.
pub(super) fn seccomp(subject: Subject<'_>) -> Option<Finding> {
    let mut kinds: BTreeSet<&str> = bad_seccomp(subject.spec).into_iter().collect();
    let containers = subject.those(|container| bad_seccomp(container).map(|kind| kinds.insert(kind)).is_some());
    let who = setters(bad_seccomp(subject.spec).is_some(), &containers)?;
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(kinds));
    Finding::new("seccompProfile", detail)
}

/// The same as it was told by annotations, before 1.19.
fn seccomp_annotations(subject: Subject<'_>) -> Option<Finding> {
    let mut keys = vec!["seccomp.security.alpha.kubernetes.io/pod".to_owned()];
    let own =
        |container: &Value| format!("container.seccomp.security.alpha.kubernetes.io/{}", object::name_of(container));
    keys.extend(subject.containers().map(own));
    let bad: BTreeSet<String> = keys
        .iter()
        .filter_map(|key| Some((key, object::annotation(subject.pod, key)?)))
        .filter(|(_, value)| {
            !(matches!(*value, "runtime/default" | "docker/default") || value.starts_with("localhost/"))
        })
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let word = several("annotation", bad.len());
    let bad: Vec<String> = bad.into_iter().collect();
    Finding::new("seccompProfile", format!("forbidden {word} {}", bad.join(", ")))
}

fn sysctls(subject: Subject<'_>, minor: u32) -> Option<Finding> {
    let names = object::items(subject.spec, "/securityContext/sysctls").iter().map(object::name_of);
    let safe = |name: &str| SYSCTLS.iter().any(|(known, since)| *known == name && minor >= *since);
    let bad: Vec<&str> = names.filter(|name| !safe(name)).collect();
    if bad.is_empty() { None } else { Finding::new("forbidden sysctls", bad.join(", ")) }
}

fn windows(subject: Subject<'_>) -> Option<Finding> {
    let host = |value: &Value| object::truth(value, "/securityContext/windowsOptions/hostProcess");
    let containers = subject.those(host);
    let who = setters(host(subject.spec), &containers)?;
    Finding::new("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
