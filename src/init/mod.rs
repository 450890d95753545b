//! The files that a new root begins with: a stack, an environment, what editors and Git want to know, and a page for
//! people. They are made of two names, and written all or not at all; nothing that exists is touched. Whether they are
//! sound is for [`load`](crate::load) and [`check`](crate::check) to say.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use strata_components::model::{EnvironmentName, StackName, TextError, schema};
use thiserror::Error;

use crate::report::json_document;

/// Namespaces that every cluster has from its beginning. A stack lives in a namespace of its own.
const TAKEN: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What the files are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The name of the stack, of its file and of its namespace.
    pub stack: StackName,
    /// The name of the environment and of its file.
    pub environment: EnvironmentName,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Where it stands in the root, with `/` between the parts.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Why a root could not begin.
#[derive(Debug, Error)]
pub enum InitError {
    /// Nothing in the directory's name can be a stack's.
    #[error("the directory {} has no name that a stack could have", .dir.display())]
    Nameless {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with what is left of it.
        source: TextError,
    },
    /// Every cluster has a namespace of that name already, which belongs to others.
    #[error("a stack cannot be called {0}: its namespace is there on every cluster and belongs to others")]
    Taken(StackName),
    /// Something is where files would be written.
    #[error("{} has {} already, and nothing is overwritten", .dir.display(), .names.join(", "))]
    InTheWay {
        /// The directory.
        dir: PathBuf,
        /// What is there, in the order of the files.
        names: Vec<String>,
    },
    /// The system refused.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The name of a stack that a directory's last part gives: in lower case, with `-` for whatever no name has.
///
/// ```
/// use std::path::Path;
/// assert_eq!(strata::init::stack_name(Path::new("work/My Shop (2)"))?.as_str(), "my-shop-2");
/// # Ok::<(), strata::init::InitError>(())
/// ```
///
/// # Errors
///
/// When nothing is left of it, or too much, or when it is the name of a namespace that every cluster has.
pub fn stack_name(dir: &Path) -> Result<StackName, InitError> {
    // A directory that exists has a name even where the path to it ends in dots.
    let known = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let last = known.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let words: Vec<&str> =
        last.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    let name = name.trim_start_matches(|letter: char| !letter.is_ascii_lowercase());
    StackName::new(name).map_err(|source| InitError::Nameless { dir: dir.to_owned(), source })
}

/// The files, in the order in which they are written.
///
/// # Errors
///
/// When the stack has the name of a namespace that every cluster has.
pub fn files(names: &Names) -> Result<Vec<NewFile>, InitError> {
    let Names { stack, environment } = names;
    if TAKEN.contains(&stack.as_str()) {
        return Err(InitError::Taken(stack.clone()));
    }
    let file = |path: &str, template: &str| {
        let named =
            |text: &str| text.replace("{{stack}}", stack.as_str()).replace("{{environment}}", environment.as_str());
        NewFile { path: named(path), text: named(template) }
    };
    Ok(vec![
        file(".gitignore", include_str!("gitignore")),
        file("README.md", include_str!("README.md")),
        file("stacks/{{stack}}.yaml", include_str!("stack.yaml")),
        file("environments/{{environment}}.yaml", include_str!("environment.yaml")),
        file("schemas/stack.json", &json_document(&schema::stack())),
        file("schemas/environment.json", &json_document(&schema::environment())),
    ])
}

/// What was written, as long as it may have to go again.
#[derive(Debug, Default)]
pub struct Begun {
    /// Directories and files that were not there before, in the order in which they came.
    made: Vec<PathBuf>,
}

impl Begun {
    /// Takes away what was written, and nothing else. What somebody has put beside it meanwhile stays, and so do the
    /// directories that it is in.
    pub fn undo(self) {
        for path in self.made.iter().rev() {
            // What cannot be taken away is seen in the directory, and by the next try.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

/// Writes `files` into `dir`, which is made where it is not there.
///
/// # Errors
///
/// When one of the files, or a directory of theirs, is there already, and when the system refuses. Nothing is left of
/// what was written by then.
pub fn write(dir: &Path, files: &[NewFile]) -> Result<Begun, InitError> {
    let mut names: Vec<&str> = files.iter().filter_map(|file| file.path.split('/').next()).collect();
    names.dedup();
    names.retain(|name| fs::symlink_metadata(dir.join(name)).is_ok());
    if !names.is_empty() {
        let names = names.into_iter().map(str::to_owned).collect();
        return Err(InitError::InTheWay { dir: dir.to_owned(), names });
    }
    let mut begun = Begun::default();
    match files.iter().try_for_each(|file| write_one(&mut begun, &dir.join(&file.path), &file.text)) {
        Ok(()) => Ok(begun),
        Err(error) => {
            begun.undo();
            Err(error)
        }
    }
}

/// Writes one file where there is none, with the directories that it needs.
fn write_one(begun: &mut Begun, path: &Path, text: &str) -> Result<(), InitError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| InitError::Io { action, path, source }
    };
    let missing: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .take_while(|dir| !dir.as_os_str().is_empty() && fs::symlink_metadata(dir).is_err())
        .collect();
    for dir in missing.into_iter().rev() {
        fs::create_dir(dir).map_err(failed("create the directory", dir))?;
        begun.made.push(dir.to_owned());
    }
    let mut file = File::create_new(path).map_err(failed("create", path))?;
    begun.made.push(path.to_owned());
    file.write_all(text.as_bytes()).map_err(failed("write", path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]
mod tests {
    use super::*;

    #[test]
    fn what_fails_on_the_way_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("root");
        let file = |path: &str| NewFile { path: path.to_owned(), text: String::new() };
        // A file cannot have another in it.
        let error = write(&dir.join("new"), &[file("a/b"), file("c"), file("a/b/d")]).unwrap_err();
        assert!(matches!(&error, InitError::Io { path, .. } if path.ends_with("a/b/d")), "{error:?}");
        assert!(!dir.exists());
    }

    #[test]
    fn what_others_put_beside_it_stays() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("root");
        let begun = write(&dir, &[NewFile { path: "a/b".into(), text: "ours".into() }]).unwrap();
        fs::write(dir.join("mine"), "mine").unwrap();
        begun.undo();
        assert_eq!((dir.join("a").exists(), fs::read_to_string(dir.join("mine")).unwrap().as_str()), (false, "mine"));
    }
}
