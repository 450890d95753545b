//! What `strata` says where no command is named: where to begin, by what is here already.

use std::path::Path;

use super::names::{Name, Names};

/// A few lines for somebody who has just typed the program's name.
pub(super) fn text(root: &Path) -> String {
    let names = Names::new(root.to_owned(), None, None, None);
    let first = |names: Vec<Name>| names.into_iter().next().map(|first| first.name);
    let preferred = names.environments().into_iter().map(|one| one.name).find(|name| name == "development");
    let environment = preferred.or_else(|| first(names.environments()));
    let stack = environment.as_deref().and_then(|environment| first(names.stacks_for(environment)));
    let steps = match (stack.or_else(|| first(names.stacks())), environment) {
        (Some(stack), Some(environment)) => {
            let of = format!("{stack} -e {environment}");
            let steps = [
                ("check", "prove it; no cluster is needed"),
                ("plan", "see what would change on the cluster, and why"),
                ("up", "make it so"),
                ("status", "see what runs"),
            ];
            let width = of.len() + 16;
            let line = |(command, says)| format!("  {:width$}{says}\n", format!("strata {command} {of}"));
            steps.map(line).concat()
        }
        _ => "  strata init shop      make a directory with a first stack and environment\n  \
                strata --root DIR …   work with stacks/ and environments/ that are elsewhere\n"
            .to_owned(),
    };
    format!(
        "Infrastructure as code for fleets of MCP servers on GPU Kubernetes clusters.\n\nBegin here:\n{steps}\n\
         `strata COMMAND --help` shows examples of a command, `strata --help` every command.\n"
    )
}
