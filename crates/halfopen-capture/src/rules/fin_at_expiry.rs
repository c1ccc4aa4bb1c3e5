//! A box closed the flow in the server's name while nobody sent anything.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, brief, evidence_at};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let (fin, reason) = case.forged_fin()?;
    let ending = case.ending();
    let ended = ending.client_fin.map(|fin| fin.mark).or(ending.reset.map(|reset| reset.mark));
    if ended.is_some_and(|ended| ended.frame() < fin.mark.frame()) {
        return None;
    }
    let idle = fin.mark.at().saturating_since(fin.before.at());
    let evidence = vec![
        evidence_at(fin.before, format!("the last packet for {}", brief(idle))),
        evidence_at(fin.mark, format!("a FIN that the server did not send: {reason}")),
    ];
    let harm = case.harm(false);
    Some(case.verdict(Finding::FinAtExpiry, Culprit::Hop, harm, Some(idle), evidence))
}
