//! When remembered things are due, exactly and at a constant cost.
//!
//! Things of one class have one timeout, so they become due in the order in which their timers were
//! last started. A list per class, to whose end a started thing moves, is therefore always sorted:
//! starting costs the same with a million things as with one, and the earliest deadline is that of
//! one of the heads.

use crate::time::{Duration, Instant};

/// Tells whether a deadline has come. A thing is dead *at* its deadline, not after it.
#[must_use]
pub const fn is_due(deadline: Instant, now: Instant) -> bool {
    deadline.as_nanos() <= now.as_nanos()
}

/// The timers of things that have small numbers for names and one of `CLASSES` classes.
#[derive(Debug)]
pub struct Deadlines<const CLASSES: usize> {
    timeouts: [Option<Duration>; CLASSES],
    /// The first `CLASSES` nodes are the ends of the lists: `next` is the head, `prev` the tail.
    /// A thing's node is at its number plus `CLASSES`; outside any list it points at itself.
    nodes: Vec<Node>,
    /// Nothing is due before this; `None`: nothing will ever be.
    quiet_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    started: Instant,
    prev: u32,
    next: u32,
}

impl<const CLASSES: usize> Deadlines<CLASSES> {
    /// Returns timers that expire after `timeouts`, by class; `None` is never.
    #[must_use]
    pub fn new(timeouts: [Option<Duration>; CLASSES]) -> Self {
        let mut deadlines = Self { timeouts, nodes: Vec::new(), quiet_until: None };
        deadlines.grow(CLASSES);
        deadlines
    }

    /// Starts the timer of a thing, which may be running, in a class. `now` must not decrease.
    pub fn start(&mut self, thing: u32, class: usize, now: Instant) {
        let index = node_of::<CLASSES>(thing);
        self.grow(index + 1);
        let last = self.nodes[class].prev;
        if last as usize != index {
            self.unlink(index);
            self.link_before(class, index);
        }
        self.nodes[index].started = now;
        if let Some(deadline) = self.timeouts[class].map(|timeout| now + timeout) {
            let earlier = self.quiet_until.is_none_or(|quiet_until| deadline < quiet_until);
            self.quiet_until = if earlier { Some(deadline) } else { self.quiet_until };
        }
    }

    /// Stops the timer of a thing, if it is running.
    pub fn stop(&mut self, thing: u32) {
        let index = node_of::<CLASSES>(thing);
        if index < self.nodes.len() {
            self.unlink(index);
        }
    }

    /// Returns the thing that was due first, if anything is due by `now`, with its deadline, and
    /// stops its timer. Of things due at the same time, lower classes come first.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, u32)> {
        self.quiet_until.filter(|&quiet_until| is_due(quiet_until, now))?;
        let earliest = self.earliest();
        self.quiet_until = earliest.map(|(deadline, _)| deadline);
        let (deadline, thing) = earliest.filter(|&(deadline, _)| is_due(deadline, now))?;
        self.stop(thing);
        Some((deadline, thing))
    }

    /// Returns when the next thing is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.earliest().map(|(deadline, _)| deadline)
    }

    /// Returns when the timer of a thing was last started.
    #[must_use]
    pub fn started(&self, thing: u32) -> Instant {
        self.nodes[node_of::<CLASSES>(thing)].started
    }

    /// Returns the thing of a class whose timer was started the longest ago.
    #[must_use]
    pub fn oldest(&self, class: usize) -> Option<u32> {
        thing_of::<CLASSES>(self.nodes[class].next)
    }

    fn earliest(&self) -> Option<(Instant, u32)> {
        let heads = self.timeouts.iter().enumerate().filter_map(|(class, timeout)| {
            let thing = self.oldest(class)?;
            Some((self.started(thing) + (*timeout)?, thing))
        });
        heads.min_by_key(|&(deadline, _)| deadline)
    }

    fn grow(&mut self, len: usize) {
        if len > self.nodes.capacity() {
            // A quarter at a time: doubling would leave up to half of a large list unused.
            self.nodes.reserve_exact(len + len / 4 + 64 - self.nodes.len());
        }
        while self.nodes.len() < len {
            let own = u32::try_from(self.nodes.len()).expect("fewer than 2^32 things");
            self.nodes.push(Node { started: Instant::EPOCH, prev: own, next: own });
        }
    }

    #[inline]
    fn unlink(&mut self, index: usize) {
        let Node { prev, next, .. } = self.nodes[index];
        self.nodes[prev as usize].next = next;
        self.nodes[next as usize].prev = prev;
        let own = number(index);
        self.nodes[index].prev = own;
        self.nodes[index].next = own;
    }

    #[inline]
    fn link_before(&mut self, next: usize, index: usize) {
        let prev = self.nodes[next].prev;
        let own = number(index);
        self.nodes[index].prev = prev;
        self.nodes[index].next = number(next);
        self.nodes[prev as usize].next = own;
        self.nodes[next].prev = own;
    }
}

const fn node_of<const CLASSES: usize>(thing: u32) -> usize {
    thing as usize + CLASSES
}

fn thing_of<const CLASSES: usize>(node: u32) -> Option<u32> {
    node.checked_sub(number(CLASSES))
}

#[expect(clippy::cast_possible_truncation, reason = "`grow` admits no index beyond u32")]
const fn number(index: usize) -> u32 {
    index as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const SHORT: usize = 0;
    const LONG: usize = 1;
    const NEVER: usize = 2;

    fn timers() -> Deadlines<3> {
        Deadlines::new([Some(Duration::from_secs(1)), Some(Duration::from_secs(5)), None])
    }

    fn at(seconds: u64) -> Instant {
        Instant::EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_thing_is_due_at_its_deadline_and_not_before() {
        let mut timers = timers();
        timers.start(7, LONG, at(10));
        assert_eq!(timers.next(), Some(at(15)));
        assert_eq!(timers.pop_due(Instant::from_nanos(14_999_999_999)), None);
        assert_eq!(timers.pop_due(at(15)), Some((at(15), 7)));
        assert_eq!((timers.next(), timers.pop_due(at(99))), (None, None));
    }

    #[test]
    fn a_started_timer_starts_again_in_its_new_class() {
        let mut timers = timers();
        timers.start(0, SHORT, at(0));
        timers.start(0, LONG, at(0));
        assert_eq!(timers.pop_due(at(4)), None);
        timers.start(0, NEVER, at(4));
        assert_eq!((timers.next(), timers.oldest(NEVER)), (None, Some(0)));
        timers.stop(0);
        assert_eq!(timers.oldest(NEVER), None);
    }

    #[test]
    fn things_come_due_as_in_a_plain_list_of_deadlines() {
        let mut rng = Rng::new(12);
        let (mut timers, mut plain) = (timers(), [None; 50]);
        let mut now = Instant::EPOCH;
        for _ in 0..20_000 {
            now = now + Duration::from_millis(rng.below(200));
            while let Some((deadline, thing)) = timers.pop_due(now) {
                assert_eq!(plain[thing as usize].take(), Some(deadline));
                assert!(plain.iter().flatten().all(|&other| other >= deadline));
            }
            assert!(plain.iter().flatten().all(|&deadline| deadline > now));
            assert_eq!(timers.next(), plain.iter().flatten().min().copied());
            let (thing, class) = (rng.index(50), rng.index(3));
            let number = u32::try_from(thing).unwrap();
            if rng.chance(0.1) {
                timers.stop(number);
                plain[thing] = None;
            } else {
                timers.start(number, class, now);
                let timeout = [Some(Duration::from_secs(1)), Some(Duration::from_secs(5)), None];
                plain[thing] = timeout[class].map(|timeout| now + timeout);
            }
        }
    }
}
