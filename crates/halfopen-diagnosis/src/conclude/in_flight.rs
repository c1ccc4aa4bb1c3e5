//! A response was on its way, and never came: the connection was forgotten while it waited.

use halfopen_core::cause::{Cause, Culprit, Mechanism};
use halfopen_core::time::Duration;
use halfopen_logs::record::How;

use super::{Conclusion, DEATHS_MIN};
use crate::account::presence::Said;
use crate::account::{Account, brief};
use crate::view::PAUSE_MIN;
use crate::view::arrivals::Arrival;
use crate::view::exchanges::Exchange;

/// A response that was sent this long before the client gave up had the time to come, even if it
/// was sent a second time.
const MARGIN: Duration = Duration::from_millis(250);

pub(super) fn judge(account: &Account<'_>) -> Option<Conclusion> {
    let Said::Came(pairs) = &account.presence.balancer else { return None };
    let failed: Vec<&(&Exchange, &Arrival)> =
        pairs.iter().filter(|(exchange, _)| exchange.how().is_some()).collect();
    let waits: Option<Vec<Duration>> = failed.iter().map(|pair| lost_response(pair)).collect();
    let waits = waits.filter(|waits| waits.len() >= DEATHS_MIN)?;
    let died = waits.into_iter().min()?;
    let outlived = account.exchanges.iter().filter(|it| it.is_answered());
    let longest = outlived.map(|it| it.ended.saturating_since(it.began)).max();
    if longest.is_some_and(|longest| longest >= died) {
        return None;
    }
    let mut evidence = Vec::new();
    for (exchange, arrival) in failed {
        let took = brief(arrival.took.unwrap_or_default());
        evidence
            .push(arrival.seen(format!("the balancer has the request and answers after {took}")));
        evidence.extend(exchange.failure());
    }
    let because = format!(
        "the balancer answered requests that had waited for {} or more, before the client gave \
         them up, and no such answer came to the client",
        brief(died)
    );
    Some(Conclusion {
        cause: Cause::IdleExpiryInFlight,
        mechanism: None::<Mechanism>,
        culprit: Culprit::Hop,
        survived: longest.filter(|longest| *longest >= PAUSE_MIN),
        died: Some(died),
        because,
        evidence,
    })
}

/// Returns for how long a request waited that the balancer answered in time and the client did not
/// hear.
fn lost_response((exchange, arrival): &(&Exchange, &Arrival)) -> Option<Duration> {
    let waited = exchange.ended.saturating_since(exchange.began);
    let took = arrival.took.filter(|took| *took >= PAUSE_MIN && *took + MARGIN <= waited)?;
    let answered = arrival.status.is_some_and(|status| status < 500);
    (answered && exchange.how() == Some(How::TimedOut)).then_some(took)
}
