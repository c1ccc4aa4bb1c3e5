//! What a sender leaves to whoever puts its packet on a wire.
//!
//! Between programs of one machine nobody ever does it: what was never cut up need not be put
//! together, and what never left memory needs no checksum. So a packet may stand for several, which
//! it would be on a wire, and is rewritten as if it were all of them.

use core::num::NonZeroU16;
use core::ops::Range;

use super::Packet;
use crate::seq::Seq;
use crate::wire::checksum::{self, Change};
use crate::wire::tcp::Flags;
use crate::wire::view::{Layout, Malformed, TCP, UDP, V6_HEADER};

/// Congestion window reduced (RFC 3168 section 6.1.2).
const CWR: u8 = 0x80;

/// What is still to be done to a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offload {
    /// Nothing.
    #[default]
    Nothing,
    /// Its TCP or UDP checksum is to be computed; the field holds the sum of the pseudo-header.
    Checksum,
    /// It is to be cut into TCP segments with so many bytes of payload, the last with what is left,
    /// and their checksums are to be computed as above.
    Segmentation(NonZeroU16),
}

/// The packets that one stands for, in order, with nothing left to be done.
///
/// They are cut as Linux does it (`tcp_gso_segment` of `net/ipv4/tcp_offload.c`, `inet_gso_segment`
/// of `net/ipv4/af_inet.c`): IPv4 identifications count up, FIN and PSH are the last one's, and CWR
/// is the first one's.
#[derive(Debug)]
pub struct Segments {
    whole: Option<Packet>,
    /// How many came before.
    number: u16,
    /// How much of the payload they carried.
    offset: usize,
}

impl Packet {
    /// Checks bytes and what is still to be done to them, and takes them over. All of the packet
    /// must be there; trailing bytes are cut.
    pub fn parse_offloaded(bytes: Vec<u8>, offload: Offload) -> Result<Self, Malformed> {
        let mut packet = Self::parse(bytes)?;
        let layout = packet.layout;
        let whole = layout.fragment.is_none() && layout.payload > layout.transport;
        packet.offload = match (offload, layout.protocol) {
            (Offload::Nothing, _) => Offload::Nothing,
            (Offload::Checksum, TCP | UDP) if whole => Offload::Checksum,
            (Offload::Segmentation(size), TCP) if whole => {
                let length = packet.view().payload_len();
                if length <= usize::from(size.get()) { Offload::Checksum } else { offload }
            }
            (Offload::Checksum | Offload::Segmentation(_), _) => return Err(Malformed::Offload),
        };
        if packet.longest() > usize::from(u16::MAX) {
            return Err(Malformed::HeaderLength);
        }
        Ok(packet)
    }

    /// Returns what is still to be done to it.
    #[inline]
    #[must_use]
    pub const fn offload(&self) -> Offload {
        self.offload
    }

    /// Returns how many packets it stands for; at least one.
    #[inline]
    #[must_use]
    pub fn count(&self) -> usize {
        match self.offload {
            Offload::Nothing | Offload::Checksum => 1,
            Offload::Segmentation(size) => self.view().payload_len().div_ceil(size.get().into()),
        }
    }

    /// Returns the length of the longest packet that it stands for, in bytes with the IP header.
    #[inline]
    #[must_use]
    pub fn longest(&self) -> usize {
        match self.offload {
            Offload::Nothing | Offload::Checksum => self.bytes.len(),
            Offload::Segmentation(size) => self.header_len() + usize::from(size.get()),
        }
    }

    /// Returns the length of all packets that it stands for, in bytes with their IP headers.
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> usize {
        self.bytes.len() + (self.count() - 1) * self.header_len()
    }

    /// Returns the packets that it stands for.
    #[must_use]
    pub const fn into_segments(self) -> Segments {
        Segments { whole: Some(self), number: 0, offset: 0 }
    }

    /// Computes the checksum, if that is to be done.
    pub(super) fn complete(&mut self) {
        if self.offload == Offload::Nothing {
            return;
        }
        self.offload = Offload::Nothing;
        let Some(at) = self.transport_checksum_at() else { return };
        // The sum of the pseudo-header, in the field, is summed up with the rest.
        let sum = !checksum::sum(0, &self.bytes[usize::from(self.layout.transport)..]);
        let sum = if sum == 0 && self.layout.protocol == UDP { 0xffff } else { sum };
        *self.at(at) = sum.to_be_bytes();
    }

    /// Corrects the sum of the pseudo-header, where that stands for the checksum.
    #[inline]
    pub(super) fn correct_pending_sum(&mut self, change: Change, sum_at: usize) {
        let sum = self.at(sum_at);
        *sum = change.apply_to_sum(u16::from_be_bytes(*sum)).to_be_bytes();
    }

    /// Tells whether the field of a checksum that is not computed holds what it should.
    pub(super) fn pending_sum_holds(&self, sum_at: usize) -> bool {
        let (view, protocol) = (self.view(), self.layout.protocol);
        let length = self.bytes.len() - usize::from(self.layout.transport);
        let sum = checksum::pseudo_header(view.src(), view.dst(), protocol, length);
        let field = u16::from_be_bytes([self.bytes[sum_at], self.bytes[sum_at + 1]]);
        field == sum || [field, sum].iter().all(|sum| matches!(sum, 0 | 0xffff))
    }

    /// Returns one of the packets that this stands for: which, and what it carries of the payload.
    fn segment(&self, number: u16, payload: Range<usize>) -> Self {
        let (start, transport) = (self.header_len(), usize::from(self.layout.transport));
        let is_last = start + payload.end == self.bytes.len();
        let mut bytes = Vec::with_capacity(start + payload.len());
        bytes.extend_from_slice(&self.bytes[..start]);
        bytes.extend_from_slice(&self.bytes[start + payload.start..start + payload.end]);
        let end = u32::try_from(bytes.len()).expect("a segment is shorter than 65,536 bytes");
        let layout = Layout { end, ..self.layout };
        let mut segment = Self { bytes, layout, offload: Offload::Checksum };
        segment.correct_lengths(self.bytes.len() - transport, number);
        let seq = Seq(u32::from_be_bytes(*segment.at(transport + 4))).advance(payload.start);
        *segment.at(transport + 4) = seq.0.to_be_bytes();
        let [flags] = segment.at(transport + 13);
        if number > 0 {
            *flags &= !CWR;
        }
        if !is_last {
            *flags &= !(Flags::FIN | Flags::PSH).0;
        }
        segment.complete();
        segment
    }

    /// Says in a segment's headers how long it is, and which of them it is, where the whole had a
    /// transport header and payload of `length` bytes.
    fn correct_lengths(&mut self, length: usize, number: u16) {
        let total = self.bytes.len();
        let short = |length: usize| u16::try_from(length).expect("its length was checked");
        if self.layout.v6 {
            *self.at(4) = short(total - V6_HEADER).to_be_bytes();
        } else {
            let id = u16::from_be_bytes(*self.at(4)).wrapping_add(number);
            let change = self.overwrite(2, short(total).to_be_bytes());
            let change = change.and(self.overwrite(4, id.to_be_bytes()));
            self.correct_sum(change, 10);
        }
        if let Some(at) = self.transport_checksum_at() {
            let [old, new] = [length, total - usize::from(self.layout.transport)]
                .map(|length| (length as u64).to_be_bytes());
            self.correct_pending_sum(Change::of(&old, &new), at);
        }
    }

    /// Returns the length of all headers.
    #[inline]
    fn header_len(&self) -> usize {
        self.layout.payload.into()
    }
}

impl Iterator for Segments {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        let mut whole = self.whole.take()?;
        let Offload::Segmentation(size) = whole.offload else {
            whole.complete();
            return Some(whole);
        };
        let length = whole.view().payload_len();
        let end = length.min(self.offset + usize::from(size.get()));
        let segment = whole.segment(self.number, self.offset..end);
        (self.number, self.offset) = (self.number.wrapping_add(1), end);
        self.whole = Some(whole).filter(|_| end < length);
        Some(segment)
    }
}

#[cfg(test)]
mod tests;
