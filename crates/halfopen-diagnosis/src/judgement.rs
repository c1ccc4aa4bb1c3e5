//! What all sources together say.

use core::cmp::Reverse;
use core::fmt;
use std::net::SocketAddr;

use halfopen_capture::{Closings, Counts, Diagnosis, PathReport};
use halfopen_core::cause::{Cause, Culprit, Finding, Harm, Mechanism};
use halfopen_core::flow::FlowKey;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::{Evidence, Verdict};

use crate::advice::Advice;
use crate::clocks;
use crate::join;
use crate::log::Log;
use crate::matching::Limit;
use crate::suspect::{Opinion, Place, Seen};
use crate::view::View;

/// What all sources together say.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// What is wrong with each path, the worst first.
    pub paths: Vec<Path>,
    /// What became of each flow, in the order in which they were opened.
    pub flows: Vec<Flow>,
    /// How many flows are not listed.
    pub flows_omitted: u64,
    /// What was counted over all captures.
    pub counts: Counts,
    /// How far the clock of each capture is ahead of the first source's, in the order of the
    /// captures; `None` if that is not known.
    pub capture_offsets: Vec<Option<Offset>>,
    /// The same of each log.
    pub log_offsets: Vec<Option<Offset>>,
}

/// What is wrong with one path: all connections to one server.
#[derive(Clone, Debug)]
pub struct Path {
    /// The server.
    pub server: Server,
    /// Why connections fail.
    pub cause: Cause,
    /// How it shows, if a box forgot.
    pub mechanism: Option<Mechanism>,
    /// Whose doing it is.
    pub culprit: Culprit,
    /// The worst that it did to a request.
    pub harm: Harm,
    /// The longest pause that a connection survived, below the shortest that one died of.
    pub survived: Option<Duration>,
    /// The shortest pause that a connection died of.
    pub died: Option<Duration>,
    /// After which pauses the far end closed idle connections.
    pub closings: Option<Closings>,
    /// What the clients call themselves, as far as a capture shows it.
    pub user_agents: Vec<Box<str>>,
    /// Connections seen.
    pub connections: u64,
    /// Requests seen.
    pub requests: u64,
    /// Requests without a response that were not repeated.
    pub failures: u64,
    /// Requests without a response that the client repeated by itself.
    pub masked: u64,
    /// Of these, how many the server may have processed twice.
    pub maybe_twice: u64,
    /// The reason in one sentence.
    pub because: String,
    /// What shows it; empty only if nothing is wrong.
    pub evidence: Vec<Seen>,
    /// Who could have done it, and how each stands.
    pub suspects: Vec<Opinion>,
    /// The limits that show, with the products that fit; empty until [`Judgement::advise`].
    pub limits: Vec<Limit>,
    /// What to change; `None` until [`Judgement::advise`], or if a client can do nothing.
    pub advice: Option<Advice>,
    /// What else a reader should know: sources that contradict each other, what is missing.
    pub notes: Vec<String>,
}

/// Whom connections go to, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// By address and port.
    Address(SocketAddr),
    /// As a log names it: `payment.example:443`.
    Name(Box<str>),
    /// No source names it.
    Unknown,
}

/// What became of one flow.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The flow.
    pub key: FlowKey,
    /// What became of it.
    pub finding: Finding,
    /// What it did to requests.
    pub harm: Harm,
    /// Whose doing it was.
    pub culprit: Culprit,
    /// The pause that came before its end, if that has to do with it.
    pub idle: Option<Duration>,
    /// What shows it; empty only for a healthy flow.
    pub evidence: Vec<Seen>,
}

/// How far one clock is ahead of another, in nanoseconds; negative if it is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset(pub i64);

/// Judges what `count` captures show and logs say.
#[must_use]
pub fn judge(captures: Diagnosis, count: usize, logs: &[Log]) -> Judgement {
    let Diagnosis { paths, flows, flows_omitted, counts, .. } = captures;
    let mut paths: Vec<Path> = paths.into_iter().map(Path::from).collect();
    let view = View::new(logs);
    join::join(&mut paths, &view);
    paths.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let mut judgement = Judgement {
        paths,
        flows: flows.into_iter().map(Flow::from).collect(),
        flows_omitted,
        counts,
        capture_offsets: vec![None; count],
        log_offsets: vec![None; logs.len()],
    };
    judgement.align(&clocks::of_logs(&view, logs.len()));
    judgement
}

impl Judgement {
    /// Says how far the clocks of sources differ, and puts what logs say on the first source's time
    /// line. `moments` are those that each log knows.
    fn align(&mut self, moments: &[Vec<Instant>]) {
        let (captures, logs) = (&mut self.capture_offsets, &mut self.log_offsets);
        let frames = self.flows.iter().flat_map(|flow| &flow.evidence).map(|seen| seen.at);
        let first: Vec<Instant> = match captures.len() {
            0 => moments.first().cloned().unwrap_or_default(),
            1 => frames.collect(),
            // Which frames are whose is not known here.
            _ => Vec::new(),
        };
        if let Some(own) = captures.first_mut().or(logs.first_mut()) {
            *own = Some(Offset(0));
        }
        for (offset, moments) in logs.iter_mut().zip(moments).filter(|(it, _)| it.is_none()) {
            *offset = clocks::offset(&first, moments);
        }
        for path in &mut self.paths {
            let opinions = path.suspects.iter_mut().flat_map(|opinion| &mut opinion.evidence);
            path.evidence.iter_mut().chain(opinions).for_each(|seen| seen.shift(logs));
        }
    }
}

impl Seen {
    /// Puts what a log says on the first source's time line.
    fn shift(&mut self, offsets: &[Option<Offset>]) {
        let Place::Line { log, .. } = self.place else { return };
        let Some(Some(Offset(ahead))) = offsets.get(log) else { return };
        if Duration::from_nanos(ahead.unsigned_abs()) >= clocks::OFFSET_MIN {
            let nanos = self.at.as_nanos().saturating_add_signed(ahead.saturating_neg());
            self.at = Instant::from_nanos(nanos);
        }
    }
}

impl Path {
    /// Returns a path with which nothing is wrong, and of which nothing was counted.
    pub(crate) const fn healthy(server: Server) -> Self {
        Self {
            server,
            cause: Cause::None,
            mechanism: None,
            culprit: Culprit::Unknown,
            harm: Harm::None,
            survived: None,
            died: None,
            closings: None,
            user_agents: Vec::new(),
            connections: 0,
            requests: 0,
            failures: 0,
            masked: 0,
            maybe_twice: 0,
            because: String::new(),
            evidence: Vec::new(),
            suspects: Vec::new(),
            limits: Vec::new(),
            advice: None,
            notes: Vec::new(),
        }
    }

    /// Returns what paths are sorted by: the worst first.
    fn rank(&self) -> (Reverse<(Harm, bool, u64)>, &Server) {
        (Reverse((self.harm, self.cause != Cause::None, self.failures)), &self.server)
    }
}

impl From<PathReport> for Path {
    fn from(report: PathReport) -> Self {
        Self {
            server: Server::Address(report.server),
            cause: report.cause,
            mechanism: report.mechanism,
            culprit: report.culprit,
            harm: report.harm,
            survived: report.survived,
            died: report.died,
            closings: report.closings,
            user_agents: report.user_agents,
            connections: report.connections,
            requests: report.requests,
            failures: report.failures,
            masked: report.masked,
            maybe_twice: report.maybe_twice,
            because: report.because,
            evidence: report.evidence.into_iter().map(Seen::from).collect(),
            suspects: Vec::new(),
            limits: Vec::new(),
            advice: None,
            notes: Vec::new(),
        }
    }
}

impl From<Verdict> for Flow {
    fn from(verdict: Verdict) -> Self {
        Self {
            key: verdict.flow,
            finding: verdict.finding,
            harm: verdict.harm,
            culprit: verdict.culprit,
            idle: verdict.idle,
            evidence: verdict.evidence.into_iter().map(Seen::from).collect(),
        }
    }
}

impl From<Evidence> for Seen {
    fn from(evidence: Evidence) -> Self {
        let Evidence { at, frame, fact } = evidence;
        Self { at, place: Place::Frame(frame), fact }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.pad(name),
            Self::Unknown => f.pad("unknown"),
        }
    }
}
