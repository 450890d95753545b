//! Who can talk to whom, and why one server can talk to another, or cannot: what `strata reach` says.

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

#[test]
fn everything_that_is_open_is_listed() {
    let story = Story::shipped();
    for environment in ["production", "development"] {
        golden(&format!("reach/all-{environment}.txt"), story.transcript(&format!("reach sophia -e {environment}")));
    }
    story.file(
        "stacks/shop.yaml",
        "stack: shop\nnamespace: shop\ntiers:\n  all: {ports: 9500-9509}\nservices:\n  cart: {tier: all, port: 9500}\n  \
         web: {tier: all, port: 9501, depends_on: [cart], egress: [\"203.0.113.0/24:5432\"]}\n",
    );
    let (code, out, err) = story.run(&["reach", "shop", "-e", "development", "-o", "json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    golden("reach/all.json", out);
}

#[test]
fn one_name_alone_is_no_question() {
    golden("reach/half.txt", Story::shipped().transcript("reach sophia -e development hubspot"));
}
