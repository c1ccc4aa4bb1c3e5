//! What was learned of paths, in a form that merges.
//!
//! One diagnosis sees one host for a while. What it learned – pauses survived, deaths, its causes
//! – is kept here as counts by place and hour, and the counts of thousands of hosts add up: merging
//! is associative and commutative, so that it does not matter who merges what first. A pause keeps
//! its length to within a ninth of it when counted together with others, and exactly as the
//! shortest and the longest of those.
//!
//! What merges is what has the same place: the same host, labels and server. [`Fleet`] judges, and
//! joins places only where its caller says that they share a path.

#[cfg(feature = "parquet")]
pub mod file;
mod fleet;

pub use fleet::{Fleet, Group, Hosts, PathVerdict, Sharing};

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use halfopen_core::cause::{Cause, Finding, Harm, Mechanism};
use halfopen_core::time::{Duration, Instant};

use crate::judgement::{Flow, Judgement, Path, Server};

/// The number of this form; a file says with which it was written.
pub const FORMAT: i64 = 1;
/// So many rows are kept; what is new after that is counted and left out.
pub const ROWS_MAX: usize = 1_000_000;
/// Pauses of one power of two are counted in so many parts.
const PARTS: u32 = 8;
const HOUR: Duration = Duration::from_hours(1);

/// What was learned, by place, hour and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    rows: BTreeMap<Key, Tally>,
    left_out: u64,
}

/// What rows are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Where it was seen.
    pub place: Place,
    /// The start of the hour in which it was seen.
    pub hour: Instant,
    /// What was seen.
    pub kind: Kind,
    /// In which range the pause is; only in this module's interest.
    part: u32,
}

/// Where something was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Who saw it: a host's name.
    pub host: Box<str>,
    /// What its owner says of the host, as `name=value` in the order of the names, with commas.
    pub labels: Box<str>,
    /// The server at the path's other end: `198.51.100.10:80`, `payment.example:443`.
    pub server: Box<str>,
}

/// What can be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A connection survived a pause.
    Survived,
    /// A connection died of a pause.
    Died(Option<Mechanism>, Harm),
    /// A diagnosis was made of a path.
    Judged(Cause, Option<Mechanism>, Harm),
}

/// How often, and what came with it. All that adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Pauses or diagnoses.
    pub count: u64,
    /// The shortest and the longest of the pauses.
    pub idle: Option<(Duration, Duration)>,
    /// Of a diagnosis: connections seen.
    pub connections: u64,
    /// Requests seen.
    pub requests: u64,
    /// Requests without a response that were not repeated.
    pub failures: u64,
    /// Requests without a response that the client repeated by itself.
    pub masked: u64,
}

impl Learned {
    /// Returns what a diagnosis has learned, as seen by `host`. `survived` gives the pauses that
    /// connections to a server survived, each with its end.
    #[must_use]
    pub fn of(
        judgement: &Judgement,
        host: &str,
        labels: &str,
        survived: impl Fn(&Server) -> Vec<(Instant, Duration)>,
    ) -> Self {
        let mut learned = Self::default();
        for path in judgement.paths.iter().filter(|path| path.server != Server::Unknown) {
            let server = path.server.to_string().into();
            let place = Place { host: host.into(), labels: labels.into(), server };
            let survived = survived(&path.server);
            learned.learn(path, &place, &judgement.flows, &survived);
        }
        learned
    }

    fn learn(
        &mut self,
        path: &Path,
        place: &Place,
        flows: &[Flow],
        survived: &[(Instant, Duration)],
    ) {
        let seen = path.evidence.iter().map(|seen| seen.at).max();
        let at = seen.or(survived.iter().map(|&(at, _)| at).max()).unwrap_or(Instant::EPOCH);
        let judged = Kind::Judged(path.cause, path.mechanism, path.harm);
        let tally = Tally {
            count: 1,
            idle: None,
            connections: path.connections,
            requests: path.requests,
            failures: path.failures,
            masked: path.masked,
        };
        self.add(Key::new(place.clone(), at, judged, None), tally);
        for &(at, idle) in survived {
            self.add_pause(place, at, Kind::Survived, idle);
        }
        let Some(died) = path.died else { return };
        let mut deaths = 0;
        for flow in flows.iter().filter(|flow| is_to(flow, &path.server)) {
            // A shorter pause was not held against the path: it had another cause.
            let (Some(idle), true) = (flow.idle, is_death(flow.finding)) else { continue };
            if idle >= died {
                let at = flow.evidence.last().map_or(at, |seen| seen.at);
                let kind = Kind::Died(flow.finding.mechanism().or(path.mechanism), flow.harm);
                self.add_pause(place, at, kind, idle);
                deaths += 1;
            }
        }
        if deaths == 0 {
            // Logs showed it.
            self.add_pause(place, at, Kind::Died(path.mechanism, path.harm), died);
            if let Some(idle) = path.survived {
                self.add_pause(place, at, Kind::Survived, idle);
            }
        }
    }

    fn add_pause(&mut self, place: &Place, at: Instant, kind: Kind, idle: Duration) {
        self.add(Key::new(place.clone(), at, kind, Some(idle)), Tally::pause(idle));
    }

    /// Adds a row.
    pub fn add(&mut self, key: Key, tally: Tally) {
        let full = self.rows.len() == ROWS_MAX;
        match self.rows.entry(key) {
            Entry::Occupied(mut there) => there.get_mut().add(&tally),
            Entry::Vacant(_) if full => self.left_out += 1,
            Entry::Vacant(free) => {
                free.insert(tally);
            }
        }
    }

    /// Adds what another has learned.
    pub fn merge(&mut self, other: Self) {
        self.left_out += other.left_out;
        for (key, tally) in other.rows {
            self.add(key, tally);
        }
    }

    /// Returns the rows, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Tally)> {
        self.rows.iter()
    }

    /// Returns how many rows there was no room for.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Key {
    /// Returns the key of something seen at this moment, with the pause that it is about.
    #[must_use]
    pub fn new(place: Place, at: Instant, kind: Kind, idle: Option<Duration>) -> Self {
        let since = at.saturating_since(Instant::EPOCH).as_secs();
        let start = Duration::from_secs(since - since % HOUR.as_secs());
        Self { place, hour: Instant::EPOCH + start, kind, part: idle.map_or(0, part) }
    }
}

impl Tally {
    /// Returns the tally of one pause.
    #[must_use]
    pub fn pause(idle: Duration) -> Self {
        let idle = Some((micros(idle), micros(idle)));
        Self { count: 1, idle, connections: 0, requests: 0, failures: 0, masked: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.idle = match (self.idle, other.idle) {
            (Some((least, most)), Some((less, more))) => Some((least.min(less), most.max(more))),
            (one, None) | (None, one) => one,
        };
        self.connections = self.connections.saturating_add(other.connections);
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.masked = self.masked.saturating_add(other.masked);
    }
}

/// Returns the range that a pause is counted in: an eighth of a power of two, in microseconds.
fn part(idle: Duration) -> u32 {
    let idle = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX).max(u64::from(PARTS));
    let power = idle.ilog2();
    let within = (idle >> (power - PARTS.ilog2())) % u64::from(PARTS);
    power * PARTS + u32::try_from(within).unwrap_or(0)
}

/// Pauses are kept in whole microseconds.
fn micros(idle: Duration) -> Duration {
    Duration::from_micros(u64::try_from(idle.as_micros()).unwrap_or(u64::MAX))
}

fn is_to(flow: &Flow, server: &Server) -> bool {
    matches!(server, Server::Address(address) if *address == flow.key.responder)
}

fn is_death(finding: Finding) -> bool {
    let closed_late = finding == Finding::LateClose;
    finding == Finding::ForgottenInFlight || !closed_late && finding.mechanism().is_some()
}

#[cfg(test)]
mod tests;
