//! TCP segments (RFC 9293 section 3.1).

use core::fmt;
use core::ops::BitOr;
use std::net::SocketAddr;

use crate::seq::Seq;
use crate::wire::Packet;
use crate::wire::packet::assemble;
use crate::wire::view::TCP;

/// The smallest header, without options, in bytes.
pub const HEADER_MIN: usize = 20;

/// The control bits of a segment.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push to the receiving program.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment number is valid.
    pub const ACK: Self = Self(0x10);

    /// Tells whether all of `flags` are set.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Tells whether any of `flags` is set.
    #[must_use]
    pub const fn has_any(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    /// Writes the flags as tcpdump does: `S`, `F`, `R`, `P`, and `.` for ACK.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (Self::SYN, 'S'),
            (Self::FIN, 'F'),
            (Self::RST, 'R'),
            (Self::PSH, 'P'),
            (Self::ACK, '.'),
        ];
        for (_, letter) in letters.iter().filter(|(flag, _)| self.has(*flag)) {
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

/// The fixed fields of a segment's header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// The first byte's sequence number.
    pub seq: Seq,
    /// The next byte expected; meaningless without the ACK flag.
    pub ack: Seq,
    /// The control bits.
    pub flags: Flags,
    /// The window as sent, not scaled.
    pub window: u16,
}

impl Header {
    /// Reads a header of at least twenty bytes.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_MIN>()?;
        let u16_at = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) << 16 | u32::from(u16_at(at + 2));
        Some(Self {
            src_port: u16_at(0),
            dst_port: u16_at(2),
            seq: Seq(u32_at(4)),
            ack: Seq(u32_at(8)),
            flags: Flags(bytes[13]),
            window: u16_at(14),
        })
    }

    /// Returns how many sequence numbers a segment with this header and `payload` bytes takes.
    #[must_use]
    pub fn seq_len(&self, payload: usize) -> u32 {
        let controls =
            u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN));
        u32::try_from(payload).unwrap_or(u32::MAX).saturating_add(controls)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, ack, flags, window, .. } = self;
        write!(f, "[{flags:?}] seq {seq:?} ack {ack:?} win {window}")
    }
}

/// The options of a segment that this crate knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size, on SYN only.
    pub mss: Option<u16>,
    /// Window scale (RFC 7323), on SYN only.
    pub window_scale: Option<u8>,
    /// Selective acknowledgment permitted (RFC 2018), on SYN only.
    pub sack_permitted: bool,
    /// Timestamp value and echo (RFC 7323).
    pub timestamps: Option<(u32, u32)>,
    /// The first selective acknowledgment block, which a D-SACK also uses (RFC 2883).
    pub sack: Option<(Seq, Seq)>,
}

/// How options begin on most segments but SYNs: padding, then timestamps (RFC 7323 appendix A).
const STAMPED: [u8; 4] = [1, 1, 8, 10];

impl Options {
    /// Reads options as far as they make sense; the rest of a broken list is ignored.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Self {
        match bytes {
            &[] => Self::default(),
            &[a, b, c, d, v0, v1, v2, v3, e0, e1, e2, e3] if [a, b, c, d] == STAMPED => {
                let value = u32::from_be_bytes([v0, v1, v2, v3]);
                let echo = u32::from_be_bytes([e0, e1, e2, e3]);
                Self { timestamps: Some((value, echo)), ..Self::default() }
            }
            bytes => Self::read_all(bytes),
        }
    }

    fn read_all(mut bytes: &[u8]) -> Self {
        let mut options = Self::default();
        while let [kind, rest @ ..] = bytes {
            if *kind == 1 {
                bytes = rest;
                continue;
            }
            let Some(length) = rest.first().map(|&length| usize::from(length)) else { break };
            let Some(value) = bytes.get(2..length).filter(|_| *kind != 0) else { break };
            options.take(*kind, value);
            bytes = &bytes[length..];
        }
        options
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        let u32_at =
            |at: usize| value.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        match (kind, value) {
            (2, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (3, &[shift]) => self.window_scale = Some(shift.min(14)), // RFC 7323 section 2.3
            (4, []) => self.sack_permitted = true,
            (5, _) => self.sack = u32_at(0).zip(u32_at(4)).map(|(from, to)| (Seq(from), Seq(to))),
            (8, _) => self.timestamps = u32_at(0).zip(u32_at(4)),
            _ => {}
        }
    }

    /// Writes the options in Linux's order and with its padding (`net/ipv4/tcp_output.c`,
    /// `tcp_options_write`), since diagnoses tell stacks apart by it.
    fn write(&self, bytes: &mut Vec<u8>) {
        const PAD: u8 = 1;
        if let Some(mss) = self.mss {
            bytes.extend([2, 4]);
            bytes.extend(mss.to_be_bytes());
        }
        if self.sack_permitted || self.timestamps.is_some() {
            let ahead = if self.sack_permitted { [4, 2] } else { [PAD; 2] };
            let pad = if self.timestamps.is_some() { &[][..] } else { &[PAD; 2] };
            bytes.extend(pad);
            bytes.extend(ahead);
        }
        if let Some((value, echo)) = self.timestamps {
            bytes.extend([8, 10]);
            bytes.extend(value.to_be_bytes());
            bytes.extend(echo.to_be_bytes());
        }
        if let Some(shift) = self.window_scale {
            bytes.extend([PAD, 3, 3, shift]);
        }
        if let Some((from, to)) = self.sack {
            bytes.extend([PAD, PAD, 5, 10]);
            bytes.extend(from.0.to_be_bytes());
            bytes.extend(to.0.to_be_bytes());
        }
    }
}

/// A segment to be built.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Source; must be of the same family as `dst`.
    pub src: SocketAddr,
    /// Destination.
    pub dst: SocketAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: u16,
    /// The first byte's sequence number.
    pub seq: Seq,
    /// The next byte expected.
    pub ack: Seq,
    /// The control bits.
    pub flags: Flags,
    /// The window, already scaled.
    pub window: u16,
    /// The options.
    pub options: Options,
    /// The payload; at most 65,000 bytes.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// Returns an empty segment with Linux's time to live of 64 and all else zero.
    #[must_use]
    pub fn new(src: SocketAddr, dst: SocketAddr, flags: Flags) -> Self {
        let (seq, ack, options) = (Seq(0), Seq(0), Options::default());
        Self { src, dst, ttl: 64, ip_id: 0, seq, ack, flags, window: 0, options, payload: &[] }
    }

    /// Returns the segment as a packet.
    #[must_use]
    pub fn into_packet(self) -> Packet {
        let mut header = Vec::with_capacity(HEADER_MIN + 40);
        header.extend(self.src.port().to_be_bytes());
        header.extend(self.dst.port().to_be_bytes());
        header.extend(self.seq.0.to_be_bytes());
        header.extend(self.ack.0.to_be_bytes());
        header.extend([0, self.flags.0]);
        header.extend(self.window.to_be_bytes());
        header.extend([0; 4]);
        self.options.write(&mut header);
        header[12] = u8::try_from(header.len() / 4).unwrap_or(15) << 4;
        assemble((self.src.ip(), self.dst.ip()), self.ttl, self.ip_id, TCP, &header, self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_laid_out_as_linux_does() {
        let mut syn = Vec::new();
        let options = Options {
            mss: Some(1_460),
            window_scale: Some(10),
            sack_permitted: true,
            timestamps: Some((0x2fb6_2c3d, 0)),
            sack: None,
        };
        options.write(&mut syn);
        // captures/silent30-go, frame 1
        let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0x2f, 0xb6, 0x2c, 0x3d, 0, 0, 0, 0, 1, 3, 3, 10];
        assert_eq!(syn, linux);
        assert_eq!(Options::read(&syn), options);
    }

    #[test]
    fn timestamps_are_read_alike_alone_and_among_others() {
        let stamped = Options { timestamps: Some((7, 0xffff_fffe)), ..Options::default() };
        for options in [stamped, Options { sack: Some((Seq(1), Seq(2))), ..stamped }] {
            let mut bytes = Vec::new();
            options.write(&mut bytes);
            assert_eq!(Options::read(&bytes), options, "{bytes:?}");
        }
    }
}
