//! Saved plans as files: written whole or not at all, and read with every doubt.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::session::Session;
use super::signed::Evidence;
use super::{CommandError, Ui};
use crate::plan::Plan;
use crate::plan::saved::{MAX_BYTES, SavedPlan, SavedPlanError};
use crate::plan::stale::{Rest, compare};
use crate::{exit, report};

/// How the file of a stack ends where plans of several are saved together.
const ENDING: &str = ".plan";

/// Saves a plan, for its owner alone to read. Where that fails, the file is as it was.
pub(super) fn write(path: &Path, plan: &Plan) -> Result<(), CommandError> {
    let text = SavedPlan::new(plan.clone()).to_text().context("the plan cannot be saved")?;
    replace(path, |file| file.write_all(text.as_bytes()))
        .with_context(|| format!("saving the plan as {}", path.display()))?;
    Ok(())
}

/// Saves the plans of several stacks, each as a file of the directory that its stack gives the name.
pub(super) fn write_all(directory: &Path, plans: &[Plan]) -> Result<(), CommandError> {
    let doing = || format!("saving the plans in {}", directory.display());
    fs::create_dir_all(directory).with_context(doing)?;
    let mut left = names_in(directory).with_context(doing)?;
    left.retain(|name| !plans.iter().any(|plan| *name == plan.instance.stack));
    if let Some(other) = left.first() {
        let error = anyhow!("{} holds a plan of {other}, which is none of these stacks", directory.display());
        return Err(CommandError::new(exit::ERROR, error).hint("name another directory, or delete that file"));
    }
    plans.iter().try_for_each(|plan| write(&directory.join(format!("{}{ENDING}", plan.instance.stack)), plan))
}

/// Reads the saved plans of a directory, which are of just these stacks, in their order.
pub(super) fn read_all(directory: &Path, stacks: &[&str]) -> Result<Vec<(Plan, Evidence)>, CommandError> {
    let there = names_in(directory).with_context(|| format!("reading the saved plans in {}", directory.display()))?;
    let lacks = stacks.iter().find(|stack| !there.iter().any(|name| name == *stack));
    let extra = there.iter().find(|name| !stacks.contains(&name.as_str()));
    let error = match (lacks, extra) {
        (None, None) => {
            let file = |stack: &&str| read_with(&directory.join(format!("{stack}{ENDING}")));
            return stacks.iter().map(file).collect();
        }
        (Some(lacks), _) => anyhow!("{} holds no plan of {lacks}", directory.display()),
        (None, Some(extra)) => anyhow!("{} holds a plan of {extra}, which does not stand here", directory.display()),
    };
    Err(CommandError::new(exit::ERROR, error).hint("save new plans with `strata plan --all --save DIR`"))
}

/// The stacks that a directory holds saved plans of, by the names of the files, sorted.
fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(ENDING).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Puts a text in the place of a file, in the same way.
pub(super) fn replace_text(path: &Path, text: &str) -> Result<(), CommandError> {
    replace(path, |file| file.write_all(text.as_bytes())).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// Reads a saved plan.
pub(super) fn read(path: &Path) -> Result<Plan, CommandError> {
    read_with(path).map(|(plan, _)| plan)
}

/// Reads a saved plan, and what shows who has signed it.
pub(super) fn read_with(path: &Path) -> Result<(Plan, Evidence), CommandError> {
    let doing = || format!("reading the saved plan {}", path.display());
    let bytes = read_bytes(path).with_context(doing)?;
    match SavedPlan::from_bytes(&bytes) {
        Ok(saved) => Ok((saved.plan, Evidence::of(path, bytes)?)),
        Err(error) => {
            let hint = match &error {
                SavedPlanError::Newer { .. } => "use the program that wrote it, or save a new plan with this one",
                _ => "save a new plan with `strata plan --save FILE`",
            };
            Err(CommandError::new(exit::ERROR, anyhow::Error::new(error).context(doing())).hint(hint))
        }
    }
}

/// What is left to do of a saved plan; an error where it is another's, or anything that it rests on has moved.
pub(super) async fn rest_of(session: &Session, saved: &Plan, ui: &mut Ui) -> Result<Plan, CommandError> {
    let desired = session.desired();
    let (made_for, asked) = (saved.instance.name(), desired.instance.name());
    if saved.instance != desired.instance {
        let error = anyhow!("the saved plan is of {made_for}, and not of {asked}");
        return Err(
            CommandError::new(exit::ERROR, error).hint("name the stack, environment and instance it was made for")
        );
    }
    let (fresh, snapshot) = session.plan_again(desired, saved, ui).await?;
    let (then, now) = (&saved.target, &fresh.target);
    if (&then.name, &then.identity) != (&now.name, &now.identity) {
        let error = anyhow!(
            "the saved plan was made for cluster {} ({}), and not for {} ({})",
            then.name,
            then.identity,
            now.name,
            now.identity
        );
        let hint = match then.name == now.name {
            true => "another cluster answers by that name, or it was made anew: look at a new plan, and save that",
            false => "name the cluster as it was named when the plan was made",
        };
        return Err(CommandError::new(exit::ERROR, error).hint(hint));
    }
    match compare(saved, &fresh, &snapshot) {
        Ok(Rest { done: 0, left: _ }) => {}
        Ok(Rest { done, left }) => ui.status(&format!("of the saved plan, {done} done already and {left} left to do")),
        Err(moved) => {
            ui.warn(report::stale::terminal(&moved).trim_end());
            let error = anyhow!("what the saved plan rests on has moved (see above), so nothing was changed");
            return Err(CommandError::new(exit::STALE, error).hint("look at a new plan, and save that"));
        }
    }
    Ok(fresh)
}

/// The bytes of a file, or one more than a saved plan may have.
fn read_bytes(path: &Path) -> Result<Vec<u8>, anyhow::Error> {
    // A pipe would be waited for, and a device need not end.
    if !fs::metadata(path)?.is_file() {
        return Err(anyhow!("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a file in the place of another, if there is one, in one step: it is written beside it and on the disk before it
/// gets the name. A link is not followed and not replaced, because what it leads to was not named.
fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), anyhow::Error> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(anyhow!("it is a symbolic link, which is not followed")),
        Ok(found) if !found.is_file() => return Err(anyhow!("it is there already and is no file")),
        // Who may write a directory could put another file in its place, and is told not to.
        Ok(found) if found.permissions().readonly() => return Err(anyhow!("it is there already and is read-only")),
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let beside = directory.join(format!(".strata-plan.{}", uuid::Uuid::new_v4().simple()));
    let mut unnamed = Unnamed { path: Some(beside.clone()) };
    let mut file = private().open(&beside)?;
    if found.is_some_and(|found| !is_of_one_owner(&found, &file)) {
        return Err(anyhow!("it is there already and belongs to another user"));
    }
    write(&mut file)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    unnamed.path = None;
    // The name is on the disk once the directory is; where a directory cannot be opened as a file, nothing can be done.
    if let Ok(directory) = File::open(directory) {
        directory.sync_all()?;
    }
    Ok(())
}

/// Whether a file that is there belongs to the one who made the new file.
#[cfg(unix)]
fn is_of_one_owner(found: &fs::Metadata, made: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    made.metadata().is_ok_and(|made| made.uid() == found.uid())
}

#[cfg(not(unix))]
fn is_of_one_owner(_: &fs::Metadata, _: &File) -> bool {
    true
}

/// How a new file is opened that only its owner may read or write.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A file that goes again unless it gets its name.
struct Unnamed {
    path: Option<PathBuf>,
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // It may never have come to be.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot write its files has failed")]

    use super::*;

    /// What `replace` says, and what the directory then holds, each file with its text.
    fn replaced(dir: &Path, name: &str, text: &str, fails: bool) -> (Result<(), String>, Vec<(String, String)>) {
        let result = replace(&dir.join(name), |file| {
            file.write_all(text.as_bytes())?;
            if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        let mut files: Vec<(String, String)> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
            .collect();
        files.sort();
        (result.map_err(|error| error.to_string()), files)
    }

    fn file(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let full = Err("no storage space".to_owned());
        assert_eq!(replaced(dir.path(), "p", "one", true), (full.clone(), vec![]));
        assert_eq!(replaced(dir.path(), "p", "one", false), (Ok(()), vec![file("p", "one")]));
        assert_eq!(replaced(dir.path(), "p", "two", true), (full, vec![file("p", "one")]));
        assert_eq!(replaced(dir.path(), "p", "two", false), (Ok(()), vec![file("p", "two")]));
        let within = replace(&dir.path().join("p/q"), |_| Ok(())).unwrap_err().to_string();
        assert_eq!(within, "Not a directory (os error 20)");
        let nowhere = replace(&dir.path().join("nowhere/q"), |_| Ok(())).unwrap_err().to_string();
        assert_eq!(nowhere, "No such file or directory (os error 2)");
        assert_eq!(replace(Path::new("/"), |_| Ok(())).unwrap_err().to_string(), "it is there already and is no file");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it_and_links_lead_nowhere() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        replace(&at("p"), |file| file.write_all(b"one")).unwrap();
        assert_eq!(fs::metadata(at("p")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(at("p"), fs::Permissions::from_mode(0o644)).unwrap();
        replace(&at("p"), |file| file.write_all(b"two")).unwrap();
        assert_eq!(fs::metadata(at("p")).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(at("p"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        for link in ["link", "dangling"] {
            let error = replace(&at(link), |file| file.write_all(b"three")).unwrap_err().to_string();
            assert_eq!(error, "it is a symbolic link, which is not followed");
        }
        assert_eq!(fs::read_to_string(at("p")).unwrap(), "two");
        assert!(!at("nothing").exists());
        assert_eq!(read_bytes(dir.path()).unwrap_err().to_string(), "it is no file");
        assert_eq!(read_bytes(Path::new("/dev/zero")).unwrap_err().to_string(), "it is no file");
        assert_eq!(read_bytes(&at("link")).unwrap(), b"two");
    }
}
