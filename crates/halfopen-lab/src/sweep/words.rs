//! Answers and time spans in a few words.

use core::fmt;

use halfopen_core::time::Duration;

use super::series::{Answer, Fate, PATIENCE, Reopened};
use crate::reproduce::Outcome;

/// Who waits for this long calls it hanging.
const HANGING: Duration = Duration::from_secs(1);

/// What an answer is to a user, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It came on the connection that was there.
    Reused,
    /// It came on a new one.
    Reopened,
    /// It came soon, when the request had gone out again.
    Resent,
    /// There was none, and that was known soon.
    Fails,
    /// It took a second or longer until there was none, or until the request went out again.
    Hangs,
    /// Whatever the user learnt: the far end received the request more than once.
    Doubled,
}

impl Kind {
    /// Every kind, from the best to the worst.
    pub const ALL: [Self; 6] =
        [Self::Reused, Self::Reopened, Self::Resent, Self::Fails, Self::Hangs, Self::Doubled];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reused => "reused",
            Self::Reopened => "reopened",
            Self::Resent => "resent",
            Self::Fails => "fails",
            Self::Hangs => "hangs",
            Self::Doubled => "doubled",
        })
    }
}

impl Answer {
    /// Returns what it is to a user.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let is_slow = self.took >= HANGING;
        match self.fate {
            _ if self.received > 1 => Kind::Doubled,
            Fate::Reused => Kind::Reused,
            Fate::Reopened(_) => Kind::Reopened,
            Fate::Resent(_) | Fate::Failed(_) if is_slow => Kind::Hangs,
            Fate::Resent(_) => Kind::Resent,
            Fate::Failed(_) => Kind::Fails,
        }
    }

    /// Tells whether two answers are the same to a user: they took about as long.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let about = (self.took / 16).max(HANGING);
        (self.fate, self.received) == (other.fate, other.received)
            && self.took.abs_diff(other.took) < about
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Span(self.took);
        let is_slow = self.took >= HANGING;
        match self.fate {
            Fate::Reused => write!(f, "reused")?,
            Fate::Reopened(Reopened::ByClient) => write!(f, "reopened: the client had closed it")?,
            Fate::Reopened(Reopened::AfterFin) => write!(f, "reopened after a FIN")?,
            Fate::Reopened(Reopened::AfterReset) => write!(f, "reopened after a reset")?,
            Fate::Resent(why) if is_slow => write!(f, "hangs {took}, then resent: {why}")?,
            Fate::Resent(why) => write!(f, "resent: {why}")?,
            Fate::Failed(Outcome::Unfinished) => write!(f, "hangs {} or longer", Span(PATIENCE))?,
            Fate::Failed(why) if is_slow => write!(f, "hangs {took}, then fails: {why}")?,
            Fate::Failed(why) => write!(f, "fails: {why}")?,
        }
        match (self.fate.is_failure(), self.received) {
            (false, 0 | 1) | (true, 0) => Ok(()),
            (true, 1) => write!(f, "; received all the same"),
            (_, times) => write!(f, "; received {times} times"),
        }
    }
}

/// A time span, as people say it: to the second if it is ten of them or longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// What is longer than this is said in minutes.
        const IN_SECONDS: u64 = 600;
        let millis = self.0.as_millis();
        if millis < 1_000 {
            return f.pad(&format!("{millis} ms"));
        }
        if millis < 10_000 {
            let digits = usize::from(!millis.is_multiple_of(1_000));
            return f.pad(&format!("{:.digits$} s", self.0.as_secs_f64()));
        }
        let secs = self.0.as_secs() + u64::from(self.0.subsec_millis() >= 500);
        if secs <= IN_SECONDS && !(secs.is_multiple_of(60) && secs > 300) {
            return f.pad(&format!("{secs} s"));
        }
        let parts = [(secs / 3_600, "h"), (secs / 60 % 60, "min"), (secs % 60, "s")];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, unit)| format!("{count} {unit}")).collect();
        f.pad(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_is_said_as_people_do() {
        let spans = [
            (0, "0 ms"),
            (250, "250 ms"),
            (1_000, "1 s"),
            (1_500, "1.5 s"),
            (59_999, "60 s"),
            (350_040, "350 s"),
            (924_600, "15 min 25 s"),
            (7_200_000, "2 h"),
            (7_440_000, "2 h 4 min"),
        ];
        for (millis, words) in spans {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), words);
        }
    }
}
