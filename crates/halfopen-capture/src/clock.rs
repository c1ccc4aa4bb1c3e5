//! Which time stamps to believe.
//!
//! A capture's time is its frames' time, but frames come out of order by a little (several queues),
//! clocks step, and files are damaged. A pause must never come from a time stamp that is not
//! believed, so time is cut into eras: within an era it does not go back, and no pause is measured
//! across two.

use halfopen_core::time::{Duration, Instant};

/// Frames of several receive queues are out of order by less than this.
const DISORDER_MAX: Duration = Duration::from_secs(1);
/// No capture is silent for as long as this; a frame that claims it waits for a second witness.
const SILENCE_MAX: Duration = Duration::from_hours(40 * 24);

/// A moment that is believed, and the era in which it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) era: u32,
}

impl Moment {
    /// Before any frame.
    pub(crate) const NONE: Self = Self { at: Instant::EPOCH, era: 0 };
}

/// Turns the time stamps of frames into moments that can be believed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    last: Option<Moment>,
    /// A jump forward that no second frame has confirmed.
    doubted: Option<Instant>,
    /// How many time stamps were not believed.
    pub(crate) absurd: u64,
}

impl Clock {
    /// Returns the moment of the next frame.
    #[inline]
    pub(crate) fn read(&mut self, stamp: Option<Instant>) -> Moment {
        match (&mut self.last, stamp) {
            (Some(last), Some(at)) if at > last.at && at <= last.at + SILENCE_MAX => {
                last.at = at;
                self.doubted = None;
                *last
            }
            _ => self.judge(stamp),
        }
    }

    /// Reads a time stamp that does not simply go on.
    fn judge(&mut self, stamp: Option<Instant>) -> Moment {
        let Some(last) = self.last else {
            let first = Moment { at: stamp.unwrap_or(Instant::EPOCH), era: 0 };
            self.last = stamp.map(|_| first);
            return first;
        };
        let moment = match stamp {
            None => self.disbelieve(last),
            Some(at) if at + DISORDER_MAX < last.at => self.new_era(last, at),
            Some(at) if at < last.at => last,
            Some(at) if at.saturating_since(last.at) > SILENCE_MAX => self.jump(last, at),
            Some(at) => Moment { at, era: last.era },
        };
        if moment.at != last.at || moment.era != last.era {
            self.doubted = None;
        }
        self.last = Some(moment);
        moment
    }

    fn jump(&mut self, last: Moment, at: Instant) -> Moment {
        let confirmed = self
            .doubted
            .is_some_and(|doubted| doubted <= at && at.saturating_since(doubted) <= SILENCE_MAX);
        if confirmed {
            return self.new_era(last, at);
        }
        self.doubted = Some(at);
        self.disbelieve(last)
    }

    fn new_era(&mut self, last: Moment, at: Instant) -> Moment {
        self.absurd += 1;
        Moment { at, era: last.era.saturating_add(1) }
    }

    fn disbelieve(&mut self, last: Moment) -> Moment {
        self.absurd += 1;
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::EPOCH + Duration::from_secs(secs)
    }

    #[test]
    fn a_frame_from_the_far_future_moves_nothing() {
        let mut clock = Clock::default();
        clock.read(Some(at(1_000_000_000)));
        let doubted = clock.read(Some(at(4_000_000_000)));
        let after = clock.read(Some(at(1_000_000_001)));
        assert_eq!(doubted.at, at(1_000_000_000));
        assert_eq!((after.at, after.era), (at(1_000_000_001), 0));
        assert_eq!(clock.absurd, 1);
    }

    #[test]
    fn a_clock_that_steps_starts_a_new_era() {
        let mut clock = Clock::default();
        clock.read(Some(at(1_000)));
        let back = clock.read(Some(at(900)));
        assert_eq!((back.at, back.era), (at(900), 1));
    }

    #[test]
    fn a_little_disorder_is_evened_out() {
        let mut clock = Clock::default();
        clock.read(Some(at(10)));
        let moment = clock.read(Some(Instant::from_nanos(9_999_000_000)));
        assert_eq!((moment.at, moment.era, clock.absurd), (at(10), 0, 0));
    }
}
