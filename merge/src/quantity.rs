//! Amounts such as `500m`, `1.5Gi` or `2e3`, as far as telling whether two of them are the same.

use serde_json::Value;

/// An amount in billionths; the server keeps nothing smaller. `None` where the value is no amount, or too large or too
/// fine to be compared here.
pub(crate) fn billionths(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => parse(text.trim()),
        Value::Number(number) => parse(&number.to_string()),
        _ => None,
    }
}

fn parse(text: &str) -> Option<i128> {
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
    let (binary, decimal) = scale(suffix)?;
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
    Some(if negative { -amount } else { amount })
}

/// The powers of two and of ten that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        other => (0, other.strip_prefix(['e', 'E'])?.parse::<i8>().ok()?.into()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(left: Value, right: Value, same: bool) {
        let (l, r) = (billionths(&left), billionths(&right));
        assert!(l.is_some() && r.is_some(), "{left} is {l:?}, {right} is {r:?}");
        assert_eq!(l == r, same, "{left} against {right}");
    }

    #[test]
    fn one_amount_in_several_forms() {
        check(json!("1000m"), json!("1"), true);
        check(json!(1), json!("1"), true);
        check(json!("0.5"), json!("500m"), true);
        check(json!("1024Mi"), json!("1Gi"), true);
        check(json!("1.5Gi"), json!("1536Mi"), true);
        check(json!("2e3"), json!("2k"), true);
        check(json!("1E"), json!("1000P"), true);
        check(json!("-1"), json!("-1000m"), true);
        check(json!("+1"), json!("1."), true);
        check(json!("1G"), json!("1Gi"), false);
        check(json!("100m"), json!("100"), false);
    }

    #[test]
    fn what_is_no_amount_is_not_compared() {
        for text in ["", "Gi", "1 Gi", "1X", "1.2.3", "1e", "1Kii", "0.1n", "99999999999999999999999999999999E"] {
            assert_eq!(billionths(&json!(text)), None, "{text}");
        }
        assert_eq!(billionths(&json!(true)), None);
    }
}
