//! Whether requests that failed at the client ever came to the far end.
//!
//! The far end's log names neither the client's connection – a gateway translates it – nor a
//! request by anything unique. So requests are counted: if the far end has exactly those that were
//! answered, it has none of those that failed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use halfopen_core::time::{Duration, Instant};

use crate::view::View;
use crate::view::arrivals::{Arrival, Arrivals};
use crate::view::exchanges::{Exchange, Outcome};

/// With fewer answered requests a count may agree by chance.
const ANSWERED_MIN: usize = 2;

/// What the far end's logs say of the requests that failed.
#[derive(Debug, Default)]
pub(crate) struct Presence<'a> {
    pub(crate) balancer: Said<'a>,
    pub(crate) server: Said<'a>,
    /// A capture shows all requests that were answered, none that failed, and nothing wrong: it was
    /// made on the far side of whatever went wrong.
    pub(crate) beyond: bool,
}

/// What one kind of log says of the requests that failed.
#[derive(Debug, Default)]
pub(crate) enum Said<'a> {
    /// It has all that were answered and none that failed; the requests before and after those
    /// that failed are among them.
    NeverCame {
        /// The request that was logged last before the first that is missing.
        before: &'a Arrival,
    },
    /// It has them all, each with the one that is the same.
    Came(Vec<(&'a Exchange, &'a Arrival)>),
    /// Nothing can be said.
    #[default]
    Nothing,
}

impl<'a> Presence<'a> {
    pub(crate) fn new(exchanges: &[&'a Exchange], view: &'a View, only: bool) -> Self {
        if !only {
            return Self::default();
        }
        Self {
            balancer: Said::new(exchanges, &view.balanced),
            server: Said::new(exchanges, &view.served),
            beyond: false,
        }
    }

    /// Takes note of what a capture of this path shows.
    pub(crate) fn compare(&mut self, exchanges: &[&Exchange], requests: u64, failures: u64) {
        let answered = exchanges.iter().filter(|it| it.is_answered()).count();
        let enough = answered >= ANSWERED_MIN && answered < exchanges.len();
        self.beyond = enough && failures == 0 && requests == answered as u64;
    }

    /// Tells whether one of the logs shows that no request that failed came.
    pub(crate) fn never_came(&self) -> bool {
        self.beyond
            || matches!(self.balancer, Said::NeverCame { .. })
            || matches!(self.server, Said::NeverCame { .. })
    }

    /// Tells whether one of the logs shows that the requests that failed came.
    pub(crate) fn came(&self) -> bool {
        matches!(self.balancer, Said::Came(_)) || matches!(self.server, Said::Came(_))
    }
}

impl<'a> Said<'a> {
    fn new(exchanges: &[&'a Exchange], arrivals: &'a Arrivals) -> Self {
        let told = |it: &&&Exchange| it.outcome != Outcome::Open;
        let told: Vec<&Exchange> = exchanges.iter().filter(told).copied().collect();
        let answered = told.iter().filter(|it| it.is_answered()).count();
        let failed = told.len() - answered;
        if failed == 0 || told.len() < exchanges.len() {
            return Self::Nothing;
        }
        let mut by_client: BTreeMap<Option<IpAddr>, Vec<&Arrival>> = BTreeMap::new();
        for arrival in &arrivals.list {
            let client = arrival.client.map(|client| client.ip());
            by_client.entry(client).or_default().push(arrival);
        }
        let mut fits = by_client.into_values().filter_map(|list| {
            let never = answered >= ANSWERED_MIN && list.len() == answered;
            if never && let Some(before) = surrounds(&told, &list) {
                return Some(Self::NeverCame { before });
            }
            (list.len() == told.len() && pairs_up(&told, &list))
                .then(|| Self::Came(told.iter().copied().zip(list).collect()))
        });
        match (fits.next(), fits.next()) {
            (Some(said), None) => said,
            // Two clients fit, and nothing says which it was.
            (Some(_), Some(_)) | (None, _) => Self::Nothing,
        }
    }
}

/// Returns the request that was logged last before the first failure, if requests that were
/// answered surround those that failed, and the log's other times agree with the client's.
fn surrounds<'a>(told: &[&Exchange], list: &[&'a Arrival]) -> Option<&'a Arrival> {
    let first = told.iter().position(|it| !it.is_answered())?;
    let ends_well = told.last().is_some_and(|it| it.is_answered());
    if first == 0 || !ends_well {
        return None;
    }
    let answered: Vec<&Exchange> = told.iter().filter(|it| it.is_answered()).copied().collect();
    pairs_up(&answered, list).then(|| list[first - 1])
}

/// Tells whether requests, one after the other, are the same in both lists: the times between the
/// two clocks agree for at least every third pair. A log may stamp a request that ends a pause with
/// the pause's beginning.
fn pairs_up(told: &[&Exchange], list: &[&Arrival]) -> bool {
    let nanos = |at: Instant| i128::from(at.as_nanos());
    let shift =
        |(exchange, arrival): (&&Exchange, &&Arrival)| nanos(arrival.came) - nanos(exchange.began);
    let mut shifts: Vec<i128> = told.iter().zip(list).map(shift).collect();
    shifts.sort_unstable();
    let near = i128::try_from(Duration::from_millis(500).as_nanos()).unwrap_or(i128::MAX);
    let widest = shifts
        .iter()
        .enumerate()
        .map(|(index, from)| shifts[index..].partition_point(|shift| shift - from <= near));
    3 * widest.max().unwrap_or(0) >= shifts.len()
}
