//! Quantities such as `500m` and `1Gi`: reading them, adding them up, and writing them in the canonical form the server
//! keeps. Source: `k8s.io/apimachinery/pkg/api/resource`.

use std::fmt;

/// An amount in billionths, and how it is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantity {
    nano: i128,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Decimal,
    Binary,
    Exponent,
}

const NANO: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub(crate) struct NoQuantity;

impl Quantity {
    /// Reads the text form. What is finer than a billionth is rounded up, away from zero.
    pub(crate) fn parse(text: &str) -> Result<Quantity, NoQuantity> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(NoQuantity);
        }
        let mantissa: i128 = format!("0{whole}{fraction}").parse().map_err(|_| NoQuantity)?;
        let mut scale = 9 - i32::try_from(fraction.len()).map_err(|_| NoQuantity)?;
        let mut factor = 1_i128;
        let form = if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            factor = 1024_i128.pow(*power);
            Form::Binary
        } else if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            scale += exponent;
            Form::Decimal
        } else {
            let exponent = suffix.strip_prefix(['e', 'E']).ok_or(NoQuantity)?;
            scale += exponent.parse::<i32>().map_err(|_| NoQuantity)?;
            Form::Exponent
        };
        let scaled = mantissa.checked_mul(factor).ok_or(NoQuantity)?;
        let nano = if scale >= 0 {
            let power = 10_i128.checked_pow(scale.unsigned_abs()).ok_or(NoQuantity)?;
            scaled.checked_mul(power).ok_or(NoQuantity)?
        } else {
            match 10_i128.checked_pow(scale.unsigned_abs()) {
                Some(power) => scaled / power + i128::from(scaled % power != 0),
                None => i128::from(scaled != 0),
            }
        };
        Ok(Quantity { nano: if negative { -nano } else { nano }, form })
    }

    /// A whole number.
    pub(crate) fn count(number: i128) -> Quantity {
        Quantity { nano: number.saturating_mul(NANO), form: Form::Decimal }
    }

    /// The sum, written as the first of the two that is not zero.
    pub(crate) fn plus(self, other: Quantity) -> Quantity {
        let form = if self.nano == 0 { other.form } else { self.form };
        Quantity { nano: self.nano.saturating_add(other.nano), form }
    }

    /// What is left when `other` is taken away; nothing where that is more.
    pub(crate) fn minus_or_zero(self, other: Quantity) -> Quantity {
        Quantity { nano: self.nano.saturating_sub(other.nano).max(0), form: self.form }
    }

    /// Is it a whole number?
    pub(crate) fn is_whole(self) -> bool {
        self.nano % NANO == 0
    }

    /// Billionths.
    pub(crate) fn nano(self) -> i128 {
        self.nano
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nano.unsigned_abs();
        let sign = if self.nano < 0 { "-" } else { "" };
        let nano = NANO.unsigned_abs();
        if self.form == Form::Binary && (magnitude >= 1024 * nano) {
            let mut amount = magnitude.div_ceil(nano);
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
        let suffix = DECIMAL.iter().find(|(_, e)| *e == exponent).map_or("", |(name, _)| name);
        write!(f, "{sign}{amount}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn check(text: &str, canonical: &str) {
        assert_eq!(Quantity::parse(text).map(|q| q.to_string()), Ok(canonical.to_owned()), "{text}");
    }

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("0.5", "500m"),
            ("1", "1"),
            ("1000", "1k"),
            ("1500m", "1500m"),
            ("2000m", "2"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("100Mi", "100Mi"),
            ("0.1Mi", "104858"),
            ("1023Ki", "1023Ki"),
            ("512", "512"),
            ("0.5Ki", "512"),
            ("0", "0"),
            ("0Gi", "0"),
            ("-1.5", "-1500m"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("1E", "1E"),
            ("0.0000000001", "1n"),
            ("100u", "100u"),
        ] {
            check(text, canonical);
        }
        for text in ["", "abc", "1.2.3", "1Kb", "--1", "1 Gi"] {
            assert_eq!(Quantity::parse(text), Err(NoQuantity), "{text}");
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
