//! The server closed, the client took note of that, and never closed.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, brief, evidence_at};
use crate::timeline::Sender;
use crate::tracker::LEFT_MIN;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let fin = case.own_server_fin()?;
    let (timeline, ending) = (case.timeline, case.ending());
    let left = case.until.saturating_since(fin.mark.at());
    if ending.client_fin.is_some() || ending.reset.is_some() || left < LEFT_MIN {
        return None;
    }
    // Whoever still sends uses his half of the connection.
    let sends = timeline.data_at.frame() > fin.mark.frame();
    let client_acked = timeline.half(Sender::Client).acked();
    let taken = client_acked.is_some() && client_acked == timeline.half(Sender::Server).next();
    if sends || !taken || case.lost_request().is_some() || case.death().is_some() {
        return None;
    }
    let open = format!("the client acknowledges that, and has not closed {} later", brief(left));
    let evidence =
        vec![evidence_at(fin.mark, "the server closes"), evidence_at(timeline.last, open)];
    let (finding, culprit) = (Finding::LeftHalfClosed, Culprit::Client);
    Some(case.verdict(finding, culprit, Harm::Latent, Some(left), evidence))
}
