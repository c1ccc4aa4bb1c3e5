use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::hop::Hop as _;
use crate::link::{Link, LinkConfig};
use crate::path::Path;
use crate::rng::Rng;
use crate::wire::tcp::{Flags, Segment};

fn packet(payload: &[u8]) -> Packet {
    let (src, dst) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    let segment = Segment { payload, ..Segment::new(src, dst, Flags::PSH | Flags::ACK) };
    segment.into_packet()
}

fn capture(config: &Config) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), config).unwrap();
    let at = Instant::from_nanos(1_234_567_891);
    recorder.see(at, Side::Outside, &packet(b"hello"));
    recorder.finish().unwrap()
}

#[test]
fn a_classic_capture_holds_the_time_and_the_packet_in_the_fields_of_the_format() {
    let config = Config { format: Format::Pcap, ..Config::default() };
    let bytes = capture(&config);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!([word(0), word(16), word(20)], [0xa1b2_3c4d, 262_144, 101]);
    assert_eq!([word(24), word(28)], [1_704_067_201, 234_567_891]);
    assert_eq!([word(32), word(36)], [45, 45]);
    assert_eq!(&bytes[40..], packet(b"hello").bytes());
}

#[test]
fn microseconds_cut_the_rest_of_the_time_off() {
    let config =
        Config { format: Format::Pcap, resolution: Resolution::Micros, ..Config::default() };
    let bytes = capture(&config);
    assert_eq!(bytes[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    assert_eq!(bytes[28..32], 234_567_u32.to_le_bytes());
}

#[test]
fn an_ethernet_capture_puts_a_header_before_each_packet() {
    let config =
        Config { format: Format::Pcap, link_type: LinkType::Ethernet, ..Config::default() };
    let bytes = capture(&config);
    assert_eq!(bytes[20], 1);
    assert_eq!(bytes[40..54], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    assert_eq!(&bytes[54..], packet(b"hello").bytes());
}

#[test]
fn every_pcapng_block_names_its_length_at_both_ends() {
    let bytes = capture(&Config { name: "client".to_owned(), ..Config::default() });
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut kinds) = (0, Vec::new());
    while at < bytes.len() {
        let length = word(at + 4) as usize;
        assert_eq!((length % 4, word(at + length - 4) as usize), (0, length));
        kinds.push(word(at));
        at += length;
    }
    assert_eq!(kinds, [0x0a0d_0d0a, 1, 6]);
}

#[test]
fn a_time_that_the_classic_format_cannot_hold_is_an_error_and_not_a_wrong_time() {
    let epoch = Duration::from_secs(u64::from(u32::MAX));
    let config = Config { format: Format::Pcap, epoch, ..Config::default() };
    let mut recorder = Recorder::new(Vec::new(), &config).unwrap();
    recorder.see(Instant::from_nanos(1_000_000_000), Side::Outside, &packet(b""));
    let error = recorder.finish().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_recorder_keeps_the_first_error_and_writes_no_more() {
    #[derive(Debug)]
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut recorder = Recorder::new(Full(2), &Config::default()).unwrap();
    recorder.see(Instant::EPOCH, Side::Outside, &packet(b""));
    recorder.see(Instant::EPOCH, Side::Outside, &packet(b""));
    assert_eq!(recorder.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_tap_sees_a_packet_when_it_crosses_the_gap_however_late_the_driver_is() {
    #[derive(Debug)]
    struct Times(Arc<Mutex<Vec<u64>>>);
    impl Tap for Times {
        fn see(&mut self, now: Instant, _toward: Side, _packet: &Packet) {
            self.0.lock().unwrap().push(now.as_nanos());
        }
    }
    let link = LinkConfig::delaying(Duration::from_nanos(5_000_123));
    let mut path = Path::new(vec![Box::new(Link::new(link, Rng::new(1)))]);
    let times = Arc::new(Mutex::new(Vec::new()));
    path.tap(0, Box::new(Times(Arc::clone(&times))));
    path.tap(1, Box::new(Times(Arc::clone(&times))));
    path.handle_packet(Instant::from_nanos(7), Side::Inside, packet(b"hello"));
    path.handle_timeout(Instant::from_nanos(900_000_000));
    assert_eq!(*times.lock().unwrap(), [7, 5_000_130]);
}
