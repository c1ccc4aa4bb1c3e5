//! What was found, as data: what is known, how, and what could not be known.

use core::fmt;

use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::time::{Duration, brief};
use serde::Serialize;

mod lesson;
mod words;

/// The answer of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What is known of the limit.
    pub outcome: Outcome,
    /// Whether a TCP keepalive probe starts the timer again.
    pub class: Class,
    /// What could not be known, and why.
    pub unknown: Vec<Unknown>,
    /// What was noticed beside the answer.
    pub remarks: Vec<Remark>,
    /// Every pause and what became of it, in the order of asking.
    pub samples: Vec<Sample>,
    /// What it took.
    pub effort: Effort,
}

/// What is known of the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A pause between these two is fatal.
    Limit(Limit),
    /// Every pause up to this one was survived, and no longer one was tried. Where the far end
    /// sends TCP keepalive probes, each of them ends a pause and no socket shows it: a box that
    /// they keep may then forget sooner.
    AtLeast {
        /// The longest pause that was survived.
        survived: Duration,
    },
    /// Nothing is accused.
    Inconclusive {
        /// Why.
        because: Because,
        /// The longest pause that was survived all the same.
        survived: Option<Duration>,
    },
}

/// A limit on how long a connection may be idle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// The longest pause that is known to be survived: the limit is longer.
    pub survived: Duration,
    /// A pause that is known to be fatal: the limit is no longer than this.
    pub died: Duration,
    /// How a forgotten connection shows.
    pub mechanism: Mechanism,
    /// Who ends it. If it is the peer, it was its own timer: the path's limit is at least
    /// `survived`, and more is not known of it.
    pub closer: Culprit,
    /// How many connections died of it.
    pub deaths: u32,
}

/// Whether a TCP keepalive probe starts the timer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It does: the limit is on the time without any packet.
    Packets,
    /// It does not: the limit is on the time without data.
    Data,
    /// It is not known.
    Unknown,
}

/// Why nothing is accused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// No connection could be opened, or none answered its first question.
    CannotAsk(Failure),
    /// Connections died at times and not at ages: a restart, or a table that was flushed.
    Restarted {
        /// How often.
        times: u32,
    },
    /// Connections died that were opened early, and those that were opened later lived to a greater
    /// age: a table without room, in which the measurement's own connections push out each other.
    Evicted {
        /// How many connections were open when it began.
        open: u32,
    },
    /// Connections died at ages that others survived, again and again.
    Erratic {
        /// How many died.
        deaths: u32,
        /// How many were asked.
        asked: u32,
    },
    /// Connections died, and there were too few to see whether others agree.
    TooFew {
        /// How many died.
        deaths: u32,
    },
    /// It was stopped before anything was known.
    Stopped,
}

/// Why a connection cannot be used to measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The far end refused it.
    Refused,
    /// The far end could not be reached in time.
    TimedOut,
    /// No way leads there.
    Unreachable,
    /// The system gave no file descriptor for it.
    NoDescriptors,
    /// The system gave no port for it.
    NoPorts,
    /// It was reset before the first question was answered.
    Reset,
    /// It was closed before the first question was answered.
    ClosedAtOnce,
    /// It was closed after the first answer, or the far end said that it would be.
    ClosesAfterAnswer,
    /// The far end speaks something else.
    Foreign(String),
    /// The first question was not answered in time.
    NoAnswer,
    /// The system or TLS failed.
    Local(String),
}

/// Something that could not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// Who ended the connections: from this end's sockets it looks alike.
    Closer,
    /// What lies beyond the far end's own timer.
    BeyondPeer,
    /// Whether probes start the timer again: no twin was there to be asked.
    Class,
    /// Whether packets from outside alone start the timer again: each is acknowledged from inside.
    Direction,
    /// The limit, more exactly: too few connections were left.
    Precision,
    /// What lies beyond: the far end sends probes of its own this often, and each ends the pause.
    FarEndProbes {
        /// How often.
        every: Duration,
    },
    /// What lies beyond: it was stopped.
    Stopped,
}

/// Something that was noticed beside the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remark {
    /// Connections died after pauses that others survived.
    Noise {
        /// How many.
        deaths: u32,
    },
    /// The far end or a box lost all connections at once, whatever their age.
    Restart {
        /// When, from the beginning.
        at: Duration,
    },
    /// Connections could not be opened any more.
    NoMore {
        /// How many were open then.
        open: u32,
    },
    /// Answers took longer than silence does; TCP's acknowledgments counted in their place.
    Slow {
        /// How many.
        answers: u32,
    },
}

/// A pause and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// How long the connection had been idle.
    pub pause: Duration,
    /// When it was asked or ended, from the beginning.
    pub after: Duration,
    /// What became of it.
    pub fate: Fate,
    /// Whether TCP's keepalive probes went to and fro meanwhile.
    pub probed: bool,
}

/// What became of a connection after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It was asked and answered.
    Survived,
    /// It was asked and reset.
    Reset,
    /// It was asked, and nothing came back.
    Silent,
    /// It was asked and closed.
    Closed,
    /// It was reset while idle.
    EndedReset,
    /// It was closed while idle.
    EndedClosed,
    /// Its own probes were not answered while it was idle.
    EndedSilent,
}

/// What a measurement took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Effort {
    /// How many connections were opened.
    pub opened: u32,
    /// How many were asked after a pause.
    pub asked: u32,
    /// How long it took.
    pub took: Duration,
}

impl Fate {
    /// Tells whether the connection was alive.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Survived)
    }

    /// Tells whether the end came while nobody asked.
    #[must_use]
    pub const fn is_idle_end(self) -> bool {
        matches!(self, Self::EndedReset | Self::EndedClosed)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", brief(self.survived), brief(self.died))
    }
}
