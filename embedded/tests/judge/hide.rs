//! What differs from run to run although nothing is different: uids, versions, times, made-up names and addresses. Each
//! such value is replaced by a numbered placeholder, the same value by the same one, so that it stays visible what is the
//! same and what has changed. Placeholders in a later request are replaced by the values they stand for.

use std::collections::BTreeMap;

use serde_json::Value;

/// The word that stands for what is a sequence's own.
pub(crate) const OWN: &str = "exchange";

/// What a sequence has met so far on one server.
#[derive(Debug)]
pub(crate) struct Hidden {
    /// What stands for [`OWN`] on this server; as long as that, so that no limit is reached sooner.
    own: String,
    /// Each value that was met, and what it is replaced by, in order of meeting.
    met: Vec<(String, String)>,
    counts: BTreeMap<&'static str, usize>,
    /// All that was sent: what a client has chosen is not hidden.
    sent: String,
    /// The beginnings of names that a server was asked to make up.
    beginnings: Vec<String>,
}

impl Hidden {
    /// Nothing has been met yet.
    pub(crate) fn new(own: &str) -> Self {
        assert_eq!(own.len(), OWN.len());
        Self {
            own: own.to_owned(),
            met: Vec::new(),
            counts: BTreeMap::new(),
            sent: String::new(),
            beginnings: vec![ACCESS.to_owned()],
        }
    }

    /// A request's text as it is sent to this server.
    pub(crate) fn reveal(&mut self, text: &str) -> String {
        let mut text = text.replace(OWN, &self.own);
        for (value, placeholder) in &self.met {
            text = text.replace(placeholder, value);
        }
        self.sent.push_str(&text);
        self.sent.push('\n');
        for beginning in text.split("\"generateName\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let kept = beginning.get(..beginning.len().min(KEPT)).unwrap_or_default().to_owned();
            if !kept.is_empty() && !self.beginnings.contains(&kept) {
                self.beginnings.push(kept);
            }
        }
        text
    }

    /// An answer's body, with placeholders.
    pub(crate) fn hide(&mut self, body: &Value) -> Value {
        let mut body = body.clone();
        sort_conflicts(&mut body);
        sort_owners(&mut body);
        let body = &body;
        let list = body.get("items").is_some() || body.get("rows").is_some();
        self.value(body, "", if list { "list" } else { "" })
    }

    /// The same for a text.
    pub(crate) fn hide_text(&mut self, text: &str) -> String {
        let mut shown = self.words(text);
        for (value, placeholder) in &self.met {
            // Versions and ports are small numbers, and mean something else wherever they are not alone.
            if value.parse::<u64>().is_err() {
                shown = shown.replace(value, placeholder);
            }
        }
        shown.replace(&self.own, OWN)
    }

    fn met(&mut self, kind: &'static str, value: &str, before: &str) -> String {
        let key = format!("{before}{value}");
        let kind_of = |placeholder: &str| placeholder.contains(&format!("<{kind} "));
        if let Some((_, placeholder)) = self.met.iter().find(|(known, shown)| *known == key && kind_of(shown)) {
            return placeholder.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let placeholder = format!("{before}<{kind} {count}>");
        self.met.push((key, placeholder.clone()));
        placeholder
    }

    fn value(&mut self, value: &Value, key: &str, parent: &str) -> Value {
        match value {
            Value::Object(map) => {
                let inside = if parent == "list" && key == "metadata" { "list metadata" } else { key };
                let inside = if key.is_empty() { parent } else { inside };
                let mut shown = serde_json::Map::new();
                for (name, inner) in map {
                    let inner = self.value(inner, name, inside);
                    shown.insert(self.hide_text(name), inner);
                }
                Value::Object(shown)
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(item, key, parent)).collect()),
            Value::String(text) => Value::String(self.string(text, key, parent)),
            Value::Number(number) if key.to_lowercase().ends_with("nodeport") => {
                let text = number.to_string();
                if self.sent.contains(&text) || text == "0" {
                    value.clone()
                } else {
                    self.met("node port", &text, "").into()
                }
            }
            other => other.clone(),
        }
    }

    fn string(&mut self, text: &str, key: &str, parent: &str) -> String {
        match key {
            "resourceVersion" | "continue" if text.is_empty() => String::new(),
            "resourceVersion" if parent == "list metadata" => "<list version>".to_owned(),
            "resourceVersion" => self.met("version", text, ""),
            "continue" if text.is_empty() => String::new(),
            "continue" => self.met("continue", text, ""),
            "cells" if is_age(text) => "<age>".to_owned(),
            "clusterIP" | "clusterIPs" if text.starts_with("10.") && !self.sent.contains(text) => {
                self.met("address", text, "")
            }
            _ => self.hide_text(text),
        }
    }

    /// The beginning and the end of the made-up name that a text begins with.
    fn made_up<'a>(&self, text: &'a str) -> Option<(String, &'a str)> {
        let letters = "bcdfghjklmnpqrstvwxz2456789";
        self.beginnings.iter().find_map(|beginning| {
            let rest = text.strip_prefix(beginning.as_str())?;
            let end = rest.get(..5).filter(|end| end.chars().all(|c| letters.contains(c)))?;
            let whole = !rest[5..].starts_with(|c: char| c.is_ascii_alphanumeric());
            whole.then(|| (beginning.clone(), end))
        })
    }

    /// Replaces the words of a text that are hidden for their form.
    fn words(&mut self, text: &str) -> String {
        let plain = without_patched(text);
        let text = plain.as_str();
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let boundary = !shown.ends_with(|c: char| c.is_ascii_alphanumeric());
            if boundary && let Some(uid) = rest.get(..36).filter(|word| is_uid(word)) {
                if self.sent.contains(uid) && !self.met.iter().any(|(known, _)| known == uid) {
                    shown.push_str(uid);
                } else {
                    let placeholder = self.met("uid", uid, "");
                    shown.push_str(&placeholder);
                }
                rest = &rest[36..];
            } else if boundary && let Some(length) = time(rest).filter(|length| !self.sent.contains(&rest[..*length])) {
                shown.push_str("<time>");
                rest = &rest[length..];
            } else if boundary && let Some((beginning, end)) = self.made_up(rest) {
                let placeholder = self.met("suffix", end, &beginning);
                shown.push_str(&placeholder);
                rest = &rest[beginning.len() + end.len()..];
            } else {
                shown.push(first);
                rest = &rest[first.len_utf8()..];
                for phrase in [
                    "resourceVersion:",
                    "ResourceVersion in record (",
                    "ResourceVersion in object meta: ",
                    ", current: ",
                ] {
                    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                    if shown.ends_with(phrase) && digits > 0 {
                        shown.push_str(if phrase.starts_with(',') { "<list version>" } else { "<version>" });
                        rest = &rest[digits..];
                    }
                }
                if shown.ends_with("The range of valid IPs is ") {
                    shown.push_str("<range>");
                    rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "./".contains(c));
                }
            }
        }
        shown
    }
}

/// A server goes through the managers of an object in any order; what it says of each stays.
fn sort_conflicts(body: &mut Value) {
    if let Some(Value::Array(causes)) = body.pointer_mut("/details/causes")
        && causes.iter().all(|cause| cause["reason"] == "FieldManagerConflict")
    {
        causes.sort_by_cached_key(Value::to_string);
    }
}

/// Owners come by the time of their writes, to the second; how long two writes take is chance. So as if all were of one
/// second.
fn sort_owners(body: &mut Value) {
    let text = |owner: &Value, field: &str| owner[field].as_str().unwrap_or_default().to_owned();
    match body {
        Value::Object(map) => {
            if let Some(Value::Array(owners)) = map.get_mut("managedFields") {
                let order = ["operation", "manager", "apiVersion", "subresource"];
                owners.sort_by_cached_key(|owner| order.map(|field| text(owner, field)));
                // The one that has no time comes first of its kind.
                owners.sort_by_key(|owner| (text(owner, "operation"), owner["time"].is_string()));
            }
            map.values_mut().for_each(sort_owners);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_owners),
        _ => {}
    }
}

/// A text without the patched object that a refused patch shows whole, as JSON with its fields in an order of their own.
///
/// Neither has a text what follows the words after which a server prints how Go shows the difference of two structures.
fn without_patched(text: &str) -> String {
    const DIFFERENCES: [&str; 2] =
        ["(allow it to be set to 1 if it was previously negative)", "volumeAttributesClassName for bound claims"];
    if let Some((before, words)) = DIFFERENCES.iter().find_map(|words| Some((text.split_once(words)?.0, words))) {
        return format!("{before}{words}");
    }
    // A template that may not change is printed whole, by Go's names.
    let value = "spec.template: Invalid value: ";
    if let Some((before, rest)) = text.split_once(value)
        && let Some((_, after)) = rest.split_once(": field is immutable")
    {
        return format!("{before}{value}<template>: field is immutable{}", without_patched(after));
    }
    let template = "Invalid value: {\"";
    if let Some((_, after)) = text.split_once(": field is immutable")
        && text.starts_with(template)
        && text.to_lowercase().contains("\"containers\":")
    {
        return format!("Invalid value: <template>: field is immutable{after}");
    }
    let beginning = "Invalid value: \"{\\\"";
    let Some(start) = text.find(beginning) else { return text.to_owned() };
    let (before, shown) = text.split_at(start);
    match shown.find("}\": ") {
        Some(end) => format!("{before}Invalid value: \"<patched>{}", &shown[end + 1..]),
        None => text.to_owned(),
    }
}

/// How the volume of a pod's token is called, up to its made-up end.
const ACCESS: &str = "kube-api-access-";

/// How much a server keeps of the beginning of a name.
const KEPT: usize = 58;

/// Is it how long ago something was, as a table shows it: `5s`, `3m20s`, `4h`, `12d`?
fn is_age(text: &str) -> bool {
    let whole = text.bytes().all(|b| b.is_ascii_digit() || b"smhdy".contains(&b));
    whole && text.starts_with(|c: char| c.is_ascii_digit()) && !text.ends_with(|c: char| c.is_ascii_digit())
}

fn is_uid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.bytes().enumerate().all(|(at, byte)| match byte {
        b'-' => dashes.contains(&at),
        byte => !dashes.contains(&at) && matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    })
}

/// The length of the time that the text begins with, to the second or finer, in UTC.
fn time(text: &str) -> Option<usize> {
    let form = "0000-00-00T00:00:00";
    let head = text.get(..form.len())?;
    let fits = head.bytes().zip(form.bytes()).all(|(a, b)| if b == b'0' { a.is_ascii_digit() } else { a == b });
    let rest = text.get(form.len()..)?;
    let fraction = match rest.strip_prefix('.') {
        Some(digits) => 1 + digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len(),
        None => 0,
    };
    (fits && rest.get(fraction..)?.starts_with('Z')).then_some(form.len() + fraction + 1)
}
