//! One host's TCP with Linux's timers: its connections and listeners.
//!
//! It is what ends a path, and what a user of Linux would see in a capture: the handshake's options
//! and windows, delayed acknowledgments, retransmission that backs off for a quarter of an hour,
//! keepalive, resets. It is not a TCP for production: no urgent data, no selective retransmission,
//! Reno's congestion control, a receive window that does not grow.
//!
//! [`Host`] is no [`Hop`](crate::hop::Hop), since packets end here, but the same contract holds:
//! `now` never decreases; every call that takes `now` first does what is due by then; the caller
//! drains [`poll_output`](Host::poll_output), then reads [`poll_timeout`](Host::poll_timeout); and
//! nothing else happens. Times in the comments are those of Linux 6.18; kernel files are named
//! where a number or a rule comes from them.

mod acks;
mod arrival;
mod config;
mod connection;
mod deadlines;
mod emit;
mod event;
mod icmp;
mod info;
mod listener;
mod receive;
mod reply;
mod rtt;
mod send;
mod socket;
mod table;
mod timers;

use core::hash::BuildHasher as _;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

pub use self::config::{Config, Keepalive};
pub use self::connection::State;
pub use self::event::{Error, Event, Output};
pub use self::info::Info;
pub use self::listener::ListenerId;
pub use self::receive::Received;
pub use self::socket::{Connected, Socket, Timer};
pub use self::table::ConnectionId;

use self::arrival::{Answer, Inbound};
use foldhash::fast::FixedState;

use self::connection::{Connection, Context, Numbers};
use self::deadlines::Deadlines;
use self::listener::{Listener, Listeners};
use self::table::Table;
use crate::flow::Protocol;
use crate::rng::Rng;
use crate::seq::Seq;
use crate::time::{Duration, Instant};
use crate::wire::tcp::Flags;
use crate::wire::{Packet, View};

/// One host's TCP.
#[derive(Debug)]
pub struct Host {
    config: Config,
    rng: Rng,
    connections: Table,
    listeners: Listeners,
    deadlines: Deadlines,
    output: VecDeque<Output>,
    /// Makes initial sequence numbers of this host differ from those of others.
    secret: FixedState,
}

impl Host {
    /// Returns a host without connections. `rng` gives it sequence numbers and ports.
    #[must_use]
    pub fn new(config: Config, mut rng: Rng) -> Self {
        Self {
            secret: FixedState::with_seed(rng.bits()),
            config,
            rng,
            connections: Table::default(),
            listeners: Listeners::default(),
            deadlines: Deadlines::default(),
            output: VecDeque::new(),
        }
    }

    /// Listens on an address of the host, or, if it is unspecified, on all of its family.
    ///
    /// `backlog` connections may wait to be accepted, and as many may be in their handshake; the
    /// SYNs of others are dropped.
    pub fn listen(&mut self, local: SocketAddr, backlog: usize) -> Result<ListenerId, Error> {
        if !local.ip().is_unspecified() && !self.owns(local.ip()) {
            return Err(Error::NotOurs);
        }
        self.listeners.add(local, backlog)
    }

    /// Stops listening. Connections that were not accepted are reset.
    pub fn unlisten(&mut self, now: Instant, listener: ListenerId) {
        self.handle_timeout(now);
        self.listeners.remove(listener);
        for slot in self.connections.waiting_for(listener) {
            self.with(now, slot, |connection, cx| {
                connection.orphan = true;
                // A handshake is dropped, and its last segment will be reset as a stray.
                if connection.state != State::SynReceived {
                    connection.abort(cx);
                }
                connection.end();
            });
        }
    }

    /// Opens a connection to `remote`, from `local` or from an address and port of the host's
    /// choice. [`Event::Connected`] or [`Event::Failed`] follows.
    pub fn connect(
        &mut self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<ConnectionId, Error> {
        self.handle_timeout(now);
        let local = self.choose_local(local, remote)?;
        if self.connections.len() >= self.config.connections_max {
            return Err(Error::TooManyConnections);
        }
        let numbers = self.numbers(now, local, remote);
        let Self { config, connections, .. } = self;
        let id = connections
            .insert(|id| Connection::new(id, (local, remote), State::SynSent, numbers, config));
        self.with(now, id.slot, Connection::connect);
        Ok(id)
    }

    /// Returns the connection that has waited longest on a listener. Its events are reported from
    /// then on; what came before, `receive` finds.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        let id = self.listeners.get_mut(listener)?.accepted.pop_front()?;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.listener = None;
        }
        Some(id)
    }

    /// Queues bytes to be sent and returns how many fitted: zero while the connection opens or its
    /// buffer is full, and then [`Event::Writable`] follows.
    pub fn send(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Result<usize, Error> {
        self.command(now, id, |connection, cx| connection.send(cx, bytes))?
    }

    /// Moves received bytes into `into`.
    ///
    /// An error that ended the connection is told once, after the bytes that came before it.
    pub fn receive(
        &mut self,
        now: Instant,
        id: ConnectionId,
        into: &mut [u8],
    ) -> Result<Received, Error> {
        self.command(now, id, |connection, cx| connection.receive(cx, into))?
    }

    /// Sends a FIN after what is queued. The peer may go on sending.
    pub fn shutdown(&mut self, now: Instant, id: ConnectionId) -> Result<(), Error> {
        self.command(now, id, Connection::shutdown)
    }

    /// Gives a connection up; its id is of no more use. What is queued is still sent, then a FIN;
    /// if there are unread bytes, a reset instead (RFC 2525 section 2.17).
    pub fn close(&mut self, now: Instant, id: ConnectionId) {
        let _gone = self.command(now, id, Connection::close);
    }

    /// Gives a connection up with a reset; its id is of no more use.
    pub fn abort(&mut self, now: Instant, id: ConnectionId) {
        let _gone = self.command(now, id, |connection, cx| {
            connection.orphan = true;
            connection.abort(cx);
        });
    }

    /// Closes all that programs hold, connections and listeners, as the kernel does for a process
    /// that ends. Its ids are of no more use.
    pub fn close_all(&mut self, now: Instant) {
        self.handle_timeout(now);
        for listener in self.listeners.ids() {
            self.unlisten(now, listener);
        }
        for slot in self.connections.held() {
            self.with(now, slot, Connection::close);
        }
    }

    /// Loses everything at once, as by a power cut: nobody is told, and what peers send to its
    /// connections afterwards is answered with resets. Its ids are of no more use. The host works
    /// again from then on, with new sequence numbers.
    pub fn lose_power(&mut self, now: Instant) {
        self.handle_timeout(now);
        for slot in self.connections.all() {
            self.deadlines.set(slot, None);
            self.connections.unlink(slot);
            self.connections.free(slot);
        }
        for listener in self.listeners.ids() {
            self.listeners.remove(listener);
        }
        self.secret = FixedState::with_seed(self.rng.bits());
    }

    /// Sets how an idle connection is probed; `None`, the default, is not at all.
    pub fn set_keepalive(
        &mut self,
        now: Instant,
        id: ConnectionId,
        keepalive: Option<Keepalive>,
    ) -> Result<(), Error> {
        let second = Duration::from_secs(1);
        self.command(now, id, |connection, cx| {
            connection.keepalive = keepalive.map(|set| Keepalive {
                idle: set.idle.max(second),
                interval: set.interval.max(second),
                ..set
            });
            connection.arm_keepalive(cx.now);
        })
    }

    /// Sets for how long data may stay unacknowledged, and probes unanswered, before the
    /// connection is given up (RFC 5482); `None`, the default, leaves it to `retries2`.
    pub fn set_user_timeout(
        &mut self,
        now: Instant,
        id: ConnectionId,
        timeout: Option<Duration>,
    ) -> Result<(), Error> {
        self.command(now, id, |connection, _| connection.user_timeout = timeout)
    }

    /// Sets whether small segments leave at once rather than wait for an acknowledgment (Nagle's
    /// algorithm, RFC 9293 section 3.7.4).
    pub fn set_nodelay(&mut self, now: Instant, id: ConnectionId, on: bool) -> Result<(), Error> {
        self.command(now, id, |connection, cx| {
            connection.nodelay = on;
            connection.transmit(cx);
        })
    }

    /// Takes a packet from the network. What is not for the host, or is damaged, is ignored.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) {
        self.handle_timeout(now);
        let view = packet.view();
        if !self.owns(view.dst()) || view.fragment().is_some() || !packet.checksums_hold() {
            return;
        }
        match view.protocol() {
            Protocol::Tcp => self.handle_segment(now, view),
            Protocol::Icmp => self.handle_icmp(now, view),
            Protocol::Udp | Protocol::Other(_) => {}
        }
    }

    /// Does what is due by `now`, each thing as of its own time.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, slot)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.with(at, slot, Connection::handle_timeout);
        }
    }

    /// Returns what the host sends or reports next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// Returns when `handle_timeout` next has something to do; `None` is never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| at)
    }

    /// Returns the address of our end.
    pub fn local_addr(&self, id: ConnectionId) -> Result<SocketAddr, Error> {
        self.connections.get(id).map(|connection| connection.local).ok_or(Error::Closed)
    }

    /// Returns the address of the peer's end.
    pub fn peer_addr(&self, id: ConnectionId) -> Result<SocketAddr, Error> {
        self.connections.get(id).map(|connection| connection.remote).ok_or(Error::Closed)
    }

    /// Returns the address that a listener listens on.
    pub fn listener_addr(&self, id: ListenerId) -> Result<SocketAddr, Error> {
        self.listeners.get(id).map(|listener| listener.local).ok_or(Error::Closed)
    }

    /// Returns a look into a connection.
    pub fn info(&self, id: ConnectionId) -> Result<Info, Error> {
        self.connections.get(id).map(Connection::info).ok_or(Error::Closed)
    }

    /// Returns how many connections there are, those included that no program holds any more.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Returns the host's sockets, as its administrator sees them: listeners in the order of their
    /// addresses, then connections, the longest held place in the table first. What is over is not
    /// among them.
    pub fn sockets(&self) -> impl Iterator<Item = Socket> {
        let listening = self.listeners.iter().map(|listener| Socket {
            local: listener.local,
            receive_queue: listener.accepted.len(),
            send_queue: 0,
            connection: None,
        });
        listening.chain(self.connections.iter().filter_map(Connection::socket))
    }

    fn handle_segment(&mut self, now: Instant, view: View<'_>) {
        let Some(header) = view.tcp() else { return };
        let options = view.tcp_options();
        let segment = Inbound { header, options, payload: view.payload() };
        let local = SocketAddr::new(view.dst(), header.dst_port);
        let remote = SocketAddr::new(view.src(), header.src_port);
        let Some(slot) = self.connections.find(local, remote) else {
            self.handle_stranger(now, (local, remote), &segment);
            return;
        };
        if self.defers_handshake(slot, header.flags) {
            return;
        }
        let answer = self.with(now, slot, |connection, cx| connection.handle_segment(cx, &segment));
        match answer {
            None | Some(Answer::None) => {}
            Some(Answer::Reset) => self.reset(local, remote, &segment),
            Some(Answer::Reopen) => {
                self.with(now, slot, |connection, _| connection.end());
                self.handle_stranger(now, (local, remote), &segment);
            }
        }
    }

    /// Takes a segment that belongs to no connection: a SYN for a listener, or a stray.
    fn handle_stranger(
        &mut self,
        now: Instant,
        (local, remote): (SocketAddr, SocketAddr),
        segment: &Inbound<'_>,
    ) {
        let flags = segment.header.flags;
        let listener = self.listeners.at(local);
        let opens = flags.has(Flags::SYN) && !flags.has_any(Flags::ACK | Flags::RST | Flags::FIN);
        let Some(id) = listener.filter(|_| opens) else {
            self.reset(local, remote, segment);
            return;
        };
        let room = self.connections.len() < self.config.connections_max;
        let Some(listener) = self.listeners.get_mut(id).filter(|at| room && !at.is_full()) else {
            return;
        };
        listener.half_open += 1;
        let numbers = self.numbers(now, local, remote);
        let Self { config, connections, .. } = self;
        let child = connections.insert(|child| {
            let pair = (local, remote);
            let mut connection = Connection::new(child, pair, State::SynReceived, numbers, config);
            connection.listener = Some(id);
            connection
        });
        self.with(now, child.slot, |connection, cx| connection.answer(cx, segment));
    }

    /// Tells whether the end of a handshake is dropped because its listener's queue is full.
    fn defers_handshake(&mut self, slot: u32, flags: Flags) -> bool {
        let Some(connection) = self.connections.at_mut(slot) else { return false };
        let opening = connection.state == State::SynReceived && !flags.has(Flags::RST);
        let listener = connection.listener.filter(|_| opening);
        listener.and_then(|id| self.listeners.get(id)).is_some_and(Listener::queue_is_full)
    }

    fn handle_icmp(&mut self, now: Instant, view: View<'_>) {
        let (Some(header), Some(quoted)) = (view.icmp(), view.quoted()) else { return };
        let Some(sent) = quoted.tcp() else { return };
        let local = SocketAddr::new(quoted.src(), sent.src_port);
        let remote = SocketAddr::new(quoted.dst(), sent.dst_port);
        if let Some(slot) = self.connections.find(local, remote) {
            self.with(now, slot, |connection, cx| connection.handle_icmp(cx, header, sent));
        }
    }

    fn reset(&mut self, local: SocketAddr, remote: SocketAddr, segment: &Inbound<'_>) {
        let reset = reply::reset(local, remote, self.config.ttl, segment);
        self.output.extend(reset.map(Output::Packet));
    }

    /// Does something that a program asks of a connection that it holds.
    fn command<T>(
        &mut self,
        now: Instant,
        id: ConnectionId,
        act: impl FnOnce(&mut Connection, &mut Context<'_>) -> T,
    ) -> Result<T, Error> {
        self.handle_timeout(now);
        let held = self.connections.get(id).is_some_and(|connection| !connection.orphan);
        held.then(|| self.with(now, id.slot, act)).flatten().ok_or(Error::Closed)
    }

    /// Lets a connection act, and follows up: its new deadline, its place with its listener, and
    /// whether anything is left of it.
    fn with<T>(
        &mut self,
        now: Instant,
        slot: u32,
        act: impl FnOnce(&mut Connection, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let Self { config, connections, deadlines, output, .. } = self;
        let connection = connections.at_mut(slot)?;
        let before = connection.state;
        let result = act(connection, &mut Context { now, config, output });
        let (after, orphan, id) = (connection.state, connection.orphan, connection.id);
        let waits_for = connection.listener.filter(|_| before == State::SynReceived);
        deadlines.set(slot, connection.deadline());
        let mut unheld = orphan;
        if let Some(listener_id) = waits_for.filter(|_| after != before) {
            unheld |= !self.leave_handshake(listener_id, id, after);
        }
        if after == State::Closed {
            self.connections.unlink(slot);
            if unheld {
                self.connections.free(slot);
            }
        }
        Some(result)
    }

    /// Moves a connection from its listener's handshakes to its queue, unless it died. False if
    /// nobody will ever accept it.
    fn leave_handshake(&mut self, listener: ListenerId, id: ConnectionId, state: State) -> bool {
        let Some(queue) = self.listeners.get_mut(listener) else { return false };
        queue.half_open -= 1;
        let opened = state != State::Closed;
        if opened {
            queue.accepted.push_back(id);
            self.output.push_back(Output::Event(Event::Incoming(listener)));
        }
        opened
    }

    fn choose_local(
        &mut self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<SocketAddr, Error> {
        let same_family = |ip: &&IpAddr| ip.is_ipv4() == remote.is_ipv4();
        let address = match local.map(|local| local.ip()).filter(|ip| !ip.is_unspecified()) {
            Some(ip) if self.owns(ip) => ip,
            Some(_) => return Err(Error::NotOurs),
            None => *self.config.addresses.iter().find(same_family).ok_or(Error::NotOurs)?,
        };
        match local.map_or(0, |local| local.port()) {
            0 => self.choose_port(address, remote),
            port => {
                let local = SocketAddr::new(address, port);
                self.is_free(local, remote).then_some(local).ok_or(Error::AddressInUse)
            }
        }
    }

    /// Chooses a free port from a random one on, first among those of even offset, as Linux does
    /// (`net/ipv4/inet_hashtables.c`, `__inet_hash_connect`).
    fn choose_port(&mut self, address: IpAddr, remote: SocketAddr) -> Result<SocketAddr, Error> {
        let (low, high) =
            (*self.config.ephemeral_ports.start(), *self.config.ephemeral_ports.end());
        let count = u32::from(high.saturating_sub(low)) + 1;
        let start = u32::try_from(self.rng.below(u64::from(count))).unwrap_or(0) & !1;
        let pairs = count.div_ceil(2);
        let offsets = (0..2).flat_map(|odd| (0..pairs).map(move |step| (step * 2, odd)));
        for (step, odd) in offsets {
            let offset = (start + step) % (pairs * 2) + odd;
            let Ok(port) = u16::try_from(u32::from(low) + offset) else { continue };
            let local = SocketAddr::new(address, port);
            if offset < count && self.is_free(local, remote) {
                return Ok(local);
            }
        }
        Err(Error::NoPorts)
    }

    /// Returns the numbers for a connection: the same pair of addresses gets ever later ones, so
    /// that a new connection is not mistaken for the old one (RFC 6528, with Linux's clock of 64
    /// ns: `net/core/secure_seq.c`).
    fn numbers(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr) -> Numbers {
        let word = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        let hash = self.secret.hash_one((local, remote));
        Numbers {
            iss: Seq(word(hash)) + word(now.as_nanos() >> 6),
            timestamp_offset: word(hash >> 32),
            ip_id: u16::try_from(self.rng.below(1 << 16)).unwrap_or(0),
        }
    }

    fn is_free(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.connections.find(local, remote).is_none() && self.listeners.at(local).is_none()
    }

    fn owns(&self, address: IpAddr) -> bool {
        self.config.addresses.contains(&address)
    }
}

#[cfg(test)]
mod tests;
