//! Health checks: one request on a connection of its own, every so often, to each target.

use core::fmt::Write as _;

use super::Balancer;
use super::head;
use super::session::Pipe;
use super::targets::Due;
use super::upstream::User;
use crate::hop::Demise;
use crate::tcp::ConnectionId;
use crate::time::Instant;

/// A check that is under way.
#[derive(Debug)]
pub(super) struct Probe {
    request: Pipe,
    response: Vec<u8>,
}

impl Balancer {
    /// Checks a target and notes when to check it again.
    pub(super) fn begin_check(&mut self, now: Instant, index: usize) {
        let Some(health) = &self.config.health else { return };
        let Some(target) = self.targets.get(index).filter(|target| target.registered) else {
            return;
        };
        let mut request = format!("GET {} HTTP/1.1\r\nHost: ", health.path);
        let _ = write!(request, "{}\r\nConnection: close\r\n\r\n", target.address);
        let mut probe = Probe { request: Pipe::default(), response: Vec::new() };
        probe.request.push(request.as_bytes());
        let (timeout, interval) = (health.timeout, health.interval);
        self.agenda.insert((now + interval, Due::Check(index)));
        match self.connect(now, index, User::Check(probe)) {
            Ok((id, _)) => {
                self.agenda.insert((now + timeout, Due::Upstream(id)));
                if let Some(target) = self.targets.get_mut(index) {
                    target.check = Some(id);
                }
            }
            Err(_) => self.judge(index, false),
        }
    }

    /// Goes on with a check whose connection has news.
    pub(super) fn check(&mut self, now: Instant, id: ConnectionId) {
        let Some(upstream) = self.upstreams.get_mut(&id) else { return };
        let User::Check(probe) = &mut upstream.user else { return };
        let Self { back, .. } = self;
        if probe.request.flush(|bytes| back.send(now, id, bytes)).is_err() {
            self.finish_check(now, id, false);
            return;
        }
        let mut response = core::mem::take(&mut probe.response);
        let success = loop {
            match self.read_target(now, id, &mut response) {
                Ok(Some(0)) => break None,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break Some(false),
            }
            match head::response(&response, &self.config.limits, false) {
                Ok(None) => {}
                Ok(Some((head, _))) => {
                    let wanted = self.config.health.as_ref().map(|health| health.success);
                    break Some(Some(head.status) == wanted);
                }
                Err(_) => break Some(false),
            }
        };
        match (success, self.upstreams.get_mut(&id).map(|upstream| &mut upstream.user)) {
            (Some(success), _) => self.finish_check(now, id, success),
            (None, Some(User::Check(probe))) => probe.response = response,
            (None, Some(User::Nobody | User::Session(_)) | None) => {}
        }
    }

    /// Ends a check and judges its target.
    pub(super) fn finish_check(&mut self, now: Instant, id: ConnectionId, success: bool) {
        let Some(index) = self.upstreams.get(&id).map(|upstream| upstream.target) else { return };
        self.close_upstream(now, id, Demise::Closed);
        self.judge(index, success);
    }

    fn judge(&mut self, index: usize, success: bool) {
        let Some(health) = &self.config.health else { return };
        if let Some(target) = self.targets.get_mut(index) {
            target.check = None;
            target.judge(success, health.healthy_after, health.unhealthy_after);
        }
    }
}
