//! What a picture of single connections needs and a [`Tracker`](crate::Tracker) does not keep: when
//! each was active, and its packets around the frames that show what became of it.
//!
//! It takes a second look at captures that were judged, for the connections that are worth a
//! picture. A connection of a million packets costs as much memory as one of two hundred: its runs
//! of activity are merged until few enough are left, and of its packets only those near its
//! evidence are kept.

mod lane;

use std::collections::BTreeMap;
use std::io::Read;

use halfopen_core::flow::{FlowKey, Protocol};
use halfopen_core::seq::Seq;
use halfopen_core::time::Instant;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::Flags;

use crate::clock::Clock;
use crate::frame::network_layer;
use crate::pcap::{Frame, Reader};
use crate::points::Place;

use lane::Glance;
pub use lane::Lane;

/// A connection to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub flow: FlowKey,
    /// At which point of the path, as [`Points::point`](crate::Points::point) says; `None` for the
    /// first that shows it.
    pub point: Option<usize>,
    /// The frames that say what became of it. Of several connections under one name, the one that
    /// has them is meant; without any, the first.
    pub evidence: Vec<Place>,
}

/// A time in which a connection was active: no two of its packets are a second apart, unless it had
/// too many such times to keep them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first packet's time.
    pub from: Instant,
    /// The last packet's time.
    pub to: Instant,
    /// The first packet's place.
    pub first: Place,
    /// The last packet's place.
    pub last: Place,
    /// How many packets.
    pub packets: u64,
    /// Bytes of payload, the client's and the server's.
    pub bytes: [u64; 2],
    /// All flags that a packet of it had.
    pub flags: Flags,
}

/// A packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it is.
    pub place: Place,
    /// When it was captured, on a clock that does not go back.
    pub at: Instant,
    /// Whether it bears the name of the client as its sender.
    pub from_client: bool,
    /// What it says; `None` if it is an ICMP error about the connection.
    pub segment: Option<Segment>,
    /// Whether packets before it are left out.
    pub after_gap: bool,
}

/// What a TCP segment says, in numbers relative to the start of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its flags.
    pub flags: Flags,
    /// Its sequence number: zero is the SYN's.
    pub seq: i32,
    /// Its acknowledgment, if it has one.
    pub ack: Option<i32>,
    /// Bytes of payload.
    pub len: u32,
    /// The time to live that it arrived with.
    pub ttl: u8,
}

/// The two ends of a connection, the lower one first.
type Ends = [(u128, u16); 2];

/// Connections looked at once more.
#[derive(Debug)]
pub struct Scene {
    lanes: Vec<Lane>,
    /// The lanes of each connection: there are several if its name was used again.
    of: BTreeMap<Ends, Vec<usize>>,
    /// The clock of each point.
    clocks: BTreeMap<usize, Clock>,
}

impl Scene {
    /// Returns a scene of the connections that are wanted, in that order. The caller bounds them.
    #[must_use]
    pub fn new(wanted: Vec<Wanted>) -> Self {
        let mut of: BTreeMap<Ends, Vec<usize>> = BTreeMap::new();
        for (index, one) in wanted.iter().enumerate() {
            of.entry(ends(one.flow)).or_default().push(index);
        }
        let lanes = wanted.into_iter().map(Lane::new).collect();
        Self { lanes, of, clocks: BTreeMap::new() }
    }

    /// Looks at a capture, which the caller counts as `capture`, made at `point`. The captures of a
    /// point must come in the order in which they were judged.
    ///
    /// What ends the reading early has ended the judgement, too, and been told there.
    pub fn read<R: Read>(&mut self, capture: usize, point: usize, mut reader: Reader<R>) {
        while let Ok(Some(frame)) = reader.next() {
            self.take(Place { capture, frame: frame.number }, point, frame);
        }
    }

    /// Returns the connections, in the order in which they were wanted.
    #[must_use]
    pub fn into_lanes(self) -> Vec<Lane> {
        self.lanes
    }

    fn take(&mut self, place: Place, point: usize, frame: Frame<'_>) {
        let Ok(ip) = network_layer(frame.link, frame.bytes, frame.wire_len) else { return };
        let Ok(view) = View::parse(ip.bytes, ip.wire_len) else { return };
        let at = self.clocks.entry(point).or_default().read(frame.at).at;
        let flow = match view.protocol() {
            Protocol::Tcp => view.flow(),
            Protocol::Icmp => unreachable(view),
            Protocol::Udp | Protocol::Other(_) => None,
        };
        let Some(flow) = flow else { return };
        let Some(lanes) = self.of.get(&ends(flow)) else { return };
        for &index in lanes {
            let lane = &mut self.lanes[index];
            let from_client = lane.flow == flow;
            let tcp = view.tcp().map(|tcp| (tcp, view.payload_len()));
            let unique = view.ip_id().filter(|&id| id != 0);
            lane.take(&Glance { place, at, from_client, tcp, ttl: view.ttl(), unique }, point);
        }
    }
}

/// Returns the connection that an ICMP error speaks of.
fn unreachable(view: View<'_>) -> Option<FlowKey> {
    let quoted = view.icmp()?.is_unreachable().then(|| view.quoted()?.flow())??;
    (quoted.protocol == Protocol::Tcp).then_some(quoted)
}

fn ends(flow: FlowKey) -> Ends {
    let bits = |ip| match ip {
        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    };
    let mut ends = [flow.initiator, flow.responder].map(|end| (bits(end.ip()), end.port()));
    ends.sort_unstable();
    ends
}

/// Returns a number counted from where its end began.
fn relative(number: Seq, base: Option<Seq>) -> i32 {
    base.map_or(0, |base| number.since(base))
}

#[cfg(test)]
mod tests;
