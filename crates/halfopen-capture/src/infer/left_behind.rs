//! Connections that a client left behind, as a capture nearer to the server shows them: a hint, and
//! no more.
//!
//! Behind a box that forgets, nothing is seen to fail. Requests that meet a reset there never come,
//! and all that shows is a connection that the client neither uses nor closes again while it opens
//! another, or of which nobody knows when the server closes it. A client that was switched off, or
//! that leaves connections lying about, looks the same.

use std::collections::BTreeSet;
use std::net::IpAddr;

use halfopen_core::cause::Cause;
use halfopen_core::time::Duration;

use super::PathReport;
use crate::case::{Case, brief, evidence_at};
use crate::route::Route;
use crate::timeline::{Carries, Mark, Sender};

/// A client that opens connections one after the other does not take as long between two. No
/// profile's box forgets sooner.
const QUIET_MIN: Duration = Duration::from_secs(10);
/// One connection that is never used again is an accident.
const LEFT_MIN: usize = 2;
/// So many connections are looked at, over all servers.
pub(super) const LOOKED_AT_MAX: usize = 100_000;
/// Connections whose frames are shown.
const SHOWN_MAX: usize = 4;

/// What a path's connections look like from near the server.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    connections: Vec<Connection>,
    clients: BTreeSet<IpAddr>,
    /// One of them was seen from nearer to the client, or from its middle on.
    unfit: bool,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    /// The last data of either end.
    used: Mark,
    /// It worked, and the client has not ended it.
    open: bool,
    /// The server closed it, and was told that there is no such connection.
    unknown: Option<(Mark, Mark)>,
}

/// A connection that was left behind.
struct Left {
    used: Mark,
    idle: Duration,
    /// What shows it: another connection, or the server's FIN and the answer.
    shown: Vec<(Mark, &'static str)>,
}

impl Quiet {
    /// Takes a connection into account.
    pub(super) fn look(&mut self, case: &Case<'_>) {
        self.unfit |= !is_near_server(case) || !case.timeline.opening_seen;
        if self.unfit {
            return;
        }
        self.clients.insert(case.timeline.client.address().ip());
        let unknown = unknown(case);
        let open = case.timeline.is_open() && !case.timeline.half_closed() || unknown.is_some();
        self.connections.push(Connection {
            used: case.timeline.data_at,
            open: open && case.has_worked() && case.lost_request().is_none(),
            unknown,
        });
    }

    /// Puts the hint into the report of a path with which nothing else is wrong.
    pub(super) fn hint(mut self, report: &mut PathReport, route: &Route) {
        if self.unfit || report.cause != Cause::None {
            return;
        }
        self.connections.sort_by_key(|it| it.used.at());
        let unknown = self.connections.iter().filter_map(Connection::left_unknown);
        let mut left: Vec<Left> = unknown.collect();
        let told = left.len();
        let replaced = self.replaced(route);
        if told == 0 && replaced.len() < LEFT_MIN {
            return;
        }
        left.extend(replaced);
        left.sort_by_key(|it| it.used.at());
        blame(report, &left, told);
    }

    /// Returns the connections of one client that takes one after the other, each of which it has
    /// left idle for long when it opens the next.
    fn replaced(&self, route: &Route) -> Vec<Left> {
        let openings: Vec<Mark> = route.openings().collect();
        let complete = openings.len() == self.connections.len();
        if self.clients.len() != 1 || !complete {
            return Vec::new();
        }
        let pairs = || self.connections.iter().zip(&openings[1..]);
        if pairs().any(|(connection, next)| connection.used.at() >= next.at()) {
            return Vec::new();
        }
        let left = pairs().filter(|(it, _)| it.open && it.unknown.is_none());
        left.map(|(it, next)| Left {
            used: it.used,
            idle: next.at().saturating_since(it.used.at()),
            shown: vec![(*next, "the same client opens another connection")],
        })
        .filter(|left| left.idle >= QUIET_MIN)
        .collect()
    }
}

impl Connection {
    fn left_unknown(&self) -> Option<Left> {
        let (fin, reset) = self.unknown.filter(|_| self.open)?;
        let idle = fin.at().saturating_since(self.used.at());
        let shown = vec![
            (fin, "the server closes it"),
            (reset, "the answer is that there is no such connection; the client had not closed it"),
        ];
        (idle >= QUIET_MIN).then_some(Left { used: self.used, idle, shown })
    }
}

/// Returns the server's FIN and the reset by which somebody on the client's side says that he knows
/// no such connection.
fn unknown(case: &Case<'_>) -> Option<(Mark, Mark)> {
    let fin = case.own_server_fin()?;
    let reset = case.timeline.reset().filter(|it| it.from == Sender::Client && it.refuses)?;
    let (_, asked) = reset.provoked_by?;
    let closed = case.timeline.client_fin().is_some();
    (asked == Carries::Fin && !closed).then_some((fin.mark, reset.mark))
}

/// Tells whether the client's packets have come a longer way than the server's.
fn is_near_server(case: &Case<'_>) -> bool {
    let way = |sender| {
        let [first, later] = case.timeline.half(sender).ttls;
        hops(if later == 0 { first } else { later })
    };
    way(Sender::Client) > way(Sender::Server)
}

/// Returns how many routers have passed a packet on, given that systems begin with 64, 128 or 255.
const fn hops(ttl: u8) -> u8 {
    match ttl {
        0..=64 => 64 - ttl,
        65..=128 => 128 - ttl,
        129..=255 => 255 - ttl,
    }
}

fn blame(report: &mut PathReport, left: &[Left], unknown: usize) {
    let shortest = left.iter().map(|it| it.idle).min().unwrap_or_default();
    report.cause = Cause::Inconclusive;
    report.because = format!(
        "{} connections that had worked were idle for {} or more and were never used again, nor \
         did the client close them",
        left.len(),
        brief(shortest)
    );
    let more = match unknown {
        0 => ": it opened others instead".to_owned(),
        1 => "; when the server closed one, nobody knew of it any more".to_owned(),
        many => format!("; when the server closed {many} of them, nobody knew of them any more"),
    };
    report.because.push_str(&more);
    report.because.push_str(
        ". So it looks from behind a box that forgets idle connections, where requests that die \
         of it never come, but also where a client was restarted or leaves connections open",
    );
    for it in left.iter().take(SHOWN_MAX) {
        let fact = format!("the last data for {}; none comes again", brief(it.idle));
        report.evidence.push(evidence_at(it.used, fact));
        report.evidence.extend(it.shown.iter().map(|&(mark, fact)| evidence_at(mark, fact)));
    }
}
