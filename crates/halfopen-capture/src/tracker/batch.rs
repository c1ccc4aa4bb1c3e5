//! Many packets at once.
//!
//! With many connections each packet waits for memory: for a slot of the index, then for a
//! timeline. For a batch, all slots are asked for before any is needed, then all timelines, so that
//! the waits overlap.

use core::hint::black_box;

use halfopen_core::flow::Protocol;
use halfopen_core::time::Instant;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::Header;

use super::Tracker;
use super::index::Hash;
use crate::clock::Moment;
use crate::sighting::Sighting;
use crate::timeline::{End, Mark};
use crate::tunnel;

/// As many as fit in the fastest cache together with their timelines.
const BATCH_MAX: usize = 32;

/// A segment that waits for its turn.
struct Waiting<'a> {
    hash: Hash,
    number: u64,
    moment: Moment,
    view: View<'a>,
    tcp: Header,
}

impl Tracker {
    /// Takes packets of the capture as [`take`](Self::take) does, and faster than one by one: the
    /// number, the stamp and the content of each.
    pub fn take_all<'a>(
        &mut self,
        packets: impl IntoIterator<Item = (u64, Option<Instant>, View<'a>)>,
    ) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        for (number, stamp, view) in packets {
            let moment = self.read_clock(stamp);
            let view = tunnel::innermost(view);
            match view.protocol() {
                Protocol::Tcp => {
                    let Some(tcp) = view.tcp() else { continue };
                    let (src, dst) = End::of_segment(view, &tcp);
                    let hash = self.index.hash(src, dst);
                    batch.push(Waiting { hash, number, moment, view, tcp });
                    if batch.len() == BATCH_MAX {
                        self.take_batch(&mut batch);
                    }
                }
                Protocol::Icmp => {
                    // What it speaks of may be opened by a segment that waits.
                    self.take_batch(&mut batch);
                    self.take_icmp(view, Mark::new(moment.at, number));
                }
                Protocol::Udp | Protocol::Other(_) => {}
            }
        }
        self.take_batch(&mut batch);
    }

    fn take_batch(&mut self, batch: &mut Vec<Waiting<'_>>) {
        self.fetch(batch);
        for &Waiting { hash, number, moment, view, tcp } in &*batch {
            self.take_segment(&Sighting::new(view, tcp, number, moment), hash);
        }
        batch.clear();
    }

    /// Has the memory fetched that the segments of a batch need.
    fn fetch(&self, batch: &[Waiting<'_>]) {
        let touched = batch.iter().map(|waiting| self.index.touch(waiting.hash));
        black_box(touched.fold(0, u32::wrapping_add));
        let probably = |waiting: &Waiting<'_>| self.index.find(waiting.hash, |_| true);
        let timelines = batch.iter().filter_map(probably);
        let touched = timelines.map(|index| self.timelines[index as usize].touch());
        black_box(touched.fold(0, u32::wrapping_add));
    }
}
