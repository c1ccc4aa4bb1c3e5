//! What is known of how long a path remembers an idle flow.

use crate::time::Duration;

/// One use of a flow after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The flow still worked after this pause.
    Survived(Duration),
    /// The flow no longer worked after this pause.
    Died(Duration),
}

/// What is known of how long a path remembers an idle flow.
///
/// Invariant: `survived < died`, if both are known. A sample that would break it empties the other
/// bound, since the path has changed or forgets for another reason than time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleBracket {
    survived: Option<Duration>,
    died: Option<Duration>,
}

impl IdleBracket {
    /// Takes a sample into account.
    pub fn record(&mut self, sample: Sample) {
        match sample {
            Sample::Survived(idle) => {
                self.survived = self.survived.max(Some(idle));
                self.died = self.died.filter(|&died| idle < died);
            }
            Sample::Died(idle) => {
                self.died = Some(self.died.map_or(idle, |died| died.min(idle)));
                self.survived = self.survived.filter(|&survived| survived < idle);
            }
        }
    }

    /// Returns the longest pause that a flow is known to have survived.
    #[must_use]
    pub const fn survived(&self) -> Option<Duration> {
        self.survived
    }

    /// Returns the shortest pause that a flow is known to have died of.
    #[must_use]
    pub const fn died(&self) -> Option<Duration> {
        self.died
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_close_in_on_the_limit() {
        let mut bracket = IdleBracket::default();
        for idle in [60, 1200, 340, 354, 346, 400] {
            let idle = Duration::from_secs(idle);
            let survived = idle < Duration::from_secs(350);
            bracket.record(if survived { Sample::Survived(idle) } else { Sample::Died(idle) });
        }
        assert_eq!(bracket.survived(), Some(Duration::from_secs(346)));
        assert_eq!(bracket.died(), Some(Duration::from_secs(354)));
    }

    #[test]
    fn a_contradicting_sample_empties_the_other_bound() {
        let mut bracket = IdleBracket::default();
        bracket.record(Sample::Died(Duration::from_mins(1)));
        bracket.record(Sample::Survived(Duration::from_secs(90)));
        assert_eq!(bracket.died(), None);
        assert_eq!(bracket.survived(), Some(Duration::from_secs(90)));
    }
}
