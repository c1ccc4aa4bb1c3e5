//! What hostile captures ask for: more connections than there is room for.

use std::net::{Ipv4Addr, SocketAddr};

use halfopen_capture::{Limits, Tracker};
use halfopen_core::cause::Cause;
use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;
use halfopen_core::wire::tcp::{Flags, Segment};

const SERVER: ([u8; 4], u16) = ([198, 51, 100, 10], 80);

fn syn(rng: &mut Rng) -> Packet {
    let any = |rng: &mut Rng, bound| u32::try_from(rng.below(bound)).unwrap_or(0);
    let address = Ipv4Addr::from(0x0a00_0000 | any(rng, 1 << 16));
    let port = u16::try_from(any(rng, 1 << 16)).unwrap_or(0);
    let (client, seq) = (SocketAddr::from((address, port)), Seq(any(rng, 1 << 32)));
    Segment { seq, ..Segment::new(client, SERVER.into(), Flags::SYN) }.into_packet()
}

#[test]
fn a_flood_of_syns_is_counted_and_accuses_nobody() {
    let limits = Limits { flows: 1_000, paths: 10 };
    let mut tracker = Tracker::new(limits, 0);
    let mut rng = Rng::new(5961);
    for number in 1..=200_000_u64 {
        let at = Instant::EPOCH + Duration::from_micros(number);
        tracker.take(number, Some(at), syn(&mut rng).view());
    }
    let diagnosis = tracker.diagnose();
    assert_eq!(diagnosis.counts.connections + diagnosis.counts.untracked, 200_000);
    assert_eq!(diagnosis.flows.len(), 1_000);
    assert!(diagnosis.paths.iter().all(|path| path.cause == Cause::None), "{:?}", diagnosis.paths);
}

#[test]
fn more_servers_than_there_is_room_for_are_counted() {
    let mut tracker = Tracker::new(Limits { flows: 1_000, paths: 10 }, 0);
    let client = SocketAddr::from(([10, 0, 0, 7], 40_000));
    for number in 1..=100_u8 {
        let server = SocketAddr::from(([203, 0, 113, number], 443));
        let packet = Segment::new(client, server, Flags::SYN).into_packet();
        tracker.take(number.into(), Some(Instant::EPOCH), packet.view());
    }
    let counts = tracker.diagnose().counts;
    assert_eq!((counts.connections, counts.untracked), (10, 90));
}
