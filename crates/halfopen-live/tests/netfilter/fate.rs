//! What becomes of a packet, in words that do not depend on who decided it.

use core::fmt;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use halfopen_core::hop::Side;
use halfopen_core::wire::tcp::{Flags, Header};
use halfopen_core::wire::{Packet, View, icmp};

use crate::list::{Ends, Flow, GATEWAY, Step};

/// What a gateway sent because of one packet. Nothing: it dropped it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fate(pub(crate) Vec<Sent>);

/// Whether a packet went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Answered,
    Dropped,
}

impl Fate {
    /// Tells whether a packet that came from `side` went on.
    pub(crate) fn outcome(&self, side: Side) -> Outcome {
        match self.0.first() {
            Some(sent) if sent.to == side => Outcome::Answered,
            Some(_) => Outcome::Passed,
            None => Outcome::Dropped,
        }
    }
}

/// A packet that a gateway sent, without the name that it gave the client.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) to: Side,
    pub(crate) src: Name,
    pub(crate) dst: Name,
    pub(crate) ttl: u8,
    pub(crate) content: Content,
    pub(crate) whole: bool,
}

/// Who is meant by an address and a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Client,
    Server,
    /// The client, as the gateway names it.
    External(Port),
    Stranger(SocketAddr),
}

/// Which port a gateway gave a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// Its own.
    Own,
    /// Another one.
    Other,
    /// Yet another one than before.
    Moved,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Segment { header: (u8, u32, u32, u16), len: usize },
    Datagram(usize),
    Echo { reply: bool },
    Error { kind: [u8; 2], src: Name, dst: Name },
}

/// The ports that a gateway gave the clients of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports(BTreeMap<Flow, u16>);

impl Ports {
    /// Returns the port that the client of a flow has outside: its own until it is known.
    pub(crate) fn of(&self, flow: Flow, ends: Ends) -> u16 {
        self.0.get(&flow).copied().unwrap_or(ends.client.port())
    }

    /// Reads what a gateway sent because of `step`.
    pub(crate) fn fate(&mut self, ends: Ends, step: &Step, sent: &[(Side, Packet)]) -> Fate {
        let before = self.0.get(&step.flow).copied();
        for (side, packet) in sent {
            let passed = (*side, step.side) == (Side::Outside, Side::Inside);
            if let Some(src) = near(packet.view()).filter(|_| passed)
                && src.ip() == GATEWAY
            {
                self.0.insert(step.flow, src.port());
            }
        }
        let number = self.of(step.flow, ends);
        let port = match before {
            _ if number == ends.client.port() => Port::Own,
            Some(before) if before != number => Port::Moved,
            Some(_) | None => Port::Other,
        };
        let names = Names { ends, external: SocketAddr::new(GATEWAY.into(), number), port };
        Fate(sent.iter().map(|(to, packet)| names.read(*to, packet)).collect())
    }
}

/// Who has which address.
struct Names {
    ends: Ends,
    external: SocketAddr,
    port: Port,
}

impl Names {
    fn read(&self, to: Side, packet: &Packet) -> Sent {
        let view = packet.view();
        let (src, dst) = match view.quoted() {
            Some(_) => (self.host(view.src()), self.host(view.dst())),
            None => self.both(view),
        };
        let content = if let Some(quoted) = view.quoted() {
            let (src, dst) = self.both(quoted);
            let header = usize::from(view.bytes()[0] & 0x0f) * 4;
            Content::Error { kind: [view.bytes()[header], view.bytes()[header + 1]], src, dst }
        } else if let Some(Header { flags, seq, ack, window, .. }) = view.tcp() {
            Content::Segment { header: (flags.0, seq.0, ack.0, window), len: view.payload_len() }
        } else if let Some(icmp) = view.icmp() {
            Content::Echo { reply: !icmp.is_echo_request() }
        } else {
            Content::Datagram(view.payload_len())
        };
        Sent { to, src, dst, ttl: view.ttl(), content, whole: packet.checksums_hold() }
    }

    fn both(&self, view: View<'_>) -> (Name, Name) {
        let identifier = view.icmp().filter(icmp::Header::is_echo).map(|icmp| icmp.identifier());
        let (src, dst) = match (view.ports(), identifier) {
            (Some(ports), _) => ports,
            // The server's port is zero, the client's is the identifier.
            (None, Some(id)) if view.src() == self.ends.server.ip() => (0, id),
            (None, id) => (id.unwrap_or(0), 0),
        };
        let [src, dst] = [(view.src(), src), (view.dst(), dst)];
        (self.end(src.into()), self.end(dst.into()))
    }

    fn end(&self, end: SocketAddr) -> Name {
        if end == self.ends.client {
            Name::Client
        } else if end == self.ends.server {
            Name::Server
        } else if end == self.external {
            Name::External(self.port)
        } else {
            Name::Stranger(end)
        }
    }

    fn host(&self, address: IpAddr) -> Name {
        let ends = [self.ends.client, self.ends.server, self.external];
        let end = ends.into_iter().find(|end| end.ip() == address);
        self.end(end.unwrap_or(SocketAddr::new(address, 0)))
    }
}

/// Returns the source of a packet; an echo's port is its identifier.
fn near(view: View<'_>) -> Option<SocketAddr> {
    let port = view.ports().map(|(src, _)| src);
    let identifier = view.icmp().filter(icmp::Header::is_echo).map(|icmp| icmp.identifier());
    Some(SocketAddr::new(view.src(), port.or(identifier)?))
}

impl fmt::Debug for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "dropped");
        }
        for (index, sent) in self.0.iter().enumerate() {
            write!(f, "{}{sent:?}", if index > 0 { " and " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, src, dst, ttl, content, whole } = self;
        write!(f, "to {to:?} {src:?} > {dst:?} ttl {ttl} {content:?}")?;
        if *whole { Ok(()) } else { write!(f, " with a wrong checksum") }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => write!(f, "client"),
            Self::Server => write!(f, "server"),
            Self::External(Port::Own) => write!(f, "external"),
            Self::External(Port::Other) => write!(f, "external with another port"),
            Self::External(Port::Moved) => write!(f, "external with yet another port"),
            Self::Stranger(end) => write!(f, "{end}"),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { header: (flags, seq, ack, window), len } => {
                let flags = Flags(*flags);
                write!(f, "[{flags:?}] seq {seq} ack {ack} window {window} len {len}")
            }
            Self::Datagram(len) => write!(f, "datagram of {len}"),
            Self::Echo { reply: false } => write!(f, "echo request"),
            Self::Echo { reply: true } => write!(f, "echo reply"),
            Self::Error { kind: [kind, code], src, dst } => {
                write!(f, "icmp {kind}/{code} about {src:?} > {dst:?}")
            }
        }
    }
}
