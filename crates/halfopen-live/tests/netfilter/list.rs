//! Lists of packets: what is said, by whom, and after which pause. A list is played the same way to
//! any gateway, and it does not depend on what the gateway did.

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use halfopen_core::hop::Side;
use halfopen_core::seq::Seq;
use halfopen_core::wire::tcp::{self, Flags};
use halfopen_core::wire::{Packet, icmp, udp};

/// A packet list.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct List(pub(crate) Vec<Step>);

/// A packet, and how long nothing happens before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) pause: Duration,
    pub(crate) flow: Flow,
    pub(crate) side: Side,
    pub(crate) said: Said,
}

/// The flows of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flow {
    /// A connection.
    Tcp,
    /// Another, of another client with the same port to the same server.
    Rival,
    Udp,
    Icmp,
}

/// What a packet says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Segment(Segment),
    Datagram,
    Echo,
    /// An ICMP error about the packet that last came from the other side.
    Unreachable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) flags: Flags,
    pub(crate) seq: Seq,
    pub(crate) ack: Seq,
    pub(crate) len: u16,
}

/// What every segment offers. Nothing is scaled.
pub(crate) const WINDOW: u16 = 10_000;

/// The address of the gateway outside.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The clients' network, and the length of its prefix.
pub(crate) const CLIENTS: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 0, 0, 0), 15);

/// The servers' network (RFC 2544).
const SERVERS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// The ends of a flow: the inside one, and the outside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
}

impl Ends {
    /// Returns the ends of a flow of the list with this number; no two lists share addresses.
    pub(crate) fn of(list: u32, flow: Flow) -> Self {
        let (client, near, far) = match flow {
            Flow::Tcp => (0, 40_000, 443),
            Flow::Rival => (1, 40_000, 443),
            Flow::Udp => (0, 50_000, 53),
            Flow::Icmp => (0, 7_000, 0),
        };
        assert!(list < 1 << 16, "there are more lists than addresses");
        let client = Ipv4Addr::from_bits(CLIENTS.0.to_bits() + list * 2 + client);
        let server = Ipv4Addr::from_bits(SERVERS.to_bits() + list);
        let end = |address, port| SocketAddr::new(IpAddr::V4(address), port);
        Self { client: end(client, near), server: end(server, far) }
    }
}

impl Step {
    /// Returns the packet, as it comes to a gateway that has given the client the `external` port.
    pub(crate) fn packet(&self, ends: Ends, external: u16, last: &Last) -> Packet {
        let near = SocketAddr::new(GATEWAY.into(), external);
        match (self.said, self.side) {
            (Said::Unreachable, _) => last.unreachable(self, ends, near),
            (_, Side::Inside) => self.between(ends.client, ends.server),
            (_, Side::Outside) => self.between(ends.server, near),
        }
    }

    /// Returns the packet with these addresses.
    fn between(&self, src: SocketAddr, dst: SocketAddr) -> Packet {
        match self.said {
            Said::Segment(Segment { flags, seq, ack, len }) => {
                let payload = vec![0x61; usize::from(len)];
                let segment = tcp::Segment::new(src, dst, flags);
                tcp::Segment { seq, ack, window: WINDOW, payload: &payload, ..segment }
                    .into_packet()
            }
            Said::Datagram | Said::Unreachable => udp::datagram(src, dst, b"what"),
            Said::Echo => {
                let reply = self.side == Side::Outside;
                let near = if reply { dst } else { src };
                icmp::echo(src.ip(), dst.ip(), reply, near.port(), 1)
            }
        }
    }
}

/// The packet that was last sent on each side.
#[derive(Debug, Default)]
pub(crate) struct Last {
    inside: Option<Step>,
    outside: Option<Step>,
}

impl Last {
    pub(crate) fn sent(&mut self, step: &Step) {
        if step.said != Said::Unreachable {
            match step.side {
                Side::Inside => self.inside = Some(*step),
                Side::Outside => self.outside = Some(*step),
            }
        }
    }

    /// The error quotes a packet as it left the gateway toward who complains of it; one that was
    /// never sent, if there is none.
    fn unreachable(&self, step: &Step, ends: Ends, near: SocketAddr) -> Packet {
        let side = step.side.opposite();
        let offender = if side == Side::Inside { self.inside } else { self.outside };
        let offender = offender.filter(|offender| offender.flow == step.flow);
        let unsaid = Step { side, said: Said::unsaid(step.flow), ..*step };
        let offender = offender.unwrap_or(unsaid);
        let (quoted, from) = match step.side {
            Side::Inside => (offender.between(ends.server, ends.client), ends.client),
            Side::Outside => (offender.between(near, ends.server), ends.server),
        };
        icmp::unreachable(from.ip(), quoted.view())
    }
}

impl Said {
    fn unsaid(flow: Flow) -> Self {
        match flow {
            Flow::Tcp | Flow::Rival => {
                Self::Segment(Segment { flags: Flags::ACK, seq: Seq(1), ack: Seq(1), len: 0 })
            }
            Flow::Udp => Self::Datagram,
            Flow::Icmp => Self::Echo,
        }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(Segment { flags, seq, ack, len }) => {
                write!(f, "[{flags:?}] seq {} ack {} len {len}", seq.0, ack.0)
            }
            Self::Datagram => write!(f, "datagram"),
            Self::Echo => write!(f, "echo"),
            Self::Unreachable => write!(f, "unreachable"),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pause, flow, side, said } = self;
        write!(f, "{:>5.2} s {flow:?} {side:?} {said:?}", pause.as_secs_f64())
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            writeln!(f, "  {step:?}")?;
        }
        Ok(())
    }
}
