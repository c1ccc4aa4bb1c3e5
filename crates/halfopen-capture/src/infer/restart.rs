//! A server that goes down and comes up again: it closes what is open at one moment, refuses
//! connections for a while, and accepts them again.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::Verdict;

use crate::route::Route;

/// A process that ends closes all its connections at once; one that shuts down in order takes this
/// long.
const MOMENT: Duration = Duration::from_secs(5);
/// One connection may have been closed for a reason of its own.
const CLOSED_MIN: usize = 2;
/// A refusal that comes later than this after the server closed has to do with something else.
const REFUSED_WITHIN: Duration = Duration::from_mins(5);

/// When a server was down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    /// When it closed the first connection, and by when it had closed the others.
    down: Instant,
    closed_by: Instant,
    pub(super) closed: usize,
    /// When it accepted a connection again.
    up: Instant,
}

impl Restart {
    /// Returns when the server was first seen to go down and to come up again.
    pub(super) fn of(route: &Route, verdicts: &[(usize, Verdict)]) -> Option<Self> {
        let verdicts = || verdicts.iter().map(|(_, verdict)| verdict);
        let refused = |verdict: &&Verdict| {
            verdict.finding == Finding::Refused && verdict.culprit == Culprit::Peer
        };
        let mut refusals: Vec<Instant> = verdicts().filter(refused).filter_map(at).collect();
        refusals.sort_unstable();
        let ended = verdicts().filter(|verdict| is_closing(verdict)).filter_map(at);
        let mut closings: Vec<Instant> = ended.collect();
        closings.extend(route.closings.iter().map(|closing| closing.after.at()));
        closings.sort_unstable();
        refusals.into_iter().find_map(|refused| Self::before(refused, &closings, route))
    }

    /// Returns the time without a server in which it refused a connection; `closings` are in order.
    fn before(refused: Instant, closings: &[Instant], route: &Route) -> Option<Self> {
        let up = route.opening_since(refused)?.at();
        let closings = &closings[..closings.partition_point(|&closed| closed <= refused)];
        let closed_by = *closings.last()?;
        let first = closings.partition_point(|&at| closed_by.saturating_since(at) > MOMENT);
        let (down, closed) = (closings[first], closings.len() - first);
        let reopened = route.opening_since(closed_by).is_some_and(|mark| mark.at() < refused);
        let soon = refused.saturating_since(closed_by) <= REFUSED_WITHIN;
        let group = Self { down, closed_by, closed, up };
        (closed >= CLOSED_MIN && soon && !reopened).then_some(group)
    }

    /// Tells whether a flow ended, or was not opened, because the server was down.
    pub(super) fn explains(&self, verdict: &Verdict) -> bool {
        let Some(at) = at(verdict) else { return false };
        let not_opened = matches!(verdict.finding, Finding::Refused | Finding::Unreachable);
        not_opened && (self.down..=self.up).contains(&at)
            || is_closing(verdict) && (self.down..=self.closed_by).contains(&at)
    }

    /// For how long nobody could open a connection.
    pub(super) fn lasted(&self) -> Duration {
        self.up.saturating_since(self.down)
    }
}

/// Tells whether the server itself ended a flow on which a request may have been under way.
fn is_closing(verdict: &Verdict) -> bool {
    matches!(verdict.finding, Finding::PeerClose | Finding::PeerAbort | Finding::CloseRace)
}

/// Returns when a flow ended.
fn at(verdict: &Verdict) -> Option<Instant> {
    verdict.evidence.iter().map(|seen| seen.at).max()
}
