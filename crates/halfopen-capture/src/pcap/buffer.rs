//! Bytes from a source, in steps that are large and hold whole records.

use std::io::{Chain, Cursor, ErrorKind, Read};
use std::ops::Range;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::error::{Cut, Error, ReadError};

/// How much is asked of the source at once.
const STEP: usize = 1 << 18;

/// More windows are not kept to be used again.
const SPARES_MAX: usize = 64;

/// How much is asked of the decompressor at once. What it has put out when it meets damage is lost,
/// so less is better.
const GZIP_STEP: usize = 1 << 12;

/// The first two bytes of a gzip member (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A window onto the source. It grows to what [`ready`](Self::ready) is asked for and the source
/// has, so the caller bounds it.
pub(super) struct Buffer<R> {
    source: Source<R>,
    /// The window. Others may keep it; then the next is another.
    bytes: Arc<Vec<u8>>,
    /// Windows that others kept, and may have let go.
    spares: Vec<Arc<Vec<u8>>>,
    unread: Range<usize>,
    /// Where in the source the window starts.
    start: u64,
    /// Whether the compressed stream ended before its end.
    cut: bool,
}

/// A source whose first bytes were looked at and put back.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

enum Source<R> {
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<Whole<R>>>),
}

impl<R: Read> Buffer<R> {
    /// Looks at the first bytes of `source` to see whether it is compressed.
    pub(super) fn new(mut source: R) -> Result<Self, Error> {
        let mut start = Vec::with_capacity(6);
        let read = source.by_ref().take(6).read_to_end(&mut start);
        read.map_err(|error| Error::Read { offset: 0, error })?;
        if let Some(with) = other_compression(&start) {
            return Err(Error::Compressed { with });
        }
        let gzip = start.starts_with(&GZIP);
        let whole = Cursor::new(start).chain(source);
        let source = if gzip {
            Source::Gzip(Box::new(MultiGzDecoder::new(whole)))
        } else {
            Source::Plain(whole)
        };
        let bytes = Arc::new(vec![0; STEP]);
        Ok(Self { source, bytes, spares: Vec::new(), unread: 0..0, start: 0, cut: false })
    }

    /// Fetches until `count` bytes are there to be read; `false` if the source has no more.
    #[inline]
    pub(super) fn ready(&mut self, count: usize) -> Result<bool, ReadError> {
        if self.unread.len() >= count { Ok(true) } else { self.fetch(count) }
    }

    /// Passes `count` bytes by, however many they are; `false` if the source ends before.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<bool, ReadError> {
        loop {
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(self.unread.len());
            self.take(step);
            count -= step as u64;
            if count == 0 {
                return Ok(true);
            }
            if !self.ready(1)? {
                return Ok(false);
            }
        }
    }

    /// Takes bytes that are ready from the front; they stay where they are until the next fetch.
    pub(super) fn take(&mut self, count: usize) -> Range<usize> {
        let taken = self.unread.start..self.unread.start + count;
        self.unread.start = taken.end;
        taken
    }

    #[cold]
    fn fetch(&mut self, count: usize) -> Result<bool, ReadError> {
        self.start = self.offset();
        let bytes = renew(&mut self.bytes, &mut self.spares, self.unread.clone());
        self.unread = 0..self.unread.len();
        while self.unread.end < count {
            if self.unread.end == bytes.len() {
                // A length is believed step by step, so a lie in a short file takes no memory.
                bytes.resize(count.min(bytes.len() * 2), 0);
            }
            match self.source.read(&mut bytes[self.unread.end..]) {
                Ok(0) => return Ok(false),
                Ok(more) => self.unread.end += more,
                Err(ReadError::Gzip(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.cut = true;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl<R> Buffer<R> {
    /// Returns the bytes that are there and not taken.
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.unread.clone()]
    }

    /// Returns the window, in which bytes that were taken since the last fetch are where
    /// [`take`](Buffer::take) said.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns how many bytes were taken so far.
    pub(super) const fn offset(&self) -> u64 {
        self.start + self.unread.start as u64
    }

    /// Returns the window, and which part of it is unread: who takes from the front moves its
    /// start.
    pub(super) fn window(&mut self) -> (&Arc<Vec<u8>>, &mut Range<usize>) {
        (&self.bytes, &mut self.unread)
    }

    /// Given that there are no more bytes than those unread, tells what the source ends in the
    /// middle of, which may be `part`; `None` if it ends where it may.
    pub(super) fn ends_within(&self, part: Cut) -> Option<Cut> {
        match (self.unread.is_empty(), self.cut) {
            (true, false) => None,
            (true, true) => Some(Cut::Gzip),
            (false, _) => Some(part),
        }
    }
}

/// Moves what is unread to the start of a window that nobody else has, and returns that.
fn renew<'a>(
    bytes: &'a mut Arc<Vec<u8>>,
    spares: &mut Vec<Arc<Vec<u8>>>,
    unread: Range<usize>,
) -> &'a mut Vec<u8> {
    if let Some(own) = Arc::get_mut(bytes) {
        own.copy_within(unread, 0);
    } else {
        let free = spares.iter_mut().position(|spare| Arc::get_mut(spare).is_some());
        let mut other = free.map_or_else(Arc::default, |at| spares.swap_remove(at));
        let room = Arc::make_mut(&mut other);
        room.resize(unread.len().max(STEP), 0);
        room[..unread.len()].copy_from_slice(&bytes[unread]);
        let kept = core::mem::replace(bytes, other);
        if spares.len() < SPARES_MAX && kept.len() == STEP {
            spares.push(kept);
        }
    }
    Arc::get_mut(bytes).expect("nobody else has it")
}

impl<R: Read> Source<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            let result = match self {
                Self::Plain(source) => source.read(into).map_err(ReadError::Source),
                Self::Gzip(source) => {
                    let step = into.len().min(GZIP_STEP);
                    source.read(&mut into[..step]).map_err(ReadError::Gzip)
                }
            };
            match result {
                Err(ReadError::Source(e) | ReadError::Gzip(e))
                    if e.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl<R> std::fmt::Debug for Buffer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer")
            .field("start", &self.start)
            .field("unread", &self.unread.len())
            .finish_non_exhaustive()
    }
}

/// Names a compression that captures come in and that this reader does not undo.
fn other_compression(start: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 5] = [
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"), // RFC 8878 section 3.1.1
        (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
        (b"BZh", "bzip2"),
        (b"PK\x03\x04", "zip"),
    ];
    known.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, with)| with)
}
