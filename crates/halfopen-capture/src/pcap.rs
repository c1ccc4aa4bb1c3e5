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
use std::sync::Arc;

use halfopen_core::time::Instant;

pub use self::annotate::{AnnotateError, Remarks, annotate};
use self::buffer::Buffer;
use self::classic::Classic;
pub use self::error::{Cut, Error, Fault};
pub use self::link::Link;
use self::ng::Ng;

mod annotate;
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

/// Frames that are in the buffer already, one after the other.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    first: Option<Frame<'a>>,
    format: &'a Format,
    window: &'a Arc<Vec<u8>>,
    unread: &'a mut Range<usize>,
    frames: &'a mut u64,
}

/// Where a frame is in the buffer, and what its record says about it.
#[derive(Debug)]
struct Located {
    number: u64,
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
        let located = self.locate()?;
        Ok(located.map(|located| located.frame(self.buffer.bytes())))
    }

    /// Returns the next frame and those behind it that need not wait for the source; `None` at the
    /// end. Errors come as they do from [`next`](Self::next).
    pub(crate) fn batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        let Some(located) = self.locate()? else { return Ok(None) };
        let Self { buffer, format, frames, .. } = self;
        let (window, unread) = buffer.window();
        let first = Some(located.frame(window));
        Ok(Some(Batch { first, format, window, unread, frames }))
    }

    #[inline]
    fn locate(&mut self) -> Result<Option<Located>, Error> {
        if self.ended {
            return Ok(None);
        }
        let located = match &mut self.format {
            Format::Classic(classic) => classic.locate(&mut self.buffer, &mut self.frames),
            Format::Ng(ng) => ng.locate(&mut self.buffer, &mut self.frames),
        };
        self.ended = !matches!(located, Ok(Some(_)));
        located
    }
}

impl Located {
    #[inline]
    fn frame(self, window: &[u8]) -> Frame<'_> {
        let Self { number, at, interface, link, wire_len, bytes } = self;
        let bytes = &window[bytes];
        Frame { number, at, interface, link, wire_len: wire_len.max(bytes.len()), bytes }
    }
}

impl Batch<'_> {
    /// Returns what all frames are in. Whoever keeps it has it unchanged.
    pub(crate) fn window(&self) -> Arc<Vec<u8>> {
        Arc::clone(self.window)
    }
}

impl<'a> Iterator for Batch<'a> {
    type Item = Frame<'a>;

    /// Ends before whatever is not an ordinary frame that is there as a whole.
    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let unread = &self.window[self.unread.clone()];
        let (mut frame, length) = match self.format {
            Format::Classic(classic) => classic.whole(unread)?,
            Format::Ng(ng) => ng.whole(unread)?,
        };
        *self.frames += 1;
        frame.number = *self.frames;
        self.unread.start += length;
        Some(frame)
    }
}

#[cfg(test)]
mod tests;
