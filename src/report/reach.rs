//! Why a connection is open or closed, for people and for programs.

use serde::Serialize;

use super::clean::clean;
use crate::check::reach::{Explanation, Half, Opening, PortSet, Translation};

/// The form of an [`Answer`] as JSON.
pub const FORMAT: &str = "strata.reach/v1";

/// What is known of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The form of this document.
    pub format: &'static str,
    /// The stack.
    pub stack: String,
    /// The environment.
    pub environment: String,
    /// Who connects, as it was asked.
    pub from: String,
    /// Who is connected to, as it was asked.
    pub to: String,
    /// Whether some port is certainly open.
    pub open: bool,
    /// One for each two kinds of pods.
    pub ways: Vec<Way>,
}

/// What is known between two kinds of pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// What the policies say.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// The ports of the Service that leads to the pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Translation>,
}

impl Answer {
    /// An answer to a question.
    #[must_use]
    pub fn new(stack: String, environment: String, from: &str, to: &str, ways: Vec<Way>) -> Self {
        let open = ways.iter().any(|way| !way.explanation.open.is_empty());
        Self { format: FORMAT, stack, environment, from: from.to_owned(), to: to.to_owned(), open, ways }
    }
}

/// The answer as a JSON document.
#[must_use]
pub fn json(answer: &Answer) -> String {
    super::json_document(answer)
}

/// The answer for a terminal.
#[must_use]
pub fn terminal(answer: &Answer) -> String {
    let mut text = format!("{} to {}, {} in {}\n", answer.from, answer.to, answer.stack, answer.environment);
    for way in &answer.ways {
        let Explanation { from, to, out, into, open, perhaps, refused } = &way.explanation;
        text.push_str(&format!("\n{} to {}\n", clean(from), clean(to)));
        if let Some(half) = out {
            text.push_str(&told(half, "out of"));
        }
        if let Some(half) = into {
            text.push_str(&told(half, "into"));
        }
        if !refused.is_empty() {
            text.push_str(&format!("  the mesh refuses {refused}: it demands mutual TLS, or authorises others only\n"));
        }
        for port in &way.services {
            text.push_str(&translated(port, open));
        }
        text.push_str(&match open.is_empty() {
            true => "  closed\n".to_owned(),
            false => format!("  open: {open}\n"),
        });
        if !perhaps.is_empty() {
            text.push_str(&format!("  perhaps open: {perhaps}, where an address, an identity or a node decides\n"));
        }
    }
    text
}

fn told(half: &Half, way: &str) -> String {
    let pods = clean(&half.pods);
    if half.host_network {
        return format!("  {way} {pods}: on the network of its node, where policies do not hold\n");
    }
    if half.policies.is_empty() {
        return format!("  {way} {pods}: no policy, everything is let through\n");
    }
    let mut text = format!("  {way} {pods}\n");
    for ruling in &half.policies {
        let says = if ruling.opens.is_empty() {
            "opens nothing here".to_owned()
        } else {
            ruling.opens.iter().map(opening).collect::<Vec<_>>().join("; ")
        };
        text.push_str(&format!("    {}: {says}\n", clean(&ruling.policy)));
    }
    text
}

fn opening(opening: &Opening) -> String {
    let perhaps = if opening.perhaps { ", if the addresses that it names are those of pods" } else { "" };
    format!("rule {} opens {}{perhaps}", opening.rule, opening.ports)
}

fn translated(port: &Translation, open: &PortSet) -> String {
    let Translation { service, name, protocol, port, pod_port } = port;
    let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
    match pod_port {
        None => format!("  Service {service} {protocol} {port}{name} leads to no port of the pods\n"),
        Some(pod_port) => {
            let state = if open.contains(*protocol, *pod_port) { "open" } else { "closed" };
            format!("  Service {service} {protocol} {port}{name} leads to {pod_port}: {state}\n")
        }
    }
}
