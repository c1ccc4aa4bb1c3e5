//! What a world costs: the pause of the incident, and how the cost grows.
//!
//! `cargo bench -p halfopen-sim`

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::idle::{IdlePolicy, OnOrphan};
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::{PathId, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

fn main() {
    divan::main();
}

/// The connections from one client: below half of the ports it can choose from, so that finding a
/// free one stays cheap, as on Linux.
const CONNECTIONS_PER_CLIENT: u32 = 10_000;

fn address(network: u8, index: u32) -> IpAddr {
    let [_, b, c, d] = index.to_be_bytes();
    Ipv4Addr::new(network, b, c, d).into()
}

/// A world with one path: a NAT gateway that forgets after 350 seconds.
fn world_with_gateway() -> (World, PathId) {
    let mut world = World::from_seed(1);
    let mut idle = IdlePolicy { on_orphan_inside: OnOrphan::Reset, ..IdlePolicy::RFC };
    idle.timers.tcp_established = Some(Duration::from_secs(350));
    let config = GatewayConfig::nat(Ipv4Addr::new(203, 0, 113, 1).into(), idle);
    let gateway = Gateway::new(config, world.fork_rng()).unwrap();
    let path = world.add_path(Path::new(vec![Box::new(gateway)]));
    (world, path)
}

/// A world with one path: a link of ten milliseconds.
fn world_with_link() -> (World, PathId) {
    let mut world = World::from_seed(1);
    let config =
        LinkConfig { packets_max: 1 << 22, ..LinkConfig::delaying(Duration::from_millis(10)) };
    let link = Link::new(config, world.fork_rng());
    let path = world.add_path(Path::new(vec![Box::new(link)]));
    (world, path)
}

fn add_client(world: &mut World, path: PathId, index: u32) -> Host {
    world.add_host(HostConfig::new(format!("client-{index}"), [address(10, index)]).inside(path))
}

fn add_server(world: &mut World, path: PathId) -> Host {
    let config = HostConfig::new("server", [address(192, 0)]).outside(path);
    world.add_host(config.tcp(|tcp| tcp.connections_max = 1 << 24))
}

/// Answers every byte on every connection to `port`.
async fn serve(port: u16) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            while let Ok(byte) = stream.read_u8().await {
                if stream.write_u8(byte).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn exchange(stream: &mut TcpStream) {
    stream.write_u8(1).await.unwrap();
    stream.read_u8().await.unwrap();
}

/// The incident: a request, 351 seconds, a request that is reset. World and hosts included.
#[divan::bench(sample_size = 100)]
fn pause_of_351_seconds() {
    let (mut world, path) = world_with_gateway();
    let client = add_client(&mut world, path, 0);
    add_server(&mut world, path).spawn(serve(80));
    world
        .run_on(&client, async {
            let mut stream = TcpStream::connect((address(192, 0), 80)).await.unwrap();
            exchange(&mut stream).await;
            sleep(Duration::from_secs(351)).await;
            stream.write_u8(1).await.unwrap();
            stream.read_u8().await.unwrap_err();
        })
        .unwrap();
}

/// The same, over a thousand pauses of 349 seconds that the connection survives; an item is one
/// pause and one exchange.
#[divan::bench]
fn a_thousand_pauses_of_349_seconds(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(1_000_u32)).bench(|| {
        let (mut world, path) = world_with_gateway();
        let client = add_client(&mut world, path, 0);
        add_server(&mut world, path).spawn(serve(80));
        world.run_on(&client, async {
            let mut stream = TcpStream::connect((address(192, 0), 80)).await.unwrap();
            for _ in 0..1_000 {
                exchange(&mut stream).await;
                sleep(Duration::from_secs(349)).await;
            }
        })
    });
}

/// Making a world with a gateway and two hosts, and dropping it; part of what the others measure.
#[divan::bench(sample_size = 100)]
fn an_empty_world() -> World {
    let (mut world, path) = world_with_gateway();
    add_client(&mut world, path, 0);
    add_server(&mut world, path);
    world
}

/// Opens connections, ten thousand from each client, exchanges a byte on each, and holds them all
/// until the end. An item is a connection: seven packets, two tasks.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 3, sample_size = 1)]
fn connections_in_one_world(bencher: Bencher<'_, '_>, count: u32) {
    bench_connections(bencher, count);
}

/// The same with a million, which takes 2.4 GB: `cargo bench -p halfopen-sim -- --ignored`.
#[divan::bench(ignore, sample_count = 1, sample_size = 1)]
fn a_million_connections_in_one_world(bencher: Bencher<'_, '_>) {
    bench_connections(bencher, 1_000_000);
}

fn bench_connections(bencher: Bencher<'_, '_>, count: u32) {
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let (mut world, path) = world_with_link();
        add_server(&mut world, path).spawn(serve(80));
        let hosts = count.div_ceil(CONNECTIONS_PER_CLIENT);
        let clients: Vec<Host> =
            (0..hosts).map(|index| add_client(&mut world, path, index)).collect();
        world.run(open_and_hold(clients, count))
    });
}

/// As many connections, one from each host.
#[divan::bench(args = [10, 100, 1_000, 10_000, 100_000], sample_count = 3, sample_size = 1)]
fn hosts_in_one_world(bencher: Bencher<'_, '_>, count: u32) {
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let (mut world, path) = world_with_link();
        add_server(&mut world, path).spawn(serve(80));
        let clients: Vec<Host> =
            (0..count).map(|index| add_client(&mut world, path, index)).collect();
        world.run(open_and_hold(clients, count))
    });
}

/// Opens connections a thousand at a time, exchanges a byte on each, and closes them at the end.
async fn open_and_hold(clients: Vec<Host>, count: u32) {
    let mut held = Vec::new();
    let mut pending = Vec::new();
    for (index, client) in (0..count).zip(clients.iter().cycle()) {
        let client = client.clone();
        pending.push(tokio::spawn(async move {
            let mut stream = client.connect((address(192, 0), 80)).await.unwrap();
            exchange(&mut stream).await;
            stream
        }));
        if pending.len() == 1_000 || index + 1 == count {
            for task in pending.drain(..) {
                held.push(task.await.unwrap());
            }
        }
    }
    drop(held);
}

/// Sends megabytes over a link of ten milliseconds. An item is a packet of data.
#[divan::bench(args = [1, 10], sample_count = 10)]
fn megabytes_over_a_link(bencher: Bencher<'_, '_>, megabytes: u32) {
    let bytes = megabytes * 1_000_000;
    bencher.counter(ItemsCount::new(bytes / 1_448)).bench(|| {
        let (mut world, path) = world_with_link();
        let client = add_client(&mut world, path, 0);
        let received = add_server(&mut world, path).spawn(async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap()
        });
        world.run_on(&client, async move {
            let mut stream = TcpStream::connect((address(192, 0), 80)).await.unwrap();
            stream.write_all(&vec![7; bytes as usize]).await.unwrap();
            drop(stream);
            assert_eq!(received.await.unwrap(), u64::from(bytes));
        })
    });
}
