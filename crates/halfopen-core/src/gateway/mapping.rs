//! What a gateway remembers of one flow, and how it names the flow's ends.

use core::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use foldhash::fast::FixedState;

use super::tracker::Tracker;
use crate::flow::{FlowKey, Protocol};
use crate::hop::{Demise, Side};
use crate::wire::View;

/// How far a flow has come. Each phase has a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Opening,
    Established,
    HalfClosed,
    Closing,
    TimeWait,
    Reset,
    Udp,
    UdpStream,
    Icmp,
    /// Not remembered any more, only known to have been.
    Forgotten,
}

impl Phase {
    pub(super) const COUNT: usize = Self::Forgotten as usize + 1;
    pub(super) const REMEMBERED: core::ops::Range<usize> = 0..Self::Forgotten as usize;

    /// Tells whether it is that of a TCP connection whose ends may believe it alive.
    pub(super) const fn is_active(self) -> bool {
        matches!(self, Self::Established | Self::HalfClosed)
    }

    /// Returns why a flow is forgotten when its timer ends in this phase.
    pub(super) const fn demise(self) -> Demise {
        match self {
            Self::Closing | Self::TimeWait => Demise::Closed,
            Self::Reset => Demise::Reset,
            Self::Opening
            | Self::Established
            | Self::HalfClosed
            | Self::Udp
            | Self::UdpStream
            | Self::Icmp
            | Self::Forgotten => Demise::Idle,
        }
    }
}

/// The two ends of a flow as they are named on one side of the gateway.
///
/// `near` is the inside end or, seen from outside, what it is translated to. The ports of an ICMP
/// query are its identifier, on the near end, and zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ends {
    pub(super) protocol: Protocol,
    pub(super) near: SocketAddr,
    pub(super) far: SocketAddr,
}

impl Ends {
    /// Returns the ends of the flow of a packet that came from `side`; `None` if its flow has no
    /// name that a gateway knows.
    pub(super) fn of(view: View<'_>, side: Side) -> Option<Self> {
        let FlowKey { protocol, initiator: mut src, responder: mut dst } = view.flow()?;
        match protocol {
            Protocol::Tcp | Protocol::Udp => {}
            Protocol::Icmp if view.icmp()?.is_echo() => {
                if side == Side::Outside {
                    dst.set_port(src.port());
                    src.set_port(0);
                }
            }
            Protocol::Icmp | Protocol::Other(_) => return None,
        }
        Some(match side {
            Side::Inside => Self { protocol, near: src, far: dst },
            Side::Outside => Self { protocol, near: dst, far: src },
        })
    }

    /// Returns the flow, as if `side` had opened it.
    pub(super) const fn opened_by(self, side: Side) -> FlowKey {
        let flow = FlowKey { protocol: self.protocol, initiator: self.near, responder: self.far };
        match side {
            Side::Inside => flow,
            Side::Outside => flow.reversed(),
        }
    }

    /// Returns the same number for the same ends.
    #[inline]
    pub(super) fn hash(&self, hasher: &FixedState) -> u64 {
        let mut hasher = hasher.build_hasher();
        match (self.near.ip(), self.far.ip()) {
            (IpAddr::V4(near), IpAddr::V4(far)) => {
                hasher.write_u64(u64::from(near.to_bits()) << 32 | u64::from(far.to_bits()));
            }
            (near, far) => {
                hasher.write_u128(wide(near).to_bits());
                hasher.write_u128(wide(far).to_bits());
            }
        }
        let protocol = match self.protocol {
            Protocol::Tcp => 0,
            Protocol::Udp => 1,
            Protocol::Icmp => 2,
            Protocol::Other(number) => 3 + u64::from(number),
        };
        let ports = u64::from(self.near.port()) << 16 | u64::from(self.far.port());
        hasher.write_u64(protocol << 32 | ports);
        hasher.finish()
    }
}

const fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// What the gateway remembers of one flow. It fills a cache line and no more.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Mapping {
    addresses: Addresses,
    inside_port: u16,
    external_port: u16,
    outside_port: u16,
    pub(super) protocol: Protocol,
    pub(super) phase: Phase,
    pub(super) opened_by: Side,
    pub(super) tcp: Tracker,
}

const _: () = assert!(size_of::<Mapping>() == 64, "a mapping fits a cache line");

/// The addresses of a mapping's inside, external and outside end. The common family is in place.
#[derive(Debug)]
enum Addresses {
    V4([Ipv4Addr; 3]),
    V6(Box<[Ipv6Addr; 3]>),
}

impl Mapping {
    /// Returns the mapping of a flow whose inside end is known outside as `external`.
    pub(super) fn new(
        inner: Ends,
        external: SocketAddr,
        opened_by: Side,
        phase: Phase,
        tcp: Tracker,
    ) -> Self {
        let addresses = match (inner.near.ip(), external.ip(), inner.far.ip()) {
            (IpAddr::V4(near), IpAddr::V4(external), IpAddr::V4(far)) => {
                Addresses::V4([near, external, far])
            }
            (near, external, far) => Addresses::V6(Box::new([near, external, far].map(wide))),
        };
        Self {
            addresses,
            inside_port: inner.near.port(),
            external_port: external.port(),
            outside_port: inner.far.port(),
            protocol: inner.protocol,
            phase,
            opened_by,
            tcp,
        }
    }

    /// Returns the flow as it is named inside.
    pub(super) fn flow(&self) -> FlowKey {
        self.inner().opened_by(self.opened_by)
    }

    /// Returns the ends as they are named inside.
    pub(super) fn inner(&self) -> Ends {
        Ends { protocol: self.protocol, near: self.inside(), far: self.outside() }
    }

    /// Returns the ends as they are named outside.
    pub(super) fn outer(&self) -> Ends {
        Ends { protocol: self.protocol, near: self.external(), far: self.outside() }
    }

    /// Tells whether these are its ends as they are named inside.
    pub(super) fn is_inner(&self, ends: &Ends) -> bool {
        self.inside_port == ends.near.port() && self.is_between(0, ends)
    }

    /// Tells whether these are its ends as they are named outside.
    pub(super) fn is_outer(&self, ends: &Ends) -> bool {
        self.external_port == ends.near.port() && self.is_between(1, ends)
    }

    fn is_between(&self, near: usize, ends: &Ends) -> bool {
        let same = match (&self.addresses, ends.near.ip(), ends.far.ip()) {
            (Addresses::V4(own), IpAddr::V4(from), IpAddr::V4(to)) => {
                own[near] == from && own[2] == to
            }
            (Addresses::V6(own), from, to) => own[near] == from && own[2] == to,
            (Addresses::V4(_), _, _) => false,
        };
        same && self.outside_port == ends.far.port() && self.protocol == ends.protocol
    }

    pub(super) fn inside(&self) -> SocketAddr {
        SocketAddr::new(self.address(0), self.inside_port)
    }

    pub(super) fn external(&self) -> SocketAddr {
        SocketAddr::new(self.address(1), self.external_port)
    }

    pub(super) fn outside(&self) -> SocketAddr {
        SocketAddr::new(self.address(2), self.outside_port)
    }

    fn address(&self, index: usize) -> IpAddr {
        match &self.addresses {
            Addresses::V4(addresses) => addresses[index].into(),
            Addresses::V6(addresses) => addresses[index].into(),
        }
    }
}
