//! An HTTP/1.1 application balancer: clients' connections end here, and their requests go on over
//! connections of the balancer's own.
//!
//! It is a hop without a translation: a packet from inside that is addressed to it goes to a
//! [`Host`] of its own, a packet from outside to another, and bytes move between the two. So it
//! keeps TCP's promises to both sides separately, and its idle timeout counts bytes, which a
//! gateway cannot. It passes nothing else on.
//!
//! It speaks HTTP/1.1 without TLS. Requests of one connection are answered in their order, one at
//! a time; up to 16 KiB of those to come are read ahead. An `Upgrade` is not passed on, nor is
//! `Keep-Alive`, both of which concern one connection only (RFC 9110 section 7.6.1). What a product
//! does is its profile's: [`Profile::balancer`](crate::profile::Profile::balancer).
//!
//! The invariant: each request that was read whole or in part ends as one entry of the log, and
//! each that no target answered as one [`EventKind::Refused`].

mod body;
mod config;
mod exchange;
mod head;
mod health;
pub mod log;
mod refuse;
mod session;
mod targets;
mod upstream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

pub use self::config::{
    BalancerConfig, ConfigError, HealthCheck, Limits, Names, NoneHealthy, Routing,
};

use self::log::{ConnectionEntry, Log};
use self::session::{Expiry, Phase, Session};
use self::targets::{Due, Targets, first_health};
use self::upstream::{Upstream, User};
use crate::flow::FlowKey;
use crate::hop::{Command, Demise, Discard, Event, EventKind, Hop, Output, Refusal, Side};
use crate::rng::Rng;
use crate::tcp::{self, ConnectionId, Host, ListenerId};
use crate::time::{Duration, Instant};
use crate::wire::Packet;

/// How many bytes move at a time.
const SCRATCH: usize = 16 << 10;

/// How many connections of clients may wait to be accepted. The balancer accepts them at once.
const BACKLOG: usize = 4096;

/// An application balancer.
#[derive(Debug)]
pub struct Balancer {
    config: BalancerConfig,
    address: SocketAddr,
    /// Toward the clients.
    front: Host,
    listener: ListenerId,
    /// Toward the targets.
    back: Host,
    sessions: BTreeMap<ConnectionId, Box<Session>>,
    upstreams: BTreeMap<ConnectionId, Upstream>,
    targets: Targets,
    agenda: BTreeSet<(Instant, Due)>,
    rng: Rng,
    /// Makes the traces of this balancer differ from those of others.
    trace_salt: u64,
    /// How many traces it began.
    traces: u64,
    log: Box<dyn Log>,
    outputs: VecDeque<Output>,
}

impl Balancer {
    /// Returns a balancer that listens on `address`, and opens connections to `targets` from the
    /// same address. It writes its entries to `log`.
    pub fn new(
        config: BalancerConfig,
        address: SocketAddr,
        targets: Vec<SocketAddr>,
        mut rng: Rng,
        log: Box<dyn Log>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let other = |target: &&SocketAddr| target.is_ipv4() != address.is_ipv4();
        if let Some(&target) = targets.iter().find(other) {
            return Err(ConfigError::OtherFamily(target));
        }
        let (front, listener) = front(&config, address, &mut rng);
        let back = host(&config, address, &mut rng);
        let targets = Targets::new(targets, &config);
        let checks = (0..targets.len()).filter(|_| config.health.is_some());
        Ok(Self {
            agenda: checks.map(|target| (Instant::EPOCH, Due::Check(target))).collect(),
            trace_salt: rng.bits(),
            traces: 0,
            config,
            address,
            front,
            listener,
            back,
            sessions: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            targets,
            rng,
            log,
            outputs: VecDeque::new(),
        })
    }

    /// Does all that is due by `now`, each thing as of its own time.
    fn advance(&mut self, now: Instant) {
        while let Some(due) = self.poll_timeout().filter(|&due| due <= now) {
            self.front.handle_timeout(due);
            self.back.handle_timeout(due);
            self.settle(due);
            while let Some(&(at, what)) = self.agenda.first().filter(|(at, _)| *at <= due) {
                self.agenda.remove(&(at, what));
                match what {
                    Due::Session(id) => self.expire_session(due, id),
                    Due::Upstream(id) => self.expire_upstream(due, id),
                    Due::Check(target) => self.begin_check(due, target),
                    Due::Drained(target, since) => self.drained(due, target, since),
                }
                self.settle(due);
            }
        }
    }

    /// Carries packets out, and news to whom they concern, until both hosts are silent.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.front.poll_output() {
                match output {
                    tcp::Output::Packet(packet) => self.send(Side::Inside, packet),
                    tcp::Output::Event(event) => self.client_news(now, event),
                }
            } else if let Some(output) = self.back.poll_output() {
                match output {
                    tcp::Output::Packet(packet) => self.send(Side::Outside, packet),
                    tcp::Output::Event(event) => self.target_news(now, event),
                }
            } else {
                return;
            }
        }
    }

    fn send(&mut self, side: Side, packet: Packet) {
        self.outputs.push_back(Output::Packet(side, packet));
    }

    fn client_news(&mut self, now: Instant, event: tcp::Event) {
        match event {
            tcp::Event::Incoming(_) => {
                while let Some(id) = self.front.accept(self.listener) {
                    self.begin_session(now, id);
                }
            }
            tcp::Event::Connected(id)
            | tcp::Event::Readable(id)
            | tcp::Event::Writable(id)
            | tcp::Event::Failed(id, _) => self.serve(now, id),
        }
    }

    fn begin_session(&mut self, now: Instant, id: ConnectionId) {
        let Ok(client) = self.front.peer_addr(id) else { return };
        // A connection that is dead already is met at the first read.
        let _dead = self.front.set_nodelay(now, id, true);
        let trace = format!("TID_{:016x}", self.rng.bits());
        self.report(now, EventKind::Remembered { flow: self.client_flow(client) });
        self.log.connection(ConnectionEntry {
            time: self.wall_clock(now),
            client,
            listener_port: self.address.port(),
            connection_trace: trace.clone(),
        });
        self.sessions.insert(id, Box::new(Session::new(id, client, now, trace)));
        self.serve(now, id);
    }

    /// Sees to it that a session's deadline is met, or looked at before it.
    fn arm(&mut self, session: &mut Session) {
        let at = session.deadline(&self.config);
        if let Some(armed) = session.armed {
            if armed <= at {
                return;
            }
            self.agenda.remove(&(armed, Due::Session(session.id)));
        }
        session.armed = Some(at);
        self.agenda.insert((at, Due::Session(session.id)));
    }

    fn expire_session(&mut self, now: Instant, id: ConnectionId) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        session.armed = None;
        if session.deadline(&self.config) <= now {
            match session.expiry(now) {
                Expiry::Close(because) => self.close_session(now, &mut session, because),
                Expiry::Abort => self.abort_session(now, &mut session),
                Expiry::Refuse(why) => self.refuse(now, &mut session, why),
            }
        } else {
            self.arm(&mut session);
        }
        if !matches!(session.phase, Phase::Gone) {
            self.sessions.insert(id, session);
            self.serve(now, id);
        }
    }

    /// Forgets everything, as a node that is replaced by another of the same address.
    fn flush(&mut self, now: Instant) {
        for (_, session) in core::mem::take(&mut self.sessions) {
            let idle = now.saturating_since(session.last_byte);
            let flow = self.client_flow(session.client);
            self.report(now, EventKind::Forgot { flow, idle, because: Demise::Flushed });
        }
        for (_, upstream) in core::mem::take(&mut self.upstreams) {
            if let Some(target) = self.targets.get_mut(upstream.target) {
                target.idle.clear();
                target.outstanding = 0;
                target.check = None;
            }
            if upstream.open {
                let idle = now.saturating_since(upstream.last_byte);
                let (flow, because) = (upstream.flow, Demise::Flushed);
                self.report(now, EventKind::Forgot { flow, idle, because });
            }
        }
        self.agenda.retain(|(_, due)| matches!(due, Due::Check(_) | Due::Drained(..)));
        (self.front, self.listener) = front(&self.config, self.address, &mut self.rng);
        self.back = host(&self.config, self.address, &mut self.rng);
    }

    fn deregister(&mut self, now: Instant, index: usize) {
        let Some(target) = self.targets.get_mut(index).filter(|target| target.registered) else {
            return;
        };
        target.registered = false;
        target.drains_since = Some(now);
        let unused = core::mem::take(&mut target.idle);
        for id in unused.into_iter().chain(target.check.take()) {
            self.close_upstream(now, id, Demise::Closed);
        }
        let delay = self.config.deregistration_delay;
        self.agenda.insert((now + delay, Due::Drained(index, now)));
    }

    fn register(&mut self, now: Instant, index: usize) {
        let health = first_health(&self.config);
        let Some(target) = self.targets.get_mut(index).filter(|target| !target.registered) else {
            return;
        };
        target.registered = true;
        target.drains_since = None;
        target.health = health;
        self.agenda.retain(|(_, due)| *due != Due::Check(index));
        self.begin_check(now, index);
    }

    /// Lets down what is still under way at a target that has been drained since `since`.
    fn drained(&mut self, now: Instant, index: usize, since: Instant) {
        if self.targets.get(index).is_none_or(|target| target.drains_since != Some(since)) {
            return;
        }
        let served = |upstream: &Upstream| match upstream.user {
            User::Session(id) if upstream.target == index => Some(id),
            User::Session(_) | User::Nobody | User::Check(_) => None,
        };
        let sessions: Vec<ConnectionId> = self.upstreams.values().filter_map(served).collect();
        for id in sessions {
            let Some(mut session) = self.sessions.remove(&id) else { continue };
            self.refuse(now, &mut session, Refusal::Deregistered);
            self.sessions.insert(id, session);
            self.serve(now, id);
        }
    }

    fn report(&mut self, at: Instant, kind: EventKind) {
        self.outputs.push_back(Output::Event(Event { at, hop: 0, kind }));
    }

    fn client_flow(&self, client: SocketAddr) -> FlowKey {
        FlowKey::tcp(client, self.address)
    }

    /// Returns the time since the UNIX epoch.
    fn wall_clock(&self, now: Instant) -> Duration {
        self.config.epoch.saturating_add(now.saturating_since(Instant::EPOCH))
    }

    /// Returns the root of the next trace: a version, the second, and 96 bits.
    fn next_trace(&self, now: Instant) -> String {
        let (seconds, mask) = (self.wall_clock(now).as_secs(), u64::from(u32::MAX));
        format!("1-{:08x}-{:016x}{:08x}", seconds & mask, self.trace_salt, self.traces & mask)
    }
}

fn host(config: &BalancerConfig, address: SocketAddr, rng: &mut Rng) -> Host {
    let tcp = tcp::Config::linux(vec![address.ip()]);
    let connections_max = config.connections_max;
    let tcp = tcp::Config { connections_max, send_buffer: 4 * SCRATCH, ..tcp };
    Host::new(tcp, rng.fork())
}

fn front(config: &BalancerConfig, address: SocketAddr, rng: &mut Rng) -> (Host, ListenerId) {
    let mut front = host(config, address, rng);
    let listener = front.listen(address, BACKLOG).expect("a new host listens on its own address");
    (front, listener)
}

impl Hop for Balancer {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        self.advance(now);
        for packet in packet.into_segments() {
            if packet.view().dst() != self.address.ip() {
                self.report(now, EventKind::Discarded { side, why: Discard::Unroutable });
                continue;
            }
            match side {
                Side::Inside => self.front.handle_packet(now, packet),
                Side::Outside => self.back.handle_packet(now, packet),
            }
            self.settle(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let own = self.agenda.first().map(|&(at, _)| at);
        [self.front.poll_timeout(), self.back.poll_timeout(), own].into_iter().flatten().min()
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        self.advance(now);
        match command {
            Command::Flush => self.flush(now),
            Command::Deregister { target } => self.deregister(now, target),
            Command::Register { target } => self.register(now, target),
        }
        self.settle(now);
    }
}

#[cfg(test)]
mod tests;
