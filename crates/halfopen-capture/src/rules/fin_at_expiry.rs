//! A box closed the flow in the server's name while nobody sent anything.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, brief, evidence_at};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let (fin, reason) = case.forged_fin()?;
    let idle = fin.mark.at.saturating_since(fin.before.at);
    let evidence = vec![
        evidence_at(fin.before, format!("the last packet for {}", brief(idle))),
        evidence_at(fin.mark, format!("a FIN that the server did not send: {reason}")),
    ];
    let harm = case.harm(false);
    Some(case.verdict(Finding::FinAtExpiry, Culprit::Hop, harm, Some(idle), evidence))
}
