//! What Apache `HttpClient` 4 and 5 (classic and asynchronous) write at debug level, in any
//! layout; and the wire log of halfopen's pool, which is laid out like theirs.
//!
//! Sources: the loggers of `org.apache.http` (4.5.x) and `org.apache.hc.client5.http` (5.x):
//! `PoolingHttpClientConnectionManager`, `DefaultHttpClientConnectionOperator`,
//! `DefaultManagedHttpClientConnection`, `MainClientExec`, `InternalExecRuntime`, `headers` and
//! `wire`.
//!
//! A request shows in up to three of them and is told once; so is a response, and a failure.

mod phrase;

use core::net::SocketAddr;
use std::collections::BTreeMap;

use halfopen_core::time::{Duration, Instant};

use crate::failure;
use crate::record::{Ends, Failure, How, Http, Record, Step, What};
use phrase::{Name, Phrase, address, phrase};

/// What was heard so far of a client's connections.
#[derive(Debug, Default)]
pub struct HttpClient {
    connections: BTreeMap<Box<str>, Connection>,
    /// The connection of each endpoint of version 5.
    endpoints: BTreeMap<Box<str>, Endpoint>,
    /// The connection of each exchange of version 5.
    exchanges: BTreeMap<Box<str>, Box<str>>,
    /// What each thread leased last, by what stands in brackets before the message.
    threads: BTreeMap<Box<str>, Lease>,
    product: Option<Box<str>>,
    /// The last failure that was told of a connection.
    failed: Option<(Instant, How)>,
    /// The last connection that was closed with a request outstanding and no reason told.
    cut_off: Option<(Instant, Box<str>)>,
}

#[derive(Debug, Default)]
struct Connection {
    phase: Phase,
    /// It was seen before.
    known: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No request is on it.
    #[default]
    Quiet,
    /// A request was written.
    Asked,
    /// A response has begun.
    Answered,
    /// It is closed.
    Closed,
}

#[derive(Debug, Default)]
struct Endpoint {
    connection: Box<str>,
    fresh: bool,
}

/// A lease of version 4, of which the log does not say whether the connection is a new one until
/// it is opened or used.
#[derive(Debug)]
struct Lease {
    connection: Box<str>,
    server: Ends,
    at: Instant,
    line: u64,
    told: bool,
    /// The request line, until a line of the headers or the wire repeats it.
    request: Option<(Instant, u64, Box<str>)>,
}

/// So many of each are remembered at once.
const REMEMBERED_MAX: usize = 16 << 10;
/// For so long after a connection's end an exception tells of the same.
const ECHO_MAX: Duration = Duration::from_secs(1);

/// Where and when a line stands, and who takes what it says.
pub struct Place<'a> {
    /// When it was written.
    pub at: Instant,
    /// Its number.
    pub line: u64,
    /// Takes records.
    pub sink: &'a mut dyn FnMut(Record),
}

impl Place<'_> {
    fn tell(&mut self, connection: Option<&str>, ends: Ends, step: Step) {
        let http = Http { connection: connection.map(Into::into), ends, step };
        (self.sink)(Record { at: self.at, line: self.line, what: What::Client(http) });
    }

    fn step(&mut self, connection: &str, step: Step) {
        self.tell(Some(connection), Ends::default(), step);
    }

    fn earlier(&mut self, at: Instant, line: u64) -> Place<'_> {
        Place { at, line, sink: &mut *self.sink }
    }
}

/// Tells whether a line's text is one of `HttpClient`'s.
#[must_use]
pub fn speaks(text: &str) -> bool {
    phrase(text).is_some()
}

impl HttpClient {
    /// Takes what follows a line's time stamp; returns whether it is of `HttpClient`.
    pub fn hear(&mut self, text: &str, place: &mut Place<'_>) -> bool {
        let Some(phrase) = phrase(text) else { return false };
        self.bound();
        match phrase {
            Phrase::Leased { id, route, reused } => {
                self.leased(&own_name(id), thread(text), route, reused, place);
            }
            Phrase::Endpoint { endpoint, connection } => {
                let known = self.endpoints.entry(endpoint.into()).or_default();
                known.connection = connection.into();
            }
            Phrase::Connecting { endpoint } => {
                self.endpoints.entry(endpoint.into()).or_default().fresh = true;
            }
            Phrase::Executing { endpoint, exchange, connection } => {
                if let Some(exchange) = exchange {
                    self.exchanges.insert(exchange.into(), connection.into());
                }
                let known = self.endpoints.entry(endpoint.into()).or_default();
                known.connection = connection.into();
                let reused = !known.fresh;
                self.connection(connection).phase = Phase::Quiet;
                place.step(connection, Step::Leased { reused });
            }
            Phrase::Opening { to } => self.opening(thread(text), to, place),
            Phrase::Opened { connection, local, remote } => {
                self.opened(connection, thread(text), (local, remote), place);
            }
            Phrase::Wire { connection, out, text } => {
                self.settle_lease(connection, true, place);
                self.wire(connection, out, unquoted(text), place);
            }
            Phrase::Request { line } => self.executing(thread(text), line, place),
            Phrase::Kept { id, time } => {
                if let Some(connection) = self.name(id) {
                    place.step(&connection, Step::Kept(time));
                }
            }
            Phrase::Released { id } => self.released(id, place),
            Phrase::Checked { connection, ended } => {
                self.settle_lease(connection, true, place);
                place.step(connection, Step::Checked { ended });
            }
            Phrase::Closing { connection } => self.closing(connection, place),
            Phrase::Touched { connection } => self.settle_lease(connection, true, place),
            Phrase::Failed { exchange, words } => self.attempt_failed(exchange, words, place),
        }
        true
    }

    /// Takes note of a failure that is told already, of which an exception may tell again.
    pub fn note_failure(&mut self, at: Instant, how: How) {
        self.failed = Some((at, how));
    }

    /// Takes a failure that the program words outside of `HttpClient`'s lines, as an exception
    /// that reached it. What is known of a connection already is not told twice.
    pub fn hear_failure(&mut self, failure: Failure, place: &mut Place<'_>) {
        let echo = |at: Instant| place.at.saturating_since(at) <= ECHO_MAX;
        let same = |how| how == failure.how || failure.how == How::ResetOrClosed;
        if self.failed.is_some_and(|(at, how)| echo(at) && same(how)) {
            return;
        }
        match self.cut_off.take().filter(|(at, _)| echo(*at)) {
            Some((_, connection)) => self.failed(&connection, failure, place),
            None => place.tell(None, Ends::default(), Step::Failed(failure)),
        }
    }

    /// Tells what waited for a line that did not come.
    pub fn end(&mut self, sink: &mut dyn FnMut(Record)) {
        let mut place = Place { at: Instant::EPOCH, line: 0, sink };
        for lease in self.threads.values_mut() {
            tell_lease(lease, false, &mut place);
        }
    }

    fn leased(
        &mut self,
        connection: &str,
        thread: &str,
        route: &str,
        reused: Option<bool>,
        place: &mut Place<'_>,
    ) {
        let known = self.connection(connection);
        let reused = reused.or(known.known.then_some(true));
        known.phase = Phase::Quiet;
        let server = Ends { server_name: Some(route.into()), ..Ends::default() };
        let mut lease = Lease {
            connection: connection.into(),
            server,
            at: place.at,
            line: place.line,
            told: false,
            request: None,
        };
        if let Some(reused) = reused {
            tell_lease(&mut lease, reused, place);
        }
        if let Some(mut before) = self.threads.insert(thread.into(), lease) {
            tell_lease(&mut before, false, place);
        }
    }

    fn opening(&mut self, thread: &str, to: &str, place: &mut Place<'_>) {
        let connection = self.threads.get_mut(thread).map(|lease| {
            tell_lease(lease, false, place);
            lease.connection.clone()
        });
        // The route comes first, and then each address that is tried.
        if !to.contains("://") {
            let ends = Ends { server: address(to), ..Ends::default() };
            place.tell(connection.as_deref(), ends, Step::Opening);
        }
    }

    fn opened(
        &mut self,
        connection: Option<&str>,
        thread: &str,
        (client, server): (Option<SocketAddr>, Option<SocketAddr>),
        place: &mut Place<'_>,
    ) {
        let lease = self.threads.get(thread);
        let connection = connection.or_else(|| lease.map(|lease| &*lease.connection));
        let connection: Option<Box<str>> = connection.map(Into::into);
        if let Some(connection) = &connection {
            *self.connection(connection) = Connection { phase: Phase::Quiet, known: true };
        }
        let ends = Ends { client, server, server_name: None };
        place.tell(connection.as_deref(), ends, Step::Opened);
    }

    fn executing(&mut self, thread: &str, line: &str, place: &mut Place<'_>) {
        if let Some(lease) = self.threads.get_mut(thread) {
            lease.request = Some((place.at, place.line, line.into()));
        }
    }

    fn wire(&mut self, connection: &str, out: bool, text: &str, place: &mut Place<'_>) {
        let phase = self.connection(connection).phase;
        if let Some(error) = io_error(text) {
            return self.io_error(connection, phase, error, place);
        }
        if out {
            if phase == Phase::Asked {
                self.header_sent(text, place);
            } else if let Some((method, target)) = request_line(text) {
                self.asked(connection, method, target, place);
            }
        } else if let Some(status) = status_line(text) {
            if phase == Phase::Asked && status >= 200 {
                self.answered(connection, status, place);
            }
        } else if phase == Phase::Answered
            && let Some(hint) = keep_alive(text)
        {
            place.step(connection, Step::Kept(Some(hint)));
        }
    }

    fn asked(&mut self, connection: &str, method: &str, target: &str, place: &mut Place<'_>) {
        self.connection(connection).phase = Phase::Asked;
        for lease in self.threads.values_mut().filter(|lease| *lease.connection == *connection) {
            lease.request = None;
        }
        let (method, target) = (method.into(), target.into());
        place.step(connection, Step::Request { method, target });
    }

    fn answered(&mut self, connection: &str, status: u16, place: &mut Place<'_>) {
        self.connection(connection).phase = Phase::Answered;
        place.step(connection, Step::Response { status });
    }

    fn header_sent(&mut self, text: &str, place: &mut Place<'_>) {
        let Some(product) = field(text, "user-agent") else { return };
        if self.product.as_deref() != Some(product) {
            self.product = Some(product.into());
            place.tell(None, Ends::default(), Step::Product(product.into()));
        }
    }

    /// A read or a write that failed: of a look before the use, or of a request.
    fn io_error(&mut self, connection: &str, phase: Phase, words: &str, place: &mut Place<'_>) {
        let failure = match words {
            "end of stream" => Failure { how: How::Closed, text: words.into() },
            _ => failure::worded(words),
        };
        match phase {
            Phase::Quiet => {
                let ended = (failure.how != How::TimedOut).then_some(failure.how);
                place.step(connection, Step::Checked { ended });
            }
            // A body may end with the connection.
            Phase::Answered if failure.how == How::Closed => {}
            Phase::Asked | Phase::Answered => self.failed(connection, failure, place),
            Phase::Closed => {}
        }
    }

    fn failed(&mut self, connection: &str, failure: Failure, place: &mut Place<'_>) {
        self.note_failure(place.at, failure.how);
        self.connection(connection).phase = Phase::Quiet;
        place.step(connection, Step::Failed(failure));
    }

    fn attempt_failed(&mut self, exchange: Option<&str>, words: &str, place: &mut Place<'_>) {
        let failure = failure::worded(words);
        match exchange.and_then(|exchange| self.exchanges.remove(exchange)) {
            Some(connection) => self.failed(&connection, failure, place),
            None => self.hear_failure(failure, place),
        }
    }

    fn released(&mut self, id: Name<'_>, place: &mut Place<'_>) {
        let Some(connection) = self.name(id) else { return };
        self.settle_request(&connection, place);
        let known = self.connection(&connection);
        if known.phase != Phase::Closed {
            known.phase = Phase::Quiet;
            place.step(&connection, Step::Released);
        }
    }

    fn closing(&mut self, connection: &str, place: &mut Place<'_>) {
        self.settle_lease(connection, true, place);
        self.settle_request(connection, place);
        let known = self.connection(connection);
        if known.phase == Phase::Closed {
            return;
        }
        if known.phase == Phase::Asked {
            known.phase = Phase::Closed;
            self.cut_off = Some((place.at, connection.into()));
        }
        self.connection(connection).phase = Phase::Closed;
        place.step(connection, Step::Closed);
    }

    /// Tells the lease of a connection that waits for whether it is a new one.
    fn settle_lease(&mut self, connection: &str, reused: bool, place: &mut Place<'_>) {
        let of_it = |lease: &&mut Lease| !lease.told && *lease.connection == *connection;
        if let Some(lease) = self.threads.values_mut().find(of_it) {
            tell_lease(lease, reused, place);
        }
        self.connection(connection).known = true;
    }

    /// Tells the request of a connection whose headers nobody logs.
    fn settle_request(&mut self, connection: &str, place: &mut Place<'_>) {
        let of_it = |lease: &&mut Lease| *lease.connection == *connection;
        let request = self.threads.values_mut().find(of_it).and_then(|lease| lease.request.take());
        if let Some((at, line, text)) = request
            && let Some((method, target)) = request_line(&text)
        {
            self.asked(connection, method, target, &mut place.earlier(at, line));
        }
    }

    fn connection(&mut self, name: &str) -> &mut Connection {
        if !self.connections.contains_key(name) {
            self.connections.insert(name.into(), Connection::default());
        }
        self.connections.get_mut(name).expect("it was put there")
    }

    fn name(&self, id: Name<'_>) -> Option<Box<str>> {
        match id {
            Name::Number(_) | Name::Own(_) => Some(own_name(id)),
            Name::Endpoint(endpoint) => Some(self.endpoints.get(endpoint)?.connection.clone()),
        }
    }

    /// Forgets the least of each table that is full: names are counted upwards.
    fn bound(&mut self) {
        if self.connections.len() > REMEMBERED_MAX {
            self.connections.pop_first();
        }
        if self.endpoints.len() > REMEMBERED_MAX {
            self.endpoints.pop_first();
        }
        if self.exchanges.len() > REMEMBERED_MAX {
            self.exchanges.pop_first();
        }
        if self.threads.len() > REMEMBERED_MAX {
            self.threads.pop_first();
        }
    }
}

fn tell_lease(lease: &mut Lease, reused: bool, place: &mut Place<'_>) {
    if !lease.told {
        lease.told = true;
        let mut then = place.earlier(lease.at, lease.line);
        then.tell(Some(&lease.connection), lease.server.clone(), Step::Leased { reused });
    }
}

/// The pool of version 4 numbers connections as their names are numbered.
fn own_name(id: Name<'_>) -> Box<str> {
    match id {
        Name::Number(number) => format!("http-outgoing-{number}").into(),
        Name::Own(name) | Name::Endpoint(name) => name.into(),
    }
}

/// Returns what a layout puts in brackets, unless that is the level, the logger, or a part of the
/// message.
fn thread(text: &str) -> &str {
    const OTHERS: [&str; 12] = [
        "TRACE",
        "DEBUG",
        "INFO",
        "WARN",
        "ERROR",
        "FATAL",
        "org.apache.",
        "o.a.h",
        "id: ",
        "route: ",
        "total ",
        "reused ",
    ];
    let groups = text.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    let mut groups = groups.map(|(group, _)| group.trim());
    groups.find(|group| !OTHERS.iter().any(|other| group.starts_with(other))).unwrap_or("")
}

/// Returns a piece of the wire without the quotes and the marks of line ends around it.
fn unquoted(text: &str) -> &str {
    let Some(text) = text.strip_prefix('"') else { return text };
    let text = text.strip_suffix('"').unwrap_or(text);
    let text = text.strip_suffix("[\\n]").unwrap_or(text);
    text.strip_suffix("[\\r]").unwrap_or(text)
}

fn io_error(text: &str) -> Option<&str> {
    if text == "end of stream" {
        return Some(text);
    }
    let rest = text.strip_prefix('[')?.split_once("] I/O error: ")?;
    matches!(rest.0, "read" | "write" | "available" | "flush" | "skip" | "close").then_some(rest.1)
}

/// Reads `POST /pay HTTP/1.1`.
fn request_line(text: &str) -> Option<(&str, &str)> {
    let (method, rest) = text.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_method && version.starts_with("HTTP/")).then_some((method, target))
}

fn status_line(text: &str) -> Option<u16> {
    let mut words = text.strip_prefix("HTTP/")?.split(' ').skip(1);
    words.next()?.parse().ok()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = text.split_once(':')?;
    found.eq_ignore_ascii_case(name).then(|| value.trim())
}

/// Reads `Keep-Alive: timeout=5, max=100`.
fn keep_alive(text: &str) -> Option<Duration> {
    let parameters = field(text, "keep-alive")?.split(',');
    let mut timeouts = parameters.filter_map(|part| part.trim().strip_prefix("timeout="));
    Some(Duration::from_secs(timeouts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
