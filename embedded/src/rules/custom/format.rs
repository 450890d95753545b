//! The `format`s of text that the server checks. A format that is not known here passes, as unknown ones do there.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Is the text of the format?
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.contains(['T', 't']) && text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_network(text),
        "byte" => STANDARD.decode(text).is_ok(),
        "uuid" => {
            let digits = text.replace('-', "");
            digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "email" => text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
        "hostname" => is_host(text),
        _ => true,
    }
}

fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let longest = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    length.parse::<u8>().is_ok_and(|length| length <= longest)
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let whole = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        !label.is_empty() && label.len() <= 63 && whole && !label.starts_with('-') && !label.ends_with('-')
    };
    !text.is_empty() && text.len() <= 255 && text.trim_end_matches('.').split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[track_caller]
    fn check(format: &str, text: &str, expected: bool) {
        assert_eq!(fits(format, text), expected, "{format} {text}");
    }

    #[test]
    fn texts_of_a_format() {
        check("date-time", "2026-01-02T03:04:05Z", true);
        check("date-time", "2026-01-02", false);
        check("date", "2026-01-02", true);
        check("date", "2026-13-02", false);
        check("ipv4", "10.0.0.1", true);
        check("ipv4", "::1", false);
        check("ipv6", "::1", true);
        check("cidr", "10.0.0.0/8", true);
        check("cidr", "10.0.0.0/33", false);
        check("byte", "AAEC", true);
        check("byte", "?", false);
        check("uuid", "01234567-89ab-cdef-0123-456789abcdef", true);
        check("uuid", "0123", false);
        check("email", "a@b", true);
        check("hostname", "a.example", true);
        check("hostname", "-a.example", false);
        check("whatever", "x", true);
    }
}
