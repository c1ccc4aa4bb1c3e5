//! What is too large for the path: segments that never get through while smaller ones do.

use halfopen_core::time::Duration;

use crate::case::{Case, PATIENCE, SENDS_MIN};
use crate::timeline::{Carries, Ending, Hole, Mark, Sender, Series};

/// Every host takes segments of this size (RFC 9293 section 3.7.1), so paths carry them.
const ALWAYS_PASSES: u16 = 536;
/// What is missing in one piece may be several segments; none that fills its packet is smaller than
/// this (the smallest MTU of IPv6 without the headers, RFC 8200 section 5).
const FULL_SIZE_MIN: u16 = 1220;
/// Missing bytes were sent again several times by then (RFC 6298: after 0.2, 0.6, 1.4 s with the
/// least timeout in use, doubled each time).
const FILLED_WITHIN: Duration = Duration::from_secs(3);

/// What does not get through, and what shows that it is its size.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blocked {
    /// The capture shows it, again and again; and then a packet of the other end that does not
    /// acknowledge it, or an ICMP error that names what would not be too big.
    Sent { series: Series, unmoved: Option<Mark>, too_big: Option<(Mark, u32)> },
    /// It never came, though what was sent after it did, as the receiver told at `unmoved`.
    Missing { hole: Hole, unmoved: Mark },
}

impl Case<'_> {
    /// Returns what is too large for the path, if the flow got stuck on it.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        let ending = self.timeline.ending.as_deref()?;
        self.sent_in_vain(ending).or_else(|| self.missing(ending))
    }

    fn sent_in_vain(&self, ending: &Ending) -> Option<Blocked> {
        let waits = |series: &Series| {
            let acked = self.timeline.half(series.from.opposite()).acked();
            series.carries == Carries::Data && acked.is_none_or(|acked| !acked.after(series.seq))
        };
        let series = self.timeline.series.filter(waits).or(ending.stuck.filter(waits))?;
        let lasted = series.last.at().saturating_since(series.first.at());
        if series.sends < SENDS_MIN || lasted < PATIENCE {
            return None;
        }
        if series.largest <= ALWAYS_PASSES.max(self.largest_answered(series.from)) {
            return None;
        }
        let request = self.timeline.request.as_ref()?;
        let unmoved = ending.unmoved.filter(|mark| mark.frame() > request.first.frame());
        let too_big = ending.too_big.filter(|(mark, _)| mark.frame() > request.first.frame());
        (unmoved.is_some() || too_big.is_some()).then_some(Blocked::Sent {
            series,
            unmoved,
            too_big,
        })
    }

    fn missing(&self, ending: &Ending) -> Option<Blocked> {
        let hole = ending.hole?;
        let receiver = self.timeline.half(hole.from.opposite());
        let waited = self.timeline.last.at().saturating_since(hole.later.at());
        if receiver.acked() != Some(hole.start) || waited < FILLED_WITHIN {
            return None;
        }
        let unmoved = ending.unmoved.filter(|mark| mark.frame() > hole.later.frame())?;
        let segment = u16::try_from(hole.missing).unwrap_or(u16::MAX).min(FULL_SIZE_MIN);
        let smaller = hole.missing > hole.later_len
            && segment > ALWAYS_PASSES.max(self.largest_answered(hole.from));
        smaller.then_some(Blocked::Missing { hole, unmoved })
    }

    /// Returns the largest payload of an end that got through to this server, on any flow.
    fn largest_answered(&self, from: Sender) -> u16 {
        self.timeline.half(from).largest_answered.max(self.route.largest_answered(from))
    }
}
