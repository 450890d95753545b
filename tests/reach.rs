//! Why one server can talk to another, or cannot: what `strata reach` says.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use story::{Story, golden};

#[test]
fn one_connection_is_explained() {
    let story = Story::shipped();
    for (name, from, to) in [
        ("declared", "hubspot", "mcp_orchestrator"),
        ("undeclared", "hubspot", "redis_cache"),
        ("gateway", "ingress-controller", "mcp_orchestrator"),
        ("names", "gong", "dns"),
        ("way-out", "hubspot", "8.8.8.8"),
        ("metadata", "hubspot", "169.254.169.254"),
        ("way-in", "8.8.8.8", "mcp_orchestrator"),
        ("nobody", "hubsport", "dns"),
    ] {
        golden(&format!("reach/{name}.txt"), story.transcript(&format!("reach sophia -e development {from} {to}")));
    }
}

#[test]
fn programs_get_the_same_as_data() {
    let story = Story::shipped();
    let (code, out, err) =
        story.run(&["reach", "sophia", "-e", "development", "hubspot", "mcp_orchestrator", "-o", "json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    golden("reach/declared.json", out);
}
