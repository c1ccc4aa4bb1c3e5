//! Carries real packets through a path.
//!
//! A [`Carrier`] stands between two network interfaces, the client's and the server's, and hands
//! what comes from one through a [`Path`] to the other: the hops of the simulator, driven by a
//! real clock. It has one thread, the one that [`run`](Carrier::run)s it; a [`Handle`] gives it
//! orders and reads its counters from others.
//!
//! It is a driver of [hops](halfopen_core::hop::Hop) and keeps their contract: what is due comes
//! before what arrives, and what a hop puts out is carried on before anything else.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};

use halfopen_core::hop::{Command, Event, Hop as _, Output, Side};
use halfopen_core::path::Path;
use halfopen_core::time::Instant;
use halfopen_core::wire::tcp::Flags;
use halfopen_core::wire::{Malformed, Packet, View, vnet};

use crate::tun::Tun;

mod buffers;
mod clock;
mod delays;
mod status;
mod wait;

pub use clock::Clock;
pub use delays::Delays;
pub use status::{BySide, Flows, PassedOver, Status};

use buffers::Buffers;
use status::{Tally, add};
use wait::{Waiter, Waker};

/// How many packets are taken from one side before the other has its turn.
const TURN: usize = 64;

/// Carries packets between two interfaces through a path.
#[derive(Debug)]
pub struct Carrier {
    path: Path,
    inside: Tun,
    outside: Tun,
    clock: Clock,
    /// What the path was told last.
    now: Instant,
    /// Commands that are not due, each with its hop; of those for one time the first given first.
    agenda: BTreeMap<(Instant, u64), (usize, Command)>,
    orders: Receiver<Order>,
    /// How many commands were given.
    ordered: u64,
    events: Option<SyncSender<Event>>,
    handle: Handle,
    waiter: Waiter,
    delays: Delays,
    buffers: Buffers,
}

/// Orders to a [`Carrier`], and what it counts, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    orders: Sender<Order>,
}

#[derive(Debug)]
struct Shared {
    tally: Tally,
    stopped: AtomicBool,
    waker: Waker,
}

/// A command to a hop, and when it is due.
#[derive(Debug)]
struct Order {
    at: Instant,
    hop: usize,
    command: Command,
}

impl Carrier {
    /// Returns a carrier of packets between the client's interface and the server's. Its path
    /// hears the time from `clock`, and must not have heard of a later one.
    pub fn new(path: Path, inside: Tun, outside: Tun, clock: Clock) -> io::Result<Self> {
        let tally = Tally::new(path.len());
        let (waker, stopped) = (Waker::new()?, AtomicBool::new(false));
        let waiter = Waiter::new([inside.as_fd(), outside.as_fd()], &waker)?;
        let (sender, orders) = mpsc::channel();
        Ok(Self {
            path,
            inside,
            outside,
            clock,
            now: Instant::EPOCH,
            agenda: BTreeMap::new(),
            orders,
            ordered: 0,
            events: None,
            handle: Handle { shared: Arc::new(Shared { tally, stopped, waker }), orders: sender },
            waiter,
            delays: Delays::new(),
            buffers: Buffers::new(),
        })
    }

    /// Returns where the hops' events are heard from here on. As many as `capacity` wait to be
    /// heard; those for which there is no room are counted as missed.
    pub fn events(&mut self, capacity: usize) -> Receiver<Event> {
        let (sender, receiver) = mpsc::sync_channel(capacity);
        self.events = Some(sender);
        receiver
    }

    /// Carries packets until it is told to stop.
    ///
    /// It fails if an interface is taken away, or if the kernel has no room for what it waits by.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.handle.shared.stopped.load(Ordering::Acquire) {
            self.advance();
            let inside = self.carry_from(Side::Inside)?;
            let outside = self.carry_from(Side::Outside)?;
            if inside < TURN && outside < TURN {
                let deadline = self.deadline();
                self.waiter.wait(deadline, &self.clock, &self.handle.shared.waker)?;
            }
        }
        Ok(())
    }

    /// Returns what gives this carrier orders and reads its counters.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Returns how late the path was told of what was due, since the system is not always there
    /// at once.
    #[must_use]
    pub const fn delays(&self) -> &Delays {
        &self.delays
    }

    /// Takes what one side has sent, as far as it is its turn, and returns how many packets that
    /// were.
    fn carry_from(&mut self, side: Side) -> io::Result<usize> {
        for taken in 0..TURN {
            let tun = match side {
                Side::Inside => &self.inside,
                Side::Outside => &self.outside,
            };
            let Some(header) = tun.receive(self.buffers.room())? else { return Ok(taken) };
            let packet = vnet::parse(header, self.buffers.take());
            self.carry(side, packet);
        }
        Ok(TURN)
    }

    fn carry(&mut self, side: Side, packet: Result<Packet, Malformed>) {
        let tally = &self.handle.shared.tally;
        match packet {
            Err(_) => add(&tally.malformed, 1),
            Ok(packet) if is_local(packet.view()) => {
                add(&tally.local, 1);
                self.buffers.put(packet.into_bytes());
            }
            Ok(packet) => {
                tally.took(side, packet.count());
                self.advance();
                self.path.handle_packet(self.now, side, packet);
                self.deliver();
            }
        }
    }

    /// Does what is due, each thing at its own time.
    fn advance(&mut self) {
        for Order { at, hop, command } in self.orders.try_iter() {
            self.agenda.insert((at, self.ordered), (hop, command));
            self.ordered += 1;
        }
        let now = self.clock.now();
        while let Some(due) = self.deadline().filter(|&due| due <= now) {
            if self.path.poll_timeout() == Some(due) {
                self.delays.record(now.saturating_since(due));
            }
            // A command may have been given after its time.
            self.now = due.max(self.now);
            self.path.handle_timeout(self.now);
            if let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= due) {
                let (hop, command) = entry.remove();
                self.path.command(self.now, hop, command);
            }
            self.deliver();
        }
        self.now = now;
    }

    /// Hands over what the path puts out.
    fn deliver(&mut self) {
        while let Some(output) = self.path.poll_output() {
            match output {
                Output::Packet(side, packet) => self.hand_over(side, packet),
                Output::Event(event) => self.report(event),
            }
        }
    }

    fn hand_over(&mut self, side: Side, packet: Packet) {
        let tally = &self.handle.shared.tally;
        // What the kernel does not take is lost, as in the queue of any interface.
        let tun = match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        };
        match tun.send(&packet) {
            Ok(()) => tally.handed(side, packet.count(), is_reset(packet.view())),
            Err(_) => add(&tally.refused, packet.count() as u64),
        }
        self.buffers.put(packet.into_bytes());
    }

    fn report(&self, event: Event) {
        let tally = &self.handle.shared.tally;
        tally.happened(&event);
        let Some(events) = &self.events else { return };
        if let Err(TrySendError::Full(_)) = events.try_send(event) {
            add(&tally.events_missed, 1);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let command = self.agenda.first_key_value().map(|(&(at, _), _)| at);
        [self.path.poll_timeout(), command].into_iter().flatten().min()
    }
}

impl Handle {
    /// Makes [`Carrier::run`] return, now or when it is called.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.waker.wake();
    }

    /// Gives an order to a hop of the path, counted from zero at the inside; there must be such a
    /// hop. An order whose time is over is carried out at once.
    pub fn command(&self, at: Instant, hop: usize, command: Command) {
        let hops = self.shared.tally.hops();
        assert!(hop < hops, "a path of {hops} hops has no hop {hop}");
        // A carrier that is gone obeys no orders.
        let _heard = self.orders.send(Order { at, hop, command });
        self.shared.waker.wake();
    }

    /// Returns what the carrier has counted.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.tally.status()
    }
}

/// Tells whether a packet is for its link only: no router forwards those to or from link-local
/// addresses (RFC 3927 section 2.7, RFC 4291 section 2.5.6), and a path has no multicast router.
fn is_local(view: View<'_>) -> bool {
    use std::net::IpAddr::{V4, V6};
    let one_link = |address| match address {
        V4(address) => address.is_link_local(),
        V6(address) => address.is_unicast_link_local(),
    };
    let (src, dst) = (view.src(), view.dst());
    one_link(src) || one_link(dst) || dst.is_multicast() || dst == V4(std::net::Ipv4Addr::BROADCAST)
}

fn is_reset(view: View<'_>) -> bool {
    view.tcp().is_some_and(|header| header.flags.has(Flags::RST))
}
