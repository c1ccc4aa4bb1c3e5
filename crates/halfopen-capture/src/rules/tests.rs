mod crowds;
mod endings;
mod left_behind;
mod oddities;
mod sizes;
mod texts;

use halfopen_core::cause::{Cause, Culprit, Finding, Harm};
use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::Verdict;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::{Flags, Segment};

use crate::tracker::{Limits, Tracker};

/// What a capture shows of one server and clients that differ by their port.
struct Scene {
    tracker: Tracker,
    frames: u64,
    now: Instant,
    /// The server's round trip, as a capture at the client sees it.
    round_trip: Duration,
    /// The capture is made at the server.
    at_server: bool,
}

impl Scene {
    fn new(round_trip: u64) -> Self {
        Self {
            tracker: Tracker::new(Limits::default(), 0),
            frames: 0,
            now: Instant::EPOCH + Duration::from_hours(1),
            round_trip: Duration::from_millis(round_trip),
            at_server: false,
        }
    }

    fn pause(&mut self, length: Duration) {
        self.now = self.now + length;
    }

    fn show(&mut self, segment: &Segment<'_>) {
        self.frames += 1;
        let ttl = if self.at_server { 124 - segment.ttl } else { segment.ttl };
        let packet = Segment { ttl, ..*segment }.into_packet();
        self.tracker.take(self.frames, Some(self.now), packet.view());
    }

    /// The client of `port` sends, when each end has sent `sent` bytes.
    fn client(&mut self, port: u16, flags: Flags, sent: u32, payload: &[u8]) {
        self.show(&Segment { payload, ..segment(port, true, flags, sent) });
    }

    fn server(&mut self, port: u16, flags: Flags, sent: u32, payload: &[u8]) {
        self.show(&Segment { payload, ..segment(port, false, flags, sent) });
    }

    fn handshake(&mut self, port: u16) {
        self.client(port, Flags::SYN, 0, b"");
        self.pause(self.round_trip);
        self.server(port, Flags::SYN | Flags::ACK, 0, b"");
        self.client(port, Flags::ACK, 1, b"");
    }

    /// A request and its response of ten bytes each, answered after `thinking`.
    fn exchange(&mut self, port: u16, sent: u32, thinking: Duration) {
        self.client(port, Flags::ACK, sent, b"a request ");
        self.pause(thinking);
        let response = Segment { ack: Seq(sent + 10), ..segment(port, false, Flags::ACK, sent) };
        self.show(&Segment { payload: b"a response", ..response });
        self.client(port, Flags::ACK, sent + 10, b"");
    }

    fn verdict(&self, port: u16) -> Verdict {
        let flows = self.tracker.diagnose().flows;
        flows.into_iter().find(|verdict| verdict.flow.initiator.port() == port).unwrap()
    }
}

fn segment(port: u16, from_client: bool, flags: Flags, sent: u32) -> Segment<'static> {
    let client = format!("10.0.0.7:{port}").parse().unwrap();
    let server = "198.51.100.10:80".parse().unwrap();
    let (src, dst) = if from_client { (client, server) } else { (server, client) };
    let ttl = if from_client { 64 } else { 60 };
    let ack = if flags.has(Flags::ACK) { Seq(sent) } else { Seq(0) };
    Segment { ttl, seq: Seq(sent), ack, ..Segment::new(src, dst, flags) }
}

/// A request meets a reset with the time to live `ttl` a minute after the last response.
fn reset_after_a_pause(scene: &mut Scene, ttl: u8, later: Duration) -> Verdict {
    scene.exchange(1000, 1, Duration::from_millis(30));
    scene.pause(Duration::from_mins(1));
    scene.client(1000, Flags::ACK, 11, b"a request ");
    scene.pause(later);
    scene.show(&Segment { ttl, ..segment(1000, false, Flags::RST, 11) });
    scene.verdict(1000)
}

#[test]
fn a_reset_from_nearer_than_the_server_is_a_boxs() {
    let mut scene = Scene::new(10);
    scene.handshake(1000);
    let verdict = reset_after_a_pause(&mut scene, 64, Duration::from_millis(10));
    assert_eq!((verdict.finding, verdict.culprit), (Finding::ResetOnReuse, Culprit::Hop));
}

#[test]
fn a_reset_from_a_hop_or_two_further_away_took_another_way() {
    let mut scene = Scene::new(10);
    scene.handshake(1000);
    let verdict = reset_after_a_pause(&mut scene, 59, Duration::from_millis(10));
    assert_eq!((verdict.finding, verdict.culprit), (Finding::ResetOnReuse, Culprit::Unknown));
}

#[test]
fn a_reset_sooner_than_the_server_can_answer_is_a_boxs() {
    let mut scene = Scene::new(10);
    scene.handshake(1000);
    let verdict = reset_after_a_pause(&mut scene, 60, Duration::from_millis(1));
    assert_eq!((verdict.finding, verdict.culprit), (Finding::ResetOnReuse, Culprit::Hop));
}

#[test]
fn how_long_a_server_thinks_does_not_tell_how_far_away_it_is() {
    let mut scene = Scene::new(10);
    let verdict = reset_after_a_pause(&mut scene, 60, Duration::from_millis(10));
    assert_eq!((verdict.finding, verdict.culprit), (Finding::ResetOnReuse, Culprit::Unknown));
}

#[test]
fn a_client_that_vanishes_is_no_boxs_doing() {
    let mut scene = Scene::new(0);
    scene.handshake(1000);
    scene.exchange(1000, 1, Duration::from_millis(1));
    scene.pause(Duration::from_mins(1));
    for (port, wait) in (2000..).zip([1, 2, 4, 8]) {
        scene.server(1000, Flags::ACK, 11, b"a notice");
        scene.handshake(port);
        scene.exchange(port, 1, Duration::from_millis(1));
        scene.pause(Duration::from_secs(wait));
    }
    let verdict = scene.verdict(1000);
    assert_eq!((verdict.finding, verdict.culprit), (Finding::Inconclusive, Culprit::Unknown));
    let last = &verdict.evidence.last().unwrap().fact;
    assert!(last.contains("whether the client could be reached"), "{last}");
}

#[test]
fn a_refusal_from_nearer_than_the_server_is_a_boxs() {
    let mut scene = Scene::new(10);
    scene.handshake(1000);
    scene.exchange(1000, 1, Duration::from_millis(30));
    for (port, ttl, culprit) in [(1001, 64, Culprit::Hop), (1002, 60, Culprit::Peer)] {
        scene.client(port, Flags::SYN, port.into(), b"");
        scene.pause(Duration::from_millis(10));
        scene.show(&Segment { ttl, ..segment(port, false, Flags::RST | Flags::ACK, 0) });
        let verdict = scene.verdict(port);
        assert_eq!((verdict.finding, verdict.culprit), (Finding::Refused, culprit));
    }
}

/// Its number is not taken from the packet that it answers, so its sender knows the connection, and
/// has sent something that the capture does not have.
#[test]
fn a_reset_whose_number_is_ahead_accuses_nobody() {
    for (ahead, finding) in [(0, Finding::ResetOnReuse), (5, Finding::Healthy)] {
        let mut scene = Scene::new(10);
        scene.handshake(1000);
        scene.exchange(1000, 1, Duration::from_millis(30));
        scene.pause(Duration::from_mins(1));
        scene.client(1000, Flags::ACK, 11, b"a request ");
        scene.pause(Duration::from_millis(10));
        scene.server(1000, Flags::RST, 11 + ahead, b"");
        assert_eq!(scene.verdict(1000).finding, finding);
    }
}
