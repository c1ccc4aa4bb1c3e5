//! A box reset the flow while nobody sent anything.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, Death, Origin, brief, describe_reset, evidence_at};
use crate::tracker::PAUSE_MIN;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let Death::Reset(reset, origin @ Origin::Hop(_)) = case.death()? else { return None };
    let idle = reset.mark.at().saturating_since(reset.before.at());
    let closed = case.timeline.half_closed();
    if reset.provoked_by.is_some() || reset.in_flight || closed || idle < PAUSE_MIN {
        return None;
    }
    let last = format!("the last packet for {}", brief(idle));
    let evidence = vec![
        evidence_at(reset.before, last),
        evidence_at(reset.mark, describe_reset(&reset, &origin)),
    ];
    Some(case.verdict(Finding::ResetAtExpiry, Culprit::Hop, Harm::None, Some(idle), evidence))
}
