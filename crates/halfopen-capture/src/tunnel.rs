//! From a packet to the packet that it carries through a tunnel.
//!
//! Networks in clouds put their customers' packets into others: VXLAN (AWS's traffic mirroring,
//! Kubernetes), GENEVE (AWS's Gateway Load Balancer), GRE with or without Ethernet or ERSPAN, and
//! IP in IP. A connection is that of its inner packets, so these count. What is encrypted, or in
//! fragments, stays shut.

use halfopen_core::flow::Protocol;
use halfopen_core::wire::View;

use crate::frame::network_layer;
use crate::pcap::Link;

/// More tunnels within each other than any network has.
const LAYERS_MAX: usize = 4;
/// RFC 7348 section 8 and RFC 8926 section 3.3: the ports that IANA assigned.
const VXLAN: u16 = 4789;
const GENEVE: u16 = 6081;
/// IANA's numbers of protocols.
const IPV4: u8 = 4;
const IPV6: u8 = 41;
const GRE: u8 = 47;
/// `EtherType`s: IPv4, IPv6, Ethernet (RFC 7637 section 3.2), ERSPAN type II.
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
const ETHER_BRIDGED: u16 = 0x6558;
const ETHER_ERSPAN: u16 = 0x88be;

/// Bytes that a tunnel's packet carries, and how many they were on the wire.
#[derive(Clone, Copy)]
struct Load<'a> {
    bytes: &'a [u8],
    wire_len: usize,
}

/// Returns the innermost packet that `view` carries: itself, if it is no tunnel's packet.
#[inline]
pub(crate) fn innermost(view: View<'_>) -> View<'_> {
    match view.protocol() {
        Protocol::Tcp | Protocol::Icmp => view,
        Protocol::Udp | Protocol::Other(_) => {
            let layers = core::iter::successors(Some(view), |view| open(*view));
            layers.take(1 + LAYERS_MAX).last().unwrap_or(view)
        }
    }
}

fn open(view: View<'_>) -> Option<View<'_>> {
    if view.fragment().is_some() {
        return None;
    }
    let load = Load { bytes: view.payload(), wire_len: view.payload_len() };
    match view.protocol() {
        Protocol::Udp => match view.ports()? {
            (_, VXLAN) => vxlan(load),
            (_, GENEVE) => geneve(load),
            _ => None,
        },
        Protocol::Other(IPV4 | IPV6) => load.ip(),
        Protocol::Other(GRE) => gre(load),
        Protocol::Tcp | Protocol::Icmp | Protocol::Other(_) => None,
    }
}

impl<'a> Load<'a> {
    fn skip(self, len: usize) -> Option<Self> {
        let bytes = self.bytes.get(len..)?;
        Some(Self { bytes, wire_len: self.wire_len.saturating_sub(len) })
    }

    fn ip(self) -> Option<View<'a>> {
        View::parse(self.bytes, self.wire_len).ok()
    }

    fn ethernet(self) -> Option<View<'a>> {
        let ip = network_layer(Link::ETHERNET, self.bytes, self.wire_len).ok()?;
        View::parse(ip.bytes, ip.wire_len).ok()
    }

    fn of_type(self, ether_type: u16) -> Option<View<'a>> {
        match ether_type {
            ETHER_IPV4 | ETHER_IPV6 => self.ip(),
            ETHER_BRIDGED => self.ethernet(),
            _ => None,
        }
    }
}

/// RFC 7348 section 5: a flag that says that the network's identifier is there, and zeros.
fn vxlan(load: Load<'_>) -> Option<View<'_>> {
    match load.bytes {
        [0x08, 0, 0, 0, _, _, _, 0, ..] => load.skip(8)?.ethernet(),
        _ => None,
    }
}

/// RFC 8926 section 3.4: version zero, the length of the options in words, what is inside.
fn geneve(load: Load<'_>) -> Option<View<'_>> {
    let &[first, _, high, low, _, _, _, 0, ..] = load.bytes else { return None };
    let (version, options) = (first >> 6, usize::from(first & 0x3f) * 4);
    let inside = load.skip(8 + options).filter(|_| version == 0)?;
    inside.of_type(u16::from_be_bytes([high, low]))
}

/// RFC 2784 section 2 and RFC 2890 section 2: checksum, key and sequence number are there if their
/// bits are set. ERSPAN type II puts eight bytes more in front of the frame.
fn gre(load: Load<'_>) -> Option<View<'_>> {
    let &[flags, version, high, low, ..] = load.bytes else { return None };
    let fields = (flags & 0b1011_0000).count_ones() as usize;
    let inside = load.skip(4 + 4 * fields).filter(|_| flags & 0x4f == 0 && version == 0)?;
    match u16::from_be_bytes([high, low]) {
        ETHER_ERSPAN => inside.skip(8)?.ethernet(),
        ether_type => inside.of_type(ether_type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_core::wire::tcp::{Flags, Segment};

    fn segment() -> Vec<u8> {
        let (client, server) = ("10.0.0.7:40000".parse().unwrap(), "10.1.0.1:80".parse().unwrap());
        Segment::new(client, server, Flags::SYN).into_packet().into_bytes()
    }

    fn ethernet(ip: &[u8]) -> Vec<u8> {
        [&[0; 12], &[8, 0][..], ip].concat()
    }

    /// Returns an IPv4 packet of the protocol that carries `load`.
    fn ip(protocol: u8, load: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(20 + load.len()).unwrap().to_be_bytes();
        let header =
            [0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        [&header, load].concat()
    }

    fn udp(port: u16, load: &[u8]) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        let [long, len] = u16::try_from(8 + load.len()).unwrap().to_be_bytes();
        ip(17, &[&[0xc0, 0, high, low, long, len, 0, 0], load].concat())
    }

    fn tunnels() -> Vec<(&'static str, Vec<u8>)> {
        let (plain, framed) = (segment(), ethernet(&segment()));
        let after = |header: &[u8], load: &[u8]| [header, load].concat();
        vec![
            ("vxlan", udp(4789, &after(&[8, 0, 0, 0, 0, 0, 42, 0], &framed))),
            ("geneve", udp(6081, &after(&[1, 0, 8, 0, 0, 0, 42, 0, 1, 2, 3, 0], &plain))),
            ("geneve with ethernet", udp(6081, &after(&[0, 0, 0x65, 0x58, 0, 0, 42, 0], &framed))),
            ("gre", ip(47, &after(&[0, 0, 8, 0], &plain))),
            ("gre with a key", ip(47, &after(&[0x20, 0, 8, 0, 0, 0, 0, 7], &plain))),
            ("nvgre", ip(47, &after(&[0x20, 0, 0x65, 0x58, 0, 0, 7, 0], &framed))),
            (
                "erspan",
                ip(
                    47,
                    &after(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &framed),
                ),
            ),
            ("ip in ip", ip(4, &plain)),
            ("vxlan in ip in ip", ip(4, &udp(4789, &after(&[8, 0, 0, 0, 0, 0, 42, 0], &framed)))),
        ]
    }

    #[test]
    fn a_tunnels_packet_is_the_one_that_it_carries() {
        for (name, bytes) in tunnels() {
            let view = View::parse(&bytes, bytes.len()).unwrap();
            assert_eq!(innermost(view).bytes(), segment(), "{name}");
        }
    }

    #[test]
    fn what_is_cut_anywhere_opens_or_stays_shut() {
        for (_, bytes) in tunnels() {
            for end in 20..bytes.len() {
                if let Ok(view) = View::parse(&bytes[..end], bytes.len()) {
                    let inner = innermost(view);
                    let opened = inner.protocol() == Protocol::Tcp;
                    assert!(!opened || inner.wire_len() == segment().len());
                }
            }
        }
    }

    #[test]
    fn what_only_shares_the_port_is_no_tunnel() {
        let bytes = udp(4789, &ethernet(&segment()));
        let inner = innermost(View::parse(&bytes, bytes.len()).unwrap());
        assert_eq!(inner.protocol(), Protocol::Udp);
    }

    #[test]
    fn tunnels_without_end_are_not_followed_to_it() {
        let mut bytes = segment();
        for _ in 0..40 {
            bytes = ip(4, &bytes);
        }
        let inner = innermost(View::parse(&bytes, bytes.len()).unwrap());
        assert_eq!(inner.protocol(), Protocol::Other(4));
    }
}
