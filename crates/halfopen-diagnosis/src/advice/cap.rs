//! How long a connection may be idle: a margin below the smallest timer.

use halfopen_core::cause::Cause;
use halfopen_core::time::{Duration, brief};

use super::Situation;
use crate::matching::{Limit, Shows};

/// What is set is at most this share of the timer: clocks are coarse, and a request takes a while
/// to arrive.
const MARGIN: f64 = 0.8;
/// Every path survives shorter pauses than this, so that they say nothing about its limit.
const TELLING: Duration = Duration::from_secs(10);

/// How long a connection may be idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// The value, in whole seconds if it is more than one.
    pub value: Duration,
    /// What it rests on, in words.
    pub basis: String,
}

/// Returns the cap for the limit that is met first; `None` if no pause says where that lies.
pub(super) fn cap(situation: &Situation<'_>) -> Option<Cap> {
    let about_pauses =
        matches!(situation.cause, Cause::IdleExpiry | Cause::IdleExpiryInFlight | Cause::CloseRace);
    let caps = situation.limits.iter().filter(|_| about_pauses).filter_map(of);
    caps.min_by_key(|cap| cap.value)
}

/// Returns the cap for one limit. What was survived is sure and what fits is likely, so the former
/// counts even if it is small.
fn of(limit: &Limit) -> Option<Cap> {
    if limit.shows == Shows::FarEndCloses {
        let basis = format!("the far end closes what is idle for {}", brief(limit.met));
        return Some(Cap { value: below(limit.met), basis });
    }
    let telling = |survived: &Duration| *survived >= TELLING;
    let smallest = limit.fits.iter().min_by_key(|fit| fit.timer);
    match (limit.survived.filter(telling), smallest, limit.survived) {
        (None, Some(fit), _) => {
            let basis = format!(
                "{} is the smallest timer that fits ({}); what was seen only says that the limit \
                 is at most {}",
                brief(fit.timer),
                fit.title,
                brief(limit.met)
            );
            Some(Cap { value: below(fit.timer), basis })
        }
        (Some(survived), _, _) | (None, None, Some(survived)) => {
            let basis = format!("a pause of {} was survived", brief(survived));
            Some(Cap { value: below(survived), basis })
        }
        (None, None, None) => None,
    }
}

/// Returns how long a connection may be idle where a timer ends it: four fifths of that, in whole
/// seconds if it is more than one.
#[must_use]
pub fn below(timer: Duration) -> Duration {
    let value = timer.mul_f64(MARGIN);
    let whole = Duration::from_secs(value.as_secs());
    if whole.is_zero() { value } else { whole }
}
