//! A request waited for its response for so long that a box forgot the flow.

use halfopen_core::cause::{Culprit, Finding, Mechanism};
use halfopen_core::time::Duration;
use halfopen_core::verdict::{Evidence, Verdict};

use crate::case::{
    Case, Death, Origin, between, brief, describe_reset, evidence_at, evidence_of_pause,
};
use crate::timeline::{Pause, Reset};
use crate::tracker::PAUSE_MIN;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    if case.timeline.server_fin().is_some() || case.lost_request().is_none() {
        return None;
    }
    match case.death()? {
        Death::Reset(reset, origin @ Origin::Hop(_)) => {
            let Some((_, carries)) = reset.provoked_by else {
                return reset_unprovoked(case, &reset, &origin);
            };
            let (pause, idle) = waiting(case)?;
            let mut evidence = evidence_of_pause(&pause, idle, carries);
            evidence.push(evidence_at(reset.mark, describe_reset(&reset, &origin)));
            Some(verdict(case, Mechanism::ResetOnReuse, idle, evidence))
        }
        Death::Silence(series, reached) => {
            let (pause, idle) = waiting(case)?;
            let mut evidence = evidence_of_pause(&pause, idle, series.carries);
            let lasted = between(series.first.at(), series.last.at());
            let fact = format!("sent {} times in {lasted} and never answered", series.sends);
            evidence.push(evidence_at(series.last, fact));
            evidence
                .push(evidence_at(reached, "meanwhile the server answers on another connection"));
            Some(verdict(case, Mechanism::SilentDrop, idle, evidence))
        }
        Death::Reset(_, Origin::End(_) | Origin::Unknown) | Death::UnprovenSilence(_) => None,
    }
}

fn reset_unprovoked(case: &Case<'_>, reset: &Reset, origin: &Origin) -> Option<Verdict> {
    let idle = reset.mark.at().saturating_since(reset.before.at());
    if !reset.in_flight || idle < PAUSE_MIN || case.timeline.half_closed() {
        return None;
    }
    let last = format!("the last packet for {}; a request waits", brief(idle));
    let evidence = vec![
        evidence_at(reset.before, last),
        evidence_at(reset.mark, describe_reset(reset, origin)),
    ];
    Some(verdict(case, Mechanism::ResetAtExpiry, idle, evidence))
}

fn waiting(case: &Case<'_>) -> Option<(Pause, Duration)> {
    case.fatal_pause().filter(|(pause, _)| pause.in_flight && !pause.half_closed)
}

fn verdict(
    case: &Case<'_>,
    mechanism: Mechanism,
    idle: Duration,
    evidence: Vec<Evidence>,
) -> Verdict {
    let harm = case.harm(true);
    let finding = Finding::ForgottenInFlight;
    let verdict = case.verdict(finding, Culprit::Hop, harm, Some(idle), evidence);
    Verdict { mechanism: Some(mechanism), ..verdict }
}
