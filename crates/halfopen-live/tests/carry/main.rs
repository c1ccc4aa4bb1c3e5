//! Real packets through a path: sockets of two network namespaces, and hops between them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod bulk;
#[path = "../contained/owner.rs"]
mod owner;
mod stage;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Command, Demise, EventKind, Hop, Reaction};
use halfopen_core::idle::{IdlePolicy, OnOrphan};
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};

use owner::as_owner;
use stage::{EXTERNAL, Ran, SERVER, SERVER_V6, Stage};

/// Nothing here takes nearly that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Long enough to ask and answer in between.
const IDLE: Duration = Duration::from_secs(2);

/// A gateway that resets who goes on after it forgot.
fn gateway(idle: Duration) -> Box<dyn Hop> {
    let mut policy = IdlePolicy { on_orphan_inside: OnOrphan::Reset, ..IdlePolicy::RFC };
    policy.timers.tcp_established = Some(idle);
    let config = GatewayConfig::nat(IpAddr::V4(EXTERNAL), policy);
    Box::new(Gateway::new(config, Rng::new(350)).expect("a gateway"))
}

/// A connection through a stage, and the address that the server sees.
fn connect(stage: &Stage, server: IpAddr) -> (TcpStream, TcpStream, SocketAddr) {
    let listener = stage.server.run(|| TcpListener::bind((server, 80)).unwrap()).unwrap();
    let address = listener.local_addr().expect("an address");
    let client = stage.client.run(|| TcpStream::connect(address).unwrap()).unwrap();
    let (server, peer) = listener.accept().expect("to accept");
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    }
    (client, server, peer)
}

fn ask_and_answer(client: &mut TcpStream, server: &mut TcpStream) {
    let mut heard = [0; 8];
    client.write_all(b"question").expect("to ask");
    server.read_exact(&mut heard).expect("to hear");
    assert_eq!(&heard, b"question");
    server.write_all(b"answered").expect("to answer");
    client.read_exact(&mut heard).expect("to hear");
    assert_eq!(&heard, b"answered");
}

#[test]
fn packets_of_both_families_pass_a_path_without_hops() {
    as_owner(|| {
        let stage = Stage::new(Path::default());
        for server in [IpAddr::V4(SERVER), IpAddr::V6(SERVER_V6)] {
            let (mut client, mut server, peer) = connect(&stage, server);
            assert_eq!(peer, client.local_addr().expect("an address"));
            ask_and_answer(&mut client, &mut server);
        }
        let status = stage.carrier.status();
        assert!(status.taken.inside >= 6, "{status:?}");
        assert_eq!(status.resets.inside, 0);
        assert_eq!(status.passed_over.malformed, 0);
    });
}

#[test]
fn a_gateway_translates_real_packets() {
    as_owner(|| {
        let stage = Stage::new(Path::new(vec![gateway(PATIENCE)]));
        let (mut client, mut server, peer) = connect(&stage, SERVER.into());
        assert_eq!(peer.ip(), EXTERNAL);
        ask_and_answer(&mut client, &mut server);
        let datagram = stage.client.run(|| UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap();
        let receiver = stage.server.run(|| UdpSocket::bind((SERVER, 53)).unwrap()).unwrap();
        receiver.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        datagram.send_to(b"a datagram", (SERVER, 53)).expect("to send");
        let mut heard = [0; 16];
        let (length, from) = receiver.recv_from(&mut heard).expect("to hear");
        assert_eq!((&heard[..length], from.ip()), (&b"a datagram"[..], IpAddr::V4(EXTERNAL)));
        assert_eq!(stage.carrier.status().hops[0].held(), 2);
    });
}

#[test]
fn a_forgotten_connection_is_reset_by_its_next_packet() {
    as_owner(|| {
        let stage = Stage::new(Path::new(vec![gateway(IDLE)]));
        let (mut client, mut server, _) = connect(&stage, SERVER.into());
        ask_and_answer(&mut client, &mut server);
        let remembered = stage.events.recv_timeout(PATIENCE).expect("an event");
        assert!(matches!(remembered.kind, EventKind::Remembered { .. }), "{remembered:?}");
        let forgot = stage.events.recv_timeout(PATIENCE).expect("an event");
        let EventKind::Forgot { idle, because, .. } = forgot.kind else { panic!("{forgot:?}") };
        assert_eq!((idle, because), (IDLE, Demise::Idle));
        client.write_all(b"question").expect("to ask");
        let error = client.read(&mut [0]).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let orphaned = stage.events.recv_timeout(PATIENCE).expect("an event");
        assert!(
            matches!(orphaned.kind, EventKind::Orphaned { reaction: Reaction::Reset, .. }),
            "{orphaned:?}"
        );
        let carrier = stage.carrier.clone();
        let Ran { delays, .. } = stage.stop();
        let status = carrier.status();
        assert_eq!((status.hops[0].remembered, status.hops[0].forgotten), (1, 1));
        assert_eq!((status.resets.inside, status.resets.outside), (1, 0));
        assert!(delays.count() >= 1, "{delays:?}");
        assert!(delays.quantile(1.0) < PATIENCE, "{delays:?}");
    });
}

#[test]
fn a_link_delays_real_packets() {
    as_owner(|| {
        let delay = Duration::from_millis(100);
        let link = Link::new(LinkConfig::delaying(delay), Rng::new(1));
        let stage = Stage::new(Path::new(vec![Box::new(link)]));
        let begin = stage.clock.now();
        let (mut client, mut server, _) = connect(&stage, SERVER.into());
        ask_and_answer(&mut client, &mut server);
        let took = stage.clock.now().saturating_since(begin);
        assert!(took >= 4 * delay, "two round trips took {took:?}");
    });
}

#[test]
fn commands_are_carried_out_at_their_time() {
    as_owner(|| {
        let stage = Stage::new(Path::new(vec![gateway(PATIENCE)]));
        let _connection = connect(&stage, SERVER.into());
        let [sooner, later] =
            [200, 400].map(|millis| stage.clock.now() + Duration::from_millis(millis));
        stage.carrier.command(later, 0, Command::Flush);
        stage.carrier.command(sooner, 0, Command::Flush);
        let remembered = stage.events.recv_timeout(PATIENCE).expect("an event");
        assert!(matches!(remembered.kind, EventKind::Remembered { .. }), "{remembered:?}");
        let forgot = stage.events.recv_timeout(PATIENCE).expect("an event");
        assert!(
            matches!(forgot.kind, EventKind::Forgot { because: Demise::Flushed, .. }),
            "{forgot:?}"
        );
        assert_eq!(forgot.at, sooner);
    });
}

#[test]
fn a_carrier_that_was_stopped_returns() {
    as_owner(|| {
        let stage = Stage::new(Path::default());
        assert_eq!(stage.stop().delays.count(), 0);
    });
}

#[test]
fn events_that_nobody_hears_are_counted() {
    as_owner(|| {
        let stage = Stage::new(Path::new(vec![gateway(PATIENCE)]));
        let socket = stage.client.run(|| UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap();
        let at = Instant::EPOCH + PATIENCE;
        let mut sent = 0;
        while stage.carrier.status().events_missed == 0 {
            socket.send_to(b"x", (SERVER, 1000 + sent)).expect("to send");
            sent = (sent + 1) % 2000;
            assert!(stage.clock.now() < at, "{:?}", stage.carrier.status());
            thread::yield_now();
        }
    });
}

#[test]
fn a_carrier_takes_no_memory_for_packets() {
    as_owner(|| {
        let stage = Stage::new(Path::new(vec![gateway(PATIENCE)]));
        let (mut client, mut server, _) = connect(&stage, SERVER.into());
        thread::scope(|scope| {
            scope.spawn(|| client.write_all(&vec![7; 32 << 20]).unwrap());
            server.read_exact(&mut vec![0; 32 << 20]).unwrap();
        });
        for _ in 0..1_000 {
            ask_and_answer(&mut client, &mut server);
        }
        let carrier = stage.carrier.clone();
        let Ran { allocations, .. } = stage.stop();
        let handed = carrier.status().handed;
        assert!(handed.inside + handed.outside > 20_000, "{handed:?}");
        // What it begins with: buffers, the flow, and queues that grow to what they need.
        assert!(allocations < 100, "{allocations} allocations");
    });
}
