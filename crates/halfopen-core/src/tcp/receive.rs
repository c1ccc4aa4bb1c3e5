//! The receiving half: what came in order, what came early, and the window that is offered.

use std::collections::VecDeque;

use crate::seq::Seq;

/// How many pieces that came early are held; more are dropped, and the peer sends them again.
const EARLY_MAX: usize = 256;

/// What `receive` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes; at least one unless the caller's buffer is empty.
    Bytes(usize),
    /// Nothing yet.
    Empty,
    /// The peer has sent all that it will.
    Finished,
}

/// What a segment brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Nothing: no payload and no FIN.
    Nothing,
    /// The next bytes, or the FIN.
    News,
    /// Something that fits later, or that was there before; the peer must be told at once.
    OutOfOrder,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub(super) struct Receiver {
    buffer: VecDeque<u8>,
    /// Pieces that came early, in order, not touching each other.
    early: Vec<(Seq, Vec<u8>)>,
    /// The last piece that came early or again: the next SACK or D-SACK block.
    pub(super) report: Option<(Seq, Seq)>,
    /// The next number expected.
    pub(super) nxt: Seq,
    /// The highest number acknowledged to the peer.
    pub(super) acked: Seq,
    /// The number after the last that the peer may send.
    edge: Seq,
    /// How much is held at most; a whole number of segments.
    capacity: u32,
    /// The shift of the windows that we send, if both ends scale theirs.
    pub(super) scale: Option<u8>,
    mss: u32,
    fin: Option<Seq>,
    finished: bool,
    /// The program was told that there is no more.
    pub(super) end_read: bool,
    /// The program does not read any more.
    pub(super) closed: bool,
}

impl Receiver {
    pub(super) fn new(capacity: usize, mss: u32) -> Self {
        Self {
            buffer: VecDeque::new(),
            early: Vec::new(),
            report: None,
            nxt: Seq(0),
            acked: Seq(0),
            edge: Seq(0),
            // 2^30: RFC 7323 section 2.2, the largest window
            capacity: u32::try_from(capacity).unwrap_or(1 << 30).min(1 << 30),
            scale: None,
            mss,
            fin: None,
            finished: false,
            end_read: false,
            closed: false,
        }
    }

    /// Starts after the peer's SYN. Without window scaling no more than 65,535 bytes are offered.
    pub(super) fn open(&mut self, irs: Seq, mss: u32, scale: Option<u8>) {
        self.mss = mss;
        self.scale = scale;
        if scale.is_none() {
            self.capacity = self.capacity.min(65_535);
        }
        self.nxt = irs + 1;
        self.acked = self.nxt;
        self.edge = self.nxt;
    }

    /// Returns the window for a SYN, which is never scaled. From now on only whole segments count
    /// (`net/ipv4/tcp_output.c`, `tcp_select_initial_window`).
    pub(super) fn initial_window(&mut self) -> u16 {
        self.capacity = whole_segments(self.capacity, self.mss);
        let window = whole_segments(self.capacity.min(65_535), self.mss);
        u16::try_from(window).unwrap_or(u16::MAX)
    }

    /// Notes that a SYN-ACK leaves now and returns the window for it.
    pub(super) fn offer_initial(&mut self) -> u16 {
        let window = self.initial_window();
        self.edge = self.nxt + u32::from(window);
        window
    }

    /// Notes that an acknowledgment leaves now and returns the window for it.
    ///
    /// What is free is rounded up, as Linux does (`net/ipv4/tcp_output.c`, `__tcp_select_window`);
    /// what is only left of an earlier offer is rounded down, or it would grow with every segment.
    pub(super) fn offer(&mut self) -> u16 {
        let scale = self.scale.unwrap_or(0);
        let free = self.free().next_multiple_of(1 << scale);
        let offered = if free >= self.window() { free } else { self.window() };
        let told = u16::try_from(offered >> scale).unwrap_or(u16::MAX);
        self.edge = self.edge.latest(self.nxt + (u32::from(told) << scale));
        self.acked = self.nxt;
        told
    }

    /// Returns how much the peer may still send.
    pub(super) fn window(&self) -> u32 {
        self.edge.since(self.nxt).max(0).cast_unsigned()
    }

    /// Tells whether a segment has a number that is expected (`net/ipv4/tcp_input.c`,
    /// `tcp_sequence`): it ends not before what we acknowledged and begins within the window.
    pub(super) fn expects(&self, seq: Seq, end: Seq) -> bool {
        !end.before(self.acked) && !seq.after(self.nxt + self.window())
    }

    /// Takes what a segment carries.
    pub(super) fn take(&mut self, seq: Seq, payload: &[u8], fin: bool) -> Brought {
        if payload.is_empty() && !fin {
            return Brought::Nothing;
        }
        let end = seq.advance(payload.len());
        let known = self.nxt.since(seq);
        let fits = self.edge.since(seq).max(0).cast_unsigned() as usize;
        let whole = payload.len() <= fits;
        if fin && whole && !self.finished {
            self.fin = Some(end);
        }
        if known < 0 {
            self.take_early(seq, &payload[..payload.len().min(fits)]);
            return Brought::OutOfOrder;
        }
        let fresh = payload.get(known.unsigned_abs() as usize..payload.len().min(fits));
        let fresh = fresh.unwrap_or_default();
        self.buffer.extend(fresh);
        self.nxt = self.nxt.advance(fresh.len());
        let filled = !fresh.is_empty() && !self.early.is_empty();
        self.take_up_early();
        let ended = self.fin == Some(self.nxt) && !self.finished;
        if ended {
            self.finished = true;
            self.nxt = self.nxt + 1;
        }
        match (fresh.is_empty() && !ended, filled) {
            (true, _) => {
                self.report = (!payload.is_empty()).then_some((seq, end)); // RFC 2883
                Brought::OutOfOrder
            }
            (false, true) => Brought::OutOfOrder, // RFC 5681 section 4.2: a gap was filled
            (false, false) => Brought::News,
        }
    }

    fn take_early(&mut self, seq: Seq, payload: &[u8]) {
        if payload.is_empty() || self.early.len() >= EARLY_MAX {
            return;
        }
        let end = seq.advance(payload.len());
        let first = self.early.partition_point(|(from, bytes)| end_of(*from, bytes).before(seq));
        let mut merged = (seq, payload.to_vec());
        while let Some((from, _)) = self.early.get(first).filter(|(from, _)| !from.after(end)) {
            let (from, bytes) = (*from, self.early.remove(first).1);
            merged = merge((from, bytes), merged);
        }
        self.report = Some((merged.0, end_of(merged.0, &merged.1)));
        self.early.insert(first, merged);
    }

    fn take_up_early(&mut self) {
        while let Some((from, bytes)) = self.early.first() {
            let known = self.nxt.since(*from);
            if known < 0 {
                return;
            }
            let fresh = bytes.get(known.unsigned_abs() as usize..).unwrap_or_default();
            self.buffer.extend(fresh);
            self.nxt = self.nxt.advance(fresh.len());
            self.early.remove(0);
        }
        self.early = Vec::new();
    }

    /// Gives bytes to the program.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.buffer.len());
        let (front, back) = self.buffer.as_slices();
        let from_front = count.min(front.len());
        into[..from_front].copy_from_slice(&front[..from_front]);
        into[from_front..count].copy_from_slice(&back[..count - from_front]);
        self.buffer.drain(..count);
        if self.buffer.is_empty() {
            self.buffer = VecDeque::new();
        }
        count
    }

    /// Tells whether the window could be so much larger than the one offered that the peer should
    /// know (`net/ipv4/tcp.c`, `__tcp_cleanup_rbuf`: twice as large).
    pub(super) fn window_opened(&self) -> bool {
        let free = self.free();
        free > 0 && free >= self.window().saturating_mul(2)
    }

    /// Returns how many bytes wait for the program.
    pub(super) fn unread(&self) -> usize {
        self.buffer.len()
    }

    /// Tells whether the peer's FIN came, and all before it.
    pub(super) fn finished(&self) -> bool {
        self.finished
    }

    /// Tells whether pieces that came early are held.
    pub(super) fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }

    /// Tells whether a segment ends after what is in order: it has something to say.
    pub(super) fn would_advance(&self, end: Seq) -> bool {
        end.after(self.nxt)
    }

    fn free(&self) -> u32 {
        let held = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        let free = self.capacity.saturating_sub(held);
        // RFC 9293 section 3.8.6.2.2: no small windows
        if free < self.mss.min(self.capacity / 2) { 0 } else { free }
    }
}

fn whole_segments(bytes: u32, mss: u32) -> u32 {
    bytes - bytes % mss.clamp(1, bytes.max(1))
}

fn merge(left: (Seq, Vec<u8>), right: (Seq, Vec<u8>)) -> (Seq, Vec<u8>) {
    let (mut left, right) = if left.0.after(right.0) { (right, left) } else { (left, right) };
    let known = end_of(left.0, &left.1).since(right.0).max(0).unsigned_abs() as usize;
    left.1.extend(right.1.get(known..).unwrap_or_default());
    left
}

fn end_of(from: Seq, bytes: &[u8]) -> Seq {
    from.advance(bytes.len())
}
