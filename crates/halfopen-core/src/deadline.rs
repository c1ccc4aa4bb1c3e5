//! When remembered things are due, exactly, and cheaply however many there are.
//!
//! Things of one class have one timeout, so they become due in the order in which their timers were
//! last started. A list per class, to whose end a started thing moves, is therefore always sorted,
//! and the earliest deadline is that of one of the heads.
//!
//! Moving touches three things that lie anywhere in memory, and most timers start again long before
//! they end. So a list is sorted only by *period*, a small part of the timeout: a timer that starts
//! again within the period moves nothing, and a period is put in order when its first thing may be
//! due.

use crate::time::{Duration, Instant};

/// Tells whether a deadline has come. A thing is dead *at* its deadline, not after it.
#[must_use]
pub const fn is_due(deadline: Instant, now: Instant) -> bool {
    deadline.as_nanos() <= now.as_nanos()
}

/// The timers of things that have small numbers for names and one of `CLASSES` classes.
///
/// When each timer was started, its owner knows and tells: it notes it beside what it knows of the
/// thing, which it has at hand when the thing shows up.
#[derive(Debug)]
pub struct Deadlines<const CLASSES: usize> {
    classes: [Class; CLASSES],
    /// The first `CLASSES` nodes are the ends of the lists: `next` is the head, `prev` the tail.
    /// A thing's node is at its number plus `CLASSES`; outside any list it points at itself.
    nodes: Vec<Node>,
    /// Nothing is due before this; `None`: nothing will ever be.
    quiet_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Class {
    timeout: Option<Duration>,
    /// The binary logarithm of the length of a period, in nanoseconds.
    period_bits: u32,
    /// Periods before this one are in the order of starting; things of a later one are in any.
    unordered_from: u64,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    prev: u32,
    next: u32,
}

impl Class {
    /// How many periods a timeout has, at least.
    const PERIODS: u128 = 16;

    fn new(timeout: Option<Duration>) -> Self {
        let period = timeout.map_or(1 << 30, |timeout| timeout.as_nanos() / Self::PERIODS);
        Self { timeout, period_bits: period.max(2).ilog2().min(63), unordered_from: 0 }
    }

    #[inline]
    const fn period(&self, started: Instant) -> u64 {
        started.as_nanos() >> self.period_bits
    }

    /// Returns a time before which no thing is due whose timer was started in this period.
    fn earliest_due(&self, started: Instant) -> Option<Instant> {
        let period = self.period(started);
        let is_ordered = period < self.unordered_from;
        let earliest =
            if is_ordered { started } else { Instant::from_nanos(period << self.period_bits) };
        self.timeout.map(|timeout| earliest + timeout)
    }
}

impl<const CLASSES: usize> Deadlines<CLASSES> {
    /// Returns timers that expire after `timeouts`, by class; `None` is never.
    #[must_use]
    pub fn new(timeouts: [Option<Duration>; CLASSES]) -> Self {
        let classes = timeouts.map(Class::new);
        let mut deadlines = Self { classes, nodes: Vec::new(), quiet_until: None };
        deadlines.grow(CLASSES);
        deadlines
    }

    /// Starts the timer of a thing, which may be running, in a class. The owner notes `now`, which
    /// must not decrease.
    pub fn start(&mut self, thing: u32, class: usize, now: Instant) {
        let index = node_of::<CLASSES>(thing);
        self.grow(index + 1);
        self.unlink(index);
        self.link_before(class, index);
        if let Some(deadline) = self.classes[class].earliest_due(now) {
            let earlier = self.quiet_until.is_none_or(|quiet_until| deadline < quiet_until);
            self.quiet_until = if earlier { Some(deadline) } else { self.quiet_until };
        }
    }

    /// Starts the timer of a thing again, which is running in this class since `started`.
    #[inline]
    pub fn restart(&mut self, thing: u32, class: usize, started: &mut Instant, now: Instant) {
        let Class { unordered_from, .. } = self.classes[class];
        let period = self.classes[class].period(now);
        if self.classes[class].period(*started) != period || period < unordered_from {
            self.start(thing, class, now);
        }
        *started = now;
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
    #[inline]
    pub fn pop_due(
        &mut self,
        now: Instant,
        started: impl Fn(u32) -> Instant,
    ) -> Option<(Instant, u32)> {
        self.quiet_until.filter(|&quiet_until| is_due(quiet_until, now))?;
        self.find_due(now, started)
    }

    fn find_due(
        &mut self,
        now: Instant,
        started: impl Fn(u32) -> Instant,
    ) -> Option<(Instant, u32)> {
        loop {
            let earliest = self.earliest(&started);
            self.quiet_until = earliest.map(|(deadline, _)| deadline);
            let (deadline, class) = earliest.filter(|&(deadline, _)| is_due(deadline, now))?;
            if !self.put_in_order(class, &started) {
                let thing = self.head(class)?;
                self.stop(thing);
                return Some((deadline, thing));
            }
        }
    }

    /// Returns a time by which [`pop_due`](Self::pop_due) is to be called: not after the first
    /// deadline, and before it by a sixteenth of its timeout at most.
    #[must_use]
    pub fn next(&self, started: impl Fn(u32) -> Instant) -> Option<Instant> {
        self.earliest(started).map(|(deadline, _)| deadline)
    }

    /// Returns the thing of a class whose timer was started the longest ago.
    pub fn oldest(&mut self, class: usize, started: impl Fn(u32) -> Instant) -> Option<u32> {
        self.put_in_order(class, started);
        self.head(class)
    }

    /// Returns the class of which a thing may be due first, and when.
    fn earliest(&self, started: impl Fn(u32) -> Instant) -> Option<(Instant, usize)> {
        let heads = self.classes.iter().enumerate().filter_map(|(number, class)| {
            let deadline = class.earliest_due(started(self.head(number)?))?;
            Some((deadline, number))
        });
        heads.min_by_key(|&(deadline, _)| deadline)
    }

    /// Puts the things of the earliest period in the order of starting, or tells that they are.
    fn put_in_order(&mut self, class: usize, started: impl Fn(u32) -> Instant) -> bool {
        let Some(head) = self.head(class) else { return false };
        let period = self.classes[class].period(started(head));
        if period < self.classes[class].unordered_from {
            return false;
        }
        let mut things = Vec::new();
        while let Some(head) = self.head(class) {
            let started = started(head);
            if self.classes[class].period(started) != period {
                break;
            }
            things.push((started, head));
            self.stop(head);
        }
        things.sort_unstable();
        let mut next = self.nodes[class].next as usize;
        for (_, thing) in things.into_iter().rev() {
            let index = node_of::<CLASSES>(thing);
            self.link_before(next, index);
            next = index;
        }
        self.classes[class].unordered_from = period + 1;
        true
    }

    fn head(&self, class: usize) -> Option<u32> {
        thing_of::<CLASSES>(self.nodes[class].next)
    }

    fn grow(&mut self, len: usize) {
        if len > self.nodes.capacity() {
            // A quarter at a time: doubling would leave up to half of a large list unused.
            self.nodes.reserve_exact(len + len / 4 + 64 - self.nodes.len());
        }
        while self.nodes.len() < len {
            let own = u32::try_from(self.nodes.len()).expect("fewer than 2^32 things");
            self.nodes.push(Node { prev: own, next: own });
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
        assert!(timers.next(|_| at(10)) <= Some(at(15)));
        assert_eq!(timers.pop_due(Instant::from_nanos(14_999_999_999), |_| at(10)), None);
        assert_eq!(timers.pop_due(at(15), |_| at(10)), Some((at(15), 7)));
        assert_eq!((timers.next(|_| at(10)), timers.pop_due(at(99), |_| at(10))), (None, None));
    }

    #[test]
    fn a_started_timer_starts_again_in_its_new_class() {
        let mut timers = timers();
        timers.start(0, SHORT, at(0));
        timers.start(0, LONG, at(0));
        assert_eq!(timers.pop_due(at(4), |_| at(0)), None);
        timers.start(0, NEVER, at(4));
        assert_eq!((timers.next(|_| at(4)), timers.oldest(NEVER, |_| at(4))), (None, Some(0)));
        timers.stop(0);
        assert_eq!(timers.oldest(NEVER, |_| at(4)), None);
    }

    #[test]
    fn things_come_due_as_in_a_plain_list_of_deadlines() {
        let timeouts = [Some(Duration::from_secs(1)), Some(Duration::from_secs(5)), None];
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let mut timers = timers();
            // When each was started, and in which class if it is running.
            let mut plain = [(Instant::EPOCH, None); 50];
            let deadline = |&(started, class): &(Instant, Option<usize>)| {
                timeouts[class?].map(|timeout| started + timeout)
            };
            let mut now = Instant::EPOCH;
            let pause = 1 << rng.below(30);
            for _ in 0..2_000 {
                now = now + Duration::from_nanos(rng.below(pause));
                while let Some((due, thing)) = timers.pop_due(now, |it| plain[it as usize].0) {
                    let thing = &mut plain[thing as usize];
                    assert_eq!(deadline(thing), Some(due), "seed {seed}");
                    thing.1 = None;
                    assert!(plain.iter().filter_map(deadline).all(|other| other >= due));
                }
                let earliest = plain.iter().filter_map(deadline).min();
                assert!(earliest.is_none_or(|earliest| earliest > now), "seed {seed}");
                let next = timers.next(|it| plain[it as usize].0);
                assert!(next <= earliest && next.is_some() == earliest.is_some(), "seed {seed}");
                assert!(next.is_none_or(|next| next > now), "seed {seed}");
                let (thing, class) = (rng.index(50), rng.index(3));
                let number = u32::try_from(thing).unwrap();
                let (started, running) = &mut plain[thing];
                match (rng.below(10), *running) {
                    (0, _) => {
                        timers.stop(number);
                        *running = None;
                    }
                    (1..6, Some(class)) => timers.restart(number, class, started, now),
                    _ => {
                        timers.start(number, class, now);
                        plain[thing] = (now, Some(class));
                    }
                }
                if rng.chance(0.05) {
                    let oldest = timers.oldest(class, |it| plain[it as usize].0);
                    let oldest = oldest.map(|thing| plain[thing as usize].0);
                    let all = plain.iter().filter(|(_, its)| *its == Some(class));
                    assert_eq!(oldest, all.map(|&(started, _)| started).min(), "seed {seed}");
                }
            }
        }
    }
}
