//! Secrets that stand in plain text in a stack or an environment: readable by whoever can read the file, its history
//! or the pod. What is found is named by its variable; the value is never shown.

use std::collections::BTreeMap;

use strata_components::model::EnvName;

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;
use crate::secrets::Suspicions;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    let suspicions = Suspicions::default();
    let mut look = |base: String, env: &BTreeMap<EnvName, String>, changed: bool| {
        for (name, value) in env {
            let Some(why) = suspicions.of(name.as_str(), value) else { continue };
            let path = field(&field(&base, "env"), name.as_str());
            let at = if changed { loaded.places.environment_key(&path) } else { loaded.places.stack_key(&path) };
            findings.push(
                Finding::new(&rules::PLAIN_SECRET, format!("{path}: a secret stands here in plain text: {why}"))
                    .at(at)
                    .path(path)
                    .conceal()
                    .help("keep it in a Secret of the cluster, and change it now: it has been in a file".to_owned()),
            );
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
