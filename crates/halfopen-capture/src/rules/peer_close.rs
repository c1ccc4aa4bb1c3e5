//! The far end took a request and closed without answering it.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, between, evidence_at};
use crate::timeline::{Awaiting, Sender};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let fin = case.own_server_fin()?;
    let request = case.lost_request().filter(|request| request.state == Awaiting::Lost)?;
    if request.first.frame() > fin.mark.frame() || fin.crossed {
        return None;
    }
    // It may be that the client closed first.
    if case.lacks_packets_of(Sender::Client) {
        return None;
    }
    let fact = format!(
        "the server acknowledges the request and closes without an answer, {} after it",
        between(request.first.at(), fin.mark.at())
    );
    let evidence =
        vec![evidence_at(request.first, "the client sends a request"), evidence_at(fin.mark, fact)];
    let harm = case.harm(true);
    Some(case.verdict(Finding::PeerClose, Culprit::Peer, harm, None, evidence))
}
