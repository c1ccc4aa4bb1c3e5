//! What a plan orders and what it is told.

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use halfopen_pool::connect::Delivery;
use halfopen_pool::idle::WireIdle;

use crate::answer::Failure;

/// A connection, counted from zero in the order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbeId(pub u32);

/// What a plan wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect, have TCP probe the connection if told so, ask once, and then leave it idle.
    Open {
        /// The next number.
        probe: ProbeId,
        /// When TCP probes it, if at all.
        keepalive: Option<Keepalive>,
    },
    /// Ask.
    Ask {
        /// An idle connection.
        probe: ProbeId,
        /// After how long without an answer [`Told::Overdue`] is told.
        overdue_after: Duration,
        /// After how long it is silent.
        silent_after: Duration,
    },
    /// Change when TCP probes an idle connection.
    Keepalive {
        /// A connection that was opened with probes.
        probe: ProbeId,
        /// From now on.
        keepalive: Keepalive,
    },
    /// Close an idle connection. Nothing more is told of it.
    Close {
        /// It may have ended by itself.
        probe: ProbeId,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A connection is open and has answered: it is idle from now on.
    Opened {
        /// It.
        probe: ProbeId,
        /// How long the handshake took.
        rtt: Duration,
        /// How long ago it was asked.
        greeting: Duration,
    },
    /// A connection cannot be used.
    Failed {
        /// It.
        probe: ProbeId,
        /// Why.
        failure: Failure,
    },
    /// A connection that was asked has not answered yet, nor has its TCP acknowledged.
    Overdue {
        /// It.
        probe: ProbeId,
        /// What became of the question, as far as the system tells.
        delivery: Option<Delivery>,
    },
    /// What a connection replied when asked. It is closed.
    Replied {
        /// It.
        probe: ProbeId,
        /// For how long it had been quiet when it was asked, as the system counts.
        quiet: Option<WireIdle>,
        /// What.
        reply: Reply,
    },
    /// An idle connection ended.
    Ended {
        /// It.
        probe: ProbeId,
        /// How.
        end: End,
    },
    /// What came of closing this half after the far end's FIN.
    Farewell {
        /// The connection.
        probe: ProbeId,
        /// What came.
        after: AfterFin,
    },
}

/// What came back when a connection was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Answered,
    /// No answer yet, but TCP's acknowledgment: the path remembers, and the far end is slow.
    Acknowledged,
    /// A reset.
    Reset,
    /// A FIN.
    Closed,
    /// Nothing.
    Silent,
}

/// How an idle connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By a FIN.
    Closed,
    /// By a reset.
    Reset,
    /// TCP's own probes were not answered.
    TimedOut,
}

/// What became of our FIN after the far end's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFin {
    /// It was acknowledged: the far end's TCP is there, and closed in good order.
    Acknowledged,
    /// It was reset: the far end's TCP or a box does not know the connection any more.
    Reset,
    /// Nothing: a box had sent the FIN and forgotten the connection.
    Silent,
    /// The system does not tell.
    Unseen,
}
