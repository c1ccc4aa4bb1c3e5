//! Large segments never got through, and small ones of the same flow did.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::{Evidence, Verdict};

use crate::blocked::Blocked;
use crate::case::{Case, between, evidence_at, name};
use crate::timeline::{Hole, Mark, Series};

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let evidence = match case.blocked()? {
        Blocked::Sent { series, unmoved, too_big } => sent(&series, unmoved, too_big),
        Blocked::Missing { hole, unmoved } => missing(&hole, unmoved),
    };
    // What came of the response is not the response.
    let harm = if case.lost_request().is_some() { case.harm(true) } else { Harm::Failed };
    Some(case.verdict(Finding::LargeLost, Culprit::Hop, harm, None, evidence))
}

fn sent(series: &Series, unmoved: Option<Mark>, too_big: Option<(Mark, u32)>) -> Vec<Evidence> {
    let lasted = between(series.first.at(), series.last.at());
    let (sender, receiver) = (name(series.from), name(series.from.opposite()));
    let again = format!(
        "the {sender} sends up to {} bytes at once, {} times in {lasted}, and none arrives; \
         nothing as large ever got through",
        series.largest, series.sends
    );
    let mut evidence = vec![evidence_at(series.last, again)];
    let small =
        format!("the {receiver} got smaller ones: it acknowledges again what came before it");
    evidence.extend(unmoved.map(|mark| evidence_at(mark, small)));
    evidence.extend(too_big.map(|(mark, mtu)| {
        let fact = format!("an ICMP error says that packets of more than {mtu} bytes do not pass");
        evidence_at(mark, fact)
    }));
    evidence.sort_by_key(|evidence| evidence.frame);
    evidence
}

fn missing(hole: &Hole, unmoved: Mark) -> Vec<Evidence> {
    let (sender, receiver) = (name(hole.from), name(hole.from.opposite()));
    let later = format!(
        "{} bytes of the {sender} are missing in front of {} that came; they never do",
        hole.missing, hole.later_len
    );
    let asks = format!("the {receiver} acknowledges again what came before them");
    vec![evidence_at(hole.later, later), evidence_at(unmoved, asks)]
}
