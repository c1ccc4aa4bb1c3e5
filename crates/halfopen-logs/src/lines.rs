//! Lines of a text that nobody vouches for: numbered, and never longer than is kept.

use core::mem;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use halfopen_core::time::Instant;
use memchr::memchr;

/// Of a longer line only its beginning is kept. The longest that is read here is a balancer's: a
/// user agent and a request line of 8 KB each, and little more.
pub const LINE_MAX: usize = 64 << 10;
/// The first two bytes of a gzip member (RFC 1952 section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// As much as one read asks for.
const BUFFER_LEN: usize = 256 << 10;

/// The lines of a source, plain or in gzip.
pub struct Lines<R: Read> {
    source: Source<R>,
    number: u64,
    /// So many bytes at hand were handed out as a line and are not taken yet.
    handed_out: usize,
    /// A line that did not stand in the buffer as a whole.
    line: Vec<u8>,
    written: Option<Instant>,
}

enum Source<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<BufReader<MultiGzDecoder<BufReader<R>>>>),
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from one.
    pub number: u64,
    /// Without its end.
    pub bytes: &'a [u8],
    /// It went on, and the rest was not kept.
    pub cut: bool,
}

impl Line<'_> {
    /// Returns the line as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes)
    }
}

impl<R: Read> Lines<R> {
    /// Looks whether the source is compressed.
    pub fn new(source: R) -> io::Result<Self> {
        let mut plain = BufReader::with_capacity(BUFFER_LEN, source);
        let gzip = plain.fill_buf()?.starts_with(&GZIP_MAGIC);
        let source = if gzip {
            let text = BufReader::with_capacity(BUFFER_LEN, MultiGzDecoder::new(plain));
            Source::Gzip(Box::new(text))
        } else {
            Source::Plain(plain)
        };
        Ok(Self { source, number: 0, handed_out: 0, line: Vec::new(), written: None })
    }

    /// Says when the source was last written, for forms that do not say when they speak of.
    #[must_use]
    pub fn written(self, at: Instant) -> Self {
        Self { written: Some(at), ..self }
    }

    /// Returns when the source was last written, if its caller has said so.
    #[must_use]
    pub fn last_written(&self) -> Option<Instant> {
        self.written
    }

    /// Returns the bytes that come next without taking them, as many as there are at hand.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        let handed_out = mem::take(&mut self.handed_out);
        let source = self.source.as_buf_read();
        source.consume(handed_out);
        source.fill_buf()
    }

    /// Returns all that is left, or `None` if that is longer than `max` bytes.
    pub fn rest(&mut self, max: usize) -> io::Result<Option<Vec<u8>>> {
        let source: &mut dyn BufRead = match &mut self.source {
            Source::Plain(text) => text,
            Source::Gzip(text) => text.as_mut(),
        };
        let mut bytes = Vec::new();
        source.take(max as u64 + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() <= max).then_some(bytes))
    }

    /// Returns the next line; `None` after the last.
    #[expect(clippy::should_implement_trait, reason = "a line borrows the buffer it stands in")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let handed_out = mem::take(&mut self.handed_out);
        self.source.as_buf_read().consume(handed_out);
        let bytes = fill(self.source.as_buf_read())?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        match memchr(b'\n', bytes) {
            Some(end) if end <= LINE_MAX => {
                self.handed_out = end + 1;
                let bytes = &self.source.as_buf_read().fill_buf()?[..end];
                Ok(Some(Line { number: self.number, bytes: without_return(bytes), cut: false }))
            }
            Some(_) | None => self.gather().map(Some),
        }
    }

    /// Puts a line together that is longer than what is at hand, or than what is kept.
    fn gather(&mut self) -> io::Result<Line<'_>> {
        self.line.clear();
        let (source, mut cut) = (self.source.as_buf_read(), false);
        loop {
            let bytes = fill(source)?;
            let end = memchr(b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let room = LINE_MAX - self.line.len();
            cut |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let (taken, last) = (part.len() + usize::from(end.is_some()), bytes.is_empty());
            source.consume(taken);
            if end.is_some() || last {
                return Ok(Line { number: self.number, bytes: without_return(&self.line), cut });
            }
        }
    }
}

impl<R: Read> Source<R> {
    fn as_buf_read(&mut self) -> &mut dyn BufRead {
        match self {
            Self::Plain(text) => text,
            Self::Gzip(text) => text.as_mut(),
        }
    }
}

/// Returns what is at hand, and reads if that is nothing.
fn fill(source: &mut dyn BufRead) -> io::Result<&[u8]> {
    loop {
        match source.fill_buf() {
            Ok(_) => return source.fill_buf(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl<R: Read> core::fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::new(bytes).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.number, line.bytes.to_vec(), line.cut));
        }
        found
    }

    #[test]
    fn lines_are_numbered_and_the_last_needs_no_end() {
        let expected =
            vec![(1, b"a".to_vec(), false), (2, Vec::new(), false), (3, b"b".to_vec(), false)];
        assert_eq!(all(b"a\r\n\nb"), expected);
        assert_eq!(all(b""), Vec::new());
    }

    #[test]
    fn of_an_endless_line_the_beginning_is_kept() {
        let mut text = vec![b'x'; 3 * LINE_MAX];
        text.extend_from_slice(b"\nnext\n");
        let found = all(&text);
        assert_eq!((found[0].1.len(), found[0].2), (LINE_MAX, true));
        assert_eq!(found[1], (2, b"next".to_vec(), false));
    }

    #[test]
    fn a_compressed_text_reads_as_the_plain_one_across_members() {
        let mut bytes = Vec::new();
        for part in ["one\ntw", "o\n"] {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(part.as_bytes()).unwrap();
            bytes.extend(gzip.finish().unwrap());
        }
        let expected = vec![(1, b"one".to_vec(), false), (2, b"two".to_vec(), false)];
        assert_eq!(all(&bytes), expected);
    }
}
