//! Backups of a store: when copies are made, how many are kept, and where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::component::Storage;
use super::duration::Duration;
use super::number::number_type;
use super::text::text_type;

text_type! {
    /// A moment that comes again and again, in UTC: minute, hour, day of the month, month and day of the week, as cron has
    /// them. Each is `*`, `*/n` for every n-th, or a list of numbers.
    CronSchedule, what: "schedule",
    expected: "minute, hour, day of the month, month and day of the week, each `*`, `*/n` or a list of numbers, such as \
               `30 2 * * 1,4`",
    pattern: r"^(\*(/[1-9][0-9]?)?|([1-5]?[0-9])(,[1-5]?[0-9])*) (\*(/[1-9][0-9]?)?|(1?[0-9]|2[0-3])(,(1?[0-9]|2[0-3]))*) (\*(/[1-9][0-9]?)?|([1-9]|[12][0-9]|3[01])(,([1-9]|[12][0-9]|3[01]))*) (\*(/[1-9][0-9]?)?|([1-9]|1[0-2])(,([1-9]|1[0-2]))*) (\*(/[1-9][0-9]?)?|[0-6](,[0-6])*)$",
    max: 200,
    valid: |text| {
        let bounds: [std::ops::RangeInclusive<u8>; 5] = [0..=59, 0..=23, 1..=31, 1..=12, 0..=6];
        let number = |text: &str| {
            let plain = !text.starts_with('0') || text == "0";
            text.parse::<u8>().ok().filter(|_| plain && text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let field = |text: &str, bounds: &std::ops::RangeInclusive<u8>| match text.strip_prefix("*/") {
            Some(step) => number(step).is_some_and(|step| (1..=99).contains(&step)),
            None => text == "*" || text.split(',').all(|one| number(one).is_some_and(|one| bounds.contains(&one))),
        };
        let fields: Vec<&str> = text.split(' ').collect();
        fields.len() == bounds.len() && fields.iter().zip(&bounds).all(|(text, bounds)| field(text, bounds))
    }
}

number_type! {
    /// How many copies of a store are kept.
    CopyCount: u32, what: "number of copies", min: 1, max: 1000
}

impl Default for CopyCount {
    /// Seven: a week of one each day.
    fn default() -> Self {
        Self(7)
    }
}

/// Copies of what a store holds, made again and again, on a volume of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// When a copy is made, in UTC.
    pub schedule: CronSchedule,
    /// How many copies are kept: the oldest go.
    #[serde(default)]
    pub keep: CopyCount,
    /// The volume for the copies.
    pub storage: Storage,
    /// How long making one, or restoring it, may take; an hour unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Duration>,
}

impl Backup {
    /// How long making a copy, or restoring it, may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or(Duration::from_secs(3600))
    }
}
