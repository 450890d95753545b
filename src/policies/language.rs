//! Expressions of the Common Expression Language (<https://github.com/google/cel-spec>): read, held against the names
//! that there are, and evaluated.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo};
use cel::common::value::{CowVal, Val};
use cel::{Context, Env, ExecutionError, ParseErrors, Value};

use super::library;
use crate::load::suggest::nearest;

/// The longest expression that is read, in bytes.
pub(super) const MAX_LENGTH: usize = 5_000;

/// How deep an expression may be nested.
const MAX_DEPTH: u16 = 48;

/// The names of types, which are values as well.
const TYPES: [&str; 9] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];

/// What an expression has wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was found.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
    /// The line in the expression and the column in that line, from 1.
    pub at: Option<(usize, usize)>,
}

/// The language, ready to read expressions.
pub(super) struct Language(Arc<Env>);

/// An expression that was read.
pub(super) struct Compiled {
    expression: IdedExpr,
    /// The variables that it names, without those that it makes itself.
    pub(super) names: BTreeSet<String>,
    /// The entries of `variables` that it names.
    pub(super) variables: BTreeSet<String>,
}

/// Why an expression gave nothing, in words that hold no value of what it was asked about.
pub(super) type Failure = String;

impl Language {
    /// The language with the functions that policies have.
    ///
    /// # Errors
    ///
    /// Two functions that cannot be told apart, which is a mistake of the program.
    pub(super) fn new() -> Result<Self, Fault> {
        let fault = |error: cel::DeclarationError| Fault { message: error.to_string(), help: None, at: None };
        library::environment().map(Self).map_err(fault)
    }

    /// Reads an expression, in which these names stand for values.
    ///
    /// # Errors
    ///
    /// Everything that keeps it from being evaluated, as far as that can be told without values.
    pub(super) fn compile(&self, text: &str, names: &[&str], variables: &[&str]) -> Result<Compiled, Vec<Fault>> {
        if text.len() > MAX_LENGTH {
            return Err(vec![Fault {
                message: format!("the expression has {} bytes, and at most {MAX_LENGTH} are read", text.len()),
                help: Some("divide it: `variables` hold what several expressions need".to_owned()),
                at: None,
            }]);
        }
        let parser = self.0.parser().max_recursion_depth(MAX_DEPTH);
        let (expression, places) = parser.parse_with_source_info(text).map_err(|errors| vec![syntax(&errors)])?;
        let mut reading = Reading { text, places, names, variables, own: Vec::new(), found: Found::default() };
        reading.expression(&expression);
        let Found { mut faults, names, variables } = reading.found;
        faults.sort_by_key(|fault| fault.at);
        if faults.is_empty() { Ok(Compiled { expression, names, variables }) } else { Err(faults) }
    }

    /// An empty set of values.
    pub(super) fn context<'v>(&self) -> Context<'static, 'v> {
        Context::with_env(Arc::clone(&self.0))
    }
}

impl Compiled {
    /// Whether it is true of these values.
    pub(super) fn holds(&self, context: &Context<'_, '_>) -> Result<bool, Failure> {
        match Value::resolve(&self.expression, context).map_err(|error| failure(&error))? {
            Value::Bool(answer) => Ok(answer),
            other => Err(format!("it is neither true nor false, but {}", a_kind(&other))),
        }
    }

    /// The text that it makes of these values.
    pub(super) fn text(&self, context: &Context<'_, '_>) -> Result<String, Failure> {
        match Value::resolve(&self.expression, context).map_err(|error| failure(&error))? {
            Value::String(text) => Ok(text.to_string()),
            other => Err(format!("it is no text, but {}", a_kind(&other))),
        }
    }

    /// What it makes of these values.
    pub(super) fn value<'v>(&self, context: &Context<'_, 'v>) -> Result<Box<dyn Val + 'v>, Failure> {
        let value = Value::resolve_val(&self.expression, context);
        value.map(CowVal::into_owned).map_err(|error| failure(&error))
    }
}

fn a_kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "a text",
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        _ => "something else",
    }
}

/// What went wrong, without any value: those may be long, and they are not always told in the same order.
fn failure(error: &ExecutionError) -> Failure {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::NoSuchOverload(error) => {
            let types = error.argument_types().join(", ");
            format!("`{}` cannot be applied to ({types})", operator(error.function()))
        }
        ExecutionError::UndeclaredReference(name) => format!("nothing is called `{name}`"),
        ExecutionError::FunctionError { function, message } => {
            format!("{function}: {}", message.lines().next().unwrap_or_default().trim_end_matches(':'))
        }
        ExecutionError::UnexpectedType { got, want } => format!("it has {got} where {want} is needed"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} values and is given {actual}")
        }
        ExecutionError::IndexOutOfBounds(_) => "an index lies outside of its list".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "two values cannot be compared with each other".to_owned(),
        ExecutionError::DuplicateKey(_) => "a map has a key twice".to_owned(),
        _ => "a value is of a kind that does not fit".to_owned(),
    }
}

/// An operator as it is written: the language calls them `_+_` and the like.
fn operator(name: &str) -> &str {
    match name {
        "_[_]" => "[]",
        "@in" => "in",
        _ => name.trim_matches('_'),
    }
}

/// The first thing that keeps a text from being an expression; what follows is most often its consequence.
fn syntax(errors: &ParseErrors) -> Fault {
    let errors = &errors.errors;
    if errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        let help = Some("divide it: `variables` hold what several expressions need".to_owned());
        return Fault { message: format!("it is nested more than {MAX_DEPTH} deep"), help, at: None };
    }
    let (text, (line, column)) = errors.first().map_or(("", (0, 0)), |error| (error.msg.as_str(), error.pos));
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("Syntax error: ").unwrap_or(text);
    // All that could stand there is more than anybody reads.
    let text = text.split_once(" expecting ").map_or(text, |(found, _)| found);
    let found =
        ["mismatched input ", "extraneous input ", "token recognition error at: ", "no viable alternative at input "];
    let found = found.iter().find_map(|kind| text.strip_prefix(kind));
    let message = match found.map(|found| found.trim_matches('\'')) {
        Some("<EOF>") => "the expression ends too early".to_owned(),
        Some(found) => format!("`{found}` cannot stand here"),
        None => text.to_owned(),
    };
    let at = usize::try_from(line).ok().zip(usize::try_from(column).ok()).filter(|(line, _)| *line > 0);
    let help = Some("docs/policies.md says what an expression can be".to_owned());
    Fault { message, help, at }
}

/// What an expression names.
#[derive(Default)]
struct Found {
    faults: Vec<Fault>,
    names: BTreeSet<String>,
    variables: BTreeSet<String>,
}

/// A walk through an expression that holds every name against those that there are.
struct Reading<'a> {
    text: &'a str,
    places: SourceInfo,
    names: &'a [&'a str],
    variables: &'a [&'a str],
    /// Names that the expression makes itself, innermost last.
    own: Vec<&'a str>,
    found: Found,
}

impl<'a> Reading<'a> {
    fn expression(&mut self, expression: &'a IdedExpr) {
        match &expression.expr {
            Expr::Ident(name) => self.name(name, expression.id),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) if name == "variables" && !self.own.contains(&"variables") => {
                    self.variable(&select.field, expression.id);
                }
                _ => self.expression(&select.operand),
            },
            Expr::Call(call) => {
                let library = call.target.as_deref().and_then(|target| match &target.expr {
                    Expr::Ident(name) if !self.knows(name) => Some(name.as_str()),
                    _ => None,
                });
                self.function(library, &call.func_name, call.target.is_some(), expression.id);
                if let (Some(target), None) = (&call.target, library) {
                    self.expression(target);
                }
                call.args.iter().for_each(|argument| self.expression(argument));
            }
            Expr::Comprehension(whole) => {
                self.expression(&whole.iter_range);
                self.expression(&whole.accu_init);
                let before = self.own.len();
                let own = [Some(&whole.iter_var), whole.iter_var2.as_ref(), Some(&whole.accu_var)];
                self.own.extend(own.into_iter().flatten().map(String::as_str));
                self.expression(&whole.loop_cond);
                self.expression(&whole.loop_step);
                self.expression(&whole.result);
                self.own.truncate(before);
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(of) => {
                let message = format!("there is no type `{}`", of.type_name);
                self.fault(message, None, expression.id);
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key);
                self.expression(&entry.value);
            }
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.names.contains(&name) || self.own.contains(&name)
    }

    fn name(&mut self, name: &'a str, id: u64) {
        if self.own.contains(&name) || name.starts_with('@') || TYPES.contains(&name) {
            return;
        }
        if self.names.contains(&name) {
            self.found.names.insert(name.to_owned());
            return;
        }
        let message = format!("nothing is called `{name}`");
        let help = match nearest(name, self.names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", self.names.join(", ")),
        };
        self.fault(message, Some(help), id);
    }

    fn variable(&mut self, name: &str, id: u64) {
        if self.variables.contains(&name) {
            self.found.variables.insert(name.to_owned());
            return;
        }
        let near =
            nearest(name, self.variables.iter().copied()).map(|near| format!("did you mean `variables.{near}`?"));
        let help = near.unwrap_or_else(|| "a variable stands before those that use it".to_owned());
        self.fault(format!("there is no variable `{name}` here"), Some(help), id);
    }

    fn function(&mut self, library: Option<&str>, name: &str, on_a_value: bool, id: u64) {
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return;
        }
        let full = library.map_or_else(|| name.to_owned(), |library| format!("{library}.{name}"));
        let known = match (library, on_a_value) {
            (None, true) => library::METHODS.contains(&name),
            _ => library::FUNCTIONS.contains(&full.as_str()),
        };
        if known {
            return;
        }
        if let Some(target) = library
            && library::METHODS.contains(&name)
        {
            // A function on a value whose name is wrong.
            let unknown = format!("nothing is called `{target}`");
            let help = nearest(target, self.names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            return self.fault(unknown, help, id);
        }
        let there: &[&str] = if on_a_value && library.is_none() { &library::METHODS } else { &library::FUNCTIONS };
        let help = nearest(&full, there.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let help = help.unwrap_or_else(|| "the functions that policies have are listed in docs/policies.md".to_owned());
        self.fault(format!("there is no function `{full}`"), Some(help), id);
    }

    fn fault(&mut self, message: String, help: Option<String>, id: u64) {
        let start = self.places.offset_for(id).map(|(start, _)| start);
        let at = start.and_then(|start| usize::try_from(start).ok()).map(|start| place(self.text, start));
        self.found.faults.push(Fault { message, help, at });
    }
}

/// The line and the column, from 1, of a character of a text.
fn place(text: &str, character: usize) -> (usize, usize) {
    let before = text.chars().take(character);
    before.fold((1, 1), |(line, column), c| if c == '\n' { (line + 1, 1) } else { (line, column + 1) })
}
