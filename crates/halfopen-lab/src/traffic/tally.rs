//! What became of the requests of a run.

use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};

use super::interval::{self, Interval};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
/// With fewer pieces of time than these, nothing is said of how sure a number is.
const BLOCKS_MIN: usize = 7;

/// Bounds of ages that are counted together.
const AGES: [Duration; 9] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(20),
    HOUR,
    Duration::from_hours(6),
    DAY,
];

/// What became of requests. All numbers are counts of requests, unless they say otherwise.
#[derive(Clone, Debug)]
pub struct Tally {
    /// How long the requests came in.
    pub length: Duration,
    /// All of them.
    pub requests: u64,
    /// That went out, at least once, on a flow that a gateway had forgotten.
    pub met: u64,
    /// Of these, that got no response.
    pub met_failed: u64,
    /// That got no response, for whatever reason.
    pub failed: u64,
    /// Not over when the run ended.
    pub unfinished: u64,
    /// Connections that were opened.
    pub opened: u64,
    /// For how long the connections had been idle that were first tried.
    pub ages: Vec<Age>,
    /// That were first tried on a new connection.
    pub fresh: u64,
    /// The longest idle time of a connection that a request was first tried on.
    pub oldest: Duration,
    /// The time in pieces of one length: days, or hours if there are few days.
    pub blocks: Vec<Block>,
}

/// Requests on connections of about one age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// The connection had been idle for at least this long.
    pub from: Duration,
    /// And for less than this; `None` is any longer time.
    pub to: Option<Duration>,
    /// How many there are.
    pub requests: u64,
    /// Of these, on a flow that a gateway had forgotten.
    pub met: u64,
}

/// What happened in a piece of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Requests that went out on a flow that a gateway had forgotten.
    pub met: u64,
    /// Requests that got no response because of that.
    pub failed: u64,
}

/// A request, reduced to what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// When it went out first.
    pub(super) at: Instant,
    /// For how long its first connection had been idle; `None` if that was new or there was none.
    pub(super) age: Option<Duration>,
    /// How many connections were opened for it.
    pub(super) opened: u64,
    /// Whether its first attempt went out on a forgotten flow.
    pub(super) met_first: bool,
    /// Whether any did.
    pub(super) met: bool,
    /// Whether it got no response.
    pub(super) failed: bool,
}

impl Tally {
    /// Returns the tally of a run before its first request. Ages are also told apart at `limit`.
    pub(super) fn new(length: Duration, limit: Option<Duration>) -> Self {
        let mut bounds: Vec<Duration> = AGES.into();
        bounds.extend(limit);
        bounds.sort_unstable();
        bounds.dedup();
        let froms = core::iter::once(Duration::ZERO).chain(bounds.iter().copied());
        let tos = bounds.iter().copied().map(Some).chain([None]);
        let ages = froms.zip(tos).map(|(from, to)| Age { from, to, requests: 0, met: 0 }).collect();
        Self {
            length,
            requests: 0,
            met: 0,
            met_failed: 0,
            failed: 0,
            unfinished: 0,
            opened: 0,
            ages,
            fresh: 0,
            oldest: Duration::ZERO,
            blocks: vec![Block::default(); blocks(length)],
        }
    }

    pub(super) fn count(&mut self, case: Case) {
        let Case { at, age, opened, met_first, met, failed } = case;
        self.requests += 1;
        self.opened += opened;
        self.met += u64::from(met);
        self.met_failed += u64::from(met && failed);
        self.failed += u64::from(failed);
        match age {
            None => self.fresh += 1,
            Some(age) => {
                self.oldest = self.oldest.max(age);
                let of_age = self.ages.iter_mut().rfind(|it| it.from <= age);
                if let Some(of_age) = of_age {
                    of_age.requests += 1;
                    of_age.met += u64::from(met_first);
                }
            }
        }
        let block = self.block(at);
        if let Some(block) = self.blocks.get_mut(block) {
            block.met += u64::from(met);
            block.failed += u64::from(met && failed);
        }
    }

    /// Returns in which piece of time something happened.
    fn block(&self, at: Instant) -> usize {
        let since = at.saturating_since(Instant::EPOCH).as_nanos();
        let blocks = self.blocks.len();
        let block = since * blocks as u128 / self.length.as_nanos().max(1);
        // What waited for its turn until after the end belongs to it.
        usize::try_from(block).unwrap_or(usize::MAX).min(blocks.saturating_sub(1))
    }

    /// Adds the tally of another run of the same length over the same path.
    pub(super) fn add(&mut self, other: &Self) {
        self.length += other.length;
        self.requests += other.requests;
        self.met += other.met;
        self.met_failed += other.met_failed;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
        self.opened += other.opened;
        self.fresh += other.fresh;
        self.oldest = self.oldest.max(other.oldest);
        for (mine, others) in self.ages.iter_mut().zip(&other.ages) {
            mine.requests += others.requests;
            mine.met += others.met;
        }
        self.blocks.extend_from_slice(&other.blocks);
    }

    /// Returns the share of requests that went out on a flow that a gateway had forgotten.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    pub fn share_met(&self) -> f64 {
        self.met as f64 / self.requests.max(1) as f64
    }

    /// Returns how many requests in a day got no response because a gateway had forgotten.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
    pub fn failures_per_day(&self) -> f64 {
        self.met_failed as f64 / self.days()
    }

    /// Returns between which values the failures in a day lie with 95 % confidence; `None` if the
    /// run is too short to say.
    ///
    /// A percentile bootstrap over the [`blocks`](Self::blocks), that is the days or hours of all
    /// runs (Efron, "Bootstrap methods: another look at the jackknife", 1979): failures come
    /// several at a time, which an interval for independent ones would deny. It says how much one
    /// day differs from the next, not whether the next year is like these days. If there was no
    /// failure, its upper end is three in all of the time (Hanley and Lippman-Hand, "If nothing
    /// goes wrong, is everything all right?", 1983).
    #[must_use]
    pub fn interval(&self, seed: u64) -> Option<Interval> {
        if self.blocks.len() < BLOCKS_MIN {
            return None;
        }
        if self.met_failed == 0 {
            return Some(Interval { low: 0.0, high: 3.0 / self.days() });
        }
        let failed: Vec<u64> = self.blocks.iter().map(|block| block.failed).collect();
        Some(interval::of_sum(&failed, &mut Rng::new(seed)).scaled(1.0 / self.days()))
    }

    fn days(&self) -> f64 {
        self.length.as_secs_f64().max(1e-9) / DAY.as_secs_f64()
    }
}

/// Returns into how many pieces a time is cut.
fn blocks(length: Duration) -> usize {
    let whole = |piece: Duration| usize::try_from(length.as_secs() / piece.as_secs()).unwrap_or(0);
    let days = whole(DAY);
    if days >= BLOCKS_MIN { days } else { whole(HOUR).max(1) }
}
