//! Connections could not be opened, as the client's log words it; or the balancer's own far end
//! closed.

use halfopen_core::cause::{Cause, Culprit};
use halfopen_logs::record::How;

use super::Conclusion;
use crate::account::Account;

pub(super) fn judge(account: &Account<'_>) -> Option<Conclusion> {
    let hows: Vec<How> = account.others.iter().filter_map(|exchange| exchange.how()).collect();
    let first = *hows.first().filter(|_| account.deaths.is_empty())?;
    if hows.iter().any(|how| *how != first) {
        return None;
    }
    let (cause, culprit, because) = match first {
        How::Refused => (Cause::Refused, Culprit::Unknown, "the connection was refused"),
        How::ConnectTimedOut | How::Unreachable => {
            (Cause::Unreachable, Culprit::Unknown, "nothing answered the attempt to connect")
        }
        How::NoPort => {
            (Cause::PortExhaustion, Culprit::Client, "the client had no port left to connect from")
        }
        How::Reset
        | How::Closed
        | How::BrokenPipe
        | How::TimedOut
        | How::ResetOrClosed
        | How::LeaseTimedOut
        | How::Cancelled
        | How::Other => return None,
    };
    let evidence = account.others.iter().filter_map(|exchange| exchange.failure()).collect();
    let because = format!("{because}, as the client's log says {} times", hows.len());
    Some(Conclusion { cause, culprit, ..Conclusion::open(because, evidence) })
}
