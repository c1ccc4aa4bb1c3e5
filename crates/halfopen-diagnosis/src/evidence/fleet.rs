//! What many hosts have learned, judged path by path in bounded memory.

use core::cmp::Reverse;
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use halfopen_core::cause::{Cause, Culprit, Harm, Mechanism};
use halfopen_core::time::{Duration, Instant};

use super::{Key, Kind, Place, Tally};
use crate::matching::{self, Limit, Observed};

/// Paths beyond so many are counted and not judged.
const PATHS_MAX: usize = 200_000;
/// The names of so many hosts of one path are kept to count them.
const HOSTS_MAX: usize = 10_000;
/// A pause that was survived refutes a limit that lies below this share of it, and by a second
/// more: timers are coarse. A diagnosis of one capture leaves them as much.
const TIMER_SLACK: f64 = 0.9;
const TIMER_COARSE: Duration = Duration::from_secs(1);

/// Which hosts share their path to a server.
///
/// What two hosts meet may be put together only if the same boxes lie on their paths; that they
/// call one server does not suffice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// None do.
    #[default]
    None,
    /// Those whose labels of all these names are the same; a host without one of them shares with
    /// nobody.
    Labels(Vec<String>),
}

/// The evidence of many hosts.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    sharing: Sharing,
    paths: BTreeMap<Group, State>,
    left_out: u64,
}

/// The hosts of one path, and its server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The server.
    pub server: Box<str>,
    /// The host if it is one's own path, else the labels that its hosts share.
    pub hosts: Hosts,
}

/// Whose path it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hosts {
    /// One host's, with its labels.
    One(Box<str>, Box<str>),
    /// That of all hosts with these labels.
    Labelled(Box<str>),
}

/// What is wrong with one path, by the evidence of all its hosts.
#[derive(Clone, Debug)]
pub struct PathVerdict {
    /// Whose path, and to whom.
    pub group: Group,
    /// How many hosts speak of it; more than a path's share are not told apart.
    pub hosts: usize,
    /// The hours in which the first and the last was seen.
    pub hours: (Instant, Instant),
    /// Why connections fail.
    pub cause: Cause,
    /// How it shows, if a box forgot.
    pub mechanism: Option<Mechanism>,
    /// The worst that it did to a request.
    pub harm: Harm,
    /// The longest pause that a connection survived, below the shortest that one died of.
    pub survived: Option<Duration>,
    /// The shortest pause that a connection died of.
    pub died: Option<Duration>,
    /// Deaths by the hour of the day, in UTC.
    pub deaths_by_hour: [u64; 24],
    /// Diagnoses by their cause, with the worst harm of each.
    pub causes: Vec<(Cause, Harm, u64)>,
    /// Connections seen.
    pub connections: u64,
    /// Requests seen.
    pub requests: u64,
    /// Requests without a response that were not repeated.
    pub failures: u64,
    /// Requests without a response that the client repeated by itself.
    pub masked: u64,
    /// The reason in one sentence.
    pub because: String,
    /// The ways in which connections died, each with the shortest pause.
    pub deaths: Vec<(Option<Mechanism>, Duration)>,
}

/// What is known of one path. Its size does not grow with what is added but for the hosts' names.
#[derive(Clone, Debug, Default)]
struct State {
    hosts: BTreeSet<Box<str>>,
    hours: Option<(Instant, Instant)>,
    /// The shortest and the longest pause of each range.
    survived: BTreeMap<u32, (Duration, Duration)>,
    /// By how they showed: how many, and the shortest pause.
    deaths: BTreeMap<Option<Mechanism>, (u64, Duration)>,
    deaths_by_hour: [u64; 24],
    causes: BTreeMap<Cause, (Harm, u64)>,
    connections: u64,
    requests: u64,
    failures: u64,
    masked: u64,
}

impl Fleet {
    /// Returns a fleet of which nothing is known.
    #[must_use]
    pub fn new(sharing: Sharing) -> Self {
        Self { sharing, ..Self::default() }
    }

    /// Adds a row; in which order they come does not matter.
    pub fn add(&mut self, key: &Key, tally: &Tally) {
        let group = self.sharing.group(&key.place);
        if self.paths.len() == PATHS_MAX && !self.paths.contains_key(&group) {
            self.left_out += 1;
            return;
        }
        self.paths.entry(group).or_default().add(key, tally);
    }

    /// Returns how many rows there was no room for.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Judges each path, the worst first.
    #[must_use]
    pub fn judge(&self) -> Vec<PathVerdict> {
        let mut verdicts: Vec<PathVerdict> =
            self.paths.iter().map(|(group, state)| state.judge(group)).collect();
        verdicts.sort_by_key(|verdict| {
            let bad = verdict.cause != Cause::None;
            let lost = verdict.failures + verdict.masked;
            (Reverse((verdict.harm, bad, lost)), verdict.group.clone())
        });
        verdicts
    }
}

impl PathVerdict {
    /// Returns the limits that show, with the products that fit; reads all profiles for it.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        matching::limits(&Observed {
            deaths: &self.deaths,
            culprit: Culprit::Hop,
            survived: self.survived,
            closings: None,
        })
    }
}

impl Sharing {
    fn group(&self, place: &Place) -> Group {
        let shared = match self {
            Self::None => None,
            Self::Labels(names) => shared_labels(&place.labels, names),
        };
        let hosts = match shared {
            Some(labels) => Hosts::Labelled(labels),
            None => Hosts::One(place.host.clone(), place.labels.clone()),
        };
        Group { server: place.server.clone(), hosts }
    }
}

/// Returns the labels of these names, if all are there.
fn shared_labels(labels: &str, names: &[String]) -> Option<Box<str>> {
    let mut shared = Vec::with_capacity(names.len());
    for name in names {
        let is_it = |label: &&str| label.split_once('=').is_some_and(|(it, _)| it == name);
        shared.push(labels.split(',').find(is_it)?);
    }
    Some(shared.join(",").into())
}

impl State {
    fn add(&mut self, key: &Key, tally: &Tally) {
        if self.hosts.len() < HOSTS_MAX {
            self.hosts.insert(key.place.host.clone());
        }
        let hours = self.hours.unwrap_or((key.hour, key.hour));
        self.hours = Some((hours.0.min(key.hour), hours.1.max(key.hour)));
        match (key.kind, tally.idle) {
            (Kind::Survived, Some((least, most))) => {
                let range = self.survived.entry(key.part).or_insert((least, most));
                *range = (range.0.min(least), range.1.max(most));
            }
            (Kind::Died(mechanism, _), Some((least, _))) => {
                let (count, shortest) = self.deaths.entry(mechanism).or_insert((0, least));
                *count = count.saturating_add(tally.count);
                *shortest = (*shortest).min(least);
                let hour = key.hour.as_nanos() / 3_600_000_000_000 % 24;
                let there = &mut self.deaths_by_hour[usize::try_from(hour).unwrap_or(0)];
                *there = there.saturating_add(tally.count);
            }
            (Kind::Judged(cause, _, harm), _) => {
                let (worst, count) = self.causes.entry(cause).or_insert((harm, 0));
                *worst = (*worst).max(harm);
                *count = count.saturating_add(tally.count);
                self.connections = self.connections.saturating_add(tally.connections);
                self.requests = self.requests.saturating_add(tally.requests);
                self.failures = self.failures.saturating_add(tally.failures);
                self.masked = self.masked.saturating_add(tally.masked);
            }
            (Kind::Survived | Kind::Died(..), None) => {}
        }
    }

    fn judge(&self, group: &Group) -> PathVerdict {
        let (cause, harm) = self.main_cause();
        let died = self.deaths.values().map(|&(_, shortest)| shortest).min();
        let longest = self.survived.values().map(|&(_, longest)| longest).max();
        let mut verdict = PathVerdict {
            group: group.clone(),
            hosts: self.hosts.len(),
            hours: self.hours.unwrap_or((Instant::EPOCH, Instant::EPOCH)),
            cause,
            mechanism: None,
            harm,
            survived: longest,
            died: None,
            deaths_by_hour: self.deaths_by_hour,
            causes: self.causes.iter().map(|(&cause, &(harm, n))| (cause, harm, n)).collect(),
            connections: self.connections,
            requests: self.requests,
            failures: self.failures,
            masked: self.masked,
            because: String::new(),
            deaths: Vec::new(),
        };
        let diagnoses: u64 = self.causes.values().map(|&(_, count)| count).sum();
        let said = self.causes.get(&cause).map_or(0, |&(_, count)| count);
        verdict.because = format!("{said} of {diagnoses} diagnoses say so");
        if let (Cause::IdleExpiry | Cause::IdleExpiryInFlight, Some(died)) = (cause, died) {
            self.bracket(&mut verdict, died, longest);
        } else if cause == Cause::None {
            "nothing is wrong with this path".clone_into(&mut verdict.because);
        }
        verdict
    }

    /// Says between which pauses the limit lies, or that the hosts contradict each other.
    fn bracket(&self, verdict: &mut PathVerdict, died: Duration, longest: Option<Duration>) {
        verdict.died = Some(died);
        if let Some(longest) = longest.filter(|&longest| refutes(longest, died)) {
            verdict.cause = Cause::Inconclusive;
            verdict.because = format!(
                "pauses of {} were fatal and one of {} was survived: either these hosts do not \
                 share a path, or the limit was changed meanwhile",
                brief(died),
                brief(longest)
            );
            return;
        }
        let most = self.deaths.iter().max_by_key(|(mechanism, (n, _))| (*n, Reverse(**mechanism)));
        verdict.mechanism = most.and_then(|(&mechanism, _)| mechanism);
        let below = self.survived.values().flat_map(|&(least, most)| [least, most]);
        verdict.survived = below.filter(|&idle| idle < died).max();
        let count: u64 = self.deaths.values().map(|&(count, _)| count).sum();
        let survived = verdict.survived.map_or(String::new(), |idle| {
            format!(", while pauses of up to {} were survived", brief(idle))
        });
        verdict.because = format!(
            "{count} connections died of pauses of {} or more{survived}: a box between had \
             forgotten them",
            brief(died)
        );
        verdict.deaths = self.deaths.iter().map(|(&how, &(_, idle))| (how, idle)).collect();
    }

    /// Returns the cause that did the most harm; among equals, in the most diagnoses.
    fn main_cause(&self) -> (Cause, Harm) {
        let bad = self.causes.iter().filter(|(cause, _)| **cause != Cause::None);
        let worst = bad.max_by_key(|(cause, (harm, count))| {
            (*harm, **cause != Cause::Inconclusive, *count, Reverse(**cause))
        });
        worst.map_or((Cause::None, Harm::None), |(&cause, &(harm, _))| (cause, harm))
    }
}

/// Tells whether a pause that was survived shows that another was not too long.
fn refutes(survived: Duration, died: Duration) -> bool {
    died + TIMER_COARSE < survived.mul_f64(TIMER_SLACK)
}

fn brief(idle: Duration) -> String {
    format!("{:.1} s", idle.as_secs_f64())
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(host, labels) if labels.is_empty() => write!(f, "{host}"),
            Self::One(host, labels) => write!(f, "{host} ({labels})"),
            Self::Labelled(labels) => write!(f, "{labels}"),
        }
    }
}
