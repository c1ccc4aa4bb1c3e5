//! What a scheduler says that it did, to be held against what the payment module did.

use core::fmt;
use core::time::Duration;

use jiff::Timestamp;

use crate::storage::{self, Scope};
use crate::subscription::{Charge, Outcome};

/// Something that happened to a scheduler.
#[derive(Clone, Debug)]
pub enum Event {
    /// A run ended.
    Ran(RunReport),
    /// A tick began no run, because one was still under way.
    Skipped {
        /// The tick.
        at: Timestamp,
    },
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// What it was about.
    pub scope: Scope,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How many subscriptions were due when it began.
    pub due: u64,
    /// How many charges this scheduler had left without an outcome before.
    pub resumed: u64,
    /// Its charges, in the order in which they were answered.
    pub charges: Vec<Answered>,
    /// Why it ended.
    pub ending: Ending,
}

/// A charge that was answered, or that nobody answered in time.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What was asked for.
    pub charge: Charge,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether the outcome was written down. It was not if that failed, which ended the run, or if
    /// another scheduler had settled the charge.
    pub recorded: bool,
    /// When it was asked for.
    pub asked: Timestamp,
    /// How long the answer took.
    pub took: Duration,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing more was due.
    Done,
    /// It made as many charges as a run may.
    Full,
    /// The scheduler was told to stop.
    Stopped,
    /// It did not begin: another scheduler's run was under way.
    Busy {
        /// Whose.
        scheduler: String,
        /// Until when, unless that takes longer.
        until: Timestamp,
    },
    /// The database failed. What was asked for and not written down is asked for again.
    Failed(storage::Error),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "nothing more is due"),
            Self::Full => write!(f, "as many charges as a run may make"),
            Self::Stopped => write!(f, "stopped"),
            Self::Busy { scheduler, until } => {
                write!(f, "not begun: {scheduler} runs, until {until:.6} at least")
            }
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl RunReport {
    /// Returns how many charges were paid.
    #[must_use]
    pub fn paid(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Paid { .. }))
    }

    /// Returns how many charges were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Refused { .. }))
    }

    /// Returns how many charges have an outcome that is not known.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Unknown { .. }))
    }

    fn count(&self, of: fn(&Outcome) -> bool) -> usize {
        self.charges.iter().filter(|answered| of(&answered.outcome)).count()
    }
}
