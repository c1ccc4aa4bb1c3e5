//! The far end itself reset the connection.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, Death, Origin, brief, describe_reset, evidence_at};
use crate::timeline::Sender;
use crate::tracker::PAUSE_MIN;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let Death::Reset(reset, origin @ Origin::End(_)) = case.death()? else { return None };
    // A reset after a FIN ends a connection that is over anyway.
    if reset.from != Sender::Server || !case.timeline.established || case.timeline.half_closed() {
        return None;
    }
    let paused = case.fatal_pause().is_some_and(|(pause, _)| !pause.in_flight);
    if paused && reset.provoked_by.is_some() && reset.refuses {
        return None;
    }
    // A refusal answers something: here, a packet that the capture lacks.
    let unasked = reset.refuses && reset.provoked_by.is_none() && case.lost_request().is_none();
    if unasked || case.is_refused_untold(&reset) || reset.refuses && case.is_untimed() {
        return None;
    }
    let idle = reset.mark.at().saturating_since(reset.before.at());
    // Some servers end every connection with a reset, right after the last response.
    if idle < PAUSE_MIN && case.lost_request().is_none() {
        return None;
    }
    let evidence = vec![
        evidence_at(reset.before, format!("the last packet, {} before the reset", brief(idle))),
        evidence_at(reset.mark, describe_reset(&reset, &origin)),
    ];
    let harm = case.harm(false);
    Some(case.verdict(Finding::PeerAbort, Culprit::Peer, harm, Some(idle), evidence))
}
