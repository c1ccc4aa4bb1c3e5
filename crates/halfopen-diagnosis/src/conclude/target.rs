//! The balancer passed a request on, and its target closed the connection instead of answering.
//!
//! AWS, "Troubleshoot your Application Load Balancers", HTTP 502: the target's keep-alive timer is
//! shorter than the balancer's idle timeout, and it closes a connection as a request is under way.

use halfopen_core::cause::{Cause, Culprit};
use halfopen_core::time::Duration;

use super::Conclusion;
use crate::view::View;
use crate::view::arrivals::Arrival;

/// A target that answers others this soon before and after is not down.
const SOON: Duration = Duration::from_mins(1);

/// Returns the conclusion, and how many requests it failed.
pub(super) fn judge(view: &View) -> Option<(Conclusion, u64)> {
    let list = &view.balanced.list;
    let closed: Vec<&Arrival> = list.iter().filter(|arrival| arrival.target_closed).collect();
    closed.first()?;
    let answers = |arrival: &&&Arrival| {
        let near = |other: &&Arrival| {
            other.came.saturating_since(arrival.came).max(arrival.came.saturating_since(other.came))
                <= SOON
        };
        let well = list.iter().filter(|it| it.status.is_some_and(|status| status < 500));
        well.filter(near).count() > 0
    };
    let racing = closed.iter().filter(answers).count() * 2 > closed.len();
    let count = closed.len();
    let (cause, because) = if racing {
        (
            Cause::CloseRace,
            format!(
                "the balancer answered {count} of {} requests with 502: its target closed the \
                 connection instead of answering, and answered others within a minute, as a target \
                 does whose keep-alive timer is shorter than the balancer's idle timeout",
                list.len()
            ),
        )
    } else {
        (
            Cause::PeerClose,
            format!(
                "the balancer answered {count} of {} requests with 502: its target closed the \
                 connection instead of answering, and answered no others at that time",
                list.len()
            ),
        )
    };
    let fact = "502, and the target neither answered nor took any time";
    let mut evidence: Vec<_> = closed.iter().map(|it| it.seen(fact.to_owned())).collect();
    evidence.truncate(super::EVIDENCE_MAX);
    let conclusion =
        Conclusion { cause, culprit: Culprit::Peer, ..Conclusion::open(because, evidence) };
    Some((conclusion, count as u64))
}
