//! As much of a shell as documents need, with what a reader has at hand: the program, kubectl, and a few of the
//! system's own words.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::kubectl;

/// A directory, what was exported, and what runs beside.
pub(super) struct Shell {
    /// Kept for as long as the shell.
    _home: tempfile::TempDir,
    at: PathBuf,
    exported: BTreeMap<String, String>,
    beside: Vec<Child>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        for child in &mut self.beside {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Shell {
    /// In an empty directory.
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        // Canonical, so that the program says no other path than a reader's.
        let at = fs::canonicalize(home.path()).unwrap();
        Self { _home: home, at, exported: BTreeMap::new(), beside: Vec::new() }
    }

    /// Writes a file.
    pub(super) fn write(&mut self, file: &str, text: &str) {
        let path = self.at.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes the change that a diff shows.
    #[track_caller]
    pub(super) fn edit(&mut self, diff: &[String]) {
        let file =
            diff.iter().find_map(|line| line.strip_prefix("+++ ")).unwrap_or_else(|| panic!("no file: {diff:?}"));
        let hunk: Vec<&String> =
            diff.iter().filter(|line| !["--- ", "+++ ", "@@"].iter().any(|head| line.starts_with(head))).collect();
        let side = |sign: char| -> String {
            let lines = hunk.iter().filter(|line| line.starts_with([' ', sign]));
            lines.map(|line| format!("{}\n", &line[1..])).collect()
        };
        let text = fs::read_to_string(self.at.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let (from, to) = (side('-'), side('+'));
        assert_eq!(text.matches(&from).count(), 1, "these lines stand once in {file}:\n{from}\n{text}");
        fs::write(self.at.join(file), text.replace(&from, &to)).unwrap();
    }

    /// Runs a line; returns all that it wrote. Of what runs beside, that is the first `lines`.
    #[track_caller]
    pub(super) fn run(&mut self, line: &str, lines: usize) -> String {
        let (rest, told) = line.strip_suffix("; echo $?").map_or((line, false), |rest| (rest, true));
        let (rest, beside) = rest.strip_suffix(" &").map_or((rest, false), |rest| (rest, true));
        let (rest, file) = rest.split_once(" > ").map_or((rest, None), |(rest, file)| (rest, Some(file)));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (code, said) = match words.as_slice() {
            ["cd", dir] => {
                self.at = fs::canonicalize(self.at.join(dir)).unwrap();
                (0, String::new())
            }
            ["export", pair] => {
                let (name, value) = pair.split_once('=').unwrap();
                let value = value.replace("$PWD", self.at.to_str().unwrap());
                self.exported.insert(name.to_owned(), value);
                (0, String::new())
            }
            ["cat", file] => (0, fs::read_to_string(self.at.join(file)).unwrap()),
            ["kill", "%1"] => {
                for mut child in std::mem::take(&mut self.beside) {
                    child.kill().unwrap();
                    child.wait().unwrap();
                }
                (0, String::new())
            }
            ["strata", arguments @ ..] if beside => {
                let program = Path::new(env!("CARGO_BIN_EXE_strata"));
                let mut child = self.command(program, arguments).stderr(Stdio::piped()).spawn().unwrap();
                let heard = BufReader::new(child.stderr.take().unwrap());
                let said = heard.lines().take(lines).map(|line| line.unwrap() + "\n").collect();
                self.beside.push(child);
                (0, said)
            }
            ["strata", arguments @ ..] => self.both(Path::new(env!("CARGO_BIN_EXE_strata")), arguments, file.is_some()),
            ["kubectl", arguments @ ..] => match kubectl::here() {
                Some(program) => self.both(&program, arguments, file.is_some()),
                None => (0, kubectl::instead(Path::new(&self.exported["KUBECONFIG"]), arguments)),
            },
            _ => panic!("a document wants what is not known here: {line}"),
        };
        if let Some(file) = file {
            fs::write(self.at.join(file), &said).unwrap();
            return String::new();
        }
        assert!(told || code == 0, "{line} ended with {code}:\n{said}");
        if told { format!("{said}{code}\n") } else { said }
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.at).env_clear().envs(&self.exported).stdin(Stdio::null());
        // kubectl keeps what it learns of a server.
        command.env("HOME", self._home.path());
        command
    }

    /// Runs to the end; both streams as a terminal shows them, or standard output alone.
    fn both(&self, program: &Path, arguments: &[&str], out_alone: bool) -> (i32, String) {
        let (mut said, out) = pipe().unwrap();
        let err = if out_alone { Stdio::null() } else { out.try_clone().unwrap().into() };
        let mut command = self.command(program, arguments);
        let mut child = command.stdout(out).stderr(err).spawn().unwrap();
        // What is kept open would never end.
        drop(command);
        let mut text = String::new();
        said.read_to_string(&mut text).unwrap();
        (child.wait().unwrap().code().unwrap(), text)
    }
}
