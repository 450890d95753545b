//! Progress on standard error: calm and live on a terminal, one line an event elsewhere.

mod scene;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use self::scene::{Row, Scene};
use super::Ui;
use crate::apply::Event;
use crate::plan::{Action, Order};
use crate::provider::LockNotice;
use crate::report::clean::clean;
use crate::report::phase_title;
use crate::secrets::Known;

/// How often the heading moves, so that it is seen to live.
const TICK: Duration = Duration::from_millis(120);
/// How often times are counted on.
const SECOND: Duration = Duration::from_secs(1);

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

/// Rows at the bottom of a terminal, each cut to its width as it is when they are drawn.
struct Live {
    began: Instant,
    bars: MultiProgress,
    heading: ProgressBar,
    rows: Vec<(ProgressBar, Option<Duration>)>,
    scene: Scene,
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
            let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
            live.draw(&[]);
            live.heading.finish_and_clear();
        }
    }
}

impl Live {
    fn new(known: Known) -> Self {
        let bars = MultiProgress::new();
        let heading = bars.add(ProgressBar::new_spinner());
        heading.set_style(style("{spinner} {wide_msg} {elapsed:>4}"));
        heading.enable_steady_tick(TICK);
        let scene = Scene::default();
        heading.set_message(scene.heading());
        Self { began: Instant::now(), bars, heading, rows: Vec::new(), scene, known }
    }

    fn hear(&mut self, event: &Event) {
        let over = self.scene.hear(event, self.began.elapsed());
        // What goes on is in the rows; what went wrong, and what is over, stays.
        let stays = over.or_else(|| match event {
            Event::Failed { .. }
            | Event::Lock(_)
            | Event::Interrupted
            | Event::Recorded { .. }
            | Event::RecordLeftOpen { .. } => line(event),
            Event::Acknowledged { warnings, .. } if !warnings.is_empty() => line(event),
            _ => None,
        });
        if let Some(text) = stays {
            // A terminal that is gone shows nothing more.
            let _ = self.bars.println(self.known.told(&clean(&text)));
        }
        if let Event::PhaseStarted { .. } = event {
            self.heading.reset_elapsed();
        }
        self.heading.set_message(self.known.told(&clean(&self.scene.heading())).into_owned());
        self.draw(&self.scene.rows());
    }

    /// Makes the rows say this, with as few changes as can be.
    fn draw(&mut self, rows: &[Row]) {
        while self.rows.len() > rows.len() {
            if let Some((bar, _)) = self.rows.pop() {
                bar.finish_and_clear();
                self.bars.remove(&bar);
            }
        }
        while self.rows.len() < rows.len() {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(style("    {wide_msg}"));
            self.rows.push((bar, None));
        }
        for ((bar, since), row) in self.rows.iter_mut().zip(rows) {
            if *since != row.since {
                *since = row.since;
                match row.since {
                    Some(since) => {
                        bar.set_style(style("    {wide_msg} {elapsed:>4}"));
                        // A bar is a handle: this sets the time of the one that is shown.
                        drop(bar.clone().with_elapsed(self.began.elapsed().saturating_sub(since)));
                        bar.enable_steady_tick(SECOND);
                    }
                    None => {
                        bar.disable_steady_tick();
                        bar.set_style(style("    {wide_msg}"));
                    }
                }
            }
            bar.set_message(self.known.told(&clean(&row.text)).into_owned());
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
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
                Order::Hold => "hold",
                Order::Return => "change back",
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
                Action::Hold => "holding",
                Action::Return => "changed back",
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
