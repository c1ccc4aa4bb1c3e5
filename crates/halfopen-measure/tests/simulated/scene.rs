//! A client, a box that forgets, and a server, in virtual time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Command, Hop, Side};
use halfopen_core::idle::{Capacity, IdlePolicy, IdleTimers, OnExpiry, OnOrphan, Refresh};
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::tap::Tap;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;
use halfopen_lab::connect::SimConnector;
use halfopen_measure::answer::Finding;
use halfopen_measure::plan::Plan;
use halfopen_measure::prober;
use halfopen_measure::question::http::Http;
use halfopen_measure::settings::Settings;
use halfopen_pool::connect::Destination;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::world::World;

use crate::server::Server;

const CLIENT: [u8; 4] = [10, 0, 0, 7];
const OUTSIDE: [u8; 4] = [203, 0, 113, 1];
const SERVER: [u8; 4] = [198, 51, 100, 2];

/// A path and its ends.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) boxes: Vec<Middle>,
    pub(crate) server: Server,
    /// One way, from each end to the boxes.
    pub(crate) delay: Duration,
    /// The chance that a packet is lost between each end and the boxes.
    pub(crate) loss: f64,
    /// When the boxes lose all they know.
    pub(crate) flushes: Vec<Duration>,
}

/// A box between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Middle {
    pub(crate) limit: Option<Duration>,
    pub(crate) on_expiry: OnExpiry,
    pub(crate) on_orphan: OnOrphan,
    pub(crate) translates: bool,
    pub(crate) refresh: Refresh,
    pub(crate) capacity: Capacity,
}

/// What was found, and what it took on the wire.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) finding: Finding,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Middle {
    pub(crate) fn forgetting(limit: Duration, on_expiry: OnExpiry, on_orphan: OnOrphan) -> Self {
        let IdlePolicy { refresh, capacity, .. } = IdlePolicy::RFC;
        Self { limit: Some(limit), on_expiry, on_orphan, translates: true, refresh, capacity }
    }

    fn gateway(self, world: &mut World) -> Box<dyn Hop> {
        let Self { limit, on_expiry, on_orphan, translates, refresh, capacity } = self;
        let idle = IdlePolicy {
            timers: IdleTimers { tcp_established: limit, ..IdleTimers::RFC },
            refresh,
            on_expiry,
            on_orphan_inside: on_orphan,
            on_orphan_outside: OnOrphan::Drop,
            capacity,
        };
        let config = if translates {
            GatewayConfig::nat(OUTSIDE.into(), idle)
        } else {
            GatewayConfig::firewall(idle)
        };
        Box::new(Gateway::new(config, world.fork_rng()).unwrap())
    }
}

impl Scene {
    pub(crate) fn new(boxes: Vec<Middle>) -> Self {
        let delay = Duration::from_millis(10);
        Self { boxes, server: Server::default(), delay, loss: 0.0, flushes: Vec::new() }
    }

    /// Measures.
    pub(crate) fn measure(&self, settings: Settings) -> Run {
        self.carry_out(Plan::new(settings).unwrap(), settings.seed)
    }

    pub(crate) fn carry_out(&self, plan: Plan, seed: u64) -> Run {
        let to = Destination { tls: false, host: "server".into(), port: 80 };
        let question = Http::head("server", "/");
        let (plan, packets, bytes) = self.play(seed, async |client| {
            let connect = SimConnector::new(client);
            let stop = core::future::pending();
            prober::run(&connect, &to, &question, plan, |_, _| {}, stop).await
        });
        Run { finding: plan.finding(), packets, bytes }
    }

    /// Runs a program at the client, and counts the packets and bytes that pass it.
    pub(crate) fn play<T>(&self, seed: u64, program: impl AsyncFnOnce(Host) -> T) -> (T, u64, u64) {
        let mut world = World::from_seed(seed);
        let link = LinkConfig { loss: self.loss, ..LinkConfig::delaying(self.delay) };
        let mut hops: Vec<Box<dyn Hop>> = vec![Box::new(Link::new(link, world.fork_rng()))];
        for &middle in &self.boxes {
            hops.push(middle.gateway(&mut world));
        }
        hops.push(Box::new(Link::new(link, world.fork_rng())));
        let mut path = Path::new(hops);
        let counter = Counter::default();
        path.tap(0, Box::new(counter.clone()));
        let path = world.add_path(path);
        for &flush in &self.flushes {
            for number in 0..self.boxes.len() {
                world.command_at(Instant::EPOCH + flush, path, 1 + number, Command::Flush);
            }
        }
        let client = HostConfig::new("client", [IpAddr::from(CLIENT)]).inside(path);
        let client = world.add_host(client);
        let server = HostConfig::new("server", [IpAddr::from(SERVER)]).outside(path);
        let server = world.add_host(server);
        self.server.start(&server);
        let done = world.run(program(client)).unwrap();
        let (packets, bytes) = counter.read();
        (done, packets, bytes)
    }
}

/// Counts what passes the client.
#[derive(Clone, Debug, Default)]
struct Counter {
    counts: Arc<[AtomicU64; 2]>,
}

impl Counter {
    fn read(&self) -> (u64, u64) {
        let [packets, bytes] = &*self.counts;
        (packets.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
    }
}

impl Tap for Counter {
    fn see(&mut self, _: Instant, _: Side, packet: &Packet) {
        let [packets, bytes] = &*self.counts;
        packets.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(packet.total_len() as u64, Ordering::Relaxed);
    }
}
