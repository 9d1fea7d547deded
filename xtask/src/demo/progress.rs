//! The progress of the long steps: a line each on standard error, with a spinner on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::style::{BOLD, DIM, GREEN, RED};

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_TIME: Duration = Duration::from_millis(80);

/// Prints the title of a step that prints its own progress.
pub(super) fn announce_step(title: &str) -> Result<()> {
    writeln!(anstream::stderr(), "{BOLD}…{BOLD:#} {title}")?;
    Ok(())
}

/// Runs a step and prints its title, whether it succeeded and how long it took.
pub(super) fn run_step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        if io::stderr().is_terminal() {
            scope.spawn(move || spin(title, start, &is_done));
        }
        let result = work();
        drop(done);
        result
    });
    let seconds = start.elapsed().as_secs_f64();
    let (style, mark) = if result.is_ok() {
        (GREEN, "✓")
    } else {
        (RED, "✗")
    };
    writeln!(
        anstream::stderr(),
        "{style}{mark}{style:#} {title} {DIM}{seconds:.1} s{DIM:#}"
    )?;
    result
}

/// Shows a spinner until the other end of the channel is dropped.
fn spin(title: &str, start: Instant, is_done: &mpsc::Receiver<()>) {
    let mut stderr = anstream::stderr();
    for frame in FRAMES.iter().cycle() {
        let seconds = start.elapsed().as_secs_f64();
        write!(stderr, "\r{frame} {title} {DIM}{seconds:.1} s{DIM:#}").ok();
        stderr.flush().ok();
        if is_done.recv_timeout(FRAME_TIME) == Err(RecvTimeoutError::Disconnected) {
            let width = title.chars().count().saturating_add(16);
            write!(stderr, "\r{:width$}\r", "").ok();
            return;
        }
    }
}
