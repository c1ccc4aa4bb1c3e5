//! Resets that say why they were sent.

use super::*;

const FLAGS: Flags = Flags(Flags::RST.0 | Flags::ACK.0);

/// A request after a minute meets a reset that looks like the server's in all but its payload.
fn reset_that_says(text: &[u8]) -> Verdict {
    let mut scene = Scene::new(10);
    scene.handshake(1000);
    scene.exchange(1000, 1, Duration::from_millis(30));
    scene.pause(Duration::from_mins(1));
    scene.client(1000, Flags::ACK, 11, b"a request ");
    scene.pause(Duration::from_millis(10));
    scene.server(1000, FLAGS, 11, text);
    scene.verdict(1000)
}

#[test]
fn a_reset_that_names_a_box_is_the_boxs() {
    let verdict = reset_that_says(b"BIG-IP: [0x2b6e1f0:2139] No flow found for ACK");
    assert_eq!((verdict.finding, verdict.culprit), (Finding::ResetOnReuse, Culprit::Hop));
    let facts: Vec<&str> = verdict.evidence.iter().map(|seen| seen.fact.as_str()).collect();
    assert!(facts.contains(&"the reset says \"BIG-IP: [0x2b6e1f0:2139] No flow found for ACK\""));
}

#[test]
fn a_reset_that_a_box_passes_on_is_the_servers() {
    let verdict = reset_that_says(b"BIG-IP: [0x2b6e1f0:2139] TCP RST from remote system");
    assert_eq!((verdict.finding, verdict.culprit), (Finding::PeerAbort, Culprit::Peer));
}

#[test]
fn a_text_that_names_nobody_is_quoted() {
    let verdict = reset_that_says(b"go away\0\0");
    assert_eq!((verdict.finding, verdict.culprit), (Finding::PeerAbort, Culprit::Peer));
    assert_eq!(verdict.evidence.last().unwrap().fact, "the reset says \"go away\"");
}

#[test]
fn bytes_that_are_no_text_are_not_quoted() {
    let verdict = reset_that_says(b"\x16\x03\x01\x02");
    assert!(verdict.evidence.iter().all(|seen| !seen.fact.contains("says")), "{verdict:?}");
}
