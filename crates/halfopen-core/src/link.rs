//! A link: what lies between two hops, and remembers nothing of flows.
//!
//! It delays, loses, duplicates and reorders packets, and passes only so many bits a second, each
//! direction by itself. All chance is drawn when a packet enters, so that what happens to it does
//! not depend on when the driver calls. A packet that stands for several is cut up on the way in,
//! unless they would all travel together.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;

use serde::Deserialize;

use crate::deadline::is_due;
use crate::document::quantity;
use crate::hop::{Discard, Event, EventKind, Hop, Output, Side};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::wire::Packet;

/// How a link treats the packets of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default = "ideal")]
pub struct LinkConfig {
    /// How long a packet travels at least.
    #[serde(deserialize_with = "quantity::duration")]
    pub delay: Duration,
    /// How much longer it may travel, by chance. Packets keep their order all the same.
    #[serde(deserialize_with = "quantity::duration")]
    pub jitter: Duration,
    /// The chance that a packet is held back and overtaken: 0 to 1.
    #[serde(deserialize_with = "quantity::share")]
    pub reordering: f64,
    /// How much longer a packet that is held back travels.
    #[serde(deserialize_with = "quantity::duration")]
    pub held_back: Duration,
    /// The chance that a packet is lost: 0 to 1.
    #[serde(deserialize_with = "quantity::share")]
    pub loss: f64,
    /// The chance that a packet arrives twice: 0 to 1.
    #[serde(deserialize_with = "quantity::share")]
    pub duplication: f64,
    /// How much it carries in a given time; `None`: any amount.
    pub bandwidth: Option<Bandwidth>,
    /// The longest packet that it carries, in bytes with the IP header; `None`: any. Longer ones
    /// vanish, and nobody is told.
    pub mtu: Option<u16>,
    /// The most packets under way at a time; more are dropped as by a full queue.
    pub packets_max: usize,
}

/// How much a link carries in a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bandwidth {
    /// Bits a second.
    pub bits_per_second: NonZeroU64,
    /// How many bytes may wait for the line; a packet that would be more is dropped.
    pub queue: u64,
}

impl LinkConfig {
    /// A direction that passes everything at once.
    pub const IDEAL: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        reordering: 0.0,
        held_back: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
        bandwidth: None,
        mtu: None,
        packets_max: 1 << 16,
    };

    /// Returns a direction that delays and does nothing else.
    #[must_use]
    pub const fn delaying(delay: Duration) -> Self {
        Self { delay, ..Self::IDEAL }
    }
}

const fn ideal() -> LinkConfig {
    LinkConfig::IDEAL
}

/// A link.
#[derive(Debug)]
pub struct Link {
    outward: Line,
    inward: Line,
    outputs: VecDeque<Output>,
    now: Instant,
}

/// One direction of a link.
#[derive(Debug)]
struct Line {
    config: LinkConfig,
    rng: Rng,
    /// When the last bit of the last packet is on the line.
    free_at: Instant,
    /// When the last packet that keeps its order arrives.
    last_arrival: Instant,
    /// Packets under way. Of those that arrive together, the one that entered first comes first.
    under_way: BTreeMap<(Instant, u64), Packet>,
    /// How many packets those stand for.
    count: usize,
    entered: u64,
}

impl Link {
    /// Returns a link with both directions alike.
    #[must_use]
    pub fn new(config: LinkConfig, rng: Rng) -> Self {
        Self::asymmetric(config, config, rng)
    }

    /// Returns a link that treats packets going outward and inward differently.
    #[must_use]
    pub fn asymmetric(outward: LinkConfig, inward: LinkConfig, mut rng: Rng) -> Self {
        Self {
            outward: Line::new(outward, rng.fork()),
            inward: Line::new(inward, rng.fork()),
            outputs: VecDeque::new(),
            now: Instant::EPOCH,
        }
    }

    fn enter(&mut self, now: Instant, side: Side, packet: Packet) {
        let line = match side {
            Side::Inside => &mut self.outward,
            Side::Outside => &mut self.inward,
        };
        if let Err(why) = line.enter(now, packet) {
            let kind = EventKind::Discarded { side, why };
            self.outputs.push_back(Output::Event(Event { at: now, hop: 0, kind }));
        }
        self.advance(now);
    }

    /// Lets arrive what is due by `now`; of both directions, what is due first.
    fn advance(&mut self, now: Instant) {
        assert!(self.now <= now, "time went back from {:?} to {now:?}", self.now);
        self.now = now;
        while let Some(due) = self.poll_timeout().filter(|&due| is_due(due, now)) {
            let outward = self.outward.next_arrival() == Some(due);
            let (line, side) = if outward {
                (&mut self.outward, Side::Outside)
            } else {
                (&mut self.inward, Side::Inside)
            };
            if let Some((_, packet)) = line.under_way.pop_first() {
                line.count -= packet.count();
                self.outputs.push_back(Output::Packet(side, packet));
            }
        }
    }
}

impl Line {
    const fn new(config: LinkConfig, rng: Rng) -> Self {
        Self {
            config,
            rng,
            free_at: Instant::EPOCH,
            last_arrival: Instant::EPOCH,
            under_way: BTreeMap::new(),
            count: 0,
            entered: 0,
        }
    }

    /// Tells whether all that a packet stands for enters and leaves together, whatever chance
    /// does.
    fn passes_whole(&self, packet: &Packet) -> bool {
        let LinkConfig { jitter, reordering, loss, duplication, bandwidth, .. } = self.config;
        let nothing_is_left_to_chance =
            jitter.is_zero() && [reordering, loss, duplication].iter().all(|&chance| chance <= 0.0);
        nothing_is_left_to_chance
            && bandwidth.is_none()
            && self.config.mtu.is_none_or(|mtu| packet.longest() <= usize::from(mtu))
            && self.count + packet.count() <= self.config.packets_max
    }

    /// Takes a packet in, or tells why not.
    fn enter(&mut self, now: Instant, packet: Packet) -> Result<(), Discard> {
        if self.config.mtu.is_some_and(|mtu| packet.longest() > usize::from(mtu)) {
            return Err(Discard::TooBig);
        }
        let departure = self.depart(now, packet.total_len() as u64)?;
        if self.rng.chance(self.config.loss) {
            return Err(Discard::Lost);
        }
        if self.rng.chance(self.config.duplication) {
            self.travel(departure, packet.clone());
        }
        self.travel(departure, packet);
        Ok(())
    }

    /// Returns when a packet's last bit is on the line, if the queue takes it.
    fn depart(&mut self, now: Instant, length: u64) -> Result<Instant, Discard> {
        if self.count >= self.config.packets_max {
            return Err(Discard::QueueFull);
        }
        let Some(Bandwidth { bits_per_second, queue }) = self.config.bandwidth else {
            return Ok(now);
        };
        let bits = u128::from(bits_per_second.get());
        let waiting = self.free_at.saturating_since(now).as_nanos() * bits / 8_000_000_000;
        if waiting + u128::from(length) > u128::from(queue) {
            return Err(Discard::QueueFull);
        }
        let nanos = u128::from(length) * 8_000_000_000 / bits;
        let sending = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(now) + sending;
        Ok(self.free_at)
    }

    fn travel(&mut self, departure: Instant, packet: Packet) {
        let jitter = u64::try_from(self.config.jitter.as_nanos()).unwrap_or(u64::MAX);
        let extra = Duration::from_nanos(self.rng.below(jitter.saturating_add(1)));
        let mut arrival = departure + self.config.delay + extra;
        if self.rng.chance(self.config.reordering) {
            arrival = arrival + self.config.held_back;
        } else {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        self.count += packet.count();
        self.under_way.insert((arrival, self.entered), packet);
        self.entered += 1;
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|(&(arrival, _), _)| arrival)
    }
}

impl Hop for Link {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        self.advance(now);
        let line = match side {
            Side::Inside => &self.outward,
            Side::Outside => &self.inward,
        };
        if packet.count() == 1 || line.passes_whole(&packet) {
            self.enter(now, side, packet);
        } else {
            for packet in packet.into_segments() {
                self.enter(now, side, packet);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let arrivals = [self.outward.next_arrival(), self.inward.next_arrival()];
        arrivals.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
