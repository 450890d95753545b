//! `strata completions`: what a shell offers while a line is typed: commands and options, and the names that the files of
//! the root give to stacks, environments, services and phases.
//!
//! The shell runs the program itself with the words so far, and the program answers from the files: no cluster is asked,
//! nothing is proven, and what cannot be read is offered nothing for, without a word.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory, ValueEnum};
use clap_complete::ArgValueCandidates;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;

use super::names::{Name, Names};
use super::{Cli, CommandResult, Program, Ui};
use crate::exit;
use crate::report::clean::clean;

/// The variable by which the script of a shell asks for what can come next; its value is the name of the shell.
const VARIABLE: &str = "STRATA_COMPLETE";

/// Print a script that completes strata's arguments in your shell
#[derive(Debug, clap::Args)]
#[command(after_help = "The script asks strata itself, which reads names from the files of the root.")]
pub struct Args {
    /// The shell to write for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The shells that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// Writes the script to standard output.
pub(super) fn run(args: &Args, ui: &mut Ui) -> CommandResult {
    let called = std::env::args_os().next().unwrap_or_else(|| "strata".into());
    let name = Path::new(&called).file_stem().unwrap_or(OsStr::new("strata")).to_string_lossy().into_owned();
    // What was called by its name is found by it again; what was called by a path is at that path.
    let program = match Path::new(&called).components().count() {
        0 | 1 => name.clone(),
        _ => std::path::absolute(&called)?.to_string_lossy().into_owned(),
    };
    let shells = Shells::builtins();
    let shell = shells.completer(args.shell.name());
    let shell = shell.ok_or_else(|| anyhow::anyhow!("there is no script for {}", args.shell.name()))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, &name, &name, &program, &mut script)?;
    ui.data(&String::from_utf8_lossy(&script))?;
    Ok(exit::OK)
}

/// Answers a shell that asks what can come next, where one does: an exit code then.
#[allow(clippy::disallowed_methods, reason = "it is no option: the script of the shell asks by it, and nobody else")]
pub(super) fn answer(arguments: &[OsString], program: Option<Program<'_>>) -> Option<u8> {
    let shell = std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())?;
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&shell) else { return Some(exit::ERROR) };
    // The words of the line stand behind the first `--`, the program's name first.
    let words: Vec<OsString> = arguments.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    if words.is_empty() {
        return Some(exit::ERROR);
    }
    let names = names(&words, program);
    let mut command = offering(Cli::command(), &names);
    let mut offered = Vec::new();
    let here = std::env::current_dir().ok();
    if shell.write_complete(&mut command, words, here.as_deref(), &mut offered).is_err() {
        return Some(exit::ERROR);
    }
    let written = Ui::new(true).data(&String::from_utf8_lossy(&offered));
    Some(if written.is_ok() { exit::OK } else { exit::ERROR })
}

/// Where names come from, by what was typed so far, the program's name first.
pub(super) fn names(words: &[OsString], program: Option<Program<'_>>) -> Names {
    let mut command = Cli::command();
    command.build();
    let typed = Typed::of(&command, words);
    let brought = program.map(|program| program.stack.clone());
    Names::new(typed.root.unwrap_or_else(|| ".".into()), typed.stack, typed.env, brought)
}

/// What was typed that names depend on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    root: Option<std::path::PathBuf>,
    stack: Option<String>,
    env: Option<String>,
}

impl Typed {
    fn of(command: &Command, words: &[OsString]) -> Self {
        let mut typed = Self::default();
        let (mut command, mut places) = (command, 0);
        let mut words = words.iter().skip(1).filter_map(|word| word.to_str());
        while let Some(word) = words.next() {
            let (option, own) = match (word.strip_prefix("--"), word.strip_prefix('-')) {
                (Some(long), _) => {
                    let (name, own) = long.split_once('=').map_or((long, None), |(name, own)| (name, Some(own)));
                    (command.get_arguments().find(|arg| arg.get_long() == Some(name)), own)
                }
                (None, Some(short)) => {
                    let letter = short.chars().next();
                    let own = letter.and_then(|letter| short.get(letter.len_utf8()..)).filter(|own| !own.is_empty());
                    (command.get_arguments().find(|arg| letter.is_some() && arg.get_short() == letter), own)
                }
                (None, None) => {
                    if let Some(below) = command.find_subcommand(word).filter(|_| places == 0) {
                        command = below;
                        continue;
                    }
                    let place = command.get_positionals().nth(places);
                    places += 1;
                    typed.note(place, word);
                    continue;
                }
            };
            let takes_value = option.is_some_and(|option| option.get_action().takes_values());
            let value = match own {
                Some(own) => Some(own.strip_prefix('=').unwrap_or(own)),
                None if takes_value => words.next(),
                None => None,
            };
            if let Some(value) = value {
                typed.note(option, value);
            }
        }
        typed
    }

    fn note(&mut self, arg: Option<&Arg>, value: &str) {
        match arg.map(|arg| arg.get_id().as_str()) {
            Some("root") => self.root = Some(value.into()),
            Some("stack") => self.stack = Some(value.to_owned()),
            Some("env") => self.env = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// The command with what each argument can be called, by what help texts call its value.
fn offering(command: Command, names: &Names) -> Command {
    let command = command.mut_args(|arg| {
        let Some(value) = arg.get_value_names().and_then(|names| names.first()).map(|name| name.to_string()) else {
            return arg;
        };
        let names = names.clone();
        let of: Box<dyn Fn() -> Vec<Name> + Send + Sync> = match value.as_str() {
            "STACK" => Box::new(move || names.stacks()),
            "ENV" => Box::new(move || names.environments()),
            "SERVICE" => Box::new(move || names.services()),
            "PHASE" => Box::new(move || names.phases()),
            "FROM" | "TO" => Box::new(move || names.ends()),
            "CLUSTER" => Box::new(move || names.clusters()),
            _ => return arg,
        };
        arg.add(ArgValueCandidates::new(move || of().into_iter().filter_map(candidate).collect()))
    });
    command.mut_subcommands(|below| offering(below, names))
}

/// What is offered; nothing for what a shell would take for more than one word.
fn candidate(name: Name) -> Option<CompletionCandidate> {
    let Name { name, about } = name;
    let is_word = !name.is_empty() && !name.contains(|c: char| c.is_control() || c.is_whitespace());
    let about = about.map(|about| StyledStr::from(clean(&about).into_owned()));
    is_word.then(|| CompletionCandidate::new(name).help(about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, root: Option<&str>, stack: Option<&str>, env: Option<&str>) {
        let mut command = Cli::command();
        command.build();
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let expect = Typed { root: root.map(Into::into), stack: owned(stack), env: owned(env) };
        assert_eq!(Typed::of(&command, &words), expect, "{line}");
    }

    #[test]
    fn what_was_typed_is_found_in_any_order() {
        check("strata", None, None, None);
        check("strata plan shop -e lab --target ", None, Some("shop"), Some("lab"));
        check("strata plan -elab shop --target ", None, Some("shop"), Some("lab"));
        check("strata plan -e=lab shop", None, Some("shop"), Some("lab"));
        check("strata --root ../x plan --env=lab --save file shop --target a", Some("../x"), Some("shop"), Some("lab"));
        check("strata plan --root=x --adopt shop -o json -e lab", Some("x"), Some("shop"), Some("lab"));
        check("strata reach shop a b -e lab", None, Some("shop"), Some("lab"));
        check("strata cluster serve -e lab", None, None, Some("lab"));
        check("strata nonsense --what shop", None, None, None);
    }
}
