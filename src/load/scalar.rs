//! What a scalar means in YAML 1.2, and where readers of YAML 1.1 would disagree.
//!
//! The core schema of YAML 1.2 (section 10.3) decides. Forms that YAML 1.1 reads otherwise, and forms of numbers
//! that people misread, are told apart so that nobody has to know which reader a file will meet.

use super::tree::Scalar;

/// What a scalar means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// Nothing: `null`, `~` or an empty value.
    Nothing,
    /// True or false.
    Bool(bool),
    /// A whole number in plain decimal.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text.
    Text,
    /// Something that readers of YAML disagree about, or that people misread.
    Ambiguous(Ambiguity),
}

/// What a form could mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ambiguity {
    /// `yes`, `no`, `on`, `off`, `y`, `n`: text in YAML 1.2, true or false in YAML 1.1.
    Bool(bool),
    /// A number that is not in plain decimal, with its value where there is one that all agree on.
    Number { form: &'static str, value: Option<i128> },
}

impl Ambiguity {
    /// Why it is ambiguous, to follow "which".
    pub(super) fn why(&self) -> String {
        match self {
            Self::Bool(value) => format!("is text in YAML 1.2 and {value} in YAML 1.1"),
            Self::Number { form, .. } => format!("reads as {form}"),
        }
    }
}

/// What a scalar means.
pub(super) fn meaning(scalar: &Scalar) -> Meaning {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Meaning::Text;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Nothing,
        "true" | "True" | "TRUE" => return Meaning::Bool(true),
        "false" | "False" | "FALSE" => return Meaning::Bool(false),
        _ => {}
    }
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" => return Meaning::Ambiguous(Ambiguity::Bool(true)),
        "no" | "off" | "n" => return Meaning::Ambiguous(Ambiguity::Bool(false)),
        _ => {}
    }
    number(text)
}

fn number(text: &str) -> Meaning {
    let ambiguous = |form, value| Meaning::Ambiguous(Ambiguity::Number { form, value });
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Meaning::Text;
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let radix = |digits: &str, radix| i128::from_str_radix(&digits.replace('_', ""), radix).ok().map(|n| sign * n);
    let all = |s: &str, allowed: fn(char) -> bool| !s.is_empty() && s.chars().all(|c| allowed(c) || c == '_');
    for (prefix, base, form) in
        [("0o", 8, "an octal number"), ("0x", 16, "a hexadecimal number"), ("0b", 2, "a binary number")]
    {
        if let Some(digits) = unsigned.strip_prefix(prefix)
            && all(digits, |c| c.is_ascii_hexdigit())
            && let Some(value) = radix(digits, base)
        {
            return ambiguous(form, Some(value));
        }
    }
    if all(unsigned, |c| c.is_ascii_digit()) {
        let decimal = radix(unsigned, 10);
        return if unsigned.contains('_') {
            ambiguous("a number with underscores in YAML 1.1 and as text in YAML 1.2", decimal)
        } else if unsigned.len() > 1 && unsigned.starts_with('0') {
            ambiguous("a decimal number in YAML 1.2 and an octal one in YAML 1.1", None)
        } else if text.starts_with('+') {
            ambiguous("a number without its sign", decimal)
        } else {
            decimal.map_or(Meaning::Text, Meaning::Integer)
        };
    }
    let clock = |part: &str| !part.is_empty() && part.len() <= 2 && part.chars().all(|c| c.is_ascii_digit());
    if let Some((first, rest)) = unsigned.split_once(':')
        && all(first, |c| c.is_ascii_digit())
        && rest.split(':').all(clock)
    {
        return ambiguous("a number to the base 60 in YAML 1.1 and as text in YAML 1.2", None);
    }
    let float = unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && unsigned.contains(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(value) if float && value.is_finite() => Meaning::Float(value),
        _ if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") => {
            ambiguous("a number that is infinite or none", None)
        }
        _ => Meaning::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(plain: &str, expect: Meaning) {
        assert_eq!(meaning(&Scalar { text: plain.to_owned(), plain: true }), expect, "{plain}");
        assert_eq!(meaning(&Scalar { text: plain.to_owned(), plain: false }), Meaning::Text, "quoted {plain}");
    }

    #[track_caller]
    fn check_number(plain: &str, value: Option<i128>) {
        match meaning(&Scalar { text: plain.to_owned(), plain: true }) {
            Meaning::Ambiguous(Ambiguity::Number { value: found, .. }) => assert_eq!(found, value, "{plain}"),
            other => panic!("{plain} is {other:?}"),
        }
    }

    #[test]
    fn the_core_schema_decides() {
        for nothing in ["", "~", "null"] {
            check(nothing, Meaning::Nothing);
        }
        check("true", Meaning::Bool(true));
        check("False", Meaning::Bool(false));
        check("0", Meaning::Integer(0));
        check("-12", Meaning::Integer(-12));
        check("9000", Meaning::Integer(9000));
        check("1.5", Meaning::Float(1.5));
        check("1e3", Meaning::Float(1000.0));
        for text in
            ["a", "9000-9019", "1s", "1.2.3", "v1.10", "10.0.0.0/8", "-", "+", ".", "..", "a:1", "1:2x", "2Gi", "e5"]
        {
            check(text, Meaning::Text);
        }
    }

    #[test]
    fn what_readers_disagree_about_is_told_apart() {
        check("yes", Meaning::Ambiguous(Ambiguity::Bool(true)));
        check("ON", Meaning::Ambiguous(Ambiguity::Bool(true)));
        check("n", Meaning::Ambiguous(Ambiguity::Bool(false)));
        check_number("0o10", Some(8));
        check_number("0x1F", Some(31));
        check_number("-0b11", Some(-3));
        check_number("010", None);
        check_number("1_000", Some(1000));
        check_number("+100", Some(100));
        check_number("1:20", None);
        check_number("1:20:30", None);
        check_number(".inf", None);
    }
}
