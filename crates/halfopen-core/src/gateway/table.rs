//! All flows that a gateway remembers.
//!
//! A flow that was forgotten stays in the table as such until its place is needed, so that looking
//! a packet up has three answers: remembered, forgotten, and never known.

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::mapping::{Ends, Mapping, Phase};
use crate::deadline::Deadlines;
use crate::hop::Side;
use crate::idle::{Capacity, IdleTimers};
use crate::time::Instant;

/// All that a gateway remembers, and some of what it forgot.
#[derive(Debug)]
pub(super) struct Table {
    mappings: Vec<Mapping>,
    vacant: Vec<u32>,
    /// Finds mappings by their ends as named inside.
    inner: HashTable<u32>,
    /// Finds mappings by their ends as named outside; empty if nothing is translated.
    outer: HashTable<u32>,
    translates: bool,
    hasher: FixedState,
    deadlines: Deadlines<{ Phase::COUNT }>,
    remembered: u32,
    forgotten: u32,
    forgotten_max: u32,
}

impl Table {
    pub(super) fn new(
        timers: &IdleTimers,
        capacity: Capacity,
        translates: bool,
        seed: u64,
    ) -> Self {
        // In the order of the phases.
        let timeouts = [
            timers.tcp_opening,
            timers.tcp_established,
            timers.tcp_half_closed,
            timers.tcp_closing,
            timers.tcp_time_wait,
            timers.tcp_reset,
            timers.udp,
            timers.udp_stream,
            timers.icmp,
            None,
        ];
        Self {
            mappings: Vec::new(),
            vacant: Vec::new(),
            inner: HashTable::new(),
            outer: HashTable::new(),
            translates,
            hasher: FixedState::with_seed(seed),
            deadlines: Deadlines::new(timeouts),
            remembered: 0,
            forgotten: 0,
            forgotten_max: capacity.forgotten,
        }
    }

    /// Begins to remember a flow. What was forgotten under the same names is no longer known.
    pub(super) fn remember(&mut self, mapping: Mapping) -> u32 {
        for (side, ends) in [(Side::Inside, mapping.inner()), (Side::Outside, mapping.outer())] {
            if let Some(id) = self.find(side, &ends) {
                debug_assert_eq!(self[id].phase, Phase::Forgotten, "a flow is remembered once");
                self.purge(id);
            }
        }
        let (phase, started) = (mapping.phase, mapping.started);
        let id = if let Some(id) = self.vacant.pop() {
            self.mappings[id as usize] = mapping;
            id
        } else {
            if self.mappings.len() == self.mappings.capacity() {
                // A quarter at a time: doubling would leave up to half of a large table unused.
                self.mappings.reserve_exact(self.mappings.len() / 4 + 64);
            }
            self.mappings.push(mapping);
            u32::try_from(self.mappings.len() - 1).expect("both capacities are below 2^31")
        };
        let (mappings, hasher) = (&self.mappings, &self.hasher);
        let inner = |&id: &u32| mappings[id as usize].inner().hash(hasher);
        self.inner.insert_unique(inner(&id), id, inner);
        if self.translates {
            let outer = |&id: &u32| mappings[id as usize].outer().hash(hasher);
            self.outer.insert_unique(outer(&id), id, outer);
        }
        self.deadlines.start(id, phase as usize, started);
        self.remembered += 1;
        id
    }

    /// Starts the timer of a flow again.
    pub(super) fn refresh(&mut self, id: u32, now: Instant) {
        let mapping = &mut self.mappings[id as usize];
        self.deadlines.restart(id, mapping.phase as usize, &mut mapping.started, now);
    }

    /// Moves a flow to another phase, whose timer starts.
    pub(super) fn enter(&mut self, id: u32, phase: Phase, now: Instant) {
        let mapping = &mut self.mappings[id as usize];
        (mapping.phase, mapping.started) = (phase, now);
        self.deadlines.start(id, phase as usize, now);
    }

    /// Forgets a flow, but not that it was.
    pub(super) fn forget(&mut self, id: u32, now: Instant) {
        self.enter(id, Phase::Forgotten, now);
        self.remembered -= 1;
        self.forgotten += 1;
        if self.forgotten > self.forgotten_max
            && let Some(oldest) = self.oldest(Phase::Forgotten as usize)
        {
            self.purge(oldest);
        }
    }

    /// Returns the flow that was due first, if any is due by `now`, with its deadline.
    #[inline]
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, u32)> {
        let mappings = &self.mappings;
        self.deadlines.pop_due(now, |id| mappings[id as usize].started)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> &mut Mapping {
        &mut self.mappings[id as usize]
    }

    /// Finds a flow, remembered or forgotten, by its ends as they are named on `side`.
    #[inline]
    pub(super) fn find(&self, side: Side, ends: &Ends) -> Option<u32> {
        let hash = ends.hash(&self.hasher);
        let found = if side == Side::Inside || !self.translates {
            self.inner.find(hash, |&id| self[id].is_inner(ends))
        } else {
            self.outer.find(hash, |&id| self[id].is_outer(ends))
        };
        found.copied()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next(|id| self[id].started)
    }

    /// Returns the flow that has been idle for longest.
    pub(super) fn idlest(&mut self) -> Option<u32> {
        let oldest = Phase::REMEMBERED.filter_map(|phase| {
            let id = self.oldest(phase)?;
            Some((self[id].started, id))
        });
        oldest.min_by_key(|&(started, _)| started).map(|(_, id)| id)
    }

    fn oldest(&mut self, phase: usize) -> Option<u32> {
        let mappings = &self.mappings;
        self.deadlines.oldest(phase, |id| mappings[id as usize].started)
    }

    /// Returns all remembered flows, in an order that depends on the history alone.
    pub(super) fn remembered_ids(&self) -> Vec<u32> {
        let slots = 0_u32..;
        let ids =
            slots.zip(&self.mappings).filter(|(_, mapping)| mapping.phase != Phase::Forgotten);
        ids.map(|(id, _)| id).collect()
    }

    pub(super) const fn remembered(&self) -> u32 {
        self.remembered
    }

    /// Takes a forgotten flow out of the table.
    fn purge(&mut self, id: u32) {
        let (inner, outer) = (self[id].inner(), self[id].outer());
        remove(&mut self.inner, inner.hash(&self.hasher), id);
        if self.translates {
            remove(&mut self.outer, outer.hash(&self.hasher), id);
        }
        self.deadlines.stop(id);
        self.vacant.push(id);
        self.forgotten -= 1;
    }
}

fn remove(index: &mut HashTable<u32>, hash: u64, id: u32) {
    if let Ok(entry) = index.find_entry(hash, |&other| other == id) {
        entry.remove();
    }
}

impl core::ops::Index<u32> for Table {
    type Output = Mapping;

    fn index(&self, id: u32) -> &Mapping {
        &self.mappings[id as usize]
    }
}
