//! One host on the stage: its TCP, its place, and the programs that wait for it.

use core::ops::RangeInclusive;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, Waker};

use halfopen_core::hop::Side;
use halfopen_core::rng::Rng;
use halfopen_core::tap::Tap;
use halfopen_core::tcp::{self, ConnectionId, ListenerId, Received};
use halfopen_core::time::Instant;
use halfopen_core::wire::Packet;
use tokio::task::AbortHandle;

use crate::stage::End;
use crate::world::PathId;

/// What every host calls itself (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3).
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A host as the stage keeps it.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) tcp: tcp::Host,
    addresses: Vec<IpAddr>,
    ephemeral_ports: RangeInclusive<u16>,
    /// Where it stands, the default route first.
    ends: Vec<End>,
    routes: BTreeMap<IpAddr, End>,
    taps: Vec<Box<dyn Tap>>,
    sockets: BTreeMap<ConnectionId, Socket>,
    acceptors: BTreeMap<ListenerId, Vec<Waker>>,
    programs: Vec<AbortHandle>,
    touched: bool,
}

/// Who waits for a connection.
#[derive(Debug, Default)]
struct Socket {
    opened: Option<Result<(), tcp::Error>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Back to the host itself.
    Own,
    /// Straight to a host at the same end.
    Host(usize),
    /// Into a path, at its side.
    Path(PathId, Side),
    /// The host stands at no path.
    Nowhere,
}

impl Station {
    pub(crate) fn new(
        mut tcp: tcp::Config,
        rng: Rng,
        ends: Vec<End>,
        routes: BTreeMap<IpAddr, End>,
    ) -> Self {
        let addresses = tcp.addresses.clone();
        tcp.addresses.extend(LOOPBACK);
        Self {
            addresses,
            ephemeral_ports: tcp.ephemeral_ports.clone(),
            tcp: tcp::Host::new(tcp, rng),
            ends,
            routes,
            taps: Vec::new(),
            sockets: BTreeMap::new(),
            acceptors: BTreeMap::new(),
            programs: Vec::new(),
            touched: false,
        }
    }

    pub(crate) fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
    ) -> Result<ConnectionId, tcp::Error> {
        let source = if remote.ip().is_loopback() {
            remote.ip()
        } else {
            let same_family = |address: &&IpAddr| address.is_ipv4() == remote.is_ipv4();
            let source = self.addresses.iter().find(same_family).copied();
            source.ok_or(tcp::Error::NetworkUnreachable)?
        };
        let id = self.tcp.connect(now, Some(SocketAddr::new(source, 0)), remote)?;
        self.sockets.insert(id, Socket::default());
        Ok(id)
    }

    /// Listens, and returns at which address. Port 0 stands for the first that is free.
    pub(crate) fn listen(
        &mut self,
        address: SocketAddr,
        backlog: usize,
    ) -> Result<(ListenerId, SocketAddr), tcp::Error> {
        let ports = match address.port() {
            0 => self.ephemeral_ports.clone(),
            port => port..=port,
        };
        for port in ports {
            let local = SocketAddr::new(address.ip(), port);
            match self.tcp.listen(local, backlog) {
                Err(tcp::Error::AddressInUse) => {}
                done => return done.map(|id| (id, local)),
            }
        }
        Err(tcp::Error::AddressInUse)
    }

    /// Returns the addresses of a connection's ends, the host's first.
    pub(crate) fn addresses_of(
        &self,
        id: ConnectionId,
    ) -> Result<(SocketAddr, SocketAddr), tcp::Error> {
        Ok((self.tcp.local_addr(id)?, self.tcp.peer_addr(id)?))
    }

    /// Tells how a connection attempt ended, or wakes `cx` when it has.
    pub(crate) fn poll_opened(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
    ) -> Poll<Result<(), tcp::Error>> {
        let socket = self.sockets.entry(id).or_default();
        if let Some(opened) = socket.opened {
            return Poll::Ready(opened);
        }
        wait(&mut socket.writer, cx);
        Poll::Pending
    }

    /// Takes a connection that waits, or wakes `cx` when there is one.
    pub(crate) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
        id: ListenerId,
    ) -> Poll<ConnectionId> {
        if let Some(connection) = self.tcp.accept(id) {
            return Poll::Ready(connection);
        }
        let waiting = self.acceptors.entry(id).or_default();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Receives what is there, or wakes `cx` when there is something.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        id: ConnectionId,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, tcp::Error>> {
        match self.tcp.receive(now, id, buffer) {
            Ok(Received::Bytes(length)) => Poll::Ready(Ok(length)),
            Ok(Received::Finished) => Poll::Ready(Ok(0)),
            Ok(Received::Empty) => {
                wait(&mut self.sockets.entry(id).or_default().reader, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Sends what there is room for, or wakes `cx` when there is room.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        id: ConnectionId,
        bytes: &[u8],
    ) -> Poll<Result<usize, tcp::Error>> {
        match self.tcp.send(now, id, bytes) {
            Ok(0) if !bytes.is_empty() => {
                wait(&mut self.sockets.entry(id).or_default().writer, cx);
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// Closes a connection as the kernel does when its last descriptor goes.
    pub(crate) fn close(&mut self, now: Instant, id: ConnectionId) {
        self.sockets.remove(&id);
        self.tcp.close(now, id);
    }

    /// Closes a listener, likewise.
    pub(crate) fn unlisten(&mut self, now: Instant, id: ListenerId) {
        self.acceptors.remove(&id);
        self.tcp.unlisten(now, id);
    }

    /// Notes a task of the host's programs.
    pub(crate) fn started(&mut self, task: AbortHandle) {
        // Each look over all tasks is paid for by as many that were added since the last.
        if self.programs.len() == self.programs.capacity() {
            self.programs.retain(|task| !task.is_finished());
            self.programs.reserve(self.programs.len() + 1);
        }
        self.programs.push(task);
    }

    /// Returns the tasks of the host's programs, which are to be ended.
    pub(crate) fn take_programs(&mut self) -> Vec<AbortHandle> {
        core::mem::take(&mut self.programs)
    }

    /// Forgets who waits for which socket, and returns them.
    fn take_waiting(&mut self) -> Vec<Waker> {
        let sockets = core::mem::take(&mut self.sockets).into_values();
        let acceptors = core::mem::take(&mut self.acceptors).into_values();
        let waiting = sockets.flat_map(|socket| [socket.reader, socket.writer]).flatten();
        waiting.chain(acceptors.flatten()).collect()
    }

    /// Marks the host; true if it was not marked.
    pub(super) fn touch(&mut self) -> bool {
        !core::mem::replace(&mut self.touched, true)
    }

    /// Takes the mark away.
    pub(super) const fn untouch(&mut self) {
        self.touched = false;
    }

    /// Closes all sockets, as the kernel does for a process that ends. Who waits is woken.
    pub(super) fn close_all(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        self.tcp.close_all(now);
        woken.extend(self.take_waiting());
    }

    /// Loses all sockets without a packet. Who waits is woken.
    pub(super) fn lose_power(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        self.tcp.lose_power(now);
        woken.extend(self.take_waiting());
    }

    /// Moves who waits for this news to `woken`.
    pub(super) fn notify(&mut self, event: tcp::Event, woken: &mut Vec<Waker>) {
        match event {
            tcp::Event::Incoming(id) => {
                woken.extend(self.acceptors.get_mut(&id).into_iter().flat_map(core::mem::take));
            }
            tcp::Event::Connected(id) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.opened = Some(Ok(()));
                    woken.extend(socket.writer.take());
                }
            }
            tcp::Event::Readable(id) => {
                woken.extend(self.sockets.get_mut(&id).and_then(|socket| socket.reader.take()));
            }
            tcp::Event::Writable(id) => {
                woken.extend(self.sockets.get_mut(&id).and_then(|socket| socket.writer.take()));
            }
            tcp::Event::Failed(id, error) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.opened.get_or_insert(Err(error));
                    woken.extend(socket.reader.take());
                    woken.extend(socket.writer.take());
                }
            }
        }
    }

    pub(super) fn tap(&mut self, tap: Box<dyn Tap>) {
        self.taps.push(tap);
    }

    /// Shows the host's taps a packet that it sends.
    pub(super) fn show_sent(&mut self, now: Instant, packet: &Packet) {
        self.show(now, Side::opposite, packet);
    }

    /// Shows the host's taps a packet that comes to it.
    pub(super) fn show_received(&mut self, now: Instant, packet: &Packet) {
        self.show(now, |side| side, packet);
    }

    fn show(&mut self, now: Instant, toward: fn(Side) -> Side, packet: &Packet) {
        let side = self.ends.first().map_or(Side::Inside, |&(_, side)| side);
        for tap in &mut self.taps {
            tap.see(now, toward(side), packet);
        }
    }

    /// Finds the way to `dst`: itself, a route that was given, a neighbour, a path with `dst` at
    /// its far end, or the first path.
    pub(super) fn route(&self, residents: &BTreeMap<(End, IpAddr), usize>, dst: IpAddr) -> Route {
        if dst.is_loopback() || self.addresses.contains(&dst) {
            return Route::Own;
        }
        if let Some(&(path, side)) = self.routes.get(&dst) {
            return Route::Path(path, side);
        }
        if let Some(&host) = self.ends.iter().find_map(|&end| residents.get(&(end, dst))) {
            return Route::Host(host);
        }
        let far = |(path, side): End| residents.contains_key(&((path, side.opposite()), dst));
        match self.ends.iter().find(|&&end| far(end)).or(self.ends.first()) {
            Some(&(path, side)) => Route::Path(path, side),
            None => Route::Nowhere,
        }
    }

    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    pub(super) fn ends(&self) -> &[End] {
        &self.ends
    }
}

fn wait(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
