//! Takes out of an output what is different in every run: clusters, times, durations, names that were made up.

use std::sync::LazyLock;

use regex::Regex;

static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"on cluster [^\s,)]+", "on cluster [CLUSTER]"),
        (r"Kubernetes v[0-9][^\s,]*", "Kubernetes [VERSION]"),
        (r"\[ *\d+\.\d s\]", "[TIME]"),
        (r"\d+\.\d s\b", "[TIME] s"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIMESTAMP]"),
        (r"(ReplicaSet \S+)-[0-9a-z]{6,10}\b", "$1-[HASH]"),
        // A Deployment's pod: the digest of its template, and five letters.
        (r"-[0-9a-z]{6,10}-[0-9a-z]{5}([_ \x22]|$)", "-[POD]$1"),
        // Whose pods came first.
        (r"used: limits.memory=\d+Mi", "used: limits.memory=[AMOUNT]"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[UID]"),
        (r"hmac-sha256:[0-9a-f]{32}", "hmac-sha256:[DIGEST]"),
        // How often depends on when it was looked at.
        (r"crashed (once|\d+ times)", "crashed [COUNT]"),
        // Where kubelets are only played, there are no logs; what else a scheduler has considered is its own affair.
        (r"\n      log: .*", ""),
        (r"(nodes are available: [^.]*\.) .*", "$1"),
        (r"\b\S+_\d+_[0-9a-f]{8}\b", "[HOLDER]"),
        // Who it is to the cluster, at the end of a row of a history or in what it says of one run.
        (r"(?m)^(\d+ +\[TIMESTAMP\] .*) \S+$", "$1 [USER]"),
        (r"(?m)^  by       \S+,", "  by       [USER],"),
        (r"(?m)^  (inputs|plan)  ( *)sha256:[0-9a-f]{64}$", "  $1  ${2}sha256:[DIGEST]"),
    ]
    .map(|(pattern, instead)| (Regex::new(pattern).unwrap(), instead))
    .into()
});

/// The text, with a word in brackets for everything that varies.
pub(crate) fn redact(text: &str) -> String {
    VARYING.iter().fold(text.to_owned(), |text, (pattern, instead)| pattern.replace_all(&text, *instead).into_owned())
}

/// The progress of an up, told in an order that does not depend on who was quicker: between the beginning and the end
/// of a phase lines are sorted, and what was waited for on the way, which is chance, is left out.
pub(crate) fn in_order(text: &str) -> String {
    let (mut out, mut phase) = (String::new(), Vec::new());
    for line in text.lines() {
        let progress = line.strip_prefix("[TIME] ");
        match progress {
            Some(event) if event.starts_with("waiting for ") => {}
            Some(event) if !event.starts_with("phase ") => phase.push(line),
            _ => {
                phase.sort_unstable();
                phase.drain(..).chain([line]).for_each(|line| out.extend([line, "\n"]));
            }
        }
    }
    out
}
