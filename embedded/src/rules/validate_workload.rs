//! What the server refuses in Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs. Source of the
//! wording: `k8s.io/kubernetes/pkg/apis/apps/validation` and `…/batch/validation`.

use serde_json::{Value, json};

use super::validate::not_negative;
use super::{pod_warnings, validate, validate_metadata, validate_pod, validate_pod_parts};
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;
use crate::selector::LabelSelector;

/// The names of its Jobs have eleven letters more.
const LONGEST_CRON_JOB: usize = 52;

/// A workload.
pub(super) fn workload(resource: &Resource, value: &Value, causes: &mut Vec<Cause>, warnings: &mut Vec<String>) {
    match resource.kind.as_str() {
        "Deployment" => deployment(value, causes),
        "ReplicaSet" => replica_set(value, causes),
        "StatefulSet" => stateful_set(value, causes),
        "DaemonSet" => daemon_set(value, causes),
        "Job" => job(value, causes),
        _ => cron_job(value, causes),
    }
    let template = match resource.kind.as_str() {
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    let place = template.trim_start_matches('/').replace('/', ".");
    if let Some(template) = value.pointer(template) {
        warnings.extend(pod_warnings::of(template, &format!("{place}.")));
    }
    let revisions = object::number(value, "/spec/revisionHistoryLimit");
    if resource.kind == "StatefulSet" && revisions.is_some_and(|limit| limit < 0) {
        let text = "a negative value retains all historical revisions; a value >= 0 is recommended";
        warnings.push(format!("spec.revisionHistoryLimit: {text}"));
    }
}

fn deployment(value: &Value, causes: &mut Vec<Cause>) {
    not_negative(value, "/spec/replicas", causes);
    if selector(value, "deployment", "invalid label selector", causes) {
        selected_template(value, causes);
        long_running("ReplicaSet", value, causes);
    }
    let rolling = "/spec/strategy/rollingUpdate";
    match object::text(value, "/spec/strategy/type") {
        "Recreate" if value.pointer(rolling).is_some() => causes.push(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        )),
        "Recreate" => {}
        "RollingUpdate" => {
            let (fewer, more) = (format!("{rolling}/maxUnavailable"), format!("{rolling}/maxSurge"));
            share(value, &fewer, causes);
            share(value, &more, causes);
            if is_none(value, &fewer) && is_none(value, &more) {
                let shown = value.pointer(&fewer).cloned().unwrap_or_default();
                let why = "may not be 0 when `maxSurge` is 0";
                causes.push(Cause::invalid("spec.strategy.rollingUpdate.maxUnavailable", &shown, why));
            }
            at_most_all(value, &fewer, causes);
        }
        other => {
            let shown = shown_strategy(value, rolling, other);
            causes.push(Cause::unsupported_as("spec.strategy", &shown, &["Recreate", "RollingUpdate"]));
        }
    }
    not_negative(value, "/spec/minReadySeconds", causes);
    not_negative(value, "/spec/revisionHistoryLimit", causes);
    not_negative(value, "/spec/progressDeadlineSeconds", causes);
    let deadline = object::number(value, "/spec/progressDeadlineSeconds").unwrap_or(600);
    if deadline <= object::number(value, "/spec/minReadySeconds").unwrap_or(0) {
        let why = "must be greater than minReadySeconds";
        causes.push(Cause::invalid("spec.progressDeadlineSeconds", &json!(deadline), why));
    }
}

fn replica_set(value: &Value, causes: &mut Vec<Cause>) {
    not_negative(value, "/spec/replicas", causes);
    not_negative(value, "/spec/minReadySeconds", causes);
    if selector(value, "deployment", "invalid label selector", causes) {
        selected_template(value, causes);
        long_running("ReplicaSet", value, causes);
    }
}

fn stateful_set(value: &Value, causes: &mut Vec<Cause>) {
    let management = object::text(value, "/spec/podManagementPolicy");
    if !matches!(management, "" | "OrderedReady" | "Parallel") {
        let why = "must be 'OrderedReady' or 'Parallel'";
        causes.push(Cause::invalid("spec.podManagementPolicy", &json!(management), why));
    }
    stateful_strategy(value, causes);
    for field in ["whenDeleted", "whenScaled"] {
        let policy = value.pointer("/spec/persistentVolumeClaimRetentionPolicy").unwrap_or(&Value::Null);
        let place = "spec.persistentVolumeClaimRetentionPolicy";
        validate_pod_parts::one_of(policy, field, place, &["Retain", "Delete"], causes);
    }
    not_negative(value, "/spec/replicas", causes);
    not_negative(value, "/spec/minReadySeconds", causes);
    if object::number(value, "/spec/ordinals/start").is_some_and(|start| start < 0) {
        let shown = json!(object::number(value, "/spec/ordinals/start"));
        causes.push(Cause::invalid("spec.ordinals.start", &shown, "must be greater than or equal to 0"));
    }
    // Of this selector it is not said what is wrong with it.
    if selector(value, "statefulset", "", causes) {
        selected_template(value, causes);
        validate::labels(value, "/spec/template/metadata/labels", "spec.template.labels", causes);
        validate_metadata::annotations(
            value,
            "/spec/template/metadata/annotations",
            "spec.template.annotations",
            causes,
        );
    }
    long_running("StatefulSet", value, causes);
}

/// How a StatefulSet replaces its pods.
fn stateful_strategy(value: &Value, causes: &mut Vec<Cause>) {
    let rolling = "/spec/updateStrategy/rollingUpdate";
    let shown = || {
        let partition = object::number(value, &format!("{rolling}/partition")).unwrap_or(0);
        let fewer = value.pointer(&format!("{rolling}/maxUnavailable")).cloned().unwrap_or_default();
        format!("{{\"Partition\":{partition},\"MaxUnavailable\":{fewer}}}")
    };
    match object::text(value, "/spec/updateStrategy/type") {
        "RollingUpdate" => {
            not_negative(value, &format!("{rolling}/partition"), causes);
            let fewer = format!("{rolling}/maxUnavailable");
            if let Some(amount) = value.pointer(&fewer) {
                share(value, &fewer, causes);
                if is_none(value, &fewer) {
                    let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
                    causes.push(Cause::invalid(field, amount, "cannot be 0"));
                }
                at_most_all(value, &fewer, causes);
            }
        }
        "OnDelete" if value.pointer(rolling).is_some() => causes.push(Cause::invalid_as(
            "spec.updateStrategy.rollingUpdate",
            &shown(),
            "only allowed for updateStrategy 'RollingUpdate'",
        )),
        "OnDelete" => {}
        other => {
            let inner = value.pointer(rolling).map_or_else(|| "null".to_owned(), |_| shown());
            let all = format!("{{\"Type\":{other:?},\"RollingUpdate\":{inner}}}");
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            causes.push(Cause::invalid_as("spec.updateStrategy", &all, why));
        }
    }
}

fn daemon_set(value: &Value, causes: &mut Vec<Cause>) {
    let before = causes.len();
    validate::selector(value, "/spec/selector", causes);
    let given = value.pointer("/spec/selector").filter(|selector| !selector.is_null());
    let parsed = LabelSelector::of(given).filter(|_| causes.len() == before);
    let labels = value.pointer("/spec/template/metadata/labels");
    // Nothing, which matches no pod, does not match its own.
    if causes.len() == before && !parsed.as_ref().is_some_and(|selector| selector.matches_labels(labels)) {
        unmatched(labels, causes);
    }
    if parsed.is_some_and(|selector| selector.is_empty()) {
        let shown = selector_as_go(given.unwrap_or(&Value::Null));
        causes.push(Cause::invalid_as("spec.selector", &shown, "empty selector is invalid for daemonset"));
    }
    template(value, "/spec/template", causes);
    long_running("DaemonSet", value, causes);
    not_negative(value, "/spec/minReadySeconds", causes);
    let rolling = "/spec/updateStrategy/rollingUpdate";
    match object::text(value, "/spec/updateStrategy/type") {
        "RollingUpdate" => {
            let (fewer, more) = (format!("{rolling}/maxUnavailable"), format!("{rolling}/maxSurge"));
            share(value, &fewer, causes);
            share(value, &more, causes);
            at_most_all(value, &fewer, causes);
            at_most_all(value, &more, causes);
            match (is_none(value, &fewer), is_none(value, &more)) {
                (true, true) => {
                    let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
                    causes.push(Cause::required(field, "cannot be 0 when maxSurge is 0"));
                }
                (false, false) => {
                    let surge = value.pointer(&more).cloned().unwrap_or_default();
                    let why = "may not be set when maxUnavailable is non-zero";
                    causes.push(Cause::invalid("spec.updateStrategy.rollingUpdate.maxSurge", &surge, why));
                }
                _ => {}
            }
        }
        "OnDelete" => {}
        other => {
            let shown = shown_strategy(value, rolling, other);
            causes.push(Cause::unsupported_as("spec.updateStrategy", &shown, &["RollingUpdate", "OnDelete"]));
        }
    }
    not_negative(value, "/spec/revisionHistoryLimit", causes);
}

fn job(value: &Value, causes: &mut Vec<Cause>) {
    job_spec(value, "/spec", causes);
    let given = value.pointer("/spec/selector").filter(|selector| !selector.is_null());
    let before = causes.len();
    match given {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(_) => validate::selector(value, "/spec/selector", causes),
    }
    let labels = value.pointer("/spec/template/metadata/labels");
    let fits = LabelSelector::of(given).is_some_and(|selector| selector.matches_labels(labels));
    if !fits && (given.is_none() || causes.len() == before) {
        unmatched(labels, causes);
    }
}

/// A selector that the server was to make has what it has put there, and nothing that its pods have not.
pub(super) fn own_selector(value: &Value, causes: &mut Vec<Cause>) {
    let Some(given) = value.pointer("/spec/selector").filter(|selector| !selector.is_null()) else { return };
    if object::truth(value, "/spec/manualSelector") {
        return;
    }
    let (uid, name) = (object::uid(value), object::name(value));
    let expected = json!({
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    });
    for key in ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"] {
        let wanted = object::text(&expected, &format!("/{}", key.replace('/', "~1")));
        let labels = value.pointer("/spec/template/metadata/labels").unwrap_or(&Value::Null);
        let found = labels.get(key);
        let (field, why) = (format!("spec.template.metadata.labels[{key}]"), format!("must be '{wanted}'"));
        match found {
            None => causes.push(Cause::required(field, &why)),
            Some(found) if found.as_str() != Some(wanted) => causes.push(Cause::invalid(field, labels, &why)),
            Some(_) => {}
        }
    }
    if !LabelSelector::of(Some(given)).is_none_or(|selector| selector.matches_labels(Some(&expected))) {
        let why = "`selector` not auto-generated";
        causes.push(Cause::invalid_as("spec.selector", &selector_as_go(given), why));
    }
}

/// What a Job does, where it is a CronJob's as well.
fn job_spec(value: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    let place = pointer.trim_start_matches('/').replace('/', ".");
    for field in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        not_negative(value, &format!("{pointer}/{field}"), causes);
    }
    let spec = value.pointer(pointer).unwrap_or(&Value::Null);
    validate_pod_parts::one_of(spec, "completionMode", &place, &["NonIndexed", "Indexed"], causes);
    if object::text(spec, "/completionMode") == "Indexed" && spec.get("completions").is_none() {
        causes.push(Cause::required(format!("{place}.completions"), "when completion mode is Indexed"));
    }
    template(value, &format!("{pointer}/template"), causes);
    let field = format!("{place}.template.spec.restartPolicy");
    match object::text(spec, "/template/spec/restartPolicy") {
        "Always" | "" => causes.push(Cause::required(field, "valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" | "Never" => {}
        other => causes.push(Cause::unsupported(field, &json!(other), &["OnFailure", "Never"])),
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
    not_negative(value, "/spec/startingDeadlineSeconds", causes);
    if value.pointer("/spec/timeZone").is_some_and(|zone| *zone == json!("")) {
        let why = "timeZone must be nil or non-empty string";
        causes.push(Cause::invalid("spec.timeZone", &json!(""), why));
    }
    let spec = value.get("spec").unwrap_or(&Value::Null);
    validate_pod_parts::one_of(spec, "concurrencyPolicy", "spec", &["Allow", "Forbid", "Replace"], causes);
    job_spec(value, "/spec/jobTemplate/spec", causes);
    if let Some(selector) = value.pointer("/spec/jobTemplate/spec/selector") {
        let why = "`selector` will be auto-generated";
        causes.push(Cause::invalid_as("spec.jobTemplate.spec.selector", &selector_as_go(selector), why));
    }
    if object::truth(value, "/spec/jobTemplate/spec/manualSelector") {
        let field = "spec.jobTemplate.spec.manualSelector";
        causes.push(Cause::unsupported(field, &json!(true), &["nil", "false"]));
    }
    not_negative(value, "/spec/successfulJobsHistoryLimit", causes);
    not_negative(value, "/spec/failedJobsHistoryLimit", causes);
    let name = object::name(value);
    if name.len() > LONGEST_CRON_JOB {
        let why = format!("must be no more than {LONGEST_CRON_JOB} characters");
        causes.push(Cause::invalid("metadata.name", &json!(name), &why));
    }
}

/// The selector of a workload; tells whether it can be read at all, for otherwise the template is not looked at.
fn selector(value: &Value, kind: &str, unreadable: &str, causes: &mut Vec<Cause>) -> bool {
    let Some(given) = value.pointer("/spec/selector").filter(|selector| !selector.is_null()) else {
        causes.push(Cause::required("spec.selector", ""));
        return true;
    };
    let before = causes.len();
    validate::selector(value, "/spec/selector", causes);
    let shown = selector_as_go(given);
    if causes.len() > before {
        let mut cause = Cause::invalid_as("spec.selector", &shown, unreadable);
        if unreadable.is_empty() {
            cause.message = format!("Invalid value: {shown}");
        }
        causes.push(cause);
        return false;
    }
    if LabelSelector::of(Some(given)).is_some_and(|selector| selector.is_empty()) {
        let why = format!("empty selector is invalid for {kind}");
        causes.push(Cause::invalid_as("spec.selector", &shown, &why));
    }
    true
}

/// The template, which the selector is to fit.
fn selected_template(value: &Value, causes: &mut Vec<Cause>) {
    let labels = value.pointer("/spec/template/metadata/labels");
    let given = value.pointer("/spec/selector").filter(|selector| !selector.is_null());
    if !LabelSelector::of(given).is_some_and(|selector| selector.matches_labels(labels)) {
        unmatched(labels, causes);
    }
    template(value, "/spec/template", causes);
}

fn unmatched(labels: Option<&Value>, causes: &mut Vec<Cause>) {
    let why = "`selector` does not match template `labels`";
    causes.push(Cause::invalid("spec.template.metadata.labels", labels.unwrap_or(&Value::Null), why));
}

/// A pod template. The server leaves the metadata out of what it calls its fields.
fn template(value: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    let place = pointer.trim_start_matches('/').replace('/', ".");
    validate::labels(value, &format!("{pointer}/metadata/labels"), &format!("{place}.labels"), causes);
    let annotations = format!("{pointer}/metadata/annotations");
    validate_metadata::annotations(value, &annotations, &format!("{place}.annotations"), causes);
    let spec = value.pointer(&format!("{pointer}/spec")).unwrap_or(&Value::Null);
    let with_claims = with_claims(value, spec);
    validate_pod::spec(with_claims.as_ref().unwrap_or(spec), &format!("{place}.spec"), causes);
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

/// Pods that are to run for good.
fn long_running(kind: &str, value: &Value, causes: &mut Vec<Cause>) {
    let policy = object::text(value, "/spec/template/spec/restartPolicy");
    if policy != "Always" {
        causes.push(Cause::unsupported("spec.template.spec.restartPolicy", &json!(policy), &["Always"]));
    }
    if value.pointer("/spec/template/spec/activeDeadlineSeconds").is_some() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        causes.push(Cause::forbidden("spec.template.spec.activeDeadlineSeconds", &why));
    }
}

/// A selector as the server prints it: with its fields in their own order.
pub(super) fn selector_as_go(selector: &Value) -> String {
    let mut shown = Vec::new();
    if let Some(labels) = selector.get("matchLabels") {
        shown.push(format!("\"matchLabels\":{labels}"));
    }
    let expressions = object::items(selector, "/matchExpressions");
    if !expressions.is_empty() {
        let expression = |expression: &Value| {
            let fields = ["key", "operator", "values"];
            let fields = fields.iter().filter_map(|field| Some(format!("\"{field}\":{}", expression.get(field)?)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        };
        let all: Vec<String> = expressions.iter().map(expression).collect();
        shown.push(format!("\"matchExpressions\":[{}]", all.join(",")));
    }
    format!("{{{}}}", shown.join(","))
}

/// A number or a share, of which it is checked that it is one and not below zero.
fn share(value: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    match value.pointer(pointer) {
        Some(Value::String(text)) if percent(text).is_none() => {
            let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            causes.push(Cause::invalid(field, &json!(text), why));
        }
        Some(number) if number.as_i64().is_some_and(|number| number < 0) => {
            causes.push(Cause::invalid(field, number, "must be greater than or equal to 0"));
        }
        _ => {}
    }
}

/// A share that is to be no more than all.
fn at_most_all(value: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    let text = object::text(value, pointer);
    if percent(text).is_some_and(|share| share > 100) {
        causes.push(Cause::invalid(field, &json!(text), "must not be greater than 100%"));
    }
}

fn percent(text: &str) -> Option<u32> {
    text.strip_suffix('%').and_then(|share| share.parse().ok())
}

/// Does the number or share come to nothing?
fn is_none(value: &Value, pointer: &str) -> bool {
    match value.pointer(pointer) {
        Some(Value::String(text)) => percent(text).or_else(|| text.parse().ok()).unwrap_or(0) == 0,
        Some(number) => number.as_i64() == Some(0),
        None => true,
    }
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

/// A strategy of an unknown type, in the form in which a server prints its own structure; `rolling` points at the amounts.
fn shown_strategy(value: &Value, rolling: &str, of_type: &str) -> String {
    let amount = |field: &str| match value.pointer(&format!("{rolling}/{field}")) {
        Some(amount) => amount.to_string(),
        None => "0".to_owned(),
    };
    let inner = match value.pointer(rolling) {
        None => "null".to_owned(),
        Some(_) => format!("{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}", amount("maxUnavailable"), amount("maxSurge")),
    };
    format!("{{\"Type\":{of_type:?},\"RollingUpdate\":{inner}}}")
}
