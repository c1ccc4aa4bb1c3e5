//! The one trait that everything on a path implements.

use core::fmt;
use std::net::SocketAddr;

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
/// 6. A packet that stands for several ([`Packet::count`]) has the fates that they would have, one
///    after the other. A hop that does not know that they pass together cuts it up.
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
    /// Send no new requests to a target, counted from zero as the balancer was given them. What is
    /// under way there may end. A hop that has no such target has nothing to do.
    Deregister {
        /// The target.
        target: usize,
    },
    /// Send requests to a target again, as soon as it proves healthy.
    Register {
        /// The target.
        target: usize,
    },
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
    /// A balancer served a request itself, or let it down.
    Refused {
        /// The client's connection.
        flow: FlowKey,
        /// The target that had been chosen; `None` if it did not come to that.
        target: Option<SocketAddr>,
        /// Why.
        why: Refusal,
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
    /// It lies outside the window that the hop tracks, or no connection has such a segment.
    OutOfWindow,
    /// Its time to live ran out.
    TtlExpired,
    /// It is longer than the hop passes on.
    TooBig,
    /// It is not addressed to anything that the hop serves.
    Unroutable,
}

/// Why a balancer did not pass a request on to a target, or not the target's whole response back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The request breaks the protocol or a limit, or its client closed before its end.
    Malformed,
    /// The request has a transfer coding that the balancer does not know.
    Unsupported,
    /// The client sent nothing, or not the whole request, for the idle timeout.
    Incomplete,
    /// The client closed its connection while the request was outstanding.
    Abandoned,
    /// The target refused the connection, or nothing leads there.
    Unreachable,
    /// The target closed the connection with a FIN while the request was outstanding.
    ClosedByTarget,
    /// The target closed the connection with a reset while the request was outstanding.
    ResetByTarget,
    /// What the target sent is not a response.
    BadResponse,
    /// The target was deregistered, and the delay for what was under way is over.
    Deregistered,
    /// No target takes requests.
    NoTarget,
    /// The balancer had no room for another connection to a target.
    Exhausted,
    /// The target did not complete the handshake in time.
    ConnectTimedOut,
    /// The target did not answer for the idle timeout.
    SilentTarget,
    /// The response broke off after its head had been passed on.
    Truncated,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is malformed",
            Self::Unsupported => "its transfer coding is not known",
            Self::Incomplete => "it did not come, or not whole, in time",
            Self::Abandoned => "its client left",
            Self::Unreachable => "the target refused the connection",
            Self::ClosedByTarget => "the target closed the connection under it",
            Self::ResetByTarget => "the target reset the connection under it",
            Self::BadResponse => "the target's response is malformed",
            Self::Deregistered => "its target was deregistered",
            Self::NoTarget => "no target takes requests",
            Self::Exhausted => "there is no room for another connection",
            Self::ConnectTimedOut => "the target did not complete the handshake in time",
            Self::SilentTarget => "the target did not answer in time",
            Self::Truncated => "the target's response broke off",
        })
    }
}
