//! What is known of how long a path remembers an idle connection.

use crate::time::Duration;

/// What is known of how long a path remembers an idle connection.
///
/// Invariant: `survived < died`. A sample that would break it empties the other bound, since the
/// path has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleBracket {
    survived: Option<Duration>,
    died: Option<Duration>,
}

/// What became of a connection that was used after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It still worked after this pause.
    Survived(Duration),
    /// It no longer worked after this pause.
    Died(Duration),
}

impl IdleBracket {
    /// Takes a sample into account.
    pub fn record(&mut self, sample: Sample) {
        match sample {
            Sample::Survived(pause) => {
                self.survived = self.survived.max(Some(pause));
                self.died = self.died.filter(|&died| pause < died);
            }
            Sample::Died(pause) => {
                self.died = Some(self.died.map_or(pause, |died| died.min(pause)));
                self.survived = self.survived.filter(|&survived| survived < pause);
            }
        }
    }

    /// Returns the longest pause that a connection is known to have survived.
    #[must_use]
    pub const fn survived(&self) -> Option<Duration> {
        self.survived
    }

    /// Returns the shortest pause that a connection is known to have died of.
    #[must_use]
    pub const fn died(&self) -> Option<Duration> {
        self.died
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn samples_close_in_on_what_the_path_remembers() {
        let mut bracket = IdleBracket::default();
        for pause in [20, 400, 300, 360, 349] {
            let died = pause >= 350;
            let pause = secs(pause);
            bracket.record(if died { Sample::Died(pause) } else { Sample::Survived(pause) });
        }
        assert_eq!((bracket.survived(), bracket.died()), (Some(secs(349)), Some(secs(360))));
    }

    #[test]
    fn the_later_of_two_samples_that_contradict_each_other_counts() {
        let mut bracket = IdleBracket::default();
        bracket.record(Sample::Died(secs(60)));
        bracket.record(Sample::Survived(secs(90)));
        assert_eq!((bracket.survived(), bracket.died()), (Some(secs(90)), None));
        bracket.record(Sample::Died(secs(30)));
        assert_eq!((bracket.survived(), bracket.died()), (None, Some(secs(30))));
    }
}
