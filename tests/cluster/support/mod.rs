//! What stories are told with: a directory of their own, the program, a cluster, and a transcript that is compared,
//! whole, with a golden file. `SNAPSHOTS=overwrite cargo test --test cluster` writes the golden files anew.

mod cluster;
mod control_plane;
mod kubelet;
mod redact;

use std::fmt::Write;

pub(crate) use cluster::Cluster;

use crate::story;

/// The stack and the environment that most stories are about: two services, one of which needs the other.
const STACK: &str = include_str!("../slice/stack.yaml");
const ENVIRONMENT: &str = include_str!("../slice/environment.yaml");
/// Stands for the name of the story in those files.
const NAME: &str = "STORY";

/// A story: what was done, and all that was answered.
pub(crate) struct Story {
    name: &'static str,
    cluster: Cluster,
    files: story::Story,
    transcript: String,
}

impl Story {
    /// A story about the two services. Its stack has the story's name, because stories share a cluster.
    pub(crate) fn new(name: &'static str, cluster: Cluster) -> Self {
        let files = story::Story::new();
        files.file(&format!("stacks/{name}.yaml"), STACK.replace(NAME, name));
        files.file("environments/testing.yaml", ENVIRONMENT);
        Self { name, cluster, files, transcript: String::new() }
    }

    /// The stack's file.
    pub(crate) fn stack(&self) -> String {
        format!("stacks/{}.yaml", self.name)
    }

    /// Writes a file of the story's directory.
    pub(crate) fn write(&self, file: &str, text: &str) {
        self.files.file(file, text);
    }

    /// A line of what the user thinks.
    pub(crate) fn tell(&mut self, text: &str) {
        writeln!(self.transcript, "# {text}\n").unwrap();
    }

    /// Edits a file of the story's directory: `old` is there once.
    #[track_caller]
    pub(crate) fn edit(&mut self, file: &str, old: &str, new: &str) {
        self.files.edit(file, old, new);
        for (sign, part) in [('-', old), ('+', new)] {
            part.lines().for_each(|line| writeln!(self.transcript, "{sign} {line}").unwrap());
        }
        self.transcript.push('\n');
    }

    /// Runs the program with these words on the story's cluster, and returns its exit code.
    pub(crate) fn strata(&mut self, words: &str) -> i32 {
        self.run(words, &self.cluster.arguments())
    }

    /// The same with a cluster that the words name.
    pub(crate) fn strata_elsewhere(&mut self, words: &str) -> i32 {
        self.run(words, &[])
    }

    fn run(&mut self, words: &str, more: &[String]) -> i32 {
        let arguments: Vec<&str> = words.split_whitespace().chain(more.iter().map(String::as_str)).collect();
        let (code, out, err) = self.files.run(&arguments);
        self.transcript.push_str(&redact::redact(&story::seen(words, (code, out, err))));
        self.transcript.push('\n');
        code
    }

    /// Brings the stack up, then asserts that nothing is left to do.
    #[track_caller]
    pub(crate) fn up(&mut self, more: &str) {
        let name = self.name;
        let code = self.strata(format!("up {name} -e testing --yes --quiet {more}").trim_end());
        assert_eq!(code, 0, "{}", self.transcript);
        self.settled(more);
    }

    /// Asserts that a plan shows no change.
    #[track_caller]
    pub(crate) fn settled(&mut self, more: &str) {
        let name = self.name;
        let code = self.strata(format!("plan {name} -e testing --detailed-exitcode {more}").trim_end());
        assert_eq!(code, 0, "{}", self.transcript);
    }

    /// Does something to the cluster behind the program's back.
    pub(crate) fn meanwhile<T>(&self, work: impl AsyncFnOnce(kube::Client) -> T) -> T {
        self.cluster.with(self.files.path(), work)
    }

    /// Compares the story with its golden file.
    #[track_caller]
    pub(crate) fn end(self) {
        story::golden(&format!("cluster/{}.txt", self.name), self.transcript);
    }
}
