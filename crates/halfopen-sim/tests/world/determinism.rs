//! Same seed, same bytes.

use std::time::Duration;

use halfopen_core::idle::OnOrphan;
use halfopen_core::link::LinkConfig;
use halfopen_core::tap;
use halfopen_sim::net::TcpStream;
use halfopen_sim::world::Place;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::Scene;

/// A link that does everything a link can do wrong.
fn rough() -> LinkConfig {
    LinkConfig {
        jitter: Duration::from_millis(3),
        reordering: 0.05,
        held_back: Duration::from_millis(9),
        loss: 0.05,
        duplication: 0.05,
        ..LinkConfig::delaying(Duration::from_millis(10))
    }
}

/// Sends `payload` over its own connection and checks that it comes back.
async fn exchange(payload: Vec<u8>) {
    let (mut read, mut write) = TcpStream::connect("server:80").await.unwrap().into_split();
    let sent = payload.clone();
    halfopen_sim::spawn(async move { write.write_all(&sent).await.unwrap() });
    let mut reply = vec![0; payload.len()];
    read.read_exact(&mut reply).await.unwrap();
    assert!(reply == payload, "what came back is not what was sent");
}

/// Returns the captures of four places of a world in which five programs talk over a rough link.
fn captures(seed: u64) -> Vec<Vec<u8>> {
    let Scene { mut world, path, client, .. } = Scene::with_link(seed, OnOrphan::Reset, rough());
    let pcap = tap::Config {
        format: tap::Format::Pcap,
        link_type: tap::LinkType::Ethernet,
        resolution: tap::Resolution::Micros,
        ..tap::Config::default()
    };
    let config = tap::Config { name: "client".to_owned(), ..tap::Config::default() };
    let places = [
        (Place::Host(&client), &config),
        (Place::Gap(path, 0), &pcap),
        (Place::Gap(path, 1), &pcap),
        (Place::Gap(path, 2), &config),
    ];
    let captures = places.map(|(place, config)| world.capture(place, Vec::new(), config).unwrap());
    let programs: Vec<_> =
        (0..5_u8).map(|index| client.spawn(exchange(vec![index; 40_000]))).collect();
    world
        .run(async {
            for program in programs {
                program.await.unwrap();
            }
        })
        .unwrap();
    captures.into_iter().map(|capture| capture.finish().unwrap()).collect()
}

#[test]
fn one_seed_makes_byte_identical_captures_at_every_place() {
    let (first, second, other) = (captures(350), captures(350), captures(351));
    assert!(first.iter().all(|capture| capture.len() > 200_000), "the captures hold the transfer");
    assert!(first == second, "two runs of one seed differ");
    assert!(first != other, "two seeds do not differ");
}

#[test]
fn what_is_sent_arrives_whole_over_rough_links_of_fifty_seeds() {
    for seed in 0..50 {
        let scene = Scene::with_link(seed, OnOrphan::Reset, rough());
        let Scene { mut world, client, .. } = scene;
        let payload = (0..=255).cycle().take(100_000).collect();
        // An error names the seed.
        world.run(async { client.spawn(exchange(payload)).await.unwrap() }).unwrap();
    }
}

#[test]
fn the_capture_at_a_host_is_that_of_the_gap_next_to_it() {
    let Scene { mut world, path, client, .. } = Scene::new(OnOrphan::Reset);
    let config = tap::Config::default();
    let at_host = world.capture(Place::Host(&client), Vec::new(), &config).unwrap();
    let at_gap = world.capture(Place::Gap(path, 0), Vec::new(), &config).unwrap();
    world.run_on(&client, exchange(vec![7; 10_000])).unwrap();
    assert!(at_host.finish().unwrap() == at_gap.finish().unwrap());
}

/// Sends one byte for the branch that won each of twenty races between two that are ready, and
/// returns the capture.
macro_rules! races {
    ($($biased:tt)*) => {{
        let Scene { mut world, path, client, .. } = Scene::new(OnOrphan::Reset);
        let capture = world.capture(Place::Gap(path, 0), Vec::new(), &tap::Config::default());
        let capture = capture.unwrap();
        world
            .run_on(&client, async {
                let mut stream = TcpStream::connect("server:80").await.unwrap();
                for _ in 0..20 {
                    let winner = tokio::select! {
                        $($biased)*
                        () = async {} => b'a',
                        () = async {} => b'b',
                    };
                    stream.write_u8(winner).await.unwrap();
                    sleep(Duration::from_millis(50)).await;
                }
            })
            .unwrap();
        capture.finish().unwrap()
    }};
}

#[test]
fn a_biased_select_is_the_same_every_time() {
    assert!(races!(biased;) == races!(biased;));
}

#[test]
#[cfg_attr(
    not(tokio_unstable),
    ignore = "tokio takes a seed for select! only with RUSTFLAGS='--cfg tokio_unstable'"
)]
fn a_select_is_the_same_every_time_if_tokio_takes_a_seed() {
    let first = races!();
    assert!((0..5).all(|_| races!() == first));
}
