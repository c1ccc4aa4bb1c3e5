//! Requests and responses as clients' logs tell them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_core::time::{Duration, Instant};
use halfopen_logs::record::{Ends, Failure, How, Http, Step, What};

use super::PAUSE_MIN;
use crate::judgement::Server;
use crate::log::Log;
use crate::suspect::{Place, Seen};

/// Connections that are followed at once in one log.
const OPEN_MAX: usize = 100_000;
/// Stamps of a log are as coarse as this.
const STAMP_SLACK: Duration = Duration::from_millis(2);

/// A request and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) log: usize,
    /// Where the request is told.
    pub(crate) line: u64,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Where its end is told.
    pub(crate) end_line: u64,
    pub(crate) server: Server,
    /// The client's end of the connection.
    pub(crate) client: Option<SocketAddr>,
    pub(crate) outcome: Outcome,
    /// For how long the connection had been quiet; `None` if it was a new one, or that cannot be
    /// told.
    pub(crate) pause: Option<Duration>,
    /// The last exchange before the pause, by its line.
    pub(crate) before: Option<(u64, Instant)>,
    /// The log says by itself on which connection it was.
    pub(crate) named: bool,
    /// The client looked at the connection right before, and nothing had come; in which line.
    pub(crate) checked: Option<u64>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Failed(Failure),
    /// The log does not say.
    Open,
}

impl Exchange {
    pub(crate) fn how(&self) -> Option<How> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure.how),
            Outcome::Answered | Outcome::Open => None,
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.outcome == Outcome::Answered
    }

    /// Returns the line that tells how it ended.
    pub(crate) fn end(&self, fact: String) -> Seen {
        Seen { at: self.ended, place: Place::Line { log: self.log, line: self.end_line }, fact }
    }

    /// Returns what the client says of the failure.
    pub(crate) fn failure(&self) -> Option<Seen> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(self.end(format!("the client: {}", failure.text))),
            Outcome::Answered | Outcome::Open => None,
        }
    }
}

/// Returns what all clients' logs tell.
pub(crate) fn tell(logs: &[Log]) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for (index, log) in logs.iter().enumerate() {
        let mut teller = Teller { log: index, ..Teller::default() };
        let mut lines: Vec<Exchange> = Vec::new();
        for record in &log.records {
            let What::Client(http) = &record.what else { continue };
            if let Some(exchange) = teller.line(record.at, record.line, http) {
                lines.push(exchange);
            } else {
                teller.step(record.at, record.line, http);
            }
        }
        let steps = teller.end();
        // A program that tells each step and sums up afterwards says the same twice.
        exchanges.extend(if steps.is_empty() { in_sequence(lines) } else { steps });
    }
    exchanges.sort_by_key(|exchange| (exchange.began, exchange.log, exchange.line));
    exchanges
}

/// Follows the steps of one log.
#[derive(Debug, Default)]
struct Teller {
    log: usize,
    open: BTreeMap<Box<str>, Connection>,
    done: Vec<Exchange>,
}

#[derive(Debug)]
struct Connection {
    ends: Ends,
    /// The last thing that happened on it, once a request was answered.
    quiet: Option<(u64, Instant)>,
    checked: Option<u64>,
    under_way: Option<Exchange>,
}

impl Teller {
    /// Returns the exchange that a line tells as a whole.
    fn line(&self, at: Instant, line: u64, http: &Http) -> Option<Exchange> {
        let Step::Exchange { took, outcome, .. } = &http.step else { return None };
        let outcome = match outcome {
            Ok(_) => Outcome::Answered,
            Err(failure) => Outcome::Failed(failure.clone()),
        };
        Some(Exchange {
            log: self.log,
            line,
            began: at,
            ended: at + took.unwrap_or_default(),
            end_line: line,
            server: server(&http.ends),
            client: http.ends.client,
            outcome,
            pause: None,
            before: None,
            named: false,
            checked: None,
        })
    }

    fn step(&mut self, at: Instant, line: u64, http: &Http) {
        let Some(name) = &http.connection else { return };
        if !self.open.contains_key(name) && self.open.len() == OPEN_MAX {
            self.open.pop_first();
        }
        let fresh =
            || Connection { ends: Ends::default(), quiet: None, checked: None, under_way: None };
        let connection = self.open.entry(name.clone()).or_insert_with(fresh);
        let Ends { client, server, server_name } = &http.ends;
        connection.ends.client = client.or(connection.ends.client);
        connection.ends.server = server.or(connection.ends.server);
        if server_name.is_some() {
            connection.ends.server_name.clone_from(server_name);
        }
        match &http.step {
            Step::Opened | Step::Opening => {
                connection.quiet = None;
                connection.under_way = None;
            }
            Step::Request { .. } => {
                let exchange = connection.ask(self.log, line, at);
                self.done.extend(connection.under_way.replace(exchange));
            }
            Step::Response { .. } => self.done.extend(connection.finish(at, line, None)),
            Step::Failed(failure) => {
                self.done.extend(connection.finish(at, line, Some(failure)));
            }
            Step::Closed => {
                self.done.extend(connection.under_way.take());
                self.open.remove(name);
            }
            Step::Checked { ended } => {
                connection.checked = ended.is_none().then_some(line);
            }
            Step::Leased { .. }
            | Step::Kept(_)
            | Step::Released
            | Step::Exchange { .. }
            | Step::Product(_) => {}
        }
    }

    fn end(mut self) -> Vec<Exchange> {
        for connection in self.open.values_mut() {
            self.done.extend(connection.under_way.take());
        }
        self.done
    }
}

impl Connection {
    fn ask(&mut self, log: usize, line: u64, at: Instant) -> Exchange {
        Exchange {
            log,
            line,
            began: at,
            ended: at,
            end_line: line,
            server: server(&self.ends),
            client: self.ends.client,
            outcome: Outcome::Open,
            pause: self.quiet.map(|(_, quiet)| at.saturating_since(quiet)),
            before: self.quiet,
            named: true,
            checked: self.checked.take(),
        }
    }

    /// Ends what is under way; a failure that comes later than an answer is none of a request.
    fn finish(&mut self, at: Instant, line: u64, failure: Option<&Failure>) -> Option<Exchange> {
        let mut exchange = self.under_way.take()?;
        (exchange.ended, exchange.end_line) = (at, line);
        exchange.outcome = match failure {
            Some(failure) => Outcome::Failed(failure.clone()),
            None => Outcome::Answered,
        };
        self.quiet = failure.is_none().then_some((line, at));
        Some(exchange)
    }
}

/// Finds pauses between the exchanges of a log that names no connections. Only if one exchange
/// follows the other is the next one on the connection of the last, as far as that was kept.
fn in_sequence(mut lines: Vec<Exchange>) -> Vec<Exchange> {
    let took: Vec<Duration> = lines.iter().map(|it| it.ended.saturating_since(it.began)).collect();
    let stamps: Vec<Instant> = lines.iter().map(|exchange| exchange.began).collect();
    let pairs = || stamps.windows(2).zip(took.windows(2));
    let at_begin = pairs().filter(|(at, took)| at[0] + took[0] > at[1] + STAMP_SLACK).count();
    let at_end = pairs().filter(|(at, took)| at[0] + took[1] > at[1] + STAMP_SLACK).count();
    if at_begin.min(at_end) > 0 {
        return lines;
    }
    if at_begin > at_end {
        // The log stamps the end of what went well; of a failure its form knows the beginning.
        for (exchange, took) in lines.iter_mut().zip(&took).filter(|(it, _)| it.is_answered()) {
            let stamp = exchange.began;
            exchange.ended = stamp;
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            exchange.began = Instant::from_nanos(stamp.as_nanos().saturating_sub(nanos));
        }
    }
    for index in 1..lines.len() {
        let before = &lines[index - 1];
        if !before.is_answered() {
            continue;
        }
        let (line, quiet) = (before.end_line, before.ended);
        let pause = lines[index].began.saturating_since(quiet);
        lines[index].pause = (pause >= PAUSE_MIN).then_some(pause);
        lines[index].before = Some((line, quiet));
    }
    lines
}

/// Returns whom a connection goes to, as its log says.
fn server(ends: &Ends) -> Server {
    match (ends.server, &ends.server_name) {
        (Some(address), _) => Server::Address(address),
        (None, Some(name)) => named(name),
        (None, None) => Server::Unknown,
    }
}

/// Reads `{}->http://10.78.3.2:80` or `payment.example:443`.
pub(crate) fn named(name: &str) -> Server {
    let name = name.rsplit("->").next().unwrap_or(name);
    let (scheme, rest) = name.split_once("://").unwrap_or(("", name));
    let host = rest.split('/').next().unwrap_or(rest);
    if let Ok(address) = host.parse() {
        return Server::Address(address);
    }
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => 0,
    };
    match host.parse() {
        Ok(ip) if port != 0 => Server::Address(SocketAddr::new(ip, port)),
        Ok(_) | Err(_) if host.is_empty() => Server::Unknown,
        Ok(_) | Err(_) => Server::Name(host.into()),
    }
}
