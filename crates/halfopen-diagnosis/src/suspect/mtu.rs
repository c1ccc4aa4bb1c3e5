//! Packets too large for a link of the path.

use halfopen_core::cause::{Cause, Mechanism as How};

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::Mtu);
    match (case.path.cause, case.path.mechanism) {
        (Cause::MtuBlackHole, _) => {
            it.confirmed("packets of full size vanish, and smaller ones pass".to_owned())
        }
        (Cause::CloseRace | Cause::PeerAbort | Cause::PeerClose | Cause::Refused, _)
        | (_, Some(How::ResetOnReuse | How::ResetAtExpiry | How::FinAtExpiry)) => {
            it.ruled_out("the connections were ended by a packet that came".to_owned())
        }
        (Cause::IdleExpiry, Some(How::SilentDrop)) => {
            it.ruled_out("the same requests pass on connections that were not idle".to_owned())
        }
        _ => it.cannot_tell().settled_by(
            "a capture at the client would show whether only large packets go unanswered",
            case.near_capture(),
        ),
    }
}
