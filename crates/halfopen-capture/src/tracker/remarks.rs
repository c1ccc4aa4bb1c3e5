//! What befalls few flows, kept with their endings.

use halfopen_core::time::Duration;
use halfopen_core::wire::tcp::Flags;

use crate::case::SENDS_MIN;
use crate::route::Route;
use crate::sighting::Sighting;
use crate::timeline::{Awaiting, Carries, Hole, Pause, Sender, Timeline};
use crate::tracker::PAUSE_MIN;

/// Frames are out of order by less than this, or they are in order.
pub(super) const DISORDER_MAX: Duration = Duration::from_millis(1);
/// Of what a reset says of itself, so many bytes are kept.
const TEXT_MAX: usize = 128;

impl Timeline {
    /// Takes note of what is remarkable about a live segment, before it counts as sent; `fresh` if
    /// it carries what was not sent before.
    pub(super) fn remark(
        &mut self,
        from: Sender,
        seen: &Sighting<'_>,
        carries: Carries,
        fresh: bool,
        route: &mut Route,
    ) {
        match carries {
            Carries::Syn if !fresh && !self.established => {
                if let Some(series) = &self.series {
                    route.record_turned_away(series.first);
                }
            }
            Carries::Nothing | Carries::Fin | Carries::Probe if self.moves_nothing(from, seen) => {
                let stuck = self.series.filter(|it| it.from != from && it.sends >= SENDS_MIN);
                let ending = self.ending.get_or_insert_default();
                ending.unmoved = Some(seen.mark);
                ending.stuck = stuck.or(ending.stuck);
            }
            Carries::Data => self.remark_on_hole(from, seen),
            Carries::Syn | Carries::Nothing | Carries::Fin | Carries::Probe => {}
        }
    }

    /// Takes note of what a reset says, and of what was open if it refuses a connection.
    pub(super) fn remark_on_reset(&mut self, seen: &Sighting<'_>, route: &mut Route) {
        if self.reset().is_some() {
            return;
        }
        if !self.established {
            route.record_turned_away(seen.mark);
        } else if self.is_open() {
            route.leave(self.worked);
        }
        self.ending.get_or_insert_default().reset_text = text(seen.payload);
    }

    /// A packet that comes right after the reset which it provoked was captured too late: frames of
    /// several queues are out of order by a little.
    pub(super) fn turn_early_reset(
        &mut self,
        index: u32,
        from: Sender,
        seen: &Sighting<'_>,
        carries: Carries,
        route: &mut Route,
    ) -> Option<u32> {
        let reset = self.ending.as_deref_mut()?.reset.as_mut()?;
        let early = reset.provoked_by.is_none()
            && reset.from != from
            && matches!(carries, Carries::Data | Carries::Fin | Carries::Probe)
            && seen.mark.at().saturating_since(reset.mark.at()) <= DISORDER_MAX;
        if !early {
            return None;
        }
        reset.provoked_by = Some((seen.mark, carries));
        let (before, after, in_flight) = (reset.before, seen.mark, reset.in_flight);
        if self.era == seen.era && after.at().saturating_since(before.at()) >= PAUSE_MIN {
            let half_closed = self.half_closed();
            self.pause = Some(Box::new(Pause { before, after, from, in_flight, half_closed }));
        }
        self.lose_request(index, Awaiting::Lost, seen.mark, route)
    }

    /// Tells whether a segment says that what was sent did not come: there is more to take, and it
    /// acknowledges what the last one did, or what came behind a hole.
    fn moves_nothing(&self, from: Sender, seen: &Sighting<'_>) -> bool {
        let more = |next| seen.tcp.ack.before(next);
        seen.len == 0
            && seen.is(Flags::ACK)
            && self.half(from.opposite()).next().is_some_and(more)
            && (self.half(from).acked() == Some(seen.tcp.ack) || seen.reports_hole())
    }

    /// Takes note of the first bytes that are missing. One that the other end has acknowledged was
    /// not missing there.
    fn remark_on_hole(&mut self, from: Sender, seen: &Sighting<'_>) {
        let Some(start) = self.half(from).next().filter(|next| seen.tcp.seq.after(*next)) else {
            return;
        };
        let acked = |hole: &Hole| self.half(hole.from.opposite()).acked();
        let known = self.ending.as_deref().and_then(|ending| ending.hole);
        if known.is_some_and(|hole| acked(&hole).is_none_or(|acked| !acked.after(hole.start))) {
            return;
        }
        let missing = seen.tcp.seq.since(start).unsigned_abs();
        let hole = Hole { from, start, missing, later: seen.mark, later_len: seen.len };
        self.ending.get_or_insert_default().hole = Some(hole);
    }
}

/// Returns what a reset says, if it can be read.
fn text(payload: &[u8]) -> Option<Box<str>> {
    let payload = &payload[..payload.len().min(TEXT_MAX)];
    let end = payload.iter().rposition(|&byte| byte != 0)? + 1;
    let readable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    payload[..end].iter().all(readable).then(|| String::from_utf8_lossy(&payload[..end]).into())
}
