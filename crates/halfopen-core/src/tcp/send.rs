//! The sending half: what the program queued, what is on its way, what the windows allow.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::seq::Seq;

/// How many segments are sent before the first acknowledgment (RFC 6928).
const INITIAL_WINDOW: u32 = 10;

/// Bytes to be sent as one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) seq: Seq,
    pub(super) len: usize,
    /// It empties the queue.
    pub(super) last: bool,
    /// It carries the FIN.
    pub(super) fin: bool,
}

impl Chunk {
    /// Returns the number after the last that the chunk takes.
    pub(super) fn end(&self) -> Seq {
        self.seq.advance(self.len) + u32::from(self.fin)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    None,
    Queued,
    Acknowledged,
}

/// Whether something was lost, and up to where the repair goes (RFC 6582).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    Open,
    /// Three duplicate acknowledgments said so.
    Fast {
        until: Seq,
    },
    /// The retransmission timeout said so.
    Loss {
        until: Seq,
    },
}

/// The sending half of a connection.
#[derive(Debug)]
pub(super) struct Sender {
    /// What the peer has not acknowledged; its first byte has the number `una` once the SYN is
    /// acknowledged.
    buffer: VecDeque<u8>,
    capacity: usize,
    /// The program met a full buffer and wants to know when that changes.
    pub(super) blocked: bool,
    fin: Fin,
    /// The oldest number that the peer has not acknowledged.
    pub(super) una: Seq,
    /// The number to be sent next; goes back after a timeout.
    pub(super) nxt: Seq,
    /// The number after the highest ever sent.
    pub(super) max: Seq,
    /// How much the peer takes from `una` on.
    pub(super) window: u32,
    window_max: u32,
    /// Sequence and acknowledgment number of the segment that last set the window.
    window_from: Option<(Seq, Seq)>,
    /// The largest payload of a segment.
    pub(super) mss: u32,
    congestion_window: u32,
    slow_start_threshold: u32,
    pub(super) recovery: Recovery,
    duplicates: u32,
    /// The end of the last segment that was smaller than it could be (Minshall's Nagle).
    small_until: Seq,
}

impl Sender {
    pub(super) fn new(iss: Seq, mss: u32, capacity: usize) -> Self {
        Self {
            buffer: VecDeque::new(),
            capacity,
            blocked: false,
            fin: Fin::None,
            una: iss,
            nxt: iss,
            max: iss,
            window: 0,
            window_max: 0,
            window_from: None,
            mss,
            congestion_window: INITIAL_WINDOW * mss,
            slow_start_threshold: u32::MAX,
            recovery: Recovery::Open,
            duplicates: 0,
            small_until: iss,
        }
    }

    /// Takes bytes as far as there is room and returns how many.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let room = self.capacity.saturating_sub(self.buffer.len());
        let taken = bytes.len().min(room);
        self.buffer.extend(&bytes[..taken]);
        self.blocked = taken < bytes.len();
        taken
    }

    /// Ends the stream after what is queued.
    pub(super) fn finish(&mut self) {
        if self.fin == Fin::None {
            self.fin = Fin::Queued;
        }
    }

    /// Notes the segment size that both ends agreed on when the connection opens.
    pub(super) fn open(&mut self, mss: u32) {
        self.mss = mss;
        self.congestion_window = INITIAL_WINDOW * mss;
    }

    /// Lowers the segment size to what the path carries; true if that is lower.
    pub(super) fn lower_mss(&mut self, mss: u32) -> bool {
        let lower = mss < self.mss;
        self.mss = self.mss.min(mss);
        lower
    }

    /// Notes a control number (SYN) or a chunk as sent.
    pub(super) fn sent_until(&mut self, end: Seq) {
        self.nxt = end;
        self.max = self.max.latest(end);
    }

    /// Notes a chunk as sent.
    pub(super) fn sent(&mut self, chunk: Chunk) {
        if chunk.len < self.mss as usize && !chunk.fin {
            self.small_until = self.small_until.latest(chunk.end());
        }
        self.sent_until(chunk.end());
    }

    /// Takes an acknowledgment of something new and returns whether the program, having met a full
    /// buffer, can go on.
    pub(super) fn acknowledge(&mut self, ack: Seq) -> bool {
        let advance = ack.since(self.una).cast_unsigned();
        let bytes = self.buffer.len().min(advance as usize);
        self.buffer.drain(..bytes);
        if self.buffer.is_empty() {
            self.buffer = VecDeque::new();
        }
        if advance as usize > bytes && self.fin == Fin::Queued {
            self.fin = Fin::Acknowledged;
        }
        self.una = ack;
        self.nxt = self.nxt.latest(ack);
        self.grow_window(advance);
        self.duplicates = 0;
        // net/core/stream.c: a program is told when a third of the buffer is free
        let roomy = self.buffer.len() * 3 <= self.capacity * 2;
        let ready = self.blocked && roomy;
        self.blocked &= !ready;
        ready
    }

    /// Takes the acknowledgment of our SYN, which is no byte of the stream.
    pub(super) fn acknowledge_syn(&mut self, ack: Seq) {
        self.una = ack;
        self.nxt = self.nxt.latest(ack);
        self.small_until = ack;
    }

    /// Takes the window of a segment unless an older segment brings it (RFC 9293 section
    /// 3.10.7.4), and returns whether it grew.
    pub(super) fn take_window(&mut self, seq: Seq, ack: Seq, window: u32) -> bool {
        let newer = self.window_from.is_none_or(|(last_seq, last_ack)| {
            last_seq.before(seq) || last_seq == seq && !last_ack.after(ack)
        });
        if !newer {
            return false;
        }
        let grew = window > self.window;
        self.window = window;
        self.window_max = self.window_max.max(window);
        self.window_from = Some((seq, ack));
        grew
    }

    /// Takes a duplicate acknowledgment and returns whether it calls for a repair.
    pub(super) fn duplicate(&mut self) -> bool {
        self.duplicates += 1;
        match self.recovery {
            Recovery::Open if self.duplicates == 3 => {
                self.slow_start_threshold = self.half_of_flight();
                self.congestion_window = self.slow_start_threshold + 3 * self.mss;
                self.recovery = Recovery::Fast { until: self.max };
                true
            }
            Recovery::Fast { .. } => {
                self.congestion_window = self.congestion_window.saturating_add(self.mss);
                false
            }
            Recovery::Open | Recovery::Loss { .. } => false,
        }
    }

    /// Ends a repair that the acknowledgment of `una` completes, and returns whether one that it
    /// does not complete needs the next segment (RFC 6582: a partial acknowledgment).
    pub(super) fn after_progress(&mut self) -> bool {
        match self.recovery {
            Recovery::Open => false,
            Recovery::Fast { until } if self.una.before(until) => true,
            Recovery::Fast { .. } => {
                self.congestion_window = self.slow_start_threshold;
                self.recovery = Recovery::Open;
                false
            }
            Recovery::Loss { until } => {
                if !self.una.before(until) {
                    self.recovery = Recovery::Open;
                }
                false
            }
        }
    }

    /// Goes back to the first unacknowledged byte: what was sent after it is taken for lost.
    pub(super) fn go_back(&mut self) {
        if !matches!(self.recovery, Recovery::Loss { .. }) {
            self.slow_start_threshold = self.half_of_flight();
        }
        self.recovery = Recovery::Loss { until: self.max };
        self.congestion_window = self.mss;
        self.duplicates = 0;
        self.nxt = self.una;
    }

    /// Returns what to send next as far as both windows and Nagle's algorithm allow.
    pub(super) fn next_chunk(&self, nodelay: bool) -> Option<Chunk> {
        let sent = self.nxt.since(self.una).cast_unsigned();
        let unsent = self.buffer.len().checked_sub(sent as usize)?;
        let room = self.window.min(self.congestion_window).saturating_sub(sent);
        let chunk = self.chunk(self.nxt, unsent.min(room as usize), unsent, room);
        if chunk.len == 0 && !chunk.fin {
            return None;
        }
        let whole = chunk.len == self.mss as usize || chunk.fin;
        if whole || self.nxt.before(self.max) {
            return Some(chunk);
        }
        let allowed = if chunk.last {
            nodelay || !self.small_until.after(self.una)
        } else {
            // RFC 9293 section 3.8.6.2.1: a part only if it is half of the peer's buffer
            chunk.len * 2 >= self.window_max as usize
        };
        allowed.then_some(chunk)
    }

    /// Returns the first segment that is not acknowledged, or, if nothing is on its way, what a
    /// probe of the window may carry.
    pub(super) fn first_chunk(&self) -> Option<Chunk> {
        let flight = self.in_flight();
        let limit = if flight > 0 { flight } else { self.window };
        let len = self.buffer.len().min(limit as usize);
        let chunk = self.chunk(self.una, len, self.buffer.len(), limit);
        (chunk.len > 0 || chunk.fin).then_some(chunk)
    }

    /// Returns the last segment on its way, which a loss probe repeats.
    pub(super) fn last_chunk(&self) -> Option<Chunk> {
        let flight = self.in_flight();
        let bytes = (flight as usize).min(self.buffer.len());
        let start = bytes - bytes.min(self.mss as usize);
        let fin = flight as usize > bytes && self.fin == Fin::Queued;
        let chunk = Chunk {
            seq: self.una.advance(start),
            len: bytes - start,
            last: bytes == self.buffer.len(),
            fin,
        };
        (chunk.len > 0 || fin).then_some(chunk)
    }

    fn chunk(&self, seq: Seq, available: usize, unsent: usize, room: u32) -> Chunk {
        let len = available.min(self.mss as usize);
        let last = len == unsent;
        let fin = last && self.fin == Fin::Queued && room as usize > len;
        Chunk { seq, len, last, fin }
    }

    /// Returns the bytes of a chunk.
    pub(super) fn bytes(&self, chunk: Chunk) -> Cow<'_, [u8]> {
        let start = chunk.seq.since(self.una).cast_unsigned() as usize;
        let (front, back) = self.buffer.as_slices();
        if chunk.len == 0 {
            Cow::Borrowed(&[])
        } else if start + chunk.len <= front.len() {
            Cow::Borrowed(&front[start..start + chunk.len])
        } else if start >= front.len() {
            Cow::Borrowed(&back[start - front.len()..][..chunk.len])
        } else {
            Cow::Owned(self.buffer.range(start..start + chunk.len).copied().collect())
        }
    }

    /// Returns how many numbers are on their way.
    pub(super) fn in_flight(&self) -> u32 {
        self.max.since(self.una).cast_unsigned()
    }

    /// Tells whether more than one segment is on its way.
    pub(super) fn several_in_flight(&self) -> bool {
        self.in_flight() > self.mss
    }

    /// Tells whether something waits that was never sent.
    pub(super) fn has_unsent(&self) -> bool {
        let sent = self.in_flight() as usize;
        sent < self.buffer.len() + usize::from(self.fin == Fin::Queued)
    }

    /// Tells whether the peer has our FIN.
    pub(super) fn fin_acknowledged(&self) -> bool {
        self.fin == Fin::Acknowledged
    }

    /// Returns how many bytes the peer has not acknowledged, sent or not.
    pub(super) fn queued(&self) -> usize {
        self.buffer.len()
    }

    /// Returns the largest window that the peer ever offered.
    pub(super) fn window_max(&self) -> u32 {
        self.window_max
    }

    /// Drops what is queued: the connection is dead.
    pub(super) fn clear(&mut self) {
        self.buffer = VecDeque::new();
        self.blocked = false;
    }

    fn half_of_flight(&self) -> u32 {
        (self.in_flight() / 2).max(2 * self.mss)
    }

    fn grow_window(&mut self, acknowledged: u32) {
        if matches!(self.recovery, Recovery::Fast { .. }) {
            return;
        }
        // RFC 5681 section 3.1: slow start, then a segment a round trip
        let step = if self.congestion_window < self.slow_start_threshold {
            acknowledged.min(self.mss)
        } else {
            (self.mss * self.mss / self.congestion_window).max(1)
        };
        self.congestion_window = self.congestion_window.saturating_add(step);
    }
}
