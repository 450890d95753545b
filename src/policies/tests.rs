//! The language by itself, and policies asked about a small stack.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use snapbox::assert::{Assert, DEFAULT_ACTION_ENV};
use snapbox::data::Inline;
use snapbox::str;

use super::language::{Fault, Language};
use super::library::{FUNCTIONS, METHODS};
use super::values::of_json;
use super::with_room;

#[track_caller]
fn same(text: String, expect: Inline) {
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(text, expect);
}

/// Each of these is true. Together they call every function that there is.
const TRUE: [&str; 62] = [
    "size('äb') == 2 && 'äb'.size() == 2 && size([1]) == 1 && {'a': 1}.size() == 1",
    "int('3') == 3 && uint(3) == 3u && double('1.5') == 1.5 && string(3) == '3' && bool('true') && dyn(1) == 1",
    "bytes('a') == b'a' && type(1) == int",
    "'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')",
    "'abc'.matches('^a.c$') && matches('abc', 'b')",
    "'abc'.charAt(1) == 'b' && 'abcb'.indexOf('b') == 1 && 'abcb'.lastIndexOf('b') == 3",
    "'A-b'.lowerAscii() == 'a-b' && 'a'.upperAscii() == 'A' && ' a '.trim() == 'a' && 'abc'.reverse() == 'cba'",
    "'a.b'.replace('.', '/') == 'a/b' && 'a.b'.split('.') == ['a', 'b'] && ['a', 'b'].join('+') == 'a+b'",
    "'abc'.substring(1) == 'bc' && 'abc'.substring(0, 1) == 'a'",
    "'%s has %d'.format(['a', 2]) == 'a has 2' && strings.quote('a') == '\"a\"'",
    "'a1b22'.find('[0-9]+') == '1' && 'a1b22'.findAll('[0-9]+') == ['1', '22'] && 'a1b22'.findAll('[0-9]+', 1) == ['1']",
    "'abc'.find('x') == ''",
    "isQuantity('500m') && !isQuantity('five')",
    "quantity('1000m') == quantity('1') && quantity('1Gi') == quantity('1024Mi')",
    "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1m').isLessThan(quantity('1'))",
    "quantity('2').compareTo(quantity('1')) == 1 && quantity('1').compareTo(quantity('1')) == 0",
    "sign(quantity('-1')) == -1 && sign(quantity('0')) == 0",
    "quantity('2').isInteger() && !quantity('1500m').isInteger() && quantity('2k').asInteger() == 2000",
    "quantity('1500m').asApproximateFloat() == 1.5",
    "quantity('1').add(quantity('500m')) == quantity('1500m') && quantity('1').add(1) == quantity('2')",
    "quantity('1').sub(quantity('1500m')) == quantity('-500m') && quantity('3').sub(1) == quantity('2')",
    "[1, 2, 2].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
    "[1, 2].sum() == 3 && [1.5, 1.5].sum() == 3.0 && [].sum() == 0",
    "[3, 1, 2].min() == 1 && ['a', 'b'].max() == 'b'",
    "[1, 2, 1].indexOf(1) == 0 && [1, 2, 1].lastIndexOf(1) == 2 && [1].indexOf(2) == -1",
    "[1, 1, 2].distinct() == [1, 2] && [[1], [2]].flatten() == [1, 2] && [1, 2].reverse() == [2, 1]",
    "[1, 2, 3].slice(1, 3) == [2, 3] && [2, 1].sort() == [1, 2] && lists.range(2) == [0, 1]",
    "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1, 2], [2, 3])",
    "!sets.contains([1], [2]) && !sets.equivalent([1], [1, 2]) && !sets.intersects([1], [2])",
    "[1, 2].all(x, x > 0) && [1, 2].exists(x, x == 2) && [1, 2].exists_one(x, x == 2)",
    "[1, 2].map(x, x * 2) == [2, 4] && [1, 2].filter(x, x > 1) == [2] && [1, 2].map(x, x > 1, x) == [2]",
    "optional.of(1).hasValue() && !optional.none().hasValue() && optional.of(1).value() == 1",
    "optional.none().orValue(2) == 2 && optional.none().or(optional.of(3)).value() == 3",
    "!optional.ofNonZeroValue('').hasValue()",
    "has(object.spec.replicas) && !has(object.spec.paused)",
    "object.?spec.?paused.orValue(false) == false && object[?'spec'].hasValue()",
    "object.spec.replicas == 2 && object.spec.replicas + 1 == 3 && object.spec.replicas * 2 >= 4",
    "object.metadata.labels['app.kubernetes.io/name'] == 'shop'",
    "'app.kubernetes.io/name' in object.metadata.labels && !('x' in object.metadata.labels)",
    "object.metadata.labels.map(key, key) == ['a', 'app.kubernetes.io/name', 'z']",
    "object.metadata.labels.all(key, object.metadata.labels[key] != '')",
    "object.metadata.labels == {'z': '1', 'a': '2', 'app.kubernetes.io/name': 'shop'}",
    "{'z': '1', 'a': '2', 'app.kubernetes.io/name': 'shop'} == object.metadata.labels",
    "object.spec.ports.exists(port, port.number == 80) && object.spec.ports[0].number == 80",
    "size(object.metadata.labels) == 3 && size(object.spec.ports) == 1",
    "object.spec.share == 0.5 && object.spec.nothing == null && object.spec.flag",
    "object.spec.huge == 18446744073709551615u",
    "type(object.spec.replicas) == int && type(object.metadata) == map && type(object.spec.ports) == list",
    "object.spec.replicas in [1, 2] && 'x' != object.kind",
    "object.kind == 'Deployment' ? true : false",
    "!(1 > 2) && -object.spec.replicas == -2 && 7 % 4 == 3 && 7 / 2 == 3",
    "true || object.spec.missing.deeper == 1",
    "object.spec.missing == 1 || true",
    "[object].all(one, one.spec.replicas == 2)",
    "[1].map(object, object + 1) == [2]",
    "[[1, 2], [3]].all(row, row.all(one, one > 0))",
    "'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
    "'\\u00e4' == 'ä' && r'\\d' == '\\\\d'",
    "'''a\nb'''.size() == 3",
    "1 == 1.0 && 1u == 1",
    "bool('false') == false && string(true) == 'true'",
    "double(1) / 2.0 == 0.5",
];

fn object() -> Value {
    json!({
        "kind": "Deployment",
        "metadata": {"labels": {"z": "1", "app.kubernetes.io/name": "shop", "a": "2"}},
        "spec": {"replicas": 2, "ports": [{"number": 80}], "share": 0.5, "nothing": null, "flag": true,
            "huge": 18_446_744_073_709_551_615_u64},
    })
}

#[test]
fn every_function_does_what_its_name_says() {
    let language = Language::new().unwrap();
    let mut called = String::new();
    for text in TRUE {
        let compiled = language.compile(text, &["object"], &[]);
        let compiled = compiled.unwrap_or_else(|faults: Vec<Fault>| panic!("{text}: {faults:?}"));
        let mut context = language.context();
        context.add_variable_as_val("object", of_json(&object()));
        assert_eq!(compiled.holds(&context), Ok(true), "{text}");
        called += text;
    }
    let named: BTreeSet<&str> = FUNCTIONS.into_iter().chain(METHODS).collect();
    let untried: Vec<&&str> = named.iter().filter(|name| !called.contains(&format!("{name}("))).collect();
    assert!(untried.is_empty(), "{untried:?} are never called");
}

/// What an expression comes to that is not simply true.
#[track_caller]
fn fails(text: &str, expect: Inline) {
    let told = with_room(|| told(text));
    same(told, expect);
}

fn told(text: &str) -> String {
    let language = Language::new().unwrap();
    match language.compile(text, &["object", "params"], &["known"]) {
        Err(faults) => {
            let line = |Fault { message, help, at }: Fault| {
                let at = at.map_or_else(String::new, |(line, column)| format!("{line}:{column}: "));
                format!("{at}{message}{}\n", help.map_or_else(String::new, |help| format!(" [{help}]")))
            };
            faults.into_iter().map(line).collect()
        }
        Ok(compiled) => {
            let mut context = language.context();
            context.add_variable_as_val("object", of_json(&object()));
            context.add_variable_as_val("variables.known", of_json(&json!(7)));
            format!("{:?}\n", compiled.holds(&context))
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    fails(
        "",
        str![[r#"
1:1: the expression ends too early [docs/policies.md says what an expression can be]

"#]],
    );
    fails(
        "object.spec.replicas >",
        str![[r#"
1:23: the expression ends too early [docs/policies.md says what an expression can be]

"#]],
    );
    fails(
        "1 +\n  * 2",
        str![[r#"
2:3: `*` cannot stand here [docs/policies.md says what an expression can be]

"#]],
    );
    fails(
        "objekt.spec == 1 && variables.knwon == 2",
        str![[r#"
1:1: nothing is called `objekt` [did you mean `object`?]
1:30: there is no variable `knwon` here [did you mean `variables.known`?]

"#]],
    );
    fails(
        "[1].all(x, y > x)",
        str![[r#"
1:12: nothing is called `y` [there are object, params]

"#]],
    );
    fails(
        "object.spec.startWith('a')",
        str![[r#"
1:22: there is no function `startWith` [did you mean `startsWith`?]

"#]],
    );
    fails(
        "objekt.startsWith('a')",
        str![[r#"
1:18: nothing is called `objekt` [did you mean `object`?]

"#]],
    );
    fails(
        "duration('1h') > duration('1m')",
        str![[r#"
1:9: there is no function `duration` [the functions that policies have are listed in docs/policies.md]
1:26: there is no function `duration` [the functions that policies have are listed in docs/policies.md]

"#]],
    );
    fails(
        "url('http://a').getHost() == 'a'",
        str![[r#"
1:4: there is no function `url` [the functions that policies have are listed in docs/policies.md]
1:24: there is no function `getHost` [the functions that policies have are listed in docs/policies.md]

"#]],
    );
    fails(
        "authorizer.group('a').resource('b').check('c').allowed()",
        str![[r#"
1:17: there is no function `authorizer.group` [the functions that policies have are listed in docs/policies.md]
1:31: there is no function `resource` [the functions that policies have are listed in docs/policies.md]
1:42: there is no function `check` [the functions that policies have are listed in docs/policies.md]
1:55: there is no function `allowed` [the functions that policies have are listed in docs/policies.md]

"#]],
    );
    fails(
        "Point{x: 1} == 1",
        str![[r#"
1:6: there is no type `Point`

"#]],
    );
    fails(
        "has(object)",
        str![[r#"
1:5: invalid argument to has() macro [docs/policies.md says what an expression can be]

"#]],
    );
    fails(
        "variables.known == 7",
        str![[r#"
Ok(true)

"#]],
    );
    fails(
        "object.spec.missing > 1",
        str![[r#"
Err("there is no `missing`")

"#]],
    );
    fails(
        "object.spec.replicas",
        str![[r#"
Err("it is neither true nor false, but a number")

"#]],
    );
    fails(
        "object.spec + 1 == 2",
        str![[r#"
Err("a value is of a kind that does not fit")

"#]],
    );
    fails(
        "object.spec.ports[4].number == 1",
        str![[r#"
Err("an index lies outside of its list")

"#]],
    );
    fails(
        "1 / 0 == 1",
        str![[r#"
Err("it divides by zero")

"#]],
    );
    fails(
        "9223372036854775807 + 1 > 0",
        str![[r#"
Err("a number is too large")

"#]],
    );
    fails(
        "quantity('five').isInteger()",
        str![[r#"
Err("quantity: the text is no amount")

"#]],
    );
    fails(
        "'a'.matches('(')",
        str![[r#"
Err("matches: '(' not a valid regex")

"#]],
    );
    fails(
        "[1, 'a'].sum() == 1",
        str![[r#"
Err("sum: its items are not all numbers of one kind")

"#]],
    );
    fails(
        "[].max() == 1",
        str![[r#"
Err("max: the list is empty")

"#]],
    );
    fails(
        "{'a': 1, 'a': 2}.size() == 1",
        str![[r#"
Err("a map has a key twice")

"#]],
    );
    fails(
        "object.kind.replicas == 1",
        str![[r#"
Err("`.` cannot be applied to (string, string)")

"#]],
    );
    fails(
        &"(".repeat(200),
        str![[r#"
it is nested more than 48 deep [divide it: `variables` hold what several expressions need]

"#]],
    );
    fails(
        &format!("{}1{}", "(".repeat(60), ")".repeat(60)),
        str![[r#"
it is nested more than 48 deep [divide it: `variables` hold what several expressions need]

"#]],
    );
    fails(
        &format!("1{} == 1", "+1".repeat(2_490)),
        str![[r#"
Ok(false)

"#]],
    );
    fails(
        &format!("[1]{} == 1", "[0]".repeat(1_660)),
        str![[r#"
Err("`[]` cannot be applied to (int, int)")

"#]],
    );
    fails(
        &format!("{}true", "true?true:".repeat(40)),
        str![[r#"
Ok(true)

"#]],
    );
    fails(
        &format!("{}true", "true?true:".repeat(400)),
        str![[r#"
it is nested more than 48 deep [divide it: `variables` hold what several expressions need]

"#]],
    );
    fails(
        &format!("'{}' == ''", "a".repeat(5_001)),
        str![[r#"
the expression has 5009 bytes, and at most 5000 are read [divide it: `variables` hold what several expressions need]

"#]],
    );
}

proptest::proptest! {
    /// No text makes it panic, whether it can be read or not, and it is always told in the same words.
    #[test]
    fn any_text_is_read_or_refused(parts in proptest::collection::vec(proptest::sample::select(vec![
        "object", ".", "spec", "[", "]", "(", ")", "{", "}", "'", "\"", "1", "-", "+", "==", "&&", "||", "?", ":", ",",
        "all", "map", "x", " ", "has", "\\", "\u{e4}", "\n", "!", "size", "quantity", "r'", "0x", "1e", "u", "`", "@in",
    ]), 0..24)) {
        let text = parts.concat();
        let one = with_room(|| told(&text));
        proptest::prop_assert_eq!(one, with_room(|| told(&text)));
    }
}
