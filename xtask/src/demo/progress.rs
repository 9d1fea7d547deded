//! The long steps: a line each on standard error, with a spinner where somebody looks.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{BOLD, DIM, GREEN, RED};

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME: Duration = Duration::from_millis(80);

/// A step which shows its own progress.
pub(super) fn announce(title: &str) -> Result<()> {
    writeln!(anstream::stderr(), "{BOLD}…{BOLD:#} {title}")?;
    Ok(())
}

/// Does the work of a step.
pub(super) fn step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
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

fn spin(title: &str, start: Instant, is_done: &mpsc::Receiver<()>) {
    let mut talk = anstream::stderr();
    for frame in FRAMES.iter().cycle() {
        write!(
            talk,
            "\r{frame} {title} {DIM}{:.1} s{DIM:#}",
            start.elapsed().as_secs_f64()
        )
        .ok();
        talk.flush().ok();
        if is_done.recv_timeout(FRAME) == Err(RecvTimeoutError::Disconnected) {
            write!(
                talk,
                "\r{:width$}\r",
                "",
                width = title.chars().count().saturating_add(16)
            )
            .ok();
            return;
        }
    }
}
