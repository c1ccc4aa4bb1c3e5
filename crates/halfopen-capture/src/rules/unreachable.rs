//! Nothing answered the SYN, or ICMP said that nothing will.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::time::Duration;
use halfopen_core::verdict::Verdict;

use crate::case::{Case, between, evidence_at};
use crate::timeline::Carries;

/// A SYN that was sent again has had this long to be answered (RFC 6298 section 2.1: it is sent
/// again after a second).
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let timeline = case.timeline;
    if timeline.established || timeline.reset().is_some() {
        return None;
    }
    let mut evidence = Vec::new();
    if let Some(mark) = case.ending().unreachable {
        evidence.push(evidence_at(mark, "an ICMP error says that the server cannot be reached"));
    }
    // A client that goes on was answered, and the capture lacks the answers.
    if let Some(series) = timeline.series.filter(|_| timeline.last_carries == Carries::Syn) {
        let waited = case.until.saturating_since(series.first.at());
        if series.sends >= 2 && waited >= PATIENCE {
            let lasted = between(series.first.at(), series.last.at());
            let fact = format!("a SYN, sent {} times in {lasted} and never answered", series.sends);
            evidence.push(evidence_at(series.first, fact));
        }
    }
    if evidence.is_empty() {
        return None;
    }
    Some(case.verdict(Finding::Unreachable, Culprit::Unknown, Harm::Failed, None, evidence))
}
