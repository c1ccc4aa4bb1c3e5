//! A restart or failover of a box or the server.

use halfopen_core::cause::Cause;

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::Restart);
    let path = case.path;
    let several = path.failures + path.masked >= 2;
    match path.cause {
        Cause::ServerRestart => it.confirmed("the far end went down and came up again".to_owned()),
        Cause::StateLoss => it.possible(
            "connections died of pauses that others had survived, as when a box loses its table"
                .to_owned(),
        ),
        Cause::IdleExpiry | Cause::IdleExpiryInFlight if several => it.ruled_out(
            "connections died of a pause again and again, and no shorter one was fatal".to_owned(),
        ),
        Cause::IdleExpiry | Cause::IdleExpiryInFlight => it
            .possible("it happened once".to_owned())
            .settled_by("a second connection that dies of such a pause would rule it out", None),
        Cause::CloseRace => {
            it.ruled_out("connections were closed one by one, as each was idle".to_owned())
        }
        Cause::PeerAbort | Cause::PeerClose => it
            .possible("the far end ended connections, and not by a timer".to_owned())
            .settled_by("the far end's own log would show whether it was restarted", None),
        Cause::None
        | Cause::MtuBlackHole
        | Cause::HalfClosedLeak
        | Cause::PacketLoss
        | Cause::PortExhaustion
        | Cause::Refused
        | Cause::Unreachable
        | Cause::Inconclusive => it.cannot_tell(),
    }
}
