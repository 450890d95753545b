//! What a command prints with: data to standard output, progress and status to standard error, colour only
//! where a terminal shows it and `NO_COLOR` does not forbid it. All text of the program leaves here, and none of it tells
//! a value that is known to be secret.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use terminal_size::terminal_size_of;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::CommandError;
use crate::report::clean::clean;
use crate::report::plan::{Detail, View};
use crate::secrets::Known;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The two streams of a command.
#[derive(Debug)]
pub struct Ui {
    quiet: bool,
    verbose: bool,
    known: Known,
}

/// Standard error, but for what is known to be secret.
struct Discreet(Known);

impl Write for Discreet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        anstream::stderr().write_all(self.0.told(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        anstream::stderr().flush()
    }
}

/// Columns of a terminal.
fn columns(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Option<usize> {
    size.map(|(terminal_size::Width(columns), _)| columns.into())
}

impl Ui {
    /// Streams of this process; `quiet` drops status.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet, verbose: false, known: Known::default() }
    }

    /// Shows requests on standard error: none, each of them, or with 2 also whom watches have news of. Only what this
    /// program says by itself is shown: libraries tell whole URLs, and a path in one may be a token.
    pub fn trace(&mut self, verbose: u8) {
        let level = match verbose {
            0 => return,
            1 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        self.verbose = true;
        let known = self.known.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || Discreet(known.clone()))
            .with_ansi(false)
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_filter(Targets::new().with_target(env!("CARGO_CRATE_NAME"), level));
        // A program that set one already keeps it.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
    }

    /// The values that are not told.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Whether status is wanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person sees standard error as it grows, on a terminal that can take back what it shows, and with nothing
    /// else on it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let can = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        !self.quiet && !self.verbose && can && io::stderr().is_terminal()
    }

    /// Whether a person can be asked.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Columns of the terminal on standard output; 100 where there is none.
    #[must_use]
    pub fn width(&self) -> usize {
        columns(terminal_size_of(io::stdout())).unwrap_or(100)
    }

    /// How data is written: as wide as the terminal, and with no line broken where there is none.
    #[must_use]
    pub fn view(&self, detail: Detail) -> View {
        View { width: columns(terminal_size_of(io::stdout())), detail, known: self.known.clone() }
    }

    /// The same for status.
    #[must_use]
    pub fn status_view(&self, detail: Detail) -> View {
        View { width: columns(terminal_size_of(io::stderr())), detail, known: self.known.clone() }
    }

    /// Writes data to standard output, as it is but for colours that the stream cannot show. A reader that has gone
    /// away, such as `head`, has what it wanted.
    ///
    /// # Errors
    ///
    /// When the stream cannot be written, because the disk behind it is full for instance.
    pub fn data(&mut self, text: &str) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        match out.write_all(self.known.told(text).as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), format!("writing to standard output: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// Writes a line of status to standard error.
    pub fn status(&mut self, text: &str) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{}", self.known.told(text));
        }
    }

    /// Writes a line that even `--quiet` shows to standard error.
    pub fn warn(&mut self, text: &str) {
        let _ = writeln!(anstream::stderr(), "{}", self.known.told(text));
    }

    /// Writes what to do next to standard error.
    pub fn next(&mut self, hint: &str) {
        let _ = writeln!(Discreet(self.known.clone()), "{HINT}next:{HINT:#} {}", clean(hint));
    }

    /// Prints an error, what caused it and what to do next; returns its exit code.
    pub fn fail(&mut self, error: &CommandError) -> u8 {
        let mut err = Discreet(self.known.clone());
        if error.findings.is_empty() {
            for (at, cause) in error.causes().iter().enumerate() {
                let _ = match at {
                    0 => writeln!(err, "{ERROR}error:{ERROR:#} {}", clean(cause)),
                    _ => writeln!(err, "  because {}", clean(cause)),
                };
            }
        }
        for hint in &error.hints {
            self.next(hint);
        }
        error.code
    }
}
