//! Why a world did not end well.

use core::fmt;

use halfopen_core::time::{Duration, Instant};

use crate::trace::Panic;

/// Why a world's time stopped before its program was done. Every one names the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The world's limit was reached and the program still waited.
    Unfinished {
        /// The world's seed.
        seed: u64,
        /// The limit.
        limit: Duration,
        /// When a host or a hop last did something. If that is long ago, the program waits for
        /// what will never come.
        active: Instant,
    },
    /// A program on a host panicked.
    Panicked {
        /// The world's seed.
        seed: u64,
        /// Who, when and what.
        panic: Panic,
    },
    /// Packets went to and fro at one instant without end: a path without delay between programs
    /// that answer each other for ever.
    Stuck {
        /// The world's seed.
        seed: u64,
        /// When.
        at: Instant,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished { seed, limit, active } => write!(
                f,
                "the program still waited at the world's limit of {limit:?}; hosts and hops were \
                 last active at {active:?} (seed {seed})"
            ),
            Self::Panicked { seed, panic: Panic { host, message, at } } => {
                write!(f, "a program on {host} panicked at {at:?}: {message} (seed {seed})")
            }
            Self::Stuck { seed, at } => {
                write!(f, "time stands still at {at:?} while packets go on (seed {seed})")
            }
        }
    }
}

impl core::error::Error for Error {}
