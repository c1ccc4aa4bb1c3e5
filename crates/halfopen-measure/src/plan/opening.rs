//! When connections are opened, and when no more are.

use halfopen_core::time::{Duration, Instant};

use super::{Action, Plan, Probe, ProbeId, State, twins};
use crate::answer::Failure;

/// After so many failures in a row no more connections are opened.
const FAILURES_MAX: u32 = 5;

/// A driver that is late by more than this does not make up for it.
const CATCH_UP: Duration = Duration::from_millis(10);

/// How opening goes.
#[derive(Debug, Default)]
pub(super) struct Opening {
    last: Option<Instant>,
    /// How many of this round were opened or tried.
    tried: u32,
    succeeded: bool,
    in_a_row: u32,
    last_failure: Option<Failure>,
    /// With how many open no more could be opened.
    no_more: Option<u32>,
    is_over: bool,
}

impl Opening {
    pub(super) const fn succeeded(&mut self) {
        self.succeeded = true;
        self.in_a_row = 0;
    }

    /// Notes a failure with so many open, and tells whether it is over with opening.
    pub(super) fn failed(&mut self, failure: Failure, open: usize) -> bool {
        self.in_a_row += 1;
        self.last_failure = Some(failure);
        let is_over = self.in_a_row >= FAILURES_MAX && !self.is_over;
        if is_over {
            self.is_over = true;
            self.no_more = Some(u32::try_from(open).unwrap_or(u32::MAX));
        }
        is_over
    }

    /// Returns why none was ever usable, once that is clear.
    pub(super) fn hopeless(&self) -> Option<&Failure> {
        self.no_more.filter(|_| !self.succeeded)?;
        self.last_failure.as_ref()
    }

    /// Returns with how many open no more could be opened.
    pub(super) fn no_more(&self) -> Option<u32> {
        self.no_more.filter(|_| self.succeeded)
    }

    pub(super) const fn last(&self) -> Option<Instant> {
        self.last
    }

    /// Begins anew.
    pub(super) const fn again(&mut self) {
        self.tried = 0;
        self.in_a_row = 0;
        self.is_over = false;
    }
}

impl Plan {
    /// Returns when the next connection is to be opened.
    pub(super) fn opening_due(&self) -> Option<Instant> {
        let Opening { tried, is_over, last, .. } = self.opening;
        let twins = self.settings.twins;
        // The first one shows whether anything can be opened at all.
        let waits = tried > 0 && !self.opening.succeeded && tried > self.opening.in_a_row;
        let is_over = is_over || tried >= self.most() || self.suspected_age().is_some();
        if is_over || waits {
            return None;
        }
        Some(self.schedule.due(tried.saturating_sub(twins), last, self.now))
    }

    /// Returns how many connections a round opens.
    fn most(&self) -> u32 {
        self.settings.twins + self.schedule.sentinels + self.schedule.comb
    }

    pub(super) fn open_due(&mut self) {
        while let Some(due) = self.opening_due().filter(|&due| due <= self.now) {
            let kept = self.opening.tried < self.settings.twins;
            let probe = ProbeId(u32::try_from(self.probes.len()).unwrap_or(u32::MAX));
            let now = self.now;
            self.probes.push(Probe { state: State::Opening, kept, idle_from: now, since: now });
            let keepalive = kept.then(|| twins::keepalive(self.trials.survived()));
            self.actions.push_back(Action::Open { probe, keepalive });
            self.opening.tried += 1;
            // By chance a little later, never more often than allowed.
            let gap = self.schedule.gap_after(0);
            let jitter = self.rng.below(u64::try_from(gap.as_nanos()).unwrap_or(0) / 8);
            let late = now.saturating_since(due);
            let from = if late > gap.max(CATCH_UP) { now } else { due };
            self.opening.last = Some(from + Duration::from_nanos(jitter));
        }
    }
}
