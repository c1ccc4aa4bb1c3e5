//! Several captures of one job, from one point of the path or from many.
//!
//! Captures that follow each other in time are a rotation: one point's, and one tracker's. Captures
//! that overlap, or that show the same packets by clocks that differ, were made at different
//! points, and each point is judged by itself; of what they say about one server the more telling
//! counts. One tracker for all would take the same packet, seen twice, for two. What both points
//! saw says how far their clocks differ, and what of a request one alone saw, where it was lost.

mod alignment;
mod crossing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use halfopen_core::cause::{Cause, Finding};
use halfopen_core::flow::FlowKey;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::Verdict;

use crate::infer::{Diagnosis, PathReport};
use crate::route::Witness;
use crate::sample::Sample;
use crate::source::Summary;
use crate::stretch::{Stretch, Supply};
use crate::tracker::{Counts, Limits, Tracker};
use alignment::Alignment;

pub use alignment::Ahead;
pub use crossing::{Crossing, Fate};

/// Of more points, the clocks of the later ones are not compared.
const COMPARED_MAX: usize = 32;
/// The last frame of one file and the first of the next may be out of order by this much.
const SEAM_MAX: Duration = Duration::from_millis(10);

/// Captures judged together.
#[derive(Debug)]
pub struct Points {
    limits: Limits,
    seed: u64,
    compared: bool,
    list: Vec<Point>,
    /// The number of frames before each capture, in the order of reading, and its point.
    starts: Vec<(u64, usize, usize)>,
    frames: u64,
}

#[derive(Debug)]
struct Point {
    tracker: Tracker,
    family: String,
    last: Option<Instant>,
}

/// A frame's place among several captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The capture, as the caller counts them.
    pub capture: usize,
    /// The frame, counted from one.
    pub frame: u64,
}

/// A pause that a connection survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    /// How long it was.
    pub idle: Duration,
    /// When it ended.
    pub at: Instant,
    /// The last packet before it.
    pub before: Place,
    /// The packet that ended it.
    pub after: Place,
}

impl Points {
    /// Returns points that have seen nothing; each may remember as much as `limits` says.
    ///
    /// For `seed` see [`Tracker::new`].
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self { limits, seed, compared: false, list: Vec::new(), starts: Vec::new(), frames: 0 }
    }

    /// Has points compared with each other and with logs. What [`clocks`](Self::clocks),
    /// [`crossings`](Self::crossings) and [`moments`](Self::moments) tell takes some memory and
    /// time of each.
    #[must_use]
    pub fn compared(self) -> Self {
        Self { compared: true, ..self }
    }

    /// Reads the capture that the caller counts as `capture`. Captures must come in the order in
    /// which they start.
    ///
    /// `family` is what the files of one rotation have in common; of several points that a capture
    /// could continue, one of its family does.
    pub fn read(&mut self, capture: usize, family: &str, mut supply: impl Supply) -> Summary {
        let mut summary = Summary::default();
        let Some(first) = supply.supply() else { return summary };
        let index = self.continued(first, family).unwrap_or_else(|| {
            let mut tracker = Tracker::new(self.limits, self.seed);
            tracker.sample = self.compared.then(|| Box::new(Sample::default()));
            self.list.push(Point { tracker, family: family.to_owned(), last: None });
            self.list.len() - 1
        });
        let point = &mut self.list[index];
        let mut ended = summary.take(self.frames, first, &mut point.tracker);
        while !ended && let Some(stretch) = supply.supply() {
            ended = summary.take(self.frames, stretch, &mut point.tracker);
        }
        point.last = point.last.max(summary.last);
        self.starts.push((self.frames, capture, index));
        self.frames += summary.frames;
        summary
    }

    /// Returns the point that a capture continues: of those that ended before it starts and have
    /// not seen what it starts with, the one that ended last.
    fn continued(&self, first: &Stretch, family: &str) -> Option<usize> {
        let starts = first.starts?;
        let ended = |point: &Point| point.last.is_some_and(|last| last <= starts + SEAM_MAX);
        let fits = |point: &Point| ended(point) && !first.repeats(&point.tracker);
        let candidates = self.list.iter().enumerate().filter(|(_, point)| fits(point));
        candidates.max_by_key(|(_, point)| (point.family == family, point.last)).map(|(at, _)| at)
    }

    /// Returns at how many points the captures were made.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Judges all that was read. Frames in evidence are numbered over all captures; see
    /// [`place`](Self::place).
    #[must_use]
    pub fn diagnose(&self) -> Diagnosis {
        let mut diagnoses = self.list.iter().map(|point| point.tracker.diagnose());
        let Some(first) = diagnoses.next() else { return Diagnosis::default() };
        diagnoses.fold(first, join)
    }

    /// Returns the capture and the frame in it for a frame number in evidence.
    #[must_use]
    pub fn place(&self, number: u64) -> Place {
        let after = self.starts.partition_point(|&(before, ..)| before < number);
        let (before, capture, _) = self.starts[after.saturating_sub(1)];
        Place { capture, frame: number - before }
    }

    /// Returns at which point a capture was made, if it was read.
    #[must_use]
    pub fn point(&self, capture: usize) -> Option<usize> {
        let mut starts = self.starts.iter();
        starts.find(|&&(_, other, _)| other == capture).map(|&(.., point)| point)
    }

    /// Returns how far the clock of each of the first `count` captures is ahead of that of the
    /// first; `None` if nothing shows it.
    #[must_use]
    pub fn clocks(&self, count: usize) -> Vec<Option<Ahead>> {
        let mut known = vec![None; self.list.len()];
        let Some(first) = self.point(0) else { return vec![None; count] };
        known[first] = Some(Ahead::SAME);
        // Captures that have nothing in common may both have something in common with a third.
        let mut at_hand = vec![first];
        while let Some(one) = at_hand.pop() {
            for other in 0..self.list.len().min(COMPARED_MAX) {
                if known[other].is_none()
                    && let Some(alignment) = self.align(one, other)
                {
                    known[other] = known[one].map(|known| alignment.ahead.over(known));
                    at_hand.push(other);
                }
            }
        }
        (0..count).map(|capture| known[self.point(capture)?]).collect()
    }

    /// Returns when clients sent something, as the captures of the first capture's point show it:
    /// of very many moments, some.
    #[must_use]
    pub fn moments(&self) -> Vec<Instant> {
        let first = self.point(0).and_then(|point| self.list[point].tracker.sample.as_deref());
        first.map(Sample::moments).unwrap_or_default()
    }

    fn align(&self, one: usize, other: usize) -> Option<Alignment> {
        let sample = |point: usize| self.list[point].tracker.sample.as_deref();
        Alignment::of(sample(one)?, sample(other)?)
    }

    /// Returns the pauses that connections to `server` survived, the shortest first: of several
    /// points, those of the one that saw the most. Of very many, the longest are there.
    #[must_use]
    pub fn survivals(&self, server: SocketAddr) -> Vec<Survival> {
        let routes = self.list.iter().flat_map(|point| &point.tracker.routes);
        let here = routes.filter(|route| route.server.address() == server);
        let Some(route) = here.max_by_key(|route| route.survived.len()) else {
            return Vec::new();
        };
        let survival = |witness: &Witness| Survival {
            idle: witness.idle,
            at: witness.after.at(),
            before: self.place(witness.before.frame()),
            after: self.place(witness.after.frame()),
        };
        route.survived.values().map(survival).collect()
    }
}

/// Joins what two points say.
fn join(one: Diagnosis, other: Diagnosis) -> Diagnosis {
    let mut paths: BTreeMap<_, PathReport> = BTreeMap::new();
    for path in one.paths.into_iter().chain(other.paths) {
        let joined = match paths.remove(&path.server) {
            Some(known) => more_telling(known, path),
            None => path,
        };
        paths.insert(joined.server, joined);
    }
    let mut paths: Vec<PathReport> = paths.into_values().collect();
    paths.sort_by_key(PathReport::rank);

    let flows = join_flows(one.flows, other.flows);
    Diagnosis {
        paths,
        flows,
        flows_omitted: one.flows_omitted + other.flows_omitted,
        counts: sum(one.counts, other.counts),
    }
}

/// Joins what became of flows. One that both points saw is listed once, with the evidence of both;
/// if they differ, what went wrong counts.
fn join_flows(mut flows: Vec<Verdict>, others: Vec<Verdict>) -> Vec<Verdict> {
    let bad: BTreeSet<FlowKey> = others.iter().filter(|v| is_bad(v)).map(|v| v.flow).collect();
    flows.retain(|verdict| is_bad(verdict) || !bad.contains(&verdict.flow));
    let places = flows.iter().enumerate().map(|(at, verdict)| (verdict.flow, at));
    let known: BTreeMap<FlowKey, usize> = places.collect();
    for verdict in others {
        match known.get(&verdict.flow).map(|&at| &mut flows[at]) {
            Some(same) if same.finding == verdict.finding => same.evidence.extend(verdict.evidence),
            Some(_) if !is_bad(&verdict) => {}
            Some(_) | None => flows.push(verdict),
        }
    }
    flows
}

fn is_bad(verdict: &Verdict) -> bool {
    verdict.finding != Finding::Healthy
}

/// Returns the report that says more about a path, with the evidence of both if they agree.
fn more_telling(one: PathReport, other: PathReport) -> PathReport {
    let (mut more, less) = if weight(&other) > weight(&one) { (other, one) } else { (one, other) };
    if more.cause == less.cause {
        more.evidence.extend(less.evidence);
    }
    more
}

fn weight(path: &PathReport) -> impl Ord {
    let known = !matches!(path.cause, Cause::None | Cause::Inconclusive);
    (path.harm, known, path.failures, path.survived.is_some(), path.requests)
}

fn sum(one: Counts, other: Counts) -> Counts {
    Counts {
        packets: one.packets + other.packets,
        segments: one.segments + other.segments,
        duplicates: one.duplicates + other.duplicates,
        absurd_times: one.absurd_times + other.absurd_times,
        connections: one.connections + other.connections,
        untracked: one.untracked + other.untracked,
    }
}
