//! What profiles, clients and scenarios share: TOML that people write, and errors with their place.
//!
//! This module reads texts, not files: the caller hands the text in and knows where it came from.

mod or_never;
pub(crate) mod quantity;

use core::error::Error;
use core::fmt;
use core::ops::Range;

use serde::de::DeserializeOwned;

pub(crate) use or_never::OrNever;

/// Pairs the names of documents that ship, which must stand in order, with their texts.
macro_rules! shipped {
    ($folder:literal: $($name:literal,)+) => {
        &[$((
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/../../", $folder, "/", $name, ".toml"
            )),
        ),)+]
    };
}
pub(crate) use shipped;

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// The bytes of the text that it concerns; empty at the start if it concerns the whole.
    pub span: Range<usize>,
    /// The line of the span's start, counted from one.
    pub line: usize,
    /// The column of the span's start, in characters, counted from one.
    pub column: usize,
}

impl DocumentError {
    /// Returns an error about the bytes `span` of `text`; `message` is in lower case and without a
    /// full stop.
    #[must_use]
    pub fn new(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            message: message.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span,
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl Error for DocumentError {}

/// Reads `text` as a `T`; a key that `T` does not know is an error if `T` says so.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    toml::from_str(text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        DocumentError::new(text, error.span().unwrap_or(0..0), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_line_and_the_column_in_characters() {
        let text = "a = 1\nü = \"ö\" x\n";
        let error = DocumentError::new(text, 14..15, "odd");
        assert_eq!((error.line, error.column), (2, 7));
        assert_eq!(error.to_string(), "line 2, column 7: odd");
    }

    #[test]
    fn text_that_is_not_toml_is_an_error_with_a_place() {
        let error = read::<toml::Table>("a = 1\nb = = 2\n").unwrap_err();
        assert_eq!(error.line, 2);
    }
}
