//! The far end answered the SYN with a reset.

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use crate::case::{Case, Origin, evidence_at};
use crate::timeline::Sender;

pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let timeline = case.timeline;
    let reset = timeline.reset().filter(|reset| reset.from == Sender::Server)?;
    if timeline.established {
        return None;
    }
    let (culprit, fact) = match case.origin_of_reset(&reset) {
        Origin::Hop(reason) => {
            let fact =
                format!("the SYN is answered by a reset that the server did not send: {reason}");
            (Culprit::Hop, fact)
        }
        Origin::End(_) | Origin::Unknown => {
            (Culprit::Peer, "the SYN is answered by a reset".to_owned())
        }
    };
    let evidence = vec![evidence_at(reset.mark, fact)];
    Some(case.verdict(Finding::Refused, culprit, Harm::Failed, None, evidence))
}
