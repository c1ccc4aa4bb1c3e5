//! How far the clocks of sources differ.
//!
//! Every source knows moments of the same traffic: packets that show something, requests written
//! and answered, sockets last used. Of all differences between the moments of two sources the true
//! offset is the one that many share; where none stands out, nothing is said.

use halfopen_core::time::{Duration, Instant};

use crate::judgement::Offset;
use crate::view::View;

/// Of each source so many moments are compared.
const MOMENTS_MAX: usize = 300;
/// So many must agree that clocks are the same.
const SAME_MIN: usize = 3;
/// So many must agree that they differ, and no other difference may have half as many: what comes
/// every twenty minutes agrees with itself after twenty minutes.
const APART_MIN: usize = 6;
/// Sources stamp the same thing within this of each other.
const JITTER: i64 = 50_000_000;
/// An offset is told from another that is further away than this.
const APART: i64 = 1_000_000_000;
/// A smaller one is the time between what two sources stamp, and no clock's.
pub(crate) const OFFSET_MIN: Duration = Duration::from_millis(100);

/// Returns the moments that each log knows.
pub(crate) fn of_logs(view: &View, count: usize) -> Vec<Vec<Instant>> {
    let mut moments = vec![Vec::new(); count];
    let mut add = |log: usize, at: Instant| {
        if let Some(moments) = moments.get_mut(log).filter(|it| it.len() < MOMENTS_MAX) {
            moments.push(at);
        }
    };
    for exchange in &view.exchanges {
        add(exchange.log, exchange.began);
        add(exchange.log, exchange.ended);
    }
    for arrival in view.balanced.list.iter().chain(&view.served.list) {
        add(arrival.log, arrival.came);
    }
    for story in &view.sockets {
        let mut last = None;
        for active in story.looks.iter().filter_map(|look| look.active) {
            // Each table computes the same moment anew, and rounds it.
            let near = |last: Instant| active <= last + Duration::from_millis(20);
            if !last.is_some_and(near) {
                add(story.log, active);
                last = Some(active);
            }
        }
    }
    moments
}

/// Returns how far the clock of `other` is ahead of that of `first`, if that shows.
pub(crate) fn offset(first: &[Instant], other: &[Instant]) -> Option<Offset> {
    let first = &first[..first.len().min(MOMENTS_MAX)];
    let other = &other[..other.len().min(MOMENTS_MAX)];
    let nanos = |at: &Instant| i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
    let mut differences: Vec<i64> =
        first.iter().flat_map(|a| other.iter().map(move |b| nanos(b) - nanos(a))).collect();
    differences.sort_unstable();
    let agreeing = |from: usize| {
        let reach = differences[from].saturating_add(JITTER);
        differences[from..].partition_point(|difference| *difference <= reach)
    };
    let counts: Vec<usize> = (0..differences.len()).map(agreeing).collect();
    let near = |at: &usize, offset: i64| differences[*at].abs_diff(offset) <= APART.unsigned_abs();
    let most = |of: &dyn Fn(&usize) -> bool| {
        (0..counts.len()).filter(|at| of(at)).max_by_key(|&at| counts[at])
    };
    let best = most(&|_| true)?;
    let small = |at: &usize| Duration::from_nanos(differences[*at].unsigned_abs()) < OFFSET_MIN;
    if let Some(same) = most(&small).filter(|&same| counts[same] >= SAME_MIN)
        && counts[same] >= counts[best]
    {
        return Some(Offset(differences[same + counts[same] / 2]));
    }
    let second = most(&|at| !near(at, differences[best])).map_or(0, |at| counts[at]);
    let stands_out = counts[best] >= APART_MIN && second * 2 <= counts[best];
    stands_out.then(|| Offset(differences[best + counts[best] / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: &[u64]) -> Vec<Instant> {
        millis.iter().map(|&it| Instant::EPOCH + Duration::from_millis(it)).collect()
    }

    #[test]
    fn a_clock_that_is_ahead_is_found_by_what_both_saw() {
        let first = at(&[1_000, 1_320, 61_400, 183_070, 500_111, 790_300, 944_800]);
        let other = at(&[3_601_004, 3_661_402, 3_783_071, 4_100_115, 4_390_303, 4_544_807]);
        let found = offset(&first, &other).unwrap();
        assert!(found.0.abs_diff(3_600_004_000_000) <= 10_000_000, "{found:?}");
    }

    #[test]
    fn sources_with_nothing_in_common_are_not_aligned() {
        assert_eq!(offset(&at(&[1, 5_000, 17_000]), &at(&[400, 9_100, 13_300])), None);
        assert_eq!(offset(&[], &at(&[1])), None);
    }

    #[test]
    fn traffic_that_repeats_itself_aligns_nothing_but_equal_clocks() {
        let every_minute: Vec<u64> = (0..20).map(|it| it * 60_000).collect();
        let later: Vec<u64> = (0..20).map(|it| it * 60_000 + 7_000).collect();
        assert!(offset(&at(&every_minute), &at(&every_minute)).is_some_and(|it| it.0 == 0));
        assert_eq!(offset(&at(&every_minute), &at(&later)), None);
    }
}
