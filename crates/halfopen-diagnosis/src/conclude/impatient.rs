//! The client gave up before the far end had answered: its timer is shorter than the answer takes.

use halfopen_core::cause::Culprit;
use halfopen_core::time::Duration;
use halfopen_logs::record::How;

use super::{Conclusion, EVIDENCE_MAX};
use crate::account::presence::Said;
use crate::account::{Account, brief};
use crate::view::arrivals::Arrival;
use crate::view::exchanges::Exchange;

/// The far end and the client may measure an answer differently by this much.
const MARGIN: Duration = Duration::from_millis(250);
/// AWS, "Troubleshoot your Application Load Balancers", HTTP 460: the client closed the connection
/// before the balancer could answer.
const CLIENT_CLOSED: u16 = 460;

pub(super) fn judge(account: &Account<'_>) -> Option<Conclusion> {
    let presence = &account.presence;
    let came = |said: &&Said<'_>| matches!(said, Said::Came(_));
    let said = [&presence.balancer, &presence.server].into_iter().find(came);
    let Some(Said::Came(pairs)) = said else { return None };
    let failed = || pairs.iter().filter(|(exchange, _)| exchange.how().is_some());
    if failed().next().is_none() || !failed().all(gave_up) {
        return None;
    }
    let waited = failed().map(|(exchange, _)| waited(exchange)).min()?;
    let mut evidence = Vec::new();
    for (exchange, arrival) in failed() {
        let took = arrival.took.map_or(String::new(), |took| format!(" after {}", brief(took)));
        let fact = match arrival.status {
            Some(CLIENT_CLOSED) => "the far end: the client closed before it was answered (460)",
            Some(_) | None => "the far end has the request and is done with it",
        };
        evidence.extend(exchange.failure());
        evidence.push(arrival.seen(format!("{fact}{took}")));
    }
    evidence.truncate(EVIDENCE_MAX);
    let because = format!(
        "the client gave {} requests up after {} or more, and the far end had them and needed \
         longer",
        failed().count(),
        brief(waited)
    );
    Some(Conclusion { culprit: Culprit::Client, ..Conclusion::open(because, evidence) })
}

fn waited(exchange: &Exchange) -> Duration {
    exchange.ended.saturating_since(exchange.began)
}

/// Tells whether the far end was still at work on a request when the client gave it up.
fn gave_up((exchange, arrival): &(&Exchange, &Arrival)) -> bool {
    let longer = arrival.took.is_some_and(|took| took >= waited(exchange) + MARGIN);
    let timed_out = matches!(exchange.how(), Some(How::TimedOut | How::Cancelled));
    timed_out && (longer || arrival.status == Some(CLIENT_CLOSED))
}
