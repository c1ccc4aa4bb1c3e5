use std::net::SocketAddr;

use halfopen_core::tap::Resolution;
use halfopen_core::tap::pcapng::Writer;
use halfopen_core::time::Duration;
use halfopen_core::wire::tcp;

use super::*;

fn client() -> SocketAddr {
    "10.0.0.7:40000".parse().unwrap()
}

fn server() -> SocketAddr {
    "198.51.100.10:80".parse().unwrap()
}

/// Writes a capture of segments: milliseconds, whether from the client, flags, seq, bytes.
fn capture(segments: &[(u64, bool, Flags, u32, usize)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let interface = writer.interface("", Resolution::Nanos, 101).unwrap();
    for (ip_id, &(ms, from_client, flags, seq, len)) in (1..).zip(segments) {
        let (src, dst) = if from_client { (client(), server()) } else { (server(), client()) };
        let payload = vec![b'x'; len];
        let segment = tcp::Segment {
            seq: Seq(seq),
            ack: Seq(501),
            payload: &payload,
            ip_id,
            ..tcp::Segment::new(src, dst, flags)
        };
        let packet = segment.into_packet();
        writer.write(interface, Duration::from_millis(ms), packet.bytes()).unwrap();
    }
    writer.into_inner()
}

fn look(bytes: &[u8], evidence: &[u64]) -> Lane {
    let place = |&frame: &u64| Place { capture: 0, frame };
    let evidence = evidence.iter().map(place).collect();
    let flow = FlowKey::tcp(client(), server());
    let mut scene = Scene::new(vec![Wanted { flow, point: Some(0), evidence }]);
    scene.read(0, 0, Reader::new(bytes).unwrap());
    scene.into_lanes().remove(0)
}

const DATA: Flags = Flags(0x18);

#[test]
fn a_pause_parts_two_runs() {
    let lane = look(
        &capture(&[
            (0, true, Flags::SYN, 100, 0),
            (1, false, Flags(0x12), 500, 0),
            (2, true, DATA, 101, 10),
            (350_000, true, DATA, 111, 10),
            (350_001, false, Flags::RST, 501, 0),
        ]),
        &[4, 5],
    );
    let [first, second] = lane.runs.as_slice() else { panic!("{lane:?}") };
    assert_eq!((first.packets, second.packets), (3, 2));
    assert_eq!(second.from.saturating_since(first.to), Duration::from_millis(349_998));
    assert!(second.flags.has(Flags::RST) && !first.flags.has(Flags::RST));
    let numbers: Vec<(i32, Option<i32>)> = lane
        .packets
        .iter()
        .map(|packet| packet.segment.map(|segment| (segment.seq, segment.ack)).unwrap())
        .collect();
    assert_eq!(numbers[2..4], [(1, Some(1)), (11, Some(1))]);
    assert_eq!(numbers[4], (1, None));
}

#[test]
fn a_connection_that_was_always_busy_costs_no_more() {
    let mut segments = vec![(0, true, Flags::SYN, 100, 0)];
    let busy = (1..20_000_u32).map(|n| (u64::from(n) * 2_000, true, DATA, 101 + n * 10, 10));
    segments.extend(busy);
    let lane = look(&capture(&segments), &[10_000]);
    assert!(lane.runs.len() <= 128, "{}", lane.runs.len());
    assert_eq!(lane.runs.iter().map(|run| run.packets).sum::<u64>(), 20_000);
    let frames: Vec<u64> = lane.packets.iter().map(|packet| packet.place.frame).collect();
    assert_eq!(frames, (9_996..=10_006).collect::<Vec<u64>>());
    assert!(lane.packets[0].after_gap);
}

#[test]
fn of_two_connections_under_one_name_the_one_with_the_evidence_is_shown() {
    let capture = capture(&[
        (0, true, Flags::SYN, 100, 0),
        (1, true, DATA, 101, 10),
        (5_000, true, Flags::SYN, 7_000, 0),
        (5_001, true, DATA, 7_001, 20),
    ]);
    let packets = |evidence: &[u64]| {
        let lane = look(&capture, evidence);
        lane.packets.iter().map(|packet| packet.place.frame).collect::<Vec<u64>>()
    };
    assert_eq!((packets(&[2]), packets(&[4])), (vec![1, 2], vec![3, 4]));
    assert_eq!(look(&capture, &[]).runs[0].packets, 2);
}

#[test]
fn a_packet_that_is_shown_twice_is_one() {
    let segment = (0, true, DATA, 101, 10);
    let mut bytes = capture(&[segment]);
    let block = bytes.len() - {
        let at = bytes.len() - 4;
        u32::from_le_bytes(bytes[at..].try_into().unwrap()) as usize
    };
    bytes.extend_from_within(block..);
    assert_eq!(look(&bytes, &[]).runs[0].packets, 1);
}
