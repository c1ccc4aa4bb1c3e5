//! From the bytes of a capture to a tracker: every frame once, and what was wrong with the file.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use halfopen_core::time::Instant;
use halfopen_core::wire::View;

use crate::frame::{NotIp, network_layer};
use crate::pcap::{Error, Frame, Link, Reader};
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
    head: Vec<Head>,
    broken: Option<Error>,
    stop: Arc<AtomicBool>,
}

/// One of the first frames, kept until it is its turn.
#[derive(Debug)]
struct Head {
    number: u64,
    at: Option<Instant>,
    interface: u32,
    link: Link,
    wire_len: usize,
    bytes: Vec<u8>,
}

impl<R: Read> Source<R> {
    /// Reads the start of a capture. What is wrong after its header is for the [`Summary`] to say.
    pub fn open(source: R) -> Result<Self, Error> {
        let mut reader = Reader::new(source)?;
        let (mut head, mut broken) = (Vec::new(), None);
        while head.len() < HEAD_MAX {
            match reader.next() {
                Ok(Some(frame)) => head.push(Head::of(frame)),
                Ok(None) => break,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        Ok(Self { reader, head, broken, stop: Arc::default() })
    }

    /// Has the reading end when `stop` is set, as if the capture ended there.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// Returns the time of the first frame, if there is a frame and it has one.
    #[must_use]
    pub fn starts(&self) -> Option<Instant> {
        self.head.first()?.at
    }

    /// Tells whether the capture starts with what `tracker` has seen: most segments that belong to
    /// connections which it knows are old. So they show the same traffic, however their clocks
    /// differ.
    pub(crate) fn repeats(&self, tracker: &Tracker) -> bool {
        let (mut old, mut new) = (0, 0);
        for frame in self.head.iter().map(Head::frame) {
            let ip = network_layer(frame.link, frame.bytes, frame.wire_len).ok();
            let view = ip.and_then(|ip| View::parse(ip.bytes, ip.wire_len).ok());
            match view.and_then(|view| tracker.has_seen(view)) {
                Some(true) => old += 1,
                Some(false) => new += 1,
                None => {}
            }
        }
        old > new
    }

    /// Hands every frame to `tracker`, numbered from `base + 1`.
    ///
    /// Damage ends the reading, not the judgement: the frames before it count.
    pub fn read(mut self, base: u64, tracker: &mut Tracker) -> Summary {
        let absurd_before = tracker.counts().absurd_times;
        let mut summary = Summary::default();
        summary.take_all(self.head.iter().map(Head::frame), base, tracker);
        while self.broken.is_none() && !self.stop.load(Ordering::Relaxed) {
            match self.reader.batch() {
                Ok(Some(frames)) => summary.take_all(frames, base, tracker),
                Ok(None) => break,
                Err(error) => self.broken = Some(error),
            }
        }
        summary.absurd_times = tracker.counts().absurd_times - absurd_before;
        summary.last = summary.first.and(tracker.last_time());
        summary.stopped = self.stop.load(Ordering::Relaxed);
        // A source that stops, too, may end within a frame.
        let cut_by_stop = |error: &Error| summary.stopped && matches!(error, Error::Cut { .. });
        summary.broken = self.broken.filter(|error| !cut_by_stop(error));
        summary
    }
}

impl Head {
    fn of(frame: Frame<'_>) -> Self {
        let Frame { number, at, interface, link, wire_len, bytes } = frame;
        Self { number, at, interface, link, wire_len, bytes: bytes.to_vec() }
    }

    fn frame(&self) -> Frame<'_> {
        let &Self { number, at, interface, link, wire_len, ref bytes } = self;
        Frame { number, at, interface, link, wire_len, bytes }
    }
}

impl Summary {
    fn take_all<'a>(
        &mut self,
        frames: impl Iterator<Item = Frame<'a>>,
        base: u64,
        tracker: &mut Tracker,
    ) {
        tracker.take_all(frames.filter_map(|frame| {
            let view = self.packet(frame)?;
            Some((base + frame.number, frame.at, view))
        }));
    }

    /// Counts a frame and returns its packet.
    #[inline]
    fn packet<'a>(&mut self, frame: Frame<'a>) -> Option<View<'a>> {
        self.frames = frame.number;
        self.first = self.first.or(frame.at);
        let ip = match network_layer(frame.link, frame.bytes, frame.wire_len) {
            Ok(ip) => ip,
            Err(reason) => {
                self.not_ip += 1;
                if let NotIp::Link(link) = reason {
                    self.unfollowed = Some(link);
                }
                return None;
            }
        };
        let view = View::parse(ip.bytes, ip.wire_len).ok();
        *if view.is_some() { &mut self.packets } else { &mut self.malformed } += 1;
        view
    }
}
