//! How long ago something was, in the short form that people read.

use jiff::Timestamp;
use serde_json::Value;

use crate::object;

/// A length of time in two or three digits that count: `5s`, `3m20s`, `4h`, `12d`.
///
/// Source: `HumanDuration` of `k8s.io/apimachinery/pkg/util/duration`.
pub(super) fn duration(from: Timestamp, until: Timestamp) -> String {
    let seconds = until.duration_since(from).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, name: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{name}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// The time since the moment in a field; `<unknown>` where there is none.
pub(super) fn since(value: &Value, pointer: &str, now: Timestamp) -> String {
    object::time(value, pointer).map_or_else(|| "<unknown>".to_owned(), |from| duration(from, now))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[track_caller]
    fn check(seconds: i64, expected: &str) {
        let from = Timestamp::UNIX_EPOCH;
        let until = from.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(from);
        assert_eq!(duration(from, until), expected);
    }

    #[test]
    fn durations_are_short() {
        check(-5, "<invalid>");
        check(-1, "0s");
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(200, "3m20s");
        check(3600, "60m");
        check(10_800, "3h");
        check(12_000, "3h20m");
        check(40_000, "11h");
        check(180_000, "2d2h");
        check(86_400 * 8, "8d");
        check(86_400 * 800, "2y70d");
        check(86_400 * 3000, "8y");
    }
}
