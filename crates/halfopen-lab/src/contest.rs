//! Clients that meet many pauses one after the other, on one path.
//!
//! A sweep asks what one pause does to a connection; a contest asks what a client makes of all of
//! them, which shows only in series if it learns.

use halfopen_core::rng::Rng;
use halfopen_core::time::Duration;

use crate::reproduce::Error;
use crate::sweep::series::{Lane, Series};

/// In which order pauses come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the shortest to the longest.
    Growing,
    /// By chance from this seed.
    Shuffled(u64),
}

/// What a client made of a series of pauses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// How many requests were sent, but for the first of each series.
    pub requests: u64,
    /// How many of them were not answered.
    pub errors: u64,
    /// How many the far end received more than once.
    pub doubled: u64,
    /// How many connections were opened.
    pub opened: u64,
    /// The longest that an answer or an error took.
    pub slowest: Duration,
}

/// How many pauses a ladder has.
const RUNGS: u32 = 30;
/// The shortest and the longest.
const ENDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(2));
/// How often each comes.
const TIMES: usize = 2;

/// Returns the pauses of a series: thirty from 1 s to 2 h, each longer than the one before by the
/// same factor and to the millisecond, and each twice.
#[must_use]
pub fn pauses(order: Order) -> Vec<Duration> {
    let (first, last) = (ENDS.0.as_secs_f64(), ENDS.1.as_secs_f64());
    let pause = |number: u32| {
        let share = f64::from(number) / f64::from(RUNGS - 1);
        let secs = first * (last / first).powf(share);
        Duration::from_secs_f64((secs * 1e3).round() / 1e3)
    };
    let ladder = (0..RUNGS).map(pause);
    let mut pauses: Vec<_> = ladder.flat_map(|pause| [pause; TIMES]).collect();
    if let Order::Shuffled(seed) = order {
        let mut rng = Rng::new(seed);
        // Fisher and Yates
        for place in (1..pauses.len()).rev() {
            let other = rng.index(place + 1);
            pauses.swap(place, other);
        }
    }
    pauses
}

/// Has a client meet a series of pauses.
pub fn meet(lane: &Lane, order: Order) -> Result<Score, Error> {
    lane.run(&pauses(order)).map(|series| Score::of(&series))
}

impl Score {
    fn of(series: &Series) -> Self {
        let answers = &series.answers;
        let count = |holds: fn(&crate::sweep::series::Answer) -> bool| {
            answers.iter().filter(|answer| holds(answer)).count() as u64
        };
        Self {
            requests: answers.len() as u64,
            errors: count(|answer| answer.fate.is_failure()),
            doubled: count(|answer| answer.received > 1),
            opened: series.opened,
            slowest: answers.iter().map(|answer| answer.took).max().unwrap_or_default(),
        }
    }

    /// Adds what was made of another series.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.doubled += other.doubled;
        self.opened += other.opened;
        self.slowest = self.slowest.max(other.slowest);
    }
}
