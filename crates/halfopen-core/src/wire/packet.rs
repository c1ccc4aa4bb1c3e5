//! A whole packet, owned and rewritten in place.

use core::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::wire::checksum::{self, Change};
use crate::wire::view::{ICMP, ICMP_V6, Layout, Malformed, TCP, UDP, View};

mod offload;

pub use offload::{Offload, Segments};

/// One whole IP packet. Its headers were checked when it was made; its checksums hold as far as
/// they held then, since every rewrite updates them (RFC 1624).
///
/// It may stand for several packets, see [`Offload`].
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    bytes: Vec<u8>,
    layout: Layout,
    offload: Offload,
}

/// Which end of a packet is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Src,
    Dst,
}

impl Packet {
    /// Checks bytes and takes them over. All of the packet must be there; trailing bytes are cut.
    pub fn parse(mut bytes: Vec<u8>) -> Result<Self, Malformed> {
        let layout = View::parse(&bytes, bytes.len())?.layout;
        if bytes.len() < layout.end as usize {
            return Err(Malformed::Truncated);
        }
        bytes.truncate(layout.end as usize);
        Ok(Self { bytes, layout, offload: Offload::Nothing })
    }

    /// Sends the packet's source somewhere else: the address, and the port if it has ports.
    ///
    /// The address must be of the packet's family. Updates all checksums that cover it.
    #[inline]
    pub fn set_src(&mut self, src: SocketAddr) {
        self.set_end(End::Src, src);
    }

    /// Sets the destination; otherwise as [`set_src`](Self::set_src).
    #[inline]
    pub fn set_dst(&mut self, dst: SocketAddr) {
        self.set_end(End::Dst, dst);
    }

    /// Sets the identifier of an ICMP echo; does nothing to other packets.
    #[inline]
    pub fn set_icmp_identifier(&mut self, identifier: u16) {
        if self.view().icmp().is_some_and(|icmp| icmp.is_echo()) {
            let at = usize::from(self.layout.transport);
            let change = self.overwrite(at + 4, identifier.to_be_bytes());
            self.correct_sum(change, at + 2);
        }
    }

    /// Rewrites the source of the packet that an ICMP error quotes, which is what a NAT does on
    /// the way in (RFC 5508 REQ-4); does nothing to other packets.
    pub fn set_quoted_src(&mut self, src: SocketAddr) {
        self.set_quoted_end(End::Src, src);
    }

    /// Rewrites the destination of the packet that an ICMP error quotes.
    pub fn set_quoted_dst(&mut self, dst: SocketAddr) {
        self.set_quoted_end(End::Dst, dst);
    }

    /// Takes one from the time to live and returns what is left.
    #[inline]
    pub fn decrement_ttl(&mut self) -> u8 {
        let left = self.view().ttl().saturating_sub(1);
        if self.layout.v6 {
            self.bytes[7] = left;
        } else {
            let change = self.overwrite(8, [left, self.bytes[9]]);
            self.correct_sum(change, 10);
        }
        left
    }

    /// Returns the packet as a view, which reads everything.
    #[inline]
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { bytes: &self.bytes, layout: self.layout }
    }

    /// Returns the bytes, from the IP header on.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the bytes away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Tells whether the IPv4 header's and the transport's checksum hold, as far as they are
    /// computed. A UDP checksum of zero
    /// over IPv4 says that there is none (RFC 768). Fragments have no checksum of their own.
    #[must_use]
    pub fn checksums_hold(&self) -> bool {
        let view = self.view();
        let header = &self.bytes[..usize::from(self.layout.transport)];
        if !self.layout.v6 && checksum::sum(0, header) != 0xffff {
            return false;
        }
        let Some(at) = self.transport_checksum_at() else { return true };
        if self.offload != Offload::Nothing {
            return self.pending_sum_holds(at);
        }
        if self.is_unchecked_udp(at) || view.fragment().is_some() {
            return true;
        }
        let segment = &self.bytes[usize::from(self.layout.transport)..];
        let start = match self.layout.protocol {
            ICMP => 0,
            protocol => checksum::pseudo_header(view.src(), view.dst(), protocol, segment.len()),
        };
        checksum::sum(start, segment) == 0xffff
    }

    #[inline]
    fn set_end(&mut self, end: End, to: SocketAddr) {
        let sum_at = self.transport_checksum_at();
        let address = self.set_address(end, to.ip());
        let port = self.set_port(end, to.port());
        // ICMP for IPv4 has no pseudo-header (RFC 792), for IPv6 it has (RFC 4443 section 2.3).
        let Some(sum_at) = sum_at.filter(|_| self.layout.protocol != ICMP) else { return };
        match self.offload {
            Offload::Nothing => self.correct_transport_sum(address.and(port), sum_at),
            Offload::Checksum | Offload::Segmentation(_) => {
                self.correct_pending_sum(address, sum_at);
            }
        }
    }

    #[inline]
    fn set_address(&mut self, end: End, address: IpAddr) -> Change {
        match (self.layout.v6, address) {
            (false, IpAddr::V4(address)) => {
                let at = if end == End::Src { 12 } else { 16 };
                let change = self.overwrite(at, address.octets());
                self.correct_sum(change, 10);
                change
            }
            (true, IpAddr::V6(address)) => {
                self.overwrite(if end == End::Src { 8 } else { 24 }, address.octets())
            }
            (false, IpAddr::V6(_)) | (true, IpAddr::V4(_)) => {
                panic!("an address of another family than the packet's")
            }
        }
    }

    /// Sets a port, if the packet has ports to be read.
    #[inline]
    fn set_port(&mut self, end: End, port: u16) -> Change {
        if self.view().ports().is_none() {
            return Change::NONE;
        }
        let at = usize::from(self.layout.transport) + if end == End::Src { 0 } else { 2 };
        self.overwrite(at, port.to_be_bytes())
    }

    fn set_quoted_end(&mut self, end: End, to: SocketAddr) {
        let Some(mut quoted) = self
            .view()
            .quoted()
            .map(|View { bytes, layout }| (bytes.to_vec(), layout))
            .map(|(bytes, layout)| Self { bytes, layout, offload: Offload::Nothing })
        else {
            return;
        };
        quoted.set_end(end, to);
        if quoted.view().icmp().is_some_and(|icmp| icmp.is_echo()) {
            quoted.set_icmp_identifier(to.port());
        }
        let at = usize::from(self.layout.payload);
        let sum_at = usize::from(self.layout.transport) + 2;
        let even = quoted.bytes.len() & !1;
        let (old, new) = (&mut self.bytes[at..at + even], &quoted.bytes[..even]);
        let change = Change::of(old, new);
        old.copy_from_slice(new);
        self.correct_sum(change, sum_at);
    }

    /// Overwrites bytes and leaves the checksums that cover them to be corrected.
    #[inline]
    fn overwrite<const LEN: usize>(&mut self, at: usize, new: [u8; LEN]) -> Change {
        let old: &mut [u8; LEN] = self.at(at);
        let change = Change::of(old, &new);
        *old = new;
        change
    }

    #[inline]
    fn at<const LEN: usize>(&mut self, at: usize) -> &mut [u8; LEN] {
        let bytes = &mut self.bytes[at..at + LEN];
        bytes.try_into().expect("a slice of so many bytes is an array of them")
    }

    #[inline]
    fn correct_sum(&mut self, change: Change, sum_at: usize) -> u16 {
        let bytes = self.at(sum_at);
        let sum = change.apply(u16::from_be_bytes(*bytes));
        *bytes = sum.to_be_bytes();
        sum
    }

    #[inline]
    fn correct_transport_sum(&mut self, change: Change, sum_at: usize) {
        if self.is_unchecked_udp(sum_at) {
            return;
        }
        let sum = self.correct_sum(change, sum_at);
        if sum == 0 && self.layout.protocol == UDP {
            self.bytes[sum_at..sum_at + 2].fill(0xff); // RFC 768: zero is sent as all ones
        }
    }

    #[inline]
    fn is_unchecked_udp(&self, sum_at: usize) -> bool {
        self.layout.protocol == UDP && self.bytes[sum_at..sum_at + 2] == [0, 0]
    }

    /// Returns where the transport checksum is, if its header is there.
    #[inline]
    fn transport_checksum_at(&self) -> Option<usize> {
        let offset = match self.layout.protocol {
            TCP => 16,
            UDP => 6,
            ICMP | ICMP_V6 => 2,
            _ => return None,
        };
        let readable = self.layout.payload > self.layout.transport;
        readable.then_some(usize::from(self.layout.transport) + offset)
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// Puts an IP header before a transport header and a payload, and fills in the checksums.
pub(super) fn assemble(
    (src, dst): (IpAddr, IpAddr),
    ttl: u8,
    ip_id: u16,
    protocol: u8,
    header: &[u8],
    payload: &[u8],
) -> Packet {
    let length = header.len() + payload.len();
    let mut bytes = Vec::with_capacity(40 + length);
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let total = u16::try_from(20 + length).expect("a packet fits 65,535 bytes");
            bytes.extend([0x45, 0]);
            bytes.extend(total.to_be_bytes());
            bytes.extend(ip_id.to_be_bytes());
            bytes.extend([0x40, 0, ttl, protocol, 0, 0]); // do not fragment, as Linux sends TCP
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            let sum = !checksum::sum(0, &bytes);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let length = u16::try_from(length).expect("a packet fits 65,535 bytes");
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend(length.to_be_bytes());
            bytes.extend([protocol, ttl]);
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            panic!("source and destination are of different families")
        }
    }
    let transport = bytes.len();
    bytes.extend(header);
    bytes.extend(payload);
    let start = match protocol {
        ICMP => 0,
        _ => checksum::pseudo_header(src, dst, protocol, length),
    };
    let mut sum = !checksum::sum(start, &bytes[transport..]);
    if sum == 0 && protocol == UDP {
        sum = 0xffff;
    }
    let u16_from = |at: usize| u16::try_from(at).expect("headers fit 65,535 bytes");
    let layout = Layout {
        v6: src.is_ipv6(),
        protocol,
        transport: u16_from(transport),
        payload: u16_from(transport + header.len()),
        fragment: None,
        end: u32::from(u16_from(bytes.len())),
    };
    let mut packet = Packet { bytes, layout, offload: Offload::Nothing };
    if let Some(at) = packet.transport_checksum_at() {
        packet.bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

#[cfg(test)]
mod tests;
