//! Where hosts stand, which way packets go, and what is seen where.

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::EventKind;
use halfopen_core::idle::{IdlePolicy, OnOrphan};
use halfopen_core::path::Path;
use halfopen_core::tap;
use halfopen_sim::host::HostConfig;
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::{Config, PathId, Place, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Scene, echo, ip};

/// Adds a path with a NAT gateway that has this address outside.
fn add_gateway(world: &mut World, external: &str) -> PathId {
    let config = GatewayConfig::nat(ip(external), IdlePolicy::RFC);
    let gateway = Gateway::new(config, world.fork_rng()).unwrap();
    world.add_path(Path::new(vec![Box::new(gateway)]))
}

#[test]
fn a_server_behind_two_gateways_answers_through_the_one_that_asked() {
    let mut world = World::from_seed(1);
    let (one, two) =
        (add_gateway(&mut world, "203.0.113.1"), add_gateway(&mut world, "203.0.113.2"));
    // Both networks number their hosts alike.
    let same = [ip("10.0.0.7")];
    let first = world.add_host(HostConfig::new("first", same).inside(one));
    let second = world.add_host(HostConfig::new("second", same).inside(two));
    let server = HostConfig::new("server", [ip("198.51.100.2")]).outside(one).outside(two);
    let server = world.add_host(server.route(ip("203.0.113.2"), two));
    let peers = server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let mut peers = Vec::new();
        for _ in 0..2 {
            let (mut stream, peer) = listener.accept().await.unwrap();
            stream.write_u8(1).await.unwrap();
            peers.push(peer.ip());
        }
        peers
    });
    for client in [first, second] {
        world
            .run_on(&client, async {
                let mut stream = TcpStream::connect("server:80").await.unwrap();
                stream.read_u8().await.unwrap();
            })
            .unwrap();
    }
    assert_eq!(world.run(peers).unwrap().unwrap(), [ip("203.0.113.1"), ip("203.0.113.2")]);
    let events = world.take_events();
    let paths: Vec<_> = events.iter().map(|occurrence| occurrence.path).collect();
    assert_eq!(paths, [one, two]);
}

#[test]
fn a_tap_sees_a_packet_as_it_is_at_its_place() {
    let Scene { mut world, path, client, .. } = Scene::new(OnOrphan::Reset);
    let config = tap::Config { format: tap::Format::Pcap, ..tap::Config::default() };
    let inner = world.capture(Place::Gap(path, 0), Vec::new(), &config).unwrap();
    let outer = world.capture(Place::Gap(path, 2), Vec::new(), &config).unwrap();
    world.run_on(&client, TcpStream::connect("server:80")).unwrap().unwrap();
    // The file's header has 24 bytes, the record's 16; an IPv4 source is 12 bytes into the packet.
    let first_packet = |capture: &[u8]| {
        let nanos = u32::from_le_bytes(capture[28..32].try_into().unwrap());
        (nanos, <[u8; 4]>::try_from(&capture[52..56]).unwrap())
    };
    assert_eq!(first_packet(&inner.finish().unwrap()), (0, [10, 0, 0, 7]));
    assert_eq!(first_packet(&outer.finish().unwrap()), (5_000_123, [203, 0, 113, 1]));
}

#[test]
fn events_beyond_the_room_for_them_are_counted() {
    let mut world = World::new(Config { events_max: 2, ..Config::default() });
    let path = add_gateway(&mut world, "203.0.113.1");
    let client = world.add_host(HostConfig::new("client", [ip("10.0.0.7")]).inside(path));
    let server = world.add_host(HostConfig::new("server", [ip("198.51.100.2")]).outside(path));
    echo(&server);
    world
        .run_on(&client, async {
            let mut streams = Vec::new();
            for _ in 0..5 {
                streams.push(TcpStream::connect("server:80").await.unwrap());
            }
        })
        .unwrap();
    let events = world.take_events();
    assert!(matches!(events[0].event.kind, EventKind::Remembered { .. }));
    assert_eq!((events.len(), world.events_missed()), (2, 3));
}

#[test]
#[should_panic(expected = "two hosts are called server")]
fn a_name_is_given_once() {
    let mut world = World::from_seed(1);
    world.add_host(HostConfig::new("server", [ip("10.0.0.1")]));
    world.add_host(HostConfig::new("server", [ip("10.0.0.2")]));
}

#[test]
#[should_panic(expected = "takes 10.0.0.1 from another host")]
fn an_address_is_given_once_at_an_end() {
    let mut world = World::from_seed(1);
    let path = world.add_path(Path::default());
    world.add_host(HostConfig::new("one", [ip("10.0.0.1")]).inside(path));
    world.add_host(HostConfig::new("two", [ip("10.0.0.1")]).inside(path));
}
