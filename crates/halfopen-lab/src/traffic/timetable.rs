//! Arrivals by a cron line: as many requests as are asked for, each time that it fires.

use core::str::FromStr;

use halfopen_billing::calendar::CronLine;
use halfopen_core::tap;
use halfopen_core::time::{Duration, Instant};
use jiff::{SignedDuration, Timestamp};

use super::{BURST_MAX, Error};
use crate::reproduce::Burst;

/// A cron line and how many requests it sends.
#[derive(Clone, Debug)]
pub struct Timetable {
    line: CronLine,
    requests: u32,
}

impl Timetable {
    /// Returns the arrivals of a run of `length`, which starts when captures do.
    pub(super) fn arrivals(&self, length: Duration) -> impl Iterator<Item = Burst> + use<> {
        let Self { line, requests } = self.clone();
        let start = start();
        // A line that fires when the run starts does fire.
        let mut last = start.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(start);
        core::iter::from_fn(move || {
            last = line.next_after(last).ok()?;
            let since = Duration::try_from(last.duration_since(start)).ok()?;
            (since < length).then(|| Burst { at: Instant::EPOCH + since, requests })
        })
    }
}

fn start() -> Timestamp {
    let since = SignedDuration::try_from(tap::EPOCH).unwrap_or(SignedDuration::ZERO);
    Timestamp::from_duration(since).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl FromStr for Timetable {
    type Err = Error;

    /// Reads five fields of a cron line, and after them in any order `x10` for ten requests at each
    /// time and a time zone, which is UTC otherwise: `*/20 * * * * x10 Asia/Seoul`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (fields, rest) = words.split_at(words.len().min(5));
        let (mut requests, mut zone) = (1, "UTC");
        for word in rest {
            match word.strip_prefix('x') {
                Some(number) => {
                    let parsed = number.parse().ok();
                    let within = parsed.filter(|number| (1..=BURST_MAX).contains(number));
                    requests = within.ok_or_else(|| Error::Requests((*word).to_owned()))?;
                }
                None => zone = word,
            }
        }
        let line = CronLine::parse(&fields.join(" "), zone)?;
        line.next_after(start())?;
        Ok(Self { line, requests })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incidents_line_sends_ten_requests_every_twenty_minutes() {
        let line: Timetable = "*/20 * * * * x10".parse().unwrap();
        let arrivals: Vec<Burst> = line.arrivals(Duration::from_hours(1)).collect();
        let expected = [0, 20, 40].map(|minutes| Burst {
            at: Instant::EPOCH + Duration::from_mins(minutes),
            requests: 10,
        });
        assert_eq!(arrivals, expected);
    }

    #[test]
    fn a_line_goes_by_the_clock_of_its_zone() {
        let line: Timetable = "0 9 * * * Asia/Seoul x2".parse().unwrap();
        let first = line.arrivals(Duration::from_hours(48)).next().unwrap();
        assert_eq!((first.at, first.requests), (Instant::EPOCH, 2), "09:00 there is 00:00 UTC");
    }

    #[test]
    fn what_is_no_timetable_is_refused() {
        let why = |text: &str| text.parse::<Timetable>().unwrap_err().to_string();
        assert!(why("0 0 31 2 *").contains("never fires"));
        assert!(why("*/20 * * *").contains("cannot be read"));
        assert!(why("* * * * * x0").contains("`x0`"));
        assert!(why("* * * * * x99999999").contains("`x99999999`"));
        assert!(why("* * * * * Mars/Olympus").contains("no time zone"));
    }
}
