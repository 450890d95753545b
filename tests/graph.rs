//! Stacks as pictures, and the schemas of their files.

mod story;

use story::{Story, golden};

#[test]
fn sophia_as_mermaid_dot_and_svg() {
    let story = Story::shipped();
    golden("graph/sophia.mmd", story.run(&["graph", "sophia", "-e", "production"]).1);
    golden("graph/sophia.dot", story.run(&["graph", "sophia", "-e", "production", "-o", "dot"]).1);
    golden("graph/sophia.svg", story.run(&["graph", "sophia", "-e", "production", "-o", "svg"]).1);
}

#[test]
fn schemas_are_json_with_a_title_and_a_dialect() {
    let story = Story::new();
    for (what, title) in [("stack", "Stack"), ("environment", "Environment"), ("plan", "Plan")] {
        let (code, out, err) = story.run(&["schema", what]);
        assert_eq!((code, err.as_str()), (0, ""), "{what}");
        let schema: serde_json::Value = serde_json::from_str(&out).unwrap_or_default();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{what}");
        assert_eq!(schema["title"], title, "{what}");
    }
}
