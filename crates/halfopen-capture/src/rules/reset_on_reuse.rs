//! The flow was used again after a pause, and answered by a reset.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, Death, Origin, describe_reset, evidence_at, evidence_of_pause};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let Death::Reset(reset, origin) = case.death()? else { return None };
    let (pause, idle) = case.fatal_pause()?;
    let (_, carries) = reset.provoked_by?;
    if pause.half_closed || pause.in_flight || pause.from == reset.from {
        return None;
    }
    if case.own_server_fin().is_some() || case.forged_fin().is_some() {
        return None;
    }
    let culprit = match origin {
        Origin::Hop(_) => Culprit::Hop,
        // An end that knows the connection has its own reason to reset it.
        Origin::End(_) | Origin::Unknown if !reset.refuses => return None,
        Origin::End(_) | Origin::Unknown if case.is_refused_untold(&reset) => return None,
        Origin::End(_) | Origin::Unknown => Culprit::Unknown,
    };
    let mut evidence = evidence_of_pause(&pause, idle, carries);
    evidence.push(evidence_at(reset.mark, describe_reset(&reset, &origin)));
    let harm = case.harm(true);
    Some(case.verdict(Finding::ResetOnReuse, culprit, harm, Some(idle), evidence))
}
