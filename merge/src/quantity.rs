//! Amounts such as `500m`, `1.5Gi` or `2e3`: reading them, adding them up, and writing them in the form that the server
//! keeps. One amount has one form in each of three ways of writing, so that `1000m` is stored as `1`, but `1024` and `1Ki`
//! stay two texts.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource`.

use std::fmt;

use serde_json::Value;

/// In which way an amount is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With the suffixes from `n` to `E`, or none.
    Decimal,
    /// With the suffixes from `Ki` to `Ei`.
    Binary,
    /// With a power of ten.
    Exponent,
}

const NANO: i128 = 1_000_000_000;
/// The server counts no further: what is more counts as this much.
const MOST: i128 = 9_223_372_036_854_775_807 * NANO;
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// An amount, to the billionth, and in which way it is written. Its text form is the one that the server stores.
///
/// ```
/// use structured_merge::quantity::Quantity;
/// assert_eq!(Quantity::parse("1000m")?.to_string(), "1");
/// assert_eq!(Quantity::parse("1.5Gi")?.to_string(), "1536Mi");
/// # Ok::<(), structured_merge::quantity::NoQuantity>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nano: i128,
    form: Form,
}

/// The text is no amount; in the words of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct NoQuantity;

impl Quantity {
    /// Reads the text form. What is finer than a billionth is rounded up, away from zero; what is more than the server
    /// can count (2^63 - 1) is that much.
    ///
    /// # Errors
    ///
    /// The text is none.
    pub fn parse(text: &str) -> Result<Quantity, NoQuantity> {
        read(text).map(|(quantity, _)| quantity).ok_or(NoQuantity)
    }

    /// A whole number.
    #[must_use]
    pub fn count(number: i128) -> Quantity {
        Quantity { nano: number.saturating_mul(NANO), form: Form::Decimal }
    }

    /// The sum, written as the first of the two that is not zero.
    ///
    /// ```
    /// use structured_merge::quantity::Quantity;
    /// let sum = Quantity::parse("1Gi")?.plus(Quantity::parse("1024M")?);
    /// assert_eq!(sum.to_string(), "2048576Ki");
    /// # Ok::<(), structured_merge::quantity::NoQuantity>(())
    /// ```
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        let form = if self.nano == 0 { other.form } else { self.form };
        Quantity { nano: self.nano.saturating_add(other.nano), form }
    }

    /// The difference, below zero where `other` is more, written as the first of the two that is not zero.
    ///
    /// ```
    /// use structured_merge::quantity::Quantity;
    /// let rest = Quantity::parse("1Gi")?.minus(Quantity::parse("1536Mi")?);
    /// assert_eq!(rest.to_string(), "-512Mi");
    /// # Ok::<(), structured_merge::quantity::NoQuantity>(())
    /// ```
    #[must_use]
    pub fn minus(self, other: Quantity) -> Quantity {
        self.plus(Quantity { nano: other.nano.saturating_neg(), form: other.form })
    }

    /// What is left when `other` is taken away; nothing where that is more.
    #[must_use]
    pub fn minus_or_zero(self, other: Quantity) -> Quantity {
        Quantity { nano: self.nano.saturating_sub(other.nano).max(0), form: self.form }
    }

    /// Is it a whole number?
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.nano % NANO == 0
    }

    /// Billionths.
    #[must_use]
    pub fn nano(self) -> i128 {
        self.nano
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nano.unsigned_abs();
        let sign = if self.nano < 0 { "-" } else { "" };
        // What binary suffixes cannot say exactly is written with decimal ones.
        if self.form == Form::Binary && self.is_whole() && magnitude >= 1024 * NANO.unsigned_abs() {
            let mut amount = magnitude / NANO.unsigned_abs();
            let mut suffix = "";
            for (name, _) in BINARY {
                if !amount.is_multiple_of(1024) {
                    break;
                }
                amount /= 1024;
                suffix = name;
            }
            return write!(f, "{sign}{amount}{suffix}");
        }
        if magnitude == 0 {
            return f.write_str("0");
        }
        let mut amount = magnitude;
        let mut exponent = -9;
        while amount.is_multiple_of(1000) && exponent < 18 {
            amount /= 1000;
            exponent += 3;
        }
        if self.form == Form::Exponent {
            return if exponent == 0 { write!(f, "{sign}{amount}") } else { write!(f, "{sign}{amount}e{exponent}") };
        }
        let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent).map_or("", |(name, _)| name);
        write!(f, "{sign}{amount}{suffix}")
    }
}

/// The text that the server stores for an amount. `None` where the value is no amount, or one that is too large or too
/// fine to be sure of here.
pub(crate) fn canonical(value: &Value) -> Option<String> {
    let (quantity, exact) = match value {
        Value::String(text) => read(text)?,
        Value::Number(number) => read(&number.to_string())?,
        _ => return None,
    };
    exact.then(|| quantity.to_string())
}

/// An amount, and whether it was neither rounded nor cut.
fn read(text: &str) -> Option<(Quantity, bool)> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (binary, decimal, form) = scale(suffix)?;
    let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let exponent = decimal + 9 - i32::try_from(fraction.len()).ok()?;
    let shifted = mantissa.checked_mul(1_i128.checked_shl(binary)?);
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    let (nano, exact) = match (shifted, power) {
        (Some(0), _) => (0, true),
        (Some(shifted), Some(power)) if exponent < 0 => {
            (shifted / power + i128::from(shifted % power != 0), shifted % power == 0)
        }
        (Some(_), None) if exponent < 0 => (1, false),
        (Some(shifted), Some(power)) => shifted.checked_mul(power).map_or((MOST, false), |nano| (nano, true)),
        _ => (MOST, false),
    };
    let (nano, exact) = (nano.min(MOST), exact && nano <= MOST);
    Some((Quantity { nano: if negative { -nano } else { nano }, form }, exact))
}

/// The powers of two and of ten that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32, Form)> {
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((*power, 0, Form::Binary));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((0, *power, Form::Decimal));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i8>().ok()?;
    Some((0, exponent.into(), Form::Exponent))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(written: Value, stored: &str) {
        assert_eq!(canonical(&written).as_deref(), Some(stored), "{written}");
        assert_eq!(canonical(&json!(stored)).as_deref(), Some(stored), "{stored} is in canonical form");
    }

    #[test]
    fn amounts_are_stored_in_canonical_form() {
        check(json!("1000m"), "1");
        check(json!(1), "1");
        check(json!(0.25), "250m");
        check(json!("0.5"), "500m");
        check(json!("1.5"), "1500m");
        check(json!("1000"), "1k");
        check(json!("1024"), "1024");
        check(json!("100000k"), "100M");
        check(json!("100u"), "100u");
        check(json!("+1"), "1");
        check(json!("1."), "1");
        check(json!("-1000m"), "-1");
        check(json!("0.00"), "0");
        check(json!("1E"), "1E");
        check(json!("1000P"), "1E");
    }

    #[test]
    fn binary_amounts_stay_binary_while_they_are_whole() {
        check(json!("1024Mi"), "1Gi");
        check(json!("1.5Gi"), "1536Mi");
        check(json!("1000Ki"), "1000Ki");
        check(json!("0.5Ki"), "512");
        check(json!("0Gi"), "0");
        check(json!("0.1Gi"), "107374182400m");
        check(json!("2048Ki"), "2Mi");
    }

    #[test]
    fn powers_of_ten_stay_powers_of_ten() {
        check(json!("2e3"), "2e3");
        check(json!("2000e0"), "2e3");
        check(json!("20E2"), "2e3");
        check(json!("5e-1"), "500e-3");
        check(json!("1e0"), "1");
    }

    #[test]
    fn what_is_no_amount_has_no_form() {
        for text in ["", "Gi", "1 Gi", " 1", "1X", "1.2.3", "1e", "1Kii", "--1", "abc"] {
            assert_eq!(canonical(&json!(text)), None, "{text}");
            assert_eq!(Quantity::parse(text), Err(NoQuantity), "{text}");
        }
        assert_eq!(canonical(&json!(true)), None);
    }

    #[test]
    fn what_is_too_fine_or_too_much_is_rounded_and_not_sure() {
        for (text, rounded) in
            [("0.1n", "1n"), ("1e-20", "1e-9"), ("1e30", "9223372036854775807"), ("-99999E", "-9223372036854775807")]
        {
            assert_eq!(canonical(&json!(text)), None, "{text}");
            assert_eq!(Quantity::parse(text).unwrap().to_string(), rounded, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_canonical_form_reads_back_as_the_same_amount(mantissa in -1_000_000_i64..1_000_000, suffix in 0_usize..16) {
            let suffixes = ["n", "u", "m", "", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "e3", "e6", "E", "P"];
            let quantity = Quantity::parse(&format!("{mantissa}{}", suffixes[suffix])).unwrap();
            let again = Quantity::parse(&quantity.to_string()).unwrap();
            proptest::prop_assert_eq!(quantity.nano(), again.nano());
            proptest::prop_assert_eq!(quantity.to_string(), again.to_string());
        }
    }
}
