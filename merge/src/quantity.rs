//! Amounts such as `500m`, `1.5Gi` or `2e3`, as the server writes them: the canonical form of
//! k8s.io/apimachinery/pkg/api/resource. One amount has one form in each of three ways of writing, so that `1000m` is
//! stored as `1`, but `1024` and `1Ki` stay two texts.

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

const BILLION: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// The text that the server stores for an amount. `None` where the value is no amount, or one that is too large or too
/// fine to be sure of here.
pub(crate) fn canonical(value: &Value) -> Option<String> {
    let (billionths, form) = match value {
        Value::String(text) => parse(text.trim())?,
        Value::Number(number) => parse(&number.to_string())?,
        _ => return None,
    };
    let whole = billionths % BILLION == 0 && billionths.abs() >= 1024 * BILLION;
    if form == Form::Binary && whole {
        let (mut amount, mut step) = (billionths / BILLION, 0_usize);
        while amount % 1024 == 0 {
            amount /= 1024;
            step += 1;
        }
        let suffix = match step {
            0 => "",
            step => BINARY.get(step - 1)?.0,
        };
        return Some(format!("{amount}{suffix}"));
    }
    if billionths == 0 {
        return Some("0".to_owned());
    }
    let (mut amount, mut exponent) = (billionths, -9);
    while amount % 10 == 0 {
        amount /= 10;
        exponent += 1;
    }
    while exponent % 3 != 0 {
        amount *= 10;
        exponent -= 1;
    }
    match form {
        Form::Exponent if exponent == 0 => Some(amount.to_string()),
        Form::Exponent => Some(format!("{amount}e{exponent}")),
        Form::Decimal | Form::Binary => {
            DECIMAL.iter().find(|(_, power)| *power == exponent).map(|(suffix, _)| format!("{amount}{suffix}"))
        }
    }
}

/// An amount in billionths, and how it is written; the server keeps nothing smaller.
fn parse(text: &str) -> Option<(i128, Form)> {
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
    let shifted = mantissa.checked_mul(1_i128.checked_shl(binary)?)?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let amount = if exponent >= 0 {
        shifted.checked_mul(power)?
    } else if shifted % power == 0 {
        shifted / power
    } else {
        return None;
    };
    Some((if negative { -amount } else { amount }, form))
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
        for text in ["", "Gi", "1 Gi", "1X", "1.2.3", "1e", "1Kii", "0.1n", "99999999999999999999999999999999E", "1e30"]
        {
            assert_eq!(canonical(&json!(text)).filter(|stored| !stored.contains('e')), None, "{text}");
        }
        assert_eq!(canonical(&json!(true)), None);
    }
}
