//! Texts that were handed in, and places in them.

use core::fmt;
use core::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A document as it was handed in: what it is called, and its text.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name, as findings show it: a path.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    line_starts: Arc<[usize]>,
}

/// Where in a document something stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The document's name.
    #[serde(serialize_with = "text")]
    pub file: Arc<str>,
    /// The bytes of its text.
    #[serde(skip)]
    pub span: Range<usize>,
    /// The line of the first of them, counted from one.
    pub line: usize,
    /// The column of the first of them, in characters, counted from one.
    pub column: usize,
    /// The line of the last of them.
    pub end_line: usize,
    /// The column after the last of them, in characters.
    pub end_column: usize,
}

impl Document {
    /// Takes a text that is called `name`.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: name.into(),
            text: text.into(),
            line_starts: core::iter::once(0).chain(after_newlines).collect(),
        }
    }

    /// Returns where the bytes `span` stand; a span that does not lie in the text is cut to it.
    #[must_use]
    pub fn place(&self, span: Range<usize>) -> Place {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end.max(start));
        let (line, column) = self.position(start);
        let (end_line, end_column) = self.position(end);
        Place { file: Arc::clone(&self.name), span: start..end, line, column, end_line, end_column }
    }

    /// Returns the text of a line, counted from one.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<&str> {
        let start = *self.line_starts.get(number.checked_sub(1)?)?;
        let end = self.line_starts.get(number).copied().unwrap_or(self.text.len());
        Some(self.text[start..end].trim_end_matches(['\n', '\r']))
    }

    /// Returns the number of the line that holds byte `at`, and its column.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|&start| start <= at);
        let start = self.line_starts[line - 1];
        (line, self.text[start..at].chars().count() + 1)
    }

    fn boundary(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        (0..=at).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0)
    }
}

fn text<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_from_one() {
        let document = Document::new("a.yml", "one: 1\nzwö: 20\r\n");
        let at = document.text.find("20").unwrap();
        let place = document.place(at..at + 2);
        assert_eq!(place.to_string(), "a.yml:2:6");
        assert_eq!((place.end_line, place.end_column), (2, 8));
        assert_eq!(document.line(2), Some("zwö: 20"));
        assert_eq!(document.line(4), None);
    }

    #[test]
    fn a_span_outside_the_text_is_cut() {
        let document = Document::new("a", "ö");
        assert_eq!(document.place(1..9).span, 0..2);
        assert_eq!(document.place(7..7).span, 2..2);
    }
}
