//! Types with their references resolved: what the algorithm walks along.
//!
//! All types of a schema lie in one [`Arena`] and name each other by position, so that walking costs no look-up by
//! name and recursive types need no special care.

use std::collections::HashMap;

use serde_json::Value;

use super::definition::{
    DEDUCED, Definition, FieldDefinition, Format, ListKind, PatchRule, Reference, Scalar, UNTYPED_ATOMIC, deduced,
    untyped_atomic,
};

/// The position of a type in its arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeId(u32);

impl TypeId {
    /// The first type of any arena.
    pub(crate) const FIRST: Self = Self(0);
}

/// What a value of a type may be: any of a scalar, a list and a map.
#[derive(Debug, Clone, Default)]
pub(crate) struct Type {
    pub(crate) scalar: Option<Scalar>,
    pub(crate) format: Format,
    pub(crate) list: Option<List>,
    pub(crate) map: Option<MapType>,
}

/// A list and how its items are told apart.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) element: TypeId,
    pub(crate) items: Items,
}

/// How the items of a list are told apart.
#[derive(Debug, Clone)]
pub(crate) enum Items {
    Atomic,
    Set,
    Keyed(Vec<ListKey>),
}

/// A field that tells items apart.
#[derive(Debug, Clone)]
pub(crate) struct ListKey {
    pub(crate) name: String,
    /// What it is where an item lacks it.
    pub(crate) default: Option<Value>,
}

/// A struct (declared fields), a map (an element type) or both.
#[derive(Debug, Clone)]
pub(crate) struct MapType {
    /// Sorted by name.
    pub(crate) fields: Vec<Field>,
    pub(crate) element: Option<TypeId>,
    pub(crate) atomic: bool,
}

/// A declared field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: TypeId,
    pub(crate) required: bool,
    pub(crate) patch: PatchRule,
    pub(crate) default: Option<Value>,
    pub(crate) always_present: bool,
    pub(crate) write_only: bool,
}

impl MapType {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok().and_then(|at| self.fields.get(at))
    }

    /// The type of what lies under a key, declared or not; absent where there may be none.
    pub(crate) fn type_of(&self, name: &str) -> Option<TypeId> {
        self.field(name).map(|field| field.ty).or(self.element)
    }
}

/// What a value is to be treated as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape<'a> {
    Scalar(Scalar),
    List(&'a List),
    Map(&'a MapType),
}

/// The types of a schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arena {
    types: Vec<Type>,
    names: HashMap<String, TypeId>,
    /// The first name that each named type was given.
    named: HashMap<TypeId, String>,
}

impl Arena {
    /// Resolves definitions against each other.
    ///
    /// A reference to a name that is not among them becomes a type that takes anything and is owned whole.
    pub(crate) fn link(definitions: impl IntoIterator<Item = (String, Definition)>) -> Self {
        let mut arena = Self::default();
        let built_in = [(UNTYPED_ATOMIC.to_owned(), untyped_atomic()), (DEDUCED.to_owned(), deduced())];
        let definitions: Vec<(String, Definition)> = built_in.into_iter().chain(definitions).collect();
        for (name, _) in &definitions {
            let id = arena.push(Type::default());
            arena.name(name.clone(), id);
        }
        for (name, definition) in definitions {
            arena.define(&name, definition);
        }
        arena.settle();
        arena
    }

    /// Adds a definition that may refer to what is here already.
    pub(crate) fn add(&mut self, definition: Definition) -> TypeId {
        let ty = self.resolve(definition);
        let id = self.push(ty);
        self.settle();
        id
    }

    /// Copies a type of another arena with everything it refers to, under its name.
    pub(crate) fn import(&mut self, from: &Self, name: &str) {
        if let Some(id) = from.named(name) {
            let built_in = [UNTYPED_ATOMIC, DEDUCED].map(|name| Some((from.named(name)?, self.named(name)?)));
            let copied = self.copy(from, id, &mut built_in.into_iter().flatten().collect());
            self.name(name.to_owned(), copied);
        }
    }

    fn copy(&mut self, from: &Self, id: TypeId, done: &mut HashMap<TypeId, TypeId>) -> TypeId {
        if let Some(copied) = done.get(&id) {
            return *copied;
        }
        let mut ty = from.get(id).clone();
        let copied = self.push(Type::default());
        done.insert(id, copied);
        if let Some(list) = &mut ty.list {
            list.element = self.copy(from, list.element, done);
        }
        if let Some(map) = &mut ty.map {
            map.element = map.element.map(|element| self.copy(from, element, done));
            for field in &mut map.fields {
                field.ty = self.copy(from, field.ty, done);
            }
        }
        self.set(copied, ty);
        copied
    }

    /// The name that leads to a type.
    pub(crate) fn name_of(&self, id: TypeId) -> Option<&str> {
        self.named.get(&id).map(String::as_str)
    }

    fn name(&mut self, name: String, id: TypeId) {
        self.named.entry(id).or_insert_with(|| name.clone());
        self.names.insert(name, id);
    }

    pub(crate) fn named(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    pub(crate) fn get(&self, id: TypeId) -> &Type {
        static NOTHING: Type = Type { scalar: None, format: Format::Plain, list: None, map: None };
        self.types.get(id.0 as usize).unwrap_or(&NOTHING)
    }

    /// What a value of a type is treated as: what it is, where the type allows that; otherwise, as for null and for
    /// nothing, the first of map, scalar and list that the type allows.
    pub(crate) fn shape(&self, id: TypeId, value: Option<&Value>) -> Shape<'_> {
        let ty = self.get(id);
        let by_value = match value {
            Some(Value::Object(_)) => ty.map.as_ref().map(Shape::Map),
            Some(Value::Array(_)) => ty.list.as_ref().map(Shape::List),
            Some(Value::Null) | None => None,
            Some(_) => ty.scalar.map(Shape::Scalar),
        };
        by_value
            .or_else(|| ty.map.as_ref().map(Shape::Map))
            .or_else(|| ty.scalar.map(Shape::Scalar))
            .or_else(|| ty.list.as_ref().map(Shape::List))
            .unwrap_or(Shape::Scalar(Scalar::Any))
    }

    /// Whether a type is a map about whose keys nothing is known.
    pub(crate) fn is_deduced_map(&self, map: &MapType) -> bool {
        map.fields.is_empty() && map.element.is_some() && map.element == self.named(DEDUCED)
    }

    fn define(&mut self, name: &str, definition: Definition) {
        let ty = self.resolve(definition);
        if let Some(id) = self.named(name) {
            self.set(id, ty);
        }
    }

    fn resolve(&mut self, definition: Definition) -> Type {
        let list = definition.list.map(|list| List {
            element: self.reference(list.element),
            items: match list.kind {
                ListKind::Atomic => Items::Atomic,
                ListKind::Set => Items::Set,
                ListKind::Map(keys) => {
                    Items::Keyed(keys.into_iter().map(|name| ListKey { name, default: None }).collect())
                }
            },
        });
        let map = definition.map.map(|map| MapType {
            fields: map.fields.into_iter().map(|field| self.field(field)).collect(),
            element: map.element.map(|element| self.reference(element)),
            atomic: map.atomic,
        });
        Type { scalar: definition.scalar, format: definition.format, list, map }
    }

    fn field(&mut self, field: FieldDefinition) -> Field {
        Field {
            ty: self.reference(field.reference),
            name: field.name,
            required: field.required,
            patch: field.patch,
            default: field.default,
            always_present: field.always_present,
            write_only: field.write_only,
        }
    }

    fn reference(&mut self, reference: Reference) -> TypeId {
        match reference {
            Reference::Inline(definition) => {
                let ty = self.resolve(*definition);
                self.push(ty)
            }
            Reference::Named { name, atomic } => {
                let target = self.named(&name).or_else(|| self.named(UNTYPED_ATOMIC)).unwrap_or(TypeId::FIRST);
                match atomic {
                    None => target,
                    Some(atomic) => self.with_map_kind(name, target, atomic),
                }
            }
        }
    }

    /// The type under a name of its own, so that it can be copied once its target is known.
    fn with_map_kind(&mut self, name: String, target: TypeId, atomic: bool) -> TypeId {
        let derived = format!("{name}{}{}", DERIVED, if atomic { "atomic" } else { "granular" });
        if let Some(id) = self.named(&derived) {
            return id;
        }
        let id = self.push(Type { format: Format::Plain, ..self.get(target).clone() });
        self.name(derived, id);
        id
    }

    /// Once every definition is in place: gives derived types their target's content, and list keys their defaults.
    fn settle(&mut self) {
        let derived: Vec<(TypeId, TypeId, bool)> = self
            .names
            .iter()
            .filter_map(|(name, id)| {
                let (target, kind) = name.split_once(DERIVED)?;
                Some((*id, self.named(target)?, kind == "atomic"))
            })
            .collect();
        for (id, target, atomic) in derived {
            let mut ty = self.get(target).clone();
            if let Some(map) = &mut ty.map {
                map.atomic = atomic;
            }
            self.set(id, ty);
        }
        for at in 0..self.types.len() {
            let Some(List { element, items: Items::Keyed(keys) }) = self.types.get(at).and_then(|ty| ty.list.clone())
            else {
                continue;
            };
            let fields = self.get(element).map.clone();
            let keys = keys.into_iter().map(|key| {
                let field = fields.as_ref().and_then(|fields| fields.field(&key.name));
                ListKey { default: field.and_then(|field| field.default.clone()), ..key }
            });
            let list = List { element, items: Items::Keyed(keys.collect()) };
            if let Some(ty) = self.types.get_mut(at) {
                ty.list = Some(list);
            }
        }
    }

    fn push(&mut self, ty: Type) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.types.push(ty);
        id
    }

    fn set(&mut self, id: TypeId, ty: Type) {
        if let Some(place) = self.types.get_mut(id.0 as usize) {
            *place = ty;
        }
    }
}

/// Stands between a type's name and the map type a field asks for.
const DERIVED: &str = " as ";
