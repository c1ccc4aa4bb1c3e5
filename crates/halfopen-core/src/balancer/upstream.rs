//! Connections to targets: opened for a request or a check, kept for the next request.

use super::health::Probe;
use super::session::Lease;
use super::targets::Due;
use super::{Balancer, SCRATCH};
use crate::flow::FlowKey;
use crate::hop::{Demise, EventKind, Refusal};
use crate::tcp::{ConnectionId, Error, Event, Received};
use crate::time::Instant;

/// A connection to a target.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) target: usize,
    pub(super) flow: FlowKey,
    pub(super) open: bool,
    pub(super) user: User,
    pub(super) last_byte: Instant,
    armed: bool,
}

/// Who uses a connection to a target.
#[derive(Debug)]
pub(super) enum User {
    /// It waits for a request.
    Nobody,
    Session(ConnectionId),
    Check(Probe),
}

impl Balancer {
    /// Finds a connection to a target for a request.
    pub(super) fn lease(&mut self, now: Instant, session: ConnectionId) -> Result<Lease, Refusal> {
        let target = self.targets.choose().ok_or(Refusal::NoTarget)?;
        let kept = self.targets.get_mut(target).and_then(|target| target.idle.pop());
        if let Some((id, upstream)) = kept.and_then(|id| Some((id, self.upstreams.get_mut(&id)?))) {
            upstream.user = User::Session(session);
            return Ok(Lease { id, target, address: upstream.flow.responder, connect_by: None });
        }
        let Ok((id, flow)) = self.connect(now, target, User::Session(session)) else {
            self.release_target(target);
            return Err(Refusal::Exhausted);
        };
        let connect_by = Some(now + self.config.connect_timeout);
        Ok(Lease { id, target, address: flow.responder, connect_by })
    }

    pub(super) fn connect(
        &mut self,
        now: Instant,
        target: usize,
        user: User,
    ) -> Result<(ConnectionId, FlowKey), Error> {
        let address = self.targets.get(target).ok_or(Error::NotOurs)?.address;
        let id = self.back.connect(now, None, address)?;
        self.back.set_nodelay(now, id, true)?;
        let flow = FlowKey::tcp(self.back.local_addr(id)?, address);
        let upstream = Upstream { target, flow, open: false, user, last_byte: now, armed: false };
        self.upstreams.insert(id, upstream);
        Ok((id, flow))
    }

    /// Takes note that a request at a target has ended.
    fn release_target(&mut self, target: usize) {
        if let Some(target) = self.targets.get_mut(target) {
            target.outstanding -= 1;
        }
    }

    /// Gives a connection back after a request: it waits for another, or is closed because `ended`.
    pub(super) fn give_back(&mut self, now: Instant, lease: Lease, ended: Option<Demise>) {
        self.release_target(lease.target);
        let takes_more = self.targets.get(lease.target).is_some_and(|target| target.registered);
        let ended = ended.or((!takes_more).then_some(Demise::Closed));
        if let Some(because) = ended {
            self.close_upstream(now, lease.id, because);
            return;
        }
        let Some(upstream) = self.upstreams.get_mut(&lease.id) else { return };
        upstream.user = User::Nobody;
        upstream.last_byte = now;
        if !core::mem::replace(&mut upstream.armed, true) {
            self.agenda.insert((now + self.config.idle_timeout, Due::Upstream(lease.id)));
        }
        if let Some(target) = self.targets.get_mut(lease.target) {
            target.idle.push(lease.id);
        }
    }

    /// Closes a connection to a target, whoever uses it.
    pub(super) fn close_upstream(&mut self, now: Instant, id: ConnectionId, because: Demise) {
        let Some(upstream) = self.upstreams.remove(&id) else { return };
        if let Some(target) = self.targets.get_mut(upstream.target) {
            target.idle.retain(|&idle| idle != id);
        }
        self.back.close(now, id);
        if upstream.open {
            let idle = now.saturating_since(upstream.last_byte);
            self.report(now, EventKind::Forgot { flow: upstream.flow, idle, because });
        }
    }

    /// Closes a connection that waited for too long, or gives up a check that took too long.
    pub(super) fn expire_upstream(&mut self, now: Instant, id: ConnectionId) {
        let Some(upstream) = self.upstreams.get_mut(&id) else { return };
        upstream.armed = false;
        match &upstream.user {
            User::Session(_) => {}
            User::Check(_) => self.finish_check(now, id, false),
            User::Nobody => {
                let due = upstream.last_byte + self.config.idle_timeout;
                if due <= now {
                    self.close_upstream(now, id, Demise::Idle);
                } else {
                    upstream.armed = true;
                    self.agenda.insert((due, Due::Upstream(id)));
                }
            }
        }
    }

    /// Takes news of a connection to a target.
    pub(super) fn target_news(&mut self, now: Instant, event: Event) {
        let id = match event {
            Event::Connected(id) | Event::Failed(id, _) => {
                self.note_opening(now, id, matches!(event, Event::Connected(_)));
                id
            }
            Event::Readable(id) | Event::Writable(id) => id,
            Event::Incoming(_) => return,
        };
        match self.upstreams.get(&id).map(|upstream| &upstream.user) {
            None => {}
            Some(&User::Session(session)) => self.serve(now, session),
            Some(User::Check(_)) => self.check(now, id),
            Some(User::Nobody) => self.look_at_idle(now, id),
        }
    }

    fn note_opening(&mut self, now: Instant, id: ConnectionId, opened: bool) {
        let Some(upstream) = self.upstreams.get_mut(&id) else { return };
        let flow = upstream.flow;
        if let User::Session(session) = upstream.user {
            let exchange = self.sessions.get_mut(&session).and_then(|held| held.exchange_mut());
            if let Some(lease) = exchange.and_then(|exchange| exchange.lease.as_mut()) {
                lease.connect_by = None;
            }
        }
        if opened {
            upstream.open = true;
            self.report(now, EventKind::Remembered { flow });
        }
    }

    /// Closes a connection that nobody uses if the target did, or talks out of turn.
    fn look_at_idle(&mut self, now: Instant, id: ConnectionId) {
        let mut scratch = [0; 1];
        match self.back.receive(now, id, &mut scratch) {
            Ok(Received::Empty) => {}
            Ok(Received::Bytes(_) | Received::Finished) => {
                self.close_upstream(now, id, Demise::Closed);
            }
            Err(error) => self.close_upstream(now, id, demise_of(error)),
        }
    }

    /// Reads from a target's connection: how much came, or `None` at its end.
    pub(super) fn read_target(
        &mut self,
        now: Instant,
        id: ConnectionId,
        into: &mut Vec<u8>,
    ) -> Result<Option<usize>, Error> {
        let mut scratch = [0; SCRATCH];
        match self.back.receive(now, id, &mut scratch)? {
            Received::Bytes(count) => {
                into.extend_from_slice(&scratch[..count]);
                if let Some(upstream) = self.upstreams.get_mut(&id) {
                    upstream.last_byte = now;
                }
                Ok(Some(count))
            }
            Received::Empty => Ok(Some(0)),
            Received::Finished => Ok(None),
        }
    }
}

pub(super) fn demise_of(error: Error) -> Demise {
    if error == Error::Reset { Demise::Reset } else { Demise::Closed }
}

/// Says why a request is refused whose target's connection died of `error`.
pub(super) fn refusal_of(error: Error) -> Refusal {
    match error {
        Error::Reset => Refusal::ResetByTarget,
        Error::TimedOut => Refusal::SilentTarget,
        Error::Refused | Error::HostUnreachable | Error::NetworkUnreachable | Error::Prohibited => {
            Refusal::Unreachable
        }
        Error::NoPorts | Error::TooManyConnections | Error::AddressInUse | Error::NotOurs => {
            Refusal::Exhausted
        }
        Error::BrokenPipe | Error::Closed => Refusal::ClosedByTarget,
    }
}
