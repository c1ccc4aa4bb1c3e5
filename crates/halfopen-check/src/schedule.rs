//! How often something happens that a cron line describes.

use core::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Zoned;
use jiff::civil::date;
use jiff::tz::TimeZone;

/// How many times of a schedule are looked at.
const TIMES: usize = 100;

/// Returns the shortest time between two moments of a cron line of five or six fields, of the
/// hundred that follow a Monday; `None` if it is none or has no two.
pub(crate) fn period(line: &str) -> Option<Duration> {
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    // Spring and Quartz write `?` for a day that does not matter.
    let cron: Cron = parser.parse(&line.replace('?', "*")).ok()?;
    let monday = date(2024, 1, 1).to_zoned(TimeZone::UTC).ok()?;
    let times: Vec<Zoned> =
        cron.iter_from(monday, croner::Direction::Forward).take(TIMES).collect();
    let gaps =
        times.windows(2).filter_map(|two| Duration::try_from(two[0].duration_until(&two[1])).ok());
    gaps.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_the_shortest_time_between_two_runs() {
        let minutes = |line: &str| period(line).map(|period| period.as_secs() / 60);
        assert_eq!(minutes("*/20 * * * *"), Some(20));
        assert_eq!(minutes("0 */6 * * * ?"), Some(6));
        assert_eq!(minutes("0,50 * * * *"), Some(10));
        assert_eq!(minutes("0 3 * * *"), Some(24 * 60));
        assert_eq!(minutes("whenever"), None);
    }
}
