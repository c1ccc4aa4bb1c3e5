//! What really happened, from the hops' events and the programs' own accounts.
//!
//! No packet is looked at here, so that a diagnosis, which sees nothing else, can be held against
//! it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_core::cause::{Cause, Culprit, Harm, Mechanism};
use halfopen_core::hop::{Demise, Discard, Event, EventKind, Reaction, Side};
use halfopen_core::idle::{OnExpiry, Told};
use halfopen_core::scenario::{Gateway, Scenario, Station};
use halfopen_core::time::Instant;

use crate::reproduce::{Act, Attempt, Deed, Outcome, Reproduction, Request};

/// What really happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Why requests were lost, or would have been.
    pub cause: Cause,
    /// How it showed; `None` if no gateway had a part in it.
    pub mechanism: Option<Mechanism>,
    /// Whose doing it was; `None` if nobody's.
    pub culprit: Option<Culprit>,
    /// What it did to requests.
    pub harm: Harm,
    /// How many requests got no response and did not go out again with success.
    pub failures: u64,
}

/// What happened to one connection or request, and how it showed.
type Story = (Cause, Option<Mechanism>);

impl Reproduction {
    /// Returns what really happened. Of several causes the one that lost the most requests counts.
    ///
    /// Flows are known by the names that the innermost gateway gives them, so of a path with
    /// several translating gateways only what the first does can be told.
    #[must_use]
    pub fn truth(&self, scenario: &Scenario) -> Truth {
        let view = View { run: self, scenario, peers: self.peers() };
        let mut lost: BTreeMap<Story, u64> = BTreeMap::new();
        for attempt in self.requests.iter().flat_map(|request| &request.attempts) {
            if view.is_lost(attempt) {
                *lost.entry(view.story(attempt)).or_default() += 1;
            }
        }
        let failed = |request: &&Request| {
            request.attempts.last().is_some_and(|attempt| view.is_lost(attempt))
        };
        let failures = self.requests.iter().filter(failed).count() as u64;
        let worst = lost.into_iter().max_by_key(|&(_, count)| count).map(|(story, _)| story);
        let (story, harm) = match worst {
            Some(story) if failures > 0 => (story, Harm::Failed),
            Some(story) => (story, Harm::Masked),
            None => view.without_loss(),
        };
        let (cause, mechanism) = story;
        Truth { cause, mechanism, culprit: culprit(cause), harm, failures }
    }

    /// Pairs each connection of the client with the name that the far end knows it by: both
    /// account for the same requests.
    fn peers(&self) -> BTreeMap<SocketAddr, SocketAddr> {
        let mut answers: BTreeMap<u32, Vec<SocketAddr>> = BTreeMap::new();
        for deed in &self.deeds {
            if let Act::Answered(number) = deed.act {
                answers.entry(number).or_default().push(deed.peer);
            }
        }
        let answered = |attempt: &&Attempt| attempt.outcome == Outcome::Answered;
        let mut peers = BTreeMap::new();
        for request in &self.requests {
            let attempt = request.attempts.iter().find(answered);
            let connection = attempt.and_then(|attempt| attempt.connection);
            // A request that was answered twice was answered last on the connection that counts.
            let peer = answers.get(&request.number).and_then(|peers| peers.last());
            if let (Some(connection), Some(&peer)) = (connection, peer) {
                peers.insert(connection, peer);
            }
        }
        peers
    }
}

/// All accounts of a run.
struct View<'a> {
    run: &'a Reproduction,
    scenario: &'a Scenario,
    peers: BTreeMap<SocketAddr, SocketAddr>,
}

impl View<'_> {
    /// Tells whether a request got no response, or was still waiting at the end of the run for one
    /// that a gateway which had forgotten its connection kept from being made.
    fn is_lost(&self, attempt: &Attempt) -> bool {
        let in_vain = |connection| self.reaction(connection, attempt.begun).is_some();
        let unfinished = attempt.outcome == Outcome::Unfinished;
        attempt.outcome.is_lost() || unfinished && attempt.connection.is_some_and(in_vain)
    }

    /// Tells why a request got no response.
    fn story(&self, attempt: &Attempt) -> Story {
        let Some(connection) = attempt.connection else {
            let refused =
                attempt.outcome == Outcome::NoConnection(std::io::ErrorKind::ConnectionRefused);
            return (if refused { Cause::Refused } else { Cause::Unreachable }, None);
        };
        if let Some((at, because)) = self.forgotten(connection, attempt.ended) {
            let mechanism = self.reaction(connection, at);
            let cause = match because {
                Demise::Idle if at > attempt.begun => Cause::IdleExpiryInFlight,
                Demise::Idle => Cause::IdleExpiry,
                Demise::Closed | Demise::Reset | Demise::Evicted | Demise::Flushed => {
                    Cause::StateLoss
                }
            };
            return (cause, mechanism);
        }
        let peer = self.peers.get(&connection);
        let of_peer = |deed: &&Deed| Some(&deed.peer) == peer && deed.at <= attempt.ended;
        let cause = match self.run.deeds.iter().rfind(of_peer).map(|deed| deed.act) {
            Some(Act::ClosedIdle) => Cause::CloseRace,
            Some(Act::ResetIdle | Act::Aborted) => Cause::PeerAbort,
            _ if self.lost_packets() => Cause::PacketLoss,
            _ => Cause::Inconclusive,
        };
        (cause, None)
    }

    /// Tells what happened besides, when no request was lost.
    fn without_loss(&self) -> (Story, Harm) {
        if let Some(told) = self.told_at_expiry() {
            return ((Cause::IdleExpiry, Some(told)), Harm::None);
        }
        if let Some(story) = self.probed_in_vain() {
            return (story, Harm::Latent);
        }
        let reset = |deed: &Deed| matches!(deed.act, Act::Aborted | Act::ResetIdle);
        if self.run.deeds.iter().any(reset) {
            return ((Cause::PeerAbort, None), Harm::None);
        }
        let cause = if self.lost_packets() { Cause::PacketLoss } else { Cause::None };
        ((cause, None), Harm::None)
    }

    /// Returns when and why a gateway forgot the client's connection, by `until` and before both
    /// ends had closed it.
    fn forgotten(&self, connection: SocketAddr, until: Instant) -> Option<(Instant, Demise)> {
        let events = self.run.events.iter().filter(|event| event.at <= until);
        events.rev().find_map(|event| {
            let EventKind::Forgot { flow, because, .. } = event.kind else { return None };
            let open = matches!(because, Demise::Idle | Demise::Flushed | Demise::Evicted);
            (open && flow.initiator == connection).then_some((event.at, because))
        })
    }

    /// Returns what a gateway did with the next packet of the client, after it had forgotten the
    /// connection.
    fn reaction(&self, connection: SocketAddr, since: Instant) -> Option<Mechanism> {
        self.run.events.iter().filter(|event| event.at >= since).find_map(|event| {
            let EventKind::Orphaned { flow, side: Side::Inside, reaction, .. } = event.kind else {
                return None;
            };
            if flow.initiator == connection { mechanism(reaction) } else { None }
        })
    }

    /// Returns how a gateway told the client that it forgot a connection which was open.
    fn told_at_expiry(&self) -> Option<Mechanism> {
        self.run.events.iter().find_map(|event| {
            let EventKind::Forgot { idle, because: Demise::Idle, .. } = event.kind else {
                return None;
            };
            let policy = self.gateway(event)?.config(Vec::new()).idle;
            if policy.timers.tcp_established.is_none_or(|limit| idle < limit) {
                return None;
            }
            match policy.on_expiry {
                OnExpiry::Reset(Told::Inside | Told::Both) => Some(Mechanism::ResetAtExpiry),
                OnExpiry::Fin(Told::Inside | Told::Both) => Some(Mechanism::FinAtExpiry),
                OnExpiry::Reset(Told::Outside)
                | OnExpiry::Fin(Told::Outside)
                | OnExpiry::Silent => None,
            }
        })
    }

    /// Returns why a gateway had forgotten a connection, and what it did with a packet of the
    /// client that carried no request: a probe, or its farewell to a peer that closed long before.
    fn probed_in_vain(&self) -> Option<Story> {
        self.run.events.iter().find_map(|event| {
            let EventKind::Orphaned { flow, side: Side::Inside, reaction, forgotten: Some(_) } =
                event.kind
            else {
                return None;
            };
            let idle = self.forgotten(flow.initiator, event.at).map(|(_, because)| because);
            let cause = match idle {
                Some(Demise::Flushed | Demise::Evicted) => Cause::StateLoss,
                Some(Demise::Idle | Demise::Closed | Demise::Reset) | None => Cause::IdleExpiry,
            };
            mechanism(reaction).map(|mechanism| (cause, Some(mechanism)))
        })
    }

    fn lost_packets(&self) -> bool {
        let lost = |event: &Event| {
            matches!(
                event.kind,
                EventKind::Discarded { why: Discard::Lost | Discard::QueueFull, .. }
            )
        };
        self.run.events.iter().any(lost)
    }

    fn gateway(&self, event: &Event) -> Option<&Gateway> {
        match self.scenario.path.get(event.hop)? {
            Station::Gateway(gateway) => Some(gateway),
            Station::Link(_) | Station::Balancer(_) => None,
        }
    }
}

const fn mechanism(reaction: Reaction) -> Option<Mechanism> {
    match reaction {
        Reaction::Reset => Some(Mechanism::ResetOnReuse),
        Reaction::Dropped | Reaction::Unreachable => Some(Mechanism::SilentDrop),
        Reaction::Adopted => None,
    }
}

const fn culprit(cause: Cause) -> Option<Culprit> {
    match cause {
        Cause::IdleExpiry
        | Cause::IdleExpiryInFlight
        | Cause::StateLoss
        | Cause::MtuBlackHole
        | Cause::PortExhaustion => Some(Culprit::Hop),
        Cause::CloseRace
        | Cause::ServerRestart
        | Cause::PeerAbort
        | Cause::PeerClose
        | Cause::Refused => Some(Culprit::Peer),
        Cause::HalfClosedLeak => Some(Culprit::Client),
        Cause::None | Cause::PacketLoss | Cause::Unreachable | Cause::Inconclusive => None,
    }
}
