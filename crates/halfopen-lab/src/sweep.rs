//! Which pause has which outcome, for a client on a path.
//!
//! Each pause is a run of its own: one request, the pause, one request. Nothing is computed from
//! the path's timers; they only say where to look first. Where two pauses next to each other differ
//! in their outcome, the pauses between them are halved until they lie close together.

pub mod series;
mod timers;
pub mod words;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use halfopen_core::time::Duration;

use crate::reproduce;
use series::{Answer, Lane};

/// Which pauses are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The longest.
    pub up_to: Duration,
    /// How far apart they are before any are halved; `None` is closer together where they are
    /// short.
    pub step: Option<Duration>,
    /// How close to each other two pauses with different outcomes are to lie, at least 1 ms.
    pub resolution: Duration,
}

/// Which pause has which outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Pauses next to each other with the same outcome, from the shortest to the longest; never
    /// empty.
    pub bands: Vec<Band>,
    /// How many pauses were tried.
    pub runs: usize,
}

/// Pauses next to each other with the same outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// The shortest that was tried.
    pub from: Duration,
    /// The longest that was tried.
    pub to: Duration,
    /// What became of the request after the shortest.
    pub answer: Answer,
}

/// Why there is no sweep.
#[derive(Debug)]
pub enum Error {
    /// A run failed.
    Run(reproduce::Error),
    /// It would take more runs than [`RUNS_MAX`]: the steps are too small, or chance decides.
    TooManyRuns,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(error) => write!(f, "{error}"),
            Self::TooManyRuns => write!(f, "it would take more than {RUNS_MAX} runs"),
        }
    }
}

impl core::error::Error for Error {}

/// How many pauses are tried at most.
pub const RUNS_MAX: usize = 10_000;

/// How far apart the two pauses are that a [`glance`] tries around a timer.
pub(crate) const SIDES: Duration = Duration::from_secs(2);

/// The shortest time that programs can wait.
const TICK: Duration = Duration::from_millis(1);

/// Pauses that are not given as steps: the first, and by which factor each is longer.
const FIRST: Duration = Duration::from_millis(250);
const FACTOR: (u32, u32) = (5, 4);

impl Plan {
    /// Up to two hours, to the millisecond.
    pub const DEFAULT: Self =
        Self { up_to: Duration::from_hours(2), step: None, resolution: Duration::from_millis(1) };

    fn pauses(&self) -> impl Iterator<Item = Duration> {
        let next = |last: Duration| match self.step {
            Some(step) => last.saturating_add(step.max(TICK)),
            None if last.is_zero() => FIRST,
            None => millis(last * FACTOR.0 / FACTOR.1),
        };
        let up_to = self.up_to;
        let pauses = core::iter::successors(Some(Duration::ZERO), move |&last| Some(next(last)));
        pauses.take_while(move |&pause| pause < up_to).chain([up_to])
    }
}

/// Tries pauses. The same arguments give the same sweep.
pub fn sweep(lane: &Lane, plan: &Plan) -> Result<Sweep, Error> {
    let mut pauses = timers::around(lane);
    pauses.extend(plan.pauses().take(RUNS_MAX + 1));
    pauses.retain(|&pause| pause <= plan.up_to);
    try_all(lane, pauses, plan.resolution)
}

/// Tries the pauses beside which an outcome can change, and the longest, and halves none between:
/// a sweep in few runs, for which it must be known that nothing else makes a difference.
pub fn glance(lane: &Lane, up_to: Duration) -> Result<Sweep, Error> {
    let mut pauses = timers::around(lane);
    pauses.extend([Duration::from_secs(1), up_to]);
    pauses.retain(|&pause| pause <= up_to);
    try_all(lane, pauses, SIDES)
}

fn try_all(lane: &Lane, pauses: BTreeSet<Duration>, resolution: Duration) -> Result<Sweep, Error> {
    if pauses.len() > RUNS_MAX {
        return Err(Error::TooManyRuns);
    }
    let mut answers = BTreeMap::new();
    for pause in pauses {
        answers.insert(pause, answer(lane, pause)?);
    }
    let mut pairs: Vec<_> = answers.keys().copied().zip(answers.keys().copied().skip(1)).collect();
    while let Some((short, long)) = pairs.pop() {
        let apart = long.abs_diff(short);
        if apart <= resolution.max(TICK) || answers[&short].is_like(&answers[&long]) {
            continue;
        }
        if answers.len() == RUNS_MAX {
            return Err(Error::TooManyRuns);
        }
        let middle = millis(short + apart / 2).max(short + TICK);
        answers.insert(middle, answer(lane, middle)?);
        pairs.extend([(short, middle), (middle, long)]);
    }
    Ok(Sweep { runs: answers.len(), bands: bands(&answers) })
}

fn answer(lane: &Lane, pause: Duration) -> Result<Answer, Error> {
    let series = lane.run(&[pause]).map_err(Error::Run)?;
    Ok(series.answers[0])
}

fn bands(answers: &BTreeMap<Duration, Answer>) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for (&pause, &answer) in answers {
        match bands.last_mut() {
            Some(last) if last.answer.is_like(&answer) => last.to = pause,
            Some(_) | None => bands.push(Band { from: pause, to: pause, answer }),
        }
    }
    bands
}

/// Cuts a pause to whole ticks.
fn millis(pause: Duration) -> Duration {
    Duration::from_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
