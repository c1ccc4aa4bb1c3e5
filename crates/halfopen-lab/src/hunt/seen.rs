//! What was seen of a run, at each place by its own means.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use halfopen_capture::{Limits, PathReport, Points, Source};
use halfopen_core::hop::{Demise, EventKind, Reaction, Side};
use halfopen_core::scenario::{Scenario, Station};
use halfopen_core::tcp::State;
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::event::Tally;

use super::glimpse::Glimpse;
use super::term::{Amount, Term};
use crate::reproduce::{Act, Outcome, Reproduction};

/// What was seen of a run.
#[derive(Debug)]
pub struct Seen {
    /// The requests that were sent together, in their order; a scheduler's run is one burst.
    pub bursts: Vec<Burst>,
    /// What the client's pool counted.
    pub pool: Tally,
    /// The requests that got no response.
    pub lost: Vec<Lost>,
    /// What a capture at the client shows.
    pub client: Glimpse,
    /// After how long without a packet the gateways forgot open connections, in the order of time.
    pub forgotten: Vec<Duration>,
    /// What the gateways did with each packet of the client on a connection that they had forgotten
    /// while it was open.
    pub reactions: Vec<&'static str>,
    /// How many packets came to the gateways from outside on connections that they had forgotten
    /// while they were open.
    pub late: u64,
    /// What the gateways counted as `IdleTimeoutCount`.
    pub idle_timeouts: u64,
    /// How many periods of subscriptions were charged.
    pub charged: u64,
    /// How many charges were made more than once.
    pub duplicates: u64,
    /// What a diagnosis of the client's capture says; `None` if there is no connection in it.
    pub diagnosis: Option<PathReport>,
    /// The pool's wire log.
    pub wire_log: String,
}

/// What was seen of requests that were sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burst {
    /// When they began.
    pub begun: Instant,
    /// How many there were.
    pub sent: u64,
    /// How many of them got no response.
    pub failed: u64,
    /// How many of them are in the balancer's access log.
    pub logged: u64,
    /// How many of them reached whoever answers.
    pub received: u64,
    /// The states of the client's connections to the server as the first of them began, as netstat
    /// writes them; empty if there was none.
    pub sockets: String,
}

/// A request that got no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// When it began.
    pub at: Instant,
    /// Its number, counted from one over all bursts.
    pub number: u32,
    /// Its burst, counted from one.
    pub burst: u32,
    /// The client's end of its last connection, if there was one.
    pub connection: Option<SocketAddr>,
    /// For how long that had been idle; `None` if it was new.
    pub idle: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Seen {
    pub(super) fn new(scenario: &Scenario, run: &Reproduction) -> Self {
        let client = run.sights.first().expect("the client is always watched");
        let mut seen = Self {
            bursts: bursts(scenario, run),
            pool: run.pool.clone(),
            lost: lost(run),
            client: Glimpse::of(&client.capture, run.server, scenario.starts_at),
            forgotten: Vec::new(),
            reactions: Vec::new(),
            late: 0,
            idle_timeouts: run.counted.iter().map(|it| it.counters.idle_timeouts).sum(),
            charged: run.charged.len() as u64,
            duplicates: duplicates(run),
            diagnosis: diagnosis(&client.capture, run.server),
            wire_log: run.wire_log.clone(),
        };
        seen.read_events(scenario, run);
        seen
    }

    /// Returns what a term comes to.
    #[must_use]
    pub fn amount(&self, of: &Term) -> Amount {
        (of.of)(self)
    }

    /// Returns what the wire log says of the first request that failed on a connection: from its
    /// lease to the next, of a request or response the first line each.
    #[must_use]
    pub fn wire_log_of_failure(&self) -> Option<Vec<&str>> {
        let lines: Vec<&str> = self.wire_log.lines().collect();
        let is_lease = |line: &&str| line.contains(" Connection leased:");
        let failure = lines.iter().position(|line| line.contains(": Shutdown connection"))?;
        let start = lines[..failure].iter().rposition(is_lease)?;
        let next = lines[failure..].iter().position(is_lease);
        let end = next.map_or(failure, |next| failure + next);
        let is_content = |line: &str| line.contains(" >> \"") || line.contains(" << \"");
        let starts = |line: &str| line.contains(" HTTP/1.1[") || line.contains("\"HTTP/1.1 ");
        let errs = |line: &str| line.contains("[read]") || line.contains("[write]");
        let told = |line: &&str| !is_content(line) || starts(line) || errs(line);
        Some(lines[start..=end].iter().copied().filter(told).collect())
    }

    /// Reads what the gateways report of open connections. What they forget of closed ones is no
    /// news.
    fn read_events(&mut self, scenario: &Scenario, run: &Reproduction) {
        let open_limit = |hop: usize| match scenario.path.get(hop)? {
            Station::Gateway(gateway) => gateway.config(Vec::new()).idle.timers.tcp_established,
            Station::Link(_) | Station::Balancer(_) => None,
        };
        let mut open: BTreeSet<(SocketAddr, Instant)> = BTreeSet::new();
        for event in &run.events {
            match event.kind {
                EventKind::Forgot { flow, idle, because: Demise::Idle }
                    if open_limit(event.hop).is_some_and(|limit| idle >= limit) =>
                {
                    self.forgotten.push(idle);
                    open.insert((flow.initiator, event.at));
                }
                EventKind::Orphaned { flow, side: Side::Inside, reaction, forgotten: Some(at) }
                    if open.contains(&(flow.initiator, at)) =>
                {
                    self.reactions.push(word(reaction));
                }
                EventKind::Orphaned { side: Side::Outside, forgotten: Some(at), .. }
                    if open.iter().any(|&(_, forgot)| forgot == at) =>
                {
                    self.late += 1;
                }
                EventKind::Forgot { .. }
                | EventKind::Orphaned { .. }
                | EventKind::Remembered { .. }
                | EventKind::Exhausted { .. }
                | EventKind::Discarded { .. }
                | EventKind::Refused { .. } => {}
            }
        }
    }
}

/// Returns how many charges were made more than once: by the payment module's book, or without one
/// as many requests as were received more than once.
pub(super) fn duplicates(run: &Reproduction) -> u64 {
    if run.charged.is_empty() {
        return run.received_twice() as u64;
    }
    run.charged.values().filter(|&&times| times > 1).count() as u64
}

fn bursts(scenario: &Scenario, run: &Reproduction) -> Vec<Burst> {
    let mut bursts: BTreeMap<u32, Burst> = BTreeMap::new();
    let mut burst_of: BTreeMap<u32, u32> = BTreeMap::new();
    for request in &run.requests {
        burst_of.insert(request.number, request.burst);
        let burst = bursts.entry(request.burst).or_insert_with(|| Burst {
            begun: request.begun,
            sent: 0,
            failed: 0,
            logged: 0,
            received: 0,
            sockets: sockets(run, request.begun),
        });
        burst.sent += 1;
        burst.failed += u64::from(request.outcome() != Outcome::Answered);
    }
    for deed in &run.deeds {
        if let Act::Received(number) = deed.act
            && let Some(burst) = burst_of.get(&number).and_then(|burst| bursts.get_mut(burst))
        {
            burst.received += 1;
        }
    }
    for entry in &run.access_log {
        let at = Instant::EPOCH + entry.created.saturating_sub(scenario.starts_at);
        if let Some(burst) = bursts.values_mut().rfind(|burst| burst.begun <= at) {
            burst.logged += 1;
        }
    }
    bursts.into_values().collect()
}

/// Returns the states of the client's connections to the server just before `at`.
fn sockets(run: &Reproduction, at: Instant) -> String {
    let Some(table) = run.sockets.iter().rfind(|table| table.at < at) else { return String::new() };
    let connections = table.rows.iter().filter_map(|row| row.connection);
    let mut states: Vec<&str> = connections
        .filter(|connection| connection.peer == run.server)
        .map(|connection| state(connection.info.state))
        .collect();
    states.sort_unstable();
    states.dedup();
    states.join(" and ")
}

fn lost(run: &Reproduction) -> Vec<Lost> {
    let failed = run.requests.iter().filter(|request| request.outcome() != Outcome::Answered);
    failed
        .filter_map(|request| {
            let last = request.attempts.last()?;
            Some(Lost {
                at: request.begun,
                number: request.number,
                burst: request.burst,
                connection: last.connection,
                idle: last.idle,
                outcome: last.outcome,
            })
        })
        .collect()
}

fn diagnosis(capture: &[u8], server: SocketAddr) -> Option<PathReport> {
    let mut points = Points::new(Limits::default(), 0);
    let source = Source::open(capture).expect("the simulator writes whole files");
    points.read(0, "client", source);
    points.diagnose().paths.into_iter().find(|path| path.server == server)
}

const fn word(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Dropped => "drop",
        Reaction::Reset => "reset",
        Reaction::Adopted => "adopt",
        Reaction::Unreachable => "unreachable",
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::SynSent => "SYN_SENT",
        State::SynReceived => "SYN_RECV",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN_WAIT1",
        State::FinWait2 => "FIN_WAIT2",
        State::CloseWait => "CLOSE_WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST_ACK",
        State::TimeWait => "TIME_WAIT",
        State::Closed => "CLOSE",
    }
}
