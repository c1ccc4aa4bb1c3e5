//! A firewall that drops what it has forgotten.

use halfopen_core::cause::{Cause, Culprit, Mechanism};

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::Firewall);
    let path = case.path;
    let drops = case.shows(Mechanism::SilentDrop);
    let rejected = case.rejected();
    if !rejected.is_empty() {
        let why = "the flow log says that a security group or a network ACL rejected packets of \
                   connections to this server at that time";
        let it = it.shown_by(rejected);
        return if drops || path.cause == Cause::Unreachable {
            it.confirmed(why.to_owned())
        } else {
            it.possible(why.to_owned())
        };
    }
    match (path.mechanism, path.culprit) {
        (Some(Mechanism::ResetOnReuse | Mechanism::ResetAtExpiry), _) if !drops => {
            it.ruled_out("what was sent was answered by a reset, not dropped".to_owned())
        }
        (Some(_), Culprit::Hop) if drops => it
            .possible("a box between forgot connections and drops what follows".to_owned())
            .because(case.lost())
            .settled_by(
                "captures on either side of each firewall would show which one drops",
                case.far_capture(),
            ),
        _ if path.culprit == Culprit::Peer => {
            it.ruled_out("it was the far end itself that ended the connections".to_owned())
        }
        _ if case.is_left_behind() => it
            .possible("clients left connections that had been idle, and opened others".to_owned())
            .settled_by(
                "a capture at the client would show whether requests on them go unanswered",
                case.near_capture(),
            ),
        _ => it.cannot_tell(),
    }
}
