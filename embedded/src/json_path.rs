//! The JSON paths of a definition's columns: fields, indices, `*`, and filters such as `[?(@.type=="Ready")]`. Finds
//! values; knows nothing of tables.
//!
//! Source: `k8s.io/client-go/util/jsonpath`, as far as a definition's columns may use it.

use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    /// From the end where it is negative.
    Index(i64),
    All,
    /// The items whose value at the path is as wanted; is there, where nothing is wanted.
    Where(Vec<Step>, Option<(Comparison, Value)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Different,
    Less,
    Greater,
}

/// A path that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JsonPath(Vec<Step>);

impl JsonPath {
    /// Reads a path such as `.spec.ports[0].name`; none where it is none.
    pub(crate) fn parse(text: &str) -> Option<JsonPath> {
        let text = text.trim();
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        steps(inner.strip_prefix('$').unwrap_or(inner)).map(JsonPath)
    }

    /// What the path leads to, in order.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        follow(&self.0, value)
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let end = closing(inside)?;
            found.push(bracket(inside.get(..end)?)?);
            rest = inside.get(end + 1..)?;
            continue;
        }
        rest = rest.strip_prefix('.')?;
        let (name, after) = name(rest);
        rest = after;
        match name.as_str() {
            "" if rest.starts_with('[') || rest.is_empty() => {}
            "" => return None,
            "*" => found.push(Step::All),
            _ => found.push(Step::Field(name)),
        }
    }
    Some(found)
}

/// A field's name up to the next step; `\.` stands for a dot in it.
fn name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, letter)) = chars.next() {
        match letter {
            '\\' => name.extend(chars.next().map(|(_, next)| next)),
            '.' | '[' => return (name, text.get(at..).unwrap_or_default()),
            _ => name.push(letter),
        }
    }
    (name, "")
}

/// Where the bracket that was opened is closed, quotes and inner brackets aside.
fn closing(text: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    let text = text.trim();
    if let Some(condition) = text.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return filter(condition.trim());
    }
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(name) = quoted(text) {
        return Some(Step::Field(name.to_owned()));
    }
    text.parse().ok().map(Step::Index)
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

fn filter(text: &str) -> Option<Step> {
    let operators =
        [("==", Comparison::Equal), ("!=", Comparison::Different), ("<", Comparison::Less), (">", Comparison::Greater)];
    for (sign, comparison) in operators {
        if let Some((left, right)) = text.split_once(sign) {
            let right = right.trim();
            let wanted = match quoted(right) {
                Some(text) => Value::from(text),
                None => serde_json::from_str(right).ok()?,
            };
            return Some(Step::Where(steps(left.trim().strip_prefix('@')?)?, Some((comparison, wanted))));
        }
    }
    Some(Step::Where(steps(text.strip_prefix('@')?)?, None))
}

fn follow<'a>(path: &[Step], value: &'a Value) -> Vec<&'a Value> {
    let Some((step, rest)) = path.split_first() else { return vec![value] };
    let next: Vec<&Value> = match (step, value) {
        (Step::Field(name), _) => value.get(name).into_iter().collect(),
        (Step::Index(at), Value::Array(items)) => {
            let at = if *at < 0 { i64::try_from(items.len()).unwrap_or(i64::MAX) + at } else { *at };
            usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
        }
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::All, Value::Object(map)) => map.values().collect(),
        (Step::Where(path, wanted), Value::Array(items)) => {
            items.iter().filter(|item| fits(item, path, wanted.as_ref())).collect()
        }
        _ => Vec::new(),
    };
    next.into_iter().flat_map(|value| follow(rest, value)).collect()
}

fn fits(item: &Value, path: &[Step], wanted: Option<&(Comparison, Value)>) -> bool {
    let found = follow(path, item);
    let (Some(value), Some((comparison, wanted))) = (found.first(), wanted) else { return !found.is_empty() };
    let order = || value.as_f64().zip(wanted.as_f64()).and_then(|(value, wanted)| value.partial_cmp(&wanted));
    match comparison {
        Comparison::Equal => *value == wanted,
        Comparison::Different => *value != wanted,
        Comparison::Less => order() == Some(std::cmp::Ordering::Less),
        Comparison::Greater => order() == Some(std::cmp::Ordering::Greater),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&[Value]>) {
        let value = json!({
            "spec": {"a.b": 1, "list": [{"n": 1, "t": "x"}, {"n": 2, "t": "y"}], "m": {"k": true}},
            "text": "t",
        });
        let found = JsonPath::parse(path).map(|path| path.find(&value).into_iter().cloned().collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expected, "{path}");
    }

    #[test]
    fn paths_lead_to_values() {
        check(".text", Some(&[json!("t")]));
        check("{.text}", Some(&[json!("t")]));
        check(".spec.list[0].n", Some(&[json!(1)]));
        check(".spec.list[-1].n", Some(&[json!(2)]));
        check(".spec.list[*].t", Some(&[json!("x"), json!("y")]));
        check(".spec.list[?(@.t==\"y\")].n", Some(&[json!(2)]));
        check(".spec.list[?(@.n>1)].t", Some(&[json!("y")]));
        check(".spec.list[?(@.n!=1)].t", Some(&[json!("y")]));
        check(".spec.list[?(@.nosuch)].t", Some(&[]));
        check(".spec.a\\.b", Some(&[json!(1)]));
        check(".spec['a.b']", Some(&[json!(1)]));
        check(".spec.m.*", Some(&[json!(true)]));
        check(".nosuch.at.all", Some(&[]));
        check("text", None);
        check(".spec.list[", None);
    }
}
