//! Who may use a connection next, when there may be no more.
//!
//! A turn is the right to have one connection in use. Requests get turns in the order in which they
//! asked, except that one whose destination is at its own limit does not hold up those behind it.
//! Idle connections take no turn: whoever has one and finds none on the shelf has room made by
//! [`Shelf::make_room`](crate::shelf::Shelf::make_room) and opens a connection. So idle connections
//! to one destination never keep a request to another waiting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use halfopen_core::time::{Duration, Instant};

use crate::name::PathName;
use crate::paths::{Paths, Spent};
use crate::policy::Policy;
use crate::shelf::InUse;

#[cfg(test)]
mod tests;

/// Gives out turns and takes them back. All operations take the logarithm of the number of waiters.
#[derive(Debug)]
pub struct Turnstile {
    per_path: usize,
    total: usize,
    patience: Option<Duration>,
    next: u64,
    in_use: usize,
    paths: Paths<Line>,
    waiting: BTreeMap<Ticket, Waiter>,
    /// The first waiter of each path that is below its own limit.
    ready: BTreeSet<Ticket>,
    outputs: VecDeque<Call>,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The answer to [`Turnstile::ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is the request's turn.
    Turn,
    /// It waits until its ticket is called.
    Wait(Ticket),
}

/// A ticket that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It is its turn.
    Turn {
        /// Whose.
        ticket: Ticket,
        /// How long it waited.
        waited: Duration,
    },
    /// It waited for as long as the policy's lease timeout, and no longer waits.
    Refused {
        /// Whose.
        ticket: Ticket,
        /// How long it waited.
        waited: Duration,
    },
}

#[derive(Debug, Default)]
struct Line {
    in_use: usize,
    waiting: BTreeSet<Ticket>,
}

#[derive(Debug)]
struct Waiter {
    path: PathName,
    since: Instant,
}

impl Spent for Line {
    fn is_spent(&self) -> bool {
        self.in_use == 0 && self.waiting.is_empty()
    }
}

impl Turnstile {
    /// Returns a turnstile that gives as many turns as `policy` allows connections.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let max = |limit: Option<u32>| {
            limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
        };
        Self {
            per_path: max(policy.limits.per_host),
            total: max(policy.limits.total),
            patience: policy.timeouts.lease,
            next: 0,
            in_use: 0,
            paths: Paths::default(),
            waiting: BTreeMap::new(),
            ready: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Asks for a turn on a path. Whoever gets one gives it back by [`done`](Self::done), also if
    /// no connection could be opened.
    pub fn ask(&mut self, now: Instant, path: &PathName) -> Asked {
        self.handle_timeout(now);
        let ticket = Ticket(self.next);
        self.next += 1;
        let line = self.paths.entry(path);
        // Nobody who could go waits while there are turns left: `advance` sees to that.
        if self.in_use < self.total && line.in_use < self.per_path {
            line.in_use += 1;
            self.in_use += 1;
            return Asked::Turn;
        }
        line.waiting.insert(ticket);
        self.waiting.insert(ticket, Waiter { path: path.clone(), since: now });
        self.sort(path);
        Asked::Wait(ticket)
    }

    /// Takes a turn back: the connection is on the shelf, closed, or was never opened.
    pub fn done(&mut self, now: Instant, path: &PathName) {
        self.handle_timeout(now);
        if let Some(line) = self.paths.get_mut(path).filter(|line| line.in_use > 0) {
            line.in_use -= 1;
            self.in_use -= 1;
        }
        self.sort(path);
        self.advance(now);
    }

    /// Leaves the queue. False: the ticket was called before, and a turn that it got is to be given
    /// back.
    pub fn leave(&mut self, ticket: Ticket) -> bool {
        self.step_out(ticket).is_some()
    }

    /// Refuses those that have waited for as long as the policy's lease timeout.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            let Some((&ticket, _)) = self.waiting.first_key_value() else { break };
            let Some(Waiter { since, .. }) = self.step_out(ticket) else { break };
            let waited = now.saturating_since(since);
            self.outputs.push_back(Call::Refused { ticket, waited });
        }
    }

    /// Returns the next ticket that is called.
    pub fn poll_output(&mut self) -> Option<Call> {
        self.outputs.pop_front()
    }

    /// Tells whether a ticket is called.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) next has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // All have the same patience, so the first to come is the first to lose it.
        let (_, first) = self.waiting.first_key_value()?;
        self.patience.map(|patience| first.since + patience)
    }

    /// Returns how many connections are in use, for
    /// [`Shelf::make_room`](crate::shelf::Shelf::make_room).
    #[must_use]
    pub fn in_use(&self, path: &PathName) -> InUse {
        InUse { path: self.paths.get(path).map_or(0, |line| line.in_use), total: self.in_use }
    }

    /// Tells whether whoever asks now gets a turn on the path at once.
    #[must_use]
    pub fn has_turn(&self, path: &PathName) -> bool {
        self.in_use < self.total && self.in_use(path).path < self.per_path
    }

    /// Returns how many requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Gives turns to those that may have one, in the order in which they asked.
    fn advance(&mut self, now: Instant) {
        while self.in_use < self.total {
            let Some(&ticket) = self.ready.first() else { break };
            let Some(Waiter { path, since }) = self.step_out(ticket) else { break };
            self.paths.entry(&path).in_use += 1;
            self.in_use += 1;
            self.sort(&path);
            self.outputs.push_back(Call::Turn { ticket, waited: now.saturating_since(since) });
        }
    }

    fn step_out(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.waiting.remove(&ticket)?;
        self.ready.remove(&ticket);
        if let Some(line) = self.paths.get_mut(&waiter.path) {
            line.waiting.remove(&ticket);
        }
        self.sort(&waiter.path);
        Some(waiter)
    }

    /// Holds `ready` to what it says for one path.
    fn sort(&mut self, path: &PathName) {
        let Some(line) = self.paths.get(path) else { return };
        let Some(&first) = line.waiting.first() else { return };
        if line.in_use < self.per_path {
            self.ready.insert(first);
        } else {
            self.ready.remove(&first);
        }
    }
}
