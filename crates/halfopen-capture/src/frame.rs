//! From a frame to the IP packet in it.
//!
//! What is no IP (ARP, LLDP, spanning tree) is an answer, not an error: a capture is full of it.

use crate::pcap::Link;

/// More tags and tunnels around one packet than any network has; the walk ends there.
const LAYERS_MAX: usize = 8;

/// An IP packet as it stood in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLayer<'a> {
    /// The bytes from the IP header on, and whatever follows the packet in the frame.
    pub bytes: &'a [u8],
    /// How many bytes they were on the wire.
    pub wire_len: usize,
    /// Which way the packet went, seen from the machine that captured it, if the link layer says.
    pub direction: Option<Direction>,
    /// The kernel's index of the interface, if the link layer says: a capture from `any` sees one
    /// packet on several.
    pub interface: Option<u32>,
}

/// Which way a packet went, seen from the machine that captured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the machine.
    Incoming,
    /// From the machine.
    Outgoing,
}

/// Why a frame holds no IP packet that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotIp {
    /// It carries another protocol, of this `EtherType`.
    EtherType(u16),
    /// It carries another protocol, of this PPP number.
    Ppp(u16),
    /// It carries another protocol, of this BSD address family.
    Family(u32),
    /// It carries IEEE 802.2 without an `EtherType`: spanning tree and the like.
    Llc,
    /// It carries MPLS with something other than IP below the last label.
    Mpls,
    /// Fewer bytes were captured than the link layer has.
    Truncated,
    /// More tags than are followed.
    TooDeep,
    /// A link type that is not followed.
    Link(Link),
}

/// Finds the IP packet in a frame of which `bytes` are left and that had `wire_len` bytes.
#[inline]
pub fn network_layer(link: Link, bytes: &[u8], wire_len: usize) -> Result<NetworkLayer<'_>, NotIp> {
    let frame = NetworkLayer { bytes, wire_len, direction: None, interface: None };
    match (link, bytes.get(12..14)) {
        (Link::ETHERNET, Some([0x08, 0x00])) => Ok(frame.split::<14>()?.1),
        (link, _) => find_in(link, frame),
    }
}

/// Finds the IP packet in any frame.
fn find_in(link: Link, frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    match link {
        Link::ETHERNET => ethernet(frame),
        Link::RAW | Link::RAW_BSD | Link::RAW_OPENBSD | Link::IPV4 | Link::IPV6 => Ok(frame),
        Link::LINUX_SLL => cooked_v1(frame),
        Link::LINUX_SLL2 => cooked_v2(frame),
        Link::NULL | Link::LOOP => loopback(frame),
        Link::PPP | Link::PPP_HDLC => ppp(frame),
        Link::PPP_ETHER => pppoe(frame),
        other => Err(NotIp::Link(other)),
    }
}

impl<'a> NetworkLayer<'a> {
    /// Takes a header of `N` bytes off the front.
    #[inline]
    fn split<const N: usize>(self) -> Result<(&'a [u8; N], Self), NotIp> {
        let (header, bytes) = self.bytes.split_first_chunk::<N>().ok_or(NotIp::Truncated)?;
        Ok((header, Self { bytes, wire_len: self.wire_len.saturating_sub(N), ..self }))
    }
}

/// Ethernet II, or IEEE 802.3 with SNAP.
fn ethernet(frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    let (header, payload) = frame.split::<14>()?;
    match u16_at(header, 12) {
        // IEEE 802.3 section 3.2.6: up to 1500 it is a length.
        0..=1500 => snap(payload),
        ether_type => tagged(ether_type, payload),
    }
}

/// IEEE 802.2 with a Subnetwork Access Protocol header that holds an `EtherType` (RFC 1042).
fn snap(frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    match frame.split::<8>() {
        Ok((&[0xaa, 0xaa, 3, 0, 0, 0, high, low], payload)) => {
            tagged(u16::from_be_bytes([high, low]), payload)
        }
        Ok(_) | Err(_) => Err(NotIp::Llc),
    }
}

/// Follows VLAN tags down to the protocol that they carry.
fn tagged(mut ether_type: u16, mut frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    for _ in 0..LAYERS_MAX {
        match ether_type {
            0x0800 | 0x86dd => return Ok(frame),
            // IEEE 802.1Q, 802.1ad, and what switches used for stacked tags before that.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let (tag, payload) = frame.split::<4>()?;
                ether_type = u16_at(tag, 2);
                frame = payload;
            }
            0x8847 | 0x8848 => return mpls(frame),
            0x8864 => return pppoe(frame),
            other => return Err(NotIp::EtherType(other)),
        }
    }
    Err(NotIp::TooDeep)
}

/// MPLS labels (RFC 3032 section 2.1). Nothing says what is below them, so the first four bits
/// must do, as they do for routers (RFC 4928 section 2).
fn mpls(mut frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    for _ in 0..LAYERS_MAX {
        let (label, payload) = frame.split::<4>()?;
        frame = payload;
        let bottom = label[2] & 1 != 0;
        if bottom {
            let version = frame.bytes.first().ok_or(NotIp::Truncated)? >> 4;
            return if matches!(version, 4 | 6) { Ok(frame) } else { Err(NotIp::Mpls) };
        }
    }
    Err(NotIp::TooDeep)
}

/// A `PPPoE` session (RFC 2516 section 4).
fn pppoe(frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    let (_, payload) = frame.split::<6>()?;
    ppp(payload)
}

/// PPP, with or without the address and control bytes of HDLC-like framing (RFC 1662 section 3.1)
/// and with a protocol of two bytes or one (RFC 1661 section 6.5).
fn ppp(frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    let frame = match frame.split::<2>() {
        Ok(([0xff, 3], payload)) => payload,
        Ok(_) | Err(_) => frame,
    };
    let (&[first], after_one) = frame.split::<1>()?;
    let compressed = first & 1 != 0;
    let (protocol, payload) = if compressed {
        (u16::from(first), after_one)
    } else {
        let (protocol, payload) = frame.split::<2>()?;
        (u16::from_be_bytes(*protocol), payload)
    };
    match protocol {
        0x0021 | 0x0057 => Ok(payload),
        other => Err(NotIp::Ppp(other)),
    }
}

/// `LINKTYPE_LINUX_SLL`: packet type, hardware type, address length, address, protocol.
fn cooked_v1(frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    let (header, payload) = frame.split::<16>()?;
    let direction = cooked_direction(u16_at(header, 0));
    tagged(u16_at(header, 14), NetworkLayer { direction, ..payload })
}

/// `LINKTYPE_LINUX_SLL2`: protocol, reserved, interface index, hardware type, packet type, address
/// length, address.
fn cooked_v2(frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    let (header, payload) = frame.split::<20>()?;
    let direction = cooked_direction(u16::from(header[10]));
    let interface = Some(u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
    tagged(u16_at(header, 0), NetworkLayer { direction, interface, ..payload })
}

/// Reads Linux's packet type (`PACKET_HOST` and so on in `linux/if_packet.h`).
const fn cooked_direction(packet_type: u16) -> Option<Direction> {
    match packet_type {
        0..=2 => Some(Direction::Incoming), // to us, broadcast, multicast
        4 => Some(Direction::Outgoing),
        _ => None, // 3: from another host to another, seen in promiscuous mode
    }
}

/// BSD loopback: an address family, in the byte order of whichever machine captured.
fn loopback(frame: NetworkLayer<'_>) -> Result<NetworkLayer<'_>, NotIp> {
    let (header, payload) = frame.split::<4>()?;
    let family = u32::from_be_bytes(*header);
    // All families are below 65,536, so a high half that is set means the other byte order.
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        // AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 23 on Windows, 24 on NetBSD and
        // OpenBSD, 28 on FreeBSD and 30 on macOS.
        2 | 10 | 23 | 24 | 28 | 30 => Ok(payload),
        other => Err(NotIp::Family(other)),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests;
