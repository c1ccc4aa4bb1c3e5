//! What a measurement may cost, and how fine it is to be.

use core::fmt;

use halfopen_core::time::Duration;

/// What a measurement looks for, and what it may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The longest pause that is tried: from 5 seconds to 30 days.
    pub up_to: Duration,
    /// How narrow the bracket of the answer is to be; at least one second.
    pub precision: Duration,
    /// How many connections are open at a time at most; at least [`CONNECTIONS_MIN`].
    pub connections_max: u32,
    /// How many are opened in a second at most; at least one.
    pub opens_per_second: u32,
    /// How long nothing may come back before it is silence. Four round-trip times are added.
    pub patience: Duration,
    /// How many of the connections are kept by TCP's keepalive probes, to see whether those refresh
    /// the path; zero leaves the class open.
    pub twins: u32,
    /// Where the jitter of openings and pauses comes from.
    pub seed: u64,
}

/// Fewer connections cannot close in on anything.
pub const CONNECTIONS_MIN: u32 = 16;
/// More would be an attack.
pub const CONNECTIONS_MAX: u32 = 20_000;

/// The shortest limit that is looked for, and the first pause that is tried is shorter by half.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(30 * 24);
const FINEST: Duration = Duration::from_secs(1);

impl Default for Settings {
    /// Polite: up to two hours to the second, 600 connections, 20 of them opened in a second.
    fn default() -> Self {
        Self {
            up_to: Duration::from_hours(2),
            precision: FINEST,
            connections_max: 600,
            opens_per_second: 20,
            patience: Duration::from_millis(2_200),
            twins: 4,
            seed: 0,
        }
    }
}

impl Settings {
    /// Returns a cheap first round of few connections, whose bracket is wide: a second round
    /// [resumes](crate::plan::Plan::resume) within it.
    #[must_use]
    pub fn coarse(up_to: Duration) -> Self {
        Self { up_to, connections_max: 40, opens_per_second: 4, ..Self::default() }
    }

    /// Returns the same with no more connections than `descriptors` allows. What is left may be too
    /// few, which [`check`](Self::check) tells.
    #[must_use]
    pub fn within(self, descriptors: u32) -> Self {
        Self { connections_max: self.connections_max.min(descriptors), ..self }
    }

    /// Tells what is wrong, if anything is.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(SHORTEST..=LONGEST).contains(&self.up_to) {
            return Err(SettingsError::UpTo);
        }
        if self.precision < FINEST || self.precision > self.up_to {
            return Err(SettingsError::Precision);
        }
        if !(CONNECTIONS_MIN..=CONNECTIONS_MAX).contains(&self.connections_max) {
            return Err(SettingsError::Connections(self.connections_max));
        }
        if self.twins > self.connections_max / 4 {
            return Err(SettingsError::Twins);
        }
        if self.opens_per_second == 0 {
            return Err(SettingsError::Rate);
        }
        if self.patience < Duration::from_secs(1) || self.patience > Duration::from_mins(1) {
            return Err(SettingsError::Patience);
        }
        Ok(())
    }
}

/// Why nothing can be measured so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The longest pause is out of range.
    UpTo,
    /// The precision is out of range.
    Precision,
    /// So many connections are too few, or too many.
    Connections(u32),
    /// More than a quarter of the connections are twins.
    Twins,
    /// No connection may be opened.
    Rate,
    /// The patience is out of range.
    Patience,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpTo => write!(f, "the longest pause must be from 5 seconds to 30 days"),
            Self::Precision => {
                write!(f, "the precision must be a second at least, and within the longest pause")
            }
            Self::Connections(count) => write!(
                f,
                "{count} connections: it takes {CONNECTIONS_MIN} at least, and \
                 {CONNECTIONS_MAX} at most"
            ),
            Self::Twins => write!(f, "no more than a quarter of the connections can be twins"),
            Self::Rate => write!(f, "at least one connection a second must be allowed"),
            Self::Patience => write!(f, "the patience must be from a second to a minute"),
        }
    }
}

impl core::error::Error for SettingsError {}
