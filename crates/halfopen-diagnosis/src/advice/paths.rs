//! Advice for each path of a judgement.

use std::collections::{BTreeMap, BTreeSet};

use halfopen_core::cause::{Cause, Finding, Mechanism};
use halfopen_core::time::Duration;
use halfopen_logs::record::{Step, What};

use super::{Recognised, Situation, advise};
use crate::judgement::{Flow, Judgement, Path, Server};
use crate::log::Log;
use crate::matching::{Observed, limits};

/// How connections were forgotten, as `matching::Shows` has it.
type Way = Option<Mechanism>;

impl Judgement {
    /// Names the products that fit each path and what to change in the client: `client`, or the
    /// one that captures and logs show.
    pub fn advise(&mut self, client: Option<&Recognised>, logs: &[Log]) {
        let Self { paths, flows, .. } = self;
        let logged = agents(logs);
        for path in paths {
            let deaths = deaths(path, flows);
            path.limits = limits(&Observed {
                deaths: &deaths,
                culprit: path.culprit,
                survived: path.survived,
                closings: path.closings,
            });
            let seen = || {
                let names = path.user_agents.iter().map(|name| &**name);
                only_one(names.chain(logged.iter().copied()))
            };
            let client = client.cloned().or_else(seen);
            path.advice = advise(&Situation {
                cause: path.cause,
                limits: &path.limits,
                client: client.as_ref(),
                repeats: path.masked > 0,
            });
        }
    }
}

/// Returns the client, if all these names are one's or nobody's that is known.
fn only_one<'a>(agents: impl Iterator<Item = &'a str>) -> Option<Recognised> {
    let mut known = agents.filter_map(Recognised::by_user_agent);
    let first = known.next()?;
    known.all(|other| other.client.name == first.client.name).then_some(first)
}

/// Returns what clients call themselves in logs.
fn agents(logs: &[Log]) -> BTreeSet<&str> {
    let records = logs.iter().flat_map(|log| &log.records);
    records.filter_map(|record| agent(&record.what)).collect()
}

fn agent(what: &What) -> Option<&str> {
    if let What::Client(http) = what
        && let Step::Product(name) = &http.step
    {
        return Some(name);
    }
    if let What::Balanced(entry) = what { entry.user_agent.as_deref() } else { None }
}

/// Returns the ways in which connections of a path were forgotten, each with the shortest pause.
fn deaths(path: &Path, flows: &[Flow]) -> Vec<(Way, Duration)> {
    let timed = matches!(path.cause, Cause::IdleExpiry | Cause::IdleExpiryInFlight);
    let Some(died) = path.died.filter(|_| timed) else { return Vec::new() };
    let of_path = |flow: &&Flow| match path.server {
        Server::Address(address) => flow.key.responder == address,
        Server::Name(_) | Server::Unknown => false,
    };
    let mut shortest: BTreeMap<Way, Duration> = BTreeMap::new();
    for flow in flows.iter().filter(of_path) {
        let Some((way, idle)) = way(flow.finding).zip(flow.idle) else { continue };
        // What died of less than the limit died of something else.
        if idle >= died {
            let known = shortest.entry(way).or_insert(idle);
            *known = idle.min(*known);
        }
    }
    if shortest.is_empty() {
        return vec![(path.mechanism, died)];
    }
    shortest.into_iter().collect()
}

/// Returns how a flow was forgotten; `None` if it was not, by a timer.
fn way(finding: Finding) -> Option<Way> {
    if finding == Finding::ForgottenInFlight {
        return Some(None);
    }
    // The pause of a late close is that of the closing, and meets no limit.
    let timed = finding != Finding::LateClose;
    finding.mechanism().filter(|_| timed).map(Some)
}
