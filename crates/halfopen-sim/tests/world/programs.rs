//! Programs, what becomes of them, and what is left of a world.

use std::sync::Arc;
use std::time::Duration;

use halfopen_core::idle::OnOrphan;
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::time::Instant;
use halfopen_sim::host::HostConfig;
use halfopen_sim::net::{TcpListener, TcpStream, lookup_host};
use halfopen_sim::world::{Config, Error, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::{Scene, ip, seconds};

#[test]
fn a_program_that_panics_ends_the_world_with_its_host_its_words_and_the_seed() {
    let mut world = World::from_seed(350);
    let host = world.add_host(HostConfig::new("billing", [ip("10.0.0.1")]));
    host.spawn(async {
        sleep(seconds(20)).await;
        panic!("no money in {}", "the till");
    });
    let error = world.run(sleep_for(seconds(60))).unwrap_err();
    let Error::Panicked { seed: 350, panic } = &error else { panic!("{error:?}") };
    assert_eq!((&*panic.host, &*panic.message), ("billing", "no money in the till"));
    assert_eq!(panic.at, Instant::EPOCH + seconds(20));
    assert!(error.to_string().contains("seed 350"), "{error}");
}

/// Sleeps, and makes its timer only when it runs in a world.
async fn sleep_for(duration: Duration) {
    sleep(duration).await;
}

#[test]
#[should_panic(expected = "the test itself")]
fn a_panic_of_the_program_that_is_run_is_its_callers() {
    let mut world = World::from_seed(1);
    world.run(async { panic!("the test itself") }).unwrap();
}

#[test]
#[should_panic(expected = "no host here")]
fn a_program_without_a_host_is_told_so() {
    let mut world = World::from_seed(1);
    world.run(TcpStream::connect("10.0.0.1:80")).unwrap().unwrap();
}

#[test]
fn a_task_of_plain_tokio_spawn_connects_through_its_host_by_name() {
    let Scene { mut world, client, .. } = Scene::new(OnOrphan::Reset);
    let stream = world.run(async {
        let host = client.clone();
        tokio::spawn(async move { host.connect("server:80").await.unwrap() }).await.unwrap()
    });
    assert_eq!(stream.unwrap().peer_addr().unwrap(), "198.51.100.2:80".parse().unwrap());
}

#[test]
fn names_stand_for_all_addresses_of_a_host() {
    let mut world = World::from_seed(1);
    let both = [ip("192.0.2.1"), ip("2001:db8::1")];
    let host = world.add_host(HostConfig::new("server", both));
    let found = world.run_on(&host, async { lookup_host("server:80").await.unwrap().collect() });
    let found: Vec<_> = found.unwrap();
    assert_eq!(found, both.map(|address| (address, 80).into()));
    assert_eq!(host.resolve("192.0.2.7:1").unwrap(), ["192.0.2.7:1".parse().unwrap()]);
}

#[test]
fn a_program_that_waits_for_what_never_comes_ends_at_the_limit() {
    let limit = Duration::from_hours(24);
    let mut world = World::new(Config { seed: 9, limit, ..Config::default() });
    let host = world.add_host(HostConfig::new("server", [ip("10.0.0.1")]));
    let error = world
        .run_on(&host, async {
            let listener = TcpListener::bind("10.0.0.1:80").await.unwrap();
            listener.accept().await.unwrap();
        })
        .unwrap_err();
    assert_eq!(error, Error::Unfinished { seed: 9, limit, active: Instant::EPOCH });
}

#[test]
fn programs_that_answer_each_other_at_one_instant_for_ever_are_stopped() {
    let mut world = World::new(Config { seed: 3, rounds_max: 1_000, ..Config::default() });
    let path = world.add_path(Path::default());
    let client = world.add_host(HostConfig::new("client", [ip("10.0.0.1")]).inside(path));
    let server = world.add_host(HostConfig::new("server", [ip("10.0.0.2")]).outside(path));
    crate::echo(&server);
    let error = world
        .run_on(&client, async {
            let mut stream = TcpStream::connect("server:80").await.unwrap();
            while stream.write_u8(1).await.is_ok() {
                stream.read_u8().await.unwrap();
            }
        })
        .unwrap_err();
    assert_eq!(error, Error::Stuck { seed: 3, at: Instant::EPOCH });
}

#[test]
fn a_world_that_is_dropped_in_the_middle_leaves_nothing() {
    let witness = Arc::new(());
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    let held = Arc::clone(&witness);
    client.spawn(async move {
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        let (read, write) = TcpStream::connect("server:80").await.unwrap().into_split();
        stream.read_u8().await.unwrap();
        drop((held, read, write));
    });
    world.run_until(Instant::EPOCH + seconds(1)).unwrap();
    assert_eq!(Arc::strong_count(&witness), 2);
    drop(world);
    assert_eq!(Arc::strong_count(&witness), 1);
    drop((client, server));
}

#[test]
fn a_stream_outlives_its_world_without_harm() {
    let Scene { mut world, client, .. } = Scene::new(OnOrphan::Reset);
    let stream = world.run_on(&client, TcpStream::connect("server:80")).unwrap().unwrap();
    drop(world);
    drop(stream);
}

#[test]
fn a_stream_that_is_dropped_between_two_runs_is_closed_in_the_next() {
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    let listening = server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:81").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read(&mut [0; 8]).await.unwrap()
    });
    world.run_on(&client, sleep_for(seconds(1))).unwrap();
    let stream = world.run_on(&client, TcpStream::connect("server:81")).unwrap().unwrap();
    drop(stream);
    assert_eq!(world.run(listening).unwrap().unwrap(), 0);
}

#[test]
fn a_thousand_hosts_talk_at_once() {
    let mut world = World::from_seed(1);
    let link = LinkConfig::delaying(Duration::from_millis(20));
    let link = Link::new(link, world.fork_rng());
    let path = world.add_path(Path::new(vec![Box::new(link)]));
    for index in 0..10 {
        let config = HostConfig::new(format!("server-{index}"), [ip(&format!("192.0.2.{index}"))]);
        crate::echo(&world.add_host(config.outside(path)));
    }
    let clients: Vec<_> = (0..1000)
        .map(|index| {
            let address = ip(&format!("10.0.{}.{}", index / 250, index % 250));
            let config = HostConfig::new(format!("client-{index}"), [address]).inside(path);
            world.add_host(config).spawn(async move {
                let mut stream = TcpStream::connect(format!("server-{}:80", index % 10)).await?;
                stream.write_u32(index).await?;
                stream.read_u32().await
            })
        })
        .collect();
    world
        .run(async {
            for (index, client) in (0..).zip(clients) {
                assert_eq!(client.await.unwrap().unwrap(), index);
            }
        })
        .unwrap();
    // All at once: a handshake and an exchange, each of 40 milliseconds.
    assert_eq!(world.now(), Instant::EPOCH + Duration::from_millis(80));
}
