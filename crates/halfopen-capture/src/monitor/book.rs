//! What is remembered of a path's connections that are gone.

use core::cmp::Reverse;

use halfopen_core::cause::Harm;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::Verdict;

use super::News;
use crate::infer::PathReport;
use crate::infer::habits::Habits;
use crate::infer::path::infer;
use crate::route::{Route, Witness};

/// Verdicts that are kept of a path; of more, the death of the shortest pause and the latest.
const VERDICTS_MAX: usize = 64;

/// What is remembered of a path's connections that are gone.
#[derive(Debug, Default)]
pub(super) struct Book {
    verdicts: Vec<(usize, Verdict)>,
    failures: u64,
    masked: u64,
    pub(super) maybe_twice: u64,
    /// Segments sent again on connections where nothing answered any more.
    pub(super) in_vain: u64,
    /// The bracket that was told.
    bracket: Option<(Option<Duration>, Duration)>,
    /// Connections that were idle for too long when the table was last gone through, and those
    /// counted since.
    pub(super) at_risk: u64,
    pub(super) counting: u64,
}

impl Book {
    /// Takes a verdict that is not healthy, and tells it.
    pub(super) fn take(&mut self, verdict: Verdict, route: &Route, news: &mut Vec<News>) {
        match verdict.harm {
            Harm::Failed => self.failures += 1,
            Harm::Masked => self.masked += 1,
            Harm::Latent | Harm::None => {}
        }
        if self.verdicts.len() == VERDICTS_MAX {
            self.make_room();
        }
        self.verdicts.push((0, verdict.clone()));
        let habits = Habits::new(route, &self.verdicts, self.loses(route));
        news.push(News::Ended { cause: habits.cause_of(&verdict), verdict });
        self.narrow(route, news);
    }

    /// Tells the bracket of the path's limit if it has changed.
    pub(super) fn narrow(&mut self, route: &Route, news: &mut Vec<News>) {
        let PathReport { survived, died, .. } = self.report(route);
        let bracket = died.map(|died| (survived, died));
        if bracket != self.bracket
            && let Some((survived, died)) = bracket
        {
            news.push(News::Narrowed { server: route.server.address(), survived, died });
        }
        self.bracket = bracket;
    }

    /// Forgets what is older than `memory`.
    pub(super) fn age(&mut self, route: &mut Route, now: Instant, memory: Duration) {
        let recent = |at: Instant| now.saturating_since(at) < memory;
        let fresh = |witness: &Witness| recent(witness.after.at());
        route.survived.retain(|_, witness| fresh(witness));
        route.kept_open = route.kept_open.filter(fresh);
        route.closings.retain(fresh);
        let verdicts = self.verdicts.len();
        self.verdicts.retain(|(_, verdict)| ended(verdict).is_some_and(recent));
        if verdicts != self.verdicts.len() {
            self.bracket = None;
            self.narrow(route, &mut Vec::new());
        }
    }

    /// Tells whether a pause that a connection survived says more about the limit.
    pub(super) fn is_narrowed_by(&self, idle: Duration) -> bool {
        self.bracket.is_some_and(|(survived, _)| survived.is_none_or(|longest| longest < idle))
    }

    /// Returns the shortest pause that a connection died of.
    pub(super) fn died(&self) -> Option<Duration> {
        self.bracket.map(|(_, died)| died)
    }

    /// Returns what is wrong with the path.
    pub(super) fn report(&self, route: &Route) -> PathReport {
        let report = infer(route, &self.verdicts, self.in_vain);
        let Self { failures, masked, maybe_twice, .. } = *self;
        PathReport { failures, masked, maybe_twice, ..report }
    }

    fn loses(&self, route: &Route) -> bool {
        route.retransmissions > self.in_vain
    }

    /// Drops the oldest verdict, but not the one that bounds the limit.
    fn make_room(&mut self) {
        let telling = self.verdicts.iter().enumerate().filter(|(_, (_, one))| one.idle.is_some());
        let shortest = telling.max_by_key(|(_, (_, verdict))| Reverse(verdict.idle));
        let keep = shortest.map(|(at, _)| at);
        self.verdicts.remove(usize::from(keep == Some(0)));
    }
}

/// Returns when a connection ended.
fn ended(verdict: &Verdict) -> Option<Instant> {
    verdict.evidence.iter().map(|seen| seen.at).max()
}
