//! What a terminal shows of a run while it goes on: a heading, what is in flight, and what each wait is waiting for. Knows no
//! terminal and no clock: times are told to it, counted from the beginning of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use strata_components::desired::ResourceId;

use crate::apply::Event;
use crate::plan::Order;
use crate::report::phase_title;

/// Waits that are shown at once; the rest is a number.
const SHOWN: usize = 6;
/// Steps in flight that are named.
const NAMED: usize = 2;

/// What is shown now.
#[derive(Debug, Default)]
pub(super) struct Scene {
    title: String,
    deletes: bool,
    changes: usize,
    acknowledged: usize,
    wanted: usize,
    ready: usize,
    failed: usize,
    in_flight: BTreeSet<ResourceId>,
    missing: BTreeMap<ResourceId, (String, Duration)>,
}

/// A row that changes, below the heading.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What it says.
    pub(super) text: String,
    /// When that began; absent where it does not matter.
    pub(super) since: Option<Duration>,
}

impl Scene {
    /// Takes note of an event; what is over is a line that stays.
    pub(super) fn hear(&mut self, event: &Event, now: Duration) -> Option<String> {
        match event {
            Event::PhaseStarted { number, name, changes, waits, order } => {
                let (title, deletes) = (format!("phase {}", phase_title(*number, name)), *order == Order::Delete);
                *self = Self { title, deletes, changes: *changes, wanted: *waits, ..Self::default() };
            }
            Event::Started { id, .. } => {
                self.in_flight.insert(id.clone());
            }
            Event::Acknowledged { id, .. } => {
                self.in_flight.remove(id);
                self.acknowledged += 1;
            }
            Event::Waiting { id, missing } => {
                let since = self.missing.get(id).map_or(now, |(_, since)| *since);
                self.missing.insert(id.clone(), (missing.clone(), since));
            }
            Event::Ready { id, .. } => {
                self.missing.remove(id);
                self.ready += 1;
            }
            Event::Failed { id, .. } => {
                self.in_flight.remove(id);
                self.missing.remove(id);
                self.failed += 1;
            }
            Event::PhaseEnded { after, .. } => {
                self.in_flight.clear();
                self.missing.clear();
                return Some(format!("{}, in {:.1} s", self.heading(), after.as_secs_f64()));
            }
            Event::Lock(_) | Event::Interrupted | Event::Recorded { .. } | Event::RecordLeftOpen { .. } => {}
        }
        None
    }

    /// The phase, and how far it is.
    pub(super) fn heading(&self) -> String {
        if self.title.is_empty() {
            return "starting".to_owned();
        }
        let Self { title, deletes, changes, acknowledged, wanted, ready, failed, .. } = self;
        let (done, over) = if *deletes { ("deleted", "gone") } else { ("applied", "ready") };
        let mut parts = Vec::new();
        parts.extend((*changes > 0).then(|| format!("{acknowledged} of {changes} {done}")));
        parts.extend((*wanted > 0).then(|| format!("{ready} of {wanted} {over}")));
        parts.extend((*failed > 0).then(|| format!("{failed} failed")));
        if parts.is_empty() { title.clone() } else { format!("{title}: {}", parts.join(", ")) }
    }

    /// The rows below the heading.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        if !self.in_flight.is_empty() {
            let named: Vec<String> = self.in_flight.iter().take(NAMED).map(ToString::to_string).collect();
            let more = self.in_flight.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            rows.push(Row { text: format!("in flight: {}{more}", named.join(", ")), since: None });
        }
        let waits = self
            .missing
            .iter()
            .take(SHOWN)
            .map(|(id, (missing, since))| Row { text: format!("waiting for {id}: {missing}"), since: Some(*since) });
        rows.extend(waits);
        if self.missing.len() > SHOWN {
            rows.push(Row { text: format!("and {} more", self.missing.len() - SHOWN), since: None });
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use strata_components::desired::{KUBERNETES, Kind};

    use super::*;
    use crate::plan::Action;

    fn id(name: &str) -> ResourceId {
        let kind = Kind { group: String::new(), version: "v1".to_owned(), kind: "Service".to_owned() };
        let (provider, target) = (KUBERNETES.to_owned(), "local".to_owned());
        ResourceId { provider, target, kind, namespace: None, name: name.to_owned() }
    }

    fn begun(changes: usize, waits: usize) -> Event {
        Event::PhaseStarted { order: Order::Apply, number: 1, name: "core-ai".to_owned(), changes, waits }
    }

    fn started(name: &str) -> Event {
        Event::Started { action: Action::Create, id: id(name) }
    }

    fn applied(name: &str) -> Event {
        Event::Acknowledged { action: Action::Create, id: id(name), warnings: Vec::new() }
    }

    fn waiting(name: &str, missing: &str) -> Event {
        Event::Waiting { id: id(name), missing: missing.to_owned() }
    }

    /// What is shown after these events, the first at no time and each a second after the one before; lines that stay first.
    #[track_caller]
    fn check(events: &[Event], expect: &[&str]) {
        let mut scene = Scene::default();
        let mut shown: Vec<String> = Vec::new();
        for (second, event) in (0..).zip(events) {
            shown.extend(scene.hear(event, Duration::from_secs(second)));
        }
        shown.push(scene.heading());
        shown.extend(scene.rows().into_iter().map(|Row { text, since }| match since {
            Some(since) => format!("{text} (since {} s)", since.as_secs()),
            None => text,
        }));
        assert_eq!(shown, expect);
    }

    #[test]
    fn what_is_in_flight_and_what_is_waited_for_is_shown() {
        check(&[], &["starting"]);
        check(
            &[
                begun(3, 2),
                started("a"),
                started("b"),
                started("c"),
                applied("a"),
                waiting("a", "0/2"),
                waiting("a", "1/2"),
            ],
            &[
                "phase 1 core-ai: 1 of 3 applied, 0 of 2 ready",
                "in flight: Service b, Service c",
                "waiting for Service a: 1/2 (since 5 s)",
            ],
        );
        let many = ["a", "b", "c", "d"].map(started);
        check(&many, &["starting", "in flight: Service a, Service b and 2 more"]);
        let waits: Vec<Event> = "abcdefgh".chars().map(|name| waiting(&name.to_string(), "x")).collect();
        let mut scene = Scene::default();
        waits.iter().for_each(|wait| drop(scene.hear(wait, Duration::ZERO)));
        let rows = scene.rows();
        assert_eq!((rows.len(), rows.last().map(|row| row.text.as_str())), (7, Some("and 2 more")));
    }

    #[test]
    fn a_phase_that_is_over_stays_as_a_line() {
        let ready = Event::Ready { id: id("a"), after: Duration::from_secs(1) };
        let failed = Event::Failed { id: id("b"), reason: "no".to_owned(), details: Vec::new() };
        let over = Event::PhaseEnded { number: 1, name: "core-ai".to_owned(), after: Duration::from_millis(2340) };
        check(
            &[begun(2, 2), started("a"), applied("a"), started("b"), failed, waiting("a", "x"), ready, over],
            &[
                "phase 1 core-ai: 1 of 2 applied, 1 of 2 ready, 1 failed, in 2.3 s",
                "phase 1 core-ai: 1 of 2 applied, 1 of 2 ready, 1 failed",
            ],
        );
    }
}
