//! One flow as it was seen, reduced to what a rule may ask about it.
//!
//! A timeline is not the list of its packets: it is updated in place, so that a flow of a million
//! packets costs as much memory as a flow of three.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use halfopen_core::flow::FlowKey;
use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::tcp::Flags;

use crate::content::Content;

/// One end of a flow in eighteen bytes; IPv4 addresses are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct End {
    pub(crate) ip: [u8; 16],
    pub(crate) port: u16,
}

impl End {
    pub(crate) fn new(ip: IpAddr, port: u16) -> Self {
        let ip = match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self { ip, port }
    }

    pub(crate) fn address(self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(self.ip).to_canonical(), self.port)
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

/// When and in which frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: Instant,
    /// Counted from one.
    pub(crate) frame: u64,
}

/// What one end has sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Half {
    /// The highest sequence number sent, plus one.
    pub(crate) next: Option<Seq>,
    /// The highest acknowledgment sent.
    pub(crate) acked: Option<Seq>,
    /// Fingerprints of the latest packets, to know them when a capture shows them twice.
    pub(crate) recent: [u32; 3],
    /// Time to live of its packets; the handshake's may differ from the data's.
    pub(crate) ttls: [u8; 2],
    /// IPv4 identification of its latest packet.
    pub(crate) ip_id: u16,
    /// Bytes that a gap leaves unseen, waiting to be filled.
    pub(crate) gap: bool,
    /// The largest payload that the other end has answered.
    pub(crate) largest_answered: u16,
    /// Shortest time from a packet of the other end to an answer of this one, in microseconds.
    pub(crate) answer_us: Option<u32>,
}

impl Half {
    /// Returns the end of what was sent if the segment `[seq, seq + len)` repeats it.
    pub(crate) fn has_seen(&self, seq: Seq, len: u32) -> bool {
        len > 0 && self.next.is_some_and(|next| !(seq + len).after(next))
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
    /// The client closed without waiting for the answer.
    Abandoned,
}

/// A reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset {
    pub(crate) mark: Mark,
    pub(crate) from: Sender,
    pub(crate) ttl: u8,
    pub(crate) ip_id: Option<u16>,
    pub(crate) flags: Flags,
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

/// How a flow ends. Flows that go on have none, so it is boxed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    pub(crate) client_fin: Option<Fin>,
    pub(crate) server_fin: Option<Fin>,
    pub(crate) reset: Option<Reset>,
    /// An ICMP error said that the server cannot be reached.
    pub(crate) unreachable: Option<Mark>,
}

/// One flow as it was seen.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that are independent of each other")]
pub(crate) struct Timeline {
    pub(crate) client: End,
    pub(crate) server: End,
    /// Which path, by its index in the tracker.
    pub(crate) path: u32,
    pub(crate) era: u32,
    /// The latest packet of either end, and who sent it.
    pub(crate) last: Mark,
    pub(crate) last_from: Sender,
    pub(crate) last_carries: Carries,
    /// The handshake was seen from its SYN on.
    pub(crate) opened: bool,
    /// The server has answered the SYN, or there was traffic without one.
    pub(crate) established: bool,
    /// The client repeated the lost request by itself on another connection.
    pub(crate) repeated: bool,
    /// The same connection as another timeline, seen on the other side of a translation.
    pub(crate) twin: bool,
    pub(crate) halves: [Half; 2],
    pub(crate) request: Option<Request>,
    /// The last data of either end.
    pub(crate) data_at: Mark,
    pub(crate) requests: u32,
    pub(crate) segments: u32,
    pub(crate) retransmissions: u32,
    pub(crate) series: Option<Series>,
    pub(crate) pause: Option<Box<Pause>>,
    pub(crate) ending: Option<Box<Ending>>,
}

impl Timeline {
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

    /// Returns the flow's name.
    pub(crate) fn flow(&self) -> FlowKey {
        FlowKey::tcp(self.client.address(), self.server.address())
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
        Some((pause, pause.after.at.saturating_since(pause.before.at)))
    }
}
