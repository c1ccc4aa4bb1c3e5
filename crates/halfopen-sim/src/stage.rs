//! Everything that stands in a world, and how packets get from one thing to the next.
//!
//! Programs touch the stage through their sockets, which only mark their host as having something
//! to do. The world's driver carries packets when every program waits, so what programs do at one
//! instant has left their hosts before time moves, in the order in which the hosts were touched.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use halfopen_core::hop::{Command, Hop as _, Output, Side};
use halfopen_core::path::Path;
use halfopen_core::tap::Tap;
use halfopen_core::tcp;
use halfopen_core::time::Instant;
use halfopen_core::wire::Packet;

use crate::clock;
use crate::stage::agenda::{Agenda, Machine};
use crate::stage::station::{Route, Station};
use crate::trace::{Journal, Panic};
use crate::world::PathId;

mod agenda;
pub(crate) mod station;

/// The stage behind its lock, and the clock's start.
///
/// Nothing is woken while it is locked, so no program's code runs. (Wakers are dropped; no waker of
/// tokio's holds the last of a program.)
#[derive(Debug)]
pub(crate) struct Shared {
    start: tokio::time::Instant,
    stage: Mutex<Stage>,
}

impl Shared {
    pub(crate) fn new(start: tokio::time::Instant, stage: Stage) -> Self {
        Self { start, stage: Mutex::new(stage) }
    }

    /// Locks the stage, for a program that runs in the world or for the driver.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Stage> {
        // A panic in a machine unwinds through the driver to whoever runs the world, and what
        // is dropped on the way still closes its sockets.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the stage and tells the time: the clock's while time passes, and between two runs or
    /// when the world goes down, that at which the last run ended.
    pub(crate) fn lock_now(&self) -> (MutexGuard<'_, Stage>, Instant) {
        let mut stage = self.lock();
        if stage.driver.is_some() {
            stage.now = clock::now(self.start);
        }
        let now = stage.now;
        (stage, now)
    }

    pub(crate) const fn start(&self) -> tokio::time::Instant {
        self.start
    }
}

/// Which end of which path.
type End = (PathId, Side);

/// Hosts, paths and what is due.
#[derive(Debug)]
pub(crate) struct Stage {
    now: Instant,
    hosts: Vec<Station>,
    paths: Vec<Path>,
    residents: BTreeMap<(End, IpAddr), usize>,
    names: BTreeMap<String, usize>,
    agenda: Agenda,
    orders: BTreeMap<(Instant, u64), Order>,
    orders_given: u64,
    /// The hosts that may have something to put out.
    touched: VecDeque<usize>,
    /// Who waits for what happened since they were last handed over.
    woken: Vec<Waker>,
    driver: Option<Waker>,
    /// What the hops did, and what went wrong.
    pub(crate) journal: Journal,
}

/// An operator's command to a hop.
#[derive(Clone, Copy, Debug)]
struct Order {
    path: PathId,
    hop: usize,
    command: Command,
}

impl Stage {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            now: Instant::EPOCH,
            hosts: Vec::new(),
            paths: Vec::new(),
            residents: BTreeMap::new(),
            names: BTreeMap::new(),
            agenda: Agenda::default(),
            orders: BTreeMap::new(),
            orders_given: 0,
            touched: VecDeque::new(),
            woken: Vec::new(),
            driver: None,
            journal,
        }
    }

    pub(crate) fn add_path(&mut self, path: Path) -> PathId {
        self.paths.push(path);
        let id = PathId(self.paths.len() - 1);
        self.reschedule_path(id);
        id
    }

    /// Adds a host and returns its index. Its name must be new in the world, and its addresses new
    /// at the ends where it stands.
    pub(crate) fn add_host(&mut self, name: &str, station: Station) -> usize {
        let index = self.hosts.len();
        let taken = self.names.insert(name.to_owned(), index);
        assert!(taken.is_none(), "two hosts are called {name}");
        for &(path, side) in station.ends() {
            assert!(path.0 < self.paths.len(), "{name} stands at a path of another world");
            for &address in station.addresses() {
                let taken = self.residents.insert(((path, side), address), index);
                assert!(taken.is_none(), "{name} takes {address} from another host");
            }
        }
        self.hosts.push(station);
        index
    }

    pub(crate) fn tap_path(&mut self, path: PathId, gap: usize, tap: Box<dyn Tap>) {
        self.paths[path.0].tap(gap, tap);
    }

    pub(crate) fn tap_host(&mut self, host: usize, tap: Box<dyn Tap>) {
        self.hosts[host].tap(tap);
    }

    pub(crate) fn order(&mut self, at: Instant, path: PathId, hop: usize, command: Command) {
        let hops = self.paths[path.0].len();
        assert!(hop < hops, "a path of {hops} hops has no hop {hop}");
        self.orders.insert((at, self.orders_given), Order { path, hop, command });
        self.orders_given += 1;
        self.wake_driver();
    }

    /// Begins to let time pass. The driver is woken when a host is touched.
    pub(crate) fn begin_run(&mut self, driver: Waker) {
        self.driver = Some(driver);
    }

    /// Stops the time.
    pub(crate) fn end_run(&mut self, now: Instant) {
        self.driver = None;
        self.now = now;
    }

    /// Notes that a program did something that its host may have to tell the network.
    pub(crate) fn touch(&mut self, host: usize) {
        if self.touched.is_empty() {
            self.wake_driver();
        }
        self.touch_quietly(host);
    }

    /// Closes all sockets of a host.
    pub(crate) fn close_all(&mut self, now: Instant, host: usize) {
        self.hosts[host].close_all(now, &mut self.woken);
        self.touch(host);
    }

    /// Lets a host lose all sockets without a packet.
    pub(crate) fn lose_power(&mut self, now: Instant, host: usize) {
        self.hosts[host].lose_power(now, &mut self.woken);
        self.touch(host);
    }

    pub(crate) fn panicked(&mut self, panic: Panic) {
        self.journal.panicked(panic);
        self.wake_driver();
    }

    /// Carries what hosts have to say until nothing more happens at this instant or no rounds are
    /// left, of which each host takes one, and hands over who is to be woken for it; `woken` must
    /// be empty.
    pub(crate) fn settle(&mut self, now: Instant, rounds: &mut u64, woken: &mut Vec<Waker>) {
        self.now = now;
        while let Some(host) = self.touched.pop_front_if(|_| *rounds > 0) {
            *rounds -= 1;
            self.drain_host(now, host);
        }
        core::mem::swap(&mut self.woken, woken);
    }

    /// Does what is due by `now`; the driver settles the stage before and after.
    pub(crate) fn handle_due(&mut self, now: Instant) {
        while let Some(entry) = self.orders.first_entry().filter(|entry| entry.key().0 <= now) {
            let Order { path, hop, command } = entry.remove();
            self.paths[path.0].command(now, hop, command);
            self.drain_path(now, path);
        }
        for _ in 0..self.agenda.count_due(now) {
            match self.agenda.pop_first() {
                Some(Machine::Path(index)) => {
                    self.paths[index].handle_timeout(now);
                    self.drain_path(now, PathId(index));
                }
                Some(Machine::Host(index)) => {
                    self.hosts[index].tcp.handle_timeout(now);
                    self.touch_quietly(index);
                }
                None => break,
            }
        }
    }

    /// Returns when something is next due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let order = self.orders.first_key_value().map(|((at, _), _)| *at);
        [order, self.agenda.first()].into_iter().flatten().min()
    }

    pub(crate) fn host(&self, index: usize) -> &Station {
        &self.hosts[index]
    }

    pub(crate) fn host_mut(&mut self, index: usize) -> &mut Station {
        &mut self.hosts[index]
    }

    /// Returns the addresses of the host of that name.
    pub(crate) fn resolve(&self, name: &str) -> Option<&[IpAddr]> {
        self.names.get(name).map(|&index| self.hosts[index].addresses())
    }

    fn wake_driver(&self) {
        // The waker of tokio's block_on: it sets a flag and runs nothing.
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }

    fn touch_quietly(&mut self, host: usize) {
        if self.hosts[host].touch() {
            self.touched.push_back(host);
        }
    }

    fn drain_host(&mut self, now: Instant, index: usize) {
        self.hosts[index].untouch();
        while let Some(output) = self.hosts[index].tcp.poll_output() {
            match output {
                tcp::Output::Packet(packet) => self.route(now, index, packet),
                tcp::Output::Event(event) => {
                    self.hosts[index].notify(event, &mut self.woken);
                }
            }
        }
        self.agenda.set(Machine::Host(index), self.hosts[index].tcp.poll_timeout());
    }

    fn route(&mut self, now: Instant, from: usize, packet: Packet) {
        self.hosts[from].show_sent(now, &packet);
        let dst = packet.view().dst();
        match self.hosts[from].route(&self.residents, dst) {
            Route::Own => self.deliver(now, from, packet),
            Route::Host(to) => self.deliver(now, to, packet),
            Route::Path(path, side) => {
                self.paths[path.0].handle_packet(now, side, packet);
                self.drain_path(now, path);
            }
            Route::Nowhere => self.journal.unroutable(),
        }
    }

    fn deliver(&mut self, now: Instant, to: usize, packet: Packet) {
        self.hosts[to].show_received(now, &packet);
        self.hosts[to].tcp.handle_packet(now, packet);
        self.touch_quietly(to);
    }

    fn drain_path(&mut self, now: Instant, path: PathId) {
        while let Some(output) = self.paths[path.0].poll_output() {
            match output {
                Output::Packet(side, packet) => {
                    match self.residents.get(&((path, side), packet.view().dst())) {
                        Some(&host) => self.deliver(now, host, packet),
                        None => self.journal.unroutable(),
                    }
                }
                Output::Event(event) => self.journal.note(path, event),
            }
        }
        self.reschedule_path(path);
    }

    fn reschedule_path(&mut self, path: PathId) {
        self.agenda.set(Machine::Path(path.0), self.paths[path.0].poll_timeout());
    }
}
