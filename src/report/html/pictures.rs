//! What a plan's overview says, as pictures: who can talk to whom as a matrix, the ports of a tier as a rail, what nodes
//! carry as bars. Each picture repeats what a table beside it says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::plan::overview::{Connection, Overview, ResourceLoad, TierPorts};
use crate::report::clean::clean;
use crate::report::graph::svg::escape;

/// The side of a cell of the matrix, and what stands free around its mark.
const CELL: usize = 15;
const INSET: usize = 3;
/// Letters of a name beside the matrix, and how wide each is.
const LETTERS: usize = 26;
const LETTER: usize = 7;
/// How wide a rail is drawn, in parts of its own; the page stretches it.
const RAIL: usize = 1000;

/// The reachability matrix: rows connect to columns.
pub(super) fn matrix(overview: &Overview) -> String {
    let rows = numbered(overview.connections.iter().map(|one| one.from));
    let columns = numbered(overview.connections.iter().map(|one| one.to));
    let label = |peer: &usize| {
        let (name, own) = overview.peers.get(*peer).map_or(("", true), |peer| (peer.name.as_str(), peer.own));
        (short(name), if own { "m-name" } else { "m-name m-other" })
    };
    let longest =
        |peers: &BTreeMap<usize, usize>| peers.keys().map(|peer| label(peer).0.chars().count()).max().unwrap_or(0);
    let (left, top) = (longest(&rows) * LETTER + 12, longest(&columns) * LETTER * 9 / 10 + 16);
    let (wide, high) = (columns.len() * CELL, rows.len() * CELL);
    // Names above the columns lean to the right.
    let (width, height) = (left + wide + longest(&columns) * LETTER / 2 + 16, top + high + 8);
    let mut out = format!(
        "<svg class=\"matrix\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Who can connect to whom; the table below says the same\">"
    );
    for (peer, row) in &rows {
        let (name, class) = label(peer);
        let y = top + row * CELL;
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><path class=\"m-rule\" d=\"M{left} {y}h{wide}\"/>",
            left - 6,
            y + CELL - 4,
            escape(&name)
        );
        if let Some(column) = columns.get(peer) {
            let x = left + column * CELL;
            let _ = write!(out, "<rect class=\"m-self\" x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\"/>");
        }
    }
    for (peer, column) in &columns {
        let (name, class) = label(peer);
        let x = left + column * CELL;
        let (at, y) = (x + CELL - 4, top - 5);
        let _ = write!(
            out,
            "<text class=\"{class}\" x=\"{at}\" y=\"{y}\" transform=\"rotate(-60 {at} {y})\">{}</text><path class=\"m-rule\" \
             d=\"M{x} {top}v{high}\"/>",
            escape(&name)
        );
    }
    for one in &overview.connections {
        let (Some(row), Some(column)) = (rows.get(&one.from), columns.get(&one.to)) else { continue };
        let (x, y, side) = (left + column * CELL + INSET, top + row * CELL + INSET, CELL - 2 * INSET);
        let [from, to] = [one.from, one.to].map(|peer| overview.peers.get(peer).map_or("", |peer| peer.name.as_str()));
        let _ = write!(
            out,
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\"><title>{}</title></rect>",
            class(one),
            escape(&format!("{from} to {to}: {}", told(one)))
        );
    }
    out.push_str("</svg>");
    out
}

/// The strongest of what can be said of a connection.
fn class(connection: &Connection) -> &'static str {
    if !connection.open.is_empty() {
        "m-open"
    } else if !connection.perhaps.is_empty() {
        "m-perhaps"
    } else {
        "m-refused"
    }
}

fn told(connection: &Connection) -> String {
    let Connection { open, refused, perhaps, .. } = connection;
    let parts = [(open, "open"), (refused, "refused by the mesh"), (perhaps, "perhaps open")];
    let parts = parts.into_iter().filter(|(ports, _)| !ports.is_empty());
    parts.map(|(ports, words)| format!("{ports} {words}")).collect::<Vec<_>>().join(", ")
}

/// Peers that occur, with their row or column.
fn numbered(peers: impl Iterator<Item = usize>) -> BTreeMap<usize, usize> {
    let mut places: BTreeMap<usize, usize> = peers.map(|peer| (peer, 0)).collect();
    places.values_mut().enumerate().for_each(|(at, place)| *place = at);
    places
}

fn short(name: &str) -> String {
    let name = clean(name);
    if name.chars().count() <= LETTERS {
        return name.into_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

/// The ports of a tier, each that is taken marked.
pub(super) fn rail(tier: &TierPorts) -> String {
    let ports = usize::from(tier.last.saturating_sub(tier.first)) + 1;
    let mut out = format!(
        "<svg viewBox=\"0 0 {RAIL} 22\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{} of {ports} ports taken\"><rect \
         class=\"p-rail\" width=\"{RAIL}\" height=\"22\"/>",
        tier.taken.len()
    );
    for taken in &tier.taken {
        let at = usize::from(taken.port.saturating_sub(tier.first));
        let (from, to) = (at * RAIL / ports, (at + 1) * RAIL / ports);
        let width = (to - from).saturating_sub(1).max(3);
        let _ = write!(
            out,
            "<rect class=\"p-taken\" x=\"{from}\" y=\"3\" width=\"{width}\" height=\"16\"><title>{} {}</title></rect>",
            taken.port,
            escape(&taken.service)
        );
    }
    out.push_str("</svg>");
    out
}

/// What a node carries of a resource: what is asked for after as a bar, and before as a line under it.
pub(super) fn bar(load: &ResourceLoad) -> String {
    let share = |amount: u64| u128::from(amount.min(load.whole)) * 100 / u128::from(load.whole.max(1));
    format!(
        "<svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"c-rail\" width=\"100\" \
         height=\"8\"/><rect class=\"c-after\" width=\"{}\" height=\"5\"/><rect class=\"c-before\" y=\"6\" width=\"{}\" height=\"2\"/></svg>",
        share(load.after),
        share(load.before)
    )
}

/// An amount of a resource in few letters: cores, GiB, or a number.
pub(super) fn amount(resource: &str, amount: u64) -> String {
    let tenths = match resource {
        "cpu" => amount / 100 + u64::from(amount % 100 >= 50),
        "memory" | "ephemeral-storage" => (amount >> 20) * 10 / 1024,
        _ => return amount.to_string(),
    };
    if tenths.is_multiple_of(10) { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

/// What a resource is called at the head of a column.
pub(super) fn resource(name: &str) -> String {
    match name {
        "cpu" => "CPU, cores".to_owned(),
        "memory" => "Memory, GiB".to_owned(),
        "ephemeral-storage" => "Ephemeral storage, GiB".to_owned(),
        "pods" => "Pods".to_owned(),
        "nvidia.com/gpu" => "GPUs".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (name, many, expect) in [
            ("cpu", 64_000, "64"),
            ("cpu", 1_250, "1.3"),
            ("cpu", 0, "0"),
            ("memory", 420 << 30, "420"),
            ("memory", 1536 << 20, "1.5"),
            ("nvidia.com/gpu", 8, "8"),
        ] {
            assert_eq!(amount(name, many), expect, "{name} {many}");
        }
    }

    #[test]
    fn marks_lie_within_their_rail() {
        let tier: TierPorts = serde_json::from_value(serde_json::json!({"tier": "a", "first": 9000, "last": 9001,
            "taken": [{"port": 9001, "health_port": 9101, "service": "<b>"}]}))
        .unwrap_or_else(|error| panic!("{error}"));
        let expect = "<rect class=\"p-taken\" x=\"500\" y=\"3\" width=\"499\" height=\"16\"><title>9001 &lt;b&gt;</title></rect></svg>";
        assert!(rail(&tier).ends_with(expect), "{}", rail(&tier));
    }
}
