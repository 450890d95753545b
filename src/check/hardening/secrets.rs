//! Secrets that stand in plain text in a stack or an environment: readable by whoever can read the file, its history
//! or the pod. What is found is named by its variable; the value is never shown.

use std::collections::BTreeMap;

use strata_components::model::{EnvName, OutputValue};

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;
use crate::secrets::Suspicions;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    let suspicions = Suspicions::default();
    let mut suspect = |path: String, (name, value): (&str, &str), changed: bool| {
        let Some(why) = suspicions.of(name, value) else { return };
        let at = if changed { loaded.places.environment_key(&path) } else { loaded.places.stack_key(&path) };
        findings.push(
            Finding::new(&rules::PLAIN_SECRET, format!("{path}: a secret stands here in plain text: {why}"))
                .at(at)
                .path(path)
                .conceal()
                .help("keep it in a Secret of the cluster, and change it now: it has been in a file".to_owned()),
        );
    };
    for (name, output) in &loaded.stack.outputs {
        if let OutputValue::Literal(text) = &output.value {
            suspect(field(&field("outputs", name.as_str()), "literal"), (name.as_str(), text), false);
        }
    }
    let mut look = |base: String, env: &BTreeMap<EnvName, String>, changed: bool| {
        for (name, value) in env {
            suspect(field(&field(&base, "env"), name.as_str()), (name.as_str(), value), changed);
        }
    };
    for (name, service) in &loaded.stack.services {
        look(field("services", name.as_str()), &service.env, false);
    }
    for (name, change) in &loaded.environment.services {
        look(field("services", name.as_str()), &change.env, true);
    }
    findings
}
