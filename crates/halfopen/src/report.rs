//! What `diagnose` says, as one value that is printed as text or as JSON.

mod advice;
mod markdown;
mod notes;
mod text;
mod untrusted;
pub(crate) mod value;

use halfopen_capture::{Counts, PathReport, Points, Summary};
use halfopen_core::cause::{Cause, Culprit, Finding, Harm, Mechanism};
use halfopen_core::verdict::Verdict;
use serde::Serialize;

pub(crate) use markdown::markdown;
pub(crate) use text::{WIDTH, text};
use value::At;
pub(crate) use value::Seconds;

/// The version of the report's form. Fields may be added within one.
const FORMAT: u32 = 1;

/// What `diagnose` says.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    format: u32,
    pub(crate) captures: Vec<Capture>,
    pub(crate) paths: Vec<Path>,
    flows: Vec<Flow>,
    flows_omitted: u64,
    counts: Totals,
}

/// A capture as it was read.
#[derive(Debug, Serialize)]
pub(crate) struct Capture {
    file: String,
    frames: u64,
    packets: u64,
    first: Option<At>,
    last: Option<At>,
    notes: Vec<String>,
}

/// What is wrong with one path.
#[derive(Debug, Serialize)]
pub(crate) struct Path {
    server: String,
    pub(crate) cause: Cause,
    mechanism: Option<Mechanism>,
    culprit: Culprit,
    harm: Harm,
    idle_limit: IdleLimit,
    connections: u64,
    requests: u64,
    failures: u64,
    masked: u64,
    because: String,
    evidence: Vec<Evidence>,
}

/// Between which pauses the limit lies.
#[derive(Clone, Copy, Debug, Serialize)]
struct IdleLimit {
    survived_s: Option<Seconds>,
    died_s: Option<Seconds>,
}

/// What became of one flow.
#[derive(Debug, Serialize)]
struct Flow {
    #[serde(rename = "flow")]
    name: String,
    finding: Finding,
    harm: Harm,
    culprit: Culprit,
    idle_s: Option<Seconds>,
    evidence: Vec<Evidence>,
}

/// One thing that was seen.
#[derive(Debug, Serialize)]
struct Evidence {
    capture: usize,
    frame: u64,
    at: At,
    fact: String,
}

/// What was counted over all captures.
#[derive(Clone, Copy, Debug, Serialize)]
struct Totals {
    packets: u64,
    segments: u64,
    duplicates: u64,
    absurd_times: u64,
    connections: u64,
    untracked: u64,
}

impl Report {
    /// Puts together what was read and what it shows; `names` and `summaries` are the captures in
    /// the order of the command line.
    pub(crate) fn new(names: &[String], summaries: &[Summary], points: &Points) -> Self {
        let diagnosis = points.diagnose();
        let captures = names.iter().zip(summaries);
        Self {
            format: FORMAT,
            captures: captures.map(|(name, summary)| Capture::new(name, summary)).collect(),
            paths: diagnosis.paths.into_iter().map(|path| Path::new(path, points)).collect(),
            flows: diagnosis.flows.into_iter().map(|flow| Flow::new(flow, points)).collect(),
            flows_omitted: diagnosis.flows_omitted,
            counts: Totals::new(diagnosis.counts),
        }
    }
}

/// Prints a report for programs.
pub(crate) fn json(report: &Report) -> String {
    let text = serde_json::to_string_pretty(report).expect("a report has no map and no odd key");
    text + "\n"
}

impl Capture {
    fn new(name: &str, summary: &Summary) -> Self {
        Self {
            file: name.to_owned(),
            frames: summary.frames,
            packets: summary.packets,
            first: summary.first.map(At),
            last: summary.last.map(At),
            notes: notes::notes(summary),
        }
    }
}

impl Path {
    fn new(path: PathReport, points: &Points) -> Self {
        Self {
            server: path.server.to_string(),
            cause: path.cause,
            mechanism: path.mechanism,
            culprit: path.culprit,
            harm: path.harm,
            idle_limit: IdleLimit {
                survived_s: path.survived.map(Seconds),
                died_s: path.died.map(Seconds),
            },
            connections: path.connections,
            requests: path.requests,
            failures: path.failures,
            masked: path.masked,
            because: path.because,
            evidence: Evidence::all(path.evidence, points),
        }
    }
}

impl Flow {
    fn new(verdict: Verdict, points: &Points) -> Self {
        Self {
            name: verdict.flow.to_string(),
            finding: verdict.finding,
            harm: verdict.harm,
            culprit: verdict.culprit,
            idle_s: verdict.idle.map(Seconds),
            evidence: Evidence::all(verdict.evidence, points),
        }
    }
}

impl Evidence {
    fn all(evidence: Vec<halfopen_core::verdict::Evidence>, points: &Points) -> Vec<Self> {
        let placed = |seen: halfopen_core::verdict::Evidence| {
            let place = points.place(seen.frame);
            Self { capture: place.capture, frame: place.frame, at: At(seen.at), fact: seen.fact }
        };
        evidence.into_iter().map(placed).collect()
    }
}

impl Totals {
    const fn new(counts: Counts) -> Self {
        let Counts { packets, segments, duplicates, absurd_times, connections, untracked } = counts;
        Self { packets, segments, duplicates, absurd_times, connections, untracked }
    }
}
