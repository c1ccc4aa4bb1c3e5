//! The flow was used again after a pause, and nobody answered though the far end could be reached.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, Death, between, evidence_at, evidence_of_pause};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let Death::Silence(series, reached) = case.death()? else { return None };
    let (pause, idle) = case.fatal_pause()?;
    if pause.half_closed || pause.in_flight || case.timeline.server_fin().is_some() {
        return None;
    }
    let mut evidence = evidence_of_pause(&pause, idle, series.carries);
    let lasted = between(series.first.at(), series.last.at());
    let fact = format!("sent {} times in {lasted} and never answered", series.sends);
    evidence.push(evidence_at(series.last, fact));
    evidence.push(evidence_at(reached, "meanwhile the server answers on another connection"));
    let harm = case.harm(true);
    Some(case.verdict(Finding::SilentDrop, Culprit::Hop, harm, Some(idle), evidence))
}
