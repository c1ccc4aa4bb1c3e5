//! What a gateway remembers of one flow, and how it names the flow's ends.

use core::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use foldhash::fast::FixedState;

use super::tracker::Tracker;
use crate::flow::{FlowKey, Protocol};
use crate::hop::{Demise, Side};
use crate::time::Instant;
use crate::wire::View;
use crate::wire::icmp::Header;

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
/// The near end is the inside end or, seen from outside, what it is translated to. The ports of an
/// ICMP query are its identifier, on the near end, and zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ends {
    pub(super) protocol: Protocol,
    near_port: u16,
    far_port: u16,
    addresses: Pair,
}

/// The addresses of a near and a far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pair {
    V4 { near: Ipv4Addr, far: Ipv4Addr },
    V6 { near: Ipv6Addr, far: Ipv6Addr },
}

impl Ends {
    /// Returns the ends of the flow of a packet that came from `side`; `None` if its flow has no
    /// name that a gateway knows.
    #[inline]
    pub(super) fn of(view: View<'_>, side: Side) -> Option<Self> {
        let protocol = view.protocol();
        let (near_port, far_port) = match protocol {
            Protocol::Tcp | Protocol::Udp => {
                let (src, dst) = view.ports()?;
                if side == Side::Inside { (src, dst) } else { (dst, src) }
            }
            Protocol::Icmp => (view.icmp().filter(Header::is_echo)?.identifier(), 0),
            Protocol::Other(_) => return None,
        };
        let addresses = match side {
            Side::Inside => Pair::new(view.src(), view.dst()),
            Side::Outside => Pair::new(view.dst(), view.src()),
        };
        Some(Self { protocol, near_port, far_port, addresses })
    }

    pub(super) fn near(&self) -> SocketAddr {
        let address = match self.addresses {
            Pair::V4 { near, .. } => near.into(),
            Pair::V6 { near, .. } => near.into(),
        };
        SocketAddr::new(address, self.near_port)
    }

    pub(super) fn far(&self) -> SocketAddr {
        let address = match self.addresses {
            Pair::V4 { far, .. } => far.into(),
            Pair::V6 { far, .. } => far.into(),
        };
        SocketAddr::new(address, self.far_port)
    }

    /// Returns the ends with another near one, of the same family.
    pub(super) fn with_near(&self, near: SocketAddr) -> Self {
        let addresses = Pair::new(near.ip(), self.far().ip());
        Self { near_port: near.port(), addresses, ..*self }
    }

    /// Returns the ends with another far one, of the same family.
    pub(super) fn with_far(&self, far: SocketAddr) -> Self {
        let addresses = Pair::new(self.near().ip(), far.ip());
        Self { far_port: far.port(), addresses, ..*self }
    }

    /// Returns the flow, as if `side` had opened it.
    pub(super) fn opened_by(&self, side: Side) -> FlowKey {
        let (initiator, responder) = (self.near(), self.far());
        let flow = FlowKey { protocol: self.protocol, initiator, responder };
        match side {
            Side::Inside => flow,
            Side::Outside => flow.reversed(),
        }
    }

    /// Returns the same number for the same ends.
    #[inline]
    pub(super) fn hash(&self, hasher: &FixedState) -> u64 {
        let mut hasher = hasher.build_hasher();
        let protocol = match self.protocol {
            Protocol::Tcp => 0,
            Protocol::Udp => 1,
            Protocol::Icmp => 2,
            Protocol::Other(number) => 3 + u64::from(number),
        };
        let ports = u64::from(self.near_port) << 16 | u64::from(self.far_port);
        hasher.write_u64(protocol << 32 | ports);
        match self.addresses {
            Pair::V4 { near, far } => {
                hasher.write_u64(u64::from(near.to_bits()) << 32 | u64::from(far.to_bits()));
            }
            Pair::V6 { near, far } => {
                hasher.write_u128(near.to_bits());
                hasher.write_u128(far.to_bits());
            }
        }
        hasher.finish()
    }
}

impl Pair {
    #[inline]
    fn new(near: IpAddr, far: IpAddr) -> Self {
        match (near, far) {
            (IpAddr::V4(near), IpAddr::V4(far)) => Self::V4 { near, far },
            (near, far) => Self::V6 { near: wide(near), far: wide(far) },
        }
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
    identity: Identity,
    inside_port: u16,
    external_port: u16,
    outside_port: u16,
    pub(super) phase: Phase,
    /// When its timer was last started; if it is forgotten, when that happened.
    pub(super) started: Instant,
    pub(super) tcp: Tracker,
}

const _: () = assert!(size_of::<Mapping>() == 64, "a mapping fits a cache line");

/// The places of a mapping's addresses.
const INSIDE: usize = 0;
const EXTERNAL: usize = 1;
const OUTSIDE: usize = 2;

/// The addresses of a mapping's three ends, those of the common family in place, and the bytes that
/// fit beside them.
#[derive(Debug)]
enum Identity {
    V4 { addresses: [Ipv4Addr; 3], protocol: Protocol, opened_by: Side },
    V6 { addresses: Box<[Ipv6Addr; 3]>, protocol: Protocol, opened_by: Side },
}

impl Mapping {
    /// Returns the mapping of a flow whose inside end is known outside as `external`.
    pub(super) fn new(
        inner: Ends,
        external: SocketAddr,
        opened_by: Side,
        phase: Phase,
        started: Instant,
        tcp: Tracker,
    ) -> Self {
        let protocol = inner.protocol;
        let identity = match (inner.addresses, external.ip()) {
            (Pair::V4 { near, far }, IpAddr::V4(external)) => {
                Identity::V4 { addresses: [near, external, far], protocol, opened_by }
            }
            (Pair::V4 { near, far }, IpAddr::V6(external)) => {
                let addresses = [near.to_ipv6_mapped(), external, far.to_ipv6_mapped()];
                Identity::V6 { addresses: Box::new(addresses), protocol, opened_by }
            }
            (Pair::V6 { near, far }, external) => {
                let addresses = Box::new([near, wide(external), far]);
                Identity::V6 { addresses, protocol, opened_by }
            }
        };
        Self {
            identity,
            inside_port: inner.near_port,
            external_port: external.port(),
            outside_port: inner.far_port,
            phase,
            started,
            tcp,
        }
    }

    /// Returns the flow as it is named inside.
    pub(super) fn flow(&self) -> FlowKey {
        self.inner().opened_by(self.opened_by())
    }

    #[inline]
    pub(super) const fn protocol(&self) -> Protocol {
        match self.identity {
            Identity::V4 { protocol, .. } | Identity::V6 { protocol, .. } => protocol,
        }
    }

    /// Returns the side of the end that opened the flow.
    #[inline]
    pub(super) const fn opened_by(&self) -> Side {
        match self.identity {
            Identity::V4 { opened_by, .. } | Identity::V6 { opened_by, .. } => opened_by,
        }
    }

    /// Returns the ends as they are named inside.
    #[inline]
    pub(super) fn inner(&self) -> Ends {
        self.ends(INSIDE, self.inside_port)
    }

    /// Returns the ends as they are named outside.
    #[inline]
    pub(super) fn outer(&self) -> Ends {
        self.ends(EXTERNAL, self.external_port)
    }

    /// Tells whether these are its ends as they are named inside.
    #[inline]
    pub(super) fn is_inner(&self, ends: &Ends) -> bool {
        self.inner() == *ends
    }

    /// Tells whether these are its ends as they are named outside.
    #[inline]
    pub(super) fn is_outer(&self, ends: &Ends) -> bool {
        self.outer() == *ends
    }

    #[inline]
    fn ends(&self, near: usize, near_port: u16) -> Ends {
        let addresses = match &self.identity {
            Identity::V4 { addresses: own, .. } => Pair::V4 { near: own[near], far: own[OUTSIDE] },
            Identity::V6 { addresses: own, .. } => Pair::V6 { near: own[near], far: own[OUTSIDE] },
        };
        Ends { protocol: self.protocol(), near_port, far_port: self.outside_port, addresses }
    }

    #[inline]
    pub(super) fn inside(&self) -> SocketAddr {
        SocketAddr::new(self.address(INSIDE), self.inside_port)
    }

    #[inline]
    pub(super) fn external(&self) -> SocketAddr {
        SocketAddr::new(self.address(EXTERNAL), self.external_port)
    }

    pub(super) fn outside(&self) -> SocketAddr {
        SocketAddr::new(self.address(OUTSIDE), self.outside_port)
    }

    #[inline]
    fn address(&self, index: usize) -> IpAddr {
        match &self.identity {
            Identity::V4 { addresses, .. } => addresses[index].into(),
            Identity::V6 { addresses, .. } => addresses[index].into(),
        }
    }
}
