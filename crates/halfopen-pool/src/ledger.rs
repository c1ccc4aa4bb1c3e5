//! What is known of each path: which pauses its connections survived, and which they died of.
//!
//! From that follows the cap in force on a path: how long a connection may be quiet and still be
//! used. There is one for each [`Clock`], since probes refresh some boxes and not others. The rules
//! are in [`knowledge`]; this module keeps the paths, and forgets the one that was used the longest
//! ago when there are too many.
//!
//! Time here is the wall clock's, handed in by the caller: what is known outlives the process. A
//! clock that is set does no harm beyond something learnt again, or kept for longer.

pub mod knowledge;
mod text;

use std::collections::BTreeMap;

use halfopen_core::estimate::IdleBracket;
use halfopen_core::time::Duration;
use jiff::Timestamp;

use crate::idle::{Cap, Clock, WireIdle};
use crate::name::PathName;
use crate::shelf::Siblings;
use knowledge::{Knowledge, Terms};

#[cfg(test)]
mod tests;

/// What is known of paths.
#[derive(Clone, Debug)]
pub struct Ledger {
    config: LedgerConfig,
    paths: BTreeMap<PathName, Page>,
    by_use: BTreeMap<u64, PathName>,
    uses: u64,
}

/// How much a ledger remembers, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// How many paths it knows at most; at least one.
    pub paths_max: usize,
    /// For how long a death counts. After that a longer pause is tried again, so that a path that
    /// was mended is learnt again; each time that it was not, the next death counts for twice as
    /// long, up to 32 times. `None` is for ever.
    pub counts_for: Option<Duration>,
    /// Pauses up to this one are used on trust even if none as long was survived, until one dies.
    pub trusted: Duration,
}

impl Default for LedgerConfig {
    /// 10,000 paths; a death counts for a day; ten seconds are used on trust.
    fn default() -> Self {
        Self {
            paths_max: 10_000,
            counts_for: Some(Duration::from_hours(24)),
            trusted: Duration::from_secs(10),
        }
    }
}

/// What became of a connection after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was used, and its far end answered.
    Survived,
    /// It was used, and a reset came back.
    ResetOnUse,
    /// It was used, and nothing came back, as far as is known not even an acknowledgment (see
    /// [`Delivery`](crate::connect::Delivery)): a slow server is none of this.
    SilentOnUse,
    /// It was used, and closed without an answer: the far end's timer was quicker.
    ClosedOnUse,
    /// A FIN came while it was idle; the pause is until then, if that is known.
    ClosedIdle,
    /// A reset came while it was idle; the pause is until then, if that is known.
    ResetIdle,
}

/// What follows from an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The cap in force before.
    pub before: Cap,
    /// The cap in force from now on, for [`Shelf::heed`](crate::shelf::Shelf::heed).
    pub after: Cap,
    /// Which other connections are to be discarded at once, by
    /// [`Shelf::discard_siblings`](crate::shelf::Shelf::discard_siblings).
    pub siblings: Option<Siblings>,
}

impl Lesson {
    /// Tells whether the cap in force changed.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.before != self.after
    }
}

/// What is known of one path.
#[derive(Clone, Debug, Default)]
struct Page {
    packets: Knowledge,
    data: Knowledge,
    used: u64,
}

impl Ledger {
    /// Returns a ledger that knows nothing.
    #[must_use]
    pub const fn new(config: LedgerConfig) -> Self {
        Self { config, paths: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    /// Takes into account what became of a connection of the path that had been quiet for `quiet`.
    /// What fails on its first request teaches nothing and is not recorded.
    pub fn record(
        &mut self,
        now: Timestamp,
        path: &PathName,
        quiet: WireIdle,
        outcome: Outcome,
    ) -> Lesson {
        let terms = self.terms();
        let page = self.page(path);
        let before = page.cap(now, terms);
        let siblings = page.record(now, quiet, outcome, terms);
        Lesson { before, after: page.cap(now, terms), siblings }
    }

    /// Takes into account that the far end refused a connection: it is down or starting again, and
    /// what died within the last minute died of that.
    pub fn refused(&mut self, now: Timestamp, path: &PathName) -> Lesson {
        let before = self.cap(now, path);
        if let Some(page) = self.paths.get_mut(path) {
            page.packets.excuse(now);
            page.data.excuse(now);
        }
        Lesson { before, after: self.cap(now, path), siblings: None }
    }

    /// Forgets what is known of a path, for a caller who knows that it changed.
    pub fn forget(&mut self, path: &PathName) {
        if let Some(page) = self.paths.remove(path) {
            self.by_use.remove(&page.used);
        }
    }

    /// Returns the cap in force on a path; [`Cap::NONE`] if nothing is known to be fatal.
    #[must_use]
    pub fn cap(&self, now: Timestamp, path: &PathName) -> Cap {
        self.paths.get(path).map_or(Cap::NONE, |page| page.cap(now, self.terms()))
    }

    /// Returns what is known of a path on one clock.
    #[must_use]
    pub fn bracket(&self, path: &PathName, clock: Clock) -> IdleBracket {
        self.paths.get(path).map(|page| page.on(clock).bracket()).unwrap_or_default()
    }

    /// Returns the names of the paths, the one used longest ago first.
    pub fn paths(&self) -> impl Iterator<Item = &PathName> {
        self.by_use.values()
    }

    const fn terms(&self) -> Terms {
        Terms { counts_for: self.config.counts_for, trusted: self.config.trusted }
    }

    /// Returns the page of a path as the one used last, and makes room for it if need be.
    fn page(&mut self, path: &PathName) -> &mut Page {
        let used = self.paths.get(path).map(|page| page.used);
        if used != Some(self.uses) {
            self.uses += 1;
            let known = used.and_then(|used| self.by_use.remove(&used));
            let is_full = self.paths.len() >= self.config.paths_max.max(1);
            if known.is_none()
                && is_full
                && let Some((_, oldest)) = self.by_use.pop_first()
            {
                self.paths.remove(&oldest);
            }
            self.by_use.insert(self.uses, known.unwrap_or_else(|| path.clone()));
        }
        let page = self.paths.entry(path.clone()).or_default();
        page.used = self.uses;
        page
    }
}

impl Page {
    fn record(
        &mut self,
        now: Timestamp,
        quiet: WireIdle,
        outcome: Outcome,
        terms: Terms,
    ) -> Option<Siblings> {
        let clock = clock_of(quiet, outcome);
        let pause = quiet.on(clock);
        match outcome {
            Outcome::Survived => {
                self.packets.survived(quiet.since_any_packet);
                self.data.survived(quiet.since_data);
                None
            }
            Outcome::ResetOnUse | Outcome::SilentOnUse | Outcome::ClosedOnUse => {
                let explained = self.on_mut(clock).died(now, pause, terms);
                Some(if explained { Siblings::QuietFor(clock, pause) } else { Siblings::All })
            }
            Outcome::ClosedIdle | Outcome::ResetIdle => {
                self.on_mut(clock).ended_idle(now, pause, terms);
                None
            }
        }
    }

    fn cap(&self, now: Timestamp, terms: Terms) -> Cap {
        Cap { packets: self.packets.cap(now, terms), data: self.data.cap(now, terms) }
    }

    const fn on(&self, clock: Clock) -> &Knowledge {
        match clock {
            Clock::Packets => &self.packets,
            Clock::Data => &self.data,
        }
    }

    const fn on_mut(&mut self, clock: Clock) -> &mut Knowledge {
        match clock {
            Clock::Packets => &mut self.packets,
            Clock::Data => &mut self.data,
        }
    }
}

/// Returns whose timer an outcome speaks of. A FIN is an application's. A reset or a silence is a
/// box's that counts any packet, unless packets passed later than data: such a box was refreshed.
fn clock_of(quiet: WireIdle, outcome: Outcome) -> Clock {
    let probed = quiet.since_any_packet < quiet.since_data;
    match outcome {
        Outcome::ClosedOnUse | Outcome::ClosedIdle => Clock::Data,
        Outcome::Survived | Outcome::ResetOnUse | Outcome::SilentOnUse | Outcome::ResetIdle => {
            if probed {
                Clock::Data
            } else {
                Clock::Packets
            }
        }
    }
}
