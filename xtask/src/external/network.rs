//! Whether np-guard's network-config-analyzer computes the same connections as `strata reach`: pair by pair and port by
//! port, and for addresses range by range.
//!
//! The analyzer reads the rendered workloads and NetworkPolicies themselves, and of `strata reach` only who else was
//! looked at. What a mesh adds to the policies is no part of the comparison: in ambient mode the analyzer does not know
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::process::succeeded;
use super::rendered::{Object, Subject};

/// The kinds that the analyzer is given: who there is, and what policies say of them.
const READ: [&str; 7] = ["Namespace", "NetworkPolicy", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];
/// How many differences are shown.
const SHOWN: usize = 20;

/// Ports of a protocol, from the first to the last.
type Ports = BTreeSet<(String, u16, u16)>;
/// Addresses from the first to the last.
type Range = (IpAddr, IpAddr);

/// Who can talk to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Connections {
    /// The ports that one end has open for another, by the names of pods.
    pairs: BTreeMap<(String, String), Ports>,
    /// The ports between pods and addresses; the flag says that the pods connect.
    addresses: BTreeMap<(String, bool), Vec<(Range, Ports)>>,
}

/// Compares both answers for a stack in an environment; says how much was compared.
///
/// # Errors
/// When they differ, or one of the two cannot be had.
pub(super) fn compare(
    programs: &Path,
    subject: &Subject<'_>,
    out: &Path,
    objects: &[Object],
) -> anyhow::Result<String> {
    let matrix: Value = serde_json::from_str(&subject.ask("reach", &["-o", "json"])?).context("reading a matrix")?;
    let folder = out.join("network");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for object in objects.iter().filter(|object| READ.contains(&object.kind())) {
        let file = folder.join(object.file.file_name().unwrap_or_default());
        match object.kind() {
            // A server gives a namespace this label.
            "Namespace" => fs::write(file, labelled(&object.value))?,
            _ => fs::copy(&object.file, file).map(drop)?,
        }
    }
    let others = others(&matrix)?;
    for (at, object) in others.objects.iter().enumerate() {
        fs::write(folder.join(format!("other-{at}.yaml")), object.to_string())?;
    }
    let mut command = Command::new(programs.join("nca"));
    command.arg("--connectivity").arg(&folder).arg("-r").arg(&folder);
    command.args(["-o", "txt_no_fw_rules", "--print_ipv6", "--return_0"]);
    let said = succeeded(&mut command, "network-config-analyzer")?;
    let (theirs, ours) = (theirs(&said, &others.own)?, ours(&matrix, &others.names)?);
    if theirs.pairs.is_empty() {
        bail!("network-config-analyzer finds no connection at all:\n{said}");
    }
    let differences = differences(&theirs, &ours);
    if !differences.is_empty() {
        let shown: Vec<&str> = differences.iter().take(SHOWN).map(String::as_str).collect();
        bail!("network-config-analyzer and strata differ in {} connections:\n{}", differences.len(), shown.join("\n"));
    }
    let (own, all) = (others.own.len(), others.names.len());
    let ranges: usize = ours.addresses.values().map(Vec::len).sum();
    Ok(format!(
        "network-config-analyzer agrees on {} pairs of pods, {} of them open, and on {ranges} ranges of addresses",
        own * (own - 1) + 2 * own * (all - own),
        ours.pairs.len(),
    ))
}

fn labelled(namespace: &Value) -> String {
    let mut namespace = namespace.clone();
    let name = namespace["metadata"]["name"].clone();
    namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    namespace.to_string()
}

/// Everybody in a matrix.
struct Others {
    /// Namespaces and pods that are not rendered.
    objects: Vec<Value>,
    /// What the analyzer calls everybody, by their name in the matrix.
    names: BTreeMap<String, String>,
    /// What it calls those of the stack.
    own: BTreeSet<String>,
}

fn text<'a>(value: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    value[field].as_str().with_context(|| format!("a matrix says nothing of `{field}`"))
}

fn list<'a>(value: &'a Value, field: &str) -> anyhow::Result<&'a Vec<Value>> {
    value[field].as_array().with_context(|| format!("a matrix has no list of `{field}`"))
}

/// Makes pods of those who are not rendered.
fn others(matrix: &Value) -> anyhow::Result<Others> {
    let mut others = Others { objects: Vec::new(), names: BTreeMap::new(), own: BTreeSet::new() };
    let mut namespaces = BTreeSet::new();
    let all = list(matrix, "pods")?;
    for pods in all.iter().filter(|pods| pods["own"] == true) {
        let name = text(pods, "name")?;
        let (kind, object) = name.split_once(' ').with_context(|| format!("`{name}` names no workload"))?;
        let called = format!("{object}[{kind}]");
        namespaces.insert(text(pods, "namespace")?);
        others.own.insert(called.clone());
        others.names.insert(name.to_owned(), called);
    }
    for (at, pods) in all.iter().enumerate().filter(|(_, pods)| pods["own"] == false) {
        let (namespace, name) = (text(pods, "namespace")?, format!("other-{at}"));
        if namespaces.insert(namespace) {
            let metadata = json!({"name": namespace, "labels": pods["namespace_labels"]});
            others.objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
        }
        others.names.insert(text(pods, "name")?.to_owned(), format!("{namespace}/{name}[Pod]"));
        others.objects.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": pods["labels"]},
            "spec": {"containers": [{"name": "other", "image": "registry.example/other"}]},
        }));
    }
    Ok(others)
}

/// What the analyzer says: lines such as `a/web[Deployment] => a/cart[Deployment] : {protocols:TCP,dst_ports:80,443}`.
/// Lines about nobody in `own` are passed over.
fn theirs(said: &str, own: &BTreeSet<String>) -> anyhow::Result<Connections> {
    let mut connections = Connections::default();
    for line in said.lines().filter(|line| line.contains(" => ")) {
        let understood = || format!("this line of network-config-analyzer is not understood: {line}");
        let (from, rest) = line.split_once(" => ").with_context(understood)?;
        let (to, ports) = rest.split_once(" : ").with_context(understood)?;
        if !own.contains(from) && !own.contains(to) {
            continue;
        }
        let ports = their_ports(ports).with_context(understood)?;
        match (range(from), range(to)) {
            (None, None) => connections.pairs.entry((from.to_owned(), to.to_owned())).or_default().extend(ports),
            (None, Some(range)) => {
                connections.addresses.entry((from.to_owned(), true)).or_default().push((range, ports))
            }
            (Some(range), None) => {
                connections.addresses.entry((to.to_owned(), false)).or_default().push((range, ports))
            }
            (Some(_), Some(_)) => {}
        }
    }
    Ok(connections)
}

/// `All connections`, or `{protocols:TCP, UDP,dst_ports:53,8000-8010}`, where either part may be missing.
fn their_ports(text: &str) -> Option<Ports> {
    if text == "All connections" {
        return Some(every(&PROTOCOLS));
    }
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let (protocols, ports) = match inner.split_once("dst_ports:") {
        Some((protocols, ports)) => (protocols.trim_end_matches(','), Some(ports)),
        None => (inner, None),
    };
    let protocols: Vec<&str> = match protocols.strip_prefix("protocols:") {
        Some(names) => {
            names.split(", ").map(|name| PROTOCOLS.into_iter().find(|one| *one == name)).collect::<Option<_>>()?
        }
        None if protocols.is_empty() => PROTOCOLS.to_vec(),
        None => return None,
    };
    let Some(ports) = ports else { return Some(every(&protocols)) };
    let mut set = Ports::new();
    for part in ports.split(',') {
        let (first, last) = numbers(part)?;
        set.extend(protocols.iter().map(|protocol| ((*protocol).to_owned(), first, last)));
    }
    Some(set)
}

/// What `strata reach` says of NetworkPolicies, whatever a mesh makes of it.
fn ours(matrix: &Value, names: &BTreeMap<String, String>) -> anyhow::Result<Connections> {
    let called = |value: &Value, field: &str| -> anyhow::Result<String> {
        let name = text(value, field)?;
        names.get(name).cloned().with_context(|| format!("`{name}` is not among the pods of the matrix"))
    };
    let mut connections = Connections::default();
    for pair in list(matrix, "pairs")? {
        let (from, to) = (called(pair, "from")?, called(pair, "to")?);
        let ports = our_ports(text(pair, if pair["by_policies"].is_null() { "open" } else { "by_policies" })?)?;
        // The analyzer does not say what pods of one workload may say to each other.
        if !ports.is_empty() && from != to {
            connections.pairs.insert((from, to), ports);
        }
    }
    for outside in list(matrix, "addresses")? {
        let key = (called(outside, "pods")?, outside["direction"] == "out");
        let ports = our_ports(text(outside, "ports")?)?;
        for addresses in list(outside, "ranges")? {
            let range = addresses.as_str().and_then(range).with_context(|| format!("{addresses} is no range"))?;
            connections.addresses.entry(key.clone()).or_default().push((range, ports.clone()));
        }
    }
    Ok(connections)
}

/// `every port`, `no port`, or a list such as `TCP 80, every UDP port, SCTP 7000-7009`.
fn our_ports(text: &str) -> anyhow::Result<Ports> {
    let part = |part: &str| -> Option<Ports> {
        if let Some(protocol) = part.strip_prefix("every ").and_then(|rest| rest.strip_suffix(" port")) {
            return Some(every(&[protocol]));
        }
        let (protocol, ports) = part.split_once(' ')?;
        let (first, last) = numbers(ports)?;
        Some(Ports::from([(protocol.to_owned(), first, last)]))
    };
    match text {
        "every port" => Ok(every(&PROTOCOLS)),
        "no port" => Ok(Ports::new()),
        some => {
            let parts: Option<Vec<Ports>> = some.split(", ").map(part).collect();
            Ok(parts.with_context(|| format!("`{text}` is no list of ports"))?.into_iter().flatten().collect())
        }
    }
}

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

fn every(protocols: &[&str]) -> Ports {
    protocols.iter().map(|protocol| ((*protocol).to_owned(), 1, u16::MAX)).collect()
}

fn numbers(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// `192.0.2.0-192.0.2.255`, or a single address.
fn range(text: &str) -> Option<Range> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Intervals of one protocol that overlap or touch become one.
fn merged(ports: &Ports) -> Ports {
    let mut result: Vec<(String, u16, u16)> = Vec::new();
    for (protocol, first, last) in ports {
        match result.last_mut() {
            Some((same, _, end)) if same == protocol && *first <= end.saturating_add(1) => *end = (*end).max(*last),
            _ => result.push((protocol.clone(), *first, *last)),
        }
    }
    result.into_iter().collect()
}

/// An address as a number that orders it within its family.
fn place(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (false, u32::from(address).into()),
        IpAddr::V6(address) => (true, address.into()),
    }
}

/// The ports of each stretch of addresses in which both sides say the same of every address: the two may cut what is
/// open into ranges at different places.
fn stretches(own: &[(Range, Ports)], other: &[(Range, Ports)]) -> BTreeMap<(bool, u128), Ports> {
    let both = || own.iter().chain(other);
    let begins = both().map(|((first, _), _)| place(*first));
    let ends = both().map(|((_, last), _)| place(*last)).filter_map(|(six, last)| Some((six, last.checked_add(1)?)));
    let cuts: BTreeSet<(bool, u128)> = begins.chain(ends).collect();
    let at = |cut: (bool, u128)| {
        let here = own.iter().filter(|((first, last), _)| place(*first) <= cut && cut <= place(*last));
        merged(&here.flat_map(|(_, ports)| ports.iter().cloned()).collect())
    };
    cuts.into_iter().map(|cut| (cut, at(cut))).filter(|(_, ports)| !ports.is_empty()).collect()
}

/// Every connection of which the two sides say different things.
fn differences(theirs: &Connections, ours: &Connections) -> Vec<String> {
    let show = |ports: Option<&Ports>| match ports {
        None => "nothing".to_owned(),
        Some(ports) => {
            let one = |(protocol, first, last): &(String, u16, u16)| format!("{protocol} {first}-{last}");
            ports.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    };
    let mut found = Vec::new();
    let pairs: BTreeSet<_> = theirs.pairs.keys().chain(ours.pairs.keys()).collect();
    for pair in pairs {
        let (one, other) = (theirs.pairs.get(pair).map(merged), ours.pairs.get(pair).map(merged));
        if one != other {
            let (from, to) = pair;
            found.push(format!(
                "{from} to {to}: the analyzer says {}, strata {}",
                show(one.as_ref()),
                show(other.as_ref())
            ));
        }
    }
    let ends: BTreeSet<_> = theirs.addresses.keys().chain(ours.addresses.keys()).collect();
    for end in ends {
        let none = Vec::new();
        let (one, other) = (theirs.addresses.get(end).unwrap_or(&none), ours.addresses.get(end).unwrap_or(&none));
        let (one, other) = (stretches(one, other), stretches(other, one));
        let cuts: BTreeSet<_> = one.keys().chain(other.keys()).collect();
        for cut in cuts.into_iter().filter(|cut| one.get(cut) != other.get(cut)) {
            let (pods, out) = end;
            let address = match *cut {
                (false, number) => u32::try_from(number).map(|number| IpAddr::from(number.to_be_bytes())).ok(),
                (true, number) => Some(IpAddr::from(number.to_be_bytes())),
            };
            let (way, address) =
                (if *out { "to" } else { "from" }, address.map_or_else(String::new, |one| one.to_string()));
            let (one, other) = (show(one.get(cut)), show(other.get(cut)));
            found.push(format!("{pods} {way} {address} and on: the analyzer says {one}, strata {other}"));
        }
    }
    found
}

#[cfg(test)]
mod tests;
