//! The cause of a path in one sentence.

use halfopen_core::cause::{Cause, Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use super::PathReport;
use super::exhaustion::Exhaustion;
use super::restart::Restart;
use crate::case::brief;

/// Says why `count` connections failed; `telling` is the verdict that says the most.
pub(super) fn because(report: &PathReport, telling: &Verdict, count: usize) -> String {
    let idle = telling.idle.map(brief).unwrap_or_default();
    let flows = if count == 1 { "a connection".to_owned() } else { format!("{count} connections") };
    match (report.cause, telling.finding) {
        (Cause::IdleExpiry, _) => expiry(report, telling, &flows),
        (Cause::IdleExpiryInFlight, _) => format!(
            "a request waited for its response for {idle} without a packet, and a box between \
             forgot the connection meanwhile"
        ),
        (Cause::StateLoss, _) => state_loss(report, telling, &flows),
        (Cause::MtuBlackHole, _) => format!(
            "{flows} got stuck on segments that are larger than any that got through, while \
             smaller ones pass: the path drops what is too big for it, and the sender does not \
             learn of it"
        ),
        (Cause::CloseRace, Finding::UsedAfterClose) => format!(
            "the client sent a request on a connection that the server had closed {idle} before"
        ),
        (Cause::CloseRace, _) => format!(
            "the server closes a connection that is idle for about {idle}, and a request was under \
             way as it did"
        ),
        (Cause::PeerAbort, Finding::PeerAbort) => format!("the server itself reset {flows}"),
        (Cause::PeerAbort, _) => format!(
            "{flows} used again after {idle} or more met a reset; the server itself resets \
             connections that are idle for less, so its own reset may have got lost"
        ),
        (Cause::PeerClose, _) => format!("the server closed {flows} without answering the request"),
        (Cause::Refused, _) => "the server refuses connections".to_owned(),
        (Cause::Unreachable, _) => "nothing answers when a connection is opened".to_owned(),
        (_, Finding::ClientGaveUp) => format!(
            "the client gave up after {idle}; the server had the request and had not answered. \
             What the server did meanwhile is missing: its log, or a capture there"
        ),
        _ => unknown(telling),
    }
}

pub(super) fn restart(restart: &Restart, count: usize) -> String {
    format!(
        "the server closed {} connections at one moment, refused others, and accepted them again \
         {} after the first was closed; {} hit",
        restart.closed,
        brief(restart.lasted()),
        if count == 1 { "1 was".to_owned() } else { format!("{count} were") }
    )
}

pub(super) fn exhaustion(exhaustion: Exhaustion, culprit: Culprit, count: usize) -> String {
    let who = if culprit == Culprit::Hop {
        "the server answers on all that are open, so a box between has no port or no room left"
    } else {
        "a box between has no port or no room left, or the server accepts no more. A capture at \
         the server would show whether the attempts arrive"
    };
    format!(
        "{count} attempts to connect failed with {} or more connections open, and none ever \
         succeeded above that: {who}",
        exhaustion.ceiling
    )
}

fn expiry(report: &PathReport, telling: &Verdict, flows: &str) -> String {
    let idle = telling.idle.map(brief).unwrap_or_default();
    let survived = survived(report);
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other finding speaks for an expiry")]
    match telling.finding {
        Finding::LateClose => {
            format!("a box had forgotten {flows} that one end had closed when the other closed too")
        }
        Finding::ResetOnReuse if report.culprit == Culprit::Unknown => format!(
            "{flows} used again after {idle} or more met a reset{survived}; the reset looks like \
             the server's own: either the server had dropped the connection, or a box had \
             forgotten it and let the packet through under another name. A capture at the server \
             would show which"
        ),
        Finding::ResetOnReuse => format!(
            "{flows} used again after {idle} or more met a reset that the server did not \
             send{survived}: a box between had forgotten them"
        ),
        Finding::SilentDrop => format!(
            "{flows} used again after {idle} or more got no answer although the server answered \
             others{survived}: a box between had forgotten them and drops their packets"
        ),
        Finding::FinAtExpiry => format!(
            "a box between closed {flows} in the server's name after {idle} without traffic"
        ),
        _ => format!("a box between reset {flows} after {idle} without traffic{survived}"),
    }
}

fn state_loss(report: &PathReport, telling: &Verdict, flows: &str) -> String {
    let pause = match telling.idle {
        Some(idle) => format!("a pause of {}", brief(idle)),
        None => "no pause".to_owned(),
    };
    format!(
        "{flows} died after {pause}{}: no timer does that, so a box between lost its table, by a \
         restart or a failover, or made room",
        survived(report)
    )
}

fn survived(report: &PathReport) -> String {
    report.survived.map_or(String::new(), |survived| {
        format!(", while a pause of {} was survived", brief(survived))
    })
}

fn unknown(telling: &Verdict) -> String {
    let what = if telling.harm == Harm::Latent { "a connection" } else { "a request" };
    match telling.evidence.last() {
        Some(last) => format!("{what} was lost: {}", last.fact),
        None => format!("{what} was lost"),
    }
}
