//! Where the timeline of a connection is, by its ends.
//!
//! A table of hashes and places, open-addressed. It never looks at a timeline: neither to grow, nor
//! to say where one probably is. So many packets can be looked up at once, and the memory they
//! wait for is fetched together.

use halfopen_core::rng::Rng;

use crate::timeline::End;

/// The hash of a connection's ends, alike for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash(u32);

impl Hash {
    /// The hash of nothing, which a connection's may be too.
    pub(super) const NONE: Self = Self(0);
}

/// Places of timelines by the hash of their ends.
#[derive(Debug)]
pub(super) struct Index {
    seeds: [u64; 2],
    /// A quarter at least is empty. Their number is a power of two or one and a half times that, so
    /// that no more than a good half of them is.
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    place: u32,
}

/// No timeline has this place.
const EMPTY: Slot = Slot { hash: 0, place: u32::MAX };
const SLOTS_MIN: usize = 64;

impl Index {
    /// Returns an index that is empty. `seed` keeps those who write captures from choosing
    /// addresses whose hashes are alike.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self { seeds: [rng.bits(), rng.bits()], slots: vec![EMPTY; SLOTS_MIN], used: 0 }
    }

    /// Adds a place, which must not be `u32::MAX`.
    pub(super) fn insert(&mut self, hash: Hash, place: u32) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let slot = self.probe(hash).find(|&at| self.slots[at].place == EMPTY.place);
        self.slots[slot.expect("a quarter is empty")] = Slot { hash: hash.0, place };
        self.used += 1;
    }

    /// Removes a place, if it is there, and moves those up that it had displaced.
    pub(super) fn remove(&mut self, hash: Hash, place: u32) {
        let mut run = self.probe(hash).take_while(|&at| self.slots[at].place != EMPTY.place);
        let Some(mut gap) = run.find(|&at| self.slots[at].place == place) else { return };
        for at in self.probe_from(gap).skip(1) {
            let slot = self.slots[at];
            if slot.place == EMPTY.place {
                break;
            }
            let past =
                |from: usize| if at < from { at + self.slots.len() - from } else { at - from };
            if past(self.home(slot.hash)) >= past(gap) {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = EMPTY;
        self.used -= 1;
    }

    #[cold]
    fn grow(&mut self) {
        let count = self.slots.len();
        let more = if count.is_power_of_two() { count / 2 * 3 } else { count / 3 * 4 };
        let grown = vec![EMPTY; more];
        let old = core::mem::replace(&mut self.slots, grown);
        self.used = 0;
        for slot in old.into_iter().filter(|slot| slot.place != EMPTY.place) {
            self.insert(Hash(slot.hash), slot.place);
        }
    }

    /// Returns the place with this hash of which `is` says that it is the one.
    #[inline]
    pub(super) fn find(&self, hash: Hash, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash.0);
        loop {
            let slot = self.slots[at];
            if slot.hash == hash.0 && slot.place != EMPTY.place && is(slot.place) {
                return Some(slot.place);
            }
            if slot.place == EMPTY.place {
                return None;
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    /// Returns some of what is where the search for a hash begins, so that it is fetched.
    #[inline]
    pub(super) fn touch(&self, hash: Hash) -> u32 {
        self.slots[self.home(hash.0)].place
    }

    #[inline]
    pub(super) fn hash(&self, a: End, b: End) -> Hash {
        let one = |end: End| {
            let (high, low, port) = end.words();
            let (x, y) = (low ^ self.seeds[0], (high ^ u64::from(port) << 48) ^ self.seeds[1]);
            let product = u128::from(x) * u128::from(y);
            let word = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
            word(product) ^ word(product >> 64)
        };
        Hash(u32::try_from(one(a).wrapping_add(one(b)) >> 32).unwrap_or(0))
    }

    /// Returns the slot where the search for a hash begins.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        let scaled = (u64::from(hash) * self.slots.len() as u64) >> 32;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// Returns the slots where a hash may be, in the order in which they are tried.
    fn probe(&self, hash: Hash) -> impl Iterator<Item = usize> + use<> {
        self.probe_from(self.home(hash.0))
    }

    fn probe_from(&self, first: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.slots.len();
        (first..count).chain(0..first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few hashes, so that many are displaced.
    fn any_hash(rng: &mut Rng) -> Hash {
        let spread = 1 << rng.below(12);
        Hash((u32::try_from(rng.below(spread)).unwrap() << 20).wrapping_sub(8 << 20))
    }

    #[test]
    fn what_was_inserted_and_not_removed_is_found() {
        let mut rng = Rng::new(7);
        let (mut index, mut model) = (Index::new(0), Vec::new());
        for place in 0..5_000_u32 {
            if rng.chance(0.4) && !model.is_empty() {
                let (hash, place) = model.swap_remove(rng.index(model.len()));
                index.remove(hash, place);
                assert_eq!(index.find(hash, |other| other == place), None);
            } else {
                let hash = any_hash(&mut rng);
                index.insert(hash, place);
                model.push((hash, place));
            }
            assert_eq!(index.used, model.len());
        }
        for (hash, place) in model {
            assert_eq!(index.find(hash, |other| other == place), Some(place), "{hash:?}");
        }
    }

    #[test]
    fn both_directions_have_one_hash_and_two_connections_two() {
        let index = Index::new(1);
        let end = |text: &str| End::new(text.parse().unwrap());
        let (a, b, c) = (end("10.0.0.1:1000"), end("[2001:db8::1]:443"), end("10.0.0.1:1001"));
        assert_eq!(index.hash(a, b), index.hash(b, a));
        assert_ne!(index.hash(a, b), index.hash(c, b));
    }
}
