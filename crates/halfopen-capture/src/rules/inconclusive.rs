//! Something was lost, and the capture does not show why.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use super::forgotten_in_flight;
use crate::case::{Case, Death, Origin, between, describe_reset, evidence_at, name, what};

const UNTIMED: &str = "the connection dies, and as the capture's clock stepped before, nothing \
                       shows for how long it had been idle";

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    if !case.timeline.established || case.timeline.server_fin().is_some() {
        return None;
    }
    let death = case.death()?;
    let request = case.lost_request();
    if request.is_none() && !matches!(death, Death::UnprovenSilence(_)) {
        return None;
    }
    let sent = request.map(|request| evidence_at(request.first, "the client sends a request"));
    let telling = match death {
        Death::UnprovenSilence(series) => {
            let lasted = between(series.first.at(), series.last.at());
            let fact = format!(
                "{}, sent {} times in {lasted} and never answered; nothing shows whether the {} \
                 could be reached",
                what(series.carries),
                series.sends,
                name(series.from.opposite())
            );
            evidence_at(series.last, fact)
        }
        Death::Silence(series, _) if case.is_untimed() => evidence_at(series.last, UNTIMED),
        Death::Reset(reset, _) if case.is_untimed() && reset.refuses => {
            evidence_at(reset.mark, UNTIMED)
        }
        Death::Silence(series, _) if series.largest > answered(case) && !paused(case) => {
            let fact = format!(
                "sent {} times and never answered: it is larger than anything that got through \
                 before, so the path may drop what is too big for it",
                series.sends
            );
            evidence_at(series.last, fact)
        }
        Death::Silence(series, _) if !case.has_worked() && !paused(case) => {
            evidence_at(series.last, "never answered, on a connection that never worked")
        }
        Death::Reset(reset, origin @ (Origin::Hop(_) | Origin::Unknown))
            if !case.has_worked()
                && !paused(case)
                && (reset.in_flight || reset.provoked_by.is_some())
                && forgotten_in_flight::judge(case).is_none() =>
        {
            evidence_at(reset.mark, describe_reset(&reset, &origin))
        }
        Death::Reset(reset, origin @ (Origin::End(_) | Origin::Unknown))
            if case.is_refused_untold(&reset) && request.is_some() =>
        {
            evidence_at(reset.mark, describe_reset(&reset, &origin))
        }
        Death::Silence(..) | Death::Reset(..) => return None,
    };
    let evidence = sent.into_iter().chain([telling]).collect();
    let harm = case.harm(true);
    Some(case.verdict(Finding::Inconclusive, Culprit::Unknown, harm, None, evidence))
}

fn paused(case: &Case<'_>) -> bool {
    case.fatal_pause().is_some()
}

fn answered(case: &Case<'_>) -> u16 {
    let from = case.timeline.series.map(|series| series.from);
    from.map_or(0, |from| case.timeline.half(from).largest_answered)
}
