//! What a world writes down: the hops' events, the captures of its taps, and what went wrong.

use core::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_core::hop::{Event, Side};
use halfopen_core::tap::{Recorder, Tap};
use halfopen_core::time::Instant;
use halfopen_core::wire::Packet;

use crate::world::PathId;

/// What a hop did: the truth that captures are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The path on which the hop stands.
    pub path: PathId,
    /// When, which hop, and what.
    pub event: Event,
}

/// A program that panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// The host on which it ran.
    pub host: String,
    /// What the panic said.
    pub message: String,
    /// When.
    pub at: Instant,
}

/// What happened in a world so far.
#[derive(Debug)]
pub(crate) struct Journal {
    capacity: usize,
    occurrences: Vec<Occurrence>,
    missed: u64,
    unroutable: u64,
    panic: Option<Panic>,
}

impl Journal {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity, occurrences: Vec::new(), missed: 0, unroutable: 0, panic: None }
    }

    pub(crate) fn note(&mut self, path: PathId, event: Event) {
        if self.occurrences.len() < self.capacity {
            self.occurrences.push(Occurrence { path, event });
        } else {
            self.missed += 1;
        }
    }

    pub(crate) const fn unroutable(&mut self) {
        self.unroutable += 1;
    }

    pub(crate) fn panicked(&mut self, panic: Panic) {
        self.panic.get_or_insert(panic);
    }

    pub(crate) fn take_occurrences(&mut self) -> Vec<Occurrence> {
        core::mem::take(&mut self.occurrences)
    }

    pub(crate) fn take_panic(&mut self) -> Option<Panic> {
        self.panic.take()
    }

    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }

    pub(crate) const fn unroutable_packets(&self) -> u64 {
        self.unroutable
    }
}

/// A capture that a tap in the world writes.
///
/// Dropping it does not end the capture; the world keeps writing.
#[derive(Debug)]
pub struct Capture<W> {
    recorder: Arc<Mutex<Option<Recorder<W>>>>,
}

impl<W: io::Write + fmt::Debug + Send + 'static> Capture<W> {
    /// Returns the capture of `recorder`, and the tap to be put somewhere.
    pub(crate) fn new(recorder: Recorder<W>) -> (Self, Box<dyn Tap>) {
        let recorder = Arc::new(Mutex::new(Some(recorder)));
        let tap = CaptureTap { recorder: Arc::clone(&recorder) };
        (Self { recorder }, Box::new(tap))
    }

    /// Ends the capture and returns what it was written to, or the first error met in writing.
    pub fn finish(self) -> io::Result<W> {
        let recorder = lock(&self.recorder).take();
        recorder.expect("only `finish` takes the recorder, and it takes the capture").finish()
    }
}

/// The world's half of a capture.
#[derive(Debug)]
struct CaptureTap<W> {
    recorder: Arc<Mutex<Option<Recorder<W>>>>,
}

impl<W: io::Write + fmt::Debug + Send> Tap for CaptureTap<W> {
    fn see(&mut self, now: Instant, toward: Side, packet: &Packet) {
        if let Some(recorder) = lock(&self.recorder).as_mut() {
            recorder.see(now, toward, packet);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
