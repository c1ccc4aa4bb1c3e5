//! How sessions and requests end that do not end well: what the client is told, what is logged.

use core::fmt::Write as _;

use super::Balancer;
use super::log::{AccessEntry, timestamp};
use super::session::{Exchange, Phase, Session};
use crate::hop::{Demise, EventKind, Refusal};
use crate::time::Instant;

impl Refusal {
    /// Returns the status that its client gets, and the log; `None` if that of the target's
    /// response stands.
    ///
    /// Source: AWS, "Troubleshoot your Application Load Balancers", read 2026-11-22. Other
    /// balancers agree but for 460, which is AWS's own.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Malformed => Some(400),
            Self::Incomplete => Some(408),
            Self::Abandoned => Some(460),
            Self::Unsupported => Some(501),
            Self::Unreachable
            | Self::ClosedByTarget
            | Self::ResetByTarget
            | Self::BadResponse
            | Self::Deregistered => Some(502),
            Self::NoTarget | Self::Exhausted => Some(503),
            Self::ConnectTimedOut | Self::SilentTarget => Some(504),
            Self::Truncated => None,
        }
    }

    /// Returns what the target's connection died of, if it is closed because of this.
    const fn demise(self) -> Demise {
        match self {
            Self::SilentTarget => Demise::Idle,
            Self::ResetByTarget => Demise::Reset,
            Self::Malformed
            | Self::Incomplete
            | Self::Abandoned
            | Self::Unsupported
            | Self::Unreachable
            | Self::ClosedByTarget
            | Self::BadResponse
            | Self::Deregistered
            | Self::NoTarget
            | Self::Exhausted
            | Self::ConnectTimedOut
            | Self::Truncated => Demise::Closed,
        }
    }
}

impl Balancer {
    /// Ends the request under way, or the one that is not whole, and tells the client if it can.
    pub(super) fn refuse(&mut self, now: Instant, session: &mut Session, why: Refusal) {
        let exchange = session.end_exchange(now);
        let replied = exchange.as_ref().is_some_and(|exchange| exchange.reply.is_some());
        let answer = why.status().filter(|_| !replied).map(|status| {
            let read = exchange
                .as_ref()
                .is_some_and(|exchange| exchange.body.ended() && exchange.request.keeps_alive);
            session.last |= !read || session.is_aged(now, &self.config);
            let head_only = exchange.as_ref().is_some_and(|exchange| exchange.request.head_only);
            self.own_response(now, status, session.last, head_only)
        });
        let sent = answer.as_ref().map_or(0, Vec::len) as u64;
        self.end_badly(now, session, exchange, why, sent);
        match answer {
            Some(answer) => session.outbound.push(&answer),
            // It must not look as if it were whole (RFC 9112 section 8).
            None => self.abort_session(now, session),
        }
    }

    /// Ends a session whose client is gone.
    pub(super) fn client_left(&mut self, now: Instant, session: &mut Session, because: Demise) {
        let exchange = session.end_exchange(now);
        let waiting = matches!(session.phase, Phase::Waiting);
        // A client that leaves before the end of its request gets 400, if it could get anything.
        let why = match &exchange {
            Some(exchange) if exchange.body.ended() => Some(Refusal::Abandoned),
            Some(_) => Some(Refusal::Malformed),
            None => session.began.filter(|_| waiting).map(|_| Refusal::Malformed),
        };
        if let Some(why) = why {
            self.end_badly(now, session, exchange, why, 0);
        }
        self.close_session(now, session, because);
    }

    fn end_badly(
        &mut self,
        now: Instant,
        session: &mut Session,
        exchange: Option<Box<Exchange>>,
        why: Refusal,
        sent: u64,
    ) {
        let flow = self.client_flow(session.client);
        let lease = exchange.as_ref().and_then(|exchange| exchange.lease);
        let target = lease.map(|lease| lease.address);
        self.report(now, EventKind::Refused { flow, target, why });
        self.write_down(now, session, exchange.as_deref(), Some((why, sent)));
        session.began = None;
        if let Some(lease) = lease {
            self.give_back(now, lease, Some(why.demise()));
        }
    }

    /// Closes a client's connection with a FIN, or with a reset if it has unread bytes.
    pub(super) fn close_session(&mut self, now: Instant, session: &mut Session, because: Demise) {
        self.front.close(now, session.id);
        self.forget(now, session, because);
    }

    /// Resets a client's connection; a request under way ends with it.
    pub(super) fn abort_session(&mut self, now: Instant, session: &mut Session) {
        if let Some(exchange) = session.end_exchange(now) {
            self.end_badly(now, session, Some(exchange), Refusal::Truncated, 0);
        }
        self.front.abort(now, session.id);
        self.forget(now, session, Demise::Reset);
    }

    fn forget(&mut self, now: Instant, session: &mut Session, because: Demise) {
        session.phase = Phase::Gone;
        if let Some(armed) = session.armed.take() {
            self.agenda.remove(&(armed, super::Due::Session(session.id)));
        }
        let idle = now.saturating_since(session.last_byte);
        let flow = self.client_flow(session.client);
        self.report(now, EventKind::Forgot { flow, idle, because });
    }

    /// Makes a response that no target made.
    fn own_response(&self, now: Instant, status: u16, last: bool, head_only: bool) -> Vec<u8> {
        let reason = reason(status);
        let title = format!("{status} {reason}");
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n\
             <body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
        );
        let mut head = format!("HTTP/1.1 {title}\r\n");
        if let Some(server) = &self.config.server {
            let _ = write!(head, "Server: {server}\r\n");
        }
        let date = timestamp(self.wall_clock(now)).strftime("%a, %d %b %Y %H:%M:%S GMT");
        let connection = if last { "close" } else { "keep-alive" };
        let _ = write!(
            head,
            "Date: {date}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
             Connection: {connection}\r\n\r\n",
            page.len()
        );
        if !head_only {
            head.push_str(&page);
        }
        head.into_bytes()
    }

    /// Writes a request into the log that was served, or refused with a response of so many bytes.
    pub(super) fn write_down(
        &mut self,
        now: Instant,
        session: &Session,
        exchange: Option<&Exchange>,
        refused: Option<(Refusal, u64)>,
    ) {
        let reply = exchange.and_then(|exchange| exchange.reply.as_ref());
        let target_status = reply.map(|reply| reply.status);
        let own_status = refused.and_then(|(why, _)| why.status());
        let dispatched = exchange.and_then(|exchange| exchange.dispatched);
        // AWS logs -1 if the target closed instead of answering, though it had been sent to.
        let undone = reply.is_none() && own_status == Some(502);
        let between = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map(|(from, to)| to.saturating_since(from)).filter(|_| !undone)
        };
        let created = exchange.map(|exchange| exchange.created).or(session.began).unwrap_or(now);
        let came = reply.map(|reply| reply.came);
        self.log.request(AccessEntry {
            time: self.wall_clock(now),
            balancer: self.config.names.balancer.clone(),
            client: session.client,
            target: exchange.and_then(|exchange| exchange.lease).map(|lease| lease.address),
            request_processing: between(Some(created), dispatched),
            target_processing: between(dispatched, came),
            response_processing: between(came, reply.and_then(|reply| reply.passed_on)),
            status: target_status.or(own_status).unwrap_or(0),
            target_status,
            received_bytes: exchange
                .map_or(session.inbound.len() as u64, |exchange| exchange.received),
            sent_bytes: exchange.map_or(0, |exchange| exchange.sent)
                + refused.map_or(0, |(_, sent)| sent),
            request: exchange.map_or_else(
                || format!("- http://{}- -", self.address),
                |exchange| exchange.request.line.clone(),
            ),
            user_agent: exchange.and_then(|exchange| exchange.request.user_agent.clone()),
            target_group: exchange.map(|_| self.config.names.target_group.clone()),
            trace_id: exchange.map(|exchange| exchange.request.trace_id.clone()),
            created: self.wall_clock(created),
            connection_trace: session.trace.clone(),
        });
    }
}

/// RFC 9110 section 15; 460 is never sent.
const fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        408 => "Request Timeout",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    }
}
