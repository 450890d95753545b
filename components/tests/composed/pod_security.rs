//! A reading of the Pod Security Standards at the level `restricted`, every control of it, over rendered pods.
//! It shares nothing with the code that renders them.
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.

use serde_json::{Value, json};

const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What in a pod's spec falls short of the standard.
pub(crate) fn violations(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let absent_or_false = |value: &Value| value.is_null() || value == false;

    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        must(absent_or_false(&pod[field]), field.to_owned());
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
        for kind in kinds {
            must(VOLUMES.contains(&kind.as_str()), format!("volume of kind {kind}"));
        }
    }
    let whole = &pod["securityContext"];
    must(whole["sysctls"].is_null(), "sysctls".to_owned());
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        for container in pod[kind].as_array().into_iter().flatten() {
            let name = &container["name"];
            let own = &container["securityContext"];
            // A container's own word goes before the pod's.
            let effective = |field: &str| if own[field].is_null() { &whole[field] } else { &own[field] };
            must(absent_or_false(&own["privileged"]), format!("{name} is privileged"));
            must(own["allowPrivilegeEscalation"] == false, format!("{name} may gain privileges"));
            must(own["capabilities"]["drop"] == json!(["ALL"]), format!("{name} keeps capabilities"));
            let added = own["capabilities"]["add"].as_array().into_iter().flatten();
            must(added.into_iter().all(|one| one == "NET_BIND_SERVICE"), format!("{name} gains capabilities"));
            must(effective("runAsNonRoot") == true, format!("{name} may run as root"));
            must(effective("runAsUser").as_i64().is_some_and(|user| user > 0), format!("{name} has no numeric user"));
            let seccomp = &effective("seccompProfile")["type"];
            must(seccomp == "RuntimeDefault" || seccomp == "Localhost", format!("{name} has no seccomp profile"));
            for field in ["seLinuxOptions", "windowsOptions", "appArmorProfile", "procMount"] {
                must(effective(field).is_null(), format!("{name} sets {field}"));
            }
            for port in container["ports"].as_array().into_iter().flatten() {
                must(port["hostPort"].is_null(), format!("{name} takes a port of the host"));
            }
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                must(container[probe]["httpGet"]["host"].is_null(), format!("{name} probes another host"));
            }
        }
    }
    found
}

#[test]
fn the_reading_finds_what_falls_short() {
    let sound = json!({
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [{
            "name": "server",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
    });
    assert_eq!(violations(&sound), Vec::<String>::new());

    let cases = [
        ("/securityContext/runAsNonRoot", json!(false), "\"server\" may run as root"),
        ("/securityContext/runAsUser", json!(0), "\"server\" has no numeric user"),
        ("/securityContext/seccompProfile/type", json!("Unconfined"), "\"server\" has no seccomp profile"),
        ("/containers/0/securityContext/allowPrivilegeEscalation", json!(true), "\"server\" may gain privileges"),
        ("/containers/0/securityContext/capabilities/drop", json!([]), "\"server\" keeps capabilities"),
        ("/volumes/0", json!({"name": "tmp", "hostPath": {}}), "volume of kind hostPath"),
    ];
    for (at, value, expected) in cases {
        let mut pod = sound.clone();
        *pod.pointer_mut(at).unwrap() = value;
        assert_eq!(violations(&pod), [expected]);
    }
}
