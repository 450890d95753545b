//! A tree of values held against a JSON Schema: every finding at once, each with its place, and then the value.
//!
//! The schema is the one that the wanted type publishes. What it cannot say (a range whose ends are the wrong way
//! round) serde and the type itself find, and that becomes a finding too.

use std::collections::{HashMap, HashSet};

use regex::Regex;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::rules;
use super::scalar::{Ambiguity, Meaning, meaning};
use super::schema::{View, expected, inside_a_sentence};
use super::source::{Source, Span};
use super::spans::{SpanMap, field, index};
use super::suggest::{instead, listing, nearest};
use super::tree::{Content, Entry, Node, Scalar, parse};
use crate::finding::{Finding, Rule, settle};

/// The most findings that are shown of one file; a file that is something else altogether is wrong in every line.
const MAX_FINDINGS: usize = 100;
/// The most that are looked for before those to be shown are chosen: a file of a million wrong lines must not fill
/// the memory.
pub(super) const MAX_COLLECTED: usize = 1000;

/// A value, and where its parts stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<T> {
    /// The value.
    pub value: T,
    /// Where its parts stand.
    pub spans: SpanMap,
}

/// Reads a value from a file's text.
///
/// # Errors
///
/// Everything that is wrong, in the order of the file.
pub fn decode<T: DeserializeOwned + JsonSchema>(source: Source) -> Result<Decoded<T>, Vec<Finding>> {
    decode_with(source, &strata_components::model::schema::of::<T>())
}

/// Reads a value from a file's text by a schema that is at hand.
///
/// # Errors
///
/// Everything that is wrong, in the order of the file.
pub fn decode_with<T: DeserializeOwned>(source: Source, schema: &Value) -> Result<Decoded<T>, Vec<Finding>> {
    let (tree, mut findings) = parse(&source);
    let Some(tree) = tree else { return Err(limited(findings)) };
    let mut walk = Walk { root: schema, source: &source, findings: Vec::new(), patterns: HashMap::new() };
    let value = walk.node(&tree, schema, &Place { path: "", shown: tree.span });
    findings.append(&mut walk.findings);
    let spans = SpanMap::of(source, &tree);
    if !findings.is_empty() {
        return Err(limited(findings));
    }
    match serde_path_to_error::deserialize(value) {
        Ok(value) => Ok(Decoded { value, spans }),
        Err(error) => Err(vec![refused(&spans, &error)]),
    }
}

/// The findings of a file that are shown, in their order.
pub(super) fn limited(mut findings: Vec<Finding>) -> Vec<Finding> {
    settle(&mut findings);
    if findings.len() > MAX_FINDINGS {
        findings.truncate(MAX_FINDINGS);
        if let Some(last) = findings.last_mut() {
            last.help = Some(format!("there is more: only the first {MAX_FINDINGS} findings of this file are shown"));
        }
    }
    findings
}

/// The finding for what only the type itself could tell.
fn refused(spans: &SpanMap, error: &serde_path_to_error::Error<serde_json::Error>) -> Finding {
    use serde_path_to_error::Segment;
    let path = error.path().iter().fold(String::new(), |path, segment| match segment {
        Segment::Seq { index: position } => index(&path, *position),
        Segment::Map { key } => field(&path, key),
        Segment::Enum { variant } => field(&path, variant),
        Segment::Unknown => path,
    });
    let location = spans.near(&path);
    let finding = Finding::new(&rules::REFUSED, format!("{}{}", prefix(&path), error.inner()))
        .at(location)
        .help("change the value as the message says".to_owned());
    if path.is_empty() { finding } else { finding.path(path) }
}

/// A path at the head of a message.
fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

/// Where the walk is.
struct Place<'p> {
    path: &'p str,
    /// What to show for a value that takes up no room, or that is the whole of a mapping: its key.
    shown: Span,
}

struct Walk<'a> {
    root: &'a Value,
    source: &'a Source,
    findings: Vec<Finding>,
    patterns: HashMap<&'a str, Option<Regex>>,
}

/// Why a scalar does not fit.
struct Misfit {
    rule: &'static Rule,
    help: Option<String>,
}

impl<'a> Walk<'a> {
    fn is_full(&self) -> bool {
        self.findings.len() >= MAX_COLLECTED
    }

    fn report(&mut self, rule: &Rule, path: &str, span: Span, message: &str, help: Option<String>) {
        if self.is_full() {
            return;
        }
        let finding =
            Finding::new(rule, format!("{}{message}", prefix(path))).at(self.source.location(span)).help(help);
        self.findings.push(if path.is_empty() { finding } else { finding.path(path) });
    }

    fn node(&mut self, node: &Node, schema: &'a Value, place: &Place<'_>) -> Value {
        let views = View::all(self.root, schema);
        match &node.content {
            Content::Scalar(scalar) => self.scalar(scalar, node.span, schema, &views, place),
            Content::List(items) => self.list(items, schema, &views, place),
            Content::Mapping(entries) => self.mapping(entries, schema, &views, place),
        }
    }

    /// Decodes by the first of several views that fits; by the first at all where none does.
    fn first_that_fits(&mut self, views: &[&View<'a>], mut decode: impl FnMut(&mut Self, &View<'a>) -> Value) -> Value {
        let before = self.findings.len();
        let mut first: Option<(Vec<Finding>, Value)> = None;
        for view in views {
            let value = decode(self, view);
            let found = self.findings.split_off(before);
            if found.is_empty() {
                return value;
            }
            first.get_or_insert((found, value));
        }
        let (found, value) = first.unwrap_or_default();
        self.findings.extend(found);
        value
    }

    fn list(&mut self, items: &[Node], schema: &'a Value, views: &[View<'a>], place: &Place<'_>) -> Value {
        let fitting: Vec<&View<'a>> = views.iter().filter(|view| view.accepts("array")).collect();
        if fitting.is_empty() {
            let wanted = expected(schema, views);
            let message = format!("found a list, expected {wanted}");
            self.report(&rules::WRONG_TYPE, place.path, place.shown, &message, Some(write(&wanted)));
            return Value::Null;
        }
        self.first_that_fits(&fitting, |walk, view| walk.list_by(items, view, place))
    }

    fn list_by(&mut self, items: &[Node], view: &View<'a>, place: &Place<'_>) -> Value {
        let count = |keyword: &str| view.get(keyword).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let wrong = match (count("minItems"), count("maxItems")) {
            (Some(least), _) if items.len() < least => Some((format!("at least {least}"), ADD_ENTRIES)),
            (_, Some(most)) if items.len() > most => {
                Some((format!("at most {most}"), "remove the entries beyond that"))
            }
            _ => None,
        };
        if let Some((wanted, help)) = wrong {
            let message = format!("found {} entries, expected {wanted}", items.len());
            self.report(&rules::WRONG_VALUE, place.path, place.shown, &message, Some(help.to_owned()));
        }
        let mut values: Vec<Value> = Vec::with_capacity(items.len());
        let unique = view.get("uniqueItems").and_then(Value::as_bool).unwrap_or(false);
        let mut seen = HashSet::new();
        for (position, item) in items.iter().enumerate() {
            let path = index(place.path, position);
            let shown = if item.span.start == item.span.end { place.shown } else { item.span };
            let value = match view.get("items") {
                Some(schema) => self.node(item, schema, &Place { path: &path, shown }),
                None => plain(item),
            };
            if unique && !seen.insert(value.to_string()) {
                let help = Some("remove one of the two".to_owned());
                self.report(&rules::WRONG_VALUE, &path, shown, "stands in the list twice", help);
            }
            values.push(value);
        }
        Value::Array(values)
    }

    fn mapping(&mut self, entries: &[Entry], schema: &'a Value, views: &[View<'a>], place: &Place<'_>) -> Value {
        let mut fitting: Vec<&View<'a>> = views.iter().filter(|view| view.accepts("object")).collect();
        if fitting.is_empty() {
            let wanted = expected(schema, views);
            let message = format!("found a mapping, expected {wanted}");
            self.report(&rules::WRONG_TYPE, place.path, place.shown, &message, Some(write(&wanted)));
            return Value::Null;
        }
        // Of several forms the one that knows most of the keys is meant: its findings are the ones that help.
        let known = |view: &View<'a>| {
            let fields = view.get("properties").and_then(Value::as_object);
            entries.iter().filter(|entry| fields.is_some_and(|fields| fields.contains_key(&entry.key.text))).count()
        };
        fitting.sort_by_key(|view| std::cmp::Reverse(known(view)));
        self.first_that_fits(&fitting, |walk, view| walk.mapping_by(entries, view, place))
    }

    fn mapping_by(&mut self, entries: &[Entry], view: &View<'a>, place: &Place<'_>) -> Value {
        let none = Map::new();
        let fields: &Map<String, Value> = view.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let fields_of_root: Option<&'a Map<String, Value>> = view.get("properties").and_then(Value::as_object);
        let patterns: Option<&'a Map<String, Value>> = view.get("patternProperties").and_then(Value::as_object);
        let others = view.get("additionalProperties");
        let mut values = Map::new();
        let mut misspelt = Vec::new();
        for entry in entries {
            let key = entry.key.text.as_str();
            let path = field(place.path, key);
            let below = Place { path: &path, shown: entry.key_span };
            if let Some(schema) = fields_of_root.and_then(|fields| fields.get(key)) {
                values.insert(key.to_owned(), self.node(&entry.value, schema, &below));
                continue;
            }
            let by_pattern = patterns.and_then(|patterns| {
                patterns.iter().find_map(|(pattern, schema)| self.matches(pattern, key).then_some(schema))
            });
            match by_pattern.or(others) {
                None | Some(Value::Bool(true)) => {
                    values.insert(key.to_owned(), plain(&entry.value));
                }
                Some(Value::Bool(false)) if self.is_full() => {}
                Some(Value::Bool(false)) => {
                    misspelt.extend(nearest(key, fields.keys().map(String::as_str)));
                    self.unknown_field(entry, fields, place);
                }
                Some(schema) => {
                    self.key(entry, view, &path);
                    values.insert(key.to_owned(), self.node(&entry.value, schema, &below));
                }
            }
        }
        self.required(entries, view, &misspelt, place);
        let least = view.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        if (entries.len() as u64) < least {
            let message = format!("found {} entries, expected at least {least}", entries.len());
            self.report(&rules::WRONG_VALUE, place.path, place.shown, &message, Some(ADD_ENTRIES.to_owned()));
        }
        Value::Object(values)
    }

    fn unknown_field(&mut self, entry: &Entry, fields: &Map<String, Value>, place: &Place<'_>) {
        let key = entry.key.text.as_str();
        let whole = if place.path.is_empty() { String::new() } else { format!(" in {}", place.path) };
        let help = instead(key, "fields here", fields.keys().map(String::as_str));
        let finding = Finding::new(&rules::UNKNOWN_FIELD, format!("unknown field `{key}`{whole}"))
            .at(self.source.location(entry.key_span))
            .path(field(place.path, key))
            .help(help);
        self.findings.push(finding);
    }

    fn required(&mut self, entries: &[Entry], view: &View<'a>, misspelt: &[&str], place: &Place<'_>) {
        let fields: Option<&'a Map<String, Value>> = view.get("properties").and_then(Value::as_object);
        let has = |name: &str| entries.iter().any(|entry| entry.key.text == name);
        if self.is_full() {
            return;
        }
        let whole = if place.path.is_empty() { self.source.file.clone() } else { place.path.to_owned() };
        let missing: Vec<&str> = view
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            // A field that is there under a misspelt name is found already.
            .filter(|name| !has(name) && !misspelt.contains(name))
            .collect();
        for name in missing {
            let help = fields.and_then(|fields| fields.get(name)).map(|schema| {
                let views = View::all(self.root, schema);
                let summary = views.iter().find_map(View::summary);
                let wanted = expected(schema, &views);
                match summary {
                    Some(summary) if inside_a_sentence(&summary) != wanted => {
                        format!("add `{name}`, {wanted} ({summary})")
                    }
                    _ => format!("add `{name}`, {wanted}"),
                }
            });
            let finding = Finding::new(&rules::MISSING_FIELD, format!("{whole} has no `{name}`"))
                .at(self.source.location(place.shown))
                .path(field(place.path, name))
                .help(help);
            self.findings.push(finding);
        }
        if let Some((names, only_one)) = view.one_required() {
            let present: Vec<&str> = names.iter().copied().filter(|name| has(name)).collect();
            let message = match present.as_slice() {
                [] => format!("{whole} has none of {}, expected one", listing(names.iter().copied())),
                [_, _, ..] if only_one => format!("{whole} has both {}, expected one of them", present.join(" and ")),
                _ => return,
            };
            let help = if present.is_empty() { "add one of them" } else { "remove the others" };
            let finding = Finding::new(&rules::MISSING_FIELD, message)
                .at(self.source.location(place.shown))
                .help(help.to_owned());
            self.findings.push(if place.path.is_empty() { finding } else { finding.path(place.path) });
        }
    }

    /// Checks a key that people choose.
    fn key(&mut self, entry: &Entry, view: &View<'a>, path: &str) {
        let key = entry.key.text.as_str();
        let schema = view.get("propertyNames");
        let views = schema.map(|schema| View::all(self.root, schema)).unwrap_or_default();
        let fits = views.is_empty() || views.iter().any(|view| self.text_fits(key, view));
        let title = schema.and_then(|schema| schema.get("title")?.as_str()).unwrap_or("name");
        let quoted = if fits { format!("put it in quotes: {key:?}") } else { format!("choose another {title}") };
        match meaning(&entry.key) {
            Meaning::Text => {}
            Meaning::Ambiguous(ambiguity) => {
                let message = format!("found the key `{key}`, which {}", ambiguity.why());
                return self.report(&rules::AMBIGUOUS, path, entry.key_span, &message, Some(quoted));
            }
            other => {
                let message = format!("found {} as a key, expected text", found(&other, key));
                return self.report(&rules::WRONG_TYPE, path, entry.key_span, &message, Some(quoted));
            }
        }
        let Some(schema) = schema else { return };
        if !fits {
            let wanted = match schema.get("pattern").and_then(Value::as_str) {
                Some(pattern) => {
                    let longest = schema.get("maxLength").and_then(Value::as_u64);
                    let longest = longest.map_or(String::new(), |most| format!(", at most {most} characters"));
                    format!("{}{longest}", form(pattern))
                }
                None => expected(schema, &views),
            };
            let message = format!("`{key}` is no {title}, expected {wanted}");
            let help = match self.mended(key, &views.iter().collect::<Vec<_>>()) {
                Some(mended) => format!("write `{mended}`"),
                None => format!("choose another {title}"),
            };
            self.report(&rules::WRONG_VALUE, path, entry.key_span, &message, Some(help));
        }
    }

    fn scalar(
        &mut self,
        scalar: &Scalar,
        span: Span,
        schema: &'a Value,
        views: &[View<'a>],
        place: &Place<'_>,
    ) -> Value {
        let meaning = meaning(scalar);
        let text = scalar.text.as_str();
        let of = |kind: &str| views.iter().filter(|view| view.accepts(kind)).collect::<Vec<_>>();
        let strings = of("string");
        let misfit = match &meaning {
            Meaning::Nothing => {
                if views.iter().any(|view| view.accepts("null")) {
                    return Value::Null;
                }
                Misfit { rule: &rules::WRONG_TYPE, help: Some("write a value, or remove the key".to_owned()) }
            }
            Meaning::Bool(value) => {
                if !of("boolean").is_empty() {
                    return Value::Bool(*value);
                }
                self.unquoted(text, &strings)
            }
            Meaning::Integer(value) => {
                let numbers = of("integer");
                if numbers.iter().any(|view| whole_number_fits(*value, view)) {
                    return whole_number(*value);
                }
                if numbers.is_empty() { self.unquoted(text, &strings) } else { not_allowed(*value, &numbers) }
            }
            Meaning::Float(value) => {
                let numbers = of("number");
                let bounded = |view: &&&View<'a>| {
                    let bound = |keyword: &str| view.get(keyword).and_then(Value::as_f64);
                    bound("minimum").is_none_or(|low| *value >= low)
                        && bound("maximum").is_none_or(|high| *value <= high)
                };
                if numbers.iter().any(|view| bounded(&view)) {
                    return serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number);
                }
                if numbers.is_empty() {
                    self.unquoted(text, &strings)
                } else {
                    Misfit { rule: &rules::WRONG_VALUE, help: Some(ANOTHER_NUMBER.to_owned()) }
                }
            }
            Meaning::Text => {
                if strings.iter().any(|view| self.text_fits(text, view)) {
                    return Value::String(scalar.text.clone());
                }
                self.text_misfit(text, &strings, views)
            }
            Meaning::Ambiguous(ambiguity) => {
                let shown = if span.start == span.end { place.shown } else { span };
                let fits = strings.iter().any(|view| self.text_fits(text, view));
                let help = match ambiguity {
                    _ if fits => Some(format!("put it in quotes: {text:?}")),
                    Ambiguity::Bool(value) if !of("boolean").is_empty() => Some(format!("write {value}")),
                    Ambiguity::Number { value: Some(value), .. } if !of("integer").is_empty() => {
                        Some(format!("write it in plain decimal: {value}"))
                    }
                    _ => None,
                };
                let wanted = expected(schema, views);
                let message = format!("found `{text}`, which {}; expected {wanted}", ambiguity.why());
                self.report(&rules::AMBIGUOUS, place.path, shown, &message, help.or_else(|| Some(write(&wanted))));
                return Value::Null;
            }
        };
        let shown = if span.start == span.end { place.shown } else { span };
        let wanted = expected(schema, views);
        let message = format!("found {}, expected {wanted}", found(&meaning, text));
        self.report(misfit.rule, place.path, shown, &message, misfit.help.or_else(|| Some(write(&wanted))));
        Value::Null
    }

    /// Why text does not fit: no text is wanted, or other text.
    fn text_misfit(&mut self, text: &str, strings: &[&View<'a>], views: &[View<'a>]) -> Misfit {
        if strings.is_empty() {
            let bare = meaning(&Scalar { text: text.to_owned(), plain: true });
            let wanted = |kind: &str| views.iter().any(|view| view.accepts(kind));
            let help = match bare {
                Meaning::Integer(_) if wanted("integer") => Some(format!("take the quotes away: {text}")),
                Meaning::Float(_) if wanted("number") => Some(format!("take the quotes away: {text}")),
                Meaning::Bool(value) if wanted("boolean") => Some(format!("take the quotes away: {value}")),
                _ if wanted("array") => Some(format!("a list of one entry is written [{text}]")),
                _ => None,
            };
            return Misfit { rule: &rules::WRONG_TYPE, help };
        }
        let choices: Vec<&str> =
            strings.iter().filter_map(|view| view.choices()).flatten().filter_map(Value::as_str).collect();
        let help = match nearest(text, choices.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if !choices.is_empty() => "write one of those that are listed".to_owned(),
            None => match (self.mended(text, strings), strings.iter().find_map(|view| view.summary())) {
                (Some(mended), _) => format!("write `{mended}`"),
                (None, Some(summary)) => format!("write a value of that form ({})", inside_a_sentence(&summary)),
                (None, None) => "write a value of that form".to_owned(),
            },
        };
        Misfit { rule: &rules::WRONG_VALUE, help: Some(help) }
    }

    /// The text that was probably meant: in small letters, with words joined otherwise, or as a path from the top.
    fn mended(&mut self, text: &str, strings: &[&View<'a>]) -> Option<String> {
        let small = text.trim().to_lowercase().replace(' ', "-");
        let candidates = [small.clone(), small.replace('_', "-"), small.replace('-', "_"), format!(".{text}")];
        candidates.into_iter().find(|candidate| strings.iter().any(|view| self.text_fits(candidate, view)))
    }

    /// Why something that is no text does not fit where text may be wanted: quotes would make it text.
    fn unquoted(&mut self, text: &str, strings: &[&View<'a>]) -> Misfit {
        let fits = strings.iter().any(|view| self.text_fits(text, view));
        Misfit { rule: &rules::WRONG_TYPE, help: fits.then(|| format!("put it in quotes: {text:?}")) }
    }

    fn text_fits(&mut self, text: &str, view: &View<'a>) -> bool {
        let length = |keyword: &str| view.get(keyword).and_then(Value::as_u64);
        let count = text.chars().count() as u64;
        length("minLength").is_none_or(|least| count >= least)
            && length("maxLength").is_none_or(|most| count <= most)
            && view.choices().is_none_or(|choices| choices.iter().any(|choice| choice.as_str() == Some(text)))
            && view.get("pattern").and_then(Value::as_str).is_none_or(|pattern| self.matches(pattern, text))
    }

    /// Whether text matches a pattern; a pattern that cannot be compiled matches all, and the type decides.
    fn matches(&mut self, pattern: &'a str, text: &str) -> bool {
        self.patterns
            .entry(pattern)
            .or_insert_with(|| Regex::new(pattern).ok())
            .as_ref()
            .is_none_or(|p| p.is_match(text))
    }
}

/// What to write, without the details that follow a colon or a comma.
fn write(wanted: &str) -> String {
    let whole = wanted.split(": ").next().unwrap_or(wanted);
    let several = whole.starts_with("one of ") || whole.contains(", or ");
    let first = if several { whole } else { whole.split(", ").next().unwrap_or(whole) };
    format!("write {first}")
}

const ADD_ENTRIES: &str = "add entries, or remove the key";
const ANOTHER_NUMBER: &str = "choose another number";

/// A number outside its bounds: the one inside them that is nearest.
fn not_allowed(value: i128, views: &[&View<'_>]) -> Misfit {
    let inside = |view: &&View<'_>| {
        let (low, high) = view.bounds();
        let near = value.max(low.unwrap_or(i128::MIN)).min(high.unwrap_or(i128::MAX));
        (view.choices().is_none() && near != value).then_some(near)
    };
    let nearest = views.iter().filter_map(inside).min_by_key(|near| near.abs_diff(value));
    let help =
        nearest.map_or_else(|| ANOTHER_NUMBER.to_owned(), |near| format!("the nearest that is allowed is {near}"));
    Misfit { rule: &rules::WRONG_VALUE, help: Some(help) }
}

fn whole_number_fits(value: i128, view: &View<'_>) -> bool {
    let (low, high) = view.bounds();
    low.is_none_or(|low| value >= low)
        && high.is_none_or(|high| value <= high)
        && view.choices().is_none_or(|choices| choices.contains(&&whole_number(value)))
}

/// A number of JSON; beyond 64 bits there is none, and bounds have refused it before.
fn whole_number(value: i128) -> Value {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => Value::Null,
    }
}

/// What was found, in words.
fn found(meaning: &Meaning, text: &str) -> String {
    const SHOWN: usize = 60;
    match meaning {
        Meaning::Nothing => "nothing".to_owned(),
        Meaning::Bool(value) => value.to_string(),
        Meaning::Integer(_) | Meaning::Float(_) => text.to_owned(),
        Meaning::Text | Meaning::Ambiguous(_) => {
            let mut short: String = text.chars().take(SHOWN).collect();
            if short.len() < text.len() {
                short.push('…');
            }
            format!("text {short:?}")
        }
    }
}

/// A pattern in words, where it is one of the common forms.
fn form(pattern: &str) -> String {
    match pattern {
        "^[a-z][a-z0-9]*(_[a-z0-9]+)*$" => {
            "lower-case letters and digits, words joined by `_`, a letter first".to_owned()
        }
        "^[a-z][a-z0-9]*(-[a-z0-9]+)*$" => {
            "lower-case letters and digits, words joined by `-`, a letter first".to_owned()
        }
        other => format!("text of the form {other}"),
    }
}

/// A value as it stands, where the schema says nothing of it.
fn plain(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(scalar) => match meaning(scalar) {
            Meaning::Nothing => Value::Null,
            Meaning::Bool(value) => Value::Bool(value),
            Meaning::Integer(value) => whole_number(value),
            Meaning::Float(value) => serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number),
            Meaning::Text | Meaning::Ambiguous(_) => Value::String(scalar.text.clone()),
        },
        Content::List(items) => Value::Array(items.iter().map(plain).collect()),
        Content::Mapping(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.text.clone(), plain(&entry.value))).collect())
        }
    }
}
