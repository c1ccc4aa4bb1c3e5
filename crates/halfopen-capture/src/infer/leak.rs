//! A client that does not close what the server has closed.

use halfopen_core::cause::{Cause, Culprit, Finding, Harm};
use halfopen_core::time::Instant;
use halfopen_core::verdict::Verdict;

use super::PathReport;
use super::path::evidence;
use crate::case::brief;
use crate::route::Route;
use crate::tracker::LEFT_MIN;

/// One connection that was left is an accident, and those that the server closed at one moment are
/// one pool that has not looked.
const MOMENTS_MIN: usize = 3;

/// Returns the connections that the client left half closed, if it leaves one after the other.
///
/// A pool looks at its connections when it needs one, and closes then, however late; who does so
/// even once has not forgotten any. And what nobody needed again was not looked at.
pub(super) fn leak<'a>(
    route: &Route,
    verdicts: &'a [(usize, Verdict)],
) -> Option<Vec<&'a Verdict>> {
    let left = verdicts.iter().map(|(_, verdict)| verdict);
    let mut left: Vec<&Verdict> =
        left.filter(|verdict| verdict.finding == Finding::LeftHalfClosed).collect();
    left.sort_by_key(|verdict| closed(verdict));
    let mut moments: Vec<Instant> = Vec::new();
    for at in left.iter().filter_map(|verdict| closed(verdict)) {
        let apart = moments.last().is_none_or(|last| at.saturating_since(*last) >= LEFT_MIN);
        if apart && route.opening_since(at).is_some() {
            moments.push(at);
        }
    }
    (moments.len() >= MOMENTS_MIN && route.closed_late == 0).then_some(left)
}

/// Returns when the server closed.
fn closed(verdict: &Verdict) -> Option<Instant> {
    verdict.evidence.first().map(|seen| seen.at)
}

pub(super) fn blame_leak(report: &mut PathReport, left: &[&Verdict]) {
    let longest = left.iter().filter_map(|verdict| verdict.idle).max().unwrap_or_default();
    report.cause = Cause::HalfClosedLeak;
    report.culprit = Culprit::Client;
    report.harm = Harm::Latent;
    report.because = format!(
        "the client left {} connections open that the server had closed, the oldest for {} by the \
         end of the capture, and opened others meanwhile: each is a socket in CLOSE_WAIT",
        left.len(),
        brief(longest)
    );
    report.evidence = evidence(left, None);
}
