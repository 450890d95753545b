//! Which commit a directory was checked out from, as the repository's own files say. No other program is asked, and
//! nothing is compared: files may have been edited since.

use std::fs;
use std::path::Path;

use crate::history::Commit;

/// Bytes of a file that is read at the most: a repository of a hundred thousand references packs them into ten MiB.
const MAX_BYTES: u64 = 64 << 20;
/// How many references may lead on to another.
const LINKS: usize = 5;

/// The commit of the repository that `dir` stands in; `None` where it stands in none, or that has no commit, or keeps its
/// references in another way than as files.
#[must_use]
pub fn commit_of(dir: &Path) -> Option<Commit> {
    let dir = fs::canonicalize(dir).ok()?;
    let (place, git) = dir.ancestors().map(|place| (place, place.join(".git"))).find(|(_, git)| git.exists())?;
    let own = if git.is_dir() { git } else { place.join(line(&git)?.strip_prefix("gitdir:")?.trim()) };
    // A worktree has a HEAD of its own, and shares the rest.
    let shared = line(&own.join("commondir")).map_or_else(|| own.clone(), |path| own.join(path));
    let head = line(&own.join("HEAD"))?;
    let Some(name) = reference(&head) else { return Some(Commit { id: id(&head)?, branch: None }) };
    let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
    Some(Commit { id: resolve(name, &own, &shared)?, branch })
}

/// The commit that a reference leads to.
fn resolve(name: &str, own: &Path, shared: &Path) -> Option<String> {
    let mut name = name.to_owned();
    for _ in 0..LINKS {
        let loose = [own, shared].iter().find_map(|dir| line(&dir.join(&name)));
        let Some(text) = loose else { return packed(&name, shared) };
        match reference(&text) {
            Some(next) => name = next.to_owned(),
            None => return id(&text),
        }
    }
    None
}

/// The commit that the packed references name.
fn packed(name: &str, shared: &Path) -> Option<String> {
    let text = text(&shared.join("packed-refs"))?;
    let of_name =
        |line: &str| line.split_once(' ').filter(|(_, other)| *other == name).and_then(|(commit, _)| id(commit));
    text.lines().find_map(of_name)
}

/// The reference that a text leads to, unless that leads out of the repository.
fn reference(text: &str) -> Option<&str> {
    let name = text.strip_prefix("ref:")?.trim();
    let inside = name.starts_with("refs/") && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    inside.then_some(name)
}

/// A text that is the id of a commit.
fn id(text: &str) -> Option<String> {
    let digits = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| text.to_ascii_lowercase())
}

/// The first line of a file.
fn line(path: &Path) -> Option<String> {
    Some(text(path)?.lines().next()?.trim().to_owned())
}

fn text(path: &Path) -> Option<String> {
    let about = fs::metadata(path).ok()?;
    (about.is_file() && about.len() <= MAX_BYTES).then(|| fs::read_to_string(path).ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot write its files has failed")]

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    /// What is found from `from` where there are these files.
    #[track_caller]
    fn check(files: &[(&str, &str)], from: &str, expect: Option<(&str, Option<&str>)>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
        }
        fs::create_dir_all(dir.path().join(from)).unwrap();
        let found = commit_of(&dir.path().join(from));
        let expect = expect.map(|(id, branch)| Commit { id: id.to_owned(), branch: branch.map(str::to_owned) });
        assert_eq!(found, expect, "{files:?}");
    }

    #[test]
    fn a_branch_is_a_file_or_a_line() {
        let head = ("a/.git/HEAD", "ref: refs/heads/main\n");
        let loose = ("a/.git/refs/heads/main", "1111111111111111111111111111111111111111\n");
        let packed = (
            "a/.git/packed-refs",
            "# pack-refs with: peeled fully-peeled sorted \n\
             1111111111111111111111111111111111111111 refs/heads/main2\n\
             2222222222222222222222222222222222222222 refs/heads/main\n\
             ^1111111111111111111111111111111111111111\n",
        );
        check(&[head, loose], "a", Some((ONE, Some("main"))));
        check(&[head, packed], "a/stacks/deep", Some((TWO, Some("main"))));
        check(&[head, packed, loose], "a", Some((ONE, Some("main"))));
        check(&[head], "a", None);
        check(
            &[("a/.git/HEAD", "ref: refs/heads/topic/x"), ("a/.git/refs/heads/topic/x", ONE)],
            "a",
            Some((ONE, Some("topic/x"))),
        );
    }

    #[test]
    fn a_commit_may_be_checked_out_by_itself() {
        check(&[("a/.git/HEAD", ONE)], "a", Some((ONE, None)));
        check(&[("a/.git/HEAD", &"aB".repeat(32))], "a", Some((&"ab".repeat(32), None)));
    }

    #[test]
    fn a_worktree_has_a_head_of_its_own() {
        let files = [
            ("main/.git/HEAD", "ref: refs/heads/main"),
            ("main/.git/refs/heads/main", ONE),
            ("main/.git/refs/heads/topic", TWO),
            ("main/.git/worktrees/w/HEAD", "ref: refs/heads/topic\n"),
            ("main/.git/worktrees/w/commondir", "../..\n"),
            ("w/.git", "gitdir: DIR/main/.git/worktrees/w\n"),
        ];
        check(&files, "w", Some((TWO, Some("topic"))));
        check(&files, "main", Some((ONE, Some("main"))));
        let module =
            [("a/.git/modules/m/HEAD", TWO), ("a/m/.git", "gitdir: ../.git/modules/m\n"), ("a/.git/HEAD", ONE)];
        check(&module, "a/m", Some((TWO, None)));
    }

    #[test]
    fn what_leads_nowhere_says_nothing() {
        check(&[], "a", None);
        check(&[("a/.git/HEAD", "")], "a", None);
        check(&[("a/.git/HEAD", "nonsense")], "a", None);
        check(&[("a/.git", "elsewhere")], "a", None);
        check(&[("a/.git", "gitdir: nowhere")], "a", None);
        check(&[("a/.git/HEAD", "ref: refs/heads/../../../secret"), ("a/secret", ONE)], "a", None);
        check(&[("a/.git/HEAD", "ref: /secret"), ("secret", ONE)], "a", None);
        let around = [("a/.git/HEAD", "ref: refs/heads/x"), ("a/.git/refs/heads/x", "ref: refs/heads/x")];
        check(&around, "a", None);
        let on = [
            ("a/.git/HEAD", "ref: refs/heads/x"),
            ("a/.git/refs/heads/x", "ref: refs/heads/y"),
            ("a/.git/refs/heads/y", ONE),
        ];
        check(&on, "a", Some((ONE, Some("x"))));
    }
}
