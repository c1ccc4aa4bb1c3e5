//! Captures read ahead, each in a thread of its own: while one is judged, it and those after it are
//! read, unpacked and taken apart.

use std::collections::VecDeque;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle, available_parallelism};

use halfopen_capture::{Source, Stretch, Supply};

use super::ahead::LOOK_EVERY;
use super::{Bytes, Capture, Reading};
use crate::diagnose::interrupt::Interrupt;
use crate::failure::Failure;

/// Stretches that wait to be judged: of the capture whose turn it is few suffice, and those behind
/// it are to be read as far as memory allows, which is 16 MiB of each and what is known of their
/// packets.
const STRETCHES_MAX: usize = 64;
/// Captures that are read at once.
const CAPTURES_MAX: usize = 8;

/// Captures in the order in which they will be judged.
pub(crate) struct Captures {
    /// Not begun.
    rest: VecDeque<(usize, Capture)>,
    begun: VecDeque<Begun>,
    reading: Reading,
    at_once: usize,
}

/// A capture that is being read.
struct Begun {
    place: usize,
    family: String,
    stretches: Stretches,
}

/// The stretches of a capture. Once the user has interrupted, it has ended.
pub(crate) struct Stretches {
    full: Receiver<Result<Stretch, Failure>>,
    /// Takes stretches that are to be filled again.
    empty: Sender<Stretch>,
    /// The one that was given out, or that will be.
    stretch: Stretch,
    given: bool,
    interrupt: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Captures {
    /// `captures` with their places on the command line.
    pub(crate) fn new(captures: Vec<(usize, Capture)>, reading: Reading) -> Self {
        let at_once = available_parallelism().map_or(1, usize::from).min(CAPTURES_MAX);
        Self { rest: captures.into(), begun: VecDeque::new(), reading, at_once }
    }

    /// Returns the next capture, by its place, with the family that it is of.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, String, Stretches)>, Failure> {
        while self.begun.len() < self.at_once
            && let Some((place, capture)) = self.rest.pop_front()
        {
            let family = capture.family();
            let stretches = Stretches::begin(capture, &self.reading)?;
            self.begun.push_back(Begun { place, family, stretches });
        }
        let Some(Begun { place, family, mut stretches }) = self.begun.pop_front() else {
            return Ok(None);
        };
        stretches.receive()?;
        Ok(Some((place, family, stretches)))
    }
}

impl Stretches {
    fn begin(capture: Capture, reading: &Reading) -> Result<Self, Failure> {
        let (sender, full) = sync_channel(STRETCHES_MAX);
        let (empty, again) = channel();
        let (path, ahead) = (capture.path().to_owned(), reading.clone());
        let send = move || match capture.source(&ahead) {
            Ok(source) => send(source, &sender, &again),
            Err(failure) => drop(sender.send(Err(failure))),
        };
        let begun = thread::Builder::new().name("read capture".to_owned()).spawn(send);
        let thread = Some(begun.map_err(|error: io::Error| Failure::open(&path, error))?);
        let (stretch, interrupt) = (Stretch::default(), reading.interrupt.clone());
        Ok(Self { full, empty, stretch, given: true, interrupt, thread })
    }

    /// Waits for the next stretch; there is none after the last.
    fn receive(&mut self) -> Result<(), Failure> {
        self.given = false;
        loop {
            if self.interrupt.asked() {
                self.stretch = Stretch::stopped();
                return Ok(());
            }
            match self.full.recv_timeout(LOOK_EVERY) {
                Ok(stretch) => {
                    self.stretch = stretch?;
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.given = true;
                    // What broke off is no end.
                    let broke_off = self.thread.take().and_then(|thread| thread.join().err());
                    return broke_off.map_or(Ok(()), |panic| resume_unwind(panic));
                }
            }
        }
    }

    /// Gives a stretch back, without the bytes that others may use again.
    fn give_back(&mut self) {
        let mut stretch = core::mem::take(&mut self.stretch);
        stretch.clear();
        // Who reads may be through.
        drop(self.empty.send(stretch));
    }
}

impl Supply for Stretches {
    fn supply(&mut self) -> Option<&mut Stretch> {
        if self.given {
            self.give_back();
            self.receive().ok()?;
        }
        let more = !self.given;
        self.given = true;
        more.then_some(&mut self.stretch)
    }
}

/// Sends all of a capture, until it ends or nobody listens.
fn send(
    mut source: Source<Bytes>,
    full: &SyncSender<Result<Stretch, Failure>>,
    empty: &Receiver<Stretch>,
) {
    loop {
        let mut stretch = empty.try_recv().unwrap_or_default();
        if !source.fill(&mut stretch) || full.send(Ok(stretch)).is_err() {
            return;
        }
    }
}
