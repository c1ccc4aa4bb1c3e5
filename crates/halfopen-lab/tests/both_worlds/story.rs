//! What happened in a run, without what two worlds cannot have in common.
//!
//! * Ports are the kernel's choice: a flow is known by its place in the order of a hop's flows.
//! * TCP sends again after times that it measures, and the kernel sends a FIN when it sends the
//!   data before it, not on its own: packets of one flow, from one side, which a hop does not
//!   remember count once.
//! * On a link that loses packets by chance, chance is drawn for each packet, and the kernel's
//!   acknowledgments are not those of the simulator's TCP: only which kinds of things happened is
//!   compared.
//! * A race that lasts for the time on the way is lost or won by less than a machine's nap when
//!   what leads to it is sped up and the way is not: again only the kinds.
//! * What happens last in one world may be too late for the end of the other.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use halfopen_core::flow::FlowKey;
use halfopen_core::hop::{Event, EventKind};
use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::{Act, Reproduction};

/// How much of two runs is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything that a story tells.
    Whole,
    /// Which kinds of things happened.
    Kinds,
}

impl Depth {
    pub(crate) fn of(scenario: &str) -> Self {
        match scenario {
            "packet-loss" | "close-race" => Self::Kinds,
            _ => Self::Whole,
        }
    }
}

/// Something that happened to a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    at: Instant,
    what: String,
}

/// What happened in a run.
#[derive(Debug)]
pub(crate) struct Story {
    /// What each hop did with its first, second, third flow.
    flows: BTreeMap<(usize, usize), Vec<Step>>,
    /// What became of each request.
    requests: BTreeMap<u32, String>,
    /// What the far end did on its first, second, third connection.
    connections: Vec<Vec<Step>>,
    kinds: BTreeSet<String>,
    /// When the scenario was over.
    end: Instant,
}

impl Story {
    /// Tells a run of a scenario that is so long.
    pub(crate) fn of(run: &Reproduction, length: Duration) -> Self {
        let flows = flows(&run.events);
        let connections = connections(run);
        let requests = run.requests.iter().map(|request| {
            let tries = request.attempts.len();
            (request.number, format!("{} after {tries} attempts", request.outcome()))
        });
        let steps = flows.values().chain(&connections).flatten();
        let kinds = steps.map(|step| step.what.clone()).collect();
        let end = Instant::EPOCH + length;
        Self { requests: requests.collect(), connections, flows, kinds, end }
    }

    /// Says what is not the same in another world, where times may differ by that much.
    pub(crate) fn differences(
        &self,
        other: &Self,
        depth: Depth,
        tolerance: Duration,
    ) -> Vec<String> {
        if depth == Depth::Kinds {
            let kinds = self.kinds.symmetric_difference(&other.kinds);
            return kinds.map(|kind| format!("only one world has: {kind}")).collect();
        }
        let mut all = Vec::new();
        let allowed = Allowed { tolerance, end: self.end.min(other.end) };
        let keys: BTreeSet<_> = self.flows.keys().chain(other.flows.keys()).collect();
        for key @ (hop, flow) in keys {
            let here = self.flows.get(key).map_or(&[][..], Vec::as_slice);
            let there = other.flows.get(key).map_or(&[][..], Vec::as_slice);
            compare(&format!("hop {hop}, flow {flow}"), here, there, allowed, &mut all);
        }
        let count = self.connections.len().max(other.connections.len());
        for index in 0..count {
            let here = self.connections.get(index).map_or(&[][..], Vec::as_slice);
            let there = other.connections.get(index).map_or(&[][..], Vec::as_slice);
            compare(&format!("the far end's connection {index}"), here, there, allowed, &mut all);
        }
        let numbers: BTreeSet<_> = self.requests.keys().chain(other.requests.keys()).collect();
        for number in numbers {
            let (here, there) = (self.requests.get(number), other.requests.get(number));
            if here != there {
                all.push(format!("request {number}: {here:?} on real packets, else {there:?}"));
            }
        }
        all
    }
}

/// How far two worlds may be apart.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    tolerance: Duration,
    end: Instant,
}

impl Allowed {
    /// Tells whether one world may have more steps than the other: what came just before the end.
    fn longer(self, here: &[Step], there: &[Step]) -> bool {
        let both = here.len().min(there.len());
        here[both..].iter().chain(&there[both..]).all(|step| step.at + self.tolerance >= self.end)
    }
}

fn compare(who: &str, here: &[Step], there: &[Step], allowed: Allowed, all: &mut Vec<String>) {
    let words = |steps: &[Step]| steps.iter().map(|step| step.what.clone()).collect::<Vec<_>>();
    let as_told = here.iter().zip(there).all(|(here, there)| here.what == there.what);
    if !as_told || !allowed.longer(here, there) {
        let (here, there) = (words(here), words(there));
        return all.push(format!("{who}: {here:?} on real packets, else {there:?}"));
    }
    for (here, there) in here.iter().zip(there) {
        let apart = here.at.max(there.at).saturating_since(here.at.min(there.at));
        let tolerance = allowed.tolerance;
        if apart > tolerance {
            all.push(format!(
                "{who}: {} at {:?} on real packets, else at {:?}: more than {tolerance:?} apart",
                here.what, here.at, there.at
            ));
        }
    }
}

/// Tells what the hops did, flow by flow.
fn flows(events: &[Event]) -> BTreeMap<(usize, usize), Vec<Step>> {
    let mut names: BTreeMap<(usize, FlowKey), usize> = BTreeMap::new();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let mut flows: BTreeMap<(usize, usize), Vec<Step>> = BTreeMap::new();
    for Event { at, hop, kind } in events {
        let (flow, what) = match kind {
            EventKind::Remembered { flow } => (Some(*flow), "remembered".to_owned()),
            EventKind::Forgot { flow, because, .. } => {
                (Some(*flow), format!("forgot, because {because:?}"))
            }
            EventKind::Orphaned { flow, side, reaction, forgotten } => {
                let known = forgotten.is_some();
                let what = format!("orphaned from {side:?}, {reaction:?}, known before: {known}");
                (Some(*flow), what)
            }
            EventKind::Exhausted { flow } => (Some(*flow), "exhausted".to_owned()),
            EventKind::Discarded { side, why } => {
                (None, format!("discarded from {side:?}, {why:?}"))
            }
            EventKind::Refused { flow, why, .. } => (Some(*flow), format!("refused, {why:?}")),
        };
        let name = flow.map_or(0, |flow| {
            *names.entry((*hop, flow)).or_insert_with(|| {
                let count = counts.entry(*hop).or_default();
                *count += 1;
                *count
            })
        });
        let steps = flows.entry((*hop, name)).or_default();
        let again = what.starts_with("orphaned") && steps.iter().any(|step| step.what == what);
        if !again {
            steps.push(Step { at: *at, what });
        }
    }
    flows
}

/// Tells what the far end did, connection by connection.
fn connections(run: &Reproduction) -> Vec<Vec<Step>> {
    let mut peers: Vec<SocketAddr> = Vec::new();
    let mut connections: Vec<Vec<Step>> = Vec::new();
    for deed in &run.deeds {
        let what = match deed.act {
            Act::Received(_) => "received a request".to_owned(),
            Act::Answered(_) => "answered".to_owned(),
            act @ (Act::Accepted
            | Act::ClosedIdle
            | Act::ResetIdle
            | Act::Aborted
            | Act::ClosedToo
            | Act::Broken) => format!("{act:?}"),
        };
        let index = peers.iter().position(|peer| *peer == deed.peer).unwrap_or_else(|| {
            peers.push(deed.peer);
            connections.push(Vec::new());
            peers.len() - 1
        });
        connections[index].push(Step { at: deed.at, what });
    }
    connections
}

/// Returns how late the client was with its requests, at most: its program waits for its turn.
pub(crate) fn lag(live: &Reproduction, other: &Reproduction) -> Duration {
    let begun: BTreeMap<u32, Instant> =
        other.requests.iter().map(|request| (request.number, request.begun)).collect();
    let late = live.requests.iter().filter_map(|request| {
        begun.get(&request.number).map(|&begun| request.begun.saturating_since(begun))
    });
    late.max().unwrap_or_default()
}
