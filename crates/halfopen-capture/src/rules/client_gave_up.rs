//! The client closed without waiting for the response, and the far end was there to take the close.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, between, evidence_at};
use crate::timeline::Awaiting;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let request = case.lost_request().filter(|request| request.state == Awaiting::Abandoned)?;
    let ending = case.ending();
    if case.death().is_some()
        || case.blocked().is_some()
        || ending.server_fin.is_some_and(|fin| fin.mark.at() < request.first.at())
    {
        return None;
    }
    let left = ending.client_fin.map(|fin| fin.mark).or(ending.reset.map(|reset| reset.mark))?;
    let before_server =
        ending.server_fin.is_none_or(|fin| fin.mark.frame() > left.frame() && !fin.crossed);
    if !before_server || left.frame() < request.first.frame() {
        return None;
    }
    let waited = left.at().saturating_since(request.first.at());
    let fact = format!(
        "the client closes after {} without a response",
        between(request.first.at(), left.at())
    );
    let evidence =
        vec![evidence_at(request.first, "the client sends a request"), evidence_at(left, fact)];
    let harm = case.harm(true);
    Some(case.verdict(Finding::ClientGaveUp, Culprit::Client, harm, Some(waited), evidence))
}
