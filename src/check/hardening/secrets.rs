//! Secrets that stand in plain text in a stack or an environment: readable by whoever can read the file, its history
//! or the pod. What is found is named by its variable; the value is never shown.

use std::collections::BTreeMap;

use strata_components::model::{ConfigKey, ConfigValue, EnvName, OutputValue};

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;
use crate::secrets::Suspicions;

/// Every text of a configuration, with its path and the key that it stands under.
fn texts(path: String, key: &str, value: &ConfigValue, found: &mut dyn FnMut(String, &str, &str)) {
    match value {
        ConfigValue::Text(text) => found(path, key, text),
        ConfigValue::List(items) => {
            items.iter().enumerate().for_each(|(at, item)| texts(format!("{path}[{at}]"), key, item, found));
        }
        ConfigValue::Document(fields) => {
            fields.iter().for_each(|(key, value)| texts(field(&path, key.as_str()), key.as_str(), value, found));
        }
        ConfigValue::Truth(_) | ConfigValue::Number(_) | ConfigValue::OfService { .. } | ConfigValue::OfOutput(_) => {}
    }
}

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
    let mut read = |base: String, config: &BTreeMap<ConfigKey, ConfigValue>, changed: bool| {
        for (key, value) in config {
            let path = field(&field(&base, "config"), key.as_str());
            texts(path, key.as_str(), value, &mut |path, key, text| suspect(path, (key, text), changed));
        }
    };
    for (name, service) in &loaded.stack.services {
        read(field("services", name.as_str()), &service.config, false);
    }
    for (name, change) in &loaded.environment.services {
        read(field("services", name.as_str()), &change.config, true);
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
