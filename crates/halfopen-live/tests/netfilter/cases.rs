//! Conversations and what becomes of each packet in either gateway.

mod different;
mod orphans;
mod others;

use std::time::Duration;

use halfopen_core::hop::Side;
use halfopen_core::seq::Seq;
use halfopen_core::wire::tcp::Flags;

use crate::fate::Outcome::{self, Dropped, Passed};
use crate::list::{Flow, List, Said, Segment, Step};
use crate::setup::Setup;

pub(crate) use different::different;

/// A conversation, packet by packet.
#[derive(Clone)]
pub(crate) struct Conversation {
    pub(crate) name: &'static str,
    pub(crate) setup: Setup,
    pub(crate) rows: Vec<Row>,
}

/// A packet, and what becomes of it.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) step: Step,
    pub(crate) ours: Outcome,
    pub(crate) theirs: Outcome,
}

const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
const RST: Flags = Flags::RST;
const SYN_ACK: Flags = Flags(0x12);
const FIN_ACK: Flags = Flags(0x11);

/// A segment that passes: from inside, where 1,000 is the first byte.
const fn i(flags: Flags, seq: u32, ack: u32, len: u16) -> Row {
    row(
        Side::Inside,
        Flow::Tcp,
        Said::Segment(Segment { flags, seq: Seq(seq), ack: Seq(ack), len }),
    )
}

/// A segment that passes: from outside, where 5,000 is the first byte.
const fn o(flags: Flags, seq: u32, ack: u32, len: u16) -> Row {
    row(
        Side::Outside,
        Flow::Tcp,
        Said::Segment(Segment { flags, seq: Seq(seq), ack: Seq(ack), len }),
    )
}

const fn datagram(side: Side) -> Row {
    row(side, Flow::Udp, Said::Datagram)
}

const fn row(side: Side, flow: Flow, said: Said) -> Row {
    let step = Step { pause: Duration::ZERO, flow, side, said };
    Row { step, ours: Passed, theirs: Passed }
}

impl Row {
    const fn after(mut self, millis: u64) -> Self {
        self.step.pause = Duration::from_millis(millis);
        self
    }

    const fn is(mut self, outcome: Outcome) -> Self {
        (self.ours, self.theirs) = (outcome, outcome);
        self
    }

    /// What netfilter does otherwise.
    const fn theirs(mut self, outcome: Outcome) -> Self {
        self.theirs = outcome;
        self
    }
}

impl Conversation {
    pub(crate) fn list(&self) -> List {
        List(self.rows.iter().map(|row| row.step).collect())
    }
}

/// Returns a connection after its handshake, and what follows.
fn open(rows: &[Row]) -> Vec<Row> {
    let handshake = [i(SYN, 999, 0, 0), o(SYN_ACK, 4_999, 1_000, 0), i(ACK, 1_000, 5_000, 0)];
    [&handshake, rows].concat()
}

fn conversation(name: &'static str, setup: Setup, rows: Vec<Row>) -> Conversation {
    Conversation { name, setup, rows }
}

/// Returns what both do alike. The timers are those of [`Setup::config`]: 4 s of an open
/// connection, 3 s of a half-closed one, 2 s while it opens, closes and waits, 1 s after a reset.
pub(crate) fn alike() -> Vec<Conversation> {
    [
        orphans::conversations(),
        others::packetdrill(),
        others::packetdrill_reuse(),
        others::vpp(),
        datagrams(),
    ]
    .concat()
}

fn datagrams() -> Vec<Conversation> {
    use Side::{Inside, Outside};
    vec![
        conversation(
            "a question without an answer",
            Setup::Silent,
            vec![datagram(Inside), datagram(Outside).after(1_370).is(Dropped)],
        ),
        conversation(
            "a stream",
            Setup::Silent,
            vec![
                datagram(Inside),
                datagram(Outside).after(330),
                datagram(Inside).after(330),
                datagram(Outside).after(330),
                datagram(Outside).after(330),
                datagram(Outside).after(330),
                datagram(Outside).after(330),
                datagram(Outside).after(330),
                datagram(Outside).after(1_370),
            ],
        ),
    ]
}
