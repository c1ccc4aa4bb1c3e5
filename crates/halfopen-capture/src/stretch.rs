//! A stretch of a capture: packets that were read and not yet judged.
//!
//! Reading needs no memory of what came before, judging does. So what is read is handed over in
//! stretches that own their bytes: one thread may read while another judges, and several captures
//! may be read at once. Judged in the order of the capture, they give what one thread gives.

use std::sync::Arc;

use halfopen_core::flow::Protocol;
use halfopen_core::time::Instant;
use halfopen_core::wire::View;

use crate::frame::{NotIp, network_layer};
use crate::pcap::{Error, Frame, Link};
use crate::sighting::Facts;
use crate::tracker::Tracker;
use crate::tunnel;

/// Packets of one capture that follow each other, and what ended it if it ended there.
#[derive(Debug, Default)]
pub struct Stretch {
    /// What the items' bytes are in. It may be shared with other stretches, but not written to.
    window: Arc<Vec<u8>>,
    items: Vec<Item>,
    pub(crate) tally: Tally,
    /// The time of the first frame, if there is a frame and it has one.
    pub(crate) starts: Option<Instant>,
    /// How the capture ended, if this is the last stretch of it.
    pub(crate) end: Option<End>,
}

/// How a capture ended.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// What ended the reading before the end of the capture.
    pub(crate) broken: Option<Error>,
    pub(crate) stopped: bool,
}

/// What was counted while a stretch was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// The number of the last frame; zero if there is none.
    pub(crate) last_frame: u64,
    pub(crate) packets: u64,
    pub(crate) not_ip: u64,
    pub(crate) malformed: u64,
    pub(crate) unfollowed: Option<Link>,
    /// The first time stamp.
    pub(crate) first: Option<Instant>,
}

/// An IP packet, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) number: u64,
    pub(crate) stamp: Option<Instant>,
    /// Where its bytes are in the window: the payload of a segment, the packet of an ICMP message.
    bytes: (u32, u32),
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Segment(Facts),
    Icmp {
        wire_len: u32,
    },
    /// What only moves the clock.
    Other,
}

/// Gives out a capture, stretch by stretch.
pub trait Supply {
    /// Returns the next stretch; `None` after the last. The first has the frames that tell which
    /// capture this one continues.
    fn supply(&mut self) -> Option<&mut Stretch>;
}

impl Stretch {
    /// Returns a stretch without a packet, with which a capture ends that the user stopped.
    #[must_use]
    pub fn stopped() -> Self {
        Self { end: Some(End { broken: None, stopped: true }), ..Self::default() }
    }

    /// Forgets all, and keeps the room for packets but not their bytes.
    pub fn clear(&mut self) {
        let mut items = core::mem::take(&mut self.items);
        items.clear();
        *self = Self { items, ..Self::default() };
    }

    /// Adds frames, whose bytes are all in `window`.
    pub(crate) fn add<'a>(
        &mut self,
        window: &Arc<Vec<u8>>,
        frames: impl Iterator<Item = Frame<'a>>,
    ) {
        self.window = Arc::clone(window);
        for Frame { number, at, link, bytes, wire_len, .. } in frames {
            self.tally.last_frame = number;
            self.tally.first = self.tally.first.or(at);
            let Some(view) = self.tally.packet(link, bytes, wire_len) else { continue };
            self.items.push(Item::of(number, at, view, |bytes| place(window, bytes)));
        }
    }

    /// Tells whether a capture that begins so starts with what `tracker` has seen: most segments
    /// that belong to connections which it knows are old. So they show the same traffic, however
    /// their clocks differ.
    pub(crate) fn repeats(&self, tracker: &Tracker) -> bool {
        let (mut old, mut new) = (0, 0);
        for item in &self.items {
            let What::Segment(facts) = &item.what else { continue };
            match tracker.has_seen(facts) {
                Some(true) => old += 1,
                Some(false) => new += 1,
                None => {}
            }
        }
        old > new
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Returns the bytes of an item.
    #[inline]
    pub(crate) fn bytes(&self, item: &Item) -> &[u8] {
        let (start, end) = item.bytes;
        self.window.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl Tally {
    /// Returns the packet in a frame, and counts it.
    #[inline]
    fn packet<'a>(&mut self, link: Link, bytes: &'a [u8], wire_len: usize) -> Option<View<'a>> {
        let ip = match network_layer(link, bytes, wire_len) {
            Ok(ip) => ip,
            Err(reason) => {
                self.not_ip += 1;
                if let NotIp::Link(link) = reason {
                    self.unfollowed = Some(link);
                }
                return None;
            }
        };
        let view = View::parse(ip.bytes, ip.wire_len).ok();
        *if view.is_some() { &mut self.packets } else { &mut self.malformed } += 1;
        view
    }
}

impl Item {
    /// Returns what a packet is, or the innermost that it carries; `place` says where the bytes are
    /// that say more.
    #[inline]
    pub(crate) fn of<'a>(
        number: u64,
        stamp: Option<Instant>,
        view: View<'a>,
        place: impl FnOnce(&'a [u8]) -> (u32, u32),
    ) -> Self {
        let view = tunnel::innermost(view);
        match (view.protocol(), view.tcp()) {
            (Protocol::Tcp, Some(tcp)) => {
                let bytes = place(view.payload());
                Self { number, stamp, bytes, what: What::Segment(Facts::new(view, tcp)) }
            }
            (Protocol::Icmp, _) => {
                let wire_len = u32::try_from(view.wire_len()).unwrap_or(u32::MAX);
                Self { number, stamp, bytes: place(view.bytes()), what: What::Icmp { wire_len } }
            }
            (Protocol::Tcp | Protocol::Udp | Protocol::Other(_), _) => {
                Self { number, stamp, bytes: place(&[]), what: What::Other }
            }
        }
    }
}

/// Returns where in the window a part of it is; a window is shorter than 4 GiB, for frames are.
#[inline]
fn place(window: &[u8], part: &[u8]) -> (u32, u32) {
    let start = part.as_ptr().addr().wrapping_sub(window.as_ptr().addr());
    let end = start.wrapping_add(part.len());
    (u32::try_from(start).unwrap_or(0), u32::try_from(end).unwrap_or(0))
}
