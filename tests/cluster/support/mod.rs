//! What stories are told with: a directory of their own, the program, a cluster, and a transcript that is compared,
//! whole, with a golden file. `SNAPSHOTS=overwrite cargo test --test cluster` writes the golden files anew.

mod cluster;
mod control_plane;
mod counting;
mod kubelet;
pub(crate) mod provided;
pub(crate) mod redact;
pub(crate) mod victim;

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::Kubeconfig;
use serde_json::json;
use strata::history::{Command as History, Draft};
use strata::plan::Plan;

pub(crate) use cluster::{Cluster, Served};
pub(crate) use victim::interrupt;

use crate::story;

/// The stack and the environment that most stories are about: two services, one of which needs the other.
pub(crate) const STACK: &str = include_str!("../slice/stack.yaml");
pub(crate) const ENVIRONMENT: &str = include_str!("../slice/environment.yaml");
/// Stands for the name of the story in those files.
pub(crate) const NAME: &str = "STORY";

/// What a run of the library says for its record.
pub(crate) fn draft_of(plan: &Plan) -> Draft {
    let desired = json!({
        "instance": plan.instance, "namespaces": [], "phases": [], "resources": [],
        "claims": {"ports": [], "edges": [], "compute": []},
    });
    Draft::new(History::Up, serde_json::from_value(desired).unwrap())
}

/// A story: what was done, and all that was answered.
pub(crate) struct Story {
    name: &'static str,
    stack: &'static str,
    environment: &'static str,
    cluster: Cluster,
    files: story::Story,
    /// The program it is told with.
    program: PathBuf,
    transcript: String,
    /// All that was answered, as it was.
    said: String,
}

impl Story {
    /// A story about the two services. Its stack has the story's name, because stories share a cluster.
    pub(crate) fn new(name: &'static str, cluster: Cluster) -> Self {
        let files = story::Story::new();
        files.file(&format!("stacks/{name}.yaml"), STACK.replace(NAME, name));
        files.file("environments/testing.yaml", ENVIRONMENT);
        Self::of(name, name, "testing", cluster, files)
    }

    /// A story about a stack that ships with the project, in one of the environments that do.
    pub(crate) fn shipped(
        name: &'static str,
        stack: &'static str,
        environment: &'static str,
        cluster: Cluster,
    ) -> Self {
        let files = story::Story::shipped();
        Self::of(name, stack, environment, cluster, files)
    }

    fn of(
        name: &'static str,
        stack: &'static str,
        environment: &'static str,
        cluster: Cluster,
        files: story::Story,
    ) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_strata"));
        Self { name, stack, environment, cluster, files, program, transcript: String::new(), said: String::new() }
    }

    /// A story about the stack of a program among the examples.
    pub(crate) fn of_example(name: &'static str, example: &str, stack: &'static str, cluster: Cluster) -> Self {
        let files = story::Story::new();
        files.file("environments/testing.yaml", ENVIRONMENT);
        Self { program: story::example(example), ..Self::of(name, stack, "testing", cluster, files) }
    }

    /// All that was answered so far, as it was.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// Every file of the story's directory, with what it holds.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let read = |name: String| {
            let bytes = std::fs::read(self.files.path().join(&name)).unwrap();
            (name, bytes)
        };
        self.files.files().into_iter().map(read).collect()
    }

    /// The directory that holds the story's files.
    pub(crate) fn path(&self) -> &Path {
        self.files.path()
    }

    /// The stack's file.
    pub(crate) fn stack(&self) -> String {
        format!("stacks/{}.yaml", self.stack)
    }

    /// Writes a file of the story's directory.
    pub(crate) fn write(&self, file: &str, text: &str) {
        self.files.file(file, text);
    }

    /// The text of a file of the story's directory.
    pub(crate) fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.files.path().join(file)).unwrap()
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

    /// What the program writes to standard output for these words, which is no part of the story.
    pub(crate) fn output(&self, words: &str) -> String {
        self.files.run(&words.split_whitespace().collect::<Vec<_>>()).1
    }

    /// The same for words about the story's cluster.
    pub(crate) fn output_here(&self, words: &str) -> String {
        self.run_here(words).1
    }

    /// The exit code for words about the story's cluster, and what the program writes to standard output and standard
    /// error.
    pub(crate) fn run_here(&self, words: &str) -> (i32, String, String) {
        let arguments = self.cluster.arguments();
        let arguments: Vec<&str> = words.split_whitespace().chain(arguments.iter().map(String::as_str)).collect();
        self.files.run(&arguments)
    }

    /// The same for words about a cluster that they name.
    pub(crate) fn run_elsewhere(&self, words: &str) -> (i32, String, String) {
        self.files.run(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs the program with these words on the story's cluster, without telling what it answers.
    pub(crate) fn strata_untold(&mut self, words: &str) -> i32 {
        let transcript = self.transcript.clone();
        let code = self.strata(words);
        self.transcript = transcript;
        code
    }

    /// Runs the program on a cluster that the words name.
    pub(crate) fn strata_elsewhere(&mut self, words: &str) -> i32 {
        self.run(words, &[])
    }

    /// Runs the program on the story's cluster, does something as soon as it has written a line with this text to standard
    /// error, and lets it come to its end. The embedded cluster has to be served meanwhile.
    pub(crate) fn once_it_says(&mut self, words: &str, text: &str, work: impl FnOnce(&Self, u32)) -> i32 {
        let mut process = Command::new(&self.program)
            .args(words.split_whitespace())
            .args(self.cluster.arguments())
            .env_clear()
            .current_dir(self.files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut said, mut work) = (String::new(), Some(work));
        for line in BufReader::new(process.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            said.extend([line.as_str(), "\n"]);
            if let Some(work) = line.contains(text).then(|| work.take()).flatten() {
                work(self, process.id());
            }
        }
        assert!(work.is_none(), "it never said {text:?}: {said}");
        let output = process.wait_with_output().unwrap();
        let told = (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), said);
        self.note(words, told)
    }

    fn run(&mut self, words: &str, more: &[String]) -> i32 {
        let arguments: Vec<&str> = words.split_whitespace().chain(more.iter().map(String::as_str)).collect();
        let told = self.files.run_program(&self.program, &arguments);
        self.note(words, told)
    }

    /// Writes down what a run has answered.
    fn note(&mut self, words: &str, (code, out, err): (i32, String, String)) -> i32 {
        self.said.extend([out.as_str(), err.as_str()]);
        let seen = redact::redact(&story::seen(words, (code, out, err)));
        self.transcript.push_str(&redact::in_order(&seen));
        self.transcript.push('\n');
        code
    }

    /// Brings the stack up, then asserts that nothing is left to do.
    #[track_caller]
    pub(crate) fn up(&mut self, more: &str) {
        self.succeed("up", &format!("--yes --quiet {more}"));
        self.settled(more);
    }

    /// Asserts that a plan shows no change.
    #[track_caller]
    pub(crate) fn settled(&mut self, more: &str) {
        self.succeed("plan", &format!("--detailed-exitcode {more}"));
    }

    /// Runs a command on the story's stack and environment, and asserts that it exits with 0.
    #[track_caller]
    pub(crate) fn succeed(&mut self, command: &str, more: &str) {
        let (stack, environment) = (self.stack, self.environment);
        let code = self.strata(format!("{command} {stack} -e {environment} {more}").trim_end());
        assert_eq!(code, 0, "{}", self.transcript);
    }

    /// Does something to the cluster behind the program's back.
    pub(crate) fn meanwhile<T>(&self, work: impl AsyncFnOnce(kube::Client) -> T) -> T {
        self.cluster.with(self.files.path(), work)
    }

    /// The definitions of the kinds that the environment says others install, as an embedded cluster has them.
    pub(crate) fn definitions(&self) -> Vec<CustomResourceDefinition> {
        story::on_embedded(self.files.path(), self.environment, async |client| {
            let definitions: Api<CustomResourceDefinition> = Api::all(client);
            definitions.list(&ListParams::default()).await.unwrap().items
        })
    }

    /// Serves the cluster, until what is given back is dropped, to more than one program at once; a real API server
    /// always does.
    pub(crate) fn serve(&self) -> Option<Served> {
        let served = self.cluster.is_embedded().then(|| Served::start(self.files.path()));
        // Whoever serves it says so a moment before its address can be read.
        while served.is_some() && self.output("cluster kubeconfig -e testing").is_empty() {}
        served
    }

    /// A kubeconfig for the story's cluster, while it is served, with this token and nothing else to show.
    pub(crate) fn kubeconfig_of(&self, token: &str) -> String {
        let mut config = match self.cluster {
            Cluster::Embedded => Kubeconfig::from_yaml(&self.output("cluster kubeconfig -e testing")).unwrap(),
            Cluster::Real(real) => Kubeconfig::read_from(&real.kubeconfig).unwrap(),
        };
        for server in config.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()?.server.as_mut()) {
            // The path of the embedded cluster's address holds the token of its master.
            let authority = server.split_once("://").map_or(0, |(scheme, _)| scheme.len() + 3);
            let path = server[authority..].find('/').map_or(server.len(), |at| authority + at);
            server.truncate(path);
        }
        for user in &mut config.auth_infos {
            user.auth_info = Some(serde_json::from_value(json!({"token": token})).unwrap());
        }
        let mut config = serde_json::to_value(&config).unwrap();
        // A secret is not written out by itself.
        for user in config["users"].as_array_mut().unwrap() {
            user["user"] = json!({"token": token});
        }
        config.to_string()
    }

    /// Keeps renewing a Lease as another run would, while something else is done.
    pub(crate) fn while_renewed<T>(&mut self, lease: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let (cluster, root) = (self.cluster, self.files.path().to_owned());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let lease = lease.to_owned();
        let renewing = std::thread::spawn(move || {
            cluster.with(&root, async |client| {
                let leases: Api<Lease> = Api::namespaced(client, "strata-system");
                let mut moments = tokio::time::interval(Duration::from_millis(100));
                let renew = async {
                    for renewed in 0.. {
                        moments.tick().await;
                        let renewal = json!({"metadata": {"annotations": {"renewed": renewed.to_string()}}});
                        leases.patch(&lease, &PatchParams::default(), &Patch::Merge(renewal)).await.unwrap();
                    }
                };
                tokio::select! {
                    () = renew => {}
                    _ = stopped => {}
                }
            });
        });
        let result = work(self);
        stop.send(()).unwrap();
        renewing.join().unwrap();
        result
    }

    /// Counts the pods of a service that are ready and stay while something is done: each number that differs from the
    /// one before. The embedded cluster has to be served meanwhile.
    pub(crate) fn while_counting(
        &mut self,
        namespace: &'static str,
        service: &'static str,
        work: impl FnOnce(&mut Self),
    ) -> Vec<usize> {
        let (cluster, root) = (self.cluster, self.files.path().to_owned());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (begin, began) = std::sync::mpsc::channel();
        let counting = std::thread::spawn(move || {
            cluster.with(&root, async |client| counting::count(client, namespace, service, begin, stopped).await)
        });
        began.recv().unwrap();
        work(self);
        stop.send(()).unwrap();
        counting.join().unwrap()
    }

    /// Runs another program, if it is on this machine, and writes down what it says.
    pub(crate) fn other(&mut self, program: &str, words: &str) -> bool {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).env("HOME", self.files.path()).current_dir(self.files.path());
        let Ok(output) = command.output() else { return false };
        let text = |bytes: Vec<u8>| redact::redact(&String::from_utf8(bytes).unwrap());
        writeln!(self.transcript, "$ {program} {words}\n{}{}", text(output.stdout), text(output.stderr)).unwrap();
        true
    }

    /// Compares the story with its golden file.
    #[track_caller]
    pub(crate) fn end(self) {
        story::golden(&format!("cluster/{}.txt", self.name), self.transcript);
    }
}
