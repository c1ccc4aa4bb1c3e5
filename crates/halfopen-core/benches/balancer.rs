//! What a request costs a balancer, with few and many other connections idle.
//!
//! `cargo bench -p halfopen-core --bench balancer`

#![expect(clippy::unwrap_used, reason = "a benchmark that goes wrong is to stop")]

use std::net::SocketAddr;

use divan::Bencher;
use divan::counter::ItemsCount;
use halfopen_core::balancer::Balancer;
use halfopen_core::balancer::log::{AccessEntry, ConnectionEntry, Log};
use halfopen_core::hop::{Hop as _, Output, Side};
use halfopen_core::profile::Profile;
use halfopen_core::rng::Rng;
use halfopen_core::tcp::{self, ConnectionId, Host, ListenerId, Received};
use halfopen_core::time::{Duration, Instant};

const REQUEST: &[u8] = b"POST /payments HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: bench/1\r\n\
                         Content-Type: application/json\r\nContent-Length: 16\r\n\r\n\
                         {\"amount\": 1000}";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                          Content-Length: 15\r\n\r\n{\"status\":\"ok\"}";

fn main() {
    divan::main();
}

/// Reads nothing of what it is told, so that only the telling is measured.
#[derive(Debug)]
struct Nowhere;

impl Log for Nowhere {
    fn request(&mut self, entry: AccessEntry) {
        divan::black_box(entry);
    }

    fn connection(&mut self, entry: ConnectionEntry) {
        divan::black_box(entry);
    }
}

/// Clients, a balancer and a target, and no network between them.
struct Row {
    now: Instant,
    clients: Host,
    balancer: Balancer,
    target: Host,
    listener: ListenerId,
    open: Vec<ConnectionId>,
    accepted: Vec<ConnectionId>,
}

impl Row {
    fn with_connections(count: usize) -> Self {
        let end = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (address, behind) = (end("10.0.0.80:80"), end("10.1.0.1:8080"));
        let mut config = Profile::shipped("aws-alb").unwrap().balancer().unwrap();
        config.health = None;
        config.idle_timeout = Duration::from_hours(1_000);
        config.client_keep_alive = None;
        let log = Box::new(Nowhere);
        let balancer = Balancer::new(config, address, vec![behind], Rng::new(1), log).unwrap();
        let host = |ip, seed| Host::new(tcp::Config::linux(vec![ip]), Rng::new(seed));
        let mut target = host(behind.ip(), 2);
        let listener = target.listen(behind, 16).unwrap();
        let clients = host(end("10.0.0.1:0").ip(), 3);
        let (now, open, accepted) = (Instant::EPOCH, Vec::new(), Vec::new());
        let mut row = Self { now, clients, balancer, target, listener, open, accepted };
        for _ in 0..count {
            let client = row.clients.connect(row.now, None, address).unwrap();
            row.carry();
            row.open.push(client);
        }
        row
    }

    /// Sends a request over one of the connections, and a response back.
    fn exchange(&mut self, turn: usize) {
        let client = self.open[turn % self.open.len()];
        let mut buffer = [0; 1024];
        self.clients.send(self.now, client, REQUEST).unwrap();
        self.carry();
        self.accepted.extend(self.target.accept(self.listener));
        let server = self.accepted[0];
        let got = self.target.receive(self.now, server, &mut buffer).unwrap();
        assert!(matches!(got, Received::Bytes(200..)), "{got:?}");
        self.target.send(self.now, server, RESPONSE).unwrap();
        self.carry();
        let got = self.clients.receive(self.now, client, &mut buffer).unwrap();
        assert!(matches!(got, Received::Bytes(100..)), "{got:?}");
        self.now = self.now + Duration::from_millis(50);
        self.clients.handle_timeout(self.now);
        self.target.handle_timeout(self.now);
        self.balancer.handle_timeout(self.now);
        self.carry();
    }

    fn carry(&mut self) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            while let Some(output) = self.balancer.poll_output() {
                quiet = false;
                match output {
                    Output::Packet(Side::Inside, packet) => {
                        self.clients.handle_packet(self.now, packet);
                    }
                    Output::Packet(Side::Outside, packet) => {
                        self.target.handle_packet(self.now, packet);
                    }
                    Output::Event(_) => {}
                }
            }
            let ends = [(Side::Inside, &mut self.clients), (Side::Outside, &mut self.target)];
            for (side, host) in ends {
                while let Some(output) = host.poll_output() {
                    quiet = false;
                    if let tcp::Output::Packet(packet) = output {
                        self.balancer.handle_packet(self.now, side, packet);
                    }
                }
            }
        }
    }
}

/// A small request and its response over kept connections, the two hosts at its ends included; an
/// item is a request.
#[divan::bench(args = [1, 1_000, 10_000], sample_count = 20)]
fn request(bencher: Bencher<'_, '_>, connections: usize) {
    let mut row = Row::with_connections(connections);
    for turn in 0..1_000 {
        row.exchange(turn * 7_919);
    }
    bencher.counter(ItemsCount::new(1_000_usize)).bench_local(|| {
        for turn in 0..1_000 {
            row.exchange(turn * 7_919);
        }
    });
}
