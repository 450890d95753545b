//! The examples in help texts: for every command a few lines that can be typed, and what each is for.
//!
//! One list, so that help texts, the reference in docs/ and the tests that try the lines have the same.

use std::fmt::Write as _;

use clap::Command;

/// A line that can be typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// What it is for.
    pub says: &'static str,
    /// The line, as a shell takes it.
    pub line: &'static str,
}

const fn example(says: &'static str, line: &'static str) -> Example {
    Example { says, line }
}

/// The examples of each command, by its words without the program's name.
pub const EXAMPLES: &[(&str, &[Example])] = &[
    ("init", &[example("a directory with a first stack and environment", "strata init shop")]),
    (
        "check",
        &[
            example("everything that can be proven without a cluster", "strata check sophia -e production"),
            example("what the live cluster adds to that", "strata check sophia -e production --live"),
            example("every stack, also on the nodes that they share", "strata check --all -e production"),
            example("every port, for programs", "strata check sophia -e production --ports -o json"),
        ],
    ),
    (
        "render",
        &[
            example("manifests as one stream", "strata render sophia -e production"),
            example("one file an object", "strata render sophia -e production --out-dir manifests"),
            example(
                "for Argo CD, where the repository begins",
                "strata render sophia -e staging --format argocd --out-dir deploy --repo https://git.example/fleet",
            ),
            example(
                "for one machine with Docker",
                "strata render sophia -e development --format compose > compose.yaml",
            ),
        ],
    ),
    (
        "plan",
        &[
            example("what would change, and why", "strata plan sophia -e development"),
            example("every stack, in the order of their references", "strata plan --all -e development"),
            example("one service, and what it depends on", "strata plan sophia -e development --target ai_memory"),
            example(
                "keep the plan, so that just this one is carried out",
                "strata plan sophia -e development --save sophia.plan",
            ),
            example("a comment for a pull request", "strata plan sophia -e development -o markdown > plan.md"),
        ],
    ),
    (
        "show",
        &[
            example("a plan that was saved", "strata show sophia.plan"),
            example("the same as a comment for a pull request", "strata show sophia.plan -o markdown"),
        ],
    ),
    (
        "sign",
        &[
            example("a plan that was looked at", "strata sign sophia.plan --key plans.key"),
            example("with a key that is on no disk", "strata sign sophia.plan --key -"),
        ],
    ),
    (
        "up",
        &[
            example("look at the plan, and answer yes", "strata up sophia -e development"),
            example(
                "in CI: just the plan that was reviewed",
                "strata up sophia -e production --plan sophia.plan --yes",
            ),
            example("every stack, one after another", "strata up --all -e development --yes"),
            example("events for a program", "strata up sophia -e staging --yes -o json"),
            example("an instance of its own, for a pull request", "strata up sophia -e testing --instance pr-7 --yes"),
        ],
    ),
    (
        "destroy",
        &[
            example("every stack, in reverse order", "strata destroy --all -e testing --yes"),
            example("take an instance down", "strata destroy sophia -e testing --instance pr-7 --yes"),
            example(
                "its Namespace as well",
                "strata destroy sophia -e testing --yes --delete Namespace/mcp-servers-testing",
            ),
        ],
    ),
    (
        "status",
        &[
            example("what runs, by phase and tier", "strata status sophia -e development"),
            example("the same for programs", "strata status sophia -e development -o json"),
            example("every stack of the environment", "strata status --all -e development"),
        ],
    ),
    (
        "history",
        &[
            example("every run that is kept", "strata history sophia -e development"),
            example("what one of them did", "strata history sophia -e development 3"),
        ],
    ),
    (
        "unlock",
        &[example("the holder as `strata up` names it", "strata unlock sophia -e production runner-7_4711_5ce1fa3b")],
    ),
    (
        "diff",
        &[
            example("between a record and the files of today", "strata diff sophia -e production 3"),
            example("between two records, for a script", "strata diff sophia -e production 3 5 --detailed-exitcode"),
        ],
    ),
    (
        "rollback",
        &[
            example("look at what it would do, and answer yes or no", "strata rollback sophia -e production 3"),
            example("go back without being asked", "strata rollback sophia -e production 3 --yes"),
            example("save the plan, for others to look at", "strata rollback sophia -e production 3 --save back.plan"),
            example("carry out just that one", "strata rollback sophia -e production 3 --plan back.plan --yes"),
        ],
    ),
    (
        "outputs",
        &[
            example("what the stack tells others", "strata outputs sophia -e production"),
            example("one value, for a script", "strata outputs sophia -e production orchestrator_url"),
            example("what every stack tells others", "strata outputs --all -e production"),
        ],
    ),
    (
        "graph",
        &[
            example("for a Markdown page", "strata graph sophia -e production"),
            example("a picture", "strata graph sophia -e production -o svg > sophia.svg"),
            example(
                "every stack, and what waits for what across them",
                "strata graph --all -e production -o svg > all.svg",
            ),
        ],
    ),
    (
        "reach",
        &[
            example("everything that is open", "strata reach sophia -e production"),
            example(
                "why one server can talk to another, or cannot",
                "strata reach sophia -e production hubspot mcp_orchestrator",
            ),
            example("whether a server gets out", "strata reach sophia -e production gong 203.0.113.7"),
            example("everything that is open, of every stack", "strata reach --all -e production"),
        ],
    ),
    (
        "schema",
        &[
            example(
                "for an editor: with `# yaml-language-server: $schema=stack.schema.json` in a stack file",
                "strata schema stack > stack.schema.json",
            ),
            example("for whoever reads plans", "strata schema plan"),
        ],
    ),
    (
        "rbac",
        &[
            example(
                "for a job that plans",
                "strata rbac sophia -e production --role plan --with-namespaces | kubectl apply -f -",
            ),
            example("for a group that deploys", "strata rbac sophia -e production --role up --group deployers"),
            example("for a job that plans every stack", "strata rbac --all -e production --role plan --group planners"),
        ],
    ),
    (
        "affected",
        &[
            example("what a branch would change", "strata affected --since main"),
            example("the same for a workflow", "strata affected --since HEAD^1 -o matrix"),
            example("everything there is, for a workflow", "strata affected --all -o matrix"),
        ],
    ),
    (
        "cluster serve",
        &[example("until interrupted, for kubectl and other runs of strata", "strata cluster serve -e development")],
    ),
    ("cluster reset", &[example("begin anew", "strata cluster reset -e development --yes")]),
    (
        "cluster kubeconfig",
        &[example(
            "for kubectl, while the cluster is served",
            "strata cluster kubeconfig -e development > dev.kubeconfig",
        )],
    ),
    (
        "completions",
        &[
            example("bash: in ~/.bashrc", "source <(strata completions bash)"),
            example("zsh: in ~/.zshrc, after compinit", "source <(strata completions zsh)"),
            example("fish: once", "strata completions fish > ~/.config/fish/completions/strata.fish"),
        ],
    ),
];

/// The examples of a command, by its words without the program's name; none for one that only has others below it.
#[must_use]
pub fn of(words: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(command, _)| *command == words).map_or(&[], |(_, examples)| examples)
}

/// The command with examples at the end of the help text of everything below it.
pub(super) fn shown(command: Command, above: &str) -> Command {
    let below: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    below.into_iter().fold(command, |command, name| {
        let words = if above.is_empty() { name.clone() } else { format!("{above} {name}") };
        command.mut_subcommand(name, |below| {
            let below = shown(below, &words);
            match text(of(&words)) {
                None => below,
                Some(text) => {
                    let before = below.get_after_help().map(|help| format!("{help}\n\n")).unwrap_or_default();
                    below.after_help(format!("{before}{text}"))
                }
            }
        })
    })
}

/// As it stands in a help text.
fn text(examples: &[Example]) -> Option<String> {
    if examples.is_empty() {
        return None;
    }
    let mut text = String::from("Examples:");
    for Example { says, line } in examples {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  # {says}\n  {line}");
    }
    Some(text)
}
