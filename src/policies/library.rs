//! The functions that expressions have beside those of the language itself: what Kubernetes adds to it
//! (<https://kubernetes.io/docs/reference/using-api/cel/>), as far as a policy here has a use for it. Not among them:
//! the authorizer, URLs, addresses, formats, semantic versions, and times.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelString, DYN_TYPE, LIST_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload, extensions};
use regex::Regex;
use structured_merge::quantity::Quantity;

/// Every function that can be called by its name alone, or by its name behind that of its library.
pub(super) const FUNCTIONS: [&str; 22] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "isQuantity",
    "lists.range",
    "matches",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "quantity",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "sign",
    "size",
    "string",
    "strings.quote",
    "type",
    "uint",
    "has",
];

/// Every function that is called on a value.
pub(super) const METHODS: [&str; 44] = [
    "add",
    "asApproximateFloat",
    "asInteger",
    "charAt",
    "compareTo",
    "contains",
    "distinct",
    "endsWith",
    "find",
    "findAll",
    "flatten",
    "format",
    "hasValue",
    "indexOf",
    "isGreaterThan",
    "isInteger",
    "isLessThan",
    "isSorted",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "max",
    "min",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "slice",
    "sort",
    "split",
    "startsWith",
    "sub",
    "substring",
    "sum",
    "trim",
    "upperAscii",
    "value",
    "all",
    "exists",
    "exists_one",
    "filter",
    "map",
];

/// The language with these functions.
pub(super) fn environment() -> Result<Arc<Env>, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    env.add_extension(quantities)?;
    env.add_extension(lists)?;
    env.add_extension(expressions)?;
    env.add_extension(sets)?;
    Ok(Arc::new(env))
}

/// An amount, such as `500m` or `2Gi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount(Quantity);

static AMOUNT: Type = Type::new_unspecified_type("kubernetes.Quantity");

impl Val for Amount {
    fn get_type(&self) -> &Type {
        &AMOUNT
    }

    fn cel_type() -> &'static Type {
        &AMOUNT
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| self.0.nano() == other.0.nano())
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Amount {}

fn failed(function: &str, why: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, why)
}

fn quantities(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn quantity: (CelString) -> Result<Amount>)?;
    add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    add_member_overload!(env, fn is_less_than: (Amount, Amount) -> CelBool)?;
    add_member_overload!(env, fn is_greater_than: (Amount, Amount) -> CelBool)?;
    add_member_overload!(env, fn compare_to: (Amount, Amount) -> CelInt)?;
    add_overload!(env, fn sign: (Amount) -> CelInt)?;
    add_member_overload!(env, fn is_integer: (Amount) -> CelBool)?;
    add_member_overload!(env, fn as_integer: (Amount) -> Result<CelInt>)?;
    add_member_overload!(env, fn as_approximate_float: (Amount) -> CelDouble)?;
    add_member_overload!(env, fn add: (Amount, Amount) -> Amount)?;
    add_member_overload!(env, fn add_whole: (Amount, CelInt) -> Amount, name = "add")?;
    add_member_overload!(env, fn sub: (Amount, Amount) -> Amount)?;
    add_member_overload!(env, fn sub_whole: (Amount, CelInt) -> Amount, name = "sub")
}

fn quantity(text: &CelString<'_>) -> Result<Amount, ExecutionError> {
    Quantity::parse(text.inner()).map(Amount).map_err(|_| failed("quantity", "the text is no amount"))
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    Quantity::parse(text.inner()).is_ok().into()
}

fn order(this: &Amount, other: &Amount) -> Ordering {
    this.0.nano().cmp(&other.0.nano())
}

fn is_less_than(this: &Amount, other: &Amount) -> CelBool {
    order(this, other).is_lt().into()
}

fn is_greater_than(this: &Amount, other: &Amount) -> CelBool {
    order(this, other).is_gt().into()
}

fn as_number(order: Ordering) -> CelInt {
    match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
    .into()
}

fn compare_to(this: &Amount, other: &Amount) -> CelInt {
    as_number(order(this, other))
}

fn sign(this: &Amount) -> CelInt {
    as_number(this.0.nano().cmp(&0))
}

/// Billionths of one.
const NANO: i128 = 1_000_000_000;

fn is_integer(this: &Amount) -> CelBool {
    as_integer(this).is_ok().into()
}

fn as_integer(this: &Amount) -> Result<CelInt, ExecutionError> {
    let whole = this.0.is_whole().then(|| i64::try_from(this.0.nano() / NANO).ok()).flatten();
    whole.map(CelInt::from).ok_or_else(|| failed("asInteger", "the amount is no whole number"))
}

#[allow(clippy::cast_precision_loss, reason = "the function says that it approximates")]
fn as_approximate_float(this: &Amount) -> CelDouble {
    (this.0.nano() as f64 / NANO as f64).into()
}

fn add(this: &Amount, other: &Amount) -> Amount {
    Amount(this.0.plus(other.0))
}

fn add_whole(this: &Amount, other: &CelInt) -> Amount {
    Amount(this.0.plus(Quantity::count((*other.inner()).into())))
}

fn sub(this: &Amount, other: &Amount) -> Amount {
    Amount(this.0.minus(other.0))
}

fn sub_whole(this: &Amount, other: &CelInt) -> Amount {
    Amount(this.0.minus(Quantity::count((*other.inner()).into())))
}

/// Arguments and result of a function that takes lists of anything.
type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn lists(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("isSorted", "list.isSorted()", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "list.sum()", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list.min()", LIST_TYPE, vec![], min)?;
    env.add_member_overload("max", "list.max()", LIST_TYPE, vec![], max)?;
    env.add_member_overload("indexOf", "list.indexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], index_of)?;
    env.add_member_overload("lastIndexOf", "list.lastIndexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], last_index_of)
}

/// The items of a list.
fn items<'b, 'v>(list: &'b (dyn Val + 'v)) -> Vec<&'b (dyn Val + 'v)> {
    let mut items = Vec::new();
    if let Some(list) = list.as_iterable() {
        let mut all = list.iter();
        while let Some(item) = all.next() {
            items.push(item);
        }
    }
    items
}

/// The list that a function is called on, and what else it was given.
fn list<'a, 'b, 'v>(arguments: &'a [CowVal<'b, 'v>]) -> (Vec<&'a (dyn Val + 'v)>, Option<&'a CowVal<'b, 'v>>) {
    (arguments.first().map(|list| items(list.as_ref())).unwrap_or_default(), arguments.get(1))
}

fn compared(function: &str, one: &dyn Val, other: &dyn Val) -> Result<Ordering, ExecutionError> {
    let unlike = || failed(function, "its items cannot be compared with each other");
    one.as_comparer().ok_or_else(unlike)?.compare(other).map_err(|_| unlike())
}

fn is_sorted<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let (items, _) = list(&arguments);
    for (one, next) in items.iter().zip(items.iter().skip(1)) {
        if compared("isSorted", *one, *next)?.is_gt() {
            return Ok(CowVal::owned(CelBool::from(false)));
        }
    }
    Ok(CowVal::owned(CelBool::from(true)))
}

fn extreme<'b, 'v>(function: &str, arguments: &Arguments<'b, 'v>, wanted: Ordering) -> Answer<'b, 'v> {
    let (items, _) = list(arguments);
    let mut items = items.into_iter();
    let mut best = items.next().ok_or_else(|| failed(function, "the list is empty"))?;
    for item in items {
        if compared(function, item, best)? == wanted {
            best = item;
        }
    }
    Ok(CowVal::Owned(best.clone_as_boxed()))
}

fn min<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    extreme("min", &arguments, Ordering::Less)
}

fn max<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    extreme("max", &arguments, Ordering::Greater)
}

fn sum<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let (items, _) = list(&arguments);
    let unlike = || failed("sum", "its items are not all numbers of one kind");
    let mut items = items.into_iter();
    let Some(first) = items.next() else { return Ok(CowVal::owned(CelInt::from(0))) };
    let mut total = first.clone_as_boxed();
    for item in items {
        let next = total.as_adder().ok_or_else(unlike)?.add(item).map_err(|_| unlike())?.into_owned();
        total = next;
    }
    Ok(CowVal::Owned(total))
}

fn position(at: Option<usize>) -> CelInt {
    at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1).into()
}

fn index_of<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let (items, wanted) = list(&arguments);
    let found = wanted.and_then(|wanted| items.iter().position(|item| item.equals(wanted.as_ref())));
    Ok(CowVal::owned(position(found)))
}

fn last_index_of<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let (items, wanted) = list(&arguments);
    let found = wanted.and_then(|wanted| items.iter().rposition(|item| item.equals(wanted.as_ref())));
    Ok(CowVal::owned(position(found)))
}

fn sets(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("sets.contains", "list_sets_contains_list", vec![LIST_TYPE, LIST_TYPE], contains_all)?;
    env.add_overload("sets.equivalent", "list_sets_equivalent_list", vec![LIST_TYPE, LIST_TYPE], equivalent)?;
    env.add_overload("sets.intersects", "list_sets_intersects_list", vec![LIST_TYPE, LIST_TYPE], intersects)
}

/// Answers about the items of two lists.
fn of_two<'b, 'v>(arguments: &Arguments<'b, 'v>, ask: impl Fn(&[&dyn Val], &[&dyn Val]) -> bool) -> Answer<'b, 'v> {
    let both: Vec<Vec<&dyn Val>> =
        arguments.iter().map(|list| items(list.as_ref()).into_iter().map(|item| item as &dyn Val).collect()).collect();
    let answer = match both.as_slice() {
        [one, other] => ask(one, other),
        _ => false,
    };
    Ok(CowVal::owned(CelBool::from(answer)))
}

fn among(items: &[&dyn Val], wanted: &dyn Val) -> bool {
    items.iter().any(|item| item.equals(wanted))
}

fn contains_all<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    of_two(&arguments, |one, other| other.iter().all(|item| among(one, *item)))
}

fn equivalent<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let within = |one: &[&dyn Val], other: &[&dyn Val]| other.iter().all(|item| among(one, *item));
    of_two(&arguments, |one, other| within(one, other) && within(other, one))
}

fn intersects<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    of_two(&arguments, |one, other| other.iter().any(|item| among(one, *item)))
}

fn expressions(env: &mut Env) -> Result<(), DeclarationError> {
    add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString<'static>>)?;
    add_member_overload!(env, fn find_all: (CelString, CelString) -> Result<CelList<'static>>)?;
    add_member_overload!(env, fn find_some: (CelString, CelString, CelInt) -> Result<CelList<'static>>, name = "findAll")
}

/// A regular expression; what it takes up is bounded by its library.
fn pattern(function: &str, text: &CelString<'_>) -> Result<Regex, ExecutionError> {
    Regex::new(text.inner()).map_err(|_| failed(function, "the pattern is no regular expression"))
}

fn find(this: &CelString<'_>, wanted: &CelString<'_>) -> Result<CelString<'static>, ExecutionError> {
    let found = pattern("find", wanted)?.find(this.inner()).map_or("", |found| found.as_str());
    Ok(found.to_owned().into())
}

fn found(this: &CelString<'_>, wanted: &CelString<'_>, most: usize) -> Result<CelList<'static>, ExecutionError> {
    let pattern = pattern("findAll", wanted)?;
    let all = pattern.find_iter(this.inner()).take(most);
    Ok(all.map(|one| Box::new(CelString::from(one.as_str().to_owned())) as Box<dyn Val>).collect::<Vec<_>>().into())
}

fn find_all(this: &CelString<'_>, wanted: &CelString<'_>) -> Result<CelList<'static>, ExecutionError> {
    found(this, wanted, usize::MAX)
}

fn find_some(this: &CelString<'_>, wanted: &CelString<'_>, most: &CelInt) -> Result<CelList<'static>, ExecutionError> {
    found(this, wanted, usize::try_from(*most.inner()).unwrap_or(usize::MAX))
}
