//! The one trait that everything on a path implements.

use core::fmt;

use crate::flow::FlowKey;
use crate::time::{Duration, Instant};
use crate::wire::Packet;

/// The two sides of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Toward the client.
    Inside,
    /// Toward the server.
    Outside,
}

impl Side {
    /// Returns the other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Inside => Self::Outside,
            Self::Outside => Self::Inside,
        }
    }
}

/// Something on the path that packets pass through and that may remember flows.
///
/// # Contract
///
/// 1. `now` never decreases from call to call. A driver that breaks this is a bug, and a hop may
///    panic.
/// 2. Every `handle_*` first does all that is due by `now`, in the order in which it was due, so
///    that a late driver gets the same fates as a punctual one.
/// 3. After each `handle_*` the caller drains `poll_output`, then reads `poll_timeout`.
/// 4. After `handle_timeout(now)` and draining, `poll_timeout()` is `None` or later than `now`.
/// 5. Nothing else happens: no clock, no thread, no I/O.
pub trait Hop: fmt::Debug + Send {
    /// Takes a packet that arrived on `side`.
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet);

    /// Does what is due by `now`.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns what the hop sends or reports next, in order.
    fn poll_output(&mut self) -> Option<Output>;

    /// Returns when `handle_timeout` next has something to do; `None` is never.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Takes an order from outside the packet stream, such as an operator's restart.
    ///
    /// A hop that remembers nothing has nothing to do.
    fn handle_command(&mut self, now: Instant, _command: Command) {
        self.handle_timeout(now);
    }
}

/// An order from an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Forget all flows at once, tell nobody, and go on: a restart or a failover without state.
    Flush,
}

/// What leaves a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A packet, leaving on a side.
    Packet(Side, Packet),
    /// Something that the hop did.
    Event(Event),
}

/// Something that a hop did: the truth that a capture can only infer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened, which a late driver may learn later.
    pub at: Instant,
    /// Which hop of the path, counted from zero at the inside.
    pub hop: usize,
    /// What it did.
    pub kind: EventKind,
}

/// What a hop did. Flows are named as seen from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It began to remember a flow.
    Remembered {
        /// The flow.
        flow: FlowKey,
    },
    /// It forgot a flow.
    Forgot {
        /// The flow.
        flow: FlowKey,
        /// How long the flow had been idle.
        idle: Duration,
        /// Why.
        because: Demise,
    },
    /// A packet came for a flow that it does not remember.
    Orphaned {
        /// The flow, named after the packet's sender if it came from inside.
        flow: FlowKey,
        /// Where the packet came from.
        side: Side,
        /// What the hop did about it.
        reaction: Reaction,
        /// When the hop forgot the flow; `None` if it does not know that it ever had it.
        forgotten: Option<Instant>,
    },
    /// It had no port or no room for a new flow.
    Exhausted {
        /// The flow that found no place.
        flow: FlowKey,
    },
    /// It did not pass a packet on, for a reason other than a forgotten flow.
    Discarded {
        /// Where the packet came from.
        side: Side,
        /// Why.
        why: Discard,
    },
}

/// Why a hop forgot a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Demise {
    /// It was idle for as long as its state allows.
    Idle,
    /// Both ends had closed it.
    Closed,
    /// A reset had ended it.
    Reset,
    /// The table was full and another flow took its place.
    Evicted,
    /// The whole table was flushed.
    Flushed,
}

/// What a hop did with a packet of a flow that it does not remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reaction {
    /// Dropped it.
    Dropped,
    /// Dropped it and sent its sender a reset.
    Reset,
    /// Took the flow up again and passed the packet on.
    Adopted,
    /// Dropped it and told its sender by ICMP.
    Unreachable,
}

/// Why a hop did not pass a packet on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discard {
    /// Chance: the link lost it.
    Lost,
    /// The link's queue was full.
    QueueFull,
    /// It was a fragment that the hop does not forward.
    Fragment,
    /// The hop does not carry its protocol.
    Protocol,
    /// Its filter lets only known peers in.
    Filtered,
    /// Its sequence number lies outside the window that the hop tracks.
    OutOfWindow,
    /// Its time to live ran out.
    TtlExpired,
    /// It is longer than the hop passes on.
    TooBig,
    /// It is not addressed to anything that the hop serves.
    Unroutable,
}
