//! Any bytes, taken as a capture or as a script of packets, down to the diagnosis.

use halfopen_capture::frame::network_layer;
use halfopen_capture::pcap::Reader;
use halfopen_capture::{Limits, Tracker};
use halfopen_core::cause::Cause;
use halfopen_core::hop::Side;
use halfopen_core::time::Instant;
use halfopen_core::wire::{Packet, View};

use super::script::{Script, Step};

/// Few enough that a short history meets them.
const LIMITS: Limits = Limits { flows: 4, paths: 2 };

/// Reads the bytes as a capture if they are one, else as a script, and diagnoses what they show.
pub fn run(bytes: &[u8]) {
    let mut trackers =
        [(LIMITS, 1), (LIMITS, 2), (Limits::default(), 3)].map(|(l, seed)| Tracker::new(l, seed));
    let frames = feed(bytes, |number, stamp, view| {
        for tracker in &mut trackers {
            tracker.take(number, stamp, view);
        }
    });
    let diagnoses = trackers.map(|tracker| tracker.diagnose());
    for diagnosis in &diagnoses {
        let paths = diagnosis.paths.iter();
        assert!(paths.clone().all(|path| path.cause == Cause::None || !path.evidence.is_empty()));
        let of_paths = paths.flat_map(|path| &path.evidence);
        let of_flows = diagnosis.flows.iter().flat_map(|flow| &flow.evidence);
        for evidence in of_paths.chain(of_flows) {
            assert!((1..=frames).contains(&evidence.frame), "{evidence:?}");
        }
    }
    let [one, two, _] = diagnoses.map(|diagnosis| format!("{diagnosis:?}"));
    assert_eq!(one, two, "the seed has no influence on what is found");
}

/// Hands on all packets, and returns the number of the last frame.
fn feed(bytes: &[u8], mut take: impl FnMut(u64, Option<Instant>, View<'_>)) -> u64 {
    let Ok(mut reader) = Reader::new(bytes) else { return feed_script(bytes, take) };
    let mut last = 0;
    while let Ok(Some(frame)) = reader.next() {
        last = frame.number;
        if let Ok(layer) = network_layer(frame.link, frame.bytes, frame.wire_len)
            && let Ok(view) = View::parse(layer.bytes, layer.wire_len)
        {
            take(frame.number, frame.at, view);
        }
    }
    last
}

/// As [`feed`], from a script; a flush stands for a frame without a time.
fn feed_script(bytes: &[u8], mut take: impl FnMut(u64, Option<Instant>, View<'_>)) -> u64 {
    let mut script = Script(bytes);
    let mut heard: Vec<(Side, Packet)> = Vec::new();
    let (mut now, mut number) = (Instant::from_nanos(1_700_000_000_000_000_000), 0);
    while let Some(step) = script.step(&heard) {
        let (stamp, side, packet) = match (step, heard.last()) {
            (Step::Pause(pause), _) => {
                now = now + pause;
                continue;
            }
            (Step::Packet(side, packet), _) => (Some(now), side, packet),
            (Step::Flush, Some((side, packet))) => (None, *side, packet.clone()),
            (Step::Flush, None) => continue,
        };
        number += 1;
        take(number, stamp, packet.view());
        heard.push((side.opposite(), packet));
    }
    number
}
