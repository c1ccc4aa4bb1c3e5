//! Classic pcap (draft-ietf-opsawg-pcap).

use std::io::Read;

use halfopen_core::time::Instant;

use super::buffer::Buffer;
use super::error::{Cut, Error};
use super::{ByteOrder, FRAME_MAX, Frame, Link, Located};

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// What the file header says about all records.
#[derive(Debug)]
pub(super) struct Classic {
    order: ByteOrder,
    /// How many nanoseconds one unit of a record's fraction of a second has.
    unit: u32,
    record_header: usize,
    /// Whether the two lengths of a record may stand in either order.
    lengths_swapped: bool,
    link: Link,
    snap_len: u32,
}

impl Classic {
    /// Reads the file header, of which `magic` is the start.
    pub(super) fn read<R: Read>(magic: [u8; 4], buffer: &mut Buffer<R>) -> Result<Self, Error> {
        let not_a_capture = Error::NotACapture { magic };
        let (order, unit, record_header) = kind(magic).ok_or(not_a_capture)?;
        if !buffer.ready(FILE_HEADER).map_err(|error| Error::from_read(error, 4, 0))? {
            return Err(Error::Cut { after_frame: 0, offset: 0, within: Cut::FileHeader });
        }
        let header = buffer.unread();
        let (major, minor) = (order.u16(header, 4), order.u16(header, 6));
        if major != 2 {
            return Err(Error::Version { format: "pcap", major, minor });
        }
        // The upper half holds the length of a frame check sequence, which IP does not need.
        let [.., high, low] = order.u32(header, 20).to_be_bytes();
        let link = Link(u16::from_be_bytes([high, low]));
        let snap_len = order.u32(header, 16);
        buffer.take(FILE_HEADER);
        // libpcap's sf-pcap.c: writers before version 2.4 disagreed on the order.
        Ok(Self { order, unit, record_header, lengths_swapped: minor < 4, link, snap_len })
    }

    pub(super) const fn link(&self) -> Link {
        self.link
    }

    /// Returns the most bytes that are kept of a frame, as the header says.
    pub(super) const fn snap_len(&self) -> u32 {
        self.snap_len
    }

    /// Tells whether times are in nanoseconds; else they are in microseconds.
    pub(super) const fn counts_nanos(&self) -> bool {
        self.unit == 1
    }

    /// Finds the next frame, counts it and takes it from the buffer.
    #[inline]
    pub(super) fn locate<R: Read>(
        &self,
        buffer: &mut Buffer<R>,
        frames: &mut u64,
    ) -> Result<Option<Located>, Error> {
        let (order, offset, after_frame) = (self.order, buffer.offset(), *frames);
        let read_error = |error| Error::from_read(error, offset, after_frame);
        let cut = |within| Error::Cut { after_frame, offset, within };
        if !buffer.ready(self.record_header).map_err(read_error)? {
            let within = buffer.ends_within(Cut::Frame(after_frame + 1));
            return within.map_or(Ok(None), |within| Err(cut(within)));
        }
        let header = &buffer.unread()[..RECORD_HEADER];
        let at = self.time(order.u32(header, 0), order.u32(header, 4));
        let (mut length, mut wire_len) = (order.u32(header, 8), order.u32(header, 12));
        if self.lengths_swapped && wire_len < length {
            (length, wire_len) = (wire_len, length);
        }
        let captured = length as usize;
        if captured > FRAME_MAX {
            let (frame, length) = (after_frame + 1, u64::from(length));
            return Err(Error::FrameLength { frame, offset, length });
        }
        if !buffer.ready(self.record_header + captured).map_err(read_error)? {
            return Err(cut(Cut::Frame(after_frame + 1)));
        }
        *frames += 1;
        buffer.take(self.record_header);
        let bytes = buffer.take(captured);
        let (number, link, wire_len) = (*frames, self.link, wire_len as usize);
        Ok(Some(Located { number, at, interface: 0, link, wire_len, bytes }))
    }

    /// Returns the frame that `bytes` start with, not numbered, and the length of its record, if
    /// nothing about it is rare or wrong.
    #[inline]
    pub(super) fn whole<'a>(&self, bytes: &'a [u8]) -> Option<(Frame<'a>, usize)> {
        let (header, behind) = bytes.split_first_chunk::<RECORD_HEADER>()?;
        let u32_at = |at| self.order.u32(header, at);
        let captured = u32_at(8) as usize;
        let rare = self.record_header != RECORD_HEADER || self.lengths_swapped;
        if rare || captured > FRAME_MAX {
            return None;
        }
        let (at, link) = (self.time(u32_at(0), u32_at(4)), self.link);
        let (bytes, wire_len) = (behind.get(..captured)?, captured.max(u32_at(12) as usize));
        let frame = Frame { number: 0, at, interface: 0, link, wire_len, bytes };
        Some((frame, RECORD_HEADER + captured))
    }

    #[inline]
    fn time(&self, seconds: u32, fraction: u32) -> Option<Instant> {
        let nanos = u64::from(fraction) * u64::from(self.unit);
        (nanos < 1_000_000_000)
            .then(|| Instant::from_nanos(u64::from(seconds) * 1_000_000_000 + nanos))
    }
}

/// Returns the byte order, the nanoseconds per unit and the length of a record's header.
fn kind(magic: [u8; 4]) -> Option<(ByteOrder, u32, usize)> {
    let of = |magic| match magic {
        0xa1b2_c3d4_u32 => Some((1_000, RECORD_HEADER)),
        0xa1b2_3c4d => Some((1, RECORD_HEADER)),
        // Alexey Kuznetsov's patched tcpdump (libpcap's sf-pcap.c): interface index, protocol and
        // packet type follow the lengths.
        0xa1b2_cd34 => Some((1_000, RECORD_HEADER + 8)),
        _ => None,
    };
    let little = of(u32::from_le_bytes(magic)).map(|kind| (ByteOrder::Little, kind));
    let big = of(u32::from_be_bytes(magic)).map(|kind| (ByteOrder::Big, kind));
    little.or(big).map(|(order, (unit, record_header))| (order, unit, record_header))
}
