//! What an idle connection meets behind a gateway, and how its program learns of it.

use std::io::{self, ErrorKind};
use std::time::Duration;

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Command, Demise, EventKind, Reaction};
use halfopen_core::idle::OnOrphan;
use halfopen_core::path::Path;
use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Instant;
use halfopen_sim::host::HostConfig;
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::{Scene, idle_policy, ip, seconds};

/// Sends a request and reads the echo.
async fn request(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"request").await?;
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).await?;
    assert_eq!(&reply, b"request");
    Ok(())
}

/// Connects, makes a request, pauses, and returns what the next request meets and how long that
/// takes.
fn request_after(
    scene: &mut Scene,
    pause: Duration,
    set_up: fn(&TcpStream) -> io::Result<()>,
) -> (io::Result<()>, Duration) {
    let program = async {
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        set_up(&stream).unwrap();
        request(&mut stream).await.unwrap();
        sleep(pause).await;
        let begin = tokio::time::Instant::now();
        (request(&mut stream).await, begin.elapsed())
    };
    scene.world.run_on(&scene.client, program).unwrap()
}

fn kinds(scene: &mut Scene) -> Vec<EventKind> {
    scene.world.take_events().into_iter().map(|occurrence| occurrence.event.kind).collect()
}

#[test]
fn a_pause_below_the_limit_is_survived() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let (outcome, took) = request_after(&mut scene, seconds(349), |_| Ok(()));
    outcome.unwrap();
    assert_eq!(took, Duration::from_nanos(2 * 5_000_123));
    assert!(matches!(*kinds(&mut scene), [EventKind::Remembered { .. }]));
}

#[test]
fn a_request_after_350_seconds_is_reset_by_the_gateway_and_never_reaches_the_server() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let (outcome, took) = request_after(&mut scene, seconds(351), |_| Ok(()));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionReset);
    // The gateway stands next to the client.
    assert_eq!(took, Duration::ZERO);
    let events = scene.world.take_events();
    let kinds: Vec<_> = events.iter().map(|occurrence| &occurrence.event.kind).collect();
    let [
        EventKind::Remembered { .. },
        EventKind::Forgot { because: Demise::Idle, idle, .. },
        EventKind::Orphaned { reaction: Reaction::Reset, forgotten: Some(_), .. },
        ..,
    ] = *kinds
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(*idle, seconds(350));
    assert_eq!((events[0].path, events[0].event.hop), (scene.path, 0));
}

#[test]
fn a_silent_gateway_makes_a_request_hang_until_the_user_timeout() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let (outcome, took) = request_after(&mut scene, seconds(351), |stream| {
        stream.set_user_timeout(Some(seconds(30)))
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!((seconds(30)..seconds(31)).contains(&took), "{took:?}");
}

#[test]
fn a_silent_gateway_makes_a_request_hang_for_a_quarter_of_an_hour() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let (outcome, took) = request_after(&mut scene, seconds(351), |_| Ok(()));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
    // ip-sysctl, tcp_retries2: 924.6 seconds is a lower bound
    assert!((seconds(924)..seconds(950)).contains(&took), "{took:?}");
}

#[test]
fn keepalive_probes_keep_a_connection_alive_through_a_pause_of_a_day() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let (outcome, _) = request_after(&mut scene, Duration::from_hours(24), |stream| {
        let (idle, interval) = (seconds(300), seconds(10));
        stream.set_keepalive(Some(Keepalive { idle, interval, count: 3 }))
    });
    outcome.unwrap();
    assert!(matches!(*kinds(&mut scene), [EventKind::Remembered { .. }]));
}

#[test]
fn keepalive_at_the_system_default_comes_too_late() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let (outcome, _) = request_after(&mut scene, Duration::from_hours(3), |stream| {
        stream.set_keepalive(Some(Keepalive::LINUX))
    });
    // The probe after two hours met the gateway's reset; the program is told when it next writes.
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_flush_of_the_table_kills_a_connection_that_was_not_idle_for_long() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let at = Instant::from_nanos(100_000_000_001);
    scene.world.command_at(at, scene.path, 0, Command::Flush);
    let (outcome, _) = request_after(&mut scene, seconds(120), |_| Ok(()));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let events = scene.world.take_events();
    let flushed = events.iter().find(|occurrence| {
        matches!(occurrence.event.kind, EventKind::Forgot { because: Demise::Flushed, .. })
    });
    assert_eq!(flushed.unwrap().event.at, at);
}

#[test]
fn a_firewall_forgets_ipv6_as_it_does_ipv4() {
    let mut world = World::from_seed(1);
    let config = GatewayConfig::firewall(idle_policy(OnOrphan::Reset));
    let firewall = Gateway::new(config, world.fork_rng()).unwrap();
    let path = world.add_path(Path::new(vec![Box::new(firewall)]));
    let client = HostConfig::new("client", [ip("2001:db8::7")]).inside(path);
    let client = world.add_host(client);
    let server = HostConfig::new("server", [ip("2001:db8:1::2")]).outside(path);
    world.add_host(server).spawn(async {
        let listener = TcpListener::bind("[::]:80").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await
    });
    let error = world.run_on(&client, async {
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        request(&mut stream).await.unwrap();
        sleep(seconds(351)).await;
        request(&mut stream).await.unwrap_err()
    });
    assert_eq!(error.unwrap().kind(), ErrorKind::ConnectionReset);
}
