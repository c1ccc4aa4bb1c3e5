//! Lists from chance: conversations as two ends would have them, and what goes wrong in them.

use std::time::Duration;

use halfopen_core::hop::Side;
use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::wire::tcp::Flags;

use crate::list::{Flow, List, Said, Segment, Step, WINDOW};

const SYN_ACK: Flags = Flags(0x12);
const FIN_ACK: Flags = Flags(0x11);
const RST_ACK: Flags = Flags(0x14);

/// Pauses, in milliseconds: each lies well between two whole seconds, as their sums mostly do.
const PAUSES: [u64; 5] = [330, 1_370, 1_370, 2_390, 4_420];

/// Returns the list of a seed.
pub(crate) fn list(seed: u64) -> List {
    let mut writer = Writer {
        rng: Rng::new(seed),
        steps: Vec::new(),
        pause: Duration::ZERO,
        ends: [[End { next: Seq(50_001), first: Seq(50_000), last: None }; 2]; 2],
    };
    let acts = 3 + writer.rng.below(7);
    let single = writer.rng.chance(0.7);
    for act in 0..acts {
        let flow = match writer.rng.below(10) {
            _ if single => Flow::Tcp,
            0..=4 => Flow::Tcp,
            5..=6 => Flow::Rival,
            7..=8 => Flow::Udp,
            _ => Flow::Icmp,
        };
        if act > 0 && writer.rng.chance(0.5) {
            writer.pause = Duration::from_millis(*writer.rng.pick(&PAUSES));
        }
        writer.act(flow, act == 0);
    }
    List(writer.steps)
}

/// One end of a connection: what it sends next, and what it sent last.
#[derive(Clone, Copy, Debug)]
struct End {
    next: Seq,
    first: Seq,
    last: Option<Segment>,
}

struct Writer {
    rng: Rng,
    steps: Vec<Step>,
    pause: Duration,
    /// Of both connections.
    ends: [[End; 2]; 2],
}

impl Writer {
    fn act(&mut self, flow: Flow, first: bool) {
        match flow {
            Flow::Udp | Flow::Icmp => self.exchange(flow),
            Flow::Tcp | Flow::Rival if first && self.rng.chance(0.9) => self.handshake(flow),
            Flow::Tcp | Flow::Rival => self.converse(flow),
        }
    }

    fn exchange(&mut self, flow: Flow) {
        let said = if flow == Flow::Udp { Said::Datagram } else { Said::Echo };
        let side = self.side();
        match self.rng.below(5) {
            0 => self.say(flow, side, Said::Unreachable),
            1 => self.say(flow, side, said),
            _ => {
                self.say(flow, Side::Inside, said);
                self.say(flow, Side::Outside, said);
            }
        }
    }

    fn handshake(&mut self, flow: Flow) {
        self.syn(flow, Side::Inside, true);
        if self.rng.chance(0.1) {
            self.pause = Duration::from_millis(*self.rng.pick(&PAUSES));
        }
        self.syn_ack(flow, Side::Outside, true);
        if self.rng.chance(0.1) {
            self.pause = Duration::from_millis(*self.rng.pick(&PAUSES));
        }
        self.ack(flow, Side::Inside);
    }

    fn converse(&mut self, flow: Flow) {
        let side = self.side();
        let other = side.opposite();
        match self.rng.below(30) {
            0..=3 => {
                self.data(flow, side);
                self.ack(flow, other);
            }
            4 | 5 => self.data(flow, side),
            6 | 7 => self.ack(flow, side),
            8 => self.again(flow, side),
            9 => {
                self.probe(flow, side);
                self.ack(flow, other);
            }
            10..=12 => {
                self.fin(flow, side);
                self.ack(flow, other);
            }
            13 => {
                self.fin(flow, side);
                self.ack(flow, other);
                self.fin(flow, other);
                self.ack(flow, side);
            }
            14 => {
                self.fin(flow, side);
                self.fin(flow, other);
                self.ack(flow, side);
                self.ack(flow, other);
            }
            15..=17 => self.reset(flow, side),
            18 | 19 => self.handshake(flow),
            20 => self.syn(flow, Side::Inside, true),
            21 => self.syn(flow, Side::Inside, false),
            22 => self.syn_ack(flow, Side::Outside, true),
            23 => self.syn_ack(flow, Side::Outside, false),
            24 if self.rng.chance(0.3) => {
                self.syn(flow, Side::Inside, true);
                self.syn(flow, Side::Outside, true);
                self.syn_ack(flow, Side::Inside, false);
                self.syn_ack(flow, Side::Outside, false);
            }
            25 => self.challenge(flow),
            26 => self.say(flow, side, Said::Unreachable),
            _ => self.stray(flow, side),
        }
    }

    /// A SYN with a number of its own, or the one that was there before.
    fn syn(&mut self, flow: Flow, side: Side, anew: bool) {
        let fresh = Seq(1_000 + u32::try_from(self.rng.below(1 << 31)).unwrap_or(0));
        let end = self.end(flow, side);
        if anew {
            (end.first, end.next) = (fresh, fresh + 1);
        }
        let seq = end.first;
        self.segment(flow, side, Flags::SYN, seq, Seq(0), 0);
    }

    fn syn_ack(&mut self, flow: Flow, side: Side, anew: bool) {
        let fresh = Seq(1_000 + u32::try_from(self.rng.below(1 << 31)).unwrap_or(0));
        let ack = self.end(flow, side.opposite()).next;
        let end = self.end(flow, side);
        if anew {
            (end.first, end.next) = (fresh, fresh + 1);
        }
        let seq = end.first;
        self.segment(flow, side, SYN_ACK, seq, ack, 0);
    }

    fn data(&mut self, flow: Flow, side: Side) {
        let len = 1 + u16::try_from(self.rng.below(1_400)).unwrap_or(0);
        let (seq, ack) = self.numbers(flow, side);
        self.end(flow, side).next = seq + u32::from(len);
        self.segment(flow, side, Flags::ACK, seq, ack, len);
    }

    fn ack(&mut self, flow: Flow, side: Side) {
        let (seq, ack) = self.numbers(flow, side);
        self.segment(flow, side, Flags::ACK, seq, ack, 0);
    }

    fn probe(&mut self, flow: Flow, side: Side) {
        let (seq, ack) = self.numbers(flow, side);
        self.segment(flow, side, Flags::ACK, Seq(seq.0.wrapping_sub(1)), ack, 0);
    }

    fn fin(&mut self, flow: Flow, side: Side) {
        let (seq, ack) = self.numbers(flow, side);
        self.end(flow, side).next = seq + 1;
        self.segment(flow, side, FIN_ACK, seq, ack, 0);
    }

    fn reset(&mut self, flow: Flow, side: Side) {
        let (seq, ack) = self.numbers(flow, side);
        let seq = self.near(seq);
        let (flags, ack) = if self.rng.chance(0.5) { (Flags::RST, Seq(0)) } else { (RST_ACK, ack) };
        self.segment(flow, side, flags, seq, ack, 0);
    }

    /// A SYN of a client that lost its memory, to a server that did not (RFC 5961 section 4.2).
    fn challenge(&mut self, flow: Flow) {
        let (seq, ack) = self.numbers(flow, Side::Outside);
        self.syn(flow, Side::Inside, true);
        self.segment(flow, Side::Outside, Flags::ACK, seq, ack, 0);
        self.segment(flow, Side::Inside, Flags::RST, ack, Seq(0), 0);
        self.syn(flow, Side::Inside, false);
        self.syn_ack(flow, Side::Outside, true);
        self.ack(flow, Side::Inside);
    }

    /// What was said last, once more.
    fn again(&mut self, flow: Flow, side: Side) {
        if let Some(last) = self.end(flow, side).last {
            self.say(flow, side, Said::Segment(last));
        }
    }

    /// A segment that does not belong there.
    fn stray(&mut self, flow: Flow, side: Side) {
        let (seq, ack) = self.numbers(flow, side);
        let (seq, ack) = (self.near(seq), self.near(ack));
        let len = u16::try_from(self.rng.below(300)).unwrap_or(0);
        let flags = [Flags::ACK, Flags::ACK, Flags::ACK, FIN_ACK, SYN_ACK, Flags(0), Flags(0x29)];
        let flags = *self.rng.pick(&flags);
        self.segment(flow, side, flags, seq, ack, len);
    }

    /// Returns a number that is exact, in the window, just outside of it, or anything.
    fn near(&mut self, exact: Seq) -> Seq {
        let window = u64::from(WINDOW);
        let some = |n: u64| u32::try_from(n).unwrap_or(0);
        match self.rng.below(8) {
            0..=2 => exact,
            3 => exact + 1 + some(self.rng.below(window / 2)),
            4 => Seq(exact.0.wrapping_sub(1 + some(self.rng.below(window / 2)))),
            5 => exact + some(3 * window + self.rng.below(window)),
            6 => Seq(exact.0.wrapping_sub(some(3 * window + self.rng.below(window)))),
            _ => Seq(some(self.rng.below(1 << 32))),
        }
    }

    fn numbers(&mut self, flow: Flow, side: Side) -> (Seq, Seq) {
        (self.end(flow, side).next, self.end(flow, side.opposite()).next)
    }

    fn segment(&mut self, flow: Flow, side: Side, flags: Flags, seq: Seq, ack: Seq, len: u16) {
        let segment = Segment { flags, seq, ack, len };
        self.end(flow, side).last = Some(segment);
        self.say(flow, side, Said::Segment(segment));
    }

    fn say(&mut self, flow: Flow, side: Side, said: Said) {
        let pause = core::mem::take(&mut self.pause);
        self.steps.push(Step { pause, flow, side, said });
    }

    fn end(&mut self, flow: Flow, side: Side) -> &mut End {
        &mut self.ends[usize::from(flow == Flow::Rival)][usize::from(side == Side::Outside)]
    }

    fn side(&mut self) -> Side {
        if self.rng.chance(0.5) { Side::Inside } else { Side::Outside }
    }
}
