use std::io::{self, Read, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use halfopen_core::rng::Rng;

use self::builder::Builder;
use super::ByteOrder::{Big, Little};
use super::*;

mod builder;

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    number: u64,
    at: Option<u64>,
    interface: u32,
    link: u16,
    wire_len: usize,
    bytes: Vec<u8>,
}

impl Owned {
    fn of(frame: Frame<'_>) -> Self {
        let Frame { number, at, interface, link, wire_len, bytes } = frame;
        let (at, bytes) = (at.map(Instant::as_nanos), bytes.to_vec());
        Self { number, at, interface, link: link.0, wire_len, bytes }
    }
}

/// Reads as [`read`] does, as many frames at once as are there.
fn read_in_batches(source: impl Read) -> (Vec<Owned>, Option<Error>) {
    let mut frames = Vec::new();
    let mut reader = match Reader::new(source) {
        Ok(reader) => reader,
        Err(error) => return (frames, Some(error)),
    };
    loop {
        match reader.batch() {
            Ok(Some(batch)) => frames.extend(batch.map(Owned::of)),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

/// Reads all frames and the error that ended them.
fn read(source: impl Read) -> (Vec<Owned>, Option<Error>) {
    let mut frames = Vec::new();
    let mut reader = match Reader::new(source) {
        Ok(reader) => reader,
        Err(error) => return (frames, Some(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(frame)) => frames.push(Owned::of(frame)),
            Ok(None) => return (frames, None),
            Err(error) => {
                assert!(matches!(reader.next(), Ok(None)), "an error comes once");
                return (frames, Some(error));
            }
        }
    }
}

fn read_whole(source: impl Read) -> Vec<Owned> {
    let (frames, error) = read(source);
    assert!(error.is_none(), "{}", error.unwrap());
    frames
}

fn message(source: impl Read) -> String {
    read(source).1.expect("the file is wrong").to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A source that gives a few bytes at a time and is interrupted in between.
struct Dribble<'a>(&'a [u8], Rng);

impl Read for Dribble<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.1.chance(0.1) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let step = into.len().min(self.1.index(40) + 1);
        self.0.read(&mut into[..step])
    }
}

/// Three frames in three interfaces of two sections, of all three block types.
fn sections() -> Builder {
    let mut file = Builder::section(Little);
    file.interface(1, 0, &[]).interface(113, 96, &[(2, b"any"), (9, &[9])]);
    file.enhanced(1, 5_000_000_007, 1500, b"cooked").block(5, |body| {
        body.raw(&[0; 12]);
    });
    let mut second = Builder::section(Big);
    second.interface(101, 4, &[]).simple(6, b"snap").obsolete(0, 2_000_001, b"obsolete");
    file.raw(&second.bytes);
    file
}

#[test]
fn classic_files_of_both_byte_orders_and_both_units_read_the_same() {
    for (order, magic, fraction) in [
        (Little, MICROS, 250_000),
        (Big, MICROS, 250_000),
        (Little, NANOS, 250_000_000),
        (Big, NANOS, 250_000_000),
    ] {
        let mut file = Builder::classic(order, magic, 1);
        file.record((7, fraction), 1500, b"one").record((8, 0), 0, b"").record((9, 1), 4, b"tree");
        let frames = read_whole(&file.bytes[..]);
        let (at, bytes) = (Some(7_250_000_000), b"one".to_vec());
        let first = Owned { number: 1, at, interface: 0, link: 1, wire_len: 1500, bytes };
        assert_eq!(frames[0], first, "{order:?} {magic:x}");
        assert_eq!((frames.len(), frames[1].number, frames[1].at), (3, 2, Some(8_000_000_000)));
        assert_eq!((&frames[2].bytes[..], frames[2].wire_len), (&b"tree"[..], 4));
    }
}

#[test]
fn kuznetzovs_longer_records_are_read() {
    let mut file = Builder::classic(Little, 0xa1b2_cd34, 1);
    file.u32(1).u32(2).u32(3).u32(60).raw(&[9; 8]).raw(b"abc");
    file.u32(2).u32(0).u32(1).u32(1).raw(&[9; 8]).raw(b"d");
    let frames = read_whole(&file.bytes[..]);
    assert_eq!((&frames[0].bytes[..], frames[0].wire_len), (&b"abc"[..], 60));
    assert_eq!((&frames[1].bytes[..], frames[1].at), (&b"d"[..], Some(2_000_000_000)));
}

#[test]
fn a_fraction_that_is_a_second_or_more_is_no_time() {
    let mut file = Builder::classic(Little, MICROS, 1);
    file.record((1, 1_000_000), 1, b"a").record((1, 999_999), 1, b"b");
    let times: Vec<_> = read_whole(&file.bytes[..]).iter().map(|frame| frame.at).collect();
    assert_eq!(times, [None, Some(1_999_999_000)]);
}

#[test]
fn the_wire_length_is_never_less_than_what_was_captured() {
    let mut file = Builder::classic(Little, MICROS, 1);
    file.record((1, 0), 2, b"four");
    assert_eq!(read_whole(&file.bytes[..])[0].wire_len, 4);
}

#[test]
fn old_files_may_have_the_lengths_in_either_order() {
    let mut file = Builder::classic_version(Big, MICROS, 1, 3);
    file.u32(1).u32(0).u32(1500).u32(3).raw(b"abc").record((2, 0), 1500, b"def");
    let frames = read_whole(&file.bytes[..]);
    assert_eq!((&frames[0].bytes[..], frames[0].wire_len), (&b"abc"[..], 1500));
    assert_eq!((&frames[1].bytes[..], frames[1].wire_len), (&b"def"[..], 1500));
}

#[test]
fn the_upper_half_of_the_link_type_is_not_the_link_type() {
    let mut file = Builder::classic(Little, MICROS, 0x4400_0001);
    file.record((1, 0), 1, b"a");
    assert_eq!(read_whole(&file.bytes[..])[0].link, 1);
}

#[test]
fn pcapng_frames_keep_their_section_interface_and_clock() {
    let frames = read_whole(&sections().bytes[..]);
    let frame = |number, at, interface, link, wire_len, bytes: &[u8]| Owned {
        number,
        at,
        interface,
        link,
        wire_len,
        bytes: bytes.to_vec(),
    };
    assert_eq!(
        frames,
        [
            frame(1, Some(5_000_000_007), 1, 113, 1500, b"cooked"),
            frame(2, None, 2, 101, 6, b"snap"),
            frame(3, Some(2_000_001_000), 2, 101, 8, b"obsolete"),
        ]
    );
}

#[test]
fn what_wireshark_numbers_and_is_no_packet_takes_a_number() {
    let mut file = Builder::section(Little);
    file.interface(1, 0, &[]).enhanced(0, 1, 1, b"a");
    for kind in [4, 5, 9, 10, 0x0bad, 0x4000_0bad, 0x7777] {
        file.block(kind, |body| {
            body.raw(&[0; 12]);
        });
    }
    file.enhanced(0, 2, 1, b"b");
    let numbers: Vec<_> = read_whole(&file.bytes[..]).iter().map(|frame| frame.number).collect();
    assert_eq!(numbers, [1, 5]);
}

#[test]
fn a_block_may_pad_without_counting_the_padding() {
    let mut file = Builder::section(Little);
    file.interface(1, 0, &[]);
    file.u32(6).u32(35).raw(&[0; 12]).u32(3).u32(3).raw(b"abc\0").u32(35);
    file.enhanced(0, 2, 1, b"d");
    let frames = read_whole(&file.bytes[..]);
    assert_eq!((&frames[0].bytes[..], &frames[1].bytes[..]), (&b"abc"[..], &b"d"[..]));
}

#[test]
fn an_interface_counts_time_in_powers_of_ten_or_two_from_its_offset() {
    for (resolution, offset, ticks, nanos) in [
        (0, 0_i64, 3, Some(3_000_000_000)),
        (3, 0, 1_500, Some(1_500_000_000)),
        (9, 0, 77, Some(77)),
        (12, 0, 77_999, Some(77)),
        (0x80 | 0x0a, 0, 1_536, Some(1_500_000_000)),
        (0x80 | 0x20, 0, 3 << 31, Some(1_500_000_000)),
        (6, 10, 1, Some(10_000_001_000)),
        (6, -1, 1_500_000, Some(500_000_000)),
        (15, 1_700_000_000, 5_000_000_000, Some(1_700_000_000_000_005_000)),
        // What is before the epoch or after year 2554, or finer than can be, is no time.
        (6, -2, 1_500_000, None),
        (6, i64::MIN, 0, None),
        (6, i64::MAX, 0, None),
        (0, 0, u64::MAX, None),
        (0x80, 0, u64::MAX, None),
        (29, 0, 5, None),
    ] {
        for order in [Little, Big] {
            let offset = if order == Little { offset.to_le_bytes() } else { offset.to_be_bytes() };
            let mut file = Builder::section(order);
            file.interface(1, 0, &[(9, &[resolution]), (14, &offset)]).enhanced(0, ticks, 1, b"a");
            let frames = read_whole(&file.bytes[..]);
            assert_eq!(frames[0].at, nanos, "resolution {resolution} ticks {ticks}");
        }
    }
}

#[test]
fn a_source_may_dribble() {
    let mut classic = Builder::classic(Little, MICROS, 1);
    for second in 0..50 {
        classic.record((second, 0), 60, &vec![0xab; second as usize * 3]);
    }
    for (seed, file) in [classic, sections()].iter().cycle().take(20).enumerate() {
        let dribble = Dribble(&file.bytes, Rng::new(seed as u64));
        assert_eq!(read_whole(dribble), read_whole(&file.bytes[..]), "seed {seed}");
    }
}

#[test]
fn frames_that_cross_a_step_or_are_longer_than_one_are_whole() {
    let mut file = Builder::classic(Little, MICROS, 1);
    let mut expected = Vec::new();
    for (index, length) in [700_000, 700_000, 3 << 20, 10, 1 << 20, 5].into_iter().enumerate() {
        let frame = vec![u8::try_from(index).unwrap(); length];
        file.record((1, 0), 0, &frame);
        expected.push(frame);
    }
    let frames: Vec<_> = read_whole(&file.bytes[..]).into_iter().map(|f| f.bytes).collect();
    assert!(frames == expected);
}

#[test]
fn a_gzip_file_reads_as_what_is_in_it() {
    let file = sections().bytes;
    assert_eq!(read_whole(&gzip(&file)[..]), read_whole(&file[..]));
    let (front, back) = file.split_at(file.len() / 2);
    let members = [gzip(front), gzip(back)].concat();
    assert_eq!(read_whole(&members[..]), read_whole(&file[..]));
}

#[test]
fn wherever_a_file_is_cut_its_whole_frames_are_read_and_the_cut_is_told() {
    let mut classic = Builder::classic(Big, NANOS, 1);
    classic.record((1, 2), 3, b"abc").record((2, 2), 3, b"").record((3, 2), 3, b"defg");
    // A classic file may end after its header or a frame, a pcapng file after any block.
    for (whole, ends) in [(classic.bytes, 3), (sections().bytes, 8)] {
        let frames = read_whole(&whole[..]);
        let mut clean_ends = 0;
        for cut in 4..whole.len() {
            let (got, error) = read(&whole[..cut]);
            assert_eq!(got, frames[..got.len()], "cut at {cut}");
            match error {
                None => clean_ends += 1,
                Some(Error::Cut { after_frame, offset, .. }) => {
                    assert_eq!(after_frame, got.len() as u64);
                    assert!(offset <= cut as u64);
                }
                Some(error) => panic!("cut at {cut}: {error}"),
            }
        }
        assert_eq!(clean_ends, ends);
        let packed = gzip(&whole);
        for cut in 20..packed.len() {
            let (got, error) = read(&packed[..cut]);
            assert_eq!(got, frames[..got.len()], "gzip cut at {cut}");
            let cut_told = matches!(error, Some(Error::Cut { .. } | Error::TooShort { .. }));
            assert!(cut_told, "gzip cut at {cut}: {error:?}");
        }
    }
}

#[test]
fn a_cut_names_the_frame_and_says_that_those_before_were_read() {
    let mut file = Builder::classic(Little, MICROS, 1);
    file.record((1, 0), 3, b"abc").record((1, 0), 3, b"abc").record((1, 0), 3, b"abc");
    let cut = &file.bytes[..file.bytes.len() - 1];
    let expected = "the file ends in the middle of frame 3; the 2 frames before it were read";
    assert_eq!(message(cut), expected);
    let expected =
        "the file ends in the middle of the compressed data; the one frame before it were read";
    let packed = gzip(&file.bytes[..24 + 19]);
    let expected = expected.replace("were", "was");
    assert_eq!(message(&packed[..packed.len() - 4]), expected);
}

#[test]
fn what_is_no_capture_is_named() {
    for (bytes, expected) in [
        (&b""[..], "the file is empty"),
        (b"\xd4\xc3", "the file has 2 bytes, too few for a capture"),
        (b"\x28\xb5\x2f\xfd rest", "the file is compressed with zstd; decompress it first"),
        (
            b"12:00:01 IP a > b",
            "neither pcap nor pcapng: it starts with the bytes [31, 32, 3a, 30]",
        ),
        (b"\xd4\xc3\xb2\xa1", "the file ends in the middle of its header; no frame came before it"),
    ] {
        assert_eq!(message(bytes), expected);
    }
    let mut file = Builder::classic(Little, MICROS, 1);
    file.bytes[4] = 3;
    assert_eq!(message(&file.bytes[..]), "version 3.4 of the pcap format is not known");
    let mut file = Builder::section(Big);
    file.bytes[13] = 2;
    assert_eq!(message(&file.bytes[..]), "version 2.0 of the pcapng format is not known");
}

#[test]
fn a_length_that_no_frame_has_is_an_error_and_takes_no_memory() {
    let mut file = Builder::classic(Little, MICROS, 1);
    file.record((1, 0), 1, b"a").u32(1).u32(0).u32(u32::MAX).u32(u32::MAX);
    let (frames, error) = read(&file.bytes[..]);
    assert_eq!(frames.len(), 1);
    let expected = "frame 2 at byte 41 claims 4294967295 bytes, and 16777216 are the most: \
                    the file is damaged there; the one frame before it was read";
    assert_eq!(error.unwrap().to_string(), expected);
}

#[test]
fn a_damaged_block_is_named_with_its_place() {
    let place = "the enhanced packet block at byte 48";
    let damage = |at: usize, value: u8| {
        let mut file = Builder::section(Little);
        file.interface(1, 0, &[]).enhanced(0, 1, 3, b"abc");
        file.bytes[at] = value;
        message(&file.bytes[..])
    };
    assert!(damage(48 + 4, 11).starts_with(&format!("{place} has 11 bytes, too few")));
    assert!(damage(48 + 7, 2).starts_with(&format!("{place} has 33554480 bytes, which no such")));
    assert!(damage(48 + 8, 1).starts_with(&format!("{place} names interface 1, which")));
    assert!(damage(48 + 20, 200).starts_with(&format!("{place} has 48 bytes, too few")));
    let lengths = "gives its length as 48 at the front and 49 at the back";
    assert!(damage(48 + 44, 49).starts_with(&format!("{place} {lengths}")));
    assert!(damage(8, 0).starts_with("the section header block at byte 0 has [00, 3c, 2b, 1a]"));
    let interface = "the interface description block at byte 28";
    assert!(damage(28 + 4, 19).starts_with(&format!("{interface} gives its length as 19")));
}

#[test]
fn a_block_without_frames_may_be_longer_than_memory() {
    let mut file = Builder::section(Little);
    file.interface(1, 0, &[]).block(0x0bad, |body| {
        body.raw(&vec![7; 20 << 20]);
    });
    file.enhanced(0, 1, 3, b"abc");
    let mut reader = Reader::new(&file.bytes[..]).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().bytes, b"abc");
    assert!(reader.buffer.unread().len() < 2 << 20);
}

#[test]
fn a_section_with_too_many_interfaces_is_refused() {
    let mut file = Builder::section(Little);
    for _ in 0..=65_536 {
        file.interface(1, 0, &[]);
    }
    assert!(message(&file.bytes[..]).contains("is one interface more than the 65536 kept"));
}

#[test]
fn damaged_gzip_data_is_told_as_such() {
    let mut file = Builder::classic(Little, MICROS, 1);
    let mut rng = Rng::new(1952);
    for second in 0..2_000 {
        let mut frame = [0; 60];
        frame.fill_with(|| u8::try_from(rng.below(256)).unwrap());
        file.record((second, 0), 60, &frame);
    }
    let mut packed = gzip(&file.bytes);
    let last = packed.len() - 8; // the check sum of RFC 1952 section 2.3.1
    packed[last] ^= 1;
    assert!(message(&packed[..]).starts_with("the gzip data is damaged after frame 2000: "));
}

#[test]
fn the_frames_before_the_damage_to_gzip_data_are_read() {
    let mut file = Builder::classic(Little, MICROS, 1);
    let mut rng = Rng::new(1951);
    for second in 0..400 {
        let mut frame = [0; 60];
        frame.fill_with(|| b'a' + u8::try_from(rng.below(16)).unwrap());
        file.record((second, 0), 60, &frame);
    }
    let packed = gzip(&file.bytes);
    assert!(packed.len() < 32 << 10, "one read's worth for the decompressor");
    let whole = read_whole(&file.bytes[..]);
    let middle = packed.len() / 2;
    let mut told = 0;
    for at in middle..middle + 100 {
        let mut damaged = packed.clone();
        damaged[at] ^= 0xff;
        let (frames, error) = read(&damaged[..]);
        if matches!(error, Some(Error::Gzip { .. })) {
            told += 1;
            assert!(frames.len() > 120, "{} frames with damage at byte {at}", frames.len());
            assert_eq!(frames[..120], whole[..120]);
        }
    }
    assert!(told > 0);
}

#[test]
fn any_damage_to_a_capture_is_an_error_or_other_frames() {
    let mut rng = Rng::new(812);
    let files = [sections().bytes, {
        let mut classic = Builder::classic(Little, MICROS, 1);
        classic.record((1, 0), 3, b"abc").record((1, 0), 3, b"abc");
        classic.bytes
    }];
    for _ in 0..20_000 {
        let mut file = rng.pick(&files).clone();
        for _ in 0..=rng.index(4) {
            let at = rng.index(file.len());
            file[at] = u8::try_from(rng.below(256)).unwrap();
        }
        let (frames, error) = read(&file[..]);
        let (in_batches, same) = read_in_batches(&file[..]);
        assert_eq!((&frames, format!("{error:?}")), (&in_batches, format!("{same:?}")), "{file:?}");
        assert!(frames.iter().map(|frame| frame.bytes.len()).sum::<usize>() <= file.len());
    }
}
