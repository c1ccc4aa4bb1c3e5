//! Being interrupted while sources are read.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::output;

/// What a shell reports of a program that SIGINT ended.
const INTERRUPTED: i32 = 128 + 2;

/// Ctrl-C: once ends the reading, so that what was read is judged; again ends the program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to listen. Where that fails, Ctrl-C ends the program as it does elsewhere.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        drop(interrupt.clone().wait_in_thread());
        interrupt
    }

    fn wait_in_thread(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = runtime.block_on(async { signals() })?;
        let wait = move || {
            while runtime.block_on(signals.recv()).is_some() {
                if self.over.load(Ordering::Relaxed) || self.asked.swap(true, Ordering::Relaxed) {
                    process::exit(INTERRUPTED);
                }
                output::remark("interrupted: judging what was read; once more ends the program");
            }
        };
        thread::Builder::new().name("interrupt".to_owned()).spawn(wait).map(drop)
    }

    /// Takes note that the reading is over: from now on Ctrl-C ends the program.
    pub(crate) fn reading_is_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns the flag that says whether to stop.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }
}

#[cfg(unix)]
fn signals() -> io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

#[cfg(windows)]
fn signals() -> io::Result<tokio::signal::windows::CtrlC> {
    tokio::signal::windows::ctrl_c()
}
