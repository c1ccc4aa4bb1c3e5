//! When runs take place, and when subscriptions are due.
//!
//! A [`CronLine`] says at which moments the scheduler looks for work; a [`Schedule`] says what each
//! subscription owes for which [`Period`]. Both are pure: the time is an argument.
//!
//! The two are independent on purpose. A tick that was missed loses nothing, since the next one
//! finds by its due date all that is due.

use jiff::tz::{TimeZone, TimeZoneDatabase};

pub use cadence::{Cadence, Period, Schedule};
pub use cron::CronLine;

mod cadence;
mod cron;

/// Returns the time zone of an IANA name, such as `Europe/Berlin`.
///
/// The data comes with the program, so that the same name means the same on every machine.
pub fn time_zone(name: &str) -> Result<TimeZone, Error> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| Error::Zone(name.to_owned()))
}

/// Why there is no such time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The cron line cannot be read.
    #[error("the cron line {line:?} cannot be read: {reason}")]
    Unreadable {
        /// The line.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cron line names only days that do not exist, such as 31 February.
    #[error("the cron line {line:?} never fires after {after}")]
    Never {
        /// The line.
        line: String,
        /// Since when.
        after: jiff::Timestamp,
    },
    /// The time zone is unknown.
    #[error("{0:?} is no time zone of the IANA database; write a name such as Europe/Berlin")]
    Zone(String),
    /// The cadence cannot be read.
    #[error("{0:?} is no cadence; write monthly, yearly, or every and a time, as in \"every 20m\"")]
    Cadence(String),
    /// A due date lies beyond the last year that the calendar has.
    #[error("period {0} is due after the end of the calendar")]
    TooFar(u32),
}
