//! The server's own keep-alive timer.

use halfopen_core::cause::{Cause, Culprit};

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::ServerTimer);
    let path = case.path;
    match (path.cause, path.culprit) {
        (Cause::CloseRace, Culprit::Peer) => {
            it.confirmed("the far end closes connections as requests are on their way".to_owned())
        }
        (Cause::IdleExpiry | Cause::IdleExpiryInFlight, Culprit::Hop) => it
            .ruled_out("what ended the connections did not come from the far end".to_owned())
            .because(case.lost()),
        (
            Cause::IdleExpiry | Cause::CloseRace | Cause::PeerAbort | Cause::Inconclusive,
            Culprit::Hop | Culprit::Peer | Culprit::Client | Culprit::Unknown,
        ) if case.has_pauses() => {
            it.possible("connections ended after a pause".to_owned()).settled_by(
                "a capture at the server's side would show whether the server closes them",
                case.far_capture(),
            )
        }
        _ => it.cannot_tell(),
    }
}
