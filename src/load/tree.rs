//! YAML text as a tree of values, each with its place in the file.
//!
//! The tree knows no schema: a scalar is text, and whether it was written plainly. What can be wrong with YAML
//! itself is found here, all of it at once where the parser can go on; what values mean is [`super::decode`]'s.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, StructureStyle};

use super::decode::MAX_COLLECTED;
use super::scalar::{Meaning, meaning};
use super::source::{Source, Span};
use super::{rules, suggest, syntax};
use crate::finding::Finding;

/// How deep values may be nested.
pub const MAX_DEPTH: usize = 64;
/// How many values a file may hold.
const MAX_VALUES: usize = 1_000_000;
/// How many values anchors and aliases may repeat.
const MAX_REPEATED: usize = 100_000;

/// How many anchors a misspelt alias is compared with.
const MAX_COMPARED: usize = 100;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The value.
    pub content: Content,
    /// Where it stands; empty for a value that was left out.
    pub span: Span,
    /// Values in it, itself included.
    size: usize,
    /// Levels in it, itself included.
    height: usize,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, a number, true, false or nothing.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file; no key stands twice.
    Mapping(Vec<Entry>),
}

/// A value without parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// What it says, without quotes and with escapes resolved.
    pub text: String,
    /// Whether it was written without quotes, so that it may mean a number, true, false or nothing.
    pub plain: bool,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Scalar,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    fn new(content: Content, span: Span) -> Self {
        let (size, height) = match &content {
            Content::Scalar(_) => (0, 0),
            Content::List(items) => extent(items.iter()),
            Content::Mapping(entries) => extent(entries.iter().map(|entry| &entry.value)),
        };
        Self { content, span, size: size + 1, height: height + 1 }
    }

    /// Nothing, at a place.
    fn nothing(span: Span) -> Self {
        Self::new(Content::Scalar(Scalar { text: String::new(), plain: true }), span)
    }
}

fn extent<'a>(nodes: impl Iterator<Item = &'a Node>) -> (usize, usize) {
    nodes.fold((0, 0), |(size, height), node| (size + node.size, height.max(node.height)))
}

/// Reads a file's one document.
///
/// The tree is absent when the text could not be followed to its end. With findings it may still be present:
/// then what was wrong could be left out or passed over, and decoding it finds more.
#[must_use]
pub fn parse(source: &Source) -> (Option<Node>, Vec<Finding>) {
    let mut builder = Builder::new(source);
    let completed = builder.run();
    let tree = completed.then(|| builder.root.take()).flatten();
    if completed && tree.is_none() {
        builder.findings.push(
            Finding::new(&rules::EMPTY, format!("{} is empty", source.file))
                .at(source.location(Span { start: 0, end: 0, line: 1, column: 1 }))
                .help("`strata schema stack` and `strata schema environment` say what belongs in it".to_owned()),
        );
    }
    (tree, builder.findings)
}

struct Frame {
    /// `None` for a list, the key whose value comes next for a mapping.
    kind: FrameKind,
    start: Span,
    flow: bool,
    anchor: usize,
}

enum FrameKind {
    List(Vec<Node>),
    Mapping { entries: Vec<Entry>, pending: Option<PendingKey> },
}

struct PendingKey {
    /// Absent for a key that cannot be one: its value is read and dropped.
    key: Option<Scalar>,
    span: Span,
}

struct Builder<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
    stack: Vec<Frame>,
    root: Option<Node>,
    /// Values marked by an anchor; `None` while the value is still being read.
    anchors: HashMap<usize, Option<Node>>,
    names: Vec<String>,
    values: usize,
    repeated: usize,
}

/// The parse cannot go on; the finding that says why was noted.
struct Stop;

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        Self {
            source,
            findings: Vec::new(),
            stack: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            names: Vec::new(),
            values: 0,
            repeated: 0,
        }
    }

    /// Whether the document was followed to its end.
    fn run(&mut self) -> bool {
        let mut options = granit_parser::options! {
            disallow_directives: true,
            emit_unresolved_aliases: true,
            emit_anchor_events: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(&self.source.text, options) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    self.findings.push(syntax::finding(self.source, &error));
                    return false;
                }
            };
            let span = from_parser(span.start, span.end);
            if let Event::DocumentStart(..) = event {
                documents += 1;
                if documents > 1 {
                    self.findings.push(
                        Finding::new(&rules::SEVERAL_DOCUMENTS, "found a second document, expected one in a file")
                            .at(self.source.location(span))
                            .help("move it to a file of its own".to_owned()),
                    );
                    return true;
                }
            }
            if self.event(event, span).is_err() {
                return false;
            }
        }
        true
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.complete(Node::new(Content::Scalar(scalar), span), anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                self.open(FrameKind::List(Vec::new()), style, anchor, span)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                self.open(FrameKind::Mapping { entries: Vec::new(), pending: None }, style, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                let compared = if self.findings.len() < MAX_COLLECTED { MAX_COMPARED } else { 0 };
                let near = suggest::nearest(&name, self.names.iter().take(compared).map(String::as_str));
                let help =
                    near.map_or_else(|| "write the value out".to_owned(), |near| format!("did you mean `*{near}`?"));
                self.report(
                    Finding::new(&rules::UNKNOWN_ALIAS, format!("the alias `*{name}` has no anchor before it"))
                        .at(self.source.location(span))
                        .help(help),
                );
                self.complete(Node::nothing(span), 0)
            }
            Event::Anchor(_, name) => {
                self.names.push(name.into_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Notes a finding, as long as there are not too many: a file of a million mistakes must not fill the memory.
    fn report(&mut self, finding: Finding) {
        if self.findings.len() < MAX_COLLECTED {
            self.findings.push(finding);
        }
    }

    fn tag(&mut self, tag: Option<&granit_parser::Tag>, span: Span) {
        if let Some(tag) = tag {
            self.report(
                Finding::new(&rules::TAG, format!("found the tag `{}`; tags are not supported", tag.original()))
                    .at(self.source.location(span))
                    .help("remove the tag; text that looks like another type belongs in quotes".to_owned()),
            );
        }
    }

    fn stop(&mut self, finding: Finding) -> Result<(), Stop> {
        self.findings.push(finding);
        Err(Stop)
    }

    fn open(&mut self, kind: FrameKind, style: StructureStyle, anchor: usize, start: Span) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            return self.too_deep(start);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.stack.push(Frame { kind, start, flow: style == StructureStyle::Flow, anchor });
        Ok(())
    }

    fn too_deep(&mut self, span: Span) -> Result<(), Stop> {
        let message = format!("values are nested more than {MAX_DEPTH} levels deep");
        let finding = Finding::new(&rules::TOO_DEEP, message)
            .at(self.source.location(span))
            .help("check for brackets that are never closed".to_owned());
        self.stop(finding)
    }

    fn close(&mut self, end: Span) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let (content, last) = match frame.kind {
            FrameKind::List(items) => {
                let last = items.last().map(|item| item.span.end);
                (Content::List(items), last)
            }
            FrameKind::Mapping { entries, .. } => {
                let last = entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end));
                (Content::Mapping(self.unique(entries)), last)
            }
        };
        // The end of a block collection is only noticed at the next token, which belongs to something else.
        let end = if frame.flow { end.end } else { last.unwrap_or(frame.start.end) };
        let span = Span { end: end.max(frame.start.start), ..frame.start };
        self.complete(Node::new(content, span), frame.anchor)
    }

    /// Keeps the first entry of each key and reports the others.
    fn unique(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut seen: HashMap<String, Span> = HashMap::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(first) = seen.get(&entry.key.text) {
                self.report(
                    Finding::new(&rules::DUPLICATE_KEY, format!("the key `{}` stands twice", entry.key.text))
                        .at(self.source.location(entry.key_span))
                        .label("second time here")
                        .related(self.source.location(*first), "first time here")
                        .help("remove one of the two, or rename it".to_owned()),
                );
            } else {
                seen.insert(entry.key.text.clone(), entry.key_span);
                kept.push(entry);
            }
        }
        kept
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Stop> {
        match self.anchors.get(&id) {
            Some(Some(node)) => {
                let node = node.clone();
                if self.stack.len() + node.height > MAX_DEPTH {
                    return self.too_deep(span);
                }
                self.repeat(node.size, span)?;
                self.complete(node, 0)
            }
            _ => {
                self.report(
                    Finding::new(
                        &rules::UNKNOWN_ALIAS,
                        format!("the alias `{}` stands inside the value that it repeats", self.source.slice(span)),
                    )
                    .at(self.source.location(span))
                    .help("write the value out".to_owned()),
                );
                self.complete(Node::nothing(span), 0)
            }
        }
    }

    fn repeat(&mut self, size: usize, span: Span) -> Result<(), Stop> {
        self.repeated += size;
        if self.repeated <= MAX_REPEATED {
            return Ok(());
        }
        let message = format!("anchors and aliases repeat more than {MAX_REPEATED} values");
        let finding = Finding::new(&rules::ALIAS_BOMB, message)
            .at(self.source.location(span))
            .help("write the values out, or set them once where they apply to all, such as at the tier".to_owned());
        self.stop(finding)
    }

    /// Takes a value that was read in full to the place where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        let span = node.span;
        self.values += 1;
        if self.values > MAX_VALUES {
            let message = format!("{} holds more than {MAX_VALUES} values", self.source.file);
            let finding = Finding::new(&rules::TOO_MANY_VALUES, message)
                .at(self.source.location(span))
                .help("check that it is the right file".to_owned());
            return self.stop(finding);
        }
        if anchor != 0 {
            self.repeat(node.size, span)?;
            self.anchors.insert(anchor, Some(node.clone()));
        }
        let mut misplaced = None;
        match self.stack.last_mut().map(|frame| &mut frame.kind) {
            None => {
                // A document that holds nothing but comments reads as one value of no length.
                if span.start < span.end || !matches!(node.content, Content::Scalar(_)) {
                    self.root = Some(node);
                }
            }
            Some(FrameKind::List(items)) => items.push(node),
            Some(FrameKind::Mapping { entries, pending }) => match pending.take() {
                None => {
                    let key = match node.content {
                        Content::Scalar(key) if key.plain && key.text == "<<" => {
                            misplaced = Some(
                                Finding::new(&rules::MERGE_KEY, "found a merge key `<<`; merge keys are not supported")
                                    .help(
                                        "write the fields out, or set them once where they apply to all, such as at \
                                         the tier"
                                            .to_owned(),
                                    ),
                            );
                            None
                        }
                        Content::Scalar(key) if meaning(&key) == Meaning::Nothing => {
                            misplaced = Some(
                                Finding::new(&rules::KEY_NOT_TEXT, "found a key that is nothing")
                                    .help("write the key as text; text such as `null` needs quotes".to_owned()),
                            );
                            None
                        }
                        Content::Scalar(key) => Some(key),
                        Content::List(_) | Content::Mapping(_) => {
                            misplaced = Some(
                                Finding::new(&rules::KEY_NOT_TEXT, "found a key that is a list or a mapping").help(
                                    "write the key as text; text that begins with `[` or `{` needs quotes".to_owned(),
                                ),
                            );
                            None
                        }
                    };
                    *pending = Some(PendingKey { key, span });
                }
                Some(PendingKey { key: Some(key), span: key_span }) => {
                    entries.push(Entry { key, key_span, value: node });
                }
                Some(PendingKey { key: None, .. }) => {}
            },
        }
        if let Some(finding) = misplaced {
            self.report(finding.at(self.source.location(span)));
        }
        Ok(())
    }
}

fn from_parser(start: Marker, end: Marker) -> Span {
    let from = start.byte_offset().unwrap_or(0);
    Span { start: from, end: end.byte_offset().unwrap_or(from).max(from), line: start.line(), column: start.col() + 1 }
}
