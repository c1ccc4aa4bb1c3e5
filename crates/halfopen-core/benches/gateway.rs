//! What a remembered flow costs: nanoseconds a packet, and bytes.
//!
//! `cargo bench -p halfopen-core --bench gateway`

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Hop as _, Output, Side};
use halfopen_core::idle::{Capacity, IdlePolicy};
use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;
use halfopen_core::wire::tcp::{Flags, Segment};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Packets in one sample.
const BATCH: usize = 1_000;
/// Destinations that the flows share.
const SERVERS: u32 = 64;

fn main() {
    divan::main();
}

/// A packet of any flow, from either side, refreshes it and passes: divide by the batch.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 1_000)]
fn pass(bencher: Bencher<'_, '_>, flows: u32) {
    let (gateway, names) = established(flows);
    let gateway = RefCell::new((gateway, Instant::EPOCH + Duration::from_secs(1)));
    let rng = RefCell::new(Rng::new(60));
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| {
            let mut rng = rng.borrow_mut();
            let batch: Vec<_> = (0..BATCH).map(|_| packet_of(rng.pick(&names), &mut rng)).collect();
            (batch, Vec::with_capacity(BATCH))
        })
        .bench_local_values(|(batch, mut passed)| {
            let (gateway, now) = &mut *gateway.borrow_mut();
            for (side, packet) in batch {
                *now = *now + Duration::from_nanos(100);
                gateway.handle_packet(*now, side, packet);
                passed.extend(gateway.poll_output());
            }
            passed
        });
}

/// A gateway remembers so many flows from nothing: divide the time and the bytes allocated.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 5)]
fn remember(bencher: Bencher<'_, '_>, flows: u32) {
    bencher.counter(ItemsCount::new(flows)).bench_local(|| {
        let mut gateway = gateway();
        for flow in 0..flows {
            open(&mut gateway, flow);
        }
        gateway
    });
}

/// The ends of a flow: inside, outside, and as named outside.
type Names = (SocketAddr, SocketAddr, SocketAddr);

fn gateway() -> Gateway {
    let capacity = Capacity { flows: 1 << 20, ..IdlePolicy::RFC.capacity };
    let idle = IdlePolicy { capacity, ..IdlePolicy::RFC };
    let external = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    Gateway::new(GatewayConfig::nat(external, idle), Rng::new(1))
        .expect("the configuration is good")
}

fn established(flows: u32) -> (Gateway, Vec<Names>) {
    let mut gateway = gateway();
    let names = (0..flows).map(|flow| {
        let (inside, outside, external) = open(&mut gateway, flow);
        send(&mut gateway, Side::Outside, segment((outside, external), Flags(0x12), 0, 1));
        send(&mut gateway, Side::Inside, segment((inside, outside), Flags::ACK, 1, 1));
        (inside, outside, external)
    });
    let names = names.collect();
    (gateway, names)
}

fn open(gateway: &mut Gateway, flow: u32) -> Names {
    let inside = SocketAddr::new(Ipv4Addr::from(0x0a00_0000 + flow / 50_000).into(), port(flow));
    let outside = SocketAddr::new(Ipv4Addr::from(0xc633_6400 + flow % SERVERS).into(), 443);
    let syn = segment((inside, outside), Flags::SYN, 0, 0);
    let sent = send(gateway, Side::Inside, syn).expect("there is a port");
    let external = sent.view().flow().expect("it is a segment").initiator;
    (inside, outside, external)
}

fn port(flow: u32) -> u16 {
    u16::try_from(10_000 + flow % 50_000).expect("it is below 60,000")
}

fn send(gateway: &mut Gateway, side: Side, packet: Packet) -> Option<Packet> {
    gateway.handle_packet(Instant::EPOCH, side, packet);
    let mut sent = None;
    while let Some(output) = gateway.poll_output() {
        if let Output::Packet(_, packet) = output {
            sent = Some(packet);
        }
    }
    sent
}

fn packet_of(&(inside, outside, external): &Names, rng: &mut Rng) -> (Side, Packet) {
    if rng.chance(0.5) {
        (Side::Inside, segment((inside, outside), Flags::ACK, 1, 1))
    } else {
        (Side::Outside, segment((outside, external), Flags::ACK, 1, 1))
    }
}

fn segment((src, dst): (SocketAddr, SocketAddr), flags: Flags, seq: u32, ack: u32) -> Packet {
    let segment = Segment::new(src, dst, flags);
    Segment { seq: Seq(seq), ack: Seq(ack), window: 64_000, ..segment }.into_packet()
}
