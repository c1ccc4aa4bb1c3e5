//! A packet that belongs to somebody else, read without copying.

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::flow::{FlowKey, Protocol};
use crate::wire::{icmp, tcp};

/// IANA protocol numbers.
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP_V6: u8 = 58;

const V4_HEADER: usize = 20;
pub(super) const V6_HEADER: usize = 40;
/// What is not zero in a fragment: bit 13 says that more follow, the low 13 are the offset (RFC 791
/// section 3.1).
const FRAGMENTED: u16 = 0x3fff;
/// More extension headers than any sane packet has; the walk ends there.
const EXTENSIONS_MAX: usize = 8;

/// Why bytes are not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than the header that should be there.
    Truncated,
    /// Neither version 4 nor 6.
    Version(u8),
    /// A header length below the smallest or beyond the packet.
    HeaderLength,
    /// More IPv6 extension headers than are followed.
    Extensions,
    /// A checksum that does not hold.
    Checksum,
    /// Something is to be done to it that is not done to its protocol.
    Offload,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the packet is cut short"),
            Self::Version(version) => write!(f, "IP version {version} is neither 4 nor 6"),
            Self::HeaderLength => write!(f, "a header length is out of bounds"),
            Self::Extensions => write!(f, "more than {EXTENSIONS_MAX} IPv6 extension headers"),
            Self::Checksum => write!(f, "a checksum does not hold"),
            Self::Offload => write!(f, "no packet of its protocol is left to the network so"),
        }
    }
}

impl core::error::Error for Malformed {}

/// The place of a fragment in the packet that was cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What the fragments of one packet share.
    pub id: u32,
    /// The first byte's offset, in bytes.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
}

/// Where things are in a packet. All offsets are within the bytes that were there at parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) v6: bool,
    pub(super) protocol: u8,
    /// Where the transport header starts.
    pub(super) transport: u16,
    /// Where its payload starts, which may be beyond the bytes that are there; equals `transport`
    /// if the header's fixed fields are not there to be read.
    pub(super) payload: u16,
    /// Where the fields start that place a fragment: in the IPv4 header the identification, in an
    /// IPv6 packet the fragment header. `None` if the packet is whole.
    pub(super) fragment: Option<u16>,
    /// How long the packet was on the wire, by its own account.
    pub(super) end: u32,
}

/// One IP packet, read without copying. It may be cut short, as captures do.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> View<'a> {
    /// Reads the headers of a packet of which `bytes` are left and that had `wire_len` bytes.
    ///
    /// Bytes beyond the packet's own length (an Ethernet trailer) are ignored. A total length of
    /// zero, which captures of segmentation offload show, stands for `wire_len`.
    #[inline]
    pub fn parse(bytes: &'a [u8], wire_len: usize) -> Result<Self, Malformed> {
        plain_tcp(bytes).map_or_else(|| Self::parse_any(bytes, wire_len), Ok)
    }

    fn parse_any(bytes: &'a [u8], wire_len: usize) -> Result<Self, Malformed> {
        let layout = match bytes.first().ok_or(Malformed::Truncated)? >> 4 {
            4 => layout_v4(bytes, wire_len)?,
            6 => layout_v6(bytes, wire_len)?,
            version => return Err(Malformed::Version(version)),
        };
        let bytes = &bytes[..bytes.len().min(layout.end as usize)];
        Ok(Self { bytes, layout: locate_payload(bytes, layout)? })
    }

    /// Returns the bytes that are there, from the IP header on.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns how long the packet was on the wire, which is more than `bytes` if it was cut.
    #[inline]
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.layout.end as usize
    }

    /// Tells whether this is an IPv6 packet.
    #[inline]
    #[must_use]
    pub const fn is_v6(&self) -> bool {
        self.layout.v6
    }

    /// Returns the source address.
    #[inline]
    #[must_use]
    pub fn src(&self) -> IpAddr {
        if self.layout.v6 { self.v6_at(8) } else { self.v4_at(12) }
    }

    /// Returns the destination address.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> IpAddr {
        if self.layout.v6 { self.v6_at(24) } else { self.v4_at(16) }
    }

    /// Returns source and destination address as numbers; IPv4 addresses are mapped (RFC 4291
    /// section 2.5.5.2).
    #[inline]
    #[must_use]
    pub fn addresses(&self) -> [u128; 2] {
        if self.layout.v6 {
            [8, 24].map(|at| u128::from_be_bytes(self.array_at(at)))
        } else {
            [12, 16].map(|at| 0xffff << 32 | u128::from(u32::from_be_bytes(self.array_at(at))))
        }
    }

    /// Returns the time to live (IPv4) or hop limit (IPv6).
    #[inline]
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        self.bytes[if self.layout.v6 { 7 } else { 8 }]
    }

    /// Returns the IPv4 identification; IPv6 has none outside fragments.
    #[inline]
    #[must_use]
    pub fn ip_id(&self) -> Option<u16> {
        (!self.layout.v6).then(|| self.u16_at(4))
    }

    /// Tells whether no router may cut the packet up: the DF bit (RFC 791 section 3.1), or IPv6
    /// (RFC 8200 section 4.5).
    #[inline]
    #[must_use]
    pub const fn dont_fragment(&self) -> bool {
        self.layout.v6 || self.bytes[6] & 0x40 != 0
    }

    /// Returns the protocol.
    #[inline]
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self.layout.protocol {
            TCP => Protocol::Tcp,
            UDP => Protocol::Udp,
            ICMP | ICMP_V6 => Protocol::Icmp,
            other => Protocol::Other(other),
        }
    }

    /// Returns the packet's place among the fragments of a packet; `None` if it is whole.
    #[inline]
    #[must_use]
    pub fn fragment(&self) -> Option<Fragment> {
        let at = usize::from(self.layout.fragment?);
        let word = self.u16_at(at + 2);
        Some(if self.layout.v6 {
            let id = u32::from(self.u16_at(at + 4)) << 16 | u32::from(self.u16_at(at + 6));
            Fragment { id, offset: word & 0xfff8, more: word & 1 != 0 }
        } else {
            let id = u32::from(self.u16_at(at));
            Fragment { id, offset: (word & 0x1fff) << 3, more: word & 0x2000 != 0 }
        })
    }

    /// Returns the TCP header, if there is one to be read.
    #[inline]
    #[must_use]
    pub fn tcp(&self) -> Option<tcp::Header> {
        if self.layout.protocol != TCP {
            return None;
        }
        tcp::Header::read(self.transport_header()?)
    }

    /// Returns the TCP options, as far as they are there to be read.
    #[inline]
    #[must_use]
    pub fn tcp_options(&self) -> tcp::Options {
        let header = self.transport_header().filter(|_| self.layout.protocol == TCP);
        header.map_or_else(tcp::Options::default, |header| tcp::Options::read(&header[20..]))
    }

    /// Returns how many bytes the TCP options take, padding included.
    #[inline]
    #[must_use]
    pub fn tcp_options_len(&self) -> usize {
        if self.layout.protocol != TCP {
            return 0;
        }
        usize::from(self.layout.payload - self.layout.transport).saturating_sub(20)
    }

    /// Returns the ICMP header, if there is one to be read.
    #[inline]
    #[must_use]
    pub fn icmp(&self) -> Option<icmp::Header> {
        if self.protocol() != Protocol::Icmp {
            return None;
        }
        icmp::Header::read(self.transport_header()?, self.layout.v6)
    }

    /// Returns the packet that an ICMP error quotes, as far as it quotes it.
    #[inline]
    #[must_use]
    pub fn quoted(&self) -> Option<View<'a>> {
        self.icmp().filter(icmp::Header::is_error)?;
        let quoted = self.payload();
        View::parse(quoted, quoted.len()).ok()
    }

    /// Returns source and destination port of TCP or UDP, if there is a header to be read.
    #[inline]
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let at = usize::from(self.layout.transport);
        let ported = matches!(self.layout.protocol, TCP | UDP);
        let readable = self.first_fragment() && self.bytes.len() >= at + 4;
        (ported && readable).then(|| (self.u16_at(at), self.u16_at(at + 2)))
    }

    /// Returns the flow as this packet's sender would name it.
    ///
    /// An ICMP error is named by itself, not by the flow that it quotes. `None` for a packet whose
    /// ports cannot be read, such as a later fragment.
    #[inline]
    #[must_use]
    pub fn flow(&self) -> Option<FlowKey> {
        let protocol = self.protocol();
        let (from, to) = match protocol {
            Protocol::Tcp | Protocol::Udp => self.ports()?,
            Protocol::Icmp => (self.icmp()?.identifier(), 0),
            Protocol::Other(_) => (0, 0),
        };
        let initiator = SocketAddr::new(self.src(), from);
        Some(FlowKey { protocol, initiator, responder: SocketAddr::new(self.dst(), to) })
    }

    /// Returns the payload of the transport protocol as far as it is there.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(usize::from(self.layout.payload)..).unwrap_or_default()
    }

    /// Returns how long the payload was on the wire.
    #[inline]
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        (self.layout.end as usize).saturating_sub(self.layout.payload as usize)
    }

    #[inline]
    fn transport_header(&self) -> Option<&'a [u8]> {
        let end = self.bytes.len().min(usize::from(self.layout.payload));
        self.bytes.get(usize::from(self.layout.transport)..end).filter(|header| !header.is_empty())
    }

    #[inline]
    fn first_fragment(&self) -> bool {
        self.fragment().is_none_or(|fragment| fragment.offset == 0)
    }

    #[inline]
    fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array_at(at))
    }

    #[inline]
    fn v4_at(&self, at: usize) -> IpAddr {
        Ipv4Addr::from_octets(self.array_at(at)).into()
    }

    #[inline]
    fn v6_at(&self, at: usize) -> IpAddr {
        Ipv6Addr::from_octets(self.array_at(at)).into()
    }

    #[inline]
    fn array_at<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("what was parsed is there")
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = self.ports().unwrap_or_default();
        write!(f, "{}:{from} > {}:{to} ttl {}", self.src(), self.dst(), self.ttl())?;
        match self.tcp() {
            None => write!(f, " {:?} len {}", self.protocol(), self.payload_len()),
            Some(tcp) => write!(f, " {tcp:?} len {}", self.payload_len()),
        }
    }
}

/// Reads what most packets are: TCP over IPv4, whole and without IP options.
#[inline]
fn plain_tcp(bytes: &[u8]) -> Option<View<'_>> {
    let header = bytes.first_chunk::<40>()?;
    let [version_and_length, _, high, low, _, _, flags, offset, _, protocol, ..] = *header;
    let whole = u16::from_be_bytes([flags, offset]) & FRAGMENTED == 0;
    if (version_and_length, protocol, whole) != (0x45, TCP, true) {
        return None;
    }
    let (end, payload) = (u16::from_be_bytes([high, low]), 20 + u16::from(header[32] >> 4) * 4);
    if payload < 40 || end < payload {
        return None;
    }
    let (transport, end) = (20, u32::from(end));
    let layout = Layout { v6: false, protocol, transport, payload, fragment: None, end };
    Some(View { bytes: &bytes[..bytes.len().min(end as usize)], layout })
}

#[inline]
fn layout_v4(bytes: &[u8], wire_len: usize) -> Result<Layout, Malformed> {
    let header = bytes.get(..V4_HEADER).ok_or(Malformed::Truncated)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
        0 => wire_len.max(bytes.len()),
        total => total,
    };
    if header_len < V4_HEADER || total < header_len {
        return Err(Malformed::HeaderLength);
    }
    if bytes.len() < header_len {
        return Err(Malformed::Truncated);
    }
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & FRAGMENTED != 0;
    Ok(Layout {
        v6: false,
        protocol: header[9],
        transport: u16_from(header_len)?,
        payload: u16_from(header_len)?,
        fragment: is_fragment.then_some(4),
        end: u32::try_from(total).map_err(|_| Malformed::HeaderLength)?,
    })
}

fn layout_v6(bytes: &[u8], wire_len: usize) -> Result<Layout, Malformed> {
    let header = bytes.get(..V6_HEADER).ok_or(Malformed::Truncated)?;
    let total = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
        0 if wire_len > V6_HEADER => wire_len,
        length => V6_HEADER + length,
    };
    let end = u32::try_from(total).map_err(|_| Malformed::HeaderLength)?;
    let (mut next, mut at, mut fragment) = (header[6], V6_HEADER, None);
    for _ in 0..EXTENSIONS_MAX {
        // RFC 8200 section 4: hop-by-hop 0, routing 43, fragment 44, destination options 60;
        // RFC 4302: authentication 51, whose length counts 4-byte words.
        let length = match (next, bytes.get(at..at + 8)) {
            (0 | 43 | 60, Some(extension)) => 8 + usize::from(extension[1]) * 8,
            (51, Some(extension)) => 8 + usize::from(extension[1]) * 4,
            (44, Some(_)) => {
                fragment = Some(u16_from(at)?);
                8
            }
            (0 | 43 | 44 | 51 | 60, None) => return Err(Malformed::Truncated),
            _ => {
                let transport = u16_from(at)?;
                let payload = transport;
                return Ok(Layout { v6: true, protocol: next, transport, payload, fragment, end });
            }
        };
        next = bytes[at];
        at += length;
        if at > total {
            return Err(Malformed::HeaderLength);
        }
    }
    Err(Malformed::Extensions)
}

/// Finds where the payload starts, if the transport header's fixed fields are there.
#[inline]
fn locate_payload(bytes: &[u8], layout: Layout) -> Result<Layout, Malformed> {
    let view = View { bytes, layout };
    let start = usize::from(layout.transport);
    let Some(header) = bytes.get(start..).filter(|_| view.first_fragment()) else {
        return Ok(layout);
    };
    let length = match layout.protocol {
        TCP if header.len() >= 20 => usize::from(header[12] >> 4) * 4,
        UDP | ICMP | ICMP_V6 if header.len() >= 8 => 8,
        _ => return Ok(layout),
    };
    if layout.protocol == TCP && length < 20 || start + length > layout.end as usize {
        return Err(Malformed::HeaderLength);
    }
    Ok(Layout { payload: u16_from(start + length)?, ..layout })
}

fn u16_from(at: usize) -> Result<u16, Malformed> {
    u16::try_from(at).map_err(|_| Malformed::HeaderLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::wire::tcp::{Flags, Segment};

    #[test]
    fn what_most_packets_are_reads_as_any_packet_does() {
        let ends = [1, 2].map(|host| SocketAddr::from(([10, 0, 0, host], 80)));
        let segment = Segment { payload: b"abc", ..Segment::new(ends[0], ends[1], Flags::ACK) };
        let whole = segment.into_packet().bytes().to_vec();
        let mut rng = Rng::new(40);
        let mut plain = 0;
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..rng.below(3) {
                let at = rng.index(bytes.len());
                bytes[at] = *rng.pick(&[0, 0x20, 0x40, 0x45, 0x50, 0x60, 0xff]);
            }
            bytes.truncate(bytes.len() - rng.index(4));
            let Some(view) = plain_tcp(&bytes) else { continue };
            plain += 1;
            let any = View::parse_any(&bytes, whole.len()).expect("the same packet");
            assert_eq!((view.bytes, view.layout), (any.bytes, any.layout), "{bytes:02x?}");
        }
        assert!(plain > 5_000, "{plain}");
    }
}
