//! How a scheduler works.

use core::time::Duration;

use halfopen_core::rng::Rng;
use http::Uri;
use jiff::Timestamp;

use crate::calendar::{self, CronLine};

/// How a scheduler works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What it is called. No two schedulers of one database have the same name, and one that starts
    /// again has the same as before: by its name it finds what it left open.
    pub name: String,
    /// When it runs.
    pub calendar: CronLine,
    /// Where payments are asked for: an absolute `http` or `https` URI.
    pub payments: Uri,
    /// How many charges are under way at the same time: 1 to [`PARALLEL_MAX`](Self::PARALLEL_MAX).
    pub parallel: u32,
    /// How many charges a run makes at most: 1 to [`BATCH_MAX`](Self::BATCH_MAX). Its report lists
    /// them all.
    pub batch: u32,
    /// How long a charge may take until its outcome is unknown.
    pub patience: Duration,
    /// For how long a claimed charge is left to a scheduler that does not say what became of it.
    /// Longer than `patience`, with room for the database.
    pub lease: Duration,
    /// When a charge whose outcome is unknown is asked for again.
    pub backoff: Backoff,
    /// Whether other schedulers may run at the same time and share the work. All schedulers of a
    /// database share, or none does.
    pub shared: bool,
}

/// When a charge whose outcome is unknown is asked for again, at the next tick after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest pause after the first attempt. It doubles with each.
    pub first: Duration,
    /// The longest pause of all. There is no last attempt, since the money may have been taken.
    pub most: Duration,
}

impl Backoff {
    /// Returns the pause after an attempt, counted from 1, to ask for what has this key: from the
    /// half to the whole of the longest, by chance that is the same for the same arguments.
    #[must_use]
    pub fn after(self, key: &str, attempt: u32) -> Duration {
        let longest = self.longest(attempt);
        // FNV-1a's prime and its order of steps; the generator does the mixing.
        let add = |seed: u64, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let seed = key.bytes().fold(u64::from(attempt), add);
        let half = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX);
        longest.saturating_sub(Duration::from_millis(Rng::new(seed).below(half)))
    }

    fn longest(self, attempt: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1));
        doubled.and_then(|times| self.first.checked_mul(times)).unwrap_or(self.most).min(self.most)
    }
}

impl Config {
    /// The most charges under way at the same time.
    pub const PARALLEL_MAX: u32 = 1024;
    /// The most charges of a run.
    pub const BATCH_MAX: u32 = 1_000_000;

    /// Returns a configuration that makes one charge at a time, a thousand in a run, gives each
    /// thirty seconds, and asks again after a minute, then two, up to six hours.
    #[must_use]
    pub fn new(name: impl Into<String>, calendar: CronLine, payments: Uri) -> Self {
        Self {
            name: name.into(),
            calendar,
            payments,
            parallel: 1,
            batch: 1000,
            patience: Duration::from_secs(30),
            lease: Duration::from_mins(2),
            backoff: Backoff { first: Duration::from_mins(1), most: Duration::from_hours(6) },
            shared: false,
        }
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<(), InvalidConfig> {
        if self.name.is_empty() {
            return Err(InvalidConfig::Name);
        }
        let of_http = matches!(self.payments.scheme_str(), Some("http" | "https"));
        if !of_http || self.payments.authority().is_none() {
            return Err(InvalidConfig::Uri(self.payments.clone()));
        }
        for (setting, value, most) in [
            ("parallel", self.parallel, Self::PARALLEL_MAX),
            ("batch", self.batch, Self::BATCH_MAX),
        ] {
            if !(1..=most).contains(&value) {
                return Err(InvalidConfig::Range { setting, value, most });
            }
        }
        if self.lease <= self.patience || self.lease > YEAR {
            let (lease, patience) = (self.lease, self.patience);
            return Err(InvalidConfig::Lease { lease, patience });
        }
        let Backoff { first, most } = self.backoff;
        if first < PAUSE_MIN || most > YEAR {
            return Err(InvalidConfig::Backoff { first, most });
        }
        self.calendar.next_after(now)?;
        Ok(())
    }
}

/// What is put off for longer is put off for ever.
const YEAR: Duration = Duration::from_hours(365 * 24);

/// Shorter, and a run could ask for the same charge again and again.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Why no scheduler can work like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// It has no name.
    #[error("a scheduler needs a name")]
    Name,
    /// There is nowhere to ask for payments.
    #[error("{0} is no address of a payment module; write it like http://payment:8080/payments")]
    Uri(Uri),
    /// A number is too small or too large.
    #[error("`{setting}` is {value}; it must be from 1 to {most}")]
    Range {
        /// Which.
        setting: &'static str,
        /// What it is.
        value: u32,
        /// What it may be.
        most: u32,
    },
    /// A charge could be asked for by two schedulers at the same time as a matter of course.
    #[error(
        "the lease of {lease:?} must be longer than the {patience:?} that a charge may take, and \
         not longer than a year"
    )]
    Lease {
        /// The lease.
        lease: Duration,
        /// What it must be longer than.
        patience: Duration,
    },
    /// A charge would be asked for at once again, or hardly ever.
    #[error("pauses of {first:?} to {most:?} between attempts: they are from a second to a year")]
    Backoff {
        /// The first pause.
        first: Duration,
        /// The longest.
        most: Duration,
    },
    /// The cron line never fires.
    #[error(transparent)]
    Calendar(#[from] calendar::Error),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn config(line: &str) -> Config {
        let calendar = CronLine::parse(line, "UTC").unwrap();
        Config::new("s", calendar, Uri::from_static("http://payment/payments"))
    }

    fn check(change: impl FnOnce(&mut Config)) -> Result<(), InvalidConfig> {
        let mut config = config("* * * * *");
        change(&mut config);
        config.check(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) };
        let pauses = [1, 2, 3, 6, 7, 32, 33, u32::MAX].map(|at| backoff.longest(at).as_secs());
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn a_pause_is_from_the_half_to_the_whole_and_differs_from_key_to_key() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) };
        let pauses: BTreeSet<Duration> =
            (0..100).map(|number| backoff.after(&format!("c{number}:0"), 9)).collect();
        assert!(pauses.len() > 90, "{pauses:?}");
        let (half, whole) = (Duration::from_secs(30), Duration::from_mins(1));
        assert!(pauses.iter().all(|pause| (half..=whole).contains(pause)), "{pauses:?}");
        assert!(pauses.first() < Some(&(half + whole / 20)), "{pauses:?}");
        assert!(pauses.last() > Some(&(whole * 19 / 20)), "{pauses:?}");
        assert_eq!(backoff.after("c1:0", 9), backoff.after("c1:0", 9));
        assert_ne!(backoff.after("c1:0", 9), backoff.after("c1:0", 10));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|config| config.name.clear()), Err(InvalidConfig::Name));
        let relative = Uri::from_static("/payments");
        let error = check(|config| config.payments.clone_from(&relative));
        assert_eq!(error, Err(InvalidConfig::Uri(relative)));
        assert!(check(|config| config.parallel = 0).is_err());
        assert!(check(|config| config.batch = Config::BATCH_MAX + 1).is_err());
        assert!(check(|config| config.patience = config.lease).is_err());
        assert!(check(|config| config.lease = Duration::MAX).is_err());
        assert!(check(|config| config.backoff.most = Duration::MAX).is_err());
        assert!(check(|config| config.backoff.first = Duration::ZERO).is_err());
    }

    #[test]
    fn a_cron_line_that_never_fires_is_refused() {
        let error = config("0 0 31 2 *").check(Timestamp::UNIX_EPOCH).unwrap_err().to_string();
        let expected = "the cron line \"0 0 31 2 *\" never fires after 1970-01-01T00:00:00Z";
        assert_eq!(error, expected);
    }
}
