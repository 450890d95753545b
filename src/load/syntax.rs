//! What a YAML syntax error means to the person who wrote the file.
//!
//! The parser knows some eighty ways to fail; a person needs to know which of a dozen things to look for.

use granit_parser::{ErrorKind, Marker, ScanError};

use super::rules;
use super::source::{Source, Span};
use super::tree::MAX_DEPTH;
use crate::finding::{Finding, Rule};

/// The finding for the error that ended the parse.
pub(super) fn finding(source: &Source, error: &ScanError) -> Finding {
    let (rule, message, help) = describe(error.kind());
    let mut span = point(source, error.marker());
    if rule.id == rules::TAB.id {
        // The parser reports the value that the tab runs into, which can begin a line earlier.
        span = from_tab(source, span).unwrap_or(span);
    }
    Finding::new(rule, message).at(source.location(span)).help(help.to_owned())
}

/// One character at a marker; the last one of the text where the marker lies behind it.
fn point(source: &Source, marker: &Marker) -> Span {
    let text = source.text.as_str();
    let start = marker.byte_offset().unwrap_or(text.len());
    if text.get(start..).is_some_and(|rest| !rest.trim_end().is_empty()) {
        return Span { start, end: start + 1, line: marker.line(), column: marker.col() + 1 };
    }
    // At the end of the file nothing can be underlined: show the last line that says something.
    let said = text.trim_end();
    let line = said.matches('\n').count() + 1;
    let last = said.rsplit('\n').next().unwrap_or_default();
    Span { start: said.len(), end: said.len(), line, column: last.chars().count() + 1 }
}

/// The first tab at or behind a place.
fn from_tab(source: &Source, span: Span) -> Option<Span> {
    let start = span.start + source.text.get(span.start..)?.find('\t')?;
    let before = source.text.get(..start)?;
    let column = before.rsplit('\n').next()?.chars().count() + 1;
    Some(Span { start, end: start + 1, line: before.matches('\n').count() + 1, column })
}

const STRUCTURE: &str =
    "check the indentation of this line and of the one above, and that each key is followed by a colon and a space";
const QUOTE: &str = "put the whole value in quotes";
const ESCAPE: &str =
    "in double quotes a backslash begins an escape: write `\\\\` for a backslash, or use single quotes";

fn describe(kind: &ErrorKind) -> (&'static Rule, String, &'static str) {
    use ErrorKind as K;
    let syntax = |message: &str, help| (&rules::SYNTAX, message.to_owned(), help);
    match kind {
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabInIndentation
        | K::TabAtBlockScalarStart
        | K::TabInPlainScalar => {
            (&rules::TAB, "found a tab, expected spaces".to_owned(), "YAML indents with spaces: replace the tab")
        }
        K::RecursionLimitExceeded => (
            &rules::TOO_DEEP,
            format!("values are nested more than {MAX_DEPTH} levels deep"),
            "check for brackets that are never closed",
        ),
        K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping
        | K::UnclosedFlowCollection { .. }
        | K::ExpectedFlowMappingSeparator
        | K::ExpectedFlowSequenceSeparator
        | K::MisplacedFlowCollectionEnd
        | K::MismatchedFlowCollectionEnd { .. } => syntax(
            "brackets do not match here",
            "each `[` needs its `]`, each `{` its `}`, and a comma between entries",
        ),
        K::UnclosedQuotedScalar | K::DocumentIndicatorInQuotedScalar | K::InvalidQuotedScalarIndent => {
            syntax("quoted text is never closed", "add the closing quote")
        }
        K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
            syntax("found more text behind the closing quote", QUOTE)
        }
        K::UnknownQuotedScalarEscape
        | K::InvalidQuotedScalarHexEscape
        | K::InvalidLowSurrogateHexEscape
        | K::InvalidLowSurrogate
        | K::MissingLowSurrogate
        | K::UnpairedLowSurrogate
        | K::InvalidUnicodeEscape => syntax("found an escape that YAML does not know", ESCAPE),
        K::UnexpectedCharacter { character } => {
            (&rules::SYNTAX, format!("found `{}` where no value can begin with it", character.escape_default()), QUOTE)
        }
        K::DirectiveDisallowed => syntax("found a directive", "remove the line that begins with `%`"),
        K::UndeclaredTagHandle
        | K::ExpectedTagBang
        | K::InvalidTagTerminator
        | K::MissingTagUri
        | K::UnclosedVerbatimTag
        | K::InvalidTagEscape => syntax("found a tag that is not complete", "tags are not supported: remove it"),
        K::MissingAnchorOrAliasName => {
            syntax("found `&` or `*` without a name", "text that begins with `&` or `*` needs quotes")
        }
        K::ExpectedWhitespace | K::InvalidMappingValueWhitespace | K::InvalidBlockEntryWhitespace => {
            syntax("expected a space here", "write a space behind `:` and `-`, and before `#`")
        }
        K::CommentNotSeparated | K::CommentInterceptedScalar => {
            syntax("found a comment in the middle of a value", "write a space before `#`, or put the value in quotes")
        }
        K::InvalidBlockScalarHeader | K::InvalidBlockScalarIndent | K::ZeroBlockScalarIndent => {
            syntax("text behind `|` or `>` is not indented evenly", "indent every line of the text by the same spaces")
        }
        K::MappingValueNotAllowed | K::InvalidColonPlacement | K::FlowMappingValueAdjacentCollection => syntax(
            "found a second colon where one value was expected",
            "text that holds `: ` needs quotes, a nested key a line of its own, and each bracket above this line its end",
        ),
        K::SimpleKeyExpected | K::InvalidSimpleKey | K::ExpectedBlockMappingKey => {
            syntax("expected a key and a colon here", STRUCTURE)
        }
        K::ExpectedBlockSequenceEntry | K::BlockSequenceEntryNotAllowed | K::BlockEntryInFlowCollection => {
            syntax("found a list entry where none can stand", STRUCTURE)
        }
        K::InvalidIndentation | K::InvalidFlowScalarIndent | K::MappingKeyNotAllowed => {
            syntax("this line is not indented as the lines above it", STRUCTURE)
        }
        other => (&rules::SYNTAX, format!("not valid YAML: {other}"), STRUCTURE),
    }
}
