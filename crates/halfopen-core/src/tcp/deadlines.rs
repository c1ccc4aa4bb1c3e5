//! When each connection next has something to do.

use crate::time::Instant;

/// One deadline a slot, and the earliest of them.
///
/// A binary heap that knows where each slot is, so that changing a deadline costs O(log n), most
/// often O(1), and nothing stale is left behind. Equal deadlines fall due by slot.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: Vec<(Instant, u32)>,
    /// Where a slot is in the heap, plus one; zero if it is not.
    places: Vec<u32>,
}

impl Deadlines {
    /// Returns the earliest deadline and whose it is.
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.first().copied()
    }

    /// Sets or clears the deadline of a slot.
    pub(super) fn set(&mut self, slot: u32, at: Option<Instant>) {
        let index = slot as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, 0);
        }
        match (self.places[index], at) {
            (0, None) => {}
            (0, Some(at)) => {
                self.heap.push((at, slot));
                self.rise(self.heap.len() - 1);
            }
            (place, Some(at)) => {
                let place = place as usize - 1;
                if self.heap[place].0 != at {
                    self.heap[place].0 = at;
                    self.settle(place);
                }
            }
            (place, None) => {
                let place = place as usize - 1;
                self.places[index] = 0;
                self.heap.swap_remove(place);
                if place < self.heap.len() {
                    self.settle(place);
                }
            }
        }
    }

    fn settle(&mut self, place: usize) {
        let place = self.rise(place);
        self.sink(place);
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place);
            place = parent;
        }
        self.note(place);
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            let right = left + 1;
            if left >= self.heap.len() {
                break;
            }
            let lower = if right < self.heap.len() && self.heap[right] < self.heap[left] {
                right
            } else {
                left
            };
            if self.heap[place] <= self.heap[lower] {
                break;
            }
            self.heap.swap(place, lower);
            self.note(place);
            place = lower;
        }
        self.note(place);
    }

    fn note(&mut self, place: usize) {
        let slot = self.heap[place].1 as usize;
        self.places[slot] = u32::try_from(place + 1).expect("no more deadlines than slots");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_earliest_deadline_is_that_of_an_ordered_map() {
        let mut rng = Rng::new(11);
        let (mut heap, mut model) = (Deadlines::default(), BTreeMap::new());
        for _ in 0..20_000 {
            let slot = u32::try_from(rng.below(200)).unwrap();
            let at = rng.chance(0.7).then(|| Instant::from_nanos(rng.below(1_000)));
            heap.set(slot, at);
            match at {
                Some(at) => model.insert(slot, at),
                None => model.remove(&slot),
            };
            let earliest = model.iter().map(|(slot, at)| (*at, *slot)).min();
            assert_eq!(heap.first(), earliest);
        }
    }
}
