//! What a container of a Compose file needs beside its image: its command, variables, files, volumes and names.
//!
//! A value that stands in a Secret is asked for when Compose reads the file, as a variable of its own environment; it is
//! never written. A dollar sign that is a container's own is doubled, because Compose would take it for such a variable.

use serde_json::{Map, Value, json};
use strata_components::desired::{Desired, Resource};

use super::compose_file::list;

/// A file that a container reads.
pub(super) struct File<'a> {
    /// What Compose calls it.
    pub(super) name: String,
    /// Where the container has it.
    pub(super) path: String,
    /// What it holds.
    pub(super) text: &'a str,
}

/// What is run in place of the image's own command, where it is not that.
pub(super) fn command(entry: &mut Value, container: &Value) {
    for (theirs, ours) in [("command", "entrypoint"), ("args", "command")] {
        let words: Vec<String> =
            list(&container[theirs]).filter_map(Value::as_str).map(|word| expanded(word, container)).collect();
        if !words.is_empty() {
            entry[ours] = json!(words);
        }
    }
}

/// A word of a command, in which Kubernetes would put the variables of the container for `$(NAME)`.
fn expanded(word: &str, container: &Value) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find("$(") {
        let (before, after) = rest.split_at(at);
        text.push_str(&plain(before));
        let end = after.find(')').map(|end| end + 1).unwrap_or(after.len());
        let (reference, beyond) = after.split_at(end);
        let name = reference.trim_start_matches("$(").trim_end_matches(')');
        let value = list(&container["env"]).find(|one| one["name"] == name).and_then(value);
        text.push_str(&value.unwrap_or_else(|| plain(reference)));
        rest = beyond;
    }
    text.push_str(&plain(rest));
    text
}

/// Text that Compose leaves as it is.
fn plain(text: &str) -> String {
    text.replace('$', "$$")
}

/// The variables of a container.
pub(super) fn environment(container: &Value) -> Map<String, Value> {
    list(&container["env"]).filter_map(|one| Some((one["name"].as_str()?.to_owned(), value(one)?.into()))).collect()
}

/// The value of a variable, or where Compose gets it: `${CACHE_PASSWORD:?…}` of the key `password` of the Secret `cache`.
fn value(variable: &Value) -> Option<String> {
    if let Some(text) = variable["value"].as_str() {
        return Some(plain(text));
    }
    let from = &variable["valueFrom"]["secretKeyRef"];
    let (secret, key) = (from["name"].as_str()?, from["key"].as_str()?);
    Some(format!("${{{}:?the key {key} of the Secret {secret}}}", asked_for(secret, key)))
}

/// The variable of Compose's own environment that stands for a key of a Secret.
fn asked_for(secret: &str, key: &str) -> String {
    let name: String = format!("{secret}_{key}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    let first = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    format!("{first}{name}")
}

/// A value of a Secret that a container reads as a file.
pub(super) struct SecretFile {
    /// What Compose calls it.
    pub(super) name: String,
    /// Where the container has it.
    pub(super) path: String,
    /// The variable that Compose takes it from.
    variable: String,
}

/// The files that a workload's container reads, from Secrets.
pub(super) fn secrets_of(workload: &Resource) -> Vec<SecretFile> {
    let pod = &workload.manifest["spec"]["template"]["spec"];
    let mounts = || list(&pod["containers"][0]["volumeMounts"]);
    let mut files = Vec::new();
    for volume in list(&pod["volumes"]) {
        let Some(secret) = volume["secret"]["secretName"].as_str() else { continue };
        for item in list(&volume["secret"]["items"]) {
            let mount = mounts().find(|mount| mount["name"] == volume["name"] && mount["subPath"] == item["path"]);
            let path = mount.and_then(|mount| mount["mountPath"].as_str());
            let Some((path, key)) = path.zip(item["key"].as_str()) else { continue };
            let (name, path) = (format!("{secret}-{key}"), path.to_owned());
            files.push(SecretFile { name, path, variable: asked_for(secret, key) });
        }
    }
    files
}

/// Every value of a Secret that a workload reads as a file, as Compose has it.
pub(super) fn secrets<'a>(workloads: impl Iterator<Item = &'a Resource>) -> Map<String, Value> {
    workloads.flat_map(secrets_of).map(|file| (file.name, json!({"environment": file.variable}))).collect()
}

/// The files that a workload's container reads, from ConfigMaps of the stack.
pub(super) fn files_of<'a>(workload: &Resource, desired: &'a Desired) -> Vec<File<'a>> {
    let pod = &workload.manifest["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let mut files = Vec::new();
    for volume in list(&pod["volumes"]) {
        let Some(name) = volume["configMap"]["name"].as_str() else { continue };
        let map = desired.resources.iter().find(|resource| {
            let id = &resource.id;
            id.kind.kind == "ConfigMap" && id.name == name && id.namespace == workload.id.namespace
        });
        let mount = list(&container["volumeMounts"]).find(|mount| mount["name"] == volume["name"]);
        let Some((map, place)) = map.zip(mount.and_then(|mount| mount["mountPath"].as_str())) else { continue };
        for (file, text) in map.manifest["data"].as_object().into_iter().flatten() {
            let Some(text) = text.as_str() else { continue };
            files.push(File { name: format!("{name}-{file}"), path: format!("{place}/{file}"), text });
        }
    }
    files
}

/// Every file that a workload reads, as Compose has it.
pub(super) fn configs<'a>(workloads: impl Iterator<Item = &'a Resource>, desired: &Desired) -> Map<String, Value> {
    let files = workloads.flat_map(|workload| files_of(workload, desired));
    files.map(|file| (file.name, json!({"content": plain(file.text)}))).collect()
}

/// The volumes that a workload keeps data on, each with the place where the container has it.
pub(super) fn volumes_of(workload: &Resource) -> impl Iterator<Item = (String, &str)> {
    let spec = &workload.manifest["spec"];
    let mounts = || list(&spec["template"]["spec"]["containers"][0]["volumeMounts"]);
    list(&spec["volumeClaimTemplates"]).filter_map(move |claim| {
        let name = claim["metadata"]["name"].as_str()?;
        let path = mounts().find(|mount| mount["name"] == name)?["mountPath"].as_str()?;
        Some((format!("{name}-{}", workload.id.name), path))
    })
}

/// The names that files of the stack have for the pods of a workload: those of Services that lead to them, as the
/// domain name system of a cluster knows them.
pub(super) fn aliases(workload: &Resource, desired: &Desired) -> Vec<String> {
    let labels = &workload.manifest["spec"]["template"]["metadata"]["labels"];
    let maps = || desired.resources.iter().filter(|resource| resource.id.kind.kind == "ConfigMap");
    let mentioned = |name: &str| {
        let texts = maps().flat_map(|map| map.manifest["data"].as_object().into_iter().flatten());
        texts.filter_map(|(_, text)| text.as_str()).any(|text| text.contains(name))
    };
    let services = desired.resources.iter().filter(|resource| {
        let selector = resource.manifest["spec"]["selector"].as_object();
        resource.id.kind.kind == "Service"
            && resource.id.namespace == workload.id.namespace
            && selector.is_some_and(|selector| selector.iter().all(|(key, value)| labels[key] == *value))
    });
    let names = services.filter_map(|service| {
        Some(format!("{}.{}.svc.cluster.local", service.id.name, service.id.namespace.as_deref()?))
    });
    let mut names: Vec<String> = names.filter(|name| mentioned(name)).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expect: &str) {
        let from = json!({"secretKeyRef": {"name": "9-keys", "key": "redis.conf"}});
        let container = json!({"env": [{"name": "A", "value": "1$2"}, {"name": "SECRET", "valueFrom": from}]});
        assert_eq!(expanded(word, &container), expect);
    }

    #[test]
    fn words_of_a_command_have_the_values_of_variables() {
        let asked = "${_9_KEYS_REDIS_CONF:?the key redis.conf of the Secret 9-keys}";
        check("plain", "plain");
        check("$HOME", "$$HOME");
        check("--a=$(A)", "--a=1$$2");
        check("$(SECRET)", asked);
        check("a$(A)b$(SECRET)c", &format!("a1$$2b{asked}c"));
        check("$(UNKNOWN) $(open", "$$(UNKNOWN) $$(open");
    }
}
