//! Packets were lost.

use halfopen_core::cause::{Cause, Culprit, Mechanism as How};

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::PacketLoss);
    let path = case.path;
    match (path.cause, path.mechanism) {
        (Cause::PacketLoss, _) => {
            it.confirmed("packets were sent again, and requests were answered late".to_owned())
        }
        (Cause::CloseRace | Cause::PeerAbort | Cause::PeerClose | Cause::Refused, _)
        | (_, Some(How::ResetOnReuse | How::ResetAtExpiry | How::FinAtExpiry)) => {
            it.ruled_out("the connections were ended by a packet that came".to_owned())
        }
        (_, Some(How::SilentDrop)) if path.culprit == Culprit::Hop => it.ruled_out(
            "packets vanished on idle connections only, again and again, and not on others"
                .to_owned(),
        ),
        _ => it.cannot_tell().settled_by(
            "a capture at the client would show what was sent again",
            case.near_capture(),
        ),
    }
}
