//! What has moved since a plan was saved, as an engineer reads it: object by object, as it was and as it is.

use std::fmt::Write;

use serde_json::Value;
use strata_components::desired::ResourceId;

use super::clean::clean;
use super::plan::{show, why};
use crate::plan::stale::{Moved, Part};

/// Columns a value may take; what is longer is cut.
const LONGEST: usize = 72;

/// What has moved as text, each object followed by what of it; coloured by ANSI sequences. Ends with a line feed.
#[must_use]
pub fn terminal(moved: &[Moved]) -> String {
    let mut out = String::new();
    let mut told: Option<&ResourceId> = None;
    for one in moved {
        match &one.id {
            None => {
                let _ = writeln!(out, "  {}", clean(&words(one)));
                continue;
            }
            Some(id) if told != Some(id) => {
                let _ = writeln!(out, "  {}", clean(&id.to_string()));
            }
            Some(_) => {}
        }
        told = one.id.as_ref();
        match &one.part {
            Part::Obstacle(cause) => {
                let _ = writeln!(out, "      {}", clean(&why(cause).unwrap_or_default()));
            }
            _ => {
                let _ = writeln!(out, "      {}", clean(&words(one)));
            }
        }
    }
    out
}

fn words(moved: &Moved) -> String {
    let Moved { id: _, part, planned, now } = moved;
    let (was, is) = (short(planned.as_ref()), short(now.as_ref()));
    match (part, planned, now) {
        (Part::Inputs, ..) => "the stack, the environment or strata itself asks for something else".to_owned(),
        (Part::Manifest, ..) => "the stack says something else of it".to_owned(),
        (Part::Uid, Some(_), None) => format!("is gone; its UID was {was}"),
        (Part::Uid, None, _) => format!("has appeared; its UID is {is}"),
        (Part::Uid, Some(_), Some(_)) => format!("was replaced: its UID was {was} and is {is}"),
        (Part::Field(path), ..) => format!("{path}: was {was}, is {is}"),
        (Part::Outcome(path), ..) => format!("{path}: would have become {was}, would become {is}"),
        (Part::Owner(path), ..) => format!("{path}: was set by {was}, is set by {is}"),
        (Part::Action, Some(_), None) => format!("{was} was planned, and nothing would be done now"),
        (Part::Action, None, _) => format!("nothing was planned, and {is} would be done now"),
        (Part::Action, Some(_), Some(_)) => format!("{was} was planned, and {is} would be done now"),
        (Part::Obstacle(_), ..) => "it is blocked now".to_owned(),
        (Part::Member(name), None, None) => format!("{} is another", name.replace('_', " ")),
        (Part::Member(name), ..) => format!("{}: was {was}, is {is}", name.replace('_', " ")),
    }
}

/// A value on one line, cut where it is long.
fn short(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(none)".to_owned() };
    let text = show(value).replace('\n', " ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cause;
    use serde_json::json;
    use strata_components::desired::{KUBERNETES, Kind};

    #[track_caller]
    fn check(part: Part, planned: Option<Value>, now: Option<Value>, expect: &str) {
        let kind = Kind { group: String::new(), version: "v1".to_owned(), kind: "Service".to_owned() };
        let (provider, target) = (KUBERNETES.to_owned(), "local".to_owned());
        let id = ResourceId { provider, target, kind, namespace: Some("ns".to_owned()), name: "web".to_owned() };
        let text = terminal(&[Moved { id: Some(id), part, planned, now }]);
        assert_eq!(text, format!("  Service ns/web\n      {expect}\n"));
    }

    #[test]
    fn each_part_has_its_words() {
        let text = |text: &str| Some(json!(text));
        check(Part::Uid, text("a"), text("b"), "was replaced: its UID was a and is b");
        check(Part::Uid, text("a"), None, "is gone; its UID was a");
        check(Part::Uid, None, text("b"), "has appeared; its UID is b");
        check(Part::Field(".spec.x".to_owned()), Some(json!(3)), None, ".spec.x: was 3, is (none)");
        check(
            Part::Outcome(".a".to_owned()),
            Some(json!(3)),
            Some(json!(4)),
            ".a: would have become 3, would become 4",
        );
        check(Part::Owner(".a".to_owned()), text("x"), text("y"), ".a: was set by x, is set by y");
        check(Part::Action, text("create"), None, "create was planned, and nothing would be done now");
        check(Part::Action, None, text("delete"), "nothing was planned, and delete would be done now");
        check(Part::Action, text("create"), text("update"), "create was planned, and update would be done now");
        check(Part::Manifest, None, None, "the stack says something else of it");
        check(Part::Member("waits_for".to_owned()), Some(json!(["a"])), None, "waits for: was [\"a\"], is (none)");
        check(Part::Member("causes".to_owned()), None, None, "causes is another");
        check(Part::Obstacle(Box::new(Cause::NotOurs)), None, None, "exists already and belongs to no instance");
        let long = Some(json!("x".repeat(100)));
        let expect = format!(".a: was {}…, is y\\u{{1b}}[31m", "x".repeat(72));
        check(Part::Field(".a".to_owned()), long, text("y\u{1b}[31m"), &expect);
    }
}
