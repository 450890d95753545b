//! The rules that `load` applies: what a file must be before it means anything. All but one are errors, with exit
//! code 1; the last is a warning about a file that was not asked for.
//!
//! The rules of [`crate::check`] are about what a readable stack says; they are listed there.

use crate::finding::{Level, Rule};

macro_rules! rules {
    ($($name:ident = $id:literal $level:ident, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Rule =
                Rule { id: $id, level: Level::$level, title: $title, meaning: $meaning, remedy: $remedy };
        )*
        /// Every rule of `load`, by id.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    UNREADABLE = "S-load-001" Error, "a file cannot be read",
        "The file is missing, is no regular file, or may not be read.",
        "Check the path and its permissions.";
    TOO_LARGE = "S-load-002" Error, "a file is too large",
        "Files are read up to 16 MiB, so that a wrong file cannot fill the memory.",
        "Check that it is the right file, or split the stack.";
    NOT_UTF8 = "S-load-003" Error, "a file is not UTF-8",
        "Stacks and environments are UTF-8 text; a byte order mark is allowed.",
        "Save the file as UTF-8.";
    HIDDEN_CHARACTER = "S-load-004" Error, "a file holds characters that a reader cannot see",
        "Control, bidirectional and zero-width characters make a file mean something else than it shows in review.",
        "Remove the character, or write it as an escape in double quotes where a value needs it.";
    SYNTAX = "S-load-005" Error, "a file is not YAML",
        "The text breaks off the structure of YAML at this place, so nothing after it can be understood.",
        "Mend the place that is shown; most often indentation, a missing colon or a missing quote.";
    TAB = "S-load-006" Error, "tabs are used as indentation",
        "YAML indents with spaces alone; a tab has no agreed width.",
        "Replace the tab by spaces.";
    SEVERAL_DOCUMENTS = "S-load-007" Error, "a file holds several documents",
        "A file is one stack or one environment; a second document would be ignored in silence by other tools.",
        "Put each document into a file of its own.";
    EMPTY = "S-load-008" Error, "a file is empty",
        "There is nothing in the file but comments.",
        "Begin with the fields that the schema requires; `strata schema` prints it.";
    DUPLICATE_KEY = "S-load-009" Error, "a key stands twice",
        "Of two entries with one key YAML readers keep one, and not all of them the same one.",
        "Remove one of the two, or rename it.";
    TOO_DEEP = "S-load-010" Error, "values are nested too deeply",
        "Nesting is followed 64 levels deep; the model needs fewer than ten.",
        "Check for brackets that are never closed.";
    TOO_MANY_VALUES = "S-load-011" Error, "a file holds too many values",
        "A file may hold a million values, so that a small file cannot fill the memory.",
        "Check that it is the right file.";
    ALIAS_BOMB = "S-load-012" Error, "aliases repeat too many values",
        "Anchors and aliases may repeat a hundred thousand values, so that a small file cannot grow without end.",
        "Write the values out, or set them once where they apply to all, such as at the tier.";
    UNKNOWN_ALIAS = "S-load-013" Error, "an alias has no anchor",
        "`*name` repeats a value that was marked `&name` earlier in the same file, and not a value it stands in.",
        "Mark the value with an anchor before it is used, or write it out.";
    MERGE_KEY = "S-load-014" Error, "a merge key is used",
        "`<<` belongs to YAML 1.1 and hides which value applies; it is not supported.",
        "Write the fields out, or set them once where they apply to all, such as at the tier.";
    TAG = "S-load-015" Error, "a tag is used",
        "Types come from the schema, so a tag such as `!!str` or `!Ref` has nothing to say.",
        "Remove the tag; put text that looks like another type in quotes.";
    KEY_NOT_TEXT = "S-load-016" Error, "a key is not text",
        "Keys are names: text, not lists, mappings or nothing.",
        "Write the key as text.";
    AMBIGUOUS = "S-load-017" Error, "a value means different things to different readers",
        "YAML 1.1 reads `on`, `no`, `010`, `1:20` and their like otherwise than YAML 1.2 does.",
        "Write true or false, a plain decimal number, or put the text in quotes.";
    UNKNOWN_FIELD = "S-load-020" Error, "a field is unknown",
        "Only the fields of the schema are allowed, so that a misspelt one is not ignored.",
        "Correct the name or remove the field.";
    MISSING_FIELD = "S-load-021" Error, "a required field is missing",
        "The schema requires the field here.",
        "Add the field.";
    WRONG_TYPE = "S-load-022" Error, "a value has the wrong type",
        "The schema expects another type here.",
        "Write a value of the expected type.";
    WRONG_VALUE = "S-load-023" Error, "a value is not allowed",
        "The type is right, but the value is outside what the schema allows.",
        "Choose an allowed value.";
    REFUSED = "S-load-024" Error, "a value is refused by the model",
        "The value has the right form, but the model does not take it; the message says why.",
        "Change the value as the message says.";
    NO_ROOT = "S-load-030" Error, "the root is no directory",
        "The root is the directory that holds stacks/ and environments/.",
        "Give the right directory with --root.";
    UNKNOWN_STACK = "S-load-031" Error, "a stack does not exist",
        "A stack is named by its file in stacks/, without the ending .yaml, or by a path to a file in the root.",
        "Choose one of the stacks that are listed, or create the file.";
    UNKNOWN_ENVIRONMENT = "S-load-032" Error, "an environment does not exist",
        "An environment is named by its file in environments/, without the ending .yaml.",
        "Choose one of the environments that are listed, or create the file.";
    OUTSIDE_ROOT = "S-load-033" Error, "a path leaves the root",
        "Files are read inside the root alone; neither `..` nor a symbolic link leads out of it.",
        "Move the file into the root, or give another --root.";
    NAME_DIFFERS = "S-load-034" Error, "a file's name and the name inside differ",
        "A stack or environment is found by the name of its file, so the name inside has to be the same.",
        "Rename one of the two.";
    NOT_ADMITTED = "S-load-035" Error, "an environment does not admit the stack",
        "An environment may list the stacks it admits; this one is not among them.",
        "Choose another environment, or add the stack to the list.";
    UNKNOWN_SERVICE = "S-load-040" Error, "a reference to a service leads nowhere",
        "Dependencies and overrides name services of the stack.",
        "Correct the name, or define the service.";
    UNKNOWN_TIER = "S-load-041" Error, "a reference to a tier leads nowhere",
        "Every service belongs to a tier that the stack defines.",
        "Correct the name, or define the tier.";
    UNKNOWN_PHASE = "S-load-042" Error, "a reference to a phase leads nowhere",
        "A pin names one of the phases that the stack lists.",
        "Correct the name, or add the phase to the list.";
    UNKNOWN_CLUSTER = "S-load-043" Error, "a reference to a cluster leads nowhere",
        "The default cluster is one of those that the environment defines.",
        "Correct the name, or define the cluster.";
    UNKNOWN_NAMESPACE = "S-load-044" Error, "a mapped namespace belongs to no stack",
        "An environment maps namespaces that stacks use to its own; this one is used by no stack it admits.",
        "Correct the name, or remove the entry.";
    OTHER_STACK = "S-load-045" Warning, "another stack of the root cannot be read",
        "Proofs cover every stack of the root; one that cannot be read is left out of them.",
        "Mend the other stack; `strata check` on it shows what is wrong.";
    NAME_IN_USE = "S-load-046" Error, "a service's earlier name is in use",
        "`was` says what a service was called before; a name that another service has, or had, cannot be that.",
        "Correct the name, or remove `was`.";
    UNKNOWN_OUTPUT = "S-load-047" Error, "a reference to an output leads nowhere",
        "A variable that is an output names one of those that its own stack, or another stack of the root, lists under \
         `outputs`.",
        "Correct the name, or add the output to the stack that is named.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_in_order() {
        let ids: Vec<&str> = ALL.iter().map(|rule| rule.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }
}
