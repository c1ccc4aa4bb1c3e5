//! The far end answered the SYN with a reset.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, evidence_at};
use crate::timeline::Sender;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let timeline = case.timeline;
    let reset = timeline.reset().filter(|reset| reset.from == Sender::Server)?;
    if timeline.established {
        return None;
    }
    let evidence = vec![evidence_at(reset.mark, "the SYN is answered by a reset")];
    Some(case.verdict(Finding::Refused, Culprit::Peer, Harm::Failed, None, evidence))
}
