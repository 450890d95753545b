//! The directory that holds stacks/, environments/ and policies/: what is in it, and files read from inside it alone.

use std::fs;
use std::path::{Component, Path, PathBuf};

use strata_components::model::{Environment, Stack};

use super::decode::{Decoded, decode};
use super::error::LoadError;
use super::rules;
use super::source::Source;
use super::suggest::{listing, nearest};
use crate::finding::{Finding, Rule};
use crate::policies::PolicyFile;

/// The ending of stack and environment files.
const ENDING: &str = ".yaml";

/// A directory with stacks and environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// As the system knows it, without symbolic links.
    dir: PathBuf,
}

/// Which kind of file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The directory.
    pub dir: &'static str,
    /// What one is called.
    pub word: &'static str,
    /// What is said where one is not there.
    missing: &'static Rule,
}

pub(super) const STACK: Kind = Kind { dir: "stacks", word: "stack", missing: &rules::UNKNOWN_STACK };
pub(super) const ENVIRONMENT: Kind =
    Kind { dir: "environments", word: "environment", missing: &rules::UNKNOWN_ENVIRONMENT };
pub(super) const POLICIES: Kind = Kind { dir: "policies", word: "policy file", missing: &rules::UNREADABLE };

/// A file that was found: where it is, and what findings call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    path: PathBuf,
    /// Relative to the root, with `/` between its parts.
    pub file: String,
}

impl Found {
    /// The name that a file in stacks/ or environments/ gives to what is in it; nothing for a file elsewhere.
    pub(super) fn name(&self, kind: Kind) -> Option<&str> {
        self.file.strip_prefix(kind.dir)?.strip_prefix('/')?.strip_suffix(ENDING).filter(|name| !name.contains('/'))
    }
}

impl Root {
    /// The directories of a root that are read.
    pub const DIRECTORIES: [&'static str; 3] = [STACK.dir, ENVIRONMENT.dir, POLICIES.dir];

    /// Opens a root.
    ///
    /// # Errors
    ///
    /// When it is no directory, or may not be entered.
    pub fn open(dir: &Path) -> Result<Self, LoadError> {
        let no_root = |why: String| {
            Finding::new(&rules::NO_ROOT, format!("the root {} {why}", dir.display()))
                .help("give the directory that holds stacks/ and environments/ with --root".to_owned())
        };
        let canonical =
            fs::canonicalize(dir).map_err(|error| LoadError::from(no_root(format!("cannot be opened: {error}"))))?;
        if !canonical.is_dir() {
            return Err(no_root("is no directory".to_owned()).into());
        }
        Ok(Self { dir: canonical })
    }

    /// The directory, without symbolic links.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The names of the stacks, sorted.
    #[must_use]
    pub fn stacks(&self) -> Vec<String> {
        self.names(STACK)
    }

    /// The names of the environments, sorted.
    #[must_use]
    pub fn environments(&self) -> Vec<String> {
        self.names(ENVIRONMENT)
    }

    fn names(&self, kind: Kind) -> Vec<String> {
        self.listed(kind).unwrap_or_default()
    }

    /// The names of what a directory holds, sorted; none where it does not exist.
    ///
    /// # Errors
    ///
    /// A finding when it is there and cannot be listed: then nothing is known of what it holds.
    pub(super) fn listed(&self, kind: Kind) -> Result<Vec<String>, LoadError> {
        let failed = |error: std::io::Error| {
            let help = format!("check that {}/ is a directory and that you may read it", kind.dir);
            LoadError::from(
                Finding::new(&rules::UNREADABLE, format!("could not list {}/: {error}", kind.dir)).help(help),
            )
        };
        let entries = match fs::read_dir(self.dir.join(kind.dir)) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let mut names: Vec<String> = entries
            .iter()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .filter_map(|name| name.strip_suffix(ENDING).map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Finds a stack by its name or by a path to its file.
    pub(super) fn stack(&self, stack: &str) -> Result<Found, LoadError> {
        let is_path = stack.contains(['/', std::path::MAIN_SEPARATOR]) || stack.ends_with(ENDING);
        if !is_path {
            return self.named(STACK, stack);
        }
        let given = Path::new(stack);
        let inside = self.dir.join(given);
        let path = if inside.exists() { inside } else { given.to_owned() };
        match fs::canonicalize(&path) {
            Ok(canonical) => self.inside(&canonical, stack),
            Err(error) => refuse(
                &rules::UNKNOWN_STACK,
                format!("could not open the stack file {stack}: {error}"),
                format!("stacks here: {}", listing(self.stacks().iter().map(String::as_str))),
            ),
        }
    }

    /// Finds an environment by its name.
    pub(super) fn environment(&self, name: &str) -> Result<Found, LoadError> {
        self.named(ENVIRONMENT, name)
    }

    /// Finds a file by a name that is one of those there are, so that a name never becomes a path of its own.
    fn named(&self, kind: Kind, name: &str) -> Result<Found, LoadError> {
        let names = self.listed(kind)?;
        if names.iter().any(|known| known == name) {
            let file = format!("{}/{name}{ENDING}", kind.dir);
            return match fs::canonicalize(self.dir.join(&file)) {
                Ok(canonical) => self.inside(&canonical, &file).map(|found| Found { file, ..found }),
                Err(error) => refuse(
                    &rules::UNREADABLE,
                    format!("could not open {file}: {error}"),
                    "check that the file exists and that you may read it".to_owned(),
                ),
            };
        }
        let Kind { dir, word, missing } = kind;
        let known = || names.iter().map(String::as_str);
        let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let other_ending = plain && self.dir.join(dir).join(format!("{name}.yml")).exists();
        let help = if other_ending {
            format!("rename {dir}/{name}.yml to {dir}/{name}.yaml")
        } else {
            match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`? {word}s here: {}", listing(known())),
                None if names.is_empty() => {
                    format!("there is no {word} in {dir}/ of the root; --root gives another root")
                }
                None => format!("{word}s here: {}", listing(known())),
            }
        };
        refuse(missing, format!("there is no {word} `{name}`"), help)
    }

    /// What a file is called, when it lies in the root.
    fn inside(&self, canonical: &Path, given: &str) -> Result<Found, LoadError> {
        let Ok(relative) = canonical.strip_prefix(&self.dir) else {
            return refuse(
                &rules::OUTSIDE_ROOT,
                format!("{given} lies outside the root"),
                "move the file into the root, or give the root it lies in with --root".to_owned(),
            );
        };
        if !canonical.is_file() {
            return refuse(
                &rules::UNREADABLE,
                format!("{given} is no regular file"),
                "give a file, or put one in its place".to_owned(),
            );
        }
        let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        Ok(Found { path: canonical.to_owned(), file: parts.join("/") })
    }

    /// Loads an environment by itself, without regard to any stack.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with its file.
    pub fn load_environment(&self, name: &str) -> Result<Environment, LoadError> {
        let found = self.environment(name)?;
        Ok(self.read_environment(&found)?.value)
    }

    /// An error for each file of YAML whose ending is another than that of the files that are read.
    fn other_endings(&self, kind: Kind) -> Option<LoadError> {
        // Where it cannot be listed, that is said by those that read it.
        let entries = fs::read_dir(self.dir.join(kind.dir)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".yml").map(str::to_owned)).collect();
        names.sort();
        let told = |name: String| {
            let (dir, word) = (kind.dir, kind.word);
            let message = format!("{dir}/{name}.yml would not be read: the name of a {word} ends in {ENDING}");
            Finding::new(&rules::UNREADABLE, message).help(format!("rename it to {dir}/{name}{ENDING}"))
        };
        (!names.is_empty()).then(|| LoadError::new(names.into_iter().map(told).collect()))
    }

    /// Reads every file in policies/: none of them may be left out, because what it forbids would be done.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn policies(&self) -> Result<Vec<Decoded<PolicyFile>>, LoadError> {
        let mut files = Vec::new();
        let mut failed = self.other_endings(POLICIES);
        for name in self.listed(POLICIES)? {
            let read = self.named(POLICIES, &name).and_then(|found| {
                let source = Source::read(&found.path, &found.file)?;
                let text = source.text.clone();
                decode(source).map_err(|findings| LoadError::new(findings).with_source(&found.file, text))
            });
            match read {
                Ok(file) => files.push(file),
                Err(error) => failed = Some(error.and_all(failed)),
            }
        }
        failed.map_or(Ok(files), Err)
    }

    /// Reads a stack file.
    pub(super) fn read_stack(&self, found: &Found) -> Result<Decoded<Stack>, LoadError> {
        read(found, STACK, |stack: &Stack| stack.stack.as_str())
    }

    /// Reads an environment file.
    pub(super) fn read_environment(&self, found: &Found) -> Result<Decoded<Environment>, LoadError> {
        read(found, ENVIRONMENT, |environment: &Environment| environment.environment.as_str())
    }
}

fn refuse(rule: &Rule, message: String, help: impl Into<String>) -> Result<Found, LoadError> {
    Err(Finding::new(rule, message).help(help.into()).into())
}

fn read<T: serde::de::DeserializeOwned + schemars::JsonSchema>(
    found: &Found,
    kind: Kind,
    name: fn(&T) -> &str,
) -> Result<Decoded<T>, LoadError> {
    let source = Source::read(&found.path, &found.file)?;
    let text = source.text.clone();
    let decoded = decode::<T>(source).map_err(|findings| LoadError::new(findings).with_source(&found.file, text))?;
    let inside = name(&decoded.value);
    match found.name(kind) {
        Some(outside) if outside != inside => {
            let Kind { word, .. } = kind;
            let finding =
                Finding::new(&rules::NAME_DIFFERS, format!("the {word} in {} calls itself `{inside}`", found.file))
                    .at(decoded.spans.value(word))
                    .path(word)
                    .help(format!("write `{word}: {outside}`, or rename the file to {inside}{ENDING}"));
            let source = decoded.spans.source();
            Err(LoadError::from(finding).with_source(&source.file, source.text.clone()))
        }
        _ => Ok(decoded),
    }
}
