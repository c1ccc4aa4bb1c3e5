//! What a carrier counts while it runs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use halfopen_core::hop::{Event, EventKind, Side};

/// What a carrier has counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Of each hop, in the order of the path.
    pub hops: Vec<Flows>,
    /// Packets that came from the inside and from the outside, as many as they would be on a wire,
    /// without those that are passed over.
    pub taken: BySide,
    /// Packets that were handed to the inside and to the outside, counted likewise.
    pub handed: BySide,
    /// How many of those handed over were resets, on the side of whoever got them.
    pub resets: BySide,
    /// Packets that were not carried.
    pub passed_over: PassedOver,
    /// Events for which there was no room, so that nobody learned of them.
    pub events_missed: u64,
}

/// What one hop did with flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// How many it began to remember.
    pub remembered: u64,
    /// How many of them it forgot.
    pub forgotten: u64,
}

impl Flows {
    /// Returns how many it remembers.
    #[must_use]
    pub const fn held(self) -> u64 {
        self.remembered.saturating_sub(self.forgotten)
    }
}

/// A number for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BySide {
    /// The client's.
    pub inside: u64,
    /// The server's.
    pub outside: u64,
}

/// Packets that were not carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// They were no IP packets.
    pub malformed: u64,
    /// No router forwards them: they are for, or from, one link only.
    pub local: u64,
    /// The kernel did not take them: the interface was down, or had no room.
    pub refused: u64,
}

/// What is counted, where both threads see it.
#[derive(Debug)]
pub(super) struct Tally {
    hops: Vec<[AtomicU64; 2]>,
    taken: [AtomicU64; 2],
    handed: [AtomicU64; 2],
    resets: [AtomicU64; 2],
    pub(super) malformed: AtomicU64,
    pub(super) local: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) events_missed: AtomicU64,
}

impl Tally {
    pub(super) fn new(hops: usize) -> Self {
        Self {
            hops: (0..hops).map(|_| zeros()).collect(),
            taken: zeros(),
            handed: zeros(),
            resets: zeros(),
            malformed: AtomicU64::new(0),
            local: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            events_missed: AtomicU64::new(0),
        }
    }

    pub(super) const fn hops(&self) -> usize {
        self.hops.len()
    }

    pub(super) fn took(&self, from: Side, packets: usize) {
        add(&self.taken[from as usize], packets as u64);
    }

    pub(super) fn handed(&self, to: Side, packets: usize, is_reset: bool) {
        add(&self.handed[to as usize], packets as u64);
        add(&self.resets[to as usize], u64::from(is_reset));
    }

    pub(super) fn happened(&self, event: &Event) {
        let Some([remembered, forgotten]) = self.hops.get(event.hop) else { return };
        match event.kind {
            EventKind::Remembered { .. } => add(remembered, 1),
            EventKind::Forgot { .. } => add(forgotten, 1),
            EventKind::Orphaned { .. }
            | EventKind::Exhausted { .. }
            | EventKind::Discarded { .. }
            | EventKind::Refused { .. } => {}
        }
    }

    pub(super) fn status(&self) -> Status {
        let flows = |[remembered, forgotten]: &[AtomicU64; 2]| Flows {
            // In this order, so that no more are forgotten than were remembered.
            forgotten: forgotten.load(Relaxed),
            remembered: remembered.load(Relaxed),
        };
        let by_side = |[inside, outside]: &[AtomicU64; 2]| BySide {
            inside: inside.load(Relaxed),
            outside: outside.load(Relaxed),
        };
        Status {
            hops: self.hops.iter().map(flows).collect(),
            taken: by_side(&self.taken),
            handed: by_side(&self.handed),
            resets: by_side(&self.resets),
            passed_over: PassedOver {
                malformed: self.malformed.load(Relaxed),
                local: self.local.load(Relaxed),
                refused: self.refused.load(Relaxed),
            },
            events_missed: self.events_missed.load(Relaxed),
        }
    }
}

fn zeros() -> [AtomicU64; 2] {
    [0, 0].map(AtomicU64::new)
}

/// Adds to a number that one thread writes and others read.
pub(super) fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Relaxed) + more, Relaxed);
}
