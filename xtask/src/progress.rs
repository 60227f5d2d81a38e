//! Says what is going on: a spinner on a terminal, plain lines where there is none.

use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// How often a long step says on plain output that it still runs, so that CI does not look hung.
const STILL_RUNNING: Duration = Duration::from_secs(60);

/// One step of work, from its start to `done`. Dropped before that, it counts as failed.
pub(crate) struct Step {
    title: String,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Spinner(ProgressBar),
    Lines(Option<Reminder>),
}

/// A thread that repeats the title once a minute until it is told to stop.
struct Reminder {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// Begins a step. The title is an action under way: "Building kubernetes".
pub(crate) fn step(title: impl Into<String>) -> Step {
    let title = title.into();
    let started = Instant::now();
    let shown = if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::new_spinner().with_style(style).with_message(title.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        Shown::Spinner(bar)
    } else {
        eprintln!("-> {title}");
        Shown::Lines(Some(Reminder::start(title.clone(), started)))
    };
    Step { title, started, shown }
}

/// Runs `work` as a step.
pub(crate) fn during<T>(title: impl Into<String>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let step = step(title);
    let result = work()?;
    step.done();
    Ok(result)
}

impl Step {
    /// Ends the step as succeeded.
    pub(crate) fn done(mut self) {
        self.end("ok");
    }

    fn end(&mut self, mark: &str) {
        let line = format!("{mark} {} ({})", self.title, seconds(self.started.elapsed()));
        match &mut self.shown {
            Shown::Spinner(bar) if !bar.is_finished() => {
                bar.finish_and_clear();
                eprintln!("{line}");
            }
            Shown::Spinner(_) => {}
            Shown::Lines(reminder) => {
                if let Some(reminder) = reminder.take() {
                    reminder.stop();
                    eprintln!("{line}");
                }
            }
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.end("failed:");
    }
}

impl Reminder {
    fn start(title: String, started: Instant) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(STILL_RUNNING) == Err(RecvTimeoutError::Timeout) {
                eprintln!("   {title}: still running after {}", seconds(started.elapsed()));
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        drop(self.stop);
        self.thread.join().ok();
    }
}

/// A duration as a person reads it.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} m {:02} s", whole / 60, whole % 60)
    }
}
