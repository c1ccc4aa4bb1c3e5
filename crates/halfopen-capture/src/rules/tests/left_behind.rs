//! Connections that a client left behind, as a capture at the server shows them.

use super::*;
use crate::infer::PathReport;

const THINKING: Duration = Duration::from_millis(1);

impl Scene {
    fn near_server() -> Self {
        Self { at_server: true, ..Self::new(0) }
    }

    fn is_used_once(&mut self, port: u16) {
        self.handshake(port);
        self.exchange(port, 1, THINKING);
    }

    /// The server closes, and is told that there is no such connection.
    fn is_unknown_when_closed(&mut self, port: u16) {
        self.server(port, Flags::FIN | Flags::ACK, 11, b"");
        self.client(port, Flags::RST, 11, b"");
    }

    fn report(&self) -> PathReport {
        let [path] = self.tracker.diagnose().paths.try_into().unwrap();
        path
    }
}

#[track_caller]
fn assert_says(scene: &Scene, cause: Cause) {
    let report = scene.report();
    let said = (report.cause, report.culprit, report.harm, report.failures);
    assert_eq!(said, (cause, Culprit::Unknown, Harm::None, 0), "{report:#?}");
    assert_eq!(report.evidence.is_empty(), cause == Cause::None, "{report:#?}");
}

/// A client that takes connections one after the other and never uses an old one again.
fn left(scene: &mut Scene, pause: Duration) {
    for port in 1000..1003 {
        scene.is_used_once(port);
        scene.pause(pause);
    }
}

#[test]
fn connections_that_are_neither_used_nor_closed_again_hint_at_a_box() {
    let mut scene = Scene::near_server();
    left(&mut scene, Duration::from_mins(6));
    assert_says(&scene, Cause::Inconclusive);
    let report = scene.report();
    assert!(
        report.because.contains("2 connections that had worked were idle for 360 s"),
        "{report:?}"
    );
    assert_eq!(report.evidence.len(), 4, "{report:?}");
    assert_eq!((report.survived, report.died), (None, None));
}

#[test]
fn a_capture_at_the_client_shows_by_itself_what_became_of_them() {
    let mut scene = Scene::new(0);
    left(&mut scene, Duration::from_mins(6));
    assert_says(&scene, Cause::None);
}

#[test]
fn a_connection_of_which_nobody_knows_when_it_is_closed_hints_at_a_box() {
    let mut scene = Scene::near_server();
    scene.is_used_once(1000);
    scene.pause(Duration::from_mins(6));
    scene.is_used_once(1001);
    scene.pause(Duration::from_mins(6));
    scene.is_unknown_when_closed(1000);
    assert_says(&scene, Cause::Inconclusive);
    let report = scene.report();
    assert!(report.because.contains("when the server closed one, nobody knew"), "{report:?}");
}

#[test]
fn a_client_that_answers_a_fin_with_a_reset_of_its_own_knows_the_connection() {
    let mut scene = Scene::near_server();
    scene.is_used_once(1000);
    scene.pause(Duration::from_mins(6));
    scene.server(1000, Flags::FIN | Flags::ACK, 11, b"");
    scene.client(1000, Flags::RST | Flags::ACK, 11, b"");
    assert_says(&scene, Cause::None);
}

#[test]
fn one_connection_that_is_never_used_again_is_an_accident() {
    let mut scene = Scene::near_server();
    scene.is_used_once(1000);
    scene.pause(Duration::from_mins(6));
    scene.is_used_once(1001);
    assert_says(&scene, Cause::None);
}

#[test]
fn clients_that_use_connections_side_by_side_may_leave_some_idle() {
    let mut scene = Scene::near_server();
    left(&mut scene, Duration::from_mins(6));
    scene.exchange(1000, 11, THINKING);
    assert_says(&scene, Cause::None);
}

#[test]
fn a_pool_that_fills_up_leaves_nothing_behind() {
    let mut scene = Scene::near_server();
    left(&mut scene, Duration::from_secs(5));
    scene.pause(Duration::from_hours(1));
    assert_says(&scene, Cause::None);
}

#[test]
fn connections_that_the_client_closes_are_not_left_behind() {
    let mut scene = Scene::near_server();
    for port in 1000..1004 {
        scene.is_used_once(port);
        scene.pause(Duration::from_mins(1));
        scene.client(port, Flags::FIN | Flags::ACK, 11, b"");
        scene.server(port, Flags::FIN | Flags::ACK, 11, b"");
        scene.pause(Duration::from_mins(5));
    }
    assert_says(&scene, Cause::None);
}
