//! What one segment does to the timeline of its connection.

use core::num::NonZeroU32;

use halfopen_core::seq::Seq;
use halfopen_core::time::Duration;
use halfopen_core::wire::tcp::Flags;

use super::remarks::DISORDER_MAX;
use crate::content::Content;
use crate::route::{Route, Witness};
use crate::sighting::{Counter, Sighting};
use crate::timeline::{
    Awaiting, Carries, Fin, Half, Mark, Pause, Request, Reset, Sender, Series, Timeline,
};

/// A shorter silence is not a pause: no box forgets a flow that fast, and round trips, delayed
/// acknowledgments and a server's thinking are of this length.
pub(crate) const PAUSE_MIN: Duration = Duration::from_secs(1);
/// A packet that is shown again within this time is the same even if nothing in it is unique.
const ECHO_MAX: Duration = Duration::from_millis(2);
/// A packet that carries something unique is the same when it is shown again within this time.
const UNIQUE_ECHO_MAX: Duration = Duration::from_secs(1);
/// A packet that was overtaken is behind by fewer packets than this.
const OVERTAKEN_MAX: u16 = 256;
/// Segments that overtake each other are less than this apart; later it was a retransmission.
const REORDER_MAX: Duration = Duration::from_millis(10);
/// A reset that comes later than this after a packet was not provoked by it.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// A client that has not closed by then does not close because the server did: nobody needs so long
/// to read to the end (Linux waits as long for its FIN, `tcp_fin_timeout`).
pub(crate) const LEFT_MIN: Duration = Duration::from_mins(1);
/// A reset that the flow outlives by more than this was not meant for it.
const OUTLIVED: Duration = Duration::from_millis(10);

/// What the caller has to do about other timelines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observed {
    pub(super) duplicate: bool,
    /// The flow whose lost request was just found to have been repeated.
    pub(super) repeats: Option<u32>,
}

impl Timeline {
    /// Takes a segment of this connection into account.
    pub(super) fn observe(
        &mut self,
        index: u32,
        from: Sender,
        seen: &Sighting<'_>,
        route: &mut Route,
    ) -> Observed {
        let since = seen.mark.at().saturating_since(self.last.at());
        if self.half(from).shows_again(seen, since) {
            return Observed { duplicate: true, repeats: None };
        }
        self.half_mut(from).remember(seen);
        if self.twin {
            return Observed::default();
        }
        let carries = seen.carries(self.half(from));
        self.forget_reset_if_outlived(from, seen, route);
        if self.era != seen.era {
            // By a clock that stepped, it is not known how long anything took.
            (self.pause, self.series) = (None, None);
            self.ending.get_or_insert_default().stepped = true;
        }
        self.take_pause(from, seen, carries, since, route);
        let repeats = if seen.is(Flags::RST) {
            self.take_reset(index, from, seen, route)
        } else {
            self.take_live(index, from, seen, carries, route)
        };
        let repeats = repeats.or_else(|| self.turn_early_reset(index, from, seen, carries, route));
        self.last = seen.mark;
        self.last_from = from;
        self.last_carries = carries;
        self.era = seen.era;
        Observed { duplicate: false, repeats }
    }

    /// Opens a pause that this packet ends, or closes the open one that this packet answers.
    fn take_pause(
        &mut self,
        from: Sender,
        seen: &Sighting<'_>,
        carries: Carries,
        since: Duration,
        route: &mut Route,
    ) {
        if let Some(pause) = self.pause.as_deref() {
            if seen.is(Flags::RST) || pause.from == from {
                return;
            }
            if !pause.half_closed {
                let Pause { before, after, .. } = *pause;
                let idle = after.at().saturating_since(before.at());
                route.record_survival(Witness { idle, before, after });
            }
            self.pause = None;
        }
        if since >= PAUSE_MIN
            && self.established
            && self.era == seen.era
            && !seen.is(Flags::RST)
            && !self.is_repetition(from, seen, carries)
        {
            let in_flight = self.request.is_some_and(|r| r.state == Awaiting::Response);
            let half_closed = self.half_closed();
            let (before, after) = (self.last, seen.mark);
            self.pause = Some(Box::new(Pause { before, after, from, in_flight, half_closed }));
        }
    }

    /// A retransmission of the packet that nobody has answered does not end a pause.
    fn is_repetition(&self, from: Sender, seen: &Sighting<'_>, carries: Carries) -> bool {
        carries != Carries::Probe
            && self.series.is_some_and(|series| {
                series.from == from && series.seq == seen.tcp.seq && series.carries == carries
            })
    }

    fn take_live(
        &mut self,
        index: u32,
        from: Sender,
        seen: &Sighting<'_>,
        carries: Carries,
        route: &mut Route,
    ) -> Option<u32> {
        route.segments += 1;
        self.measure_answer(from, seen, route);
        if from == Sender::Server {
            let ttl = (!seen.is(Flags::FIN)).then_some(seen.ttl);
            route.hear(index, seen.mark, ttl);
            if carries == Carries::Syn && !self.established {
                route.record_opening(seen.mark);
            }
            if !self.established {
                self.established = true;
                route.admit();
            }
        }
        let again = self.half(from).has_seen(seen.tcp.seq, seen.seq_len());
        let fresh = !again;
        self.count_retransmission(from, seen, carries, again, route);
        self.remark(from, seen, carries, fresh, route);
        self.take_series(from, seen, carries, again, route);
        let mut repeats = None;
        if seen.len > 0 && fresh && carries != Carries::Probe {
            repeats = self.take_data(index, from, seen, route);
        }
        if seen.is(Flags::FIN) {
            repeats = repeats.or(self.take_fin(index, from, seen, route));
        }
        let ack = seen.is(Flags::ACK).then_some(seen.tcp.ack);
        self.half_mut(from).advance(seen.tcp.seq, seen.end(), ack);
        repeats
    }

    /// Measures how soon this end answers: the shortest time says how far away it is, if the
    /// handshake is among the answers: a program thinks before it answers, a handshake does not
    /// wait.
    fn measure_answer(&mut self, from: Sender, seen: &Sighting<'_>, route: &mut Route) {
        let provoked = self.last_from != from && self.last_carries != Carries::Nothing;
        if !provoked {
            return;
        }
        let took = seen.mark.at().saturating_since(self.last.at()).as_micros();
        let took = u32::try_from(took).unwrap_or(u32::MAX);
        let took = NonZeroU32::new(took).unwrap_or(NonZeroU32::MIN);
        let half = self.half_mut(from);
        half.answer_us = Some(half.answer_us.map_or(took, |least| least.min(took)));
        if from == Sender::Server && self.opening_seen {
            route.answer_us = Some(route.answer_us.map_or(took, |least| least.min(took)));
        }
    }

    /// Keeps the series of packets that the other end has not answered; `again` if it was sent
    /// before.
    fn take_series(
        &mut self,
        from: Sender,
        seen: &Sighting<'_>,
        carries: Carries,
        again: bool,
        route: &mut Route,
    ) {
        let mark = seen.mark;
        let largest = seen.len_at_once();
        match &mut self.series {
            Some(series) if series.from == from => {
                if series.seq == seen.tcp.seq && series.carries == carries {
                    series.sends = series.sends.saturating_add(1);
                    series.last = mark;
                    series.largest = series.largest.max(largest);
                    return;
                }
                let once = series.sends == 1;
                let alone = once && mark.at().saturating_since(series.last.at()) >= PAUSE_MIN;
                let probed = once && series.carries == Carries::Probe;
                if carries == Carries::Nothing || !alone && !probed {
                    // What was sent first still waits for its answer.
                    series.sends = series.sends.saturating_add(u16::from(again));
                    series.last = if again { mark } else { series.last };
                    series.largest = series.largest.max(largest);
                    return;
                }
            }
            Some(series) => {
                let (asker, largest) = (series.from, series.largest);
                let taken = !seen.tcp.ack.before(series.seq + u32::from(largest));
                self.series = None;
                if taken {
                    let half = self.half_mut(asker);
                    half.largest_answered = half.largest_answered.max(largest);
                    route.record_answered(asker, largest);
                }
            }
            None => {}
        }
        if carries != Carries::Nothing {
            let seq = seen.tcp.seq;
            self.series =
                Some(Series { first: mark, last: mark, seq, sends: 1, from, carries, largest });
        }
    }

    fn count_retransmission(
        &mut self,
        from: Sender,
        seen: &Sighting<'_>,
        carries: Carries,
        again: bool,
        route: &mut Route,
    ) {
        if seen.reports_duplicate() {
            route.retransmissions = route.retransmissions.saturating_sub(1);
        }
        if matches!(carries, Carries::Probe | Carries::Nothing) {
            return;
        }
        let soon = || seen.mark.at().saturating_since(self.last.at()) < REORDER_MAX;
        let overtaken = again && self.half(from).gap && soon();
        if again && !overtaken {
            route.retransmissions += 1;
            route.record_loss(seen.mark);
        }
    }

    fn take_data(
        &mut self,
        index: u32,
        from: Sender,
        seen: &Sighting<'_>,
        route: &mut Route,
    ) -> Option<u32> {
        let quiet_since = core::mem::replace(&mut self.data_at, seen.mark);
        if from == Sender::Client {
            self.take_request(index, seen, quiet_since, route);
            return None;
        }
        let reset = self.reset().is_some();
        let request = self.request.as_mut()?;
        match request.state {
            Awaiting::Response | Awaiting::Abandoned | Awaiting::Farewell => {}
            // The FIN had overtaken the response.
            Awaiting::Lost if !reset => {}
            Awaiting::Lost | Awaiting::Nothing | Awaiting::Answered => return None,
        }
        request.state = Awaiting::Answered;
        let began = request.began(self.worked);
        let Request { first: after, content, quiet_since: before, .. } = *request;
        let idle = after.at().saturating_since(before.at());
        if !self.worked && self.is_open() {
            route.serve();
        }
        self.worked = true;
        route.record_kept_open(Witness { idle, before, after });
        route.repetition(index, content, began)
    }

    fn take_request(
        &mut self,
        index: u32,
        seen: &Sighting<'_>,
        quiet_since: Mark,
        route: &mut Route,
    ) {
        let (mark, end) = (seen.mark, seen.end());
        let answered = self.is_answered_before(end, mark, quiet_since);
        match &mut self.request {
            Some(request) if request.state == Awaiting::Response => {
                request.end = end;
                request.content.add(seen);
            }
            // The rest of a request that was lost while the client was still sending it.
            Some(request)
                if matches!(request.state, Awaiting::Lost | Awaiting::Abandoned)
                    && request.end == seen.tcp.seq =>
            {
                request.end = end;
                request.content.add(seen);
                route.lengthen_lost(index, request.content);
            }
            request => {
                let state = match (seen.asks(), answered) {
                    (false, _) => Awaiting::Nothing,
                    (true, false) => Awaiting::Response,
                    (true, true) => Awaiting::Answered,
                };
                route.requests += u64::from(state != Awaiting::Nothing);
                route.agents.note(seen.payload);
                let mut content = Content::default();
                content.add(seen);
                *request = Some(Request { first: mark, quiet_since, end, state, content });
            }
        }
    }

    /// Tells whether a request up to `end` was captured after its response, which came at `data`.
    fn is_answered_before(&self, end: Seq, mark: Mark, data: Mark) -> bool {
        self.worked
            && mark.at().saturating_since(data.at()) <= DISORDER_MAX
            && self.half(Sender::Server).acked().is_some_and(|acked| !acked.before(end))
    }

    fn take_fin(
        &mut self,
        index: u32,
        from: Sender,
        seen: &Sighting<'_>,
        route: &mut Route,
    ) -> Option<u32> {
        let waiting = self.request.filter(|request| request.state == Awaiting::Response);
        let crossed = waiting.is_some_and(|request| seen.tcp.ack.before(request.end));
        let fin = Fin { mark: seen.mark, ttl: seen.ttl, before: self.last, crossed };
        let (before, idle) = (self.data_at, seen.mark.at().saturating_since(self.data_at.at()));
        let (closed_before, was_open) = (self.half_closed(), self.is_open());
        let ending = self.ending.get_or_insert_default();
        match from {
            Sender::Client => ending.client_fin.get_or_insert(fin),
            Sender::Server => ending.server_fin.get_or_insert(fin),
        };
        if was_open && !self.is_open() {
            route.leave(self.worked);
            route.closed_late += u64::from(self.client_closes_late(seen));
        }
        match from {
            Sender::Client => self.leave_request(index, seen.mark, route),
            Sender::Server => {
                if !closed_before && waiting.is_none() {
                    let after = seen.mark;
                    route.record_closing(Witness { idle, before, after });
                }
                self.take_unseen_response(seen);
                self.lose_request(index, Awaiting::Lost, seen.mark, route)
            }
        }
    }

    fn take_reset(
        &mut self,
        index: u32,
        from: Sender,
        seen: &Sighting<'_>,
        route: &mut Route,
    ) -> Option<u32> {
        let soon = seen.mark.at().saturating_since(self.last.at()) <= ANSWER_MAX;
        let asked = self.last_carries != Carries::Nothing
            || self.pause.as_ref().is_some_and(|pause| pause.from == self.last_from);
        let provoked = self.last_from != from && soon && asked;
        let other = self.half(from.opposite());
        let numbered = other.acked().is_none_or(|acked| acked == seen.tcp.seq);
        let reset = Reset {
            mark: seen.mark,
            from,
            ttl: seen.ttl,
            ip_id: seen.ip_id,
            window: seen.tcp.window,
            flags: seen.tcp.flags,
            refuses: numbered && !seen.is(Flags::ACK),
            provoked_by: provoked.then_some((self.last, self.last_carries)),
            before: self.last,
            in_flight: self.request.is_some_and(|r| r.state == Awaiting::Response),
        };
        self.remark_on_reset(seen, route);
        self.ending.get_or_insert_default().reset.get_or_insert(reset);
        match from {
            Sender::Client => self.leave_request(index, seen.mark, route),
            Sender::Server => {
                self.take_unseen_response(seen);
                self.lose_request(index, Awaiting::Lost, seen.mark, route)
            }
        }
    }

    /// Tells whether a FIN of the client comes long after the server's.
    fn client_closes_late(&self, seen: &Sighting<'_>) -> bool {
        let since = |fin: Fin| seen.mark.at().saturating_since(fin.mark.at());
        self.server_fin().map(since).is_some_and(|late| late >= LEFT_MIN)
    }

    /// Marks the request under way as lost, and returns the flow whose lost request it repeated.
    pub(super) fn lose_request(
        &mut self,
        index: u32,
        state: Awaiting,
        mark: Mark,
        route: &mut Route,
    ) -> Option<u32> {
        let waits = |request: &&mut Request| {
            let reset = self.ending.as_ref().is_some_and(|ending| ending.reset.is_some());
            request.state == Awaiting::Response || request.state == Awaiting::Farewell && reset
        };
        let request = self.request.as_mut().filter(waits)?;
        request.state = state;
        let (began, content) = (request.began(self.worked), request.content);
        let repeats = route.repetition(index, content, began);
        route.record_lost(index, content, mark);
        repeats
    }

    /// The client closes: it gives up a request that it has waited for, or had nothing to wait for.
    fn leave_request(&mut self, index: u32, mark: Mark, route: &mut Route) -> Option<u32> {
        if mark.at().saturating_since(self.data_at.at()) >= PAUSE_MIN {
            return self.lose_request(index, Awaiting::Abandoned, mark, route);
        }
        if let Some(request) = self.request.as_mut().filter(|r| r.state == Awaiting::Response) {
            request.state = Awaiting::Farewell;
        }
        None
    }

    /// A FIN or a reset with a number ahead of what was seen comes after data that the capture does
    /// not have: the response, though nobody saw it.
    fn take_unseen_response(&mut self, seen: &Sighting<'_>) {
        let ahead = |next| seen.tcp.seq.after(next);
        if self.half(Sender::Server).next().is_some_and(ahead)
            && let Some(request) = self.request.as_mut().filter(|r| r.state == Awaiting::Response)
        {
            request.state = Awaiting::Answered;
        }
    }

    /// A reset that the connection outlives was out of its window, or not its own.
    fn forget_reset_if_outlived(&mut self, from: Sender, seen: &Sighting<'_>, route: &mut Route) {
        let Some(reset) = self.reset().filter(|reset| reset.from == from) else { return };
        let later = seen.mark.at().saturating_since(reset.mark.at()) > OUTLIVED;
        let moves = seen.len > 0 || self.half(from).acked().is_some_and(|a| seen.tcp.ack.after(a));
        if later && moves && !seen.is(Flags::RST) {
            if let Some(ending) = self.ending.as_deref_mut() {
                ending.reset = None;
                ending.reset_text = None;
            }
            if self.is_open() {
                route.admit();
            }
            if let Some(request) = self.request.as_mut().filter(|r| r.state == Awaiting::Lost) {
                request.state = Awaiting::Response;
            }
        }
    }
}

impl Half {
    /// Tells whether the capture shows a packet again that it has shown: from another interface, or
    /// from another point of the path.
    fn shows_again(&self, seen: &Sighting<'_>, since: Duration) -> bool {
        if self.recent.contains(&seen.fingerprint) {
            let unique = seen.counter.is_some();
            return since <= if unique { UNIQUE_ECHO_MAX } else { ECHO_MAX };
        }
        let sends = seen.seq_len() > 0 && !self.has_seen(seen.tcp.seq, seen.seq_len());
        let acknowledges =
            seen.is(Flags::ACK) && self.acked().is_none_or(|acked| seen.tcp.ack.after(acked));
        !sends && !acknowledges && since <= UNIQUE_ECHO_MAX && self.is_overtaken(seen)
    }

    /// Tells whether a packet was sent before one that was seen already. A retransmission is sent
    /// later than what it repeats, and counts on.
    fn is_overtaken(&self, seen: &Sighting<'_>) -> bool {
        match seen.counter {
            Some(Counter::Identification(id)) => {
                self.ip_id != 0 && self.ip_id.wrapping_sub(id) < OVERTAKEN_MAX
            }
            Some(Counter::Timestamp(stamp)) => {
                self.stamp != 0 && !Seq(stamp).after(Seq(self.stamp))
            }
            None => false,
        }
    }

    fn remember(&mut self, seen: &Sighting<'_>) {
        self.recent = [seen.fingerprint, self.recent[0]];
        // Boxes forge resets and FINs, so these do not tell how the end's own packets look.
        if !seen.tcp.flags.has_any(Flags::RST | Flags::FIN) {
            let slot = usize::from(!seen.is(Flags::SYN));
            self.ttls[slot] = seen.ttl;
            self.ip_id = seen.ip_id.unwrap_or(0);
            self.window = seen.tcp.window;
        }
        if let Some(Counter::Timestamp(stamp)) = seen.counter {
            self.stamp = stamp;
        }
    }
}
