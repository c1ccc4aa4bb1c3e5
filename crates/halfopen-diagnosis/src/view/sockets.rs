//! The client's sockets over time, as tables of them tell.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_core::time::{Duration, Instant};
use halfopen_logs::record::{Dating, Socket, SocketState, Timer, What};

use crate::log::Log;
use crate::suspect::{Place, Seen};

/// Sockets that are followed at once.
const SOCKETS_MAX: usize = 200_000;
/// Looks at one socket that are kept.
const LOOKS_MAX: usize = 100_000;

/// One socket, from the table that shows it first to the one that shows it last.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) log: usize,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// In the order of time.
    pub(crate) looks: Vec<Look>,
    /// When the last table before it was taken that does not show it.
    pub(crate) absent_before: Option<Instant>,
    /// When the first table after it was taken that does not show it.
    pub(crate) gone: Option<Instant>,
}

/// A socket as one table shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) at: Instant,
    pub(crate) line: u64,
    pub(crate) state: SocketState,
    /// The last packet of either end, as far as the table tells.
    pub(crate) active: Option<Instant>,
    /// Something was sent and nobody has acknowledged it.
    pub(crate) waits: bool,
    pub(crate) received: Option<u64>,
    /// Data was sent after the last that was received.
    pub(crate) asks: bool,
}

impl Look {
    fn new(at: Instant, line: u64, socket: &Socket) -> Self {
        let active = socket.last.map(|last| {
            let least = last.sent.min(last.received).min(last.acknowledged);
            let nanos = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX);
            Instant::from_nanos(at.as_nanos().saturating_sub(nanos))
        });
        let again = socket.timer.is_some_and(|running| running.timer == Timer::Retransmission);
        let waits = socket.unacknowledged > 0 && again;
        let received = socket.bytes.map(|(_, received)| received);
        let later = socket.last.is_some_and(|last| last.sent < last.received);
        let unanswered = socket.bytes.is_some_and(|(sent, received)| sent > 0 && received == 0);
        let asks = later || unanswered;
        Self { at, line, state: socket.state, active, waits, received, asks }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, SocketState::Established | SocketState::Unstated)
    }
}

/// A pause of a socket, as tables bound it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketPause {
    /// It lasted at least this, for a table shows the socket quiet for so long.
    pub(crate) least: Duration,
    /// And at most this.
    pub(crate) most: Duration,
    pub(crate) before: Look,
    pub(crate) after: Look,
}

impl Story {
    pub(crate) fn seen(&self, look: &Look, fact: String) -> Seen {
        let place = Place::Line { log: self.log, line: look.line };
        Seen { at: look.at, place, fact }
    }

    /// Returns the last look before `at`.
    pub(crate) fn look_before(&self, at: Instant) -> Option<&Look> {
        let after = self.looks.partition_point(|look| look.at < at);
        self.looks.get(after.checked_sub(1)?)
    }

    /// Returns the last look before `at` that shows the connection established and quiet since
    /// `since`.
    pub(crate) fn open_and_quiet(&self, since: Instant, at: Instant) -> Option<&Look> {
        let slack = Duration::from_millis(200);
        let look = self.look_before(at).filter(|look| look.is_open() && !look.waits)?;
        look.active.is_some_and(|active| active <= since + slack).then_some(look)
    }

    /// Returns the pauses after which the far end was heard again.
    pub(crate) fn survived(&self) -> Vec<SocketPause> {
        let pairs = self.looks.windows(2).map(|pair| (pair[0], pair[1]));
        pairs
            .filter_map(|(before, after)| {
                let quiet = before.active?;
                let most = after.active?.saturating_since(quiet);
                let heard = after.received? > before.received?;
                let least = before.at.saturating_since(quiet);
                (heard && before.is_open() && !before.waits && least > Duration::ZERO)
                    .then_some(SocketPause { least, most, before, after })
            })
            .collect()
    }

    /// Returns the pause after which what was sent was never acknowledged: two tables, a second or
    /// more apart, show the same waiting, and none shows an answer.
    pub(crate) fn swallowed(&self) -> Option<SocketPause> {
        let first = self.looks.iter().rposition(|look| !look.waits)?;
        let waiting = &self.looks[first + 1..];
        let lasted = waiting.last()?.at.saturating_since(waiting.first()?.at);
        if lasted < Duration::from_secs(1) {
            return None;
        }
        let (before, after) = (self.looks[first], waiting[0]);
        let quiet = before.active.filter(|_| before.is_open())?;
        let least = before.at.saturating_since(quiet);
        let most = after.at.saturating_since(quiet);
        let heard = after.received.zip(before.received).is_none_or(|(after, old)| after > old);
        (!heard).then_some(SocketPause { least, most, before, after })
    }

    /// Returns the last look, and for how long a request had waited then for its answer, if the
    /// socket was gone afterwards.
    pub(crate) fn unanswered(&self) -> Option<(&Look, Duration)> {
        let look = self.looks.last().filter(|look| look.asks && look.is_open())?;
        let answered = self.looks.iter().rposition(|look| !look.asks).map_or(0, |index| index + 1);
        let waited = look.at.saturating_since(self.looks.get(answered)?.at);
        self.gone.and(Some((look, waited)))
    }

    /// Tells whether a table shows that the far end had closed, or this end.
    pub(crate) fn is_seen_closing(&self) -> bool {
        self.looks.iter().any(|look| !look.is_open() && look.state != SocketState::SynSent)
    }
}

/// Returns the stories of all sockets that tables with a time show.
pub(crate) fn tell(logs: &[Log]) -> Vec<Story> {
    let mut stories = Vec::new();
    for (index, log) in logs.iter().enumerate() {
        stories.extend(tell_log(index, log));
    }
    stories
}

/// Returns when tables were taken, in order.
pub(crate) fn tables(logs: &[Log]) -> Vec<Instant> {
    let records = logs.iter().flat_map(|log| &log.records);
    let stated = records.filter(|it| matches!(it.what, What::Snapshot(Dating::Stated)));
    let mut tables: Vec<Instant> = stated.map(|record| record.at).collect();
    tables.sort_unstable();
    tables
}

fn tell_log(log: usize, source: &Log) -> Vec<Story> {
    let mut open: BTreeMap<(SocketAddr, SocketAddr), Story> = BTreeMap::new();
    let (mut done, mut table, mut last) = (Vec::new(), None, None);
    for record in &source.records {
        match &record.what {
            What::Snapshot(dating) => {
                close(&mut open, &mut done, table);
                last = table;
                table = (*dating == Dating::Stated).then_some(record.at);
            }
            What::Socket(socket) if table.is_some() && is_connection(socket) => {
                let look = Look::new(record.at, record.line, socket);
                let key = (unmapped(socket.local), unmapped(socket.remote));
                if open.len() == SOCKETS_MAX && !open.contains_key(&key) {
                    continue;
                }
                let story = open.entry(key).or_insert_with(|| Story {
                    log,
                    local: key.0,
                    remote: key.1,
                    looks: Vec::new(),
                    absent_before: last,
                    gone: None,
                });
                if story.looks.len() < LOOKS_MAX {
                    story.looks.push(look);
                }
            }
            What::Socket(_)
            | What::Client(_)
            | What::Server(_)
            | What::Balanced(_)
            | What::Accepted(_)
            | What::Traffic(_)
            | What::Blank(_)
            | What::Point(_) => {}
        }
    }
    close(&mut open, &mut done, table);
    done.extend(open.into_values());
    done.sort_by_key(|story| story.looks.first().map(|look| (look.at, look.line)));
    done
}

/// Ends the stories of sockets that the table taken at `table` does not show.
fn close(
    open: &mut BTreeMap<(SocketAddr, SocketAddr), Story>,
    done: &mut Vec<Story>,
    table: Option<Instant>,
) {
    let Some(at) = table else { return };
    let here = |story: &Story| story.looks.last().is_some_and(|look| look.at >= at);
    let gone: Vec<_> = open.iter().filter(|(_, it)| !here(it)).map(|(key, _)| *key).collect();
    for key in gone {
        if let Some(mut story) = open.remove(&key) {
            story.gone = Some(at);
            done.push(story);
        }
    }
}

fn is_connection(socket: &Socket) -> bool {
    socket.state != SocketState::Listen && socket.remote.port() != 0
}

/// Returns an IPv4 address that is written as an IPv6 one as what it is (RFC 4291 section 2.5.5.2).
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
