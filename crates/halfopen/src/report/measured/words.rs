//! The answer in a stranger's words.

use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::time::{Duration, brief};
use halfopen_measure::answer::Class;

use super::{Bracket, Measured};
use crate::report::Seconds;

/// Says in one sentence what is known.
pub(super) fn headline(measured: &Measured) -> String {
    let Measured { target, limit, .. } = measured;
    match (measured.outcome, limit.survived_s, limit.died_s) {
        ("limit", survived, Some(died)) => {
            let (whole, after) = (measured.culprit, between(survived, died));
            match (whole, measured.mechanism) {
                (Culprit::Peer, _) => format!("{target} itself ends connections idle for {after}."),
                (_, Some(Mechanism::FinAtExpiry)) => {
                    format!("Connections to {target} are closed when they were idle for {after}.")
                }
                (_, Some(Mechanism::ResetAtExpiry)) => {
                    format!("Connections to {target} are reset when they were idle for {after}.")
                }
                (_, _) => format!("The path to {target} forgets connections idle for {after}."),
            }
        }
        ("at-least", Some(survived), _) => {
            format!("Connections to {target} survive pauses of {}.", brief(rounded(survived.0)))
        }
        _ => format!("How long the path to {target} remembers connections could not be told."),
    }
}

/// Says where the limit lies.
fn between(survived: Option<Seconds>, died: Seconds) -> String {
    match survived {
        Some(survived) => format!("{} to {}", exact(survived), exact(died)),
        None => format!("{} or less", exact(died)),
    }
}

/// Says how long, to the tenth of a second: what was measured is not much finer.
fn exact(time: Seconds) -> String {
    format!("{:.1} s", time.0.as_secs_f64())
}

fn rounded(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// Says where the limit lies, for a picture.
pub(super) fn limit(bracket: Bracket) -> String {
    match (bracket.survived_s, bracket.died_s) {
        (survived, Some(died)) => format!("the limit: {}", between(survived, died)),
        (Some(survived), None) => format!("survived up to {}", exact(survived)),
        (None, None) => "no pause was survived, and none was fatal".to_owned(),
    }
}

/// Says how the limit shows; `None` if there is none.
pub(super) const fn shows(measured: &Measured) -> Option<&'static str> {
    let Some(mechanism) = measured.mechanism else { return None };
    Some(match mechanism {
        Mechanism::ResetOnReuse => "nothing happens at the limit; the next packet is reset",
        Mechanism::SilentDrop => "nothing happens at the limit; the next packets are swallowed",
        Mechanism::ResetAtExpiry => "a reset comes at the limit, while the connection is idle",
        Mechanism::FinAtExpiry => "a FIN comes at the limit, while the connection is idle",
    })
}

/// Says whose doing it is; `None` if nothing died.
pub(super) fn who(measured: &Measured) -> Option<&'static str> {
    measured.mechanism.map(|_| match measured.culprit {
        Culprit::Hop => "a box on the path",
        Culprit::Peer => "the far end's own timer; the path's limit is at least this",
        Culprit::Client => "this host",
        Culprit::Unknown => "a box on the path or the far end: it cannot be told",
    })
}

/// Says what starts the timer again; `None` if nothing died.
pub(super) fn class(measured: &Measured) -> Option<&'static str> {
    measured.mechanism.map(|_| match measured.class {
        Class::Packets => "TCP keepalive probes start the timer again",
        Class::Data => "TCP keepalive probes do not start the timer again, only data does",
        Class::Unknown => "whether TCP keepalive probes start the timer again is not known",
    })
}

/// Says what it took.
pub(super) fn effort(measured: &Measured) -> String {
    let effort = measured.effort;
    format!(
        "{} connections, {} of them asked after a pause, in {}; asked: {}",
        effort.connections, effort.asked, effort.took_s, measured.asked
    )
}
