//! Lines of a text that need not be one.

use std::io::{self, BufRead};

const LENGTH_MAX: usize = 64 << 10;

/// A line of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Without the spaces around it.
    Text(&'a str),
    /// It has more bytes than are kept.
    TooLong,
    /// It is not UTF-8.
    NotText,
}

/// Reads lines; none takes more memory than the longest that is allowed.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, number: 0, bytes: Vec::new() }
    }

    /// Returns the next line and its number, counted from one.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.bytes.clear();
        let (mut any, mut too_long, mut over) = (false, false, false);
        while !over {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            too_long |= self.bytes.len() + piece.len() > LENGTH_MAX;
            if !too_long {
                self.bytes.extend_from_slice(piece);
            }
            over = end.is_some();
            let used = piece.len() + usize::from(over);
            self.input.consume(used);
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        if too_long {
            return Ok(Some((self.number, Line::TooLong)));
        }
        // A file of Windows begins with a mark.
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        let line = str::from_utf8(bytes).map_or(Line::NotText, |text| Line::Text(text.trim()));
        Ok(Some((self.number, line)))
    }
}
