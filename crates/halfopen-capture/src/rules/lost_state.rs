//! A flow that had worked was reset by a box or swallowed although it had not paused.

use halfopen_core::cause::{Culprit, Finding, Mechanism};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, Death, Origin, between, describe_reset, evidence_at, what};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let timeline = case.timeline;
    if case.fatal_pause().is_some()
        || case.is_untimed()
        || timeline.server_fin().is_some()
        || !case.has_worked()
    {
        return None;
    }
    let (mechanism, evidence) = match case.death()? {
        Death::Reset(reset, origin @ Origin::Hop(_)) => {
            let (asked, carries) = reset.provoked_by?;
            if timeline.client_fin().is_some_and(|fin| fin.mark.at() < asked.at()) {
                return None;
            }
            let evidence = vec![
                evidence_at(asked, format!("{} without a pause before", what(carries))),
                evidence_at(reset.mark, describe_reset(&reset, &origin)),
            ];
            (Mechanism::ResetOnReuse, evidence)
        }
        Death::Silence(series, reached) => {
            // Larger than anything that got through: the path may drop what is too big for it.
            if series.largest > timeline.half(series.from).largest_answered {
                return None;
            }
            let lasted = between(series.first.at(), series.last.at());
            let fact = format!("sent {} times in {lasted} and never answered", series.sends);
            let evidence = vec![
                evidence_at(
                    series.first,
                    format!("{}, without a pause before", what(series.carries)),
                ),
                evidence_at(series.last, fact),
                evidence_at(reached, "meanwhile the server answers on another connection"),
            ];
            (Mechanism::SilentDrop, evidence)
        }
        Death::Reset(_, Origin::End(_) | Origin::Unknown) | Death::UnprovenSilence(_) => {
            return None;
        }
    };
    let harm = case.harm(true);
    let verdict = case.verdict(Finding::LostState, Culprit::Hop, harm, None, evidence);
    Some(Verdict { mechanism: Some(mechanism), ..verdict })
}
