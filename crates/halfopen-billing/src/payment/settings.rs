//! How the payment module behaves: every timer and limit by which servers differ.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use halfopen_core::rng::Rng;

/// How the payment module behaves.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How long a connection may idle, from when it was accepted or an answer was handed to the
    /// socket, until the module closes it with a FIN. `None`: never.
    pub keep_alive: Option<Duration>,
    /// What answers tell clients about it, whatever is true. `None`: nothing.
    pub hint: Option<Hint>,
    /// After how many requests a connection is closed. `None`: never.
    pub requests_per_connection: Option<u64>,
    /// How long the head of a request may take from its first byte.
    pub head_timeout: Duration,
    /// How long the body of a request may take after its head, and its answer to be taken.
    pub body_timeout: Duration,
    /// The longest body of a request that is read, in bytes.
    pub body_max: usize,
    /// The longest head of a request that is read, in bytes.
    pub head_max: usize,
    /// How many connections are open at one time. Further ones wait to be accepted.
    pub connections_max: usize,
    /// How long requests may go on after the module was told to drain.
    pub drain_timeout: Duration,
    /// How long payments take before they are written: who crashes or leaves here was not charged.
    pub work: Slowness,
    /// How long answers take after payments are written: who crashes or leaves here was.
    pub answer: Slowness,
    /// Declines amounts whose decimal digits end in these.
    pub declines: Option<Ending>,
    /// Whether answers carry `Date`, for which hyper reads the system's clock: false in virtual
    /// time.
    pub date: bool,
}

impl Default for Settings {
    /// Never closes idle connections and gives no hint, as the payment module of the incident.
    fn default() -> Self {
        Self {
            keep_alive: None,
            hint: None,
            requests_per_connection: None,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_max: 16 << 10,
            head_max: 16 << 10,
            connections_max: 1024,
            drain_timeout: Duration::from_secs(30),
            work: Slowness::NONE,
            answer: Slowness::NONE,
            declines: None,
            date: false,
        }
    }
}

/// Why settings are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// A limit below which nothing could be served.
    #[error("`{setting}` must be at least {least}")]
    TooSmall {
        /// Which setting.
        setting: &'static str,
        /// The least it can be.
        least: usize,
    },
    /// A slowness that is no chance or no range.
    #[error("`{setting}` needs a chance from 0 to 1 and a least time not above the most")]
    Slowness {
        /// Which setting.
        setting: &'static str,
    },
}

impl Settings {
    /// Tells whether a module could work with these settings.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        // hyper takes no smaller buffer.
        const HEAD_LEAST: usize = 8192;
        let requests = self.requests_per_connection.unwrap_or(1).try_into().unwrap_or(usize::MAX);
        for (setting, value, least) in [
            ("requests per connection", requests, 1),
            ("body limit", self.body_max, 1),
            ("head limit", self.head_max, HEAD_LEAST),
            ("connection limit", self.connections_max, 1),
        ] {
            if value < least {
                return Err(InvalidSettings::TooSmall { setting, least });
            }
        }
        for (setting, slowness) in [("slow work", self.work), ("slow answers", self.answer)] {
            if !slowness.is_valid() {
                return Err(InvalidSettings::Slowness { setting });
            }
        }
        Ok(())
    }
}

/// The header `Keep-Alive: timeout=N, max=M` of RFC 2068, section 19.7.1.1, as servers still send
/// it. It is a hint: nothing in the module follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// In seconds.
    pub timeout: u64,
    /// How many requests more; the same in every answer.
    pub max: Option<u64>,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timeout={}", self.timeout)?;
        if let Some(max) = self.max {
            write!(f, ", max={max}")?;
        }
        Ok(())
    }
}

impl FromStr for Hint {
    type Err = InvalidText;

    /// Reads `timeout=N` or `timeout=N, max=M`, as the header has it.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let form = InvalidText("write it as the header has it: timeout=60 or timeout=60,max=100");
        let number = |text: &str, name: &str| {
            let value = text.trim().strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            value.and_then(|value| value.parse().ok()).ok_or(form)
        };
        let (timeout, max) = match text.split_once(',') {
            Some((timeout, max)) => (timeout, Some(number(max, "max")?)),
            None => (text, None),
        };
        Ok(Self { timeout: number(timeout, "timeout")?, max })
    }
}

/// Why a text is no setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidText(&'static str);

/// Some requests take longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slowness {
    /// Which share of the requests, from 0 to 1.
    pub chance: f64,
    /// The least that they take.
    pub least: Duration,
    /// The most. Times between are equally likely, in whole milliseconds.
    pub most: Duration,
}

impl Slowness {
    /// None at all.
    pub const NONE: Self = Self { chance: 0.0, least: Duration::ZERO, most: Duration::ZERO };

    /// Every request takes `time`.
    #[must_use]
    pub const fn always(time: Duration) -> Self {
        Self { chance: 1.0, least: time, most: time }
    }

    fn is_valid(&self) -> bool {
        (0.0..=1.0).contains(&self.chance) && self.least <= self.most
    }

    /// Draws how long one request takes.
    pub(super) fn draw(&self, rng: &mut Rng) -> Duration {
        if self.chance <= 0.0 || !rng.chance(self.chance) {
            return Duration::ZERO;
        }
        let range = self.most.saturating_sub(self.least).as_millis();
        let range = u64::try_from(range).unwrap_or(u64::MAX - 1);
        self.least + Duration::from_millis(rng.below(range + 1))
    }
}

impl FromStr for Slowness {
    type Err = InvalidText;

    /// Reads `2s`, `200ms..2s` or `10%:200ms..2s`.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let form = InvalidText("write a time, a range or a share and one: 2s, 200ms..2s, 10%:2s");
        let (chance, range) = match text.split_once("%:") {
            Some((share, range)) => (share.trim().parse::<f64>().map_err(|_| form)? / 100.0, range),
            None => (1.0, text),
        };
        let time = |text: &str| humantime::parse_duration(text.trim()).map_err(|_| form);
        let (least, most) = range.split_once("..").unwrap_or((range, range));
        let slowness = Self { chance, least: time(least)?, most: time(most)? };
        if slowness.is_valid() { Ok(slowness) } else { Err(form) }
    }
}

/// The last decimal digits of amounts: `13` is that of 13, 113 and 990013.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending(pub u64);

impl Ending {
    pub(super) fn ends(self, amount: i64) -> bool {
        let digits = self.0.checked_ilog10().unwrap_or(0) + 1;
        10_u64.checked_pow(digits).is_some_and(|modulus| amount.unsigned_abs() % modulus == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_the_last_digits() {
        let of = |ending| [13, 113, 1300, 990_013, 0].map(|amount| Ending(ending).ends(amount));
        assert_eq!(of(13), [true, true, false, true, false]);
        assert_eq!(of(0), [false, false, true, false, true]);
        assert_eq!(of(u64::MAX), [false; 5]);
    }

    #[test]
    fn slow_requests_are_as_many_and_as_slow_as_said() {
        let (least, most) = (Duration::from_millis(20), Duration::from_millis(40));
        let slowness = Slowness { chance: 0.25, least, most };
        let mut rng = Rng::new(3);
        let drawn: Vec<Duration> = (0..10_000).map(|_| slowness.draw(&mut rng)).collect();
        let slow: Vec<&Duration> = drawn.iter().filter(|time| !time.is_zero()).collect();
        assert!((2_300..2_700).contains(&slow.len()), "{}", slow.len());
        assert_eq!((slow.iter().min(), slow.iter().max()), (Some(&&least), Some(&&most)));
    }

    #[test]
    fn hints_and_slowness_are_read_as_they_are_written() {
        let hint = |text: &str| text.parse::<Hint>().map(|hint| hint.to_string());
        assert_eq!(hint("timeout=60"), Ok("timeout=60".to_owned()));
        assert_eq!(hint("timeout=5,max=100"), Ok("timeout=5, max=100".to_owned()));
        for bad in ["", "60", "timeout=", "timeout=-1", "max=1", "timeout=5,", "timeout=5,max=x"] {
            assert!(hint(bad).is_err(), "{bad}");
        }
        let (least, most) = (Duration::from_millis(200), Duration::from_secs(2));
        assert_eq!("2s".parse(), Ok(Slowness::always(most)));
        assert_eq!("10%:200ms..2s".parse(), Ok(Slowness { chance: 0.1, least, most }));
        for bad in ["", "2", "2s..1s", "101%:1s", "x%:1s", "NaN%:1s", "10%:"] {
            assert!(bad.parse::<Slowness>().is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_that_could_serve_nobody_are_refused() {
        let check = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| ()), Ok(()));
        let error = check(|settings| settings.connections_max = 0).unwrap_err();
        assert_eq!(error, "`connection limit` must be at least 1");
        assert!(check(|settings| settings.requests_per_connection = Some(0)).is_err());
        assert!(check(|settings| settings.head_max = 100).is_err());
        assert!(check(|settings| settings.work.chance = 1.5).is_err());
        assert!(check(|settings| settings.answer.chance = f64::NAN).is_err());
    }
}
