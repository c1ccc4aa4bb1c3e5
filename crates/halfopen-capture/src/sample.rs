//! Segments that every point of a path keeps alike, so that two captures can be compared.
//!
//! Which ones are kept follows from what no gateway changes, so that points that know nothing of
//! each other keep the same ones, in bounded memory (Duffield and Grossglauser, "Trajectory
//! Sampling for Direct Traffic Observation", 2000).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use halfopen_core::time::Instant;
use halfopen_core::wire::tcp::{Flags, Header};

use crate::sighting::Sighting;
use crate::timeline::Sender;

/// So many segments are kept of a capture, however long it is.
const KEPT_MAX: usize = 4096;

/// Segments that a point has seen, by what they are known by at any other.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Keys above are not kept.
    most: u64,
    passages: BTreeMap<u64, Passage>,
}

/// A segment that came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) at: Instant,
    pub(crate) era: u32,
    pub(crate) from: Sender,
    /// It came by more than once, so that it is not known which time was which.
    pub(crate) again: bool,
}

impl Default for Sample {
    fn default() -> Self {
        Self { most: u64::MAX, passages: BTreeMap::new() }
    }
}

impl Sample {
    /// Takes a segment of which its capture shows one copy.
    #[inline]
    pub(crate) fn take(&mut self, from: Sender, seen: &Sighting<'_>) {
        // Boxes forge resets, and bare acknowledgments look alike.
        if seen.seq_len() == 0 || seen.is(Flags::RST) {
            return;
        }
        let key = key(&seen.tcp, seen.len);
        if key <= self.most {
            self.keep(key, Passage { at: seen.mark.at(), era: seen.era, from, again: false });
        }
    }

    fn keep(&mut self, key: u64, passage: Passage) {
        match self.passages.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().again = true,
            Entry::Vacant(place) => _ = place.insert(passage),
        }
        if self.passages.len() > KEPT_MAX {
            self.most /= 2;
            self.passages.split_off(&(self.most + 1));
        }
    }

    /// Tells whether a segment with something in it came by.
    pub(crate) fn has(&self, tcp: &Header, len: u32) -> bool {
        self.passages.contains_key(&key(tcp, len))
    }

    /// Returns when clients sent something, as far as it is kept, in order.
    pub(crate) fn moments(&self) -> Vec<Instant> {
        let sent = self.passages.values().filter(|passage| passage.from == Sender::Client);
        let mut moments: Vec<Instant> = sent.map(|passage| passage.at).collect();
        moments.sort_unstable();
        moments
    }

    /// Returns the segments that came by once at either point, as each saw them.
    pub(crate) fn shared(&self, other: &Self) -> Vec<(Passage, Passage)> {
        let pair = |(key, one): (&u64, &Passage)| Some((*one, *other.passages.get(key)?));
        let once = |(one, other): &(Passage, Passage)| !one.again && !other.again;
        self.passages.iter().filter_map(pair).filter(once).collect()
    }
}

/// Returns what a segment is known by at any point: its numbers, which no gateway changes. Mixed as
/// in `SplitMix64`, so that each is as likely to be kept.
fn key(tcp: &Header, len: u32) -> u64 {
    let flags = tcp.flags.0 & (Flags::SYN | Flags::FIN).0;
    let numbers = u64::from(tcp.seq.0) << 32 | u64::from(tcp.ack.0);
    let rest = u64::from(len) << 8 | u64::from(flags);
    let mixed = numbers ^ rest.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
