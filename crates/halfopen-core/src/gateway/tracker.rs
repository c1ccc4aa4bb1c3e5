//! What a gateway knows of a TCP connection: how far each end has come.
//!
//! The tracker follows a connection closely enough to choose its timer, to tell a reset that ends
//! it from one that does not, and to know the numbers that a segment of the gateway's own must
//! carry. It does not reassemble, and it never changes a packet.

use core::num::{NonZeroU8, NonZeroU32};

use super::mapping::Phase;
use crate::hop::Side;
use crate::seq::Seq;
use crate::wire::View;
use crate::wire::tcp::{Flags, Header};

/// How far the end of a SYN that carries data may be past what the SYN-ACK acknowledges, which may
/// be the SYN alone (RFC 7413 section 4.2): no segment is longer.
const SYN_DATA_MAX: i32 = 0xffff;

/// The largest window there is (RFC 7323 section 2.3), for connections whose handshake, and so
/// whose window scale, was not seen.
const WINDOW_MAX: u32 = 1 << 30;

/// How far behind what was sent an acknowledgment may always be, as Linux has it
/// (`net/netfilter/nf_conntrack_proto_tcp.c`, `MAXACKWINCONST`).
const UNACKED_MIN: u32 = 66_000;

/// What both ends of a connection have said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracker {
    inside: Half,
    outside: Half,
    /// What a SYN-ACK must acknowledge to answer a SYN that came into the live connection.
    reopening: Option<NonZeroU32>,
}

/// One end, as its own segments show it. Packed, since a mapping is to fit a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(2))]
struct Half {
    /// One past the highest sequence number that it sent.
    end: Seq,
    /// The highest number that it acknowledged: what it expects next.
    acked: Seq,
    /// The largest window that it offered, scaled.
    window: u32,
    /// One more than the scale of its windows, if its SYN named one.
    scale: Option<NonZeroU8>,
    stage: Stage,
}

/// How far one end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing was heard of it.
    Unheard,
    /// It sent a SYN.
    Synced,
    /// It must be open, as the other end talks to it, but it was not heard.
    Presumed,
    /// It acknowledged the other end's SYN.
    Open,
    /// It sent its FIN.
    Finished,
}

/// A segment, as the tracker reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    header: Header,
    end: Seq,
    scale: Option<u8>,
}

/// How a segment lies to what its receiver can have asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// Within the window.
    Within,
    /// Long before it.
    Before,
    /// After it, by no more than another window.
    Over,
    /// Nowhere near it, or its sender acknowledges what was never sent.
    Beyond,
}

/// What a segment means to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It belongs to the connection, which is in this phase now.
    To {
        /// The phase.
        phase: Phase,
        /// Whether the segment carried anything that was not there before.
        news: bool,
    },
    /// It may be genuine and must pass, but it proves nothing: the ends will sort it out.
    Aside,
    /// No connection in this phase has such a segment, or its window does not reach so far.
    OutOfWindow,
    /// It opens a new connection where this one is over.
    Anew,
}

impl Segment {
    /// Reads a segment, if its header is there.
    #[inline]
    pub(super) fn read(view: View<'_>) -> Option<Self> {
        let header = view.tcp()?;
        let syn = header.flags.has(Flags::SYN);
        let scale = if syn { view.tcp_options().window_scale } else { None };
        let end = header.seq + header.seq_len(view.payload_len());
        Some(Self { header, end, scale })
    }

    /// Tells whether it asks for a new connection.
    pub(super) fn opens(&self) -> bool {
        self.header.flags.has(Flags::SYN) && !self.header.flags.has_any(Flags::ACK | Flags::RST)
    }

    /// Tells whether it can belong to the middle of a connection, so that one can be taken up. What
    /// only ends a connection takes none up (`net/netfilter/nf_conntrack_proto_tcp.c`,
    /// `tcp_conntracks`: from `sNO`, only an ACK leads to `sES`).
    pub(super) fn can_be_adopted(&self) -> bool {
        let flags = self.header.flags;
        flags.has(Flags::ACK) && !flags.has_any(Flags::SYN | Flags::FIN | Flags::RST)
    }
}

impl Half {
    const UNHEARD: Self =
        Self { end: Seq(0), acked: Seq(0), window: 0, scale: None, stage: Stage::Unheard };

    fn synced(syn: &Segment) -> Self {
        let window = u32::from(syn.header.window);
        let scale = syn.scale.and_then(|scale| NonZeroU8::MIN.checked_add(scale));
        Self { end: syn.end, window, scale, stage: Stage::Synced, ..Self::UNHEARD }
    }

    fn presumed(end: Seq, acked: Seq) -> Self {
        Self { end, acked, window: WINDOW_MAX, scale: None, stage: Stage::Presumed }
    }

    const fn has_acked_all(self, other: Self) -> bool {
        self.acked.since(other.end) == 0
    }

    /// Tells whether `ack` answers the SYN of this end.
    fn is_syn_answered(&self, ack: Seq) -> bool {
        self.stage >= Stage::Synced && (0..=SYN_DATA_MAX).contains(&self.end.since(ack))
    }
}

impl Tracker {
    /// What is known of a flow that is not TCP.
    pub(super) const NONE: Self =
        Self { inside: Half::UNHEARD, outside: Half::UNHEARD, reopening: None };

    /// Returns a connection that a SYN from `side` opens.
    pub(super) fn opened(side: Side, syn: &Segment) -> Self {
        let mut tracker = Self::NONE;
        *tracker.half_mut(side) = Half::synced(syn);
        tracker
    }

    /// Returns a connection taken up in its middle by a segment from `side`.
    pub(super) fn adopted(side: Side, segment: &Segment) -> Self {
        let Header { seq, ack, .. } = segment.header;
        let mut tracker = Self::NONE;
        *tracker.half_mut(side) = Half::presumed(segment.end, ack);
        *tracker.half_mut(side.opposite()) = Half::presumed(ack, seq);
        tracker.converse(Phase::Established, side, segment);
        tracker
    }

    /// Takes a segment from `side` while the connection, which `opener` opened, is in `phase`.
    #[inline]
    pub(super) fn track(
        &mut self,
        phase: Phase,
        side: Side,
        opener: Side,
        segment: &Segment,
    ) -> Step {
        let flags = segment.header.flags;
        if flags.has(Flags::RST) {
            self.reset(phase, side, segment)
        } else if flags.has(Flags::SYN) {
            self.synchronise(phase, side, opener, segment)
        } else if flags.has(Flags::ACK) {
            self.converse(phase, side, segment)
        } else {
            Step::OutOfWindow // RFC 9293 section 3.10.7.4, fifth: its receiver drops it
        }
    }

    /// Tells whether every part of a segment would do for this connection what the whole does, and
    /// none would be found outside the window.
    pub(super) fn admits_throughout(&self, side: Side, segment: &Segment) -> bool {
        let Header { seq, ack, flags, .. } = segment.header;
        let genuine = flags.has(Flags::ACK) && !flags.has_any(Flags::SYN | Flags::RST);
        // The first part is the oldest, and the last goes farthest.
        let known = self.half(side).stage != Stage::Presumed;
        genuine && known && self.fit(side, segment.end, seq, Some(ack)) == Fit::Within
    }

    /// Returns the phase of a connection that was not reset.
    pub(super) fn phase(&self) -> Phase {
        let stages = [self.inside.stage, self.outside.stage];
        if stages.iter().any(|&stage| stage < Stage::Presumed) {
            Phase::Opening
        } else if stages == [Stage::Finished; 2] {
            let (inside, outside) = (self.inside, self.outside);
            if inside.has_acked_all(outside) && outside.has_acked_all(inside) {
                Phase::TimeWait
            } else {
                Phase::Closing
            }
        } else if stages.contains(&Stage::Finished) {
            Phase::HalfClosed
        } else {
            Phase::Established
        }
    }

    /// Returns what the end on `side` expects next and what it has sent last: the sequence and
    /// acknowledgment number of a segment to it that it will accept.
    pub(super) fn numbers_for(&self, side: Side) -> (Seq, Seq) {
        let half = self.half(side);
        (half.acked, half.end)
    }

    /// RFC 5961 section 3.2: an end believes a reset only if its number is exactly the next
    /// expected, which lies from what it acknowledged to what was sent to it.
    fn reset(&mut self, phase: Phase, side: Side, segment: &Segment) -> Step {
        let Header { seq, ack, flags, .. } = segment.header;
        let (from, to) = (self.half(side), self.half(side.opposite()));
        let done = Step::To { phase: Phase::Reset, news: true };
        if phase == Phase::Reset {
            return done;
        }
        if from.stage == Stage::Unheard {
            // RFC 9293 section 3.10.7.3: the reset of a SYN is good if it acknowledges it.
            let refused = flags.has(Flags::ACK) && to.is_syn_answered(ack);
            return if refused { done } else { Step::Aside };
        }
        let expected = if to.stage >= Stage::Presumed { to.acked } else { from.end };
        let is_new = seq.since(expected) >= 0;
        let exact = is_new && from.end.since(seq) >= 0;
        // Some set the flag and acknowledge nothing.
        let ack = Some(ack).filter(|ack| flags.has(Flags::ACK) && ack.0 != 0);
        let fit = self.fit(side, seq, seq, ack);
        let closing = matches!(phase, Phase::HalfClosed | Phase::Closing | Phase::TimeWait);
        if phase == Phase::Opening {
            if exact { done } else { Step::Aside }
        } else if !is_new || fit == Fit::Beyond {
            Step::OutOfWindow
        } else if fit == Fit::Within && (exact || closing) {
            done
        } else {
            Step::Aside
        }
    }

    fn synchronise(&mut self, phase: Phase, side: Side, opener: Side, segment: &Segment) -> Step {
        let Header { seq, ack, flags, .. } = segment.header;
        let answers = flags.has(Flags::ACK);
        if phase == Phase::Opening {
            return self.handshake(side, segment, answers);
        }
        if !answers && matches!(phase, Phase::TimeWait | Phase::Reset) {
            return Step::Anew;
        }
        if answers == (side == opener) {
            return Step::OutOfWindow; // who opened the connection asks, the other answers
        }
        if answers && self.reopening == NonZeroU32::new(ack.0) {
            // Both ends agree on a new connection, so the one known here was long gone.
            self.reopening = None;
            let opener = self.half_mut(side.opposite());
            (opener.end, opener.stage) = (ack, Stage::Synced);
            *self.half_mut(side) = Half::UNHEARD;
            return self.handshake(side, segment, answers);
        }
        if !answers {
            // RFC 5961 section 4.2: the other end answers with a challenge, and a reset follows if
            // the sender means it. Number 2^32 - 1 is not remembered, at no loss.
            self.reopening = NonZeroU32::new((seq + 1).0);
        }
        Step::Aside
    }

    fn handshake(&mut self, side: Side, segment: &Segment, answers: bool) -> Step {
        let (known, other) = (*self.half(side), *self.half(side.opposite()));
        if answers && (other.stage == Stage::Unheard || segment.header.ack.after(other.end)) {
            return Step::OutOfWindow; // it answers what was not said
        }
        if answers && !other.is_syn_answered(segment.header.ack) {
            return Step::Aside; // such as one from an earlier connection of the same ends
        }
        if !answers && known.stage >= Stage::Synced && known.end.since(segment.end) != 0 {
            *self = Self::opened(side, segment); // the opener gave up and tries again
        } else if known.stage == Stage::Unheard {
            *self.half_mut(side) = Half::synced(segment);
        }
        if answers {
            self.acknowledge(side, segment);
        }
        Step::To { phase: self.phase(), news: true }
    }

    fn converse(&mut self, phase: Phase, side: Side, segment: &Segment) -> Step {
        let Header { seq, ack, flags, .. } = segment.header;
        let (from, to) = (*self.half(side), *self.half(side.opposite()));
        if phase == Phase::Opening {
            let unheard = to.stage == Stage::Unheard;
            let challenges = from.stage < Stage::Synced;
            if unheard || if challenges { flags.has(Flags::FIN) } else { ack.after(to.end) } {
                return Step::OutOfWindow; // it acknowledges what was not said
            }
            if challenges || !to.is_syn_answered(ack) {
                return Step::Aside; // such as an earlier connection's challenge to the SYN
            }
        } else {
            if from.stage == Stage::Presumed && ack.since(to.end) == 1 {
                self.half_mut(side.opposite()).end = ack; // it was taken up by a keepalive probe
            }
            match self.fit(side, seq, segment.end, Some(ack)) {
                Fit::Within => {}
                Fit::Before => return Step::Aside,
                Fit::Over => {
                    let half = self.half_mut(side);
                    half.end = segment.end;
                    return Step::Aside;
                }
                Fit::Beyond => return Step::OutOfWindow,
            }
        }
        let half = self.half_mut(side);
        let news = segment.end.after(half.end) || half.stage == Stage::Presumed;
        half.end = half.end.latest(segment.end);
        self.acknowledge(side, segment);
        let half = self.half_mut(side);
        if flags.has(Flags::FIN) && segment.end.since(half.end) == 0 {
            half.stage = Stage::Finished;
        }
        let phase = if phase == Phase::Reset { phase } else { self.phase() };
        Step::To { phase, news }
    }

    fn acknowledge(&mut self, side: Side, segment: &Segment) {
        let to = *self.half(side.opposite());
        let Header { ack, flags, window, .. } = segment.header;
        let half = self.half_mut(side);
        half.acked = if half.stage >= Stage::Open { half.acked.latest(ack) } else { ack };
        half.stage = half.stage.max(Stage::Open);
        // RFC 7323 section 2.2: scaled if both SYNs had the option, and never in a SYN.
        let shift = half.scale.filter(|_| to.scale.is_some() && !flags.has(Flags::SYN));
        let shift = shift.map_or(0, |shift| shift.get() - 1);
        half.window = half.window.max(u32::from(window) << shift);
    }

    /// Tells how a segment from `side` lies to what the other end can have asked for, and whether
    /// `side` can have been told what it acknowledges.
    ///
    /// The bounds are those of van Rooij's "Real stateful TCP packet filtering in IP Filter"
    /// (2001), made wider by not following each window: what the other end has acknowledged plus
    /// the largest window that it ever offered. A segment that repeats older data is within as
    /// far back as such a window, so that a loss of acknowledgments stalls nothing. As in Linux
    /// (`net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_in_window`), one that is older still, or too
    /// long by no more than another window, is let pass.
    fn fit(&self, side: Side, seq: Seq, end: Seq, ack: Option<Seq>) -> Fit {
        let (from, to) = (self.half(side), self.half(side.opposite()));
        let window = i32::try_from(to.window.min(WINDOW_MAX)).unwrap_or(i32::MAX);
        let sent = ack.is_none_or(|ack| to.stage == Stage::Presumed || !ack.after(to.end));
        let unacked = i32::try_from(from.window.clamp(UNACKED_MIN, WINDOW_MAX)).unwrap_or(i32::MAX);
        let timely = ack.is_none_or(|ack| to.end.since(ack) <= unacked);
        // A keepalive probe is one before (RFC 9293 section 3.8.4).
        let recent = from.end.since(end) <= window.saturating_add(1);
        let asked_for = seq.since(to.acked) <= window;
        if !sent {
            Fit::Beyond
        } else if from.stage == Stage::Presumed || asked_for && recent && timely {
            Fit::Within
        } else if asked_for {
            Fit::Before
        } else if recent && timely && end.since(to.acked) < window.saturating_mul(2) {
            Fit::Over
        } else {
            Fit::Beyond
        }
    }

    const fn half(&self, side: Side) -> &Half {
        match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        }
    }

    const fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Inside => &mut self.inside,
            Side::Outside => &mut self.outside,
        }
    }
}
