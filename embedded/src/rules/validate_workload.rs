//! What the server refuses in Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs. Source of the
//! wording: `k8s.io/kubernetes/pkg/apis/apps/validation` and `…/batch/validation`.

use serde_json::{Value, json};

use super::{pod_warnings, validate, validate_pod, validate_pod_parts};
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;
use crate::selector::LabelSelector;

/// The names of its Jobs have eleven letters more.
const LONGEST_CRON_JOB: usize = 52;

/// A workload.
pub(super) fn workload(resource: &Resource, value: &Value, causes: &mut Vec<Cause>, warnings: &mut Vec<String>) {
    let kind = resource.kind.as_str();
    let template = if kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
    let place = template.trim_start_matches('/').replace('/', ".");
    for field in [
        "replicas",
        "minReadySeconds",
        "revisionHistoryLimit",
        "progressDeadlineSeconds",
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ] {
        validate::not_negative(value, &format!("/spec/{field}"), causes);
    }
    if kind == "CronJob" {
        cron_job(value, causes);
    }
    if kind == "Job" {
        selector_of_own(value, causes);
    }
    let labels = value.pointer(&format!("{template}/metadata/labels"));
    if matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") {
        selects_its_pods(kind, value, labels, &place, causes);
    }
    validate::labels(value, &format!("{template}/metadata/labels"), &format!("{place}.metadata.labels"), causes);
    let spec = value.pointer(&format!("{template}/spec")).unwrap_or(&Value::Null);
    let with_claims = if kind == "StatefulSet" { with_claims(value, spec) } else { None };
    validate_pod::spec(with_claims.as_ref().unwrap_or(spec), &format!("{place}.spec"), causes);
    let policy = object::text(spec, "/restartPolicy");
    if matches!(kind, "Job" | "CronJob") {
        if policy == "Always" {
            let field = format!("{place}.spec.restartPolicy");
            causes.push(Cause::required(field, "valid values: \"OnFailure\", \"Never\""));
        }
    } else if !matches!(policy, "Always" | "") {
        causes.push(Cause::unsupported(format!("{place}.spec.restartPolicy"), &json!(policy), &["Always"]));
    }
    if matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        && spec.get("activeDeadlineSeconds").is_some()
    {
        let owner = if kind == "Deployment" { "ReplicaSet" } else { kind };
        let why = format!("activeDeadlineSeconds in {owner} is not Supported");
        causes.push(Cause::forbidden(format!("{place}.spec.activeDeadlineSeconds"), &why));
    }
    match kind {
        "Deployment" => deployment(value, causes),
        "StatefulSet" => stateful_set(value, causes),
        "DaemonSet" => daemon_set(value, causes),
        _ => {}
    }
    if kind == "Job" {
        selects_its_job(value, causes);
        let known = ["NonIndexed", "Indexed"];
        validate_pod_parts::one_of(value.get("spec").unwrap_or(&Value::Null), "completionMode", "spec", &known, causes);
        if object::text(value, "/spec/completionMode") == "Indexed" && value.pointer("/spec/completions").is_none() {
            causes.push(Cause::required("spec.completions", "when completion mode is Indexed"));
        }
    }
    if let Some(template) = value.pointer(template) {
        warnings.extend(pod_warnings::of(template, &format!("{place}.")));
    }
}

/// A Job whose selector is made for it selects what it alone has, beside whatever its client has added.
fn selector_of_own(value: &Value, causes: &mut Vec<Cause>) {
    let Some(selector) = value.pointer("/spec/selector").filter(|_| !object::truth(value, "/spec/manualSelector"))
    else {
        return;
    };
    let own: Vec<(String, &str)> = ["", "batch.kubernetes.io/"]
        .into_iter()
        .flat_map(|prefix| {
            [("controller-uid", object::uid(value)), ("job-name", object::name(value))]
                .map(|(key, text)| (format!("{prefix}{key}"), text))
        })
        .collect();
    for (key, expected) in &own {
        let place = "spec.template.metadata.labels";
        match value.pointer("/spec/template/metadata/labels").and_then(|labels| labels.get(key)).and_then(Value::as_str)
        {
            None => causes.push(Cause::required(format!("{place}[{key}]"), &format!("must be '{expected}'"))),
            Some(found) if found != *expected => {
                let why = format!("must be '{expected}'");
                let labels = value.pointer("/spec/template/metadata/labels").unwrap_or(&Value::Null);
                causes.push(Cause::invalid(format!("{place}[{key}]"), labels, &why));
            }
            Some(_) => {}
        }
    }
    let labels: Value = own.into_iter().map(|(key, text)| (key, json!(text))).collect::<serde_json::Map<_, _>>().into();
    if !LabelSelector::of(Some(selector)).is_some_and(|selector| selector.matches_labels(Some(&labels))) {
        causes.push(Cause::invalid("spec.selector", selector, "`selector` not auto-generated"));
    }
}

/// Made for it or not, a Job's selector must fit its pods.
fn selects_its_job(value: &Value, causes: &mut Vec<Cause>) {
    let given = value.pointer("/spec/selector").filter(|selector| !selector.is_null());
    match given {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(_) => validate::selector(value, "/spec/selector", causes),
    }
    let labels = value.pointer("/spec/template/metadata/labels");
    if !LabelSelector::of(given).is_some_and(|selector| selector.matches_labels(labels)) {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels.unwrap_or(&Value::Null), why));
    }
}

/// A workload's selector must fit its pods.
fn selects_its_pods(kind: &str, value: &Value, labels: Option<&Value>, place: &str, causes: &mut Vec<Cause>) {
    let given = value.pointer("/spec/selector").filter(|selector| !selector.is_null());
    let shown = given.cloned().unwrap_or_default();
    let before = causes.len();
    match given {
        // A DaemonSet is only told that nothing, which matches no pod, does not match its own.
        None if kind == "DaemonSet" => {}
        None => causes.push(Cause::required("spec.selector", "")),
        Some(_) => validate::selector(value, "/spec/selector", causes),
    }
    if given.is_some() && causes.len() > before {
        causes.push(Cause::invalid("spec.selector", &shown, "invalid label selector"));
        return;
    }
    let selector = LabelSelector::of(given);
    if selector.as_ref().is_some_and(LabelSelector::is_empty) {
        let why = format!("empty selector is invalid for {}", kind_words(kind));
        causes.push(Cause::invalid("spec.selector", &shown, &why));
    } else if !selector.is_some_and(|selector| selector.matches_labels(labels)) {
        let labels = labels.cloned().unwrap_or_default();
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid(format!("{place}.metadata.labels"), &labels, why));
    }
}

/// A number or a share of them, at most all.
fn amount(value: &Value, pointer: &str, most_all: bool, causes: &mut Vec<Cause>) {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    match value.pointer(pointer) {
        Some(Value::String(text)) => match text.strip_suffix('%').and_then(|share| share.parse::<u32>().ok()) {
            None => {
                let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                causes.push(Cause::invalid(field, &json!(text), why));
            }
            Some(share) if share > 100 && most_all => {
                causes.push(Cause::invalid(field, &json!(text), "must not be greater than 100%"));
            }
            Some(_) => {}
        },
        Some(number) if number.as_i64().is_some_and(|number| number < 0) => {
            causes.push(Cause::invalid(field, number, "must be greater than or equal to 0"));
        }
        _ => {}
    }
}

/// A StatefulSet's pods as they are made: with a volume for each of its claims, in place of one of that name. None where
/// it has no claims.
fn with_claims(value: &Value, spec: &Value) -> Option<Value> {
    let claims = object::items(value, "/spec/volumeClaimTemplates");
    let names: Vec<&str> = claims.iter().map(object::name).collect();
    if names.is_empty() {
        return None;
    }
    let mut volumes: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}})).collect();
    let own = object::items(spec, "/volumes").iter();
    volumes.extend(own.filter(|volume| !names.contains(&object::name_of(volume))).cloned());
    let mut spec = spec.clone();
    object::set(&mut spec, "/volumes", json!(volumes));
    Some(spec)
}

/// How a StatefulSet makes and replaces its pods.
fn stateful_set(value: &Value, causes: &mut Vec<Cause>) {
    let management = object::text(value, "/spec/podManagementPolicy");
    if !matches!(management, "" | "OrderedReady" | "Parallel") {
        let why = "must be 'OrderedReady' or 'Parallel'";
        causes.push(Cause::invalid("spec.podManagementPolicy", &json!(management), why));
    }
    let partition = object::number(value, "/spec/updateStrategy/rollingUpdate/partition");
    let rolling = value.pointer("/spec/updateStrategy/rollingUpdate");
    let shown = |partition: Option<i64>| {
        let partition = partition.map_or_else(|| "null".to_owned(), |partition| partition.to_string());
        format!("{{\"Partition\":{partition},\"MaxUnavailable\":null}}")
    };
    match object::text(value, "/spec/updateStrategy/type") {
        "RollingUpdate" => {
            validate::not_negative(value, "/spec/updateStrategy/rollingUpdate/partition", causes);
        }
        "OnDelete" if rolling.is_some() => causes.push(Cause::invalid_as(
            "spec.updateStrategy.rollingUpdate",
            &shown(partition),
            "only allowed for updateStrategy 'RollingUpdate'",
        )),
        "OnDelete" => {}
        other => {
            let inner = rolling.map_or_else(|| "null".to_owned(), |_| shown(partition));
            let all = format!("{{\"Type\":{other:?},\"RollingUpdate\":{inner}}}");
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            causes.push(Cause::invalid_as("spec.updateStrategy", &all, why));
        }
    }
}

/// How a DaemonSet replaces its pods.
fn daemon_set(value: &Value, causes: &mut Vec<Cause>) {
    let rolling = "/spec/updateStrategy/rollingUpdate";
    let none = |field: &str| {
        value
            .pointer(&format!("{rolling}/{field}"))
            .is_none_or(|amount| matches!(amount.as_i64(), Some(0)) || *amount == json!("0%"))
    };
    match object::text(value, "/spec/updateStrategy/type") {
        "RollingUpdate" => {
            amount(value, &format!("{rolling}/maxUnavailable"), true, causes);
            amount(value, &format!("{rolling}/maxSurge"), true, causes);
            if none("maxUnavailable") && none("maxSurge") {
                let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
                causes.push(Cause::required(field, "cannot be 0 when maxSurge is 0"));
            } else if !none("maxUnavailable") && !none("maxSurge") {
                let surge = value.pointer(&format!("{rolling}/maxSurge")).cloned().unwrap_or_default();
                let why = "may not be set when maxUnavailable is non-zero";
                causes.push(Cause::invalid("spec.updateStrategy.rollingUpdate.maxSurge", &surge, why));
            }
        }
        "OnDelete" => {}
        other => {
            let shown = format!("{{\"Type\":{other:?},\"RollingUpdate\":null}}");
            causes.push(Cause::unsupported_as("spec.updateStrategy", &shown, &["RollingUpdate", "OnDelete"]));
        }
    }
}

/// When a CronJob runs, and how it keeps its past.
fn cron_job(value: &Value, causes: &mut Vec<Cause>) {
    let schedule = object::text(value, "/spec/schedule");
    if schedule.is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    } else if schedule.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        causes.push(Cause::invalid("spec.schedule", &json!(schedule), why));
    } else if let Some(why) = schedule_fault(schedule) {
        causes.push(Cause::invalid("spec.schedule", &json!(schedule), &why));
    }
    if value.pointer("/spec/timeZone").is_some_and(|zone| *zone == json!("")) {
        let why = "timeZone must be nil or non-empty string";
        causes.push(Cause::invalid("spec.timeZone", &json!(""), why));
    }
    let name = object::name(value);
    if name.len() > LONGEST_CRON_JOB {
        let why = format!("must be no more than {LONGEST_CRON_JOB} characters");
        causes.push(Cause::invalid("metadata.name", &json!(name), &why));
    }
    let spec = value.get("spec").unwrap_or(&Value::Null);
    validate_pod_parts::one_of(spec, "concurrencyPolicy", "spec", &["Allow", "Forbid", "Replace"], causes);
}

/// What is wrong with a schedule, in the words of the server's reader of schedules.
fn schedule_fault(schedule: &str) -> Option<String> {
    const DESCRIPTORS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    const MOST: [u32; 5] = [59, 23, 31, 12, 6];
    if schedule.starts_with('@') {
        let known = DESCRIPTORS.contains(&schedule) || schedule.starts_with("@every ");
        return (!known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != MOST.len() {
        return Some(format!("expected exactly 5 fields, found {}: [{schedule}]", fields.len()));
    }
    fields.iter().zip(MOST).enumerate().find_map(|(at, (field, most))| {
        field.split(',').find_map(|range| {
            let (ends, _) = range.split_once('/').unwrap_or((range, ""));
            let mut last = None;
            for end in ends.split('-') {
                let name = matches!(at, 3 | 4) && end.len() == 3 && end.chars().all(|c| c.is_ascii_alphabetic());
                if matches!(end, "*" | "?") || name {
                    continue;
                }
                match end.parse::<u32>() {
                    Ok(number) => last = Some(number),
                    Err(_) => {
                        let text = "invalid syntax";
                        return Some(format!("failed to parse int from {end}: strconv.Atoi: parsing {end:?}: {text}"));
                    }
                }
            }
            last.filter(|last| *last > most)
                .map(|last| format!("end of range ({last}) above maximum ({most}): {range}"))
        })
    })
}

fn kind_words(kind: &str) -> &'static str {
    match kind {
        "StatefulSet" => "statefulset",
        "DaemonSet" => "daemonset",
        _ => "deployment",
    }
}

fn deployment(value: &Value, causes: &mut Vec<Cause>) {
    let kind = object::text(value, "/spec/strategy/type");
    match kind {
        "Recreate" if value.pointer("/spec/strategy/rollingUpdate").is_some() => causes.push(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        )),
        "Recreate" => {}
        "RollingUpdate" => {
            amount(value, "/spec/strategy/rollingUpdate/maxUnavailable", true, causes);
            amount(value, "/spec/strategy/rollingUpdate/maxSurge", false, causes);
            let none = |pointer: &str| matches!(value.pointer(pointer), Some(amount) if *amount == json!(0) || *amount == json!("0%"));
            if none("/spec/strategy/rollingUpdate/maxSurge") && none("/spec/strategy/rollingUpdate/maxUnavailable") {
                causes.push(Cause::invalid(
                    "spec.strategy.rollingUpdate.maxUnavailable",
                    &value.pointer("/spec/strategy/rollingUpdate/maxUnavailable").cloned().unwrap_or_default(),
                    "may not be 0 when `maxSurge` is 0",
                ));
            }
        }
        other => {
            let shown = format!("{{\"Type\":{other:?},\"RollingUpdate\":null}}");
            causes.push(Cause::unsupported_as("spec.strategy", &shown, &["Recreate", "RollingUpdate"]));
        }
    }
    let deadline = object::number(value, "/spec/progressDeadlineSeconds").unwrap_or(600);
    if deadline <= object::number(value, "/spec/minReadySeconds").unwrap_or(0) {
        causes.push(Cause::invalid(
            "spec.progressDeadlineSeconds",
            &json!(deadline),
            "must be greater than minReadySeconds",
        ));
    }
}

/// A StatefulSet's spec may hardly change.
pub(super) fn stateful_set_unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        for field in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            object::remove(&mut spec, &format!("/{field}"));
        }
        spec
    };
    if fixed(old) != fixed(new) {
        causes.push(Cause::forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ));
    }
}
