//! The indexes of an indexed Job's pods: on each pod, and together as a text such as `1,3-5`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::object;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The index of a pod.
pub(super) fn of(pod: &Value) -> Option<i64> {
    object::annotation(pod, INDEX)?.parse().ok()
}

/// Gives a pod that is being made its index: in its name, host name, labels, annotations and environment.
pub(super) fn give(pod: &mut Value, job: &str, index: i64) {
    object::set(pod, "/metadata/generateName", json!(format!("{job}-{index}-")));
    object::set(pod, "/spec/hostname", json!(format!("{job}-{index}")));
    for map in ["annotations", "labels"] {
        object::set(pod, &format!("/metadata/{map}/{}", INDEX.replace('/', "~1")), json!(index.to_string()));
    }
    let variable = json!({
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']")}},
    });
    for list in ["containers", "initContainers"] {
        let containers = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mut variables = object::items(container, "/env").to_vec();
            if !variables.iter().any(|v| object::text(v, "/name") == "JOB_COMPLETION_INDEX") {
                variables.push(variable.clone());
                object::set(container, "/env", json!(variables));
            }
        }
    }
}

/// Reads `1,3-5`.
pub(super) fn read(text: &str) -> BTreeSet<i64> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<i64>().ok()?..=last.parse::<i64>().ok()?)
    };
    text.split(',').filter_map(part).flatten().collect()
}

/// Writes `1,3-5`.
pub(super) fn write(indexes: &BTreeSet<i64>) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let texts: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[i64]) {
        let set: BTreeSet<i64> = expected.iter().copied().collect();
        assert_eq!((read(text), write(&set)), (set, text.to_owned()));
    }

    #[test]
    fn indexes_are_written_in_runs() {
        check("", &[]);
        check("0", &[0]);
        check("0,1", &[0, 1]);
        check("0-2", &[0, 1, 2]);
        check("1,3-5,7,8", &[1, 3, 4, 5, 7, 8]);
    }
}
