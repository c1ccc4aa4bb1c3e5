//! The far end closed as a request was under way: its FIN and the request crossed.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, between, evidence_at};
use crate::tracker::PAUSE_MIN;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let fin = case.own_server_fin()?;
    let request = case.lost_request()?;
    let sent_after =
        request.first.at() >= fin.mark.at() && request.first.frame() > fin.mark.frame();
    let noticed = sent_after && request.first.at().saturating_since(fin.mark.at()) >= PAUSE_MIN;
    if noticed || !sent_after && !fin.crossed {
        return None;
    }
    let idle = fin.mark.at().min(request.first.at()).saturating_since(request.quiet_since.at());
    let quiet = between(request.quiet_since.at(), fin.mark.at());
    let sent = if sent_after {
        format!(
            "the client sends a request {} after the FIN",
            between(fin.mark.at(), request.first.at())
        )
    } else {
        "the client sends a request".to_owned()
    };
    let closed = format!(
        "the server closes, {quiet} after the last data; its FIN does not acknowledge the request"
    );
    let mut evidence = vec![evidence_at(request.first, sent), evidence_at(fin.mark, closed)];
    evidence.sort_by_key(|evidence| evidence.frame);
    let harm = case.harm(true).max(Harm::Latent);
    Some(case.verdict(Finding::CloseRace, Culprit::Peer, harm, Some(idle), evidence))
}
