//! What `diagnose` says, as one value that is printed as text or as JSON.

mod advice;
mod html;
mod markdown;
pub(crate) mod measured;
mod notes;
mod picture;
mod remarks;
mod remedy;
mod text;
pub(crate) mod untrusted;
pub(crate) mod value;

use std::net::SocketAddr;

use halfopen_capture::{Counts, Points, Summary};
use halfopen_core::cause::{Cause, Culprit, Finding, Harm, Mechanism};
use halfopen_core::flow::FlowKey;
use halfopen_diagnosis::suspect::{self, Place, Seen};
use halfopen_diagnosis::{self as diagnosis, Judgement};
use serde::Serialize;

pub(crate) use html::html;
pub(crate) use markdown::markdown;
pub(crate) use picture::Pictures;
pub(crate) use remarks::remarks;
pub(crate) use text::{WIDTH, text};
pub(crate) use value::Seconds;
use value::{At, Clock, Shift};

/// The version of the report's form. Fields may be added within one.
const FORMAT: u32 = 1;

/// What `diagnose` says.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    format: u32,
    pub(crate) captures: Vec<Capture>,
    pub(crate) logs: Vec<Log>,
    pub(crate) paths: Vec<Path>,
    flows: Vec<Flow>,
    flows_omitted: u64,
    counts: Totals,
    notes: Vec<String>,
}

/// What was read, under the names that the user gave.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// In the order of the command line.
    pub(crate) captures: Vec<(&'a String, &'a Summary)>,
    pub(crate) points: &'a Points,
    /// In the order of the command line.
    pub(crate) logs: Vec<(&'a String, &'a diagnosis::Log)>,
    /// What was passed over.
    pub(crate) notes: Vec<String>,
}

/// A capture as it was read.
#[derive(Debug, Serialize)]
pub(crate) struct Capture {
    file: String,
    frames: u64,
    packets: u64,
    first: Option<At>,
    last: Option<At>,
    clock_offset_s: Option<f64>,
    clock_error_s: Option<f64>,
    clock_drift_ppm: Option<f64>,
    #[serde(skip)]
    clock: Option<Clock>,
    notes: Vec<String>,
}

/// A log as it was read.
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    file: String,
    form: &'static str,
    lines: u64,
    records: u64,
    first: Option<At>,
    last: Option<At>,
    clock_offset_s: Option<Shift>,
    notes: Vec<String>,
}

/// What is wrong with one path.
#[derive(Debug, Serialize)]
pub(crate) struct Path {
    server: String,
    /// The server, if its address is known.
    #[serde(skip)]
    address: Option<SocketAddr>,
    pub(crate) cause: Cause,
    mechanism: Option<Mechanism>,
    culprit: Culprit,
    harm: Harm,
    idle_limit: IdleLimit,
    connections: u64,
    requests: u64,
    failures: u64,
    masked: u64,
    maybe_twice: u64,
    between: Vec<Between>,
    because: String,
    evidence: Vec<Evidence>,
    lines: Vec<Line>,
    suspects: Vec<Suspect>,
    limits: Vec<remedy::Limit>,
    advice: Option<remedy::Advice>,
    notes: Vec<String>,
}

/// What became of requests without a response between two captures.
#[derive(Debug, Serialize)]
struct Between {
    captures: [usize; 2],
    never_came: u64,
    came: u64,
    answer_lost: u64,
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
    #[serde(skip)]
    key: FlowKey,
    finding: Finding,
    harm: Harm,
    culprit: Culprit,
    idle_s: Option<Seconds>,
    evidence: Vec<Evidence>,
    lines: Vec<Line>,
}

/// Who could have done it, and how that stands.
#[derive(Debug, Serialize)]
struct Suspect {
    #[serde(rename = "suspect")]
    who: &'static str,
    standing: &'static str,
    why: String,
    evidence: Vec<Evidence>,
    lines: Vec<Line>,
    settles: Option<Settles>,
}

/// What would settle whether a suspect did it.
#[derive(Debug, Serialize)]
struct Settles {
    what: String,
    command: Option<String>,
}

/// One thing that was seen in a frame.
#[derive(Debug, Serialize)]
struct Evidence {
    capture: usize,
    frame: u64,
    at: At,
    fact: String,
}

/// One thing that a log says.
#[derive(Debug, Serialize)]
struct Line {
    log: usize,
    #[serde(rename = "line")]
    number: u64,
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
    /// Puts together what a single capture shows.
    pub(crate) fn of_capture(name: &String, summary: &Summary, points: &Points) -> Self {
        let captures = vec![(name, summary)];
        let sources = Sources { captures, points, logs: Vec::new(), notes: Vec::new() };
        let mut judgement = diagnosis::judge(points, 1, &[]);
        judgement.advise(None, &[]);
        Self::new(sources, judgement)
    }

    /// Puts together what was read and what follows from it.
    pub(crate) fn new(sources: Sources<'_>, judgement: Judgement) -> Self {
        let Sources { captures, points, logs, notes } = sources;
        let captures = captures.into_iter().zip(judgement.capture_offsets);
        let logs = logs.into_iter().zip(judgement.log_offsets);
        Self {
            format: FORMAT,
            captures: captures
                .map(|((name, summary), offset)| Capture::new(name, summary, offset))
                .collect(),
            logs: logs.map(|((name, log), offset)| Log::new(name, log, offset)).collect(),
            paths: judgement.paths.into_iter().map(|path| Path::new(path, points)).collect(),
            flows: judgement.flows.into_iter().map(|flow| Flow::new(flow, points)).collect(),
            flows_omitted: judgement.flows_omitted,
            counts: Totals::new(judgement.counts),
            notes,
        }
    }
}

/// Prints a report for programs.
pub(crate) fn json(report: &Report) -> String {
    let text = serde_json::to_string_pretty(report).expect("a report has no map and no odd key");
    text + "\n"
}

impl Capture {
    fn new(name: &str, summary: &Summary, ahead: Option<diagnosis::Ahead>) -> Self {
        let clock = ahead.map(Clock);
        Self {
            file: name.to_owned(),
            frames: summary.frames,
            packets: summary.packets,
            first: summary.first.map(At),
            last: summary.last.map(At),
            clock_offset_s: clock.map(Clock::offset_s),
            clock_error_s: clock.map(Clock::error_s),
            clock_drift_ppm: clock.and_then(Clock::drift_ppm),
            clock,
            notes: notes::notes(summary),
        }
    }
}

impl Log {
    fn new(name: &str, log: &diagnosis::Log, offset: Option<diagnosis::Offset>) -> Self {
        Self {
            file: name.to_owned(),
            form: log.form,
            lines: log.summary.lines,
            records: log.summary.records,
            first: log.summary.span.map(|(first, _)| At(first)),
            last: log.summary.span.map(|(_, last)| At(last)),
            clock_offset_s: offset.map(Shift),
            notes: notes::of_log(log),
        }
    }
}

impl Path {
    fn new(path: diagnosis::Path, points: &Points) -> Self {
        let (evidence, lines) = sort(path.evidence, points);
        Self {
            server: path.server.to_string(),
            address: match path.server {
                diagnosis::Server::Address(address) => Some(address),
                diagnosis::Server::Name(_) | diagnosis::Server::Unknown => None,
            },
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
            maybe_twice: path.maybe_twice,
            between: path.between.into_iter().map(Between::from).collect(),
            because: path.because,
            evidence,
            lines,
            suspects: path.suspects.into_iter().map(|it| Suspect::new(it, points)).collect(),
            limits: path.limits.into_iter().map(remedy::Limit::from).collect(),
            advice: path.advice.map(remedy::Advice::from),
            notes: path.notes,
        }
    }
}

impl From<diagnosis::Between> for Between {
    fn from(between: diagnosis::Between) -> Self {
        let diagnosis::Between { captures, never_came, came, answer_lost } = between;
        Self { captures, never_came, came, answer_lost }
    }
}

impl Flow {
    fn new(flow: diagnosis::Flow, points: &Points) -> Self {
        let (evidence, lines) = sort(flow.evidence, points);
        Self {
            name: flow.key.to_string(),
            key: flow.key,
            finding: flow.finding,
            harm: flow.harm,
            culprit: flow.culprit,
            idle_s: flow.idle.map(Seconds),
            evidence,
            lines,
        }
    }
}

impl Suspect {
    fn new(opinion: suspect::Opinion, points: &Points) -> Self {
        let (evidence, lines) = sort(opinion.evidence, points);
        Self {
            who: opinion.suspect.as_str(),
            standing: opinion.standing.as_str(),
            why: opinion.why,
            evidence,
            lines,
            settles: opinion
                .settles
                .map(|suspect::Settles { what, command }| Settles { what, command }),
        }
    }
}

/// Sorts what was seen into frames and lines.
fn sort(seen: Vec<Seen>, points: &Points) -> (Vec<Evidence>, Vec<Line>) {
    let (mut evidence, mut lines) = (Vec::new(), Vec::new());
    for Seen { at, place, fact } in seen {
        let at = At(at);
        match place {
            Place::Frame(number) => {
                let place = points.place(number);
                evidence.push(Evidence { capture: place.capture, frame: place.frame, at, fact });
            }
            Place::Line { log, line } => {
                lines.push(Line { log, number: line, at, fact });
            }
        }
    }
    (evidence, lines)
}

impl Totals {
    const fn new(counts: Counts) -> Self {
        let Counts { packets, segments, duplicates, absurd_times, connections, untracked } = counts;
        Self { packets, segments, duplicates, absurd_times, connections, untracked }
    }
}
