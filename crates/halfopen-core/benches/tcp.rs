//! What a packet costs a host, and what opening a connection costs, with few and many others idle.
//!
//! `cargo bench -p halfopen-core --bench tcp`

#![expect(clippy::unwrap_used, reason = "a benchmark that goes wrong is to stop")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use divan::Bencher;
use divan::counter::ItemsCount;
use halfopen_core::rng::Rng;
use halfopen_core::tcp::{Config, ConnectionId, Host, ListenerId, Output};
use halfopen_core::time::{Duration, Instant};

const REQUEST: [u8; 164] = [1; 164];
const RESPONSE: [u8; 106] = [2; 106];

/// How many packets one exchange takes: request, response, and in the end an acknowledgment.
const EXCHANGE_PACKETS: usize = 3;

fn main() {
    divan::main();
}

/// Two hosts and no network between them.
struct Pair {
    now: Instant,
    client: Host,
    server: Host,
    listener: ListenerId,
    addresses: Vec<IpAddr>,
    ends: Vec<(ConnectionId, ConnectionId)>,
    rng: Rng,
}

impl Pair {
    /// Each server address takes 10,000 connections, out of 14,000 ports that are tried first.
    fn with_connections(count: usize) -> Self {
        let servers = u32::try_from(count / 10_000 + 1).unwrap();
        let addresses: Vec<IpAddr> =
            (0..servers).map(|n| Ipv4Addr::from(0x0a01_0000 + n).into()).collect();
        let host = |addresses, seed| {
            let config = Config { connections_max: 2 << 20, ..Config::linux(addresses) };
            Host::new(config, Rng::new(seed))
        };
        let mut server = host(addresses.clone(), 2);
        let listener = server.listen(SocketAddr::from(([0; 4], 80)), 16).unwrap();
        let client = host(vec![Ipv4Addr::new(10, 0, 0, 1).into()], 1);
        let (now, ends, rng) = (Instant::EPOCH, Vec::new(), Rng::new(3));
        let mut pair = Self { now, client, server, listener, addresses, ends, rng };
        for _ in 0..count {
            pair.open();
        }
        pair
    }

    fn open(&mut self) {
        let address = self.addresses[self.ends.len() % self.addresses.len()];
        let client = self.client.connect(self.now, None, SocketAddr::new(address, 80)).unwrap();
        self.carry();
        let server = self.server.accept(self.listener).unwrap();
        self.ends.push((client, server));
    }

    /// Sends a request and a response over one of the connections.
    fn exchange(&mut self) -> usize {
        let (client, server) = self.ends[self.rng.index(self.ends.len())];
        let mut buffer = [0; 256];
        self.client.send(self.now, client, &REQUEST).unwrap();
        let mut packets = self.carry();
        self.server.receive(self.now, server, &mut buffer).unwrap();
        self.server.send(self.now, server, &RESPONSE).unwrap();
        packets += self.carry();
        self.client.receive(self.now, client, &mut buffer).unwrap();
        self.now = self.now + Duration::from_millis(50);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        packets + self.carry()
    }

    fn carry(&mut self) -> usize {
        let mut packets = 0;
        loop {
            let before = packets;
            while let Some(output) = self.client.poll_output() {
                if let Output::Packet(packet) = output {
                    packets += 1;
                    self.server.handle_packet(self.now, packet);
                }
            }
            while let Some(output) = self.server.poll_output() {
                if let Output::Packet(packet) = output {
                    packets += 1;
                    self.client.handle_packet(self.now, packet);
                }
            }
            if packets == before {
                return packets;
            }
        }
    }
}

/// Requests and responses on connections chosen by chance; the time of an item is that of a packet
/// built by one host and taken by the other.
#[divan::bench(args = [1, 1_000, 100_000, 1_000_000], sample_count = 20)]
fn exchange(bencher: Bencher<'_, '_>, connections: usize) {
    let mut pair = Pair::with_connections(connections);
    for _ in 0..1_000 {
        pair.exchange();
    }
    bencher.counter(ItemsCount::new(1_000 * EXCHANGE_PACKETS)).bench_local(|| {
        let packets: usize = (0..1_000).map(|_| pair.exchange()).sum();
        assert!(packets.abs_diff(1_000 * EXCHANGE_PACKETS) < 1_500, "{packets}");
    });
}

/// One direction of bulk data; an item is a byte.
#[divan::bench(sample_count = 50)]
fn bulk(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::with_connections(1);
    let (client, server) = pair.ends[0];
    let (data, mut buffer) = (vec![7; 60_000], vec![0; 100_000]);
    bencher.counter(divan::counter::BytesCount::new(data.len())).bench_local(|| {
        pair.client.send(pair.now, client, &data).unwrap();
        pair.carry();
        pair.server.receive(pair.now, server, &mut buffer).unwrap();
        pair.carry();
        pair.now = pair.now + Duration::from_millis(1);
    });
}

/// Opening a connection, from SYN to accept.
#[divan::bench(args = [1_000, 100_000], sample_count = 20)]
fn open(bencher: Bencher<'_, '_>, connections: usize) {
    let mut pair = Pair::with_connections(connections);
    bencher.counter(ItemsCount::new(100_usize)).bench_local(|| {
        for _ in 0..100 {
            pair.open();
        }
    });
}
