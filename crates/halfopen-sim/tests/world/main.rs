//! What programs meet in a world.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::Duration;

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::Hop;
use halfopen_core::idle::{IdlePolicy, OnOrphan};
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::TcpListener;
use halfopen_sim::world::{PathId, World};

mod balancer;
mod determinism;
mod endings;
mod http;
mod idle;
mod places;
mod programs;
mod sockets;

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sends back what it is sent, on every connection to port 80.
fn echo(server: &Host) {
    server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            halfopen_sim::spawn(async move {
                let (mut read, mut write) = stream.split();
                // A connection that breaks is the client's to judge.
                let _broken = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
}

/// A policy as AWS documents its NAT gateway's: 350 seconds, then `on_orphan_inside` for who goes
/// on from inside.
fn idle_policy(on_orphan_inside: OnOrphan) -> IdlePolicy {
    let mut policy = IdlePolicy { on_orphan_inside, ..IdlePolicy::RFC };
    policy.timers.tcp_established = Some(seconds(350));
    policy
}

/// A client and an echo with a NAT gateway between, and 5.000123 milliseconds each way.
struct Scene {
    world: World,
    path: PathId,
    client: Host,
    server: Host,
}

impl Scene {
    fn new(on_orphan_inside: OnOrphan) -> Self {
        Self::with_link(1, on_orphan_inside, LinkConfig::delaying(Duration::from_nanos(5_000_123)))
    }

    fn with_link(seed: u64, on_orphan_inside: OnOrphan, link: LinkConfig) -> Self {
        let mut world = World::from_seed(seed);
        let config = GatewayConfig::nat(ip("203.0.113.1"), idle_policy(on_orphan_inside));
        let gateway = Gateway::new(config, world.fork_rng()).unwrap();
        let link = Link::new(link, world.fork_rng());
        let hops: Vec<Box<dyn Hop>> = vec![Box::new(gateway), Box::new(link)];
        let path = world.add_path(Path::new(hops));
        let client = world.add_host(HostConfig::new("client", [ip("10.0.0.7")]).inside(path));
        let server = world.add_host(HostConfig::new("server", [ip("198.51.100.2")]).outside(path));
        echo(&server);
        Self { world, path, client, server }
    }
}
