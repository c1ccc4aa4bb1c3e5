//! One flow as it was seen, reduced to what a rule may ask about it.
//!
//! A timeline is not the list of its packets: it is updated in place, so that a flow of a million
//! packets costs as much memory as a flow of three.

use core::num::NonZeroU32;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::{Flags, Header};

use crate::content::Content;

/// One end of a flow in eighteen bytes; IPv4 addresses are mapped (RFC 4291 section 2.5.5.2).
///
/// The address is kept as two words, since that is how it is compared and hashed.
#[derive(Clone, Copy, Debug, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(2))]
pub(crate) struct End {
    high: u64,
    low: u64,
    port: u16,
}

impl PartialEq for End {
    /// Compares without a branch: which end a packet comes from cannot be predicted.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let port = u64::from(self.port ^ other.port);
        (self.high ^ other.high) | (self.low ^ other.low) | port == 0
    }
}

impl End {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self::from_bits(ip.to_bits(), address.port())
    }

    /// Returns source and destination of a segment.
    #[inline]
    pub(crate) fn of_segment(view: View<'_>, tcp: &Header) -> (Self, Self) {
        let [src, dst] = view.addresses();
        (Self::from_bits(src, tcp.src_port), Self::from_bits(dst, tcp.dst_port))
    }

    #[inline]
    fn from_bits(ip: u128, port: u16) -> Self {
        let word = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
        Self { high: word(ip >> 64), low: word(ip), port }
    }

    /// Returns the end's address and port as three words.
    pub(crate) const fn words(self) -> (u64, u64, u16) {
        (self.high, self.low, self.port)
    }

    pub(crate) const fn port(self) -> u16 {
        self.port
    }

    pub(crate) fn address(self) -> SocketAddr {
        let ip = Ipv6Addr::from(u128::from(self.high) << 64 | u128::from(self.low));
        SocketAddr::new(ip.to_canonical(), self.port)
    }
}

/// Which end sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The end that opened the connection, as far as that can be told.
    Client,
    /// The other end.
    Server,
}

impl Sender {
    /// Returns the other end.
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// When and in which frame, in twelve bytes, since a timeline has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub(crate) struct Mark {
    nanos: u64,
    frame: u32,
}

impl Mark {
    /// Frames beyond the four billionth all get that number.
    pub(crate) fn new(at: Instant, frame: u64) -> Self {
        Self { nanos: at.as_nanos(), frame: u32::try_from(frame).unwrap_or(u32::MAX) }
    }

    pub(crate) const fn at(self) -> Instant {
        Instant::from_nanos(self.nanos)
    }

    /// Counted from one.
    pub(crate) fn frame(self) -> u64 {
        self.frame.into()
    }
}

/// What one end has sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half {
    next: Seq,
    acked: Seq,
    /// Whether the two above have a meaning yet.
    sent: bool,
    has_acked: bool,
    /// Fingerprints of the latest packets, to know them when a capture shows them twice.
    pub(crate) recent: [u32; 2],
    /// The latest timestamp sent (RFC 7323), if its packets carry no identification.
    pub(crate) stamp: u32,
    /// Time to live of its packets; the handshake's may differ from the data's.
    pub(crate) ttls: [u8; 2],
    /// IPv4 identification of its latest packet.
    pub(crate) ip_id: u16,
    /// The window that it offers, not scaled.
    pub(crate) window: u16,
    /// Bytes that a gap leaves unseen, waiting to be filled.
    pub(crate) gap: bool,
    /// The largest payload that the other end has answered.
    pub(crate) largest_answered: u16,
    /// Shortest time from a packet of the other end to an answer of this one, in microseconds.
    pub(crate) answer_us: Option<NonZeroU32>,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            next: Seq(0),
            acked: Seq(0),
            sent: false,
            has_acked: false,
            recent: [0; 2],
            stamp: 0,
            ttls: [0; 2],
            ip_id: 0,
            window: 0,
            gap: false,
            largest_answered: 0,
            answer_us: None,
        }
    }
}

impl Half {
    /// Returns the highest sequence number sent, plus one.
    pub(crate) fn next(&self) -> Option<Seq> {
        self.sent.then_some(self.next)
    }

    /// Returns the highest acknowledgment sent.
    pub(crate) fn acked(&self) -> Option<Seq> {
        self.has_acked.then_some(self.acked)
    }

    /// Tells whether the segment `[seq, seq + len)` repeats what was sent.
    pub(crate) fn has_seen(&self, seq: Seq, len: u32) -> bool {
        len > 0 && self.next().is_some_and(|next| !(seq + len).after(next))
    }

    /// Takes note of a segment `[seq, end)` that acknowledges up to `ack`. An empty one that is
    /// ahead speaks of bytes that were sent and not seen: they may still come.
    pub(crate) fn advance(&mut self, seq: Seq, end: Seq, ack: Option<Seq>) {
        if let Some(next) = self.next() {
            self.gap |= seq.after(next);
            self.next = if seq == end { next } else { next.latest(end) };
        } else {
            self.next = end;
            self.sent = true;
        }
        if let Some(ack) = ack {
            self.acked = self.acked().map_or(ack, |acked| acked.latest(ack));
            self.has_acked = true;
        }
    }
}

/// A pause that has ended with a packet, and whether that packet was answered is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    /// The last packet before the pause.
    pub(crate) before: Mark,
    /// The packet that ended it.
    pub(crate) after: Mark,
    /// Who sent the packet that ended the pause.
    pub(crate) from: Sender,
    /// A request waited for its response throughout.
    pub(crate) in_flight: bool,
    /// One end had closed before the pause.
    pub(crate) half_closed: bool,
}

/// Packets of one end, with the same sequence number, that the other end has not answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub(crate) first: Mark,
    pub(crate) last: Mark,
    pub(crate) seq: Seq,
    pub(crate) sends: u16,
    pub(crate) from: Sender,
    pub(crate) carries: Carries,
    pub(crate) largest: u16,
}

/// What a packet asks the other end to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    Syn,
    Data,
    Fin,
    Probe,
    /// A bare acknowledgment, which asks for nothing.
    Nothing,
}

/// A run of client data that waits for a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) first: Mark,
    /// The last data before it, of either end.
    pub(crate) quiet_since: Mark,
    pub(crate) end: Seq,
    pub(crate) state: Awaiting,
    pub(crate) content: Content,
}

impl Request {
    /// Returns when the client set about it: for the first request of a connection, when that was
    /// opened.
    pub(crate) fn began(&self, worked: bool) -> Mark {
        if worked { self.first } else { self.quiet_since }
    }
}

/// What became of the latest request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaiting {
    /// Nothing was asked yet, or only a TLS handshake.
    Nothing,
    /// The server has not begun to answer.
    Response,
    /// The server has begun to answer.
    Answered,
    /// The connection ended without an answer.
    Lost,
    /// The client waited for the answer and closed without it.
    Abandoned,
    /// The client closed right after sending: a farewell, or data that asks for no answer.
    Farewell,
}

/// A reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset {
    pub(crate) mark: Mark,
    pub(crate) from: Sender,
    pub(crate) ttl: u8,
    pub(crate) ip_id: Option<u16>,
    pub(crate) window: u16,
    pub(crate) flags: Flags,
    /// It is what an end sends that knows no such connection: its number is taken from the packet
    /// that it refuses, and it acknowledges nothing (RFC 9293 section 3.10.7.1).
    pub(crate) refuses: bool,
    /// The packet that provoked it: the other end's, if that was the last one on the flow.
    pub(crate) provoked_by: Option<(Mark, Carries)>,
    /// The last packet on the flow.
    pub(crate) before: Mark,
    /// A request was waiting for its response.
    pub(crate) in_flight: bool,
}

/// A FIN of one end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fin {
    pub(crate) mark: Mark,
    pub(crate) ttl: u8,
    /// The last packet on the flow.
    pub(crate) before: Mark,
    /// The sender had not yet taken all of the request that was under way.
    pub(crate) crossed: bool,
}

/// Bytes that are missing in front of some that came later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hole {
    pub(crate) from: Sender,
    /// The first byte that is missing.
    pub(crate) start: Seq,
    pub(crate) missing: u32,
    /// The packet that came instead, and how many bytes it carried.
    pub(crate) later: Mark,
    pub(crate) later_len: u32,
}

/// How a flow ends, and what else befalls few. Flows that go on well have none, so it is boxed.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) client_fin: Option<Fin>,
    pub(crate) server_fin: Option<Fin>,
    pub(crate) reset: Option<Reset>,
    /// What the reset says of itself (RFC 9293 section 3.5.3).
    pub(crate) reset_text: Option<Box<str>>,
    /// An ICMP error said that the server cannot be reached.
    pub(crate) unreachable: Option<Mark>,
    /// An ICMP error said that a packet is too big, and what would not be.
    pub(crate) too_big: Option<(Mark, u32)>,
    /// The latest packet that acknowledged nothing of what had just been sent.
    pub(crate) unmoved: Option<Mark>,
    /// What had been sent in vain when the other end said something else.
    pub(crate) stuck: Option<Series>,
    pub(crate) hole: Option<Hole>,
    /// The capture's clock stepped while the flow was there.
    pub(crate) stepped: bool,
}

impl Ending {
    pub(crate) const NONE: Self = Self {
        client_fin: None,
        server_fin: None,
        reset: None,
        reset_text: None,
        unreachable: None,
        too_big: None,
        unmoved: None,
        stuck: None,
        hole: None,
        stepped: false,
    };
}

impl Default for Ending {
    fn default() -> Self {
        Self::NONE
    }
}

/// One flow as it was seen.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "six facts that are independent of each other")]
pub(crate) struct Timeline {
    pub(crate) client: End,
    /// Which path, and so which server, by its index in the tracker.
    pub(crate) path: u32,
    pub(crate) era: u32,
    /// The latest packet of either end, and who sent it.
    pub(crate) last: Mark,
    pub(crate) last_from: Sender,
    pub(crate) last_carries: Carries,
    /// See [`isn`](Self::isn); an `Option` would take three bytes more.
    pub(crate) syn: Seq,
    /// The capture shows how it was opened.
    pub(crate) opening_seen: bool,
    /// The server has answered the SYN, or there was traffic without one.
    pub(crate) established: bool,
    /// The server has answered a request.
    pub(crate) worked: bool,
    /// The client repeated the lost request by itself on another connection.
    pub(crate) repeated: bool,
    /// The same connection as another timeline, seen on the other side of a translation.
    pub(crate) twin: bool,
    /// It is the one that the index knows by its ends.
    pub(crate) linked: bool,
    pub(crate) halves: [Half; 2],
    pub(crate) request: Option<Request>,
    /// The last data of either end.
    pub(crate) data_at: Mark,
    pub(crate) series: Option<Series>,
    pub(crate) pause: Option<Box<Pause>>,
    pub(crate) ending: Option<Box<Ending>>,
}

impl Timeline {
    /// Returns something of each cache line, so that they are fetched.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        let [client, server] = &self.halves;
        let series = self.series.map_or(0, |series| u32::from(series.largest));
        let request = self.request.map_or(0, |request| request.content.len);
        [client.next.0, server.next.0, self.path, series, request]
            .into_iter()
            .fold(0, u32::wrapping_add)
    }

    pub(crate) fn half(&self, sender: Sender) -> &Half {
        match sender {
            Sender::Client => &self.halves[0],
            Sender::Server => &self.halves[1],
        }
    }

    pub(crate) fn half_mut(&mut self, sender: Sender) -> &mut Half {
        match sender {
            Sender::Client => &mut self.halves[0],
            Sender::Server => &mut self.halves[1],
        }
    }

    /// Returns the sequence number of the SYN that opened it, if that was seen.
    pub(crate) fn isn(&self) -> Option<Seq> {
        self.opening_seen.then_some(self.syn)
    }

    pub(crate) fn reset(&self) -> Option<Reset> {
        self.ending.as_ref()?.reset
    }

    pub(crate) fn server_fin(&self) -> Option<Fin> {
        self.ending.as_ref()?.server_fin
    }

    pub(crate) fn client_fin(&self) -> Option<Fin> {
        self.ending.as_ref()?.client_fin
    }

    /// Tells whether the connection was opened and no end has ended it.
    pub(crate) fn is_open(&self) -> bool {
        self.established
            && self.ending.as_deref().is_none_or(|ending| {
                ending.reset.is_none()
                    && (ending.client_fin.is_none() || ending.server_fin.is_none())
            })
    }

    pub(crate) fn half_closed(&self) -> bool {
        self.server_fin().is_some() || self.client_fin().is_some()
    }

    /// Returns the latest request if it got no response.
    pub(crate) fn lost_request(&self) -> Option<Request> {
        self.request.filter(|request| {
            matches!(request.state, Awaiting::Response | Awaiting::Lost | Awaiting::Abandoned)
        })
    }

    /// Returns how long the flow had been silent when the dead packets began, and when they did.
    ///
    /// A single packet that was not repeated may itself have been lost, so the pause lasts until
    /// the first of the series that was.
    pub(crate) fn fatal_pause(&self) -> Option<(Pause, Duration)> {
        let mut pause = **self.pause.as_ref()?;
        if let Some(series) = self.series.filter(|series| series.from == pause.from) {
            pause.after = series.first;
        }
        Some((pause, pause.after.at().saturating_since(pause.before.at())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With its place in the index, which takes 9 to 18 bytes, an idle connection is to take about
    /// 256 bytes.
    #[test]
    fn a_timeline_takes_240_bytes() {
        assert!(size_of::<Timeline>() <= 240, "{}", size_of::<Timeline>());
    }
}
