//! Traffic: how often the requests of a client meet a flow that its path has forgotten.
//!
//! Whether a gateway that forgets harms anyone is up to the traffic. It is not enough that requests
//! keep coming: a pool that lends the connection used last keeps those that a burst opened at the
//! bottom, where they age until the next burst needs them.
//!
//! [`run`] lets a scenario's client send requests as they arrive by chance, by a cron line, or as
//! they were written down, over the scenario's path, and counts. Nothing here knows a formula for
//! what comes out: the pool, the gateway and the far end are those of
//! [`reproduce`](crate::reproduce).

mod interval;
mod rate;
mod record;
mod run;
mod tally;
mod timetable;

use std::io;
use std::str::FromStr as _;

use halfopen_billing::calendar;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::Scenario;
use halfopen_core::time::{Duration, Instant};

use crate::reproduce::Burst;

pub use interval::Interval;
pub use rate::Rate;
pub use record::{Form, Record};
pub use run::{Cap, Study, run};
pub use tally::{Age, Block, Tally};
pub use timetable::Timetable;

/// The most requests in a second that chance may send.
pub const RATE_MAX: f64 = 1_000.0;
/// The most requests that one time of a cron line may send.
pub const BURST_MAX: u32 = 10_000;
/// The most times that are read of a file. Each takes eight bytes.
pub const TIMES_MAX: usize = 20_000_000;

/// The most requests of all runs of a [`Study`].
pub const REQUESTS_MAX: u64 = 50_000_000;

/// When requests arrive.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// By chance.
    Rate(Rate),
    /// By a cron line.
    Timetable(Timetable),
    /// As they did.
    Record(Record),
}

/// Why there is no such traffic.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rate cannot be read or lies out of range.
    #[error("`{text}` is no rate: {why}")]
    Rate {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The cron line is none or never fires.
    #[error(transparent)]
    Cron(#[from] calendar::Error),
    /// The number of requests at each time of a cron line is none or out of range.
    #[error("`{0}` is not a number of requests from x1 to x{BURST_MAX}")]
    Requests(String),
    /// A file or stream broke off, or its gzip is damaged.
    #[error("it cannot be read to its end: {0}")]
    Read(io::Error),
    /// There is not one line.
    #[error("it is empty")]
    Empty,
    /// There are lines, but no time in any.
    #[error("none of its {lines} lines has a time; line {line}: {why}")]
    NoTimes {
        /// How many there are, without comments and empty ones.
        lines: u64,
        /// The number of the first of them.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// There are more times than are kept.
    #[error("it has more than {TIMES_MAX} times: cut it into pieces, or give a rate instead")]
    TooManyTimes,
    /// Nobody would wait for all these to be run.
    #[error("it has more than {REQUESTS_MAX} requests: ask for a shorter time or fewer runs")]
    TooManyRequests,
    /// No request arrives while the run lasts.
    #[error("no request arrives in {} s: let them arrive for a longer time", .0.as_secs())]
    Nothing(Duration),
    /// A run cannot last that long.
    #[error("its first and last time are {days} days apart, and a run lasts two years at most")]
    TooFarApart {
        /// How far.
        days: u64,
    },
}

impl Traffic {
    /// Reads a rate such as `5/s`, or a cron line such as `cron:*/20 * * * * x10`; `None` if the
    /// text looks like neither, and so is a file's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Result<Self, Error>> {
        if let Some(line) = text.strip_prefix("cron:") {
            return Some(Timetable::from_str(line).map(Self::Timetable));
        }
        rate::is_meant(text).then(|| Rate::from_str(text).map(Self::Rate))
    }

    /// Returns how long a run lasts if nobody says: as long as the record, else a week.
    #[must_use]
    pub fn length(&self) -> Duration {
        match self {
            Self::Rate(_) | Self::Timetable(_) => Duration::from_hours(7 * 24),
            Self::Record(record) => record.span() + Duration::from_nanos(1),
        }
    }

    /// Says what arrives in a run, without running it.
    pub fn outline(&self, length: Duration, seed: u64) -> Result<Outline, Error> {
        let mut outline = Outline::default();
        let mut last: Option<Instant> = None;
        for Burst { at, requests } in self.arrivals(length, seed) {
            let pause = last.map(|last| at.saturating_since(last));
            outline.longest_pause = outline.longest_pause.max(pause);
            outline.requests += u64::from(requests);
            last = Some(at);
            if outline.requests > REQUESTS_MAX {
                return Err(Error::TooManyRequests);
            }
        }
        if outline.requests == 0 { Err(Error::Nothing(length)) } else { Ok(outline) }
    }

    fn arrivals(
        &self,
        length: Duration,
        seed: u64,
    ) -> Box<dyn Iterator<Item = Burst> + Send + 'static> {
        match self {
            // The world's own stream begins at the seed.
            Self::Rate(rate) => Box::new(rate.arrivals(Rng::new(!seed), length)),
            Self::Timetable(line) => Box::new(line.arrivals(length)),
            Self::Record(record) => Box::new(record.arrivals(length)),
        }
    }
}

/// What arrives in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// How many requests.
    pub requests: u64,
    /// The longest time in which none arrived, between two that did; `None` if there are no two.
    pub longest_pause: Option<Duration>,
}

/// Returns the gateway of a scenario that forgets an established connection first, and after how
/// long; `None` if none ever does.
#[must_use]
pub fn limit(scenario: &Scenario) -> Option<(&str, Duration)> {
    let limits = scenario.gateways().filter_map(|gateway| {
        let timers = gateway.config(Vec::new()).idle.timers;
        Some((gateway.name.as_str(), timers.tcp_established?))
    });
    limits.min_by_key(|&(_, limit)| limit)
}

#[cfg(test)]
mod tests;
