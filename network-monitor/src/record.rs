//! What services answered, round by round.

use std::time::{Duration, SystemTime};

use crate::check::Failure;
use crate::settings::Settings;

/// What is known of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What it is called.
    pub name: String,
    /// What is asked.
    pub url: String,
    /// What the last check gave: the time it took, or why the service is not well. Nothing before the first.
    pub last: Option<Result<Duration, Failure>>,
    /// Since when it has been well, or not.
    pub since: Option<SystemTime>,
    /// How many checks there were.
    pub checks: u64,
    /// How many of them failed.
    pub failures: u64,
}

/// What is known of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// In the order of the settings.
    pub services: Vec<Known>,
    /// When it was begun.
    pub begun: SystemTime,
    /// When the last round ended.
    pub last_round: Option<SystemTime>,
    /// How many rounds there were.
    pub rounds: u64,
    /// How long nothing may be heard of a round before it counts as stuck.
    pub patience: Duration,
}

impl Record {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: &Settings, begun: SystemTime) -> Self {
        let known = settings.targets.iter().map(|target| Known {
            name: target.name.clone(),
            url: target.url(),
            last: None,
            since: None,
            checks: 0,
            failures: 0,
        });
        let patience = settings.interval() * 3 + settings.timeout();
        Self { services: known.collect(), begun, last_round: None, rounds: 0, patience }
    }

    /// Notes a round that ended `at` a time; `outcomes` are in the order of the services.
    pub fn note(&mut self, at: SystemTime, outcomes: Vec<Result<Duration, Failure>>) {
        for (known, outcome) in self.services.iter_mut().zip(outcomes) {
            let was = known.last.as_ref().map(Result::is_ok);
            if was != Some(outcome.is_ok()) {
                known.since = Some(at);
            }
            known.checks += 1;
            known.failures += u64::from(outcome.is_err());
            known.last = Some(outcome);
        }
        self.last_round = Some(at);
        self.rounds += 1;
    }

    /// Whether rounds follow each other as they should, at the time `now`. That services are not well is no matter here.
    #[must_use]
    pub fn goes_on(&self, now: SystemTime) -> bool {
        let last = self.last_round.unwrap_or(self.begun);
        // A clock that was set back proves nothing.
        now.duration_since(last).is_ok_and(|silence| silence <= self.patience) || now < last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_service_is_well_or_not_since_it_changed() {
        let text = r#"{"interval_ms": 1000, "timeout_ms": 500, "targets": [{"name": "a", "host": "h", "port": 1}]}"#;
        let mut record = Record::new(&Settings::parse(text).unwrap(), at(0));
        let outcomes = [Ok(Duration::ZERO), Ok(Duration::ZERO), Err(Failure::Status(500)), Err(Failure::Late(500))];
        let mut seen = Vec::new();
        for (seconds, outcome) in (1..).zip(outcomes) {
            record.note(at(seconds), vec![outcome]);
            let known = &record.services[0];
            seen.push((known.since.unwrap(), known.checks, known.failures));
        }
        assert_eq!(seen, [(at(1), 1, 0), (at(1), 2, 0), (at(3), 3, 1), (at(3), 4, 2)]);
        assert_eq!((record.rounds, record.last_round), (4, Some(at(4))));
    }

    #[test]
    fn rounds_that_stop_are_noticed() {
        let settings = Settings::parse(r#"{"interval_ms": 1000, "timeout_ms": 500, "targets": []}"#).unwrap();
        let mut record = Record::new(&settings, at(10));
        let later = |milliseconds| at(10) + Duration::from_millis(milliseconds);
        assert!(record.goes_on(later(3500)) && !record.goes_on(later(3501)));
        assert!(record.goes_on(at(5)));
        record.note(at(13), Vec::new());
        assert!(record.goes_on(at(16)) && !record.goes_on(at(17)));
    }
}
