//! The Pod Security Standard `restricted`, control by control
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>, as of Kubernetes 1.36), and two steps
//! beyond it.

use serde_json::Value;

/// One way in which a pod falls short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// The control, as the standard calls it.
    pub(super) control: &'static str,
    /// The field of the pod's spec.
    pub(super) field: String,
    /// What it is.
    pub(super) is: String,
    /// What to do.
    pub(super) help: String,
}

/// The volumes that the standard admits.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// The types of SELinux that the standard admits.
const SELINUX_TYPES: [&str; 4] = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
/// The kernel parameters that the standard admits, because they are a pod's own.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Every container of a pod with the path of its field: `containers[0]`.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = (String, &Value)> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(move |list| {
        let found = pod.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
        found.map(move |(at, container)| (format!("{list}[{at}]"), container))
    })
}

fn name(container: &Value) -> String {
    container["name"].as_str().unwrap_or_default().to_owned()
}

#[derive(Default)]
struct Found(Vec<Shortfall>);

impl Found {
    fn add(&mut self, control: &'static str, field: impl Into<String>, is: impl Into<String>, help: impl Into<String>) {
        self.0.push(Shortfall { control, field: field.into(), is: is.into(), help: help.into() });
    }

    /// A field that must be absent or false.
    fn never(&mut self, control: &'static str, holder: &Value, base: &str, field: &str) {
        if holder.get(field).is_some_and(|value| value != false && !value.is_null()) {
            self.add(control, format!("{base}{field}"), "is set", format!("remove `{field}`"));
        }
    }
}

/// Everything in which a pod falls short of the standard.
pub(super) fn shortfalls(pod: &Value) -> Vec<Shortfall> {
    let mut found = Found::default();
    let whole = &pod["securityContext"];
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        found.never("Host Namespaces", pod, "", field);
    }
    volumes(pod, &mut found);
    for sysctl in whole["sysctls"].as_array().into_iter().flatten() {
        let name = sysctl["name"].as_str().unwrap_or_default();
        if !SYSCTLS.contains(&name) {
            let is = format!("sets {name}, which the whole node would feel");
            found.add("Sysctls", "securityContext.sysctls", is, "remove the parameter");
        }
    }
    context(whole, "securityContext", &mut found);
    for (at, container) in containers(pod) {
        of_container(pod, container, &at, &mut found);
    }
    found.0
}

fn volumes(pod: &Value, found: &mut Found) {
    for (at, volume) in pod["volumes"].as_array().into_iter().flatten().enumerate() {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).filter(|key| *key != "name");
        for kind in kinds.filter(|kind| !VOLUMES.contains(kind)) {
            let control = if kind == "hostPath" { "HostPath Volumes" } else { "Volume Types" };
            let help = format!("use one of {}", VOLUMES.join(", "));
            found.add(control, format!("volumes[{at}].{kind}"), "is no kind of volume that is admitted", help);
        }
    }
}

/// What a pod and a container can both say.
fn context(context: &Value, at: &str, found: &mut Found) {
    found.never("HostProcess", &context["windowsOptions"], &format!("{at}.windowsOptions."), "hostProcess");
    if let Some(profile) = context.pointer("/appArmorProfile/type").and_then(Value::as_str)
        && !matches!(profile, "RuntimeDefault" | "Localhost")
    {
        let is = format!("is {profile}");
        found.add("AppArmor", format!("{at}.appArmorProfile.type"), is, "use `RuntimeDefault`");
    }
    let linux = &context["seLinuxOptions"];
    if let Some(kind) = linux["type"].as_str().filter(|kind| !kind.is_empty() && !SELINUX_TYPES.contains(kind)) {
        let help = format!("use one of {}", SELINUX_TYPES.join(", "));
        found.add("SELinux", format!("{at}.seLinuxOptions.type"), format!("is {kind}"), help);
    }
    for field in ["user", "role"] {
        if linux[field].as_str().is_some_and(|value| !value.is_empty()) {
            found.add("SELinux", format!("{at}.seLinuxOptions.{field}"), "is set", format!("remove `{field}`"));
        }
    }
    if let Some(profile) = context.pointer("/seccompProfile/type").and_then(Value::as_str)
        && !matches!(profile, "RuntimeDefault" | "Localhost")
    {
        let is = format!("is {profile}");
        found.add("Seccomp", format!("{at}.seccompProfile.type"), is, "use `RuntimeDefault`");
    }
    if context["runAsNonRoot"] == false {
        found.add("Running as Non-root", format!("{at}.runAsNonRoot"), "is false", "set it to true");
    }
    if context["runAsUser"] == 0 {
        let help = "set `run_as_user` to a number other than 0";
        found.add("Running as Non-root user", format!("{at}.runAsUser"), "is 0, which is root", help);
    }
}

fn of_container(pod: &Value, container: &Value, at: &str, found: &mut Found) {
    let own = &container["securityContext"];
    let inside = format!("{at}.securityContext");
    context(own, &inside, found);
    found.never("Privileged Containers", own, &format!("{inside}."), "privileged");
    if own["allowPrivilegeEscalation"] != false {
        let field = format!("{inside}.allowPrivilegeEscalation");
        found.add("Privilege Escalation", field, "is not false", "set it to false");
    }
    if own["procMount"].as_str().is_some_and(|mount| mount != "Default") {
        found.add("/proc Mount Type", format!("{inside}.procMount"), "is not Default", "remove `procMount`");
    }
    let listed = |list: &str| {
        let list = own.pointer("/capabilities").and_then(|capabilities| capabilities.get(list));
        list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    };
    if !listed("drop").any(|one| one == "ALL") {
        found.add("Capabilities", format!("{inside}.capabilities.drop"), "does not list ALL", "drop `ALL`");
    }
    for one in listed("add").filter(|one| *one != "NET_BIND_SERVICE") {
        let help = format!("do not add `{one}`");
        found.add("Capabilities", format!("{inside}.capabilities.add"), format!("lists {one}"), help);
    }
    for (number, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
        if port["hostPort"].as_u64().is_some_and(|port| port != 0) {
            let field = format!("{at}.ports[{number}].hostPort");
            found.add("Host Ports", field, "takes a port of the node", "remove `hostPort`");
        }
    }
    hosts(container, at, found);
    // A container's own word goes before the pod's; one of the two must say it.
    let said = |field: &str| {
        let own = &own[field];
        !(if own.is_null() { &pod["securityContext"][field] } else { own }).is_null()
    };
    if !said("runAsNonRoot") {
        found.add("Running as Non-root", format!("{inside}.runAsNonRoot"), "is not set", "set it to true");
    }
    if !said("seccompProfile") {
        found.add("Seccomp", format!("{inside}.seccompProfile"), "is not set", "use `RuntimeDefault`");
    }
}

/// Probes and hooks that would make the kubelet call another host than the pod.
fn hosts(container: &Value, at: &str, found: &mut Found) {
    let places = ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle/postStart", "lifecycle/preStop"];
    for place in places {
        for call in ["httpGet", "tcpSocket"] {
            let host = container.pointer(&format!("/{place}/{call}/host")).and_then(Value::as_str);
            if let Some(host) = host.filter(|host| !host.is_empty()) {
                let field = format!("{at}.{}.{call}.host", place.replace('/', "."));
                found.add("Host Probes / Lifecycle Hooks", field, format!("is {host}"), "remove `host`");
            }
        }
    }
}

/// Containers for which neither they nor their pod name a number as user: the kubelet cannot tell whether a name is
/// root, and refuses such a pod when it is too late.
pub(super) fn without_numeric_user(pod: &Value) -> Vec<String> {
    let numeric = |context: &Value| context["runAsUser"].as_u64().is_some();
    let lacking =
        containers(pod).filter(|(_, one)| !numeric(&one["securityContext"]) && !numeric(&pod["securityContext"]));
    lacking.map(|(_, container)| name(container)).collect()
}

/// Containers that can write to their root file system.
pub(super) fn writable_roots(pod: &Value) -> Vec<String> {
    let writable = containers(pod).filter(|(_, one)| one["securityContext"]["readOnlyRootFilesystem"] != true);
    writable.map(|(_, container)| name(container)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::json;

    use super::*;

    fn sound() -> Value {
        json!({
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [{
                "name": "server",
                "ports": [{"containerPort": 80}],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        })
    }

    /// Sets a field of the sound pod, given as a JSON pointer, and compares all that falls short.
    #[track_caller]
    fn check(at: &str, value: Value, expect: &[&str]) {
        let mut pod = sound();
        let mut place = &mut pod;
        for part in at.split('/').skip(1) {
            place = match part.parse::<usize>() {
                Ok(number) => &mut place[number],
                Err(_) => &mut place[part],
            };
        }
        *place = value;
        let found: Vec<String> =
            shortfalls(&pod).into_iter().map(|one| format!("{}: {} {}", one.control, one.field, one.is)).collect();
        assert_eq!(found, expect, "{at}");
    }

    #[test]
    fn every_control_is_held() {
        check("/hostNetwork", json!(false), &[]);
        check("/hostNetwork", json!(true), &["Host Namespaces: hostNetwork is set"]);
        check("/hostPID", json!(true), &["Host Namespaces: hostPID is set"]);
        check("/hostIPC", json!(true), &["Host Namespaces: hostIPC is set"]);
        check(
            "/volumes/0",
            json!({"name": "v", "hostPath": {"path": "/"}}),
            &["HostPath Volumes: volumes[0].hostPath is no kind of volume that is admitted"],
        );
        check(
            "/volumes/0",
            json!({"name": "v", "nfs": {}}),
            &["Volume Types: volumes[0].nfs is no kind of volume that is admitted"],
        );
        let sysctls = |name: &str| json!([{"name": name, "value": "1"}]);
        check("/securityContext/sysctls", sysctls("net.ipv4.tcp_syncookies"), &[]);
        check(
            "/securityContext/sysctls",
            sysctls("kernel.msgmax"),
            &["Sysctls: securityContext.sysctls sets kernel.msgmax, which the whole node would feel"],
        );
        check(
            "/securityContext/runAsUser",
            json!(0),
            &["Running as Non-root user: securityContext.runAsUser is 0, which is root"],
        );
        check(
            "/securityContext/runAsNonRoot",
            json!(false),
            &["Running as Non-root: securityContext.runAsNonRoot is false"],
        );
        check(
            "/securityContext/runAsNonRoot",
            Value::Null,
            &["Running as Non-root: containers[0].securityContext.runAsNonRoot is not set"],
        );
        check(
            "/securityContext/seccompProfile/type",
            json!("Unconfined"),
            &["Seccomp: securityContext.seccompProfile.type is Unconfined"],
        );
        check(
            "/securityContext/seccompProfile",
            Value::Null,
            &["Seccomp: containers[0].securityContext.seccompProfile is not set"],
        );
        check(
            "/securityContext/appArmorProfile",
            json!({"type": "Unconfined"}),
            &["AppArmor: securityContext.appArmorProfile.type is Unconfined"],
        );
        check("/securityContext/seLinuxOptions", json!({"type": "container_t", "level": "s0"}), &[]);
        check(
            "/securityContext/seLinuxOptions",
            json!({"type": "spc_t", "user": "root"}),
            &[
                "SELinux: securityContext.seLinuxOptions.type is spc_t",
                "SELinux: securityContext.seLinuxOptions.user is set",
            ],
        );
        check(
            "/securityContext/windowsOptions",
            json!({"hostProcess": true}),
            &["HostProcess: securityContext.windowsOptions.hostProcess is set"],
        );
    }

    #[test]
    fn every_control_of_a_container_is_held() {
        let own = "/containers/0/securityContext";
        check(
            &format!("{own}/privileged"),
            json!(true),
            &["Privileged Containers: containers[0].securityContext.privileged is set"],
        );
        check(
            &format!("{own}/allowPrivilegeEscalation"),
            Value::Null,
            &["Privilege Escalation: containers[0].securityContext.allowPrivilegeEscalation is not false"],
        );
        check(
            &format!("{own}/capabilities/drop"),
            json!(["KILL"]),
            &["Capabilities: containers[0].securityContext.capabilities.drop does not list ALL"],
        );
        check(&format!("{own}/capabilities/add"), json!(["NET_BIND_SERVICE"]), &[]);
        check(
            &format!("{own}/capabilities/add"),
            json!(["SYS_ADMIN"]),
            &["Capabilities: containers[0].securityContext.capabilities.add lists SYS_ADMIN"],
        );
        check(
            &format!("{own}/procMount"),
            json!("Unmasked"),
            &["/proc Mount Type: containers[0].securityContext.procMount is not Default"],
        );
        check(
            "/containers/0/ports/0/hostPort",
            json!(80),
            &["Host Ports: containers[0].ports[0].hostPort takes a port of the node"],
        );
        check(
            "/containers/0/livenessProbe",
            json!({"httpGet": {"host": "10.0.0.1"}}),
            &["Host Probes / Lifecycle Hooks: containers[0].livenessProbe.httpGet.host is 10.0.0.1"],
        );
        check(
            "/containers/0/lifecycle",
            json!({"preStop": {"tcpSocket": {"host": "metadata"}}}),
            &["Host Probes / Lifecycle Hooks: containers[0].lifecycle.preStop.tcpSocket.host is metadata"],
        );
        check(
            "/initContainers",
            json!([{"name": "first", "securityContext": {"capabilities": {"drop": ["ALL"]}}}]),
            &["Privilege Escalation: initContainers[0].securityContext.allowPrivilegeEscalation is not false"],
        );
    }

    #[test]
    fn steps_beyond_the_standard() {
        let pod = sound();
        assert_eq!((without_numeric_user(&pod), writable_roots(&pod)), (vec![], vec!["server".to_owned()]));
        let mut pod = pod;
        pod["securityContext"]["runAsUser"] = Value::Null;
        pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = true.into();
        assert_eq!((without_numeric_user(&pod), writable_roots(&pod)), (vec!["server".to_owned()], vec![]));
    }
}
