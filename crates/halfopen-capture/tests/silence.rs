//! A connection is one connection, however long nobody uses it: that is what the project is about.

use std::net::SocketAddr;

use halfopen_capture::{Limits, Tracker};
use halfopen_core::cause::{Cause, Finding};
use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::tcp::{Flags, Segment};

/// Takes an exchange: a request of a hundred bytes and a response of as many.
fn exchange(tracker: &mut Tracker, frame: &mut u64, at: Instant, sent: u32) {
    let client = SocketAddr::from(([10, 0, 0, 7], 40_000));
    let server = SocketAddr::from(([203, 0, 113, 7], 443));
    let payload = [0x2e; 100];
    for (src, dst, ack) in [(client, server, sent), (server, client, sent + 100)] {
        let (seq, ack, flags) = (Seq(sent), Seq(ack), Flags::PSH | Flags::ACK);
        let segment = Segment { seq, ack, payload: &payload, ..Segment::new(src, dst, flags) };
        *frame += 1;
        tracker.take(*frame, Some(at), segment.into_packet().view());
    }
}

/// tcptrace begins a new connection after 240 s without a packet, Zeek after 300 s.
#[test]
fn a_connection_that_is_silent_for_hours_is_one_connection() {
    let mut tracker = Tracker::new(Limits::default(), 0);
    let (mut at, mut frame) = (Instant::EPOCH + Duration::from_hours(1), 0);
    for (pause, sent) in [241, 301, 5 * 3_600, 71 * 3_600, 0].into_iter().zip((0..).step_by(100)) {
        exchange(&mut tracker, &mut frame, at, sent);
        at = at + Duration::from_secs(pause);
    }

    let diagnosis = tracker.diagnose();

    let [flow] = diagnosis.flows.as_slice() else { panic!("{:?}", diagnosis.flows) };
    assert_eq!(flow.finding, Finding::Healthy);
    let [path] = diagnosis.paths.as_slice() else { panic!("{:?}", diagnosis.paths) };
    assert_eq!((path.cause, path.connections, path.requests), (Cause::None, 1, 5));
    assert_eq!(path.survived, Some(Duration::from_hours(71)));
}
