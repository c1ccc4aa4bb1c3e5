//! Where idle connections to all destinations wait for the next request.
//!
//! The shelf hands out no connection that has been quiet for as long as one of its limits says, and
//! none that is older than its lifetime; such connections come out as [`Discarded`], each with the
//! reason. Closing them is the caller's. It is no judge of a connection's health: what
//! [`Take::Validate`] hands out, the caller looks at before use.
//!
//! Invariant: each connection on the shelf stands in `entries` once, and with the same keys in
//! `ages`, in its path's ages, and in `deadlines` if it has a deadline.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};

use crate::idle::{Cap, Clock, Wire, WireIdle, least};
use crate::name::{ConnectionId, PathName};
use crate::paths::{Paths, Spent};
use crate::policy::{Keep, Limits, Notice, Order, Policy, Reuse};

#[cfg(test)]
mod tests;

/// Idle connections of any kind `C`, by path.
///
/// All operations take the logarithm of the number of connections, and those that concern all
/// connections of a path ([`heed`](Self::heed), [`discard_siblings`](Self::discard_siblings)) as
/// many times as it has connections.
#[derive(Debug)]
pub struct Shelf<C> {
    keep: Option<Keep>,
    limits: Limits,
    seed: u64,
    entries: BTreeMap<ConnectionId, Box<Entry<C>>>,
    /// By the time of the last activity: the first is idle longest.
    paths: Paths<Ages>,
    ages: Ages,
    deadlines: Ages,
    outputs: VecDeque<Discarded<C>>,
}

type Ages = BTreeSet<(Instant, ConnectionId)>;

impl Spent for Ages {
    fn is_spent(&self) -> bool {
        self.is_empty()
    }
}

/// A connection between two requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle<C> {
    /// The connection's number.
    pub id: ConnectionId,
    /// Where it leads.
    pub path: PathName,
    /// When data was last on the wire, as far as the client saw: the end of the last response.
    pub since: Instant,
    /// When it was opened.
    pub born: Instant,
    /// The `Keep-Alive: timeout=` of the last response.
    pub hint: Option<Duration>,
    /// The connection itself.
    pub connection: C,
}

/// What [`Shelf::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Take<C> {
    /// A connection to use as it is.
    Use(Taken<C>),
    /// A connection to look at first: the policy notices what came while it was idle only now.
    Validate(Taken<C>),
    /// Nothing: a connection must be opened.
    Nothing,
}

/// A connection from the shelf.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken<C> {
    /// The connection as it was put back.
    pub idle: Idle<C>,
    /// For how long it was quiet: what the ledger is told after use.
    pub quiet: WireIdle,
}

/// A connection that left the shelf for good: to be closed.
#[derive(Debug, PartialEq, Eq)]
pub struct Discarded<C> {
    /// The connection as it was put back.
    pub idle: Idle<C>,
    /// For how long it was quiet.
    pub quiet: WireIdle,
    /// Why.
    pub why: Discard,
}

/// Why a connection is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Discard {
    /// The policy keeps none.
    NotKept,
    /// It was quiet for as long as the policy, or the server's hint, allows.
    IdleLimit,
    /// It was quiet for as long as the ledger allows.
    LearntCap,
    /// It reached the end of its lifetime.
    Lifetime,
    /// There were too many idle ones, and it was idle longest.
    TooManyIdle,
    /// It made room for a new connection, and was idle longest.
    MadeRoom,
    /// Another connection on its path died, and this one is no better off.
    SiblingDied,
    /// It did not answer a PING.
    NoPong,
    /// The pool shuts down, or the caller wants none of the path's connections any more.
    Drained,
}

/// Which connections share the fate of one that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siblings {
    /// Those on its path that have been quiet on this clock for as long or longer.
    QuietFor(Clock, Duration),
    /// All on its path: the pause does not explain the death.
    All,
}

/// How many connections are in use, among them one about to be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// To one destination.
    pub path: usize,
    /// To all destinations.
    pub total: usize,
}

#[derive(Debug)]
struct Entry<C> {
    idle: Idle<C>,
    learnt: Cap,
    limit: Option<Duration>,
    /// When its lifetime ends.
    end: Option<Instant>,
    deadline: Option<Instant>,
}

impl<C: Wire> Shelf<C> {
    /// Returns an empty shelf. Lifetimes are shortened by a chance that `seed` and a connection's
    /// number decide.
    #[must_use]
    pub fn new(policy: &Policy, seed: u64) -> Self {
        let keep = match &policy.reuse {
            Reuse::Never => None,
            Reuse::Kept(keep) => Some(keep.clone()),
        };
        Self {
            keep,
            limits: policy.limits,
            seed,
            entries: BTreeMap::new(),
            paths: Paths::default(),
            ages: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes a connection back after its response. `learnt` is the ledger's cap in force on its
    /// path, or [`Cap::NONE`].
    ///
    /// A connection that cannot be kept comes out of [`poll_output`](Self::poll_output) at once. If
    /// there are too many idle connections, those that are idle longest do.
    pub fn put(&mut self, now: Instant, idle: Idle<C>, learnt: Cap) {
        self.handle_timeout(now);
        let Some(keep) = &self.keep else {
            let quiet = quiet(&idle, now);
            self.outputs.push_back(Discarded { idle, quiet, why: Discard::NotKept });
            return;
        };
        let limit = keep.idle_limit(idle.hint);
        let end = lifetime_end(keep, self.seed, &idle);
        let quiet = quiet(&idle, now);
        let mut entry = Box::new(Entry { idle, learnt, limit, end, deadline: None });
        if let Some(why) = entry.overdue(now, quiet) {
            self.outputs.push_back(Discarded { idle: entry.idle, quiet, why });
            return;
        }
        entry.deadline = entry.due(now, quiet);
        let path = entry.idle.path.clone();
        self.insert(now, entry);
        let (per_path, total) = (self.limits.idle_per_host, self.limits.idle_total);
        self.shrink_path(now, &path, per_path.map_or(usize::MAX, to_usize), Discard::TooManyIdle);
        self.shrink(now, total.map_or(usize::MAX, to_usize), Discard::TooManyIdle);
    }

    /// Hands out a connection to `path` that may be used now, if there is one.
    pub fn take(&mut self, now: Instant, path: &PathName) -> Take<C> {
        self.handle_timeout(now);
        while let Some(id) = self.next(path) {
            let Some(entry) = self.remove_entry(id) else { break };
            let quiet = quiet(&entry.idle, now);
            // The kernel may know of less quiet than the deadline was made from, or of more.
            match entry.overdue(now, quiet) {
                Some(why) => self.outputs.push_back(Discarded { idle: entry.idle, quiet, why }),
                None => return self.judge(Taken { idle: entry.idle, quiet }),
            }
        }
        Take::Nothing
    }

    /// Removes a connection of which the caller noticed that it ended while it was idle. `None`: it
    /// is not on the shelf.
    pub fn remove(&mut self, now: Instant, id: ConnectionId) -> Option<Taken<C>> {
        let Entry { idle, .. } = *self.remove_entry(id)?;
        let quiet = quiet(&idle, now);
        Some(Taken { idle, quiet })
    }

    /// Applies a cap that the ledger changed to all connections of the path.
    pub fn heed(&mut self, now: Instant, path: &PathName, learnt: Cap) {
        self.handle_timeout(now);
        for id in self.ids(path) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.learnt = learnt;
            }
            self.settle(now, id);
        }
    }

    /// Discards those connections of the path that share the fate of one that died.
    pub fn discard_siblings(&mut self, now: Instant, path: &PathName, which: Siblings) {
        self.handle_timeout(now);
        for id in self.ids(path) {
            let shares = self.entries.get(&id).is_some_and(|entry| match which {
                Siblings::QuietFor(clock, pause) => quiet(&entry.idle, now).on(clock) >= pause,
                Siblings::All => true,
            });
            if shares {
                self.discard(now, id, Discard::SiblingDied);
            }
        }
    }

    /// Discards idle connections, the longest idle first, until those left and those in use are no
    /// more than the policy allows to the path and in all. To be called before a connection is
    /// opened, which counts as in use.
    pub fn make_room(&mut self, now: Instant, path: &PathName, in_use: InUse) {
        self.handle_timeout(now);
        let room = |limit: Option<u32>, in_use: usize| {
            limit.map_or(usize::MAX, |limit| to_usize(limit).saturating_sub(in_use))
        };
        let Limits { per_host, total, .. } = self.limits;
        self.shrink_path(now, path, room(per_host, in_use.path), Discard::MadeRoom);
        self.shrink(now, room(total, in_use.total), Discard::MadeRoom);
    }

    /// Discards all connections: to one path, or to all.
    pub fn drain(&mut self, now: Instant, path: Option<&PathName>) {
        self.handle_timeout(now);
        let ids = match path {
            Some(path) => self.ids(path),
            None => self.entries.keys().copied().collect(),
        };
        for id in ids {
            self.discard(now, id, Discard::Drained);
        }
    }

    /// Discards what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.settle(now, id);
        }
    }

    /// Returns the next connection to close.
    pub fn poll_output(&mut self) -> Option<Discarded<C>> {
        self.outputs.pop_front()
    }

    /// Tells whether there is a connection to close.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) next has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Returns the number of idle connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether no connection is idle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of idle connections to `path`.
    #[must_use]
    pub fn len_of(&self, path: &PathName) -> usize {
        self.paths.get(path).map_or(0, BTreeSet::len)
    }

    fn judge(&self, taken: Taken<C>) -> Take<C> {
        match self.keep.as_ref().map(|keep| keep.notice) {
            Some(Notice::WhenTaken { after }) if taken.quiet.since_data >= after => {
                Take::Validate(taken)
            }
            Some(Notice::WhenTaken { .. } | Notice::AtOnce | Notice::Never) | None => {
                Take::Use(taken)
            }
        }
    }

    /// Returns the connection of the path whose turn it is.
    fn next(&self, path: &PathName) -> Option<ConnectionId> {
        let ages = self.paths.get(path)?;
        let next = match self.keep.as_ref()?.order {
            Order::Lifo => ages.last(),
            Order::Fifo => ages.first(),
        };
        next.map(|&(_, id)| id)
    }

    fn ids(&self, path: &PathName) -> Vec<ConnectionId> {
        self.paths.get(path).into_iter().flatten().map(|&(_, id)| id).collect()
    }

    /// Discards a connection that is due, or gives it a new deadline.
    fn settle(&mut self, now: Instant, id: ConnectionId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let quiet = quiet(&entry.idle, now);
        if let Some(why) = entry.overdue(now, quiet) {
            self.discard(now, id, why);
            return;
        }
        if let Some(deadline) = entry.deadline.take() {
            self.deadlines.remove(&(deadline, id));
        }
        entry.deadline = entry.due(now, quiet);
        self.deadlines.extend(entry.deadline.map(|deadline| (deadline, id)));
    }

    fn shrink_path(&mut self, now: Instant, path: &PathName, max: usize, why: Discard) {
        while self.len_of(path) > max {
            let oldest = self.paths.get(path).and_then(BTreeSet::first);
            let Some(&(_, id)) = oldest else { break };
            self.discard(now, id, why);
        }
    }

    fn shrink(&mut self, now: Instant, max: usize, why: Discard) {
        while self.len() > max {
            let Some(&(_, id)) = self.ages.first() else { break };
            self.discard(now, id, why);
        }
    }

    fn discard(&mut self, now: Instant, id: ConnectionId, why: Discard) {
        if let Some(entry) = self.remove_entry(id) {
            let Entry { idle, .. } = *entry;
            let quiet = quiet(&idle, now);
            self.outputs.push_back(Discarded { idle, quiet, why });
        }
    }

    /// Puts an entry in. A number that is on the shelf already is a broken promise of the caller.
    fn insert(&mut self, now: Instant, entry: Box<Entry<C>>) {
        let (id, since) = (entry.idle.id, entry.idle.since);
        self.discard(now, id, Discard::Drained);
        self.ages.insert((since, id));
        self.paths.entry(&entry.idle.path).insert((since, id));
        self.deadlines.extend(entry.deadline.map(|deadline| (deadline, id)));
        self.entries.insert(id, entry);
    }

    fn remove_entry(&mut self, id: ConnectionId) -> Option<Box<Entry<C>>> {
        let entry = self.entries.remove(&id)?;
        let age = (entry.idle.since, id);
        self.ages.remove(&age);
        if let Some(ages) = self.paths.get_mut(&entry.idle.path) {
            ages.remove(&age);
        }
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        Some(entry)
    }
}

impl<C> Entry<C> {
    /// Returns why a connection that was quiet for so long may no longer be used, if so.
    fn overdue(&self, now: Instant, quiet: WireIdle) -> Option<Discard> {
        if self.limit.is_some_and(|limit| quiet.since_data >= limit) {
            return Some(Discard::IdleLimit);
        }
        if !self.learnt.admits(quiet) {
            return Some(Discard::LearntCap);
        }
        self.end.is_some_and(|end| end <= now).then_some(Discard::Lifetime)
    }

    /// Returns when the connection may no longer be used if it stays quiet.
    fn due(&self, now: Instant, quiet: WireIdle) -> Option<Instant> {
        let own = self.limit.map(|limit| limit.saturating_sub(quiet.since_data));
        let by_limits = least(own, self.learnt.remaining(quiet)).map(|left| now + left);
        by_limits.into_iter().chain(self.end).min()
    }
}

fn quiet<C: Wire>(idle: &Idle<C>, now: Instant) -> WireIdle {
    let seen = now.saturating_since(idle.since);
    idle.connection.wire_idle().unwrap_or(WireIdle::unprobed(seen))
}

/// Returns when the lifetime of a connection ends: the same whenever it is asked.
fn lifetime_end<C>(keep: &Keep, seed: u64, idle: &Idle<C>) -> Option<Instant> {
    let lifetime = keep.lifetime?;
    let jitter = u64::try_from(lifetime.jitter.as_nanos()).unwrap_or(u64::MAX);
    let sooner = Rng::new(seed.wrapping_add(idle.id.0)).below(jitter.saturating_add(1));
    Some(idle.born + lifetime.max.saturating_sub(Duration::from_nanos(sooner)))
}

fn to_usize(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
