//! From the verdicts of flows to the cause of a path.

mod exhaustion;
pub(crate) mod habits;
mod leak;
mod left_behind;
pub(crate) mod path;
mod reason;
mod restart;

use core::cmp::Reverse;
use std::net::SocketAddr;

use halfopen_core::cause::{Cause, Culprit, Finding, Harm, Mechanism};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::{Evidence, Verdict};

use crate::case::Case;
use crate::rules;
use crate::tracker::{Counts, Tracker};
use left_behind::{LOOKED_AT_MAX, Quiet};

/// Healthy flows beyond this many are counted and not listed.
const HEALTHY_LISTED_MAX: usize = 1000;
/// Flows with a finding beyond this many are counted and not listed.
const FLOWS_LISTED_MAX: usize = 100_000;

/// What a capture shows.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// What is wrong with each path, the worst first.
    pub paths: Vec<PathReport>,
    /// What became of each flow, in the order in which they were opened.
    pub flows: Vec<Verdict>,
    /// How many flows are not listed.
    pub flows_omitted: u64,
    /// What was counted.
    pub counts: Counts,
}

/// What is wrong with one path: all connections to one server address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// The server.
    pub server: SocketAddr,
    /// Why connections fail.
    pub cause: Cause,
    /// How it shows, if a box forgot.
    pub mechanism: Option<Mechanism>,
    /// Whose doing it is.
    pub culprit: Culprit,
    /// The worst that it did to a request.
    pub harm: Harm,
    /// The longest pause that a flow survived, and the shortest that one died of.
    pub survived: Option<Duration>,
    /// The shortest pause that a flow died of.
    pub died: Option<Duration>,
    /// After which pauses the far end closed idle connections.
    pub closings: Option<Closings>,
    /// What the clients call themselves (`User-Agent`), where their requests can be read: the first
    /// few names.
    pub user_agents: Vec<Box<str>>,
    /// Connections seen.
    pub connections: u64,
    /// Requests seen: runs of client data. TLS handshakes do not count.
    pub requests: u64,
    /// Requests without a response that were not repeated.
    pub failures: u64,
    /// Requests without a response that the client repeated by itself.
    pub masked: u64,
    /// Of these, how many the server had acknowledged whole before their connection died: it may
    /// have processed them twice.
    pub maybe_twice: u64,
    /// The reason in one sentence.
    pub because: String,
    /// What shows it; empty only if nothing is wrong.
    pub evidence: Vec<Evidence>,
}

/// After which pauses a far end closed idle connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closings {
    /// How often it did.
    pub count: usize,
    /// The shortest pause.
    pub shortest: Duration,
    /// The longest.
    pub longest: Duration,
}

impl PathReport {
    /// Returns what paths are sorted by: the worst first.
    pub(crate) fn rank(&self) -> (Reverse<(Harm, bool, u64)>, SocketAddr) {
        let bad = self.cause != Cause::None;
        (Reverse((self.harm, bad, self.failures)), self.server)
    }
}

impl Tracker {
    /// Judges all that was seen.
    #[must_use]
    pub fn diagnose(&self) -> Diagnosis {
        let mut judged: Vec<Judged> = self.routes.iter().map(|_| Judged::default()).collect();
        let (mut healthy, mut omitted, mut looked_at) = (0, 0, 0);
        let until = self.last_time().unwrap_or(Instant::EPOCH);
        for (index, timeline) in self.timelines.iter().enumerate() {
            if timeline.twin {
                continue;
            }
            let route = &self.routes[timeline.path as usize];
            let index_u32 = u32::try_from(index).unwrap_or(u32::MAX);
            let case = Case { timeline, index: index_u32, route, until };
            let verdict = rules::judge(&case);
            let path = &mut judged[timeline.path as usize];
            path.flows += 1;
            path.maybe_twice += u64::from(case.maybe_twice());
            let again = timeline.series.map_or(0, |series| series.sends.saturating_sub(1));
            path.in_vain += u64::from(again);
            // Nothing is inferred from a healthy flow, and there may be millions.
            let is_healthy = verdict.finding == Finding::Healthy;
            if looked_at < LOOKED_AT_MAX {
                path.quiet.look(&case);
                looked_at += 1;
            }
            if is_healthy && healthy == HEALTHY_LISTED_MAX {
                omitted += 1;
            } else {
                healthy += usize::from(is_healthy);
                path.verdicts.push((index, verdict));
            }
        }
        let mut paths: Vec<PathReport> = self
            .routes
            .iter()
            .zip(&mut judged)
            .filter(|(_, judged)| judged.flows > 0)
            .map(|(route, judged)| {
                let mut report = path::infer(route, &judged.verdicts, judged.in_vain);
                report.maybe_twice = judged.maybe_twice;
                let quiet = core::mem::take(&mut judged.quiet);
                if looked_at < LOOKED_AT_MAX {
                    quiet.hint(&mut report, route);
                }
                report
            })
            .collect();
        paths.sort_by_key(PathReport::rank);
        let (flows, flows_unlisted) = list(judged);
        let flows_omitted = omitted + flows_unlisted;
        Diagnosis { paths, flows, flows_omitted, counts: self.counts() }
    }
}

/// What became of the flows of one path.
#[derive(Default)]
struct Judged {
    flows: u64,
    /// With their places in the tracker; of those that are healthy only some.
    verdicts: Vec<(usize, Verdict)>,
    /// Segments sent again on flows where nothing answers any more.
    in_vain: u64,
    maybe_twice: u64,
    quiet: Quiet,
}

/// Returns the verdicts worth listing, in the order of the flows, and how many are left out.
fn list(judged: Vec<Judged>) -> (Vec<Verdict>, u64) {
    let mut all: Vec<(usize, Verdict)> =
        judged.into_iter().flat_map(|path| path.verdicts).collect();
    all.sort_by_key(|(index, _)| *index);
    let total = all.len();
    let mut others = 0;
    all.retain(|(_, verdict)| {
        let is_healthy = verdict.finding == Finding::Healthy;
        others += usize::from(!is_healthy);
        is_healthy || others <= FLOWS_LISTED_MAX
    });
    let omitted = (total - all.len()) as u64;
    (all.into_iter().map(|(_, verdict)| verdict).collect(), omitted)
}
