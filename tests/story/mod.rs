//! What stories have in common: a directory of their own, no home, no environment, and the program run in it.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]
#![allow(dead_code, reason = "each story uses what it needs")]

use std::fs;
use std::path::{Path, PathBuf};

use snapbox::assert::{Assert, DEFAULT_ACTION_ENV};
use snapbox::cmd::Command;
use snapbox::data::Data;
use strata::cluster::connect::{Choice, Connection};
use strata::components::model::Cluster;
use strata::load::Root;

/// A root with files, and the program.
pub(crate) struct Story {
    dir: tempfile::TempDir,
}

impl Story {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// The stacks, environments and policies that ship with the project.
    pub(crate) fn shipped() -> Self {
        let story = Self::new();
        for room in ["stacks", "environments", "policies"] {
            for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(room)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                story.file(&format!("{room}/{name}"), fs::read(&path).unwrap());
            }
        }
        story
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Replaces text that stands in a file once.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.path().join(name)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {name}");
        self.file(name, text.replace(from, to))
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Every file below the directory, sorted, with `/` between the parts.
    pub(crate) fn files(&self) -> Vec<String> {
        fn collect(dir: &Path, base: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, base, found);
                } else {
                    found.push(path.strip_prefix(base).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let mut found = Vec::new();
        collect(self.path(), self.path(), &mut found);
        found.sort();
        found
    }

    /// Runs the program; returns its exit code, and what it wrote to standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_program(Path::new(env!("CARGO_BIN_EXE_strata")), arguments)
    }

    /// Runs another program in the program's place.
    pub(crate) fn run_program(&self, program: &Path, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(program).args(arguments).env_clear().current_dir(self.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(self.path().to_str().unwrap(), "DIR");
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs the program and gives everything that a user sees of it.
    pub(crate) fn transcript(&self, line: &str) -> String {
        seen(line, self.run(&line.split_whitespace().collect::<Vec<_>>()))
    }
}

/// The program of an example, which cargo builds with the tests, unless it is told to build but one of them.
pub(crate) fn example(name: &str) -> PathBuf {
    let strata = Path::new(env!("CARGO_BIN_EXE_strata"));
    let example = strata.with_file_name("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(example.exists(), "{} is not built: run `cargo build --example {name}`", example.display());
    example
}

/// Everything that a user sees of a run: the line, what was written to each stream, and the exit code.
pub(crate) fn seen(line: &str, (code, out, err): (i32, String, String)) -> String {
    let part = |name: &str, text: String| if text.is_empty() { text } else { format!("--- {name}\n{text}") };
    format!("$ strata {line}\n{}{}--- exit {code}\n", part("standard output", out), part("standard error", err))
}

/// Works on the embedded cluster that an environment of a root describes, with a client of its own.
pub(crate) fn on_embedded<T>(root: &Path, environment: &str, work: impl AsyncFnOnce(kube::Client) -> T) -> T {
    let described = Root::open(root).unwrap().load_environment(environment).unwrap();
    let embedded = described.clusters.into_values().find_map(|cluster| match cluster {
        Cluster::Embedded(cluster) => Some(cluster),
        Cluster::Context(_) => None,
    });
    on_cluster(root, environment, &Choice::Embedded(embedded.unwrap()), work)
}

/// The same on the cluster that is chosen; where it is the embedded one, on that of the environment.
pub(crate) fn on_cluster<T>(
    root: &Path,
    environment: &str,
    choice: &Choice,
    work: impl AsyncFnOnce(kube::Client) -> T,
) -> T {
    let store = root.join(format!(".strata/{environment}.redb"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::open(choice, &store).await.unwrap();
        let result = work(connection.client.clone()).await;
        connection.close().await;
        result
    })
}

/// Compares a whole text with a golden file in tests/golden; `SNAPSHOTS=overwrite` writes the file.
#[track_caller]
pub(crate) fn golden(name: &str, found: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let expect = Data::read_from(&path, None).raw();
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(Data::text(found).raw(), expect);
}
