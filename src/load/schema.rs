//! Reading a JSON Schema as `schemars` writes it: references followed, alternatives laid out, and in words what is
//! expected.
//!
//! `x-expected` is an extension of ours: the words that say what a value must be, where type and range do not.

use serde_json::{Map, Value};

/// The schema of one value: an object of keywords, and those that it refers to, nearest first.
#[derive(Debug, Clone)]
pub(super) struct View<'a> {
    parts: Vec<&'a Map<String, Value>>,
    /// Which of several types this view is about.
    only: Option<&'a str>,
}

/// More references in a row than any schema needs; a circle of them ends here.
const MAX_REFERENCES: usize = 16;

impl<'a> View<'a> {
    /// The views that a schema allows: one for each alternative and type, in their order.
    pub(super) fn all(root: &'a Value, schema: &'a Value) -> Vec<Self> {
        let mut views = Vec::new();
        collect(root, schema, &[], 0, &mut views);
        views
    }

    /// The nearest value of a keyword.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.parts.iter().find_map(|part| part.get(keyword))
    }

    fn text(&self, keyword: &str) -> Option<&'a str> {
        self.get(keyword).and_then(Value::as_str)
    }

    /// The type; deduced from other keywords where none is given, and absent where any type will do.
    pub(super) fn kind(&self) -> Option<&'a str> {
        self.only.or_else(|| self.text("type")).or_else(|| {
            let has = |keyword: &str| self.get(keyword).is_some();
            if has("properties") || has("additionalProperties") {
                Some("object")
            } else if has("items") {
                Some("array")
            } else {
                match self.get("const").or_else(|| self.get("enum").and_then(|values| values.get(0))) {
                    Some(Value::String(_)) => Some("string"),
                    Some(Value::Null) => Some("null"),
                    _ => None,
                }
            }
        })
    }

    /// Whether a type fits; `integer` fits where any number is wanted.
    pub(super) fn accepts(&self, kind: &str) -> bool {
        self.kind().is_none_or(|own| own == kind || (own == "number" && kind == "integer"))
    }

    /// The values that are allowed, where only some are.
    pub(super) fn choices(&self) -> Option<Vec<&'a Value>> {
        match (self.get("const"), self.get("enum")) {
            (Some(value), _) => Some(vec![value]),
            (None, Some(Value::Array(values))) => Some(values.iter().collect()),
            _ => None,
        }
    }

    /// The smallest and largest whole number that are allowed.
    pub(super) fn bounds(&self) -> (Option<i128>, Option<i128>) {
        let number = |keyword: &str| {
            self.get(keyword)
                .and_then(|value| value.as_i64().map(i128::from).or_else(|| value.as_f64().map(|f| f as i128)))
        };
        let (low, high) = match self.text("format") {
            Some("uint8") => (Some(0), Some(i128::from(u8::MAX))),
            Some("uint16") => (Some(0), Some(i128::from(u16::MAX))),
            Some("uint32") => (Some(0), Some(i128::from(u32::MAX))),
            Some("uint64" | "uint") => (Some(0), Some(i128::from(u64::MAX))),
            Some("int32") => (Some(i128::from(i32::MIN)), Some(i128::from(i32::MAX))),
            Some("int64" | "int") => (Some(i128::from(i64::MIN)), Some(i128::from(i64::MAX))),
            _ => (Some(i128::from(i64::MIN)), Some(i128::from(u64::MAX))),
        };
        let minimum = number("minimum").or_else(|| number("exclusiveMinimum").map(|least| least + 1));
        let maximum = number("maximum").or_else(|| number("exclusiveMaximum").map(|most| most - 1));
        (minimum.or(low), maximum.or(high))
    }

    /// The schema's own words: those of `x-expected`, or what a titled type says of itself.
    fn words(&self) -> Option<String> {
        let said =
            |part: &Map<String, Value>, keyword: &str| part.get(keyword).and_then(Value::as_str).map(str::to_owned);
        self.parts.iter().find_map(|part| {
            said(part, "x-expected").or_else(|| {
                let scalar = !matches!(part.get("type").and_then(Value::as_str), Some("object" | "array"));
                let described = scalar && part.contains_key("title");
                said(part, "description").filter(|_| described).map(|text| inside_a_sentence(&first_sentence(&text)))
            })
        })
    }

    /// What a value must be, in words.
    fn expected(&self) -> String {
        if let Some(words) = self.words() {
            return words;
        }
        if let Some(choices) = self.choices() {
            return one_of(&choices);
        }
        match self.kind() {
            Some("string") => match self.text("pattern") {
                Some(pattern) => format!("text of the form {pattern}"),
                None if self.get("minLength").and_then(Value::as_u64) == Some(1) => "text that is not empty".to_owned(),
                None => "text".to_owned(),
            },
            Some("integer") => {
                let declared = |keyword| self.get(keyword).is_some();
                match self.bounds() {
                    (Some(low), Some(high)) if declared("maximum") || high <= i128::from(u16::MAX) => {
                        format!("a whole number from {low} to {high}")
                    }
                    (Some(low), _) if declared("minimum") || low >= 0 => format!("a whole number, at least {low}"),
                    _ => "a whole number".to_owned(),
                }
            }
            Some("number") => "a number".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("array") => "a list".to_owned(),
            Some("object") => "a mapping of keys to values".to_owned(),
            Some("null") => "nothing".to_owned(),
            _ => "a value".to_owned(),
        }
    }

    /// The first sentence of the description.
    pub(super) fn summary(&self) -> Option<String> {
        self.text("description").map(first_sentence)
    }

    /// Groups of fields of which one has to be present, and whether only one may be.
    pub(super) fn one_required(&self) -> Option<(Vec<&'a str>, bool)> {
        let group = |part: &&'a Map<String, Value>, keyword: &str| {
            part.get(keyword).and_then(Value::as_array).filter(|all| all.iter().all(requires_only)).map(|all| {
                all.iter().filter_map(|one| one.pointer("/required/0").and_then(Value::as_str)).collect::<Vec<_>>()
            })
        };
        self.parts.iter().find_map(|part| {
            group(part, "anyOf").map(|g| (g, false)).or_else(|| group(part, "oneOf").map(|g| (g, true)))
        })
    }
}

/// Whether an alternative says nothing but that a field is required: a condition, not another form of the value.
fn requires_only(alternative: &Value) -> bool {
    alternative.as_object().is_some_and(|keywords| keywords.len() == 1 && keywords.contains_key("required"))
}

fn first_sentence(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or(text).replace('\n', " ");
    let end = first.find(". ").unwrap_or(first.len());
    first.get(..end).unwrap_or(&first).trim_end_matches('.').trim().to_owned()
}

/// The words with a small letter first, but for those that begin with an abbreviation.
pub(super) fn inside_a_sentence(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

fn collect<'a>(
    root: &'a Value,
    schema: &'a Value,
    above: &[&'a Map<String, Value>],
    depth: usize,
    views: &mut Vec<View<'a>>,
) {
    let mut parts: Vec<&'a Map<String, Value>> = above.to_vec();
    let mut next = Some(schema);
    while let Some(schema) = next.take() {
        let Value::Object(part) = schema else { break };
        parts.push(part);
        if parts.len() < MAX_REFERENCES {
            next = part
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix('#'))
                .and_then(|pointer| root.pointer(pointer));
        }
    }
    let nearest = |keyword: &str| parts.iter().find_map(|part| part.get(keyword));
    for keyword in ["anyOf", "oneOf"] {
        if let Some(Value::Array(alternatives)) = nearest(keyword)
            && !alternatives.iter().all(requires_only)
            && depth < MAX_REFERENCES
        {
            // What stands beside the alternatives (a description, words) holds for none of them alone.
            for alternative in alternatives {
                collect(root, alternative, &[], depth + 1, views);
            }
            return;
        }
    }
    match nearest("type") {
        Some(Value::Array(kinds)) => {
            for kind in kinds.iter().filter_map(Value::as_str) {
                views.push(View { parts: parts.clone(), only: Some(kind) });
            }
        }
        _ => views.push(View { parts, only: None }),
    }
}

/// What a value must be, in words: the schema's own, or those of its alternatives.
pub(super) fn expected(schema: &Value, views: &[View<'_>]) -> String {
    if let Some(words) = schema.get("x-expected").and_then(Value::as_str) {
        return words.to_owned();
    }
    let mut choices = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for view in views.iter().filter(|view| view.kind() != Some("null")) {
        match (view.words(), view.choices()) {
            (None, Some(values)) => choices.extend(values),
            _ => words.push(view.expected()),
        }
    }
    if !choices.is_empty() {
        words.push(one_of(&choices));
    }
    words.dedup();
    words.join(", or ")
}

fn one_of(values: &[&Value]) -> String {
    let shown: Vec<String> = values
        .iter()
        .filter(|value| !value.is_null())
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    match shown.as_slice() {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        _ => format!("one of {}", shown.join(", ")),
    }
}
