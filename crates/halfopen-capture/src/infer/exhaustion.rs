//! No more connections can be opened while so many are open.
//!
//! A box that translates has so many ports toward one server, and a server has room for so many
//! connections. Either shows as a ceiling: above it none is ever opened, and below it all are.

use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::verdict::Verdict;

use crate::route::{Crowd, Route};

/// Fewer connections than this exhaust nothing.
const CROWD_MIN: u32 = 16;
/// Less often it is no ceiling.
const TURNED_AWAY_MIN: usize = 3;

/// A ceiling that was met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exhaustion {
    pub(super) ceiling: u32,
    /// Whenever a connection could not be opened, the server had answered on all that were.
    served: bool,
}

impl Exhaustion {
    /// Returns the ceiling of a path: whenever a connection could not be opened, more were open
    /// than when any was accepted; and later, one was accepted again.
    pub(super) fn of(route: &Route, verdicts: &[(usize, Verdict)]) -> Option<Self> {
        let failed: Vec<&Verdict> =
            verdicts.iter().map(|(_, verdict)| verdict).filter(|it| is_turned_away(it)).collect();
        let first = failed.iter().filter_map(|it| it.evidence.first()).map(|seen| seen.at).min()?;
        let crowds: Option<Vec<Crowd>> =
            failed.iter().map(|verdict| crowd(route, verdict)).collect();
        let crowds = crowds.filter(|crowds| crowds.len() >= TURNED_AWAY_MIN)?;
        let ceiling = crowds.iter().map(|crowd| crowd.open).min()?;
        let served = crowds.iter().all(|crowd| crowd.unserved == 0);
        let reopened = route.opening_since(first).is_some();
        (ceiling >= CROWD_MIN && ceiling > route.admitted_at && reopened)
            .then_some(Self { ceiling, served })
    }

    /// Returns whose doing it is: a server that is short of room accepts more than it answers.
    pub(super) fn culprit(self) -> Culprit {
        if self.served { Culprit::Hop } else { Culprit::Unknown }
    }
}

/// Tells whether a connection could not be opened, and not because the server refused it.
pub(super) fn is_turned_away(verdict: &Verdict) -> bool {
    verdict.finding == Finding::Unreachable
        || verdict.finding == Finding::Refused && verdict.culprit == Culprit::Hop
}

fn crowd(route: &Route, verdict: &Verdict) -> Option<Crowd> {
    verdict.evidence.iter().find_map(|seen| route.turned_away(seen.frame))
}
