//! Any bytes, taken as a capture or as a script of packets, down to the diagnosis.

use halfopen_capture::{Diagnosis, Limits, PathReport, Points, Source, Tracker};
use halfopen_core::cause::Cause;
use halfopen_core::hop::Side;
use halfopen_core::time::Instant;
use halfopen_core::verdict::Evidence;
use halfopen_core::wire::Packet;

use super::script::{Script, Step};

/// Few enough that a short history meets them.
const LIMITS: Limits = Limits { flows: 4, paths: 2 };

/// Reads the bytes as a capture if they are one, else as a script, and diagnoses what they show.
pub fn run(bytes: &[u8]) {
    let seeds = [1, 2];
    let [one, two] = if Source::open(bytes).is_ok() {
        seeds.map(|seed| diagnose_captures(bytes, seed))
    } else {
        seeds.map(|seed| diagnose_script(bytes, seed))
    };
    assert_eq!(format!("{one:?}"), format!("{two:?}"), "the seed decides nothing");
    let blames = |path: &PathReport| path.cause != Cause::None;
    assert!(one.paths.iter().all(|path| !blames(path) || !path.evidence.is_empty()));
}

/// Diagnoses the bytes as two captures of different places.
fn diagnose_captures(bytes: &[u8], seed: u64) -> Diagnosis {
    let mut points = Points::new(LIMITS, seed);
    let frames = [0, 1].map(|capture| {
        let source = Source::open(bytes).expect("it was opened before");
        points.read(capture, &format!("place {capture}"), source).frames
    });
    let diagnosis = points.diagnose();
    for evidence in evidence(&diagnosis) {
        let place = points.place(evidence.frame);
        assert!((1..=frames[place.capture]).contains(&place.frame), "{place:?}: {evidence:?}");
    }
    diagnosis
}

/// Diagnoses the packets of a script; a flush stands for a frame without a time.
fn diagnose_script(bytes: &[u8], seed: u64) -> Diagnosis {
    let mut tracker = Tracker::new(LIMITS, seed);
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
        tracker.take(number, stamp, packet.view());
        heard.push((side.opposite(), packet));
    }
    let diagnosis = tracker.diagnose();
    for evidence in evidence(&diagnosis) {
        assert!((1..=number).contains(&evidence.frame), "{evidence:?}");
    }
    diagnosis
}

fn evidence(diagnosis: &Diagnosis) -> impl Iterator<Item = &Evidence> {
    let of_paths = diagnosis.paths.iter().flat_map(|path| &path.evidence);
    of_paths.chain(diagnosis.flows.iter().flat_map(|flow| &flow.evidence))
}
