//! Cron schedules: `minute hour day-of-month month day-of-week`, names, steps, ranges, and the usual macros. Time zones
//! are those that the build knows: without a time zone database that is UTC alone.
//!
//! Source: `github.com/robfig/cron/v3`, which the real controller uses.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// When something is to happen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Was the day of the month, or of the week, left open? Then the other decides alone.
    any_day: (bool, bool),
    zone: TimeZone,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads a schedule; none where it is none, or the zone is not known. No zone means UTC.
    pub(super) fn parse(text: &str, zone: Option<&str>) -> Option<Schedule> {
        let zone = match zone {
            None | Some("UTC" | "Etc/UTC" | "GMT") => TimeZone::UTC,
            Some(name) => TimeZone::get(name).ok()?,
        };
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else { return None };
        let weekday = field(weekdays, 0, 7, &WEEKDAYS, 0)?;
        let open = |text: &str| text.starts_with('*') || text.starts_with('?');
        Some(Schedule {
            minutes: field(minutes, 0, 59, &[], 0)?,
            hours: field(hours, 0, 23, &[], 0)?,
            days: field(days, 1, 31, &[], 0)?,
            months: field(months, 1, 12, &MONTHS, 1)?,
            // Seven is another name for Sunday.
            weekdays: (weekday | (weekday >> 7)) & 0x7f,
            any_day: (open(days), open(weekdays)),
            zone,
        })
    }

    /// The first moment after `after`; none within five years.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = after.to_zoned(self.zone.clone());
        let mut day = start.date();
        let last = day.checked_add(5.years()).ok()?;
        while day <= last {
            if self.takes_day(day) {
                for hour in (0..24_i8).filter(|hour| self.hours & (1 << hour) != 0) {
                    for minute in (0..60_i8).filter(|minute| self.minutes & (1 << minute) != 0) {
                        let civil = day.at(hour, minute, 0, 0);
                        let at = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?;
                        let kept = at.to_zoned(self.zone.clone()).datetime() == civil;
                        if at > after && kept {
                            return Some(at);
                        }
                    }
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn takes_day(&self, day: jiff::civil::Date) -> bool {
        let bit = |set: u64, at: i8| set & (1 << at) != 0;
        let of_month = bit(self.days, day.day());
        let of_week = bit(self.weekdays, day.weekday().since(Weekday::Sunday));
        let taken = match self.any_day {
            (false, false) => of_month || of_week,
            _ => of_month && of_week,
        };
        taken && bit(self.months, day.month())
    }
}

/// One field as a set of bits: `*`, `a`, `a-b`, `*/n`, `a-b/n`, and lists of them.
fn field(text: &str, least: u32, most: u32, names: &[&str], first: u32) -> Option<u64> {
    let number = |text: &str| -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == lower);
        match named {
            Some(at) => Some(u32::try_from(at).ok()? + first),
            None => text.parse().ok(),
        }
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (one, None) => {
                let one = number(one)?;
                (one, if step.is_some() { most } else { one })
            }
        };
        if from < least || to > most || from > to {
            return None;
        }
        for at in (from..=to).step_by(usize::try_from(step.unwrap_or(1)).ok()?) {
            bits |= 1_u64 << at;
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn check(schedule: &str, zone: Option<&str>, after: &str, expected: Option<&str>) {
        let parsed = Schedule::parse(schedule, zone).unwrap();
        let next = parsed.next(after.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(next.as_deref(), expected, "{schedule} after {after}");
    }

    #[test]
    fn the_next_moment() {
        let friday = "2026-01-02T10:17:30Z";
        check("* * * * *", None, friday, Some("2026-01-02T10:18:00Z"));
        check("*/15 * * * *", None, friday, Some("2026-01-02T10:30:00Z"));
        check("5/20 * * * *", None, friday, Some("2026-01-02T10:25:00Z"));
        check("0 9-17/4 * * *", None, friday, Some("2026-01-02T13:00:00Z"));
        check("30 3 * * mon-fri", None, friday, Some("2026-01-05T03:30:00Z"));
        check("0 0 * * 7", None, friday, Some("2026-01-04T00:00:00Z"));
        check("0 0 13 * fri", None, friday, Some("2026-01-09T00:00:00Z"));
        check("0 0 13 * *", None, friday, Some("2026-01-13T00:00:00Z"));
        check("0 0 31 feb *", None, friday, None);
        check("0 0 29 2 *", None, friday, Some("2028-02-29T00:00:00Z"));
        check("@hourly", None, friday, Some("2026-01-02T11:00:00Z"));
        check("@weekly", None, friday, Some("2026-01-04T00:00:00Z"));
        check("0 12 * * *", Some("UTC"), friday, Some("2026-01-02T12:00:00Z"));
    }

    #[test]
    fn what_is_no_schedule() {
        for text in ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "x * * * *"] {
            assert_eq!(Schedule::parse(text, None), None, "{text}");
        }
        assert_eq!(Schedule::parse("* * * * *", Some("No/Where")), None);
    }
}
