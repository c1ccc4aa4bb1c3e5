//! News as lines: for people, or as JSON for programs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_capture::{News, PathReport};
use halfopen_core::cause::{Cause, Culprit, Finding, Harm, Mechanism};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::Verdict;
use serde::Serialize;

use super::watching::Watched;
use super::{Format, words};
use crate::report::Seconds;
use crate::report::value::At;

/// So many findings of one kind and one server are told in a minute; the rest are counted.
const ALIKE_MAX: u64 = 20;
const MINUTE: Duration = Duration::from_mins(1);
/// More kinds than this are not told apart.
const KINDS_MAX: usize = 10_000;

/// Turns news into lines, and says of many alike how many there were.
#[derive(Debug)]
pub(super) struct Lines {
    format: Format,
    minute: Instant,
    alike: BTreeMap<(SocketAddr, Finding), u64>,
}

/// A line of JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Finding {
        at: Option<At>,
        server: String,
        flow: String,
        finding: Finding,
        cause: Cause,
        mechanism: Option<Mechanism>,
        culprit: Culprit,
        harm: Harm,
        idle_s: Option<Seconds>,
        evidence: Vec<Fact<'a>>,
    },
    More {
        server: String,
        finding: Finding,
        count: u64,
    },
    Limit {
        server: String,
        survived_s: Option<Seconds>,
        died_s: Seconds,
    },
    Report {
        interface: &'a str,
        lasted_s: Seconds,
        paths: Vec<Path<'a>>,
        packets: u64,
        packets_dropped: u64,
        segments: u64,
        connections: u64,
        untracked: u64,
        evicted: u64,
        lines_lost: u64,
    },
}

#[derive(Debug, Serialize)]
struct Fact<'a> {
    at: At,
    fact: &'a str,
}

#[derive(Debug, Serialize)]
struct Path<'a> {
    server: String,
    cause: Cause,
    mechanism: Option<Mechanism>,
    culprit: Culprit,
    harm: Harm,
    survived_s: Option<Seconds>,
    died_s: Option<Seconds>,
    connections: u64,
    requests: u64,
    failures: u64,
    masked: u64,
    because: &'a str,
}

impl Lines {
    pub(super) fn new(format: Format) -> Self {
        Self { format, minute: Instant::EPOCH, alike: BTreeMap::new() }
    }

    /// Returns what there is to print for a piece of news.
    pub(super) fn of(&mut self, news: &News) -> Vec<String> {
        let mut lines = Vec::new();
        match news {
            News::Ended { verdict, cause } => {
                let at = words::ended(verdict);
                if at.is_some_and(|at| at.saturating_since(self.minute) >= MINUTE) {
                    lines = self.end_minute();
                    self.minute = at.unwrap_or(self.minute);
                }
                if self.is_told(verdict) {
                    lines.push(self.finding(verdict, *cause));
                }
            }
            News::Narrowed { server, survived, died } => lines.push(match self.format {
                Format::Text => words::limit(*server, *survived, *died),
                Format::Json => json(&Line::Limit {
                    server: server.to_string(),
                    survived_s: survived.map(Seconds),
                    died_s: Seconds(*died),
                }),
            }),
            News::Survived { .. } => {}
        }
        lines
    }

    fn is_told(&mut self, verdict: &Verdict) -> bool {
        let kind = (verdict.flow.responder, verdict.finding);
        if self.alike.len() >= KINDS_MAX && !self.alike.contains_key(&kind) {
            return true;
        }
        let count = self.alike.entry(kind).or_default();
        *count += 1;
        *count <= ALIKE_MAX
    }

    /// Says how many findings were not told.
    fn end_minute(&mut self) -> Vec<String> {
        let alike = core::mem::take(&mut self.alike);
        let more = alike.into_iter().filter(|&(_, count)| count > ALIKE_MAX);
        more.map(|((server, finding), count)| {
            let count = count - ALIKE_MAX;
            match self.format {
                Format::Text => format!("{server}: {count} more {finding} within a minute"),
                Format::Json => json(&Line::More { server: server.to_string(), finding, count }),
            }
        })
        .collect()
    }

    fn finding(&self, verdict: &Verdict, cause: Cause) -> String {
        match self.format {
            Format::Text => words::finding(verdict, cause),
            Format::Json => json(&Line::Finding {
                at: words::ended(verdict).map(At),
                server: verdict.flow.responder.to_string(),
                flow: verdict.flow.to_string(),
                finding: verdict.finding,
                cause,
                mechanism: verdict.mechanism,
                culprit: verdict.culprit,
                harm: verdict.harm,
                idle_s: verdict.idle.map(Seconds),
                evidence: verdict
                    .evidence
                    .iter()
                    .map(|seen| Fact { at: At(seen.at), fact: &seen.fact })
                    .collect(),
            }),
        }
    }
}

/// Returns what was seen, when it is over, as a line of JSON.
pub(super) fn report(watched: &Watched) -> String {
    let Watched { interface, lasted, paths, counts, holdings, kernel, lost } = watched;
    json(&Line::Report {
        interface,
        lasted_s: Seconds(*lasted),
        paths: paths.iter().map(Path::new).collect(),
        packets: kernel.packets,
        packets_dropped: kernel.drops,
        segments: counts.segments,
        connections: counts.connections,
        untracked: counts.untracked,
        evicted: holdings.evicted,
        lines_lost: *lost,
    })
}

impl<'a> Path<'a> {
    fn new(path: &'a PathReport) -> Self {
        Self {
            server: path.server.to_string(),
            cause: path.cause,
            mechanism: path.mechanism,
            culprit: path.culprit,
            harm: path.harm,
            survived_s: path.survived.map(Seconds),
            died_s: path.died.map(Seconds),
            connections: path.connections,
            requests: path.requests,
            failures: path.failures,
            masked: path.masked,
            because: &path.because,
        }
    }
}

fn json(line: &Line<'_>) -> String {
    serde_json::to_string(line).expect("a line has no map and no odd key")
}

#[cfg(test)]
mod tests;
