//! A capture copied as pcapng, with remarks where they belong: Wireshark shows them in place.
//!
//! Blocks of a pcapng file go over as they are, with all that they say about interfaces, times and
//! frames; a remark is one more option of a block. Frames keep their numbers. The copy needs no
//! more memory than the largest block that gets a remark.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use self::block::Draft;
use super::buffer::Buffer;
use super::classic::Classic;
use super::error::{Cut, Error, Fault, ReadError};
use super::ng::{self, ENHANCED_PACKET, INTERFACE, PACKET, SECTION};
use super::{ByteOrder, FRAME_MAX, Located};

mod block;

/// What is copied at once of a block that is not looked at.
const STEP: usize = 1 << 16;
/// A block that gets a remark has no more bytes than this: a frame and what stands beside it.
const BLOCK_MAX: usize = FRAME_MAX + (1 << 20);
/// Where the data of an enhanced or obsolete packet block begin.
const DATA: usize = 28;
/// Where the options of a section header block begin.
const SECTION_OPTIONS: usize = 24;

/// What is remarked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// On the whole capture. Like all remarks, it is cut if it is longer than an option may be.
    pub capture: String,
    /// On single frames, by their numbers.
    pub frames: BTreeMap<u64, String>,
    /// What addresses are called.
    pub names: Vec<(IpAddr, String)>,
}

/// Why a copy did not come about.
#[derive(Debug, thiserror::Error)]
pub enum AnnotateError {
    /// The capture cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// The copy cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Copies a capture to `out` as pcapng, with remarks. Of a damaged capture `until` names the last
/// frame before the damage, which is the last that is copied.
///
/// Returns how many remarks found no place: a simple packet block has no options, and damage may
/// have taken frames away.
pub fn annotate<R: Read, W: Write>(
    source: R,
    out: W,
    remarks: &Remarks,
    until: Option<u64>,
) -> Result<usize, AnnotateError> {
    let mut buffer = Buffer::new(source)?;
    let whole = buffer.ready(4).map_err(|error| Error::from_read(error, 0, 0))?;
    let Some(&magic) = buffer.unread().first_chunk::<4>().filter(|_| whole) else {
        return Err(Error::TooShort { length: buffer.unread().len() }.into());
    };
    let mut copy = Copy { out, remarks, until, frames: 0, placed: 0, order: ByteOrder::Little };
    if ng::is_section_header(magic) {
        copy.blocks(&mut buffer)?;
    } else {
        copy.records(magic, &mut buffer)?;
    }
    Ok(remarks.frames.len() - copy.placed)
}

/// A copy in the making.
struct Copy<'a, W> {
    out: W,
    remarks: &'a Remarks,
    until: Option<u64>,
    /// The number of the last frame.
    frames: u64,
    /// How many frames have got their remarks.
    placed: usize,
    order: ByteOrder,
}

/// A block of which the header was read.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    /// How many bytes it takes in the file.
    size: usize,
}

impl<W: Write> Copy<'_, W> {
    /// Copies a classic capture, whose one interface and records become blocks.
    fn records<R: Read>(
        &mut self,
        magic: [u8; 4],
        buffer: &mut Buffer<R>,
    ) -> Result<(), AnnotateError> {
        let classic = Classic::read(magic, buffer)?;
        let nanos = classic.counts_nanos();
        self.section_of_classic(&classic)?;
        while !self.at_end() {
            let mut number = self.frames;
            let Some(located) = classic.locate(buffer, &mut number)? else { break };
            self.frames = number;
            let bytes = &buffer.bytes()[located.bytes.clone()];
            self.record(&located, bytes, nanos)?;
        }
        Ok(())
    }

    fn section_of_classic(&mut self, classic: &Classic) -> io::Result<()> {
        let mut section = Draft::new(SECTION, self.order);
        section.u32(ng::BYTE_ORDER).u16(1).u16(0).bytes(&[0xff; 8]);
        section.option(block::COMMENT, self.remarks.capture.as_bytes()).end_of_options();
        section.write(&mut self.out)?;
        self.names()?;
        let mut interface = Draft::new(INTERFACE, self.order);
        interface.u16(classic.link().0).u16(0).u32(classic.snap_len());
        let resolution = if classic.counts_nanos() { 9 } else { 6 };
        interface.option(block::RESOLUTION, &[resolution]).end_of_options();
        interface.write(&mut self.out)
    }

    fn record(&mut self, located: &Located, bytes: &[u8], nanos: bool) -> io::Result<()> {
        // A time that is none stays one: no reader takes the largest number for a time.
        let ticks = located.at.map_or(u64::MAX, |at| at.as_nanos() / if nanos { 1 } else { 1_000 });
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut packet = Draft::new(ENHANCED_PACKET, self.order);
        packet.u32(0).u32(high(ticks)).u32(low(ticks));
        packet.u32(length(bytes.len())).u32(length(located.wire_len)).bytes(bytes).pad();
        if let Some(remark) = self.remarks.frames.get(&self.frames) {
            packet.option(block::COMMENT, remark.as_bytes()).end_of_options();
            self.placed += 1;
        }
        packet.write(&mut self.out)
    }

    /// Copies a pcapng file.
    fn blocks<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<(), AnnotateError> {
        let mut sections = 0;
        while !self.at_end() {
            let Some(block) = self.next(buffer)? else { break };
            let counts = ng::is_numbered(block.kind);
            self.frames += u64::from(counts);
            let has_options = matches!(block.kind, ENHANCED_PACKET | PACKET);
            let remarks = self.remarks;
            let remark = remarks.frames.get(&self.frames).filter(|_| counts && has_options);
            if block.kind == SECTION {
                self.section(buffer, block, sections == 0)?;
                sections += 1;
            } else if let Some(remark) = remark {
                self.packet(buffer, block, remark)?;
            } else {
                self.pass(buffer, block.size)?;
            }
        }
        Ok(())
    }

    /// Reads the header of the next block and leaves it where it is; `None` at the end.
    fn next<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Option<Block>, Error> {
        let (offset, frames) = (buffer.offset(), self.frames);
        let cut = |within| Error::Cut { after_frame: frames, offset, within };
        if !buffer.ready(12).map_err(|error| Error::from_read(error, offset, frames))? {
            return buffer.ends_within(Cut::BlockHeader).map_or(Ok(None), |part| Err(cut(part)));
        }
        let header = buffer.unread();
        if header.first_chunk().copied().is_some_and(ng::is_section_header) {
            let fault = |fault| Error::Block { kind: SECTION, offset, fault, after_frame: frames };
            self.order = ng::section_order(header).map_err(fault)?;
        }
        let (kind, length) = (self.order.u32(header, 0), self.order.u32(header, 4));
        let size = (length as usize).next_multiple_of(4);
        if size < 12 {
            let fault = Fault::TooShort { length };
            return Err(Error::Block { kind, offset, fault, after_frame: frames });
        }
        Ok(Some(Block { kind, size }))
    }

    /// Copies a section header, whose length is no longer known; the first gets what is said about
    /// the whole.
    fn section<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        block: Block,
        first: bool,
    ) -> Result<(), AnnotateError> {
        let bytes = self.whole(buffer, block, SECTION_OPTIONS)?;
        let mut section = Draft::new(SECTION, self.order);
        section.bytes(&bytes[8..16]).bytes(&[0xff; 8]);
        if first {
            section.option(block::COMMENT, self.remarks.capture.as_bytes());
        }
        section.rest_of_options(&bytes[SECTION_OPTIONS..]);
        section.write(&mut self.out)?;
        buffer.take(block.size);
        if first {
            self.names()?;
        }
        Ok(())
    }

    /// Copies a packet block with one more option.
    fn packet<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        block: Block,
        remark: &str,
    ) -> Result<(), AnnotateError> {
        let bytes = self.whole(buffer, block, DATA)?;
        let captured = self.order.u32(bytes, 20) as usize;
        let options = DATA.saturating_add(captured).next_multiple_of(4).min(bytes.len());
        let mut packet = Draft::new(block.kind, self.order);
        packet.bytes(&bytes[8..options]).option(block::COMMENT, remark.as_bytes());
        packet.rest_of_options(&bytes[options..]);
        packet.write(&mut self.out)?;
        buffer.take(block.size);
        self.placed += 1;
        Ok(())
    }

    /// Fetches a block and returns it without its trailer; it has at least `least` bytes.
    fn whole<'a, R: Read>(
        &self,
        buffer: &'a mut Buffer<R>,
        block: Block,
        least: usize,
    ) -> Result<&'a [u8], Error> {
        let (offset, after_frame) = (buffer.offset(), self.frames);
        let length = u32::try_from(block.size).unwrap_or(u32::MAX);
        let error = |fault| Error::Block { kind: block.kind, offset, fault, after_frame };
        if block.size < least + 4 {
            return Err(error(Fault::TooShort { length }));
        }
        if block.size > BLOCK_MAX {
            return Err(error(Fault::TooLong { length }));
        }
        let failed = |error: ReadError| Error::from_read(error, offset, after_frame);
        if !buffer.ready(block.size).map_err(failed)? {
            return Err(Error::Cut { after_frame, offset, within: Cut::Block(block.kind) });
        }
        Ok(&buffer.unread()[..block.size - 4])
    }

    /// Copies a block as it is, however long it is.
    fn pass<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
        mut size: usize,
    ) -> Result<(), AnnotateError> {
        while size > 0 {
            let (step, offset, after_frame) = (size.min(STEP), buffer.offset(), self.frames);
            if !buffer.ready(step).map_err(|error| Error::from_read(error, offset, after_frame))? {
                let within = Cut::BlockHeader;
                return Err(Error::Cut { after_frame, offset, within }.into());
            }
            self.out.write_all(&buffer.unread()[..step])?;
            buffer.take(step);
            size -= step;
        }
        Ok(())
    }

    /// Writes a name resolution block, if there are names.
    fn names(&mut self) -> io::Result<()> {
        if self.remarks.names.is_empty() {
            return Ok(());
        }
        let mut names = Draft::new(block::NAMES, self.order);
        for (address, name) in &self.remarks.names {
            names.name(*address, name);
        }
        names.end_of_options().write(&mut self.out)
    }

    fn at_end(&self) -> bool {
        self.until == Some(self.frames)
    }
}

fn high(ticks: u64) -> u32 {
    u32::try_from(ticks >> 32).unwrap_or(u32::MAX)
}

fn low(ticks: u64) -> u32 {
    u32::try_from(ticks & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
