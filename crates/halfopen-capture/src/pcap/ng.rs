//! pcapng (draft-ietf-opsawg-pcapng): blocks, of which some hold frames and some describe the
//! interfaces that the frames came from.

use std::io::Read;

use self::interface::Interface;
use super::buffer::Buffer;
use super::error::{Cut, Error, Fault, ReadError};
use super::{ByteOrder, FRAME_MAX, Frame, Located};

mod interface;

/// What a section's byte order is read from.
pub(super) const BYTE_ORDER: u32 = 0x1a2b_3c4d;

pub(super) const SECTION: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE: u32 = 1;
pub(super) const PACKET: u32 = 2;
pub(super) const SIMPLE_PACKET: u32 = 3;
pub(super) const ENHANCED_PACKET: u32 = 6;
/// Blocks that are no packets and that Wireshark numbers as frames (tried with 4.0.17): an entry of
/// systemd's journal, and custom blocks that may or may not be copied.
const JOURNAL: u32 = 9;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_UNCOPIED: u32 = 0x4000_0bad;

/// A block's type and its length at the front.
const BLOCK_HEADER: usize = 8;
/// The length again, at the back.
const BLOCK_TRAILER: usize = 4;
/// Room for what a block has beside its frame: its fields, and options such as comments.
const BESIDE_FRAME_MAX: usize = 1 << 20;
/// More interfaces than a machine has.
const INTERFACES_MAX: usize = 1 << 16;

/// What the section at hand says about its blocks.
#[derive(Debug)]
pub(super) struct Ng {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// How many interfaces the sections before had.
    interfaces_before: u32,
}

/// A block of which the header was read.
#[derive(Clone, Copy, Debug)]
struct Block {
    kind: u32,
    /// The length of the whole block as it says, header and trailer included.
    length: u32,
    offset: u64,
    after_frame: u64,
}

/// What a packet block says about its frame.
#[derive(Debug)]
struct Packet {
    /// The interface as the section counts.
    interface: u32,
    ticks: Option<u64>,
    captured: u32,
    wire_len: u32,
    /// Where the frame starts in the block.
    start: usize,
}

/// Tells whether a file that starts with `magic` is pcapng. The number reads the same in both byte
/// orders.
pub(super) fn is_section_header(magic: [u8; 4]) -> bool {
    u32::from_le_bytes(magic) == SECTION
}

impl Ng {
    /// Returns the reader of a file whose first block, a section header, is still to come.
    pub(super) const fn new() -> Self {
        Self { order: ByteOrder::Little, interfaces: Vec::new(), interfaces_before: 0 }
    }

    /// Finds the next frame, counts it and takes its block from the buffer.
    #[inline]
    pub(super) fn locate<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        frames: &mut u64,
    ) -> Result<Option<Located>, Error> {
        while let Some(block) = self.next_block(buffer, *frames)? {
            match block.kind {
                PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                    let located = self.take_packet(buffer, block)?;
                    *frames += 1;
                    return Ok(Some(located));
                }
                INTERFACE => self.take_interface(buffer, block)?,
                SECTION => self.take_section(buffer, block)?,
                JOURNAL | CUSTOM | CUSTOM_UNCOPIED => {
                    self.skip(buffer, block)?;
                    *frames += 1;
                }
                _ => self.skip(buffer, block)?,
            }
        }
        Ok(None)
    }

    /// Reads the header of the next block and leaves it in the buffer; `None` at the end.
    #[inline]
    fn next_block<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        after_frame: u64,
    ) -> Result<Option<Block>, Error> {
        let offset = buffer.offset();
        let read_error = |error| Error::from_read(error, offset, after_frame);
        let cut = |within| Error::Cut { after_frame, offset, within };
        if !buffer.ready(BLOCK_HEADER).map_err(read_error)? {
            let within = buffer.ends_within(Cut::BlockHeader);
            return within.map_or(Ok(None), |within| Err(cut(within)));
        }
        let starts_section = buffer.unread().first_chunk().copied().is_some_and(is_section_header);
        if starts_section {
            if !buffer.ready(BLOCK_HEADER + 4).map_err(read_error)? {
                return Err(cut(Cut::Block(SECTION)));
            }
            self.order = section_order(buffer.unread()).map_err(|fault| Error::Block {
                kind: SECTION,
                offset,
                fault,
                after_frame,
            })?;
        }
        let header = buffer.unread();
        let (kind, length) = (self.order.u32(header, 0), self.order.u32(header, 4));
        let block = Block { kind, length, offset, after_frame };
        if (length as usize) < BLOCK_HEADER + BLOCK_TRAILER {
            return Err(block.error(Fault::TooShort { length }));
        }
        Ok(Some(block))
    }

    /// Returns the frame that `bytes` start with, not numbered, and the length of its block, if
    /// nothing about it is rare or wrong.
    #[inline]
    pub(super) fn whole<'a>(&self, bytes: &'a [u8]) -> Option<(Frame<'a>, usize)> {
        let header = bytes.first_chunk::<BLOCK_HEADER>()?;
        let (kind, length) = (self.order.u32(header, 0), self.order.u32(header, 4));
        let size = length as usize;
        if kind != ENHANCED_PACKET || !(BLOCK_HEADER + BLOCK_TRAILER..=FRAME_MAX).contains(&size) {
            return None;
        }
        let (body, trailer) = bytes.get(..size)?.split_at(size - BLOCK_TRAILER);
        let packet = self.packet(kind, body).filter(|_| self.order.u32(trailer, 0) == length)?;
        let interface = self.interfaces.get(packet.interface as usize)?;
        let bytes = body.get(packet.start..)?.get(..packet.captured as usize)?;
        let frame = Frame {
            number: 0,
            at: packet.ticks.and_then(|ticks| interface.time(ticks)),
            interface: self.interfaces_before.saturating_add(packet.interface),
            link: interface.link,
            wire_len: bytes.len().max(packet.wire_len as usize),
            bytes,
        };
        size.is_multiple_of(4).then_some((frame, size))
    }

    fn take_section<R: Read>(&mut self, buffer: &mut Buffer<R>, block: Block) -> Result<(), Error> {
        let body = self.body(buffer, block)?;
        if body.len() < BLOCK_HEADER + 16 {
            return Err(block.error(Fault::TooShort { length: block.length }));
        }
        let (major, minor) = (self.order.u16(body, 12), self.order.u16(body, 14));
        // Minor version 2 was written by some and means the same, as the draft says in section 4.1.
        if major != 1 || !matches!(minor, 0 | 2) {
            return Err(Error::Version { format: "pcapng", major, minor });
        }
        let interfaces = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces_before = self.interfaces_before.saturating_add(interfaces);
        self.interfaces.clear();
        buffer.take(block.size());
        Ok(())
    }

    fn take_interface<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        block: Block,
    ) -> Result<(), Error> {
        let body = self.body(buffer, block)?;
        if self.interfaces.len() == INTERFACES_MAX {
            return Err(block.error(Fault::Interfaces { max: INTERFACES_MAX }));
        }
        let interface = Interface::read(self.order, &body[BLOCK_HEADER..])
            .ok_or_else(|| block.error(Fault::TooShort { length: block.length }))?;
        self.interfaces.push(interface);
        buffer.take(block.size());
        Ok(())
    }

    #[inline]
    fn take_packet<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        block: Block,
    ) -> Result<Located, Error> {
        let body = self.body(buffer, block)?;
        let packet = self
            .packet(block.kind, body)
            .ok_or_else(|| block.error(Fault::TooShort { length: block.length }))?;
        let id = packet.interface;
        let interface =
            self.interfaces.get(id as usize).ok_or_else(|| block.error(Fault::Interface { id }))?;
        let captured = packet.captured as usize;
        if captured > body.len() - packet.start {
            return Err(block.error(Fault::TooShort { length: block.length }));
        }
        if captured > FRAME_MAX {
            let (frame, length) = (block.after_frame + 1, u64::from(packet.captured));
            return Err(Error::FrameLength { frame, offset: block.offset, length });
        }
        let taken = buffer.take(block.size());
        let start = taken.start + packet.start;
        Ok(Located {
            number: block.after_frame + 1,
            at: packet.ticks.and_then(|ticks| interface.time(ticks)),
            interface: self.interfaces_before.saturating_add(id),
            link: interface.link,
            wire_len: packet.wire_len as usize,
            bytes: start..start + captured,
        })
    }

    /// Reads the fixed fields of a packet block; `None` if they are not all there.
    #[inline]
    fn packet(&self, kind: u32, body: &[u8]) -> Option<Packet> {
        let start = BLOCK_HEADER + if kind == SIMPLE_PACKET { 4 } else { 20 };
        if body.len() < start {
            return None;
        }
        let u32_at = |at| self.order.u32(body, at);
        if kind == SIMPLE_PACKET {
            let wire_len = u32_at(8);
            let room = u32::try_from(body.len() - start).unwrap_or(u32::MAX);
            let snap_len = self.interfaces.first().map_or(u32::MAX, |first| first.snap_len);
            let captured = wire_len.min(snap_len).min(room);
            return Some(Packet { interface: 0, ticks: None, captured, wire_len, start });
        }
        // The obsolete packet block has a count of drops in the upper half.
        let obsolete = kind == PACKET;
        let interface = if obsolete { u32::from(self.order.u16(body, 8)) } else { u32_at(8) };
        let ticks = Some(u64::from(u32_at(12)) << 32 | u64::from(u32_at(16)));
        Some(Packet { interface, ticks, captured: u32_at(20), wire_len: u32_at(24), start })
    }

    /// Fetches a whole block and returns it without its trailer.
    #[inline]
    fn body<'a, R: Read>(
        &self,
        buffer: &'a mut Buffer<R>,
        block: Block,
    ) -> Result<&'a [u8], Error> {
        let size = block.size();
        let max = if block.is_packet() { FRAME_MAX + BESIDE_FRAME_MAX } else { BESIDE_FRAME_MAX };
        if size > max {
            return Err(block.error(Fault::TooLong { length: block.length }));
        }
        if !buffer.ready(size).map_err(|error| block.read_error(error))? {
            return Err(block.cut());
        }
        let (body, trailer) = buffer.unread()[..size].split_at(size - BLOCK_TRAILER);
        self.check_trailer(block, trailer)?;
        Ok(body)
    }

    /// Passes over a block that says nothing about frames, however long it is.
    fn skip<R: Read>(&self, buffer: &mut Buffer<R>, block: Block) -> Result<(), Error> {
        let read_error = |error| block.read_error(error);
        let skipped = buffer.skip((block.size() - BLOCK_TRAILER) as u64).map_err(read_error)?;
        if !skipped || !buffer.ready(BLOCK_TRAILER).map_err(read_error)? {
            return Err(block.cut());
        }
        self.check_trailer(block, buffer.unread())?;
        buffer.take(BLOCK_TRAILER);
        Ok(())
    }

    #[inline]
    fn check_trailer(&self, block: Block, trailer: &[u8]) -> Result<(), Error> {
        let (front, back) = (block.length, self.order.u32(trailer, 0));
        if front == back { Ok(()) } else { Err(block.error(Fault::Lengths { front, back })) }
    }
}

impl Block {
    /// Returns how many bytes the block takes in the file. Lengths are multiples of four, and some
    /// writers pad but do not count the padding.
    #[inline]
    fn size(self) -> usize {
        (self.length as usize).checked_next_multiple_of(4).unwrap_or(usize::MAX)
    }

    const fn is_packet(self) -> bool {
        matches!(self.kind, PACKET | SIMPLE_PACKET | ENHANCED_PACKET)
    }

    #[cold]
    const fn error(self, fault: Fault) -> Error {
        let Self { kind, offset, after_frame, .. } = self;
        Error::Block { kind, offset, fault, after_frame }
    }

    #[cold]
    const fn cut(self) -> Error {
        let Self { kind, offset, after_frame, .. } = self;
        let within = if self.is_packet() { Cut::Frame(after_frame + 1) } else { Cut::Block(kind) };
        Error::Cut { after_frame, offset, within }
    }

    #[cold]
    fn read_error(self, error: ReadError) -> Error {
        Error::from_read(error, self.offset, self.after_frame)
    }
}

/// Tells whether Wireshark numbers blocks of this type as frames.
pub(super) const fn is_numbered(kind: u32) -> bool {
    matches!(kind, PACKET | SIMPLE_PACKET | ENHANCED_PACKET | JOURNAL | CUSTOM | CUSTOM_UNCOPIED)
}

/// Reads the byte order of a section from the first twelve bytes of its header.
pub(super) fn section_order(header: &[u8]) -> Result<ByteOrder, Fault> {
    match [header[8], header[9], header[10], header[11]] {
        [0x1a, 0x2b, 0x3c, 0x4d] => Ok(ByteOrder::Big),
        [0x4d, 0x3c, 0x2b, 0x1a] => Ok(ByteOrder::Little),
        magic => Err(Fault::ByteOrder { magic }),
    }
}
