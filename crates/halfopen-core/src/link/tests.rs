use core::num::NonZeroU16;

use super::*;
use crate::wire::tcp::{Flags, Segment};
use crate::wire::{Offload, udp};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A packet of `length` bytes that carries a number.
fn numbered(number: u16, length: usize) -> Packet {
    let mut payload = vec![0; length - 28];
    payload[..2].copy_from_slice(&number.to_be_bytes());
    udp::datagram("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap(), &payload)
}

fn number(packet: &Packet) -> u16 {
    let payload = packet.view().payload();
    u16::from_be_bytes([payload[0], payload[1]])
}

/// Sends `count` packets of 1,000 bytes outward, a millisecond apart, and returns when and in what
/// order they arrive, and why some do not.
fn run(config: LinkConfig, count: u16) -> (Vec<(Instant, u16)>, Vec<Discard>) {
    let mut link = Link::new(config, Rng::new(5));
    let (mut arrivals, mut discards) = (Vec::new(), Vec::new());
    let mut now = Instant::EPOCH;
    let mut collect = |link: &mut Link, now| {
        while let Some(output) = link.poll_output() {
            match output {
                Output::Packet(side, packet) => {
                    assert_eq!(side, Side::Outside);
                    arrivals.push((now, number(&packet)));
                }
                Output::Event(Event { kind: EventKind::Discarded { why, .. }, .. }) => {
                    discards.push(why);
                }
                Output::Event(event) => panic!("{event:?}"),
            }
        }
    };
    for sent in 0..count {
        link.handle_packet(now, Side::Inside, numbered(sent, 1_000));
        collect(&mut link, now);
        now = now + ms(1);
        while let Some(due) = link.poll_timeout().filter(|&due| due < now) {
            link.handle_timeout(due);
            collect(&mut link, due);
        }
    }
    while let Some(due) = link.poll_timeout() {
        link.handle_timeout(due);
        collect(&mut link, due);
    }
    (arrivals, discards)
}

#[test]
fn an_ideal_link_is_not_there() {
    let (arrivals, _) = run(LinkConfig::IDEAL, 3);
    assert_eq!(arrivals, [(0, 0), (1, 1), (2, 2)].map(|(at, n)| (Instant::EPOCH + ms(at), n)));
}

#[test]
fn jitter_changes_times_and_not_the_order() {
    let config = LinkConfig { jitter: ms(50), ..LinkConfig::delaying(ms(20)) };
    let (arrivals, _) = run(config, 500);
    assert!(arrivals.is_sorted());
    let travel = arrivals.iter().map(|&(at, n)| at.saturating_since(Instant::EPOCH + ms(n.into())));
    assert!(travel.clone().all(|time| time >= ms(20) && time <= ms(70)));
    assert!(travel.max() > Some(ms(60)));
}

#[test]
fn a_packet_that_is_held_back_is_overtaken() {
    let config = LinkConfig { reordering: 0.1, held_back: ms(10), ..LinkConfig::IDEAL };
    let (arrivals, _) = run(config, 1_000);
    let late = arrivals.iter().filter(|&&(at, n)| at == Instant::EPOCH + ms(u64::from(n) + 10));
    assert!((60..140).contains(&late.count()));
    assert_eq!(arrivals.len(), 1_000);
}

#[test]
fn a_lossy_link_loses_its_share_and_says_which() {
    let (arrivals, discards) = run(LinkConfig { loss: 0.05, ..LinkConfig::IDEAL }, 10_000);
    assert!((400..600).contains(&discards.len()), "{}", discards.len());
    assert!(discards.iter().all(|&why| why == Discard::Lost));
    assert_eq!(arrivals.len() + discards.len(), 10_000);
}

#[test]
fn a_duplicate_comes_after_its_original() {
    let (arrivals, _) = run(LinkConfig { duplication: 1.0, ..LinkConfig::IDEAL }, 2);
    assert_eq!(arrivals.iter().map(|&(_, n)| n).collect::<Vec<_>>(), [0, 0, 1, 1]);
}

#[test]
fn a_thin_link_fills_its_queue_and_then_drops() {
    // 1,000 bytes take 2 ms and come every 1 ms; the queue holds three of them.
    let bits_per_second = NonZeroU64::new(4_000_000).unwrap();
    let bandwidth = Some(Bandwidth { bits_per_second, queue: 3_000 });
    let (arrivals, discards) = run(LinkConfig { bandwidth, ..LinkConfig::IDEAL }, 100);
    let gaps = arrivals.windows(2).map(|pair| pair[1].0.saturating_since(pair[0].0));
    assert!(gaps.into_iter().all(|gap| gap == ms(2)));
    assert!((40..60).contains(&discards.len()), "{}", discards.len());
    assert!(discards.iter().all(|&why| why == Discard::QueueFull));
}

#[test]
fn a_packet_longer_than_the_mtu_vanishes() {
    let (arrivals, discards) = run(LinkConfig { mtu: Some(999), ..LinkConfig::IDEAL }, 1);
    assert_eq!((arrivals.len(), discards), (0, vec![Discard::TooBig]));
}

#[test]
fn directions_do_not_share_their_chance() {
    let deaf = LinkConfig { loss: 1.0, ..LinkConfig::IDEAL };
    let mut link = Link::asymmetric(LinkConfig::IDEAL, deaf, Rng::new(1));
    link.handle_packet(Instant::EPOCH, Side::Inside, numbered(0, 100));
    assert!(matches!(link.poll_output(), Some(Output::Packet(Side::Outside, _))));
    link.handle_packet(Instant::EPOCH, Side::Outside, numbered(0, 100));
    assert!(matches!(link.poll_output(), Some(Output::Event(_))));
}

/// Sends a packet that stands for five outward, and returns what each that arrives stands for, and
/// how many do not.
fn run_five_in_one(config: LinkConfig) -> (Vec<usize>, usize) {
    let size = NonZeroU16::new(1_000).unwrap();
    let ends = ["10.0.0.1:1", "10.0.0.2:2"].map(|end| end.parse().unwrap());
    let segment = Segment { payload: &[0; 4_100], ..Segment::new(ends[0], ends[1], Flags::ACK) };
    let bytes = segment.into_packet().into_bytes();
    let packet = Packet::parse_offloaded(bytes, Offload::Segmentation(size)).unwrap();
    let mut link = Link::new(config, Rng::new(5));
    link.handle_packet(Instant::EPOCH, Side::Inside, packet);
    link.handle_timeout(Instant::EPOCH + ms(1_000));
    let mut outcome = (Vec::new(), 0);
    while let Some(output) = link.poll_output() {
        match output {
            Output::Packet(_, packet) => outcome.0.push(packet.count()),
            Output::Event(_) => outcome.1 += 1,
        }
    }
    outcome
}

#[test]
fn what_travels_together_is_not_cut_up() {
    let delaying = LinkConfig::delaying(ms(10));
    assert_eq!(run_five_in_one(delaying), (vec![5], 0));
    let full = LinkConfig { packets_max: 3, ..delaying };
    assert_eq!(run_five_in_one(full), (vec![1; 3], 2));
    let jittering = LinkConfig { jitter: ms(1), ..delaying };
    assert_eq!(run_five_in_one(jittering), (vec![1; 5], 0));
    let narrow = LinkConfig { mtu: Some(500), ..delaying };
    assert_eq!(run_five_in_one(narrow), (vec![1], 4));
}
