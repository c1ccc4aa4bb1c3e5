//! When each machine of a world next has something to do.

use std::collections::BTreeSet;

use halfopen_core::time::Instant;

/// A machine with a deadline. Of two that are due at once, paths come first, then by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Machine {
    Path(usize),
    Host(usize),
}

/// One deadline a machine, and the earliest of them.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    order: BTreeSet<(Instant, Machine)>,
    paths: Vec<Option<Instant>>,
    hosts: Vec<Option<Instant>>,
}

impl Agenda {
    /// Sets or clears the deadline of a machine.
    pub(super) fn set(&mut self, machine: Machine, at: Option<Instant>) {
        let slot = self.slot(machine);
        if *slot == at {
            return;
        }
        let before = core::mem::replace(slot, at);
        if let Some(before) = before {
            self.order.remove(&(before, machine));
        }
        if let Some(at) = at {
            self.order.insert((at, machine));
        }
    }

    /// Takes out the machine that is due first; it is set again when it has been run.
    pub(super) fn pop_first(&mut self) -> Option<Machine> {
        let (_, machine) = self.order.pop_first()?;
        *self.slot(machine) = None;
        Some(machine)
    }

    /// Returns how many machines are due by `now`.
    pub(super) fn count_due(&self, now: Instant) -> usize {
        self.order.iter().take_while(|&&(at, _)| at <= now).count()
    }

    /// Returns the earliest deadline.
    pub(super) fn first(&self) -> Option<Instant> {
        self.order.first().map(|&(at, _)| at)
    }

    fn slot(&mut self, machine: Machine) -> &mut Option<Instant> {
        let (slots, index) = match machine {
            Machine::Path(index) => (&mut self.paths, index),
            Machine::Host(index) => (&mut self.hosts, index),
        };
        if index >= slots.len() {
            slots.resize(index + 1, None);
        }
        &mut slots[index]
    }
}
