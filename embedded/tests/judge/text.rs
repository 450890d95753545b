//! How a value is written down for people: YAML in which whatever fits in a line stands in one.

use std::fmt::Write;

use serde_json::Value;

const WIDTH: usize = 118;
/// The keys that come first, in this order; all others follow by name.
const FIRST: &[&str] = &[
    "about",
    "server",
    "objects",
    "sequences",
    "name",
    "send",
    "type",
    "accept",
    "object",
    "with",
    "text",
    "until",
    "differs",
    "code",
    "warnings",
];

/// A value as a YAML document.
pub(crate) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0, true);
    out
}

/// Is the value of this key worth lines of its own, however short it is?
fn opens(key: &str) -> bool {
    matches!(key, "sequences" | "exchanges" | "answer" | "objects")
}

fn block(out: &mut String, value: &Value, indent: usize, fresh: bool) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|key| (FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()), *key));
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 || !fresh {
                    let _ = write!(out, "{:indent$}", "");
                }
                let _ = write!(out, "{}:", scalar(key, false));
                below(out, key, &map[key], indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 || !fresh {
                    let _ = write!(out, "{:indent$}", "");
                }
                out.push_str("- ");
                let line = flow(item);
                if item.get("send").is_none() && item.get("exchanges").is_none() && indent + 2 + line.len() <= WIDTH {
                    let _ = writeln!(out, "{line}");
                } else {
                    block(out, item, indent + 2, true);
                }
            }
        }
        other => {
            let _ = writeln!(out, "{}", flow(other));
        }
    }
}

fn below(out: &mut String, key: &str, value: &Value, indent: usize) {
    let line = flow(value);
    let simple = !matches!(value, Value::Object(_) | Value::Array(_)) || line.len() <= 2;
    if simple || !opens(key) && indent + key.len() + 2 + line.len() <= WIDTH {
        let _ = writeln!(out, " {line}");
        return;
    }
    out.push('\n');
    let deeper = if value.is_array() { indent } else { indent + 2 };
    block(out, value, deeper, false);
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", scalar(k, true), flow(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text, true),
        other => other.to_string(),
    }
}

/// A text, plain where no reader could take it for something else.
fn scalar(text: &str, _in_flow: bool) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./ ".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    let word = word && !text.contains(" -") && !text.to_lowercase().starts_with("inf") && text.to_lowercase() != "nan";
    if word { text.to_owned() } else { Value::from(text).to_string() }
}

/// The lines that differ, with a few around them.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let diff = similar::TextDiff::from_lines(expected, found);
    diff.unified_diff().context_radius(3).header("real server", "embedded").to_string()
}
