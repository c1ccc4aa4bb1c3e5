//! The client sent a request on a connection whose closing it had long been told of.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, between, evidence_at};
use crate::tracker::PAUSE_MIN;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let fin = case.own_server_fin()?;
    let request = case.lost_request()?;
    let since = request.first.at().saturating_since(fin.mark.at());
    if request.first.frame() < fin.mark.frame() || since < PAUSE_MIN {
        return None;
    }
    let late = format!(
        "the client sends a request on it, {} after the FIN",
        between(fin.mark.at(), request.first.at())
    );
    let evidence =
        vec![evidence_at(fin.mark, "the server closes"), evidence_at(request.first, late)];
    let harm = case.harm(true);
    Some(case.verdict(Finding::UsedAfterClose, Culprit::Client, harm, Some(since), evidence))
}
