//! Many packets at once.
//!
//! With many connections each packet waits for memory: for a slot of the index, then for a
//! timeline. For a batch, all slots are asked for before any is needed, then all timelines, so that
//! the waits overlap.

use core::hint::black_box;

use halfopen_core::time::Instant;
use halfopen_core::wire::View;

use super::Tracker;
use super::index::Hash;
use crate::clock::Moment;
use crate::sighting::Sighting;
use crate::stretch::{Item, Stretch, What};
use crate::timeline::Mark;

/// As many as fit in the fastest cache together with their timelines.
const BATCH_MAX: usize = 32;

/// What is known of a packet before its turn.
#[derive(Clone, Copy)]
struct Waiting {
    moment: Moment,
    hash: Hash,
    /// Where its timeline probably is.
    place: Option<u32>,
}

impl Tracker {
    /// Takes packets of the capture as [`take`](Self::take) does, and faster than one by one: the
    /// number, the stamp and the content of each.
    pub fn take_all<'a>(
        &mut self,
        packets: impl IntoIterator<Item = (u64, Option<Instant>, View<'a>)>,
    ) {
        let mut packets = packets.into_iter();
        let (mut items, mut bytes) = (Vec::new(), Vec::new());
        loop {
            items.clear();
            bytes.clear();
            for (number, stamp, view) in packets.by_ref().take(BATCH_MAX) {
                items.push(Item::of(number, stamp, view, |part| {
                    bytes.push(part);
                    (0, 0)
                }));
            }
            if items.is_empty() {
                return;
            }
            self.take_batch(0, items.iter().zip(bytes.iter().copied()));
        }
    }

    /// Takes all packets of a stretch, whose frames are numbered from `base + 1`.
    pub(crate) fn take_stretch(&mut self, base: u64, stretch: &Stretch) {
        for items in stretch.items().chunks(BATCH_MAX) {
            self.take_batch(base, items.iter().map(|item| (item, stretch.bytes(item))));
        }
    }

    /// Takes packets, no more than [`BATCH_MAX`], and the bytes of each.
    #[inline]
    pub(super) fn take_batch<'a>(
        &mut self,
        base: u64,
        packets: impl Iterator<Item = (&'a Item, &'a [u8])> + Clone,
    ) {
        let nothing = Waiting { moment: Moment::NONE, hash: Hash::NONE, place: None };
        let mut waiting = [nothing; BATCH_MAX];
        self.look_up(packets.clone().map(|(item, _)| item), &mut waiting);
        for ((item, bytes), waiting) in packets.zip(&waiting) {
            let mark = Mark::new(waiting.moment.at, base + item.number);
            match &item.what {
                What::Segment(facts) => {
                    let era = waiting.moment.era;
                    let seen = Sighting { facts, mark, era, payload: bytes };
                    self.take_segment(&seen, waiting.hash, waiting.place);
                }
                What::Icmp { wire_len } => {
                    if let Ok(view) = View::parse(bytes, *wire_len as usize) {
                        self.take_icmp(view, mark);
                    }
                }
                What::Other => {}
            }
        }
    }

    /// Reads the clock for packets, and has the memory fetched that they need.
    #[inline]
    fn look_up<'a>(
        &mut self,
        items: impl Iterator<Item = &'a Item>,
        all: &mut [Waiting; BATCH_MAX],
    ) {
        let (mut touched, mut count) = (0_u32, 0);
        for (item, waiting) in items.zip(all.iter_mut()) {
            waiting.moment = self.read_clock(item.stamp);
            if let What::Segment(facts) = &item.what {
                waiting.hash = self.index.hash(facts.src, facts.dst);
                touched = touched.wrapping_add(self.index.touch(waiting.hash));
            }
            count += 1;
        }
        for waiting in all.iter_mut().take(count).filter(|it| it.hash != Hash::NONE) {
            waiting.place = self.index.find(waiting.hash, |_| true);
            if let Some(place) = waiting.place {
                touched = touched.wrapping_add(self.timelines[place as usize].touch());
            }
        }
        black_box(touched);
    }
}
