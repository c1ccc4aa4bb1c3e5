//! A failure in a program's words: a line, and the stack trace and causes that may follow it.

use crate::failure;
use crate::record::{Failure, How};

/// A failure, as far as its lines have been read.
#[derive(Debug)]
pub(super) struct Trace {
    how: How,
    /// The words that say so.
    words: Box<str>,
}

/// Words without which a line that has a failure's text speaks of something else: a setting, a
/// success after a retry.
const ALARMS: [&str; 9] =
    ["Exception", "Error", "error", "ERR", "FAIL", "fail", "WARN", "FATAL", "SEVERE"];

impl Trace {
    /// Returns the failure that a line tells of.
    pub(super) fn begin(text: &str) -> Option<Self> {
        let alarm = ALARMS.iter().any(|alarm| text.contains(alarm));
        let how = alarm.then(|| failure::meaning(text))??;
        Some(Self { how, words: text.trim().into() })
    }

    /// Takes a line that follows. What caused the failure says better what it is than what it
    /// caused, and a client's exception better than the system's error under it.
    pub(super) fn more(&mut self, text: &str) {
        let Some(cause) = text.trim_start().strip_prefix("Caused by: ") else { return };
        if let Some(how) = failure::meaning(cause)
            && matches!(self.how, How::Other | How::TimedOut | How::ResetOrClosed)
        {
            self.how = how;
            self.words = cause.trim().into();
        }
    }

    pub(super) fn failure(&self) -> Failure {
        Failure { how: self.how, ..failure::worded(&self.words) }
    }
}
