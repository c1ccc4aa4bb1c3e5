//! Running a scenario's client against traffic, without keeping what was seen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_core::hop::{Event, EventKind, Side};
use halfopen_core::scenario::{Connections, Scenario};
use halfopen_core::time::{Duration, Instant};
use halfopen_sim::world::Config;

use super::tally::{Case, Tally};
use super::{Outline, REQUESTS_MAX, Traffic, limit};
use crate::reproduce::{Attempt, Error, Keep, Outcome, Request, Stage};
use crate::traffic;

/// How much time passes before what was written down is counted and dropped.
const STEP: Duration = Duration::from_mins(1);
/// How long a run goes on after its last arrival: longer than Linux sends a segment again, which is
/// 924.6 s (Documentation/networking/ip-sysctl.rst, `tcp_retries2`).
const AFTERMATH: Duration = Duration::from_mins(20);

/// For how long the client keeps an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// As the scenario says.
    Own,
    /// For this long, or for ever.
    At(Option<Duration>),
}

/// Runs of one scenario and one traffic.
#[derive(Clone, Copy, Debug)]
pub struct Study<'a> {
    /// Whose client, path and far end.
    pub scenario: &'a Scenario,
    /// What arrives, in place of the scenario's own bursts.
    pub traffic: &'a Traffic,
    /// For how long requests arrive.
    pub length: Duration,
    /// The seed of the first run; each run has the next.
    pub seed: u64,
    /// How many runs.
    pub runs: u32,
}

impl Study<'_> {
    /// Says what arrives in all runs, without running one.
    pub fn outline(&self) -> Result<Outline, traffic::Error> {
        let mut whole = Outline::default();
        for run in 0..self.runs {
            let one = self.traffic.outline(self.length, self.seed.wrapping_add(run.into()))?;
            whole.requests += one.requests;
            whole.longest_pause = whole.longest_pause.max(one.longest_pause);
            if whole.requests > REQUESTS_MAX {
                return Err(traffic::Error::TooManyRequests);
            }
        }
        Ok(whole)
    }

    /// Does the runs with a cap, and adds them up. All caps meet the same arrivals. `progress` is
    /// told how much virtual time has passed in all runs.
    pub fn run(&self, cap: Cap, mut progress: impl FnMut(Duration)) -> Result<Tally, Error> {
        let mut scenario = self.scenario.clone();
        if let Cap::At(idle_cap) = cap {
            let pool = &mut scenario.client.pool;
            pool.connections = Some(Connections::Pooled);
            // Longer than any run is for ever, which a preset may not be.
            pool.idle_cap = Some(idle_cap.unwrap_or(Config::LIMIT_MAX));
        }
        let one = |run: u32, progress: &mut dyn FnMut(Duration)| {
            let before = self.length * run;
            let seed = self.seed.wrapping_add(run.into());
            self::run(&scenario, self.traffic, self.length, seed, |passed| {
                progress(before + passed);
            })
        };
        let mut tally = one(0, &mut progress)?;
        for number in 1..self.runs {
            tally.add(&one(number, &mut progress)?);
        }
        Ok(tally)
    }
}

/// Runs a scenario's client against traffic that arrives for `length`. The same arguments give the
/// same tally. `progress` is told how much virtual time has passed, up to `length`.
///
/// Memory does not grow with the requests, only with those under way at a time; but a payment
/// module's book keeps every payment.
pub fn run(
    scenario: &Scenario,
    traffic: &Traffic,
    length: Duration,
    seed: u64,
    mut progress: impl FnMut(Duration),
) -> Result<Tally, Error> {
    let whole = length.saturating_add(AFTERMATH);
    let mut stage = Stage::new(scenario, seed, whole, Keep::Nothing)?;
    stage.start(scenario, traffic.arrivals(length, seed))?;
    let mut tally = Tally::new(length, limit(scenario).map(|(_, limit)| limit));
    let (mut passed, mut orphans) = (Duration::ZERO, Orphans::default());
    while passed < whole {
        passed = whole.min(passed + STEP);
        let now = Instant::EPOCH + passed;
        stage.world.run_until(now).map_err(Error::World)?;
        orphans.note(&stage.events()?);
        drop(stage.play.deeds.take());
        let mut oldest = now;
        let over = stage.play.requests.take_while(|request| {
            if !request.over {
                oldest = request.begun;
            }
            request.over
        });
        for request in &over {
            tally.count(case(request, now, &orphans));
        }
        orphans.forget_before(oldest);
        progress(passed.min(length));
    }
    let now = Instant::EPOCH + passed;
    for request in &stage.play.requests.take() {
        tally.count(case(request, now, &orphans));
        tally.unfinished += 1;
    }
    Ok(tally)
}

/// Reduces a request to what is counted, at `now`.
fn case(request: &Request, now: Instant, orphans: &Orphans) -> Case {
    let mut met = request.attempts.iter().map(|attempt| {
        let ended = if attempt.outcome == Outcome::Unfinished { now } else { attempt.ended };
        attempt.connection.is_some_and(|it| orphans.any(it, attempt.begun, ended))
    });
    let met_first = met.next().unwrap_or(false);
    let met = met_first || met.any(|met| met);
    let first = request.attempts.first();
    let opened = |attempt: &&Attempt| attempt.connection.is_some() && attempt.idle.is_none();
    Case {
        at: request.begun,
        age: first.and_then(|first| first.idle),
        opened: request.attempts.iter().filter(opened).count() as u64,
        met_first,
        met,
        failed: request.outcome().is_lost() || !request.over && met,
    }
}

/// When gateways met packets of the client on flows that they do not remember, by the client's end.
///
/// Flows are known by the names that the innermost gateway gives them, so of a path with several
/// translating gateways only what the first does can be told.
#[derive(Debug, Default)]
struct Orphans(BTreeMap<SocketAddr, Vec<Instant>>);

impl Orphans {
    fn note(&mut self, events: &[Event]) {
        for event in events {
            if let EventKind::Orphaned { flow, side: Side::Inside, .. } = event.kind {
                self.0.entry(flow.initiator).or_default().push(event.at);
            }
        }
    }

    fn any(&self, connection: SocketAddr, from: Instant, to: Instant) -> bool {
        let times = self.0.get(&connection);
        times.is_some_and(|times| times.iter().any(|at| (from..=to).contains(at)))
    }

    /// Drops what no request can have met that is not yet over.
    fn forget_before(&mut self, oldest: Instant) {
        self.0.retain(|_, times| times.last().is_some_and(|&last| last >= oldest));
    }
}
