//! What the packets say of whose doing it was, where they may be seen.

#[cfg(target_os = "linux")]
use core::cmp::Ordering;
use std::net::SocketAddr;

use halfopen_core::cause::Culprit;
#[cfg(target_os = "linux")]
use halfopen_core::cause::Mechanism;
#[cfg(target_os = "linux")]
use halfopen_core::verdict::Verdict;
#[cfg(target_os = "linux")]
use halfopen_measure::answer::Unknown;
use halfopen_measure::answer::{Finding, Outcome};

#[cfg(target_os = "linux")]
use crate::report::measured::Fact;
use crate::report::measured::Packets;
#[cfg(target_os = "linux")]
use crate::report::value::At;

/// Lines of evidence that are shown.
#[cfg(target_os = "linux")]
const EVIDENCE_MAX: usize = 4;

/// Somebody who watches the packets, or the reason why nobody does.
#[cfg(target_os = "linux")]
pub(super) struct Watch(Result<halfopen_live::witness::Witness, String>);

#[cfg(target_os = "linux")]
impl Watch {
    pub(super) fn begin(address: SocketAddr, seed: u64) -> Self {
        let witness = halfopen_live::witness::Witness::begin(address, seed);
        Self(witness.map_err(|error| error.to_string()))
    }

    /// Returns what the packets say, and puts right in the finding who ended the connections.
    pub(super) fn end(self, address: SocketAddr, finding: &mut Finding) -> Packets {
        let testimony = self.0.and_then(|it| it.end().map_err(|error| error.to_string()));
        let testimony = match testimony {
            Ok(testimony) => testimony,
            Err(why) => return unseen(finding, &why),
        };
        let nothing = Packets { watched: true, ..Packets::NOTHING };
        let Outcome::Limit(limit) = &mut finding.outcome else { return nothing };
        let Some(ends) = Ends::of(&testimony, address, limit.mechanism) else { return nothing };
        limit.closer = ends.culprit;
        finding.unknown.retain(|it| match it {
            Unknown::Closer => false,
            Unknown::BeyondPeer => ends.culprit == Culprit::Peer,
            Unknown::Class
            | Unknown::Direction
            | Unknown::Precision
            | Unknown::FarEndProbes { .. }
            | Unknown::Stopped => true,
        });
        Packets { watched: true, says: Some(ends.words), evidence: ends.evidence }
    }
}

/// Who ended connections, as their packets show it.
#[cfg(target_os = "linux")]
struct Ends {
    culprit: Culprit,
    words: String,
    evidence: Vec<Fact>,
}

#[cfg(target_os = "linux")]
impl Ends {
    /// Judges those that ended in this way; `None` if no packet says anything of it.
    fn of(
        testimony: &halfopen_live::witness::Testimony,
        address: SocketAddr,
        way: Mechanism,
    ) -> Option<Self> {
        let diagnosis = &testimony.diagnosis;
        let of_way = |verdict: &&Verdict| {
            let aborts = matches!(way, Mechanism::ResetOnReuse | Mechanism::ResetAtExpiry);
            verdict.flow.responder == address
                && (verdict.finding.mechanism() == Some(way)
                    || aborts && verdict.finding == halfopen_core::cause::Finding::PeerAbort)
        };
        let verdicts: Vec<&Verdict> = diagnosis.flows.iter().filter(of_way).collect();
        let by = |who| verdicts.iter().filter(|verdict| verdict.culprit == who).count();
        let path = diagnosis.paths.iter().find(|path| path.server == address);
        let closings = path.and_then(|path| path.closings).map_or(0, |it| it.count);
        // An end that closes an idle connection does nothing wrong, so there is no verdict on it;
        // and what a box closes in its name is counted there, too.
        let (hop, peer) = match by(Culprit::Hop) {
            0 if way == Mechanism::FinAtExpiry => (0, closings),
            hop => (hop, by(Culprit::Peer)),
        };
        let (culprit, count, who) = match hop.cmp(&peer) {
            Ordering::Greater => (Culprit::Hop, hop, "a box on the path"),
            Ordering::Less => (Culprit::Peer, peer, "the far end itself"),
            Ordering::Equal => return None,
        };
        let missed = match testimony.missed {
            0 => String::new(),
            missed => format!("; {missed} packets came too many at a time to be seen"),
        };
        let shown = verdicts.iter().find(|verdict| verdict.culprit == culprit);
        let evidence = shown.into_iter().flat_map(|verdict| &verdict.evidence).take(EVIDENCE_MAX);
        Some(Self {
            culprit,
            words: format!("by their packets, {who} ended {count} of the connections{missed}"),
            evidence: evidence.map(|it| Fact { at: At(it.at), fact: it.fact.clone() }).collect(),
        })
    }
}

/// Nobody watches packets on this system.
#[cfg(not(target_os = "linux"))]
pub(super) struct Watch;

#[cfg(not(target_os = "linux"))]
impl Watch {
    pub(super) fn begin(_: SocketAddr, _: u64) -> Self {
        Self
    }

    pub(super) fn end(self, _: SocketAddr, finding: &mut Finding) -> Packets {
        unseen(finding, "this takes Linux")
    }
}

/// Says what could not be seen, if it would have mattered.
fn unseen(finding: &Finding, why: &str) -> Packets {
    let matters = match &finding.outcome {
        Outcome::Limit(limit) => limit.closer != Culprit::Hop,
        Outcome::AtLeast { .. } | Outcome::Inconclusive { .. } => false,
    };
    let says = format!(
        "the packets could not be watched ({why}), which would show by their time to live whether \
         the far end or a box on the path ended the connections"
    );
    Packets { says: matters.then_some(says), ..Packets::NOTHING }
}
