//! From the bytes of a capture to its packets: every frame once, and what was wrong with the file.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use halfopen_core::time::Instant;

use crate::pcap::{Error, Frame, Link, Reader};
use crate::stretch::{End, Stretch, Supply};
use crate::tracker::Tracker;

/// What was read of a capture, and what could not be.
#[derive(Debug, Default)]
pub struct Summary {
    /// Frames, as Wireshark numbers them.
    pub frames: u64,
    /// IP packets among them.
    pub packets: u64,
    /// Frames without an IP packet that can be read: ARP and the like, and all frames of a link
    /// type that is not followed.
    pub not_ip: u64,
    /// IP packets whose header makes no sense.
    pub malformed: u64,
    /// A link type that is not followed, if a frame had one.
    pub unfollowed: Option<Link>,
    /// Time stamps that went back by more than disorder does, were absurd or were missing.
    pub absurd_times: u64,
    /// The time of the first frame that has one.
    pub first: Option<Instant>,
    /// The latest time that was believed.
    pub last: Option<Instant>,
    /// What ended the reading before the end of the capture.
    pub broken: Option<Error>,
    /// The caller ended the reading; see [`Source::until`].
    pub stopped: bool,
}

/// Frames looked at before a capture is read.
const HEAD_MAX: usize = 32;

/// A capture whose first frames have been looked at, to know when and with what it starts.
#[derive(Debug)]
pub struct Source<R> {
    reader: Reader<R>,
    /// What was looked at, until it is given out; then what was given out last.
    stretch: Stretch,
    given: Given,
    stop: Arc<AtomicBool>,
}

/// How much of a capture was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    Some,
    All,
}

impl<R: Read> Source<R> {
    /// Reads the start of a capture. What is wrong after its header is for the [`Summary`] to say.
    pub fn open(source: R) -> Result<Self, Error> {
        let mut reader = Reader::new(source)?;
        let stretch = head(&mut reader);
        Ok(Self { reader, stretch, given: Given::Nothing, stop: Arc::default() })
    }

    /// Has the reading end when `stop` is set, as if the capture ended there.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// Returns the time of the first frame, if there is a frame and it has one.
    #[must_use]
    pub fn starts(&self) -> Option<Instant> {
        self.stretch.starts
    }

    /// Reads what comes next into `stretch`; `false` if all was given out, the end included.
    ///
    /// Damage ends the reading, not the judgement: the frames before it count.
    pub fn fill(&mut self, stretch: &mut Stretch) -> bool {
        match self.given {
            Given::Nothing => *stretch = core::mem::take(&mut self.stretch),
            Given::Some => self.read(stretch),
            Given::All => return false,
        }
        self.given = if stretch.end.is_some() { Given::All } else { Given::Some };
        true
    }

    fn read(&mut self, stretch: &mut Stretch) {
        stretch.clear();
        let stopped = || self.stop.load(Ordering::Relaxed);
        if stopped() {
            stretch.end = Some(End { broken: None, stopped: true });
            return;
        }
        match self.reader.batch() {
            Ok(Some(frames)) => stretch.add(&frames.window(), frames),
            Ok(None) => stretch.end = Some(End { broken: None, stopped: stopped() }),
            Err(error) => {
                // A source that stops, too, may end within a frame.
                let cut_by_stop = stopped() && matches!(error, Error::Cut { .. });
                let broken = Some(error).filter(|_| !cut_by_stop);
                stretch.end = Some(End { broken, stopped: stopped() });
            }
        }
    }
}

impl<R: Read> Supply for Source<R> {
    fn supply(&mut self) -> Option<&mut Stretch> {
        let mut stretch = match self.given {
            Given::Nothing => Stretch::default(),
            Given::Some | Given::All => core::mem::take(&mut self.stretch),
        };
        let more = self.fill(&mut stretch);
        self.stretch = stretch;
        more.then_some(&mut self.stretch)
    }
}

/// Reads the first frames, each into memory of its own, for the next may move the reader's.
fn head<R: Read>(reader: &mut Reader<R>) -> Stretch {
    let (mut window, mut frames) = (Vec::new(), Vec::new());
    let mut stretch = Stretch::default();
    while frames.len() < HEAD_MAX && stretch.end.is_none() {
        match reader.next() {
            Ok(Some(frame)) => {
                let start = window.len();
                window.extend_from_slice(frame.bytes);
                frames.push((start..window.len(), Frame { bytes: &[], ..frame }));
            }
            Ok(None) => break,
            Err(error) => stretch.end = Some(End { broken: Some(error), stopped: false }),
        }
    }
    let window = Arc::new(window);
    stretch.starts = frames.first().and_then(|(_, frame)| frame.at);
    let frames = frames.into_iter();
    stretch.add(&window, frames.map(|(range, frame)| Frame { bytes: &window[range], ..frame }));
    stretch
}

impl Summary {
    /// Hands a stretch's packets to `tracker`, their frames numbered from `base + 1`, and tells
    /// whether it was the last.
    pub(crate) fn take(&mut self, base: u64, stretch: &mut Stretch, tracker: &mut Tracker) -> bool {
        let absurd_before = tracker.counts().absurd_times;
        tracker.take_stretch(base, stretch);
        self.absurd_times += tracker.counts().absurd_times - absurd_before;
        let tally = &stretch.tally;
        self.frames = self.frames.max(tally.last_frame);
        self.packets += tally.packets;
        self.not_ip += tally.not_ip;
        self.malformed += tally.malformed;
        self.unfollowed = tally.unfollowed.or(self.unfollowed);
        self.first = self.first.or(tally.first);
        self.last = self.first.and(tracker.last_time());
        let Some(End { broken, stopped }) = stretch.end.take() else { return false };
        (self.broken, self.stopped) = (broken, stopped);
        true
    }
}
