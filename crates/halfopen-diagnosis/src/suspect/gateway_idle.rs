//! The idle timeout of a NAT gateway.

use halfopen_core::cause::{Cause, Culprit, Mechanism};

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::GatewayIdle);
    let path = case.path;
    let forgotten = case.is_forgotten();
    // AWS, "NAT gateway metrics": connections that went from active to idle.
    let counted = case.points("IdleTimeoutCount", "the gateway counts connections that timed out");
    match (path.mechanism, path.culprit) {
        (Some(_), Culprit::Hop) if forgotten && case.shows(Mechanism::ResetOnReuse) => it
            .confirmed(
                "a box between forgot connections by a timer and answered what followed with a \
                 reset, as a NAT gateway does"
                    .to_owned(),
            )
            .because(case.lost())
            .shown_by(counted)
            .shown_by(case.resets()),
        _ if path.cause == Cause::IdleExpiryInFlight && path.culprit == Culprit::Hop => it
            .possible("a box between forgot connections while requests waited".to_owned())
            .because(case.lost())
            .shown_by(counted),
        _ if path.culprit == Culprit::Peer => {
            it.ruled_out("it was the far end itself that ended the connections".to_owned())
        }
        _ if case.has_pauses() || forgotten => {
            let it = it.possible("connections died of pauses".to_owned());
            it.shown_by(counted).shown_by(case.resets()).settled_by(
                "a capture at the server's side would show that requests do not come, and the \
                 gateway's IdleTimeoutCount whether it drops connections at those times",
                case.far_capture(),
            )
        }
        _ if case.is_left_behind() => it
            .possible("clients left connections that had been idle, and opened others".to_owned())
            .shown_by(counted)
            .settled_by(
                "a capture at the client would show whether requests on them meet a reset, or none \
                 is sent",
                case.near_capture(),
            ),
        _ => it.cannot_tell(),
    }
}
