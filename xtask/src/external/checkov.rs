//! Whether checkov finds an unsafe setting that nobody has given a reason for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::process::output;
use super::rendered::{Object, template};

/// The checks that manifests fail on purpose: the check, what it asks for, and why it is not done.
const WAIVERS: [Waiver; 6] = [
    Waiver {
        check: "CKV_K8S_15",
        asks: "imagePullPolicy of Always",
        reason: "an image has a tag that stays or a digest (S-hardening-003, S-hardening-004), so that pulling it again \
                 gives the same bytes; a pod must be able to start again on its node while the registry is away",
        of: "",
    },
    Waiver {
        check: "CKV_K8S_43",
        asks: "images by digest",
        reason: "the example fleet's images are in no registry and have none; an environment demands them of its own \
                 with `image.pin: digest`, and S-hardening-004 enforces it",
        of: "",
    },
    Waiver {
        check: "CKV_K8S_40",
        asks: "users from 10000 on",
        reason: "the official images of components have users of their own, to whom their files belong: 99 of HAProxy, \
                 100 of Consul, 999 of PostgreSQL and of Redis; that of Weaviate names none, and \
                 volumes that are there belong to 1000; S-hardening-002 sees to it that none is root",
        of: "",
    },
    Waiver {
        check: "CKV_K8S_23",
        asks: "no containers that run as root",
        reason: "the device plugin writes a socket into a directory of the kubelet, which belongs to root; it has no other \
                 right of root, and nothing else lives in its namespace",
        of: DEVICE_PLUGIN,
    },
    Waiver {
        check: "CKV_K8S_8",
        asks: "liveness probes",
        reason: "the device plugin answers the kubelet alone, over that socket; the kubelet drops its GPUs when it is gone",
        of: DEVICE_PLUGIN,
    },
    Waiver {
        check: "CKV_K8S_9",
        asks: "readiness probes",
        reason: "nobody asks the device plugin for anything but the kubelet, which it tells by itself that it is there",
        of: DEVICE_PLUGIN,
    },
];

/// What checkov calls the pods of a device plugin, as far as these are called alike.
const DEVICE_PLUGIN: &str = "DaemonSet.gpu-system.nvidia-device-plugin-";

/// The waivers that were needed: the check of each, and what it is for.
pub(super) type Used = BTreeSet<(&'static str, &'static str)>;

struct Waiver {
    check: &'static str,
    asks: &'static str,
    reason: &'static str,
    /// What the names of the objects begin with that it is for; every object, where that is nothing.
    of: &'static str,
}

/// What checkov says of one environment.
struct Verdict {
    resources: u64,
    passed: u64,
    /// What failed: the name of each check, and of what it was found in, by its id.
    failed: BTreeMap<String, (String, Vec<String>)>,
}

/// Has checkov look at the objects, as one file: it takes long over many small ones. `used` learns which waivers were
/// needed. Says how many checks passed.
///
/// # Errors
/// When a check failed that is not waived, and when checkov did not see every object.
pub(super) fn scan(programs: &Path, out: &Path, objects: &[Object], used: &mut Used) -> anyhow::Result<String> {
    let file = out.join("all.yaml");
    let texts: Result<Vec<String>, _> = objects.iter().map(|object| fs::read_to_string(&object.file)).collect();
    fs::write(&file, format!("---\n{}", texts?.join("---\n")))?;
    let mut command = Command::new(programs.join("checkov"));
    command.arg("--file").arg(&file).args(["--framework", "kubernetes", "--skip-download", "--compact", "--quiet"]);
    let said = output(command.args(["--output", "json"]))?;
    let verdict = verdict(&String::from_utf8_lossy(&said.stdout))
        .with_context(|| format!("checkov said: {}", String::from_utf8_lossy(&said.stderr)))?;
    // It makes a pod of each template beside the object itself, but of a CronJob's, which it looks at where that stands.
    let made = |object: &&Object| object.kind() != "CronJob" && template(object.kind()).is_some();
    let expected = objects.len() + objects.iter().filter(made).count();
    if u64::try_from(expected)? != verdict.resources {
        bail!("checkov saw {} of {expected} objects and pods", verdict.resources);
    }
    judged(&verdict, used)
}

fn verdict(said: &str) -> anyhow::Result<Verdict> {
    let said: Value = serde_json::from_str(said).context("reading what checkov found")?;
    let number = |field: &str| said["summary"][field].as_u64().with_context(|| format!("there is no count of {field}"));
    if number("parsing_errors")? != 0 {
        bail!("checkov could not read {} files", number("parsing_errors")?);
    }
    let mut failed: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let found = said["results"]["failed_checks"].as_array().context("there is no list of failed checks")?;
    for one in found {
        let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        failed.entry(text("check_id")).or_insert_with(|| (text("check_name"), Vec::new())).1.push(text("resource"));
    }
    if number("failed")? != u64::try_from(found.len())? {
        bail!("checkov counts {} failed checks and lists {}", number("failed")?, found.len());
    }
    Ok(Verdict { resources: number("resource_count")?, passed: number("passed")?, failed })
}

fn judged(verdict: &Verdict, used: &mut Used) -> anyhow::Result<String> {
    let mut waived = Vec::new();
    let mut refused = Vec::new();
    for (id, (name, resources)) in &verdict.failed {
        let mut open = Vec::new();
        for resource in resources {
            match WAIVERS.iter().find(|waiver| waiver.check == id && resource.starts_with(waiver.of)) {
                Some(waiver) => drop(used.insert((waiver.check, waiver.of))),
                None => open.push(resource.as_str()),
            }
        }
        if open.len() < resources.len() {
            waived.push(format!("{id} {} times", resources.len() - open.len()));
        }
        if !open.is_empty() {
            refused.push(format!("{id} ({name}): {}", open.join(", ")));
        }
    }
    if !refused.is_empty() {
        bail!(
            "checkov finds fault; mend it, or give a reason in xtask/src/external/checkov.rs:\n{}",
            refused.join("\n")
        );
    }
    if verdict.passed == 0 {
        bail!("checkov passed no check at all");
    }
    let waived = if waived.is_empty() { "none waived".to_owned() } else { format!("waived {}", waived.join(", ")) };
    Ok(format!("checkov passed {} checks of {} objects and pods; {waived}", verdict.passed, verdict.resources))
}

/// Each waiver with its reason, after all stacks in all environments.
///
/// # Errors
/// When one was needed nowhere: it would hide what comes later.
pub(super) fn waivers(used: &Used) -> anyhow::Result<Vec<String>> {
    if let Some(waiver) = WAIVERS.iter().find(|waiver| !used.contains(&(waiver.check, waiver.of))) {
        bail!("checkov's {} ({}) is waived, and fails nowhere: take the waiver away", waiver.check, waiver.asks);
    }
    Ok(WAIVERS.iter().map(|waiver| format!("{}, {}: {}", waiver.check, waiver.asks, waiver.reason)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::json;

    use super::*;

    /// What becomes of a verdict with these failed checks.
    fn check(failed: &[&str]) -> (Result<String, String>, Vec<&'static str>) {
        let found: Vec<_> = failed
            .iter()
            .map(|id| json!({"check_id": id, "check_name": "Be good", "resource": "Deployment.a.web"}))
            .collect();
        let said = json!({
            "summary": {"passed": 90, "failed": failed.len(), "parsing_errors": 0, "resource_count": 9},
            "results": {"failed_checks": found},
        });
        let mut used = Used::new();
        let judged = judged(&verdict(&said.to_string()).unwrap(), &mut used).map_err(|error| error.to_string());
        (judged, used.into_iter().map(|(check, _)| check).collect())
    }

    #[test]
    fn what_fails_without_a_reason_is_an_error() {
        let fault = "checkov finds fault; mend it, or give a reason in xtask/src/external/checkov.rs:\n\
                     CKV_K8S_16 (Be good): Deployment.a.web";
        assert_eq!(check(&["CKV_K8S_16", "CKV_K8S_15"]), (Err(fault.to_owned()), vec!["CKV_K8S_15"]));
        let passed = |rest: &str| Ok(format!("checkov passed 90 checks of 9 objects and pods; {rest}"));
        assert_eq!(check(&["CKV_K8S_43", "CKV_K8S_43"]), (passed("waived CKV_K8S_43 2 times"), vec!["CKV_K8S_43"]));
        assert_eq!(check(&[]), (passed("none waived"), vec![]));
    }

    #[test]
    fn a_waiver_that_nobody_needs_is_an_error() {
        let all: Used = WAIVERS.iter().map(|waiver| (waiver.check, waiver.of)).collect();
        assert_eq!(waivers(&all).unwrap().len(), WAIVERS.len());
        for one in &all {
            let rest = all.iter().filter(|other| *other != one).copied().collect();
            assert!(waivers(&rest).is_err(), "{one:?}");
        }
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        for said in ["", "{}", r#"{"passed": 0, "failed": 0}"#] {
            assert!(verdict(said).is_err(), "{said}");
        }
    }
}
