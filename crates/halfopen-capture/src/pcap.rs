//! Capture files: classic pcap and pcapng, from any byte source, compressed with gzip or not.
//!
//! [`Reader`] hands out one [`Frame`] after the other, borrowed from its buffer. It is not a
//! dissector: what the bytes mean is for [`crate::frame`] and [`halfopen_core::wire`]. Its memory
//! is bounded by [`FRAME_MAX`] whatever the file claims, and every byte of a file is believed only
//! as far as it was checked.
//!
//! The formats are those of draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng (IETF); link types
//! are those of <https://www.tcpdump.org/linktypes.html>.

use std::io::Read;
use std::ops::Range;

use halfopen_core::time::Instant;

use self::buffer::Buffer;
use self::classic::Classic;
pub use self::error::{Cut, Error, Fault};
pub use self::link::Link;
use self::ng::Ng;

mod buffer;
mod classic;
mod error;
mod link;
mod ng;

/// The most bytes that a frame may have: 16 MiB. What claims more is damaged.
///
/// Network frames end at 256 KiB (Linux's largest super-segment with room to spare, and the snap
/// length that tcpdump takes for "all"); Wireshark lets only USB and D-Bus have more.
pub const FRAME_MAX: usize = 16 << 20;

/// A captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The frame's place in the file, counted from one over all sections and interfaces, as
    /// Wireshark counts: what it lists and what is no packet (a log line in the file) has a number
    /// too, so numbers may be left out here.
    pub number: u64,
    /// When it was captured, since the UNIX epoch; `None` if the file does not say, or says
    /// something that is no time.
    pub at: Option<Instant>,
    /// The interface it was captured on, counted from zero over the whole file.
    pub interface: u32,
    /// What the bytes start with.
    pub link: Link,
    /// How many bytes the frame had on the wire; never less than `bytes` has.
    pub wire_len: usize,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
}

/// Where the next frame is in the buffer, and what its record says about it.
#[derive(Debug)]
struct Located {
    at: Option<Instant>,
    interface: u32,
    link: Link,
    wire_len: usize,
    bytes: Range<usize>,
}

/// Reads frames from a capture.
///
/// The source is read in large steps, so it needs no buffering of its own; a pipe's frames are
/// handed out as soon as they are whole.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    format: Format,
    /// The number of the last frame.
    frames: u64,
    ended: bool,
}

#[derive(Debug)]
enum Format {
    Classic(Classic),
    Ng(Ng),
}

/// The order of the bytes of a number, which is that of the machine that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    #[inline]
    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let word = [bytes[at], bytes[at + 1]];
        match self {
            Self::Little => u16::from_le_bytes(word),
            Self::Big => u16::from_be_bytes(word),
        }
    }

    #[inline]
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Self::Little => u32::from_le_bytes(word),
            Self::Big => u32::from_be_bytes(word),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the start of a capture and learns its format.
    pub fn new(source: R) -> Result<Self, Error> {
        let mut buffer = Buffer::new(source)?;
        let whole = buffer.ready(4).map_err(|error| Error::from_read(error, 0, 0))?;
        let Some(&magic) = buffer.unread().first_chunk::<4>().filter(|_| whole) else {
            return Err(Error::TooShort { length: buffer.unread().len() });
        };
        let format = if ng::is_section_header(magic) {
            Format::Ng(Ng::new())
        } else {
            Format::Classic(Classic::read(magic, &mut buffer)?)
        };
        Ok(Self { buffer, format, frames: 0, ended: false })
    }

    /// Returns the next frame; `None` at the end.
    ///
    /// An error comes once and ends the capture: the frames before it were read, and what follows
    /// a damaged place cannot be told from noise.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend its buffer")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let located = match &mut self.format {
            Format::Classic(classic) => classic.locate(&mut self.buffer, &mut self.frames),
            Format::Ng(ng) => ng.locate(&mut self.buffer, &mut self.frames),
        };
        let Some(Located { at, interface, link, wire_len, bytes }) =
            located.inspect_err(|_| self.ended = true)?
        else {
            self.ended = true;
            return Ok(None);
        };
        let bytes = self.buffer.taken(bytes);
        let wire_len = wire_len.max(bytes.len());
        Ok(Some(Frame { number: self.frames, at, interface, link, wire_len, bytes }))
    }
}

#[cfg(test)]
mod tests;
