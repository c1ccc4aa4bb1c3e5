//! Which pauses are tried while all are survived, and how many connections that takes.

use halfopen_core::time::{Duration, Instant};

use crate::settings::Settings;

/// How many connections a second of pauses are opened behind the sentinels.
const COMB_PER_SECOND: u32 = 5;
/// How long it takes at most from a sentinel's silence until the comb has been asked.
const CLOSING_IN: Duration = Duration::from_secs(6);

/// Pauses that grow: each by a step, or by a share of itself once that is more.
///
/// A sentinel is a connection that is asked after one of these. Behind the sentinels a comb is
/// opened, each connection a little later than the one before, as wide as the widest step:
/// whichever sentinel dies, connections of all ages between its own and the survived one are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) first: Duration,
    step: Duration,
    /// By what share a pause grows, in millionths.
    growth: u64,
    up_to: Duration,
    pub(super) sentinels: u32,
    pub(super) comb: u32,
    comb_gap: Duration,
    gap: Duration,
    /// The most connections of the comb that are opened close behind one another.
    dense_max: u32,
}

impl Schedule {
    /// Returns the finest pauses from `first` on that the budget allows.
    pub(super) fn new(settings: &Settings, first: Duration) -> Self {
        let budget = settings.connections_max - settings.twins;
        let gap = Duration::from_secs(1) / settings.opens_per_second;
        let comb_gap = gap.max(Duration::from_secs(1) / COMB_PER_SECOND);
        let with = |growth| {
            let first = first.min(settings.up_to);
            let bare = Self {
                first,
                step: settings.precision,
                growth,
                up_to: settings.up_to,
                sentinels: 0,
                comb: 0,
                comb_gap,
                gap,
                dense_max: budget / 4,
            };
            bare.counted(budget)
        };
        let (mut fits, mut fails) = (1_000_000, 0);
        while fits - fails > 100 {
            let middle = u64::midpoint(fits, fails);
            if with(middle).takes() <= budget {
                fits = middle;
            } else {
                fails = middle;
            }
        }
        with(fits)
    }

    fn counted(mut self, budget: u32) -> Self {
        let mut pause = self.first;
        while self.sentinels < budget {
            self.sentinels += 1;
            if pause >= self.up_to {
                break;
            }
            pause = self.after(pause);
        }
        // Close behind one another for as long as they may all be needed at once, then each a
        // precision apart: in between waiting does.
        let sparse = self.widest().as_nanos() / self.sparse_gap().as_nanos();
        let sparse = u32::try_from(sparse).unwrap_or(u32::MAX);
        // A comb that takes most of the budget finds less than its connections would as sentinels.
        let sparse = if sparse > budget / 2 { 0 } else { sparse };
        self.comb = self.dense().saturating_add(sparse);
        self
    }

    const fn takes(&self) -> u32 {
        self.sentinels.saturating_add(self.comb)
    }

    fn widest(&self) -> Duration {
        self.after(self.up_to).saturating_sub(self.up_to)
    }

    fn sparse_gap(&self) -> Duration {
        self.comb_gap.max(self.step)
    }

    /// Returns the pause that is tried when this one was survived.
    pub(super) fn after(&self, pause: Duration) -> Duration {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        let share = Duration::from_nanos(nanos / 1_000_000 * self.growth);
        pause + self.step.max(share)
    }

    /// Returns how long after the connection of this number (from zero) the next one is opened.
    pub(super) fn gap_after(&self, number: u32) -> Duration {
        let dense_until = self.sentinels + self.dense();
        if number < self.sentinels {
            self.gap
        } else if number < dense_until {
            self.comb_gap
        } else {
            self.sparse_gap()
        }
    }

    fn dense(&self) -> u32 {
        let dense = CLOSING_IN.as_nanos() / self.comb_gap.as_nanos().max(1);
        u32::try_from(dense).unwrap_or(u32::MAX).min(self.dense_max)
    }

    /// Returns when at the latest, from the beginning, a limit of this length is known.
    pub(super) fn known_by(&self, limit: Duration, patience: Duration) -> Duration {
        let (mut pause, mut number) = (self.first, 0);
        while pause < limit && number < self.sentinels {
            pause = self.after(pause);
            number += 1;
        }
        // The sentinel was opened so late, and its pause is longer than the limit by so much.
        let late = (self.gap + self.gap / 8) * number;
        let over = self.after(limit).saturating_sub(limit);
        // Then connections of the right age are waited for.
        let waits = if over > self.step { 10 * self.sparse_gap() } else { Duration::ZERO };
        limit + late + over + waits + patience + Duration::from_secs(3)
    }

    /// Returns when the connection of this number is due if the one before was opened `last`.
    pub(super) fn due(&self, number: u32, last: Option<Instant>, now: Instant) -> Instant {
        last.map_or(now, |last| last + self.gap_after(number.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_budget_decides_how_far_pauses_lie_apart() {
        let rich = Settings { connections_max: 8_000, ..Settings::default() };
        let rich = Schedule::new(&rich, secs(2));
        assert_eq!(rich.after(secs(7_000)), secs(7_001));
        let polite = Schedule::new(&Settings::default(), secs(2));
        let next = polite.after(secs(7_000));
        assert!(secs(7_060) < next && next < secs(7_180), "{next:?}");
        assert_eq!(polite.after(secs(10)), secs(11));
        assert!(polite.takes() <= 596, "{polite:?}");
    }

    #[test]
    fn a_coarse_round_reaches_the_longest_pause_too() {
        let coarse = Schedule::new(&Settings::coarse(secs(7_200)), secs(2));
        let mut pause = coarse.first;
        for _ in 1..coarse.sentinels {
            pause = coarse.after(pause);
        }
        assert!(pause >= secs(7_200), "{pause:?} by {coarse:?}");
    }
}
