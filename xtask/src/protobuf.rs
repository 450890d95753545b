//! `cargo xtask protobuf`: distils the message definitions of the Kubernetes API into the table that `kube-embedded`
//! ships.
//!
//! A `.proto` file gives the number and type of each field; the Go file beside it gives what only Go says: the field's
//! name in JSON, whether it is embedded, and whether its zero is left out. Nothing else is kept. The form of the table
//! is told in `embedded/src/protobuf/table.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Distil the API's message definitions into embedded/kubernetes.messages
///
/// The directory is `staging/src/k8s.io` of the Kubernetes sources, of the version that the cluster says it is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory that holds `api`, `apimachinery` and `apiextensions-apiserver`
    #[arg(long, value_name = "DIR")]
    sources: PathBuf,
    /// Where to write
    #[arg(long, value_name = "FILE", default_value = "embedded/kubernetes.messages")]
    out: PathBuf,
}

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    number: u32,
    name: String,
    /// A scalar's name, a message's whole name, or `map<K,V>` of such.
    ty: String,
    repeated: bool,
    /// The JSON holds the message's fields in place of the field.
    inline: bool,
    /// The JSON leaves the field out when it is zero.
    drops_zero: bool,
}

/// What Go says of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    json: String,
    omits_empty: bool,
    pointer: bool,
}

type Messages = BTreeMap<String, Vec<Field>>;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut directories = Vec::new();
    find(&args.sources, &mut directories)?;
    let mut messages = Messages::new();
    for directory in &directories {
        let proto = read(&directory.join("generated.proto"))?;
        let mut found = messages_of(&proto).with_context(|| format!("reading {}", directory.display()))?;
        let mut tags = BTreeMap::new();
        for file in sorted(directory)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".go") && !name.ends_with("_test.go") && !name.contains("generated") {
                tags.append(&mut tags_of(&read(&file)?));
            }
        }
        for (name, fields) in &mut found {
            apply(name, fields, &tags);
        }
        messages.append(&mut found);
    }
    if messages.is_empty() {
        bail!("no generated.proto under {}; is it staging/src/k8s.io?", args.sources.display());
    }
    let text = table(&messages);
    let packed = miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 10);
    fs::write(&args.out, &packed).with_context(|| format!("writing {}", args.out.display()))?;
    crate::report(&format!("wrote {}: {} bytes, {} messages", args.out.display(), packed.len(), messages.len()))
}

/// The directories whose messages are kept: the stable versions of the API, and the machinery they use.
fn find(root: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let roots = ["api", "apimachinery/pkg", "apiextensions-apiserver/pkg/apis/apiextensions"];
    let mut waiting: Vec<PathBuf> = roots.iter().map(|below| root.join(below)).collect();
    while let Some(directory) = waiting.pop() {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.contains("alpha") || name.contains("beta") || name == "testapigroup" {
            continue;
        }
        if directory.join("generated.proto").is_file() {
            found.push(directory.clone());
        }
        waiting.extend(sorted(&directory)?.into_iter().filter(|path| path.is_dir()));
    }
    found.sort();
    Ok(())
}

fn sorted(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = || format!("listing {}", directory.display());
    let entries: Result<Vec<_>, _> =
        fs::read_dir(directory).with_context(listing)?.map(|entry| entry.map(|e| e.path())).collect();
    let mut entries = entries.with_context(listing)?;
    entries.sort();
    Ok(entries)
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// The messages of a `.proto` file as Kubernetes' generator writes them: one field a line, nothing nested.
fn messages_of(text: &str) -> anyhow::Result<Messages> {
    let package = text.lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'));
    let package = package.context("no package is named")?;
    let mut messages = Messages::new();
    let mut at: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("message ").and_then(|rest| rest.strip_suffix(" {")) {
            let name = format!("{package}.{name}");
            messages.insert(name.clone(), Vec::new());
            at = Some(name);
        } else if line == "}" {
            at = None;
        } else if let Some(fields) = at.as_ref().and_then(|name| messages.get_mut(name))
            && let Some(field) = field_of(line, package)
        {
            fields.push(field);
        }
    }
    Ok(messages)
}

fn field_of(line: &str, package: &str) -> Option<Field> {
    let (left, right) = line.split_once(" = ")?;
    if line.starts_with("//") {
        return None;
    }
    let number = right.split([';', ' ']).next()?.parse().ok()?;
    let (ty, name) = left.rsplit_once(' ')?;
    let repeated = ty.starts_with("repeated ");
    let ty = ty.trim_start_matches("repeated ").trim_start_matches("optional ");
    let ty =
        match ty.strip_prefix("map<").and_then(|rest| rest.strip_suffix('>')).and_then(|rest| rest.split_once(", ")) {
            Some((key, value)) => format!("map<{key},{}>", whole(value, package)),
            None => whole(ty, package),
        };
    Some(Field { number, name: name.to_owned(), ty, repeated, inline: false, drops_zero: false })
}

/// A type's whole name.
fn whole(ty: &str, package: &str) -> String {
    match ty {
        "string" | "bytes" | "bool" | "int32" | "int64" | "double" => ty.to_owned(),
        _ => ty.strip_prefix('.').map_or_else(|| format!("{package}.{ty}"), str::to_owned),
    }
}

/// What the structs of a Go file say of their fields, by struct and field number.
fn tags_of(text: &str) -> BTreeMap<(String, u32), Tag> {
    let mut tags = BTreeMap::new();
    let mut at = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("type ").and_then(|rest| rest.strip_suffix(" struct {")) {
            at = Some(name.to_owned());
        } else if line == "}" {
            at = None;
        } else if let (Some(name), Some((left, tag))) = (&at, line.split_once('`'))
            && let (Some(json), Some(number)) = (part(tag, "json"), part(tag, "protobuf").and_then(number))
        {
            let (json, rest) = json.split_once(',').unwrap_or((json, ""));
            let pointer = left.split_whitespace().last().is_some_and(|ty| ty.starts_with('*'));
            let omits_empty = rest.split(',').any(|word| word == "omitempty");
            tags.insert((name.clone(), number), Tag { json: json.to_owned(), omits_empty, pointer });
        }
    }
    tags
}

fn part<'a>(tag: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{key}:\""))?;
    rest.split('"').next()
}

fn number(tag: &str) -> Option<u32> {
    tag.split(',').nth(1)?.parse().ok()
}

/// Takes over what Go says of the fields of a message.
fn apply(message: &str, fields: &mut [Field], tags: &BTreeMap<(String, u32), Tag>) {
    let short = message.rsplit('.').next().unwrap_or(message);
    for field in fields {
        let Some(tag) = tags.get(&(short.to_owned(), field.number)) else { continue };
        match tag.json.as_str() {
            "-" => {}
            "" => field.inline = true,
            name => field.name = name.to_owned(),
        }
        field.drops_zero = tag.omits_empty && !tag.pointer && !field.repeated && is_scalar(&field.ty);
    }
}

fn is_scalar(ty: &str) -> bool {
    matches!(ty, "string" | "bool" | "int32" | "int64" | "double")
}

/// The table's text: types by position, so that each name stands there once.
fn table(messages: &Messages) -> String {
    let named: BTreeSet<&str> = messages.keys().map(String::as_str).collect();
    let position = |ty: &str| match named.iter().position(|name| *name == ty) {
        Some(at) => at.to_string(),
        None => ty.to_owned(),
    };
    let mut text = String::new();
    for (name, fields) in messages {
        let _ = writeln!(text, "{name}");
        for field in fields {
            let ty = match field.ty.strip_prefix("map<string,").and_then(|rest| rest.strip_suffix('>')) {
                Some(value) => format!("{{{}", position(value)),
                None if field.repeated => format!("[{}", position(&field.ty)),
                None if field.inline => format!(".{}", position(&field.ty)),
                None if field.drops_zero => format!("?{}", position(&field.ty)),
                None => position(&field.ty),
            };
            let _ = writeln!(text, " {} {} {ty}", field.number, field.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = "package k8s.io.api.x.v1;\n\
        message Thing {\n  // Text = 9;\n  optional string uID = 1;\n  repeated Part parts = 2;\n  \
        map<string, .k8s.io.Other> others = 3;\n  optional Part part = 4;\n  optional int32 count = 5;\n}\n\
        message Part {\n}\n";
    const GO: &str = "type Thing struct {\n\
        \tUID types.UID `json:\"uid\" protobuf:\"bytes,1,opt,name=uID\"`\n\
        \tPart `json:\",inline\" protobuf:\"bytes,4,opt,name=part\"`\n\
        \tCount int32 `json:\"count,omitempty\" protobuf:\"varint,5,opt,name=count\"`\n}\n";

    #[track_caller]
    fn check(go: &str, expected: &str) {
        let mut messages = messages_of(PROTO).unwrap_or_default();
        let tags = tags_of(go);
        for (name, fields) in &mut messages {
            apply(name, fields, &tags);
        }
        assert_eq!(table(&messages), expected);
    }

    #[test]
    fn a_row_is_what_both_files_say() {
        check(
            GO,
            "k8s.io.api.x.v1.Part\nk8s.io.api.x.v1.Thing\n 1 uid string\n 2 parts [0\n 3 others {k8s.io.Other\n \
             4 part .0\n 5 count ?int32\n",
        );
        check(
            &GO.replace("Count int32", "Count *int32"),
            "k8s.io.api.x.v1.Part\nk8s.io.api.x.v1.Thing\n 1 uid string\n 2 parts [0\n 3 others {k8s.io.Other\n \
             4 part .0\n 5 count int32\n",
        );
    }
}
