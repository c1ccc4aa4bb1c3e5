//! What crosses the client's end of the path.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use halfopen_core::hop::Side;
use halfopen_core::seq::Seq;
use halfopen_core::tap::Tap;
use halfopen_core::time::Instant;
use halfopen_core::wire::Packet;
use halfopen_core::wire::tcp::Flags;

/// Of what a client sends so many packets are kept; it has two requests to make.
const KEPT_MAX: usize = 1 << 12;

/// A packet of the client's connections that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) at: Instant,
    /// The client's end of the connection.
    pub(super) connection: SocketAddr,
    /// Where it came from.
    pub(super) from: Side,
    pub(super) kind: Kind,
}

/// What a packet means. What is sent once more means nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It carries data.
    Data,
    /// Whoever sent it has no more to send, or wants to hear no more.
    End,
}

/// All that was seen, in the order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(pub(super) Vec<Sighting>);

impl Seen {
    /// Returns when the client first sent data after a time.
    pub(super) fn sent_after(&self, time: Instant) -> Option<Instant> {
        let sent = |one: &&Sighting| one.from == Side::Inside && one.kind == Kind::Data;
        self.0.iter().filter(sent).map(|one| one.at).find(|&at| at > time)
    }
}

/// A tap that keeps what it sees. Clones see the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    /// Where each connection's data ends, either way. What comes before was seen already.
    ends: BTreeMap<(SocketAddr, Side), Seq>,
}

impl Watch {
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tap for Watch {
    fn see(&mut self, now: Instant, toward: Side, packet: &Packet) {
        let view = packet.view();
        let (Some(header), Some((src, dst))) = (view.tcp(), view.ports()) else { return };
        let from = toward.opposite();
        let connection = match from {
            Side::Inside => SocketAddr::new(view.src(), src),
            Side::Outside => SocketAddr::new(view.dst(), dst),
        };
        let end = header.seq.advance(view.payload_len());
        let known = self.ends.entry((connection, from)).or_insert(header.seq);
        let is_new = end.after(*known);
        *known = end.latest(*known);
        let kind = if header.flags.has_any(Flags::FIN | Flags::RST) {
            Kind::End
        } else if view.payload_len() > 0 && is_new {
            Kind::Data
        } else {
            return;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0.len() < KEPT_MAX {
            seen.0.push(Sighting { at: now, connection, from, kind });
        }
    }
}
