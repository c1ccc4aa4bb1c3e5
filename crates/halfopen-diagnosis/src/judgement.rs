//! What all sources together say.

use core::cmp::Reverse;
use core::fmt;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use halfopen_capture::{Ahead, Closings, Counts, Diagnosis, PathReport, Points};
use halfopen_core::cause::{Cause, Culprit, Finding, Harm, Mechanism};
use halfopen_core::flow::FlowKey;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::{Evidence, Verdict};

use crate::advice::Advice;
use crate::between::{self, Between};
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
    pub capture_offsets: Vec<Option<Ahead>>,
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
    /// The ways in which a box forgot its connections, as a capture shows them.
    pub ways: BTreeSet<Mechanism>,
    /// What became of them between each two captures that show them.
    pub between: Vec<Between>,
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

/// Judges what `count` captures show, as they were read, and logs say.
#[must_use]
pub fn judge(points: &Points, count: usize, logs: &[Log]) -> Judgement {
    let Diagnosis { paths, flows, flows_omitted, counts, .. } = points.diagnose();
    let mut paths: Vec<Path> = paths.into_iter().map(Path::from).collect();
    let flows: Vec<Flow> = flows.into_iter().map(Flow::from).collect();
    for path in &mut paths {
        path.ways = ways(&path.server, &flows);
    }
    between::tell(&mut paths, &points.crossings());
    let view = View::new(logs);
    join::join(&mut paths, &view);
    paths.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let mut judgement = Judgement {
        paths,
        flows,
        flows_omitted,
        counts,
        capture_offsets: points.clocks(count),
        log_offsets: vec![None; logs.len()],
    };
    judgement.align(points, &clocks::of_logs(&view, logs.len()));
    judgement
}

/// Returns in which ways connections to a server were forgotten.
fn ways(server: &Server, flows: &[Flow]) -> BTreeSet<Mechanism> {
    let of_server = |flow: &&Flow| *server == Server::Address(flow.key.responder);
    let ways = flows.iter().filter(of_server).filter(|flow| flow.finding != Finding::LateClose);
    ways.filter_map(|flow| flow.finding.mechanism()).collect()
}

impl Judgement {
    /// Puts what captures show on the first one's time line, says how far the clocks of logs differ
    /// from it, and puts what they say there, too. `moments` are those that each log knows.
    fn align(&mut self, points: &Points, moments: &[Vec<Instant>]) {
        let (captures, logs) = (&self.capture_offsets, &mut self.log_offsets);
        for seen in self.flows.iter_mut().flat_map(|flow| &mut flow.evidence) {
            seen.shift(points, captures, &[]);
        }
        let known = |seen: &&Seen| match seen.place {
            Place::Frame(frame) => {
                captures.get(points.place(frame).capture).is_some_and(Option::is_some)
            }
            Place::Line { .. } => false,
        };
        let shown = self.flows.iter().flat_map(|flow| &flow.evidence);
        let frames: Vec<Instant> = shown.filter(known).map(|seen| seen.at).collect();
        let sent = points.moments();
        let first = if captures.is_empty() {
            moments.iter().take(1).collect()
        } else {
            vec![&sent, &frames]
        };
        if captures.is_empty()
            && let Some(own) = logs.first_mut()
        {
            *own = Some(Offset(0));
        }
        for (offset, moments) in logs.iter_mut().zip(moments).filter(|(it, _)| it.is_none()) {
            *offset = first.iter().find_map(|first| clocks::offset(first, moments));
        }
        for path in &mut self.paths {
            let opinions = path.suspects.iter_mut().flat_map(|opinion| &mut opinion.evidence);
            let all = path.evidence.iter_mut().chain(opinions);
            all.for_each(|seen| seen.shift(points, captures, logs));
        }
    }
}

impl Seen {
    /// Puts what a capture shows or a log says on the first source's time line.
    fn shift(&mut self, points: &Points, captures: &[Option<Ahead>], logs: &[Option<Offset>]) {
        match self.place {
            Place::Frame(frame) => {
                if let Some(Some(ahead)) = captures.get(points.place(frame).capture) {
                    self.at = ahead.put(self.at);
                }
            }
            Place::Line { log, .. } => {
                let Some(Some(Offset(ahead))) = logs.get(log) else { return };
                if Duration::from_nanos(ahead.unsigned_abs()) >= clocks::OFFSET_MIN {
                    let nanos = self.at.as_nanos().saturating_add_signed(ahead.saturating_neg());
                    self.at = Instant::from_nanos(nanos);
                }
            }
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
            ways: BTreeSet::new(),
            between: Vec::new(),
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
            ways: BTreeSet::new(),
            between: Vec::new(),
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
