//! The kernel as a gateway between two TUN devices, whose other ends are here.
//!
//! A packet that is written to a TUN device has gone its whole way through the kernel when the
//! call returns (`drivers/net/tun.c`, `tun_get_user`). So what a packet meets is known at once, and
//! which packet made the kernel send something, too.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use halfopen_core::gateway::GatewayConfig;
use halfopen_core::hop::Side;
use halfopen_core::wire::{Packet, vnet};

use super::{Inexpressible, Netfilter};
use crate::namespace::{self, Namespace};
use crate::tun::{self, PACKET_MAX, Settings, Tun};

const INSIDE: &str = "inside";
const OUTSIDE: &str = "outside";

/// Ethernet's (RFC 894).
const MTU: u16 = 1_500;

/// A namespace that is a gateway. It goes away with this.
#[derive(Debug)]
pub struct Router {
    inside: Tun,
    outside: Tun,
    _namespace: Namespace,
}

/// Why there is no router.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// Netfilter cannot be such a gateway.
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
    /// It translates to no IPv4 address, or to several.
    #[error("the kernel as a gateway translates to one IPv4 address")]
    Address,
    /// The namespace, or what belongs into it, could not be made.
    #[error(transparent)]
    Namespace(#[from] namespace::Error),
    /// An interface could not be made.
    #[error(transparent)]
    Interface(#[from] tun::Error),
    /// Netfilter could not be set up.
    #[error(transparent)]
    Netfilter(#[from] super::Error),
}

impl Router {
    /// Makes a namespace that is the gateway that `config` describes. The `inside` networks are
    /// IPv4, with the length of their prefixes; all else is outside.
    pub fn new(config: &GatewayConfig, inside: &[(Ipv4Addr, u8)]) -> Result<Self, RouterError> {
        let netfilter = Netfilter::of(config, INSIDE, OUTSIDE)?;
        let external = config.translation.as_ref().map(|to| to.external.as_slice());
        let external = match external {
            None => None,
            Some(&[IpAddr::V4(external)]) => Some(external),
            Some(_) => return Err(RouterError::Address),
        };
        let namespace = Namespace::new()?;
        let open = |name: &str| Tun::open(&Settings { name: name.to_owned(), mtu: MTU });
        let tuns = namespace.run(|| Ok::<_, tun::Error>([open(INSIDE)?, open(OUTSIDE)?]))?;
        for interface in [INSIDE, OUTSIDE] {
            // Else the kernel looks for routers there.
            let quiet = format!("net/ipv6/conf/{interface}/disable_ipv6");
            namespace.set_parameter(&quiet, "1")?;
            namespace.bring_up(interface)?;
        }
        if let Some(external) = external {
            namespace.add_address(OUTSIDE, external.into(), 32)?;
        }
        for &(network, prefix) in inside {
            namespace.add_route(INSIDE, network.into(), prefix, None)?;
        }
        namespace.add_route(OUTSIDE, Ipv4Addr::UNSPECIFIED.into(), 0, None)?;
        namespace.run(|| netfilter.apply())??;
        let [inside, outside] = tuns?;
        Ok(Self { inside, outside, _namespace: namespace })
    }

    /// Gives the kernel a packet that came from `side`, and returns what it sends for it.
    ///
    /// It fails if an interface was taken away.
    pub fn exchange(&mut self, side: Side, packet: Packet) -> io::Result<Vec<(Side, Packet)>> {
        let mut sent = Vec::new();
        for packet in packet.into_segments() {
            self.tun(side).send(&packet)?;
            for side in [Side::Inside, Side::Outside] {
                while let Some(packet) = self.receive(side)? {
                    sent.extend(packet.into_segments().map(|packet| (side, packet)));
                }
            }
        }
        Ok(sent)
    }

    fn receive(&self, side: Side) -> io::Result<Option<Packet>> {
        let mut buffer = Vec::with_capacity(PACKET_MAX);
        let header = self.tun(side).receive(&mut buffer)?;
        Ok(header.and_then(|header| vnet::parse(header, buffer).ok()))
    }

    const fn tun(&self, side: Side) -> &Tun {
        match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        }
    }
}
