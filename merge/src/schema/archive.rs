//! The file of types that ships with the crate: several Kubernetes versions in one compressed archive.
//!
//! Inflated, an archive is a list of strings, a list of distinct definitions, and for each version which definition
//! each name has and which name each kind has. A definition that did not change between versions is there once.
//! Numbers are LEB128; strings are named by their position. The compression is zlib's deflate.

use std::collections::{BTreeMap, HashMap};

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde_json::Value;

use super::definition::{
    Definition, FieldDefinition, Format, ListDefinition, ListKind, MapDefinition, PatchRule, Reference, Scalar,
};

/// The types of one Kubernetes version.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Release {
    /// The version, such as `1.37`.
    pub(crate) version: String,
    /// Definitions by name.
    pub(crate) definitions: BTreeMap<String, Definition>,
    /// Names of definitions by group, version and kind.
    pub(crate) kinds: BTreeMap<(String, String, String), String>,
}

/// Why an archive could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The compressed bytes are damaged, or of something else.
    #[error("inflating the schema archive: the bytes are damaged")]
    Damaged,
    /// The inflated bytes end early or name what is not there.
    #[error("reading the schema archive: the content at byte {0} makes no sense")]
    Malformed(usize),
}

/// The first bytes of an inflated archive; the last of them is the version of the format.
const MAGIC: &[u8] = b"k8s-types\x01";
/// No archive inflates to more than this many bytes.
const MOST_BYTES: usize = 16 << 20;

/// Writes releases, newest first, as one archive.
pub(crate) fn write(releases: &[Release]) -> Vec<u8> {
    let mut strings = Strings::default();
    let mut distinct: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut definitions: Vec<Vec<u8>> = Vec::new();
    let mut versions = Vec::new();
    for release in releases {
        let mut out = Vec::new();
        strings.write(&release.version, &mut out);
        write_number(release.definitions.len() as u64, &mut out);
        for (name, definition) in &release.definitions {
            let mut bytes = Vec::new();
            write_definition(definition, &mut strings, &mut bytes);
            let next = definitions.len() as u64;
            let at = *distinct.entry(bytes).or_insert_with_key(|bytes| {
                definitions.push(bytes.clone());
                next
            });
            strings.write(name, &mut out);
            write_number(at, &mut out);
        }
        write_number(release.kinds.len() as u64, &mut out);
        for ((group, version, kind), name) in &release.kinds {
            [group, version, kind, name].into_iter().for_each(|text| strings.write(text, &mut out));
        }
        versions.push(out);
    }
    let mut out = MAGIC.to_vec();
    let sections = [strings.texts.iter().map(|text| text.as_bytes().to_vec()).collect(), definitions, versions];
    for section in sections {
        write_number(section.len() as u64, &mut out);
        for item in section {
            write_number(item.len() as u64, &mut out);
            out.extend(item);
        }
    }
    compress_to_vec(&out, 10)
}

/// Reads one release of an archive; `None` for the newest. Absent where the archive does not hold the version.
pub(crate) fn read(archive: &[u8], version: Option<&str>) -> Result<Option<Release>, ArchiveError> {
    let bytes = inflate(archive)?;
    let sections = Sections::read(&bytes)?;
    for release in &sections.versions {
        let mut reader = Reader { bytes: release, at: 0, strings: &sections.strings };
        let name = reader.string()?;
        if version.is_some_and(|version| version != name) {
            continue;
        }
        let mut found = Release { version: name.to_owned(), ..Release::default() };
        for _ in 0..reader.number()? {
            let name = reader.string()?.to_owned();
            let at = reader.index()?;
            let bytes = sections.definitions.get(at).ok_or(ArchiveError::Malformed(reader.at))?;
            let definition = Reader { bytes, at: 0, strings: &sections.strings }.definition()?;
            found.definitions.insert(name, definition);
        }
        for _ in 0..reader.number()? {
            let kind = (reader.string()?.to_owned(), reader.string()?.to_owned(), reader.string()?.to_owned());
            found.kinds.insert(kind, reader.string()?.to_owned());
        }
        return Ok(Some(found));
    }
    Ok(None)
}

/// The versions an archive holds, in its order.
pub(crate) fn versions(archive: &[u8]) -> Result<Vec<String>, ArchiveError> {
    let bytes = inflate(archive)?;
    let sections = Sections::read(&bytes)?;
    let name =
        |release: &&[u8]| Reader { bytes: release, at: 0, strings: &sections.strings }.string().map(ToOwned::to_owned);
    sections.versions.iter().map(name).collect()
}

fn inflate(archive: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    decompress_to_vec_with_limit(archive, MOST_BYTES).map_err(|_| ArchiveError::Damaged)
}

/// Strings in the order of their first use.
#[derive(Default)]
struct Strings {
    texts: Vec<String>,
    positions: HashMap<String, u64>,
}

impl Strings {
    fn write(&mut self, text: &str, out: &mut Vec<u8>) {
        let next = self.texts.len() as u64;
        let position = *self.positions.entry(text.to_owned()).or_insert(next);
        if position == next {
            self.texts.push(text.to_owned());
        }
        write_number(position, out);
    }
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Bits of a definition's first byte.
const HAS_LIST: u8 = 1;
const HAS_MAP: u8 = 2;
/// Bits of a field's first byte.
const REQUIRED: u8 = 1;
const PRESENT: u8 = 2;
const PATCH_MERGE: u8 = 4;
const PATCH_RETAIN: u8 = 8;
const HAS_MERGE_KEY: u8 = 16;
const HAS_DEFAULT: u8 = 32;
const WRITE_ONLY: u8 = 64;
/// Bits of a map's first byte.
const ATOMIC: u8 = 1;
const HAS_ELEMENT: u8 = 2;

fn write_definition(definition: &Definition, strings: &mut Strings, out: &mut Vec<u8>) {
    let flags =
        if definition.list.is_some() { HAS_LIST } else { 0 } | if definition.map.is_some() { HAS_MAP } else { 0 };
    let scalar = match definition.scalar {
        None => 0,
        Some(Scalar::String) => 1,
        Some(Scalar::Integer) => 2,
        Some(Scalar::Number) => 3,
        Some(Scalar::Boolean) => 4,
        Some(Scalar::Any) => 5,
    };
    let format = match definition.format {
        Format::Plain => 0,
        Format::Quantity => 1,
        Format::IntOrString => 2,
        Format::Time => 3,
        Format::Bytes => 4,
    };
    out.extend([flags, scalar, format]);
    if let Some(list) = &definition.list {
        match &list.kind {
            ListKind::Atomic => out.push(0),
            ListKind::Set => out.push(1),
            ListKind::Map(keys) => {
                out.push(2);
                write_number(keys.len() as u64, out);
                keys.iter().for_each(|key| strings.write(key, out));
            }
        }
        write_reference(&list.element, strings, out);
    }
    if let Some(map) = &definition.map {
        out.push(if map.atomic { ATOMIC } else { 0 } | if map.element.is_some() { HAS_ELEMENT } else { 0 });
        if let Some(element) = &map.element {
            write_reference(element, strings, out);
        }
        write_number(map.fields.len() as u64, out);
        map.fields.iter().for_each(|field| write_field(field, strings, out));
    }
}

fn write_field(field: &FieldDefinition, strings: &mut Strings, out: &mut Vec<u8>) {
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    out.push(
        flag(field.required, REQUIRED)
            | flag(field.always_present, PRESENT)
            | flag(field.write_only, WRITE_ONLY)
            | flag(field.patch.merge, PATCH_MERGE)
            | flag(field.patch.retain_keys, PATCH_RETAIN)
            | flag(field.patch.merge_key.is_some(), HAS_MERGE_KEY)
            | flag(field.default.is_some(), HAS_DEFAULT),
    );
    strings.write(&field.name, out);
    if let Some(key) = &field.patch.merge_key {
        strings.write(key, out);
    }
    if let Some(default) = &field.default {
        strings.write(&default.to_string(), out);
    }
    write_reference(&field.reference, strings, out);
}

fn write_reference(reference: &Reference, strings: &mut Strings, out: &mut Vec<u8>) {
    match reference {
        Reference::Inline(definition) => {
            out.push(0);
            write_definition(definition, strings, out);
        }
        Reference::Named { name, atomic } => {
            out.push(match atomic {
                None => 1,
                Some(true) => 2,
                Some(false) => 3,
            });
            strings.write(name, out);
        }
    }
}

/// The three parts of an inflated archive.
struct Sections<'a> {
    strings: Vec<&'a str>,
    definitions: Vec<&'a [u8]>,
    versions: Vec<&'a [u8]>,
}

impl<'a> Sections<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let content = bytes.strip_prefix(MAGIC).ok_or(ArchiveError::Malformed(0))?;
        let mut reader = Reader { bytes: content, at: 0, strings: &[] };
        let mut strings = Vec::new();
        for _ in 0..reader.number()? {
            let text = reader.slice()?;
            strings.push(std::str::from_utf8(text).map_err(|_| ArchiveError::Malformed(reader.at))?);
        }
        let mut section = || (0..reader.number()?).map(|_| reader.slice()).collect::<Result<Vec<_>, _>>();
        let definitions = section()?;
        let versions = section()?;
        Ok(Self { strings, definitions, versions })
    }
}

/// A place in the content of an archive.
struct Reader<'a, 's> {
    bytes: &'a [u8],
    at: usize,
    strings: &'s [&'a str],
}

impl<'a> Reader<'a, '_> {
    fn byte(&mut self) -> Result<u8, ArchiveError> {
        let byte = self.bytes.get(self.at).copied().ok_or(ArchiveError::Malformed(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, ArchiveError> {
        let (mut number, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift).ok_or(ArchiveError::Malformed(self.at))?;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn index(&mut self) -> Result<usize, ArchiveError> {
        usize::try_from(self.number()?).map_err(|_| ArchiveError::Malformed(self.at))
    }

    fn slice(&mut self) -> Result<&'a [u8], ArchiveError> {
        let length = self.index()?;
        let end = self.at.checked_add(length).ok_or(ArchiveError::Malformed(self.at))?;
        let slice = self.bytes.get(self.at..end).ok_or(ArchiveError::Malformed(self.at))?;
        self.at = end;
        Ok(slice)
    }

    fn string(&mut self) -> Result<&'a str, ArchiveError> {
        let position = self.index()?;
        self.strings.get(position).copied().ok_or(ArchiveError::Malformed(self.at))
    }

    fn malformed<T>(&self) -> Result<T, ArchiveError> {
        Err(ArchiveError::Malformed(self.at))
    }

    fn definition(&mut self) -> Result<Definition, ArchiveError> {
        let flags = self.byte()?;
        let scalar = match self.byte()? {
            0 => None,
            1 => Some(Scalar::String),
            2 => Some(Scalar::Integer),
            3 => Some(Scalar::Number),
            4 => Some(Scalar::Boolean),
            5 => Some(Scalar::Any),
            _ => return self.malformed(),
        };
        let format = match self.byte()? {
            0 => Format::Plain,
            1 => Format::Quantity,
            2 => Format::IntOrString,
            3 => Format::Time,
            4 => Format::Bytes,
            _ => return self.malformed(),
        };
        let list = if flags & HAS_LIST == 0 { None } else { Some(self.list()?) };
        let map = if flags & HAS_MAP == 0 { None } else { Some(self.map()?) };
        Ok(Definition { scalar, format, list, map })
    }

    fn list(&mut self) -> Result<ListDefinition, ArchiveError> {
        let kind = match self.byte()? {
            0 => ListKind::Atomic,
            1 => ListKind::Set,
            2 => {
                let keys = (0..self.number()?).map(|_| self.string().map(ToOwned::to_owned));
                ListKind::Map(keys.collect::<Result<_, _>>()?)
            }
            _ => return self.malformed(),
        };
        Ok(ListDefinition { element: self.reference()?, kind })
    }

    fn map(&mut self) -> Result<MapDefinition, ArchiveError> {
        let flags = self.byte()?;
        let element = if flags & HAS_ELEMENT == 0 { None } else { Some(self.reference()?) };
        let fields = (0..self.number()?).map(|_| self.field()).collect::<Result<_, _>>()?;
        Ok(MapDefinition { fields, element, atomic: flags & ATOMIC != 0 })
    }

    fn field(&mut self) -> Result<FieldDefinition, ArchiveError> {
        let flags = self.byte()?;
        let has = |bit: u8| flags & bit != 0;
        let name = self.string()?.to_owned();
        let merge_key = if has(HAS_MERGE_KEY) { Some(self.string()?.to_owned()) } else { None };
        let default: Option<Value> = if has(HAS_DEFAULT) {
            let text = self.string()?;
            Some(serde_json::from_str(text).map_err(|_| ArchiveError::Malformed(self.at))?)
        } else {
            None
        };
        Ok(FieldDefinition {
            name,
            reference: self.reference()?,
            required: has(REQUIRED),
            patch: PatchRule { merge: has(PATCH_MERGE), retain_keys: has(PATCH_RETAIN), merge_key },
            default,
            always_present: has(PRESENT),
            write_only: has(WRITE_ONLY),
        })
    }

    fn reference(&mut self) -> Result<Reference, ArchiveError> {
        let atomic = match self.byte()? {
            0 => return Ok(Reference::Inline(Box::new(self.definition()?))),
            1 => None,
            2 => Some(true),
            3 => Some(false),
            _ => return self.malformed(),
        };
        Ok(Reference::Named { name: self.string()?.to_owned(), atomic })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::super::openapi::read_kubernetes;
    use super::*;

    fn release(version: &str, ports: &Value) -> Release {
        let name = "io.k8s.api.core.v1.ServicePort".to_owned();
        let spec = json!({"type": "object", "required": ["ports"], "properties": {
            "ports": {"type": "array", "items": {"$ref": format!("#/$defs/{name}")}, "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port", "protocol"], "x-kubernetes-patch-strategy": "merge,retainKeys",
                "x-kubernetes-patch-merge-key": "port"},
            "selector": {"$ref": "#/$defs/x", "x-kubernetes-map-type": "atomic"},
            "labels": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
            "sort": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        }});
        Release {
            version: version.to_owned(),
            definitions: BTreeMap::from([
                (name.clone(), read_kubernetes(&name, ports).unwrap()),
                ("spec".to_owned(), read_kubernetes("spec", &spec).unwrap()),
            ]),
            kinds: BTreeMap::from([((String::new(), "v1".into(), "Service".into()), "spec".into())]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let ports = json!({"type": "object", "required": ["port"], "properties": {
            "port": {"type": "integer"}, "protocol": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}});
        let newer = release("1.2", &ports);
        let older = release("1.1", &json!({"type": "object", "properties": {"port": {"type": "number"}}}));
        let archive = write(&[newer.clone(), older.clone()]);
        assert_eq!(read(&archive, None).unwrap().unwrap(), newer);
        assert_eq!(read(&archive, Some("1.1")).unwrap().unwrap(), older);
        assert_eq!(read(&archive, Some("1.0")), Ok(None));
        assert_eq!(versions(&archive).unwrap(), ["1.2", "1.1"]);
    }

    #[test]
    fn damage_is_an_error() {
        let archive = write(&[release("1.2", &json!({"type": "object"}))]);
        assert_eq!(read(&archive[..archive.len() / 2], None), Err(ArchiveError::Damaged));
        assert_eq!(read(&compress_to_vec(b"something else", 6), None), Err(ArchiveError::Malformed(0)));
        let mut inflated = inflate(&archive).unwrap();
        inflated.truncate(inflated.len() - 1);
        let torn = read(&compress_to_vec(&inflated, 6), None).unwrap_err();
        assert!(matches!(torn, ArchiveError::Malformed(_)), "{torn}");
    }
}
