//! One end had closed; the other closed later, and a box had forgotten the flow by then.
//!
//! Boxes remember half-closed flows for a shorter time than established ones, so these pauses say
//! nothing about the limit.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, Death, Origin, describe_reset, evidence_at, evidence_of_pause};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let (pause, idle) = case.fatal_pause().filter(|(pause, _)| pause.half_closed)?;
    if case.forged_fin().is_some() || case.lost_request().is_some() {
        return None;
    }
    let Death::Reset(reset, origin @ Origin::Hop(_)) = case.death()? else { return None };
    let (_, carries) = reset.provoked_by?;
    let mut evidence = evidence_of_pause(&pause, idle, carries);
    evidence.push(evidence_at(reset.mark, describe_reset(&reset, &origin)));
    Some(case.verdict(Finding::LateClose, Culprit::Hop, Harm::Latent, Some(idle), evidence))
}
