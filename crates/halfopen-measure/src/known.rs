//! What one round has found out and the next goes on with, as a text.

use core::fmt;

use halfopen_core::time::Duration;
use serde::{Deserialize, Serialize};

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// No text is longer than this, in bytes.
const TEXT_MAX: usize = 64 << 10;

/// What is known of a path between two rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The longest pause that was survived.
    pub survived: Option<Duration>,
    /// The shortest pause that connections died of; longer than `survived`.
    pub died: Option<Duration>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    survived_ms: Option<u64>,
    died_ms: Option<u64>,
}

/// Why a text says nothing of a path.
#[derive(Debug)]
pub enum KnownError {
    /// It is longer than any that was written.
    TooLong,
    /// It is not of the form that is written.
    Form(Box<toml::de::Error>),
    /// It is of another format.
    Format(u32),
    /// The fatal pause is not longer than the survived one.
    Contradiction,
}

impl Known {
    /// Returns a text that [`parse`](Self::parse) reads, in whole milliseconds: the bracket never
    /// gets narrower by that.
    #[must_use]
    pub fn to_text(&self) -> String {
        let ms = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX >> 1);
        let text = Text {
            format: FORMAT,
            survived_ms: self.survived.map(ms),
            died_ms: self.died.map(|died| ms(died) + 1),
        };
        let text = toml::to_string(&text).expect("three numbers can be written");
        format!("# What a measurement knows so far; halfopen measure goes on with it.\n{text}")
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn parse(text: &str) -> Result<Self, KnownError> {
        if text.len() > TEXT_MAX {
            return Err(KnownError::TooLong);
        }
        let text: Text = toml::from_str(text).map_err(|error| KnownError::Form(Box::new(error)))?;
        if text.format != FORMAT {
            return Err(KnownError::Format(text.format));
        }
        let survived = text.survived_ms.map(Duration::from_millis);
        let died = text.died_ms.map(Duration::from_millis);
        match (survived, died) {
            (Some(survived), Some(died)) if survived >= died => Err(KnownError::Contradiction),
            _ => Ok(Self { survived, died }),
        }
    }
}

impl fmt::Display for KnownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {} KiB", TEXT_MAX >> 10),
            Self::Form(error) => write!(f, "{}", error.message().replace('\n', ", ")),
            Self::Format(format) => {
                write!(f, "format {format} is not known, only {FORMAT}; remove it to begin anew")
            }
            Self::Contradiction => {
                write!(f, "the fatal pause is not longer than the survived one")
            }
        }
    }
}

impl core::error::Error for KnownError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_never_narrower() {
        let known = Known {
            survived: Some(Duration::from_micros(349_700_400)),
            died: Some(Duration::from_micros(350_200_400)),
        };
        let read = Known::parse(&known.to_text()).unwrap();
        assert!(read.survived <= known.survived && known.died <= read.died);
        assert!(known.survived.unwrap() <= read.survived.unwrap() + Duration::from_millis(1));
    }

    #[test]
    fn a_text_that_contradicts_itself_is_refused() {
        for text in
            ["", "format = 2\n", "format = 1\nsurvived_ms = 5\ndied_ms = 5\n", "format = 1\nx = 2"]
        {
            assert!(Known::parse(text).is_err(), "{text:?}");
        }
    }
}
