//! The steps of a session: what comes from the client and the target moves on, as far as there is
//! room, until nothing moves.

use super::body::{Body, Framing};
use super::head::{self, Origin, Response, write_field};
use super::session::{End, Exchange, LINGER, Phase, Reply, Session};
use super::upstream::{demise_of, refusal_of};
use super::{Balancer, SCRATCH};
use crate::hop::{Demise, Refusal};
use crate::tcp::{ConnectionId, Received};
use crate::time::Instant;

/// How many bytes of requests to come are read while one is under way.
const READ_AHEAD: usize = SCRATCH;

impl Balancer {
    /// Goes on with a session as far as it goes.
    pub(super) fn serve(&mut self, now: Instant, id: ConnectionId) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        loop {
            let step = match session.phase {
                Phase::Waiting => self.await_request(now, &mut session),
                Phase::Serving(_) => self.relay(now, &mut session),
                Phase::Lingering { .. } => self.linger(now, &mut session),
                Phase::Gone => return,
            };
            match step {
                Ok(true) => {}
                Ok(false) => break,
                Err(End::Left(because)) => self.client_left(now, &mut session, because),
                Err(End::Refused(why)) => self.refuse(now, &mut session, why),
            }
        }
        self.arm(&mut session);
        self.sessions.insert(id, session);
    }

    fn await_request(&mut self, now: Instant, session: &mut Session) -> Result<bool, End> {
        if !session.outbound.is_empty() {
            return self.flush_client(now, session);
        }
        if session.last {
            session.inbound.clear();
            session.phase = Phase::Lingering { until: now + LINGER };
            return self.front.shutdown(now, session.id).map(|()| true).map_err(gone);
        }
        if !session.inbound.is_empty() {
            let trace = self.next_trace(now);
            let (client, listener_port) = (session.client, self.address.port());
            let origin = Origin { client, listener_port, trace: &trace };
            if let Some((request, length)) =
                head::request(&session.inbound, &self.config.limits, origin)?
            {
                session.inbound.drain(..length);
                let created = session.began.take().unwrap_or(now);
                self.traces += 1;
                let exchange = Exchange::new(request, length, created);
                session.phase = Phase::Serving(Box::new(exchange));
                let lease = self.lease(now, session.id)?;
                if let Some(exchange) = session.exchange_mut() {
                    exchange.lease = Some(lease);
                }
                return Ok(true);
            }
        }
        self.read_client(now, session)
    }

    /// Throws away what a client still sends to whom nothing more is said.
    fn linger(&mut self, now: Instant, session: &mut Session) -> Result<bool, End> {
        let moved = self.read_client(now, session);
        session.inbound.clear();
        moved
    }

    fn relay(&mut self, now: Instant, session: &mut Session) -> Result<bool, End> {
        let mut moved = self.flush_client(now, session)?;
        moved |= self.send_request(now, session);
        moved |= self.take_response(now, session)?;
        moved |= self.take_request(now, session)?;
        let answered = session.exchange_mut().is_some_and(|exchange| exchange.answered());
        if answered && session.outbound.is_empty() {
            self.finish(now, session);
            moved = true;
        }
        Ok(moved)
    }

    fn flush_client(&mut self, now: Instant, session: &mut Session) -> Result<bool, End> {
        let Self { front, .. } = self;
        let sent = session.outbound.flush(|bytes| front.send(now, session.id, bytes));
        let sent = sent.map_err(gone)?;
        if sent > 0 {
            session.last_byte = now;
            if let Some(reply) = session.exchange_mut().and_then(|held| held.reply.as_mut()) {
                reply.passed_on.get_or_insert(now);
            }
        }
        Ok(sent > 0)
    }

    /// Sends what is there of the request. An error is kept: the target may have answered before.
    fn send_request(&mut self, now: Instant, session: &mut Session) -> bool {
        let Phase::Serving(exchange) = &mut session.phase else { return false };
        let Some(lease) = exchange.lease.filter(|lease| lease.connect_by.is_none()) else {
            return false;
        };
        let Self { back, .. } = self;
        match exchange.to_target.flush(|bytes| back.send(now, lease.id, bytes)) {
            Ok(0) => false,
            Ok(_) => {
                exchange.dispatched.get_or_insert(now);
                session.last_byte = now;
                true
            }
            Err(error) => {
                exchange.to_target.clear();
                exchange.unsendable = Some(refusal_of(error));
                true
            }
        }
    }

    fn take_response(&mut self, now: Instant, session: &mut Session) -> Result<bool, End> {
        if !session.outbound.is_empty() {
            return Ok(false);
        }
        let aged = session.is_aged(now, &self.config);
        let Phase::Serving(exchange) = &mut session.phase else { return Ok(false) };
        let lease = exchange.lease.filter(|lease| lease.connect_by.is_none());
        let Some(lease) = lease.filter(|_| !exchange.answered()) else { return Ok(false) };
        if !exchange.from_target.is_empty() {
            let before = exchange.sent;
            match &mut exchange.reply {
                None => {
                    let (limits, wants) = (&self.config.limits, exchange.request.head_only);
                    let head = head::response(&exchange.from_target, limits, wants)?;
                    if let Some((response, length)) = head {
                        exchange.from_target.drain(..length);
                        session.last |= exchange.answer(now, response, aged, &mut session.outbound);
                        return Ok(true);
                    }
                }
                Some(reply) => {
                    let mut at = 0;
                    while at < exchange.from_target.len() && !reply.body.ended() {
                        let rest = &exchange.from_target[at..];
                        let piece = reply.body.read(rest).map_err(|_| Refusal::Truncated)?;
                        let passed =
                            if reply.unchunked { piece.content } else { &rest[..piece.taken] };
                        session.outbound.push(passed);
                        exchange.sent += passed.len() as u64;
                        at += piece.taken;
                    }
                    exchange.from_target.drain(..at);
                    return Ok(at > 0 || exchange.sent > before);
                }
            }
        }
        let came = self.read_target(now, lease.id, &mut exchange.from_target);
        let moved = exchange.came(came)?;
        if moved {
            session.last_byte = now;
        }
        Ok(moved)
    }

    /// Takes what the client sends: the rest of the request, or, a little ahead, the next one.
    fn take_request(&mut self, now: Instant, session: &mut Session) -> Result<bool, End> {
        let Phase::Serving(exchange) = &mut session.phase else { return Ok(false) };
        if exchange.body.ended() || exchange.answered() {
            let room = session.inbound.len() < READ_AHEAD;
            return if room { self.read_client(now, session) } else { Ok(false) };
        }
        if !exchange.to_target.is_empty() {
            return Ok(false);
        }
        if session.inbound.is_empty() {
            return self.read_client(now, session);
        }
        let mut at = 0;
        while at < session.inbound.len() && !exchange.body.ended() {
            at += exchange.body.read(&session.inbound[at..])?.taken;
        }
        if exchange.unsendable.is_none() {
            exchange.to_target.push(&session.inbound[..at]);
        }
        exchange.received += at as u64;
        session.inbound.drain(..at);
        Ok(at > 0)
    }

    fn read_client(&mut self, now: Instant, session: &mut Session) -> Result<bool, End> {
        let mut scratch = [0; SCRATCH];
        match self.front.receive(now, session.id, &mut scratch).map_err(gone)? {
            Received::Bytes(count) => {
                session.hear(now, &scratch[..count]);
                Ok(true)
            }
            Received::Empty => Ok(false),
            Received::Finished => Err(End::Left(Demise::Closed)),
        }
    }

    /// Ends an exchange whose response the client has been sent.
    fn finish(&mut self, now: Instant, session: &mut Session) {
        let Some(exchange) = session.end_exchange(now) else { return };
        session.last |= !exchange.body.ended();
        self.write_down(now, session, Some(&exchange), None);
        let unusable = (!exchange.leaves_target_usable()).then_some(Demise::Closed);
        if let Some(lease) = exchange.lease {
            self.give_back(now, lease, unusable);
        }
    }
}

impl Exchange {
    /// Takes in a response's head and passes it on; true if the client's connection ends with it.
    fn answer(
        &mut self,
        now: Instant,
        response: Response,
        aged: bool,
        outbound: &mut super::session::Pipe,
    ) -> bool {
        let Response { status, framing, keeps_alive: reusable, mut forward } = response;
        let interim = status < 200;
        if interim && self.request.old {
            return false;
        }
        let chunked = framing == Framing::Chunked;
        let unchunked = chunked && self.request.old;
        let delimited = framing != Framing::UntilClose && !unchunked;
        let last = !(delimited && self.request.keeps_alive && self.body.ended() && !aged);
        if !interim {
            if chunked && !unchunked {
                write_field(&mut forward, "Transfer-Encoding", b"chunked");
            }
            let connection = if last { &b"close"[..] } else { b"keep-alive" };
            write_field(&mut forward, "Connection", connection);
            let body = Body::new(framing);
            let passed_on = None;
            self.reply = Some(Reply { status, body, unchunked, reusable, came: now, passed_on });
        }
        forward.extend_from_slice(b"\r\n");
        outbound.push(&forward);
        self.sent += forward.len() as u64;
        last && !interim
    }

    /// Takes in that bytes came from the target, that none did, or that none will.
    fn came(&mut self, came: Result<Option<usize>, crate::tcp::Error>) -> Result<bool, End> {
        let failure = match (came, self.unsendable) {
            (Ok(Some(0)), None) => return Ok(false),
            (Ok(Some(1..)), _) => return Ok(true),
            (Ok(Some(0) | None) | Err(_), Some(why)) => why,
            (Ok(None), None) => Refusal::ClosedByTarget,
            (Err(error), None) => refusal_of(error),
        };
        match &mut self.reply {
            None => Err(failure.into()),
            Some(reply) => {
                let whole = came == Ok(None) && reply.body.close();
                whole.then_some(true).ok_or(Refusal::Truncated.into())
            }
        }
    }
}

fn gone(error: crate::tcp::Error) -> End {
    End::Left(demise_of(error))
}
