//! Progress on standard error: calm and live on a terminal, one line an event elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use strata_components::desired::ResourceId;

use super::Ui;
use crate::apply::Event;
use crate::plan::{Action, Order};
use crate::provider::LockNotice;
use crate::report::clean::clean;
use crate::report::phase_title;
use crate::secrets::Known;

/// Waits that are shown at once on a terminal; the rest is a number.
const SHOWN: usize = 6;

/// Where events of an apply go.
pub(super) struct Progress {
    began: Instant,
    form: Form,
    known: Known,
}

enum Form {
    Silent,
    Lines,
    Live(Box<Mutex<Live>>),
}

struct Live {
    bars: MultiProgress,
    phase: ProgressBar,
    waits: ProgressBar,
    title: String,
    changes: usize,
    acknowledged: usize,
    ready: usize,
    wanted: usize,
    missing: BTreeMap<ResourceId, (String, Instant)>,
    known: Known,
}

impl Progress {
    pub(super) fn new(ui: &Ui) -> Self {
        let form = if ui.is_quiet() {
            Form::Silent
        } else if ui.is_live() {
            Form::Live(Box::new(Mutex::new(Live::new(ui.known().clone()))))
        } else {
            Form::Lines
        };
        Self { began: Instant::now(), form, known: ui.known().clone() }
    }

    /// The same, shown anew after something else was.
    pub(super) fn anew(&self, ui: &Ui) -> Self {
        Self { began: self.began, ..Self::new(ui) }
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Shows an event.
    pub(super) fn hear(&self, event: &Event) {
        match &self.form {
            // What went wrong behind a run that went well is told however little is wanted.
            Form::Silent => {
                if let (Event::RecordLeftOpen { .. }, Some(text)) = (event, line(event)) {
                    anstream::eprintln!("{}", self.known.told(&clean(&text)));
                }
            }
            Form::Lines => {
                if let Some(text) = line(event) {
                    anstream::eprintln!(
                        "[{:>6.1} s] {}",
                        self.began.elapsed().as_secs_f64(),
                        self.known.told(&clean(&text))
                    );
                }
            }
            Form::Live(live) => live.lock().unwrap_or_else(PoisonError::into_inner).hear(event),
        }
    }

    /// Takes what is live off the terminal.
    pub(super) fn end(&self) {
        if let Form::Live(live) = &self.form {
            let live = live.lock().unwrap_or_else(PoisonError::into_inner);
            live.waits.finish_and_clear();
            live.phase.finish_and_clear();
        }
    }
}

impl Live {
    fn new(known: Known) -> Self {
        let bars = MultiProgress::new();
        let phase = bars.add(ProgressBar::new_spinner());
        let waits = bars.add(ProgressBar::new_spinner());
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
        };
        phase.set_style(style("{spinner} {wide_msg} {elapsed}"));
        waits.set_style(style("{msg}"));
        phase.enable_steady_tick(Duration::from_millis(120));
        let title = "starting".to_owned();
        phase.set_message(title.clone());
        Self {
            bars,
            phase,
            waits,
            title,
            changes: 0,
            acknowledged: 0,
            ready: 0,
            wanted: 0,
            missing: BTreeMap::new(),
            known,
        }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::PhaseStarted { number, name, changes, waits, order: _ } => {
                self.title = format!("phase {}", phase_title(*number, name));
                (self.changes, self.acknowledged) = (*changes, 0);
                (self.ready, self.wanted) = (0, *waits);
                self.missing.clear();
                self.phase.reset_elapsed();
            }
            Event::Acknowledged { .. } => self.acknowledged += 1,
            Event::Waiting { id, missing } => {
                let since = self.missing.get(id).map_or_else(Instant::now, |(_, since)| *since);
                self.missing.insert(id.clone(), (missing.clone(), since));
            }
            Event::Ready { id, .. } => {
                self.missing.remove(id);
                self.ready += 1;
            }
            Event::PhaseEnded { .. } => {}
            Event::Started { .. } => return,
            Event::Failed { .. } | Event::Lock(_) | Event::Interrupted => {}
            Event::Recorded { .. } | Event::RecordLeftOpen { .. } => {}
        }
        let news = !matches!(
            event,
            Event::PhaseStarted { .. } | Event::Acknowledged { .. } | Event::Waiting { .. } | Event::Ready { .. }
        );
        if let Some(text) = line(event).filter(|_| news) {
            // A terminal that is gone shows nothing more.
            let _ = self.bars.println(self.known.told(&clean(&text)));
        }
        let title = clean(&self.title);
        let (done, of, ready, wanted) = (self.acknowledged, self.changes, self.ready, self.wanted);
        self.phase.set_message(format!("{title}: {done}/{of} applied, {ready}/{wanted} ready"));
        let mut lines: Vec<String> = self
            .missing
            .iter()
            .take(SHOWN)
            .map(|(id, (missing, since))| {
                format!(
                    "    waiting for {}: {} ({} s)",
                    clean(&id.to_string()),
                    clean(missing),
                    since.elapsed().as_secs()
                )
            })
            .collect();
        if self.missing.len() > SHOWN {
            lines.push(format!("    and {} more", self.missing.len() - SHOWN));
        }
        self.waits.set_message(self.known.told(&lines.join("\n")).into_owned());
    }
}

/// An event as one line; `None` for those that say nothing new.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Lock(LockNotice::Waiting { holder, silence }) => {
            format!("locked by {holder}; taken over if it is not heard of for {} s", silence.as_secs())
        }
        Event::Lock(LockNotice::TakenOver { holder }) => format!("lock taken over from {holder}, which is gone"),
        Event::Recorded { revision } => format!("recorded as revision {revision}"),
        Event::RecordLeftOpen { revision, reason } => {
            format!("the record of revision {revision} was left open: {reason}")
        }
        Event::PhaseStarted { order, number, name, changes, waits } => {
            let doing = match order {
                Order::Apply => "apply",
                Order::Delete => "delete",
                Order::Close => "close",
            };
            format!("phase {}: {changes} to {doing}, {waits} to wait for", phase_title(*number, name))
        }
        Event::Started { .. } => return None,
        Event::Acknowledged { action, id, warnings } => {
            let done = match action {
                Action::Create => "created",
                Action::Update => "updated",
                Action::Replace => "replaced",
                Action::Adopt => "adopted",
                Action::Move => "created under its new name",
                Action::Delete => "deleting",
                Action::Forget => "forgotten",
                Action::Unchanged | Action::Blocked => return None,
            };
            let mut text = format!("{done} {id}");
            for warning in warnings {
                text.push_str(&format!(" (warning: {warning})"));
            }
            text
        }
        Event::Waiting { id, missing } => format!("waiting for {id}: {missing}"),
        Event::Ready { id, after } => format!("ready: {id} after {:.1} s", after.as_secs_f64()),
        Event::Failed { id, reason, .. } => format!("failed: {id}: {reason}"),
        Event::PhaseEnded { number, name, after } => {
            format!("phase {} over after {:.1} s", phase_title(*number, name), after.as_secs_f64())
        }
        Event::Interrupted => "interrupted: finishing what is in flight; again to stop at once".to_owned(),
    })
}
