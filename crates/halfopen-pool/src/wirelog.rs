//! A wire log: what happens to connections and what goes over them, line by line.
//!
//! It is laid out so that it can be read beside that of Apache `HttpClient`: `http-outgoing-7` is
//! connection 7, `>>` is sent, `<<` came, and `[\r][\n]` are the ends of lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_core::time::{Duration, Instant};
use jiff::Timestamp;

use crate::connect::Transport;
use crate::event::{Event, Watch, What};
use crate::idle::WireIdle;
use crate::name::{ConnectionId, PathName};
use crate::policy::Limits;
use crate::retry::{Failure, Processed};
use crate::stream::Tap;

mod text;

/// A wire log that is written to a sink. Clones write to the same.
///
/// What cannot be written is dropped: a log does not fail a request.
#[derive(Clone)]
pub struct WireLog {
    log: Arc<Mutex<Log>>,
    body_max: usize,
}

struct Log {
    sink: Box<dyn Write + Send>,
    began: Option<Timestamp>,
    limits: Limits,
    /// The connections that there are, with whether each is idle.
    connections: BTreeMap<ConnectionId, (PathName, bool)>,
}

/// How much of a body is shown if nothing else is said.
const BODY_MAX: usize = 1_024;
/// How much of a head is shown.
const HEAD_MAX: usize = 16 * 1_024;

impl WireLog {
    /// Returns a log whose times are seconds since the client was built, and that shows the first
    /// kilobyte of each body.
    #[must_use]
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        let log = Log {
            sink: Box::new(sink),
            began: None,
            limits: Limits::default(),
            connections: BTreeMap::new(),
        };
        Self { log: Arc::new(Mutex::new(log)), body_max: BODY_MAX }
    }

    /// Shows dates: the client was built at `began`.
    #[must_use]
    pub fn dated(self, began: Timestamp) -> Self {
        self.lock().began = Some(began);
        self
    }

    /// Shows so many bytes of each body.
    #[must_use]
    pub fn body_max(self, bytes: usize) -> Self {
        Self { body_max: bytes, ..self }
    }

    /// Tells how many connections there may be.
    pub(crate) fn limit(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    pub(crate) fn opened(&self, now: Instant, id: ConnectionId, transport: &dyn Transport) {
        let address = |address: Option<std::net::SocketAddr>| {
            address.map_or_else(|| "?".to_owned(), |address| address.to_string())
        };
        let (local, peer) = (address(transport.local_addr()), address(transport.peer_addr()));
        self.lock().line(now, &format!("{}: Connection established {local}<->{peer}", name(id)));
    }

    pub(crate) fn looked(&self, now: Instant, id: ConnectionId) {
        let text = "Stale check: nothing to read, so that it is taken for alive";
        self.lock().line(now, &format!("{}: {text}", name(id)));
    }

    pub(crate) fn tap(&self, id: ConnectionId) -> Box<dyn Tap> {
        Box::new(Lines { log: self.clone(), id, sending: None, shown: text::Shown::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // A panic in the sink leaves a line cut short.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for WireLog {
    fn see(&self, event: &Event) {
        let mut log = self.lock();
        for text in log.tell(event) {
            log.line(event.at, &text);
        }
    }
}

impl Log {
    fn line(&mut self, at: Instant, text: &str) {
        let since = at.saturating_since(Instant::EPOCH);
        let stamp = match self.began {
            Some(began) => {
                let now = began.saturating_add(since).unwrap_or(Timestamp::MAX);
                now.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
            }
            None => format!("{:>12.6}", since.as_secs_f64()),
        };
        let _written: io::Result<()> = writeln!(self.sink, "{stamp} {text}");
    }

    /// Returns the lines that tell an event, and counts on.
    fn tell(&mut self, event: &Event) -> Vec<String> {
        let path = &event.path;
        match &event.what {
            What::Requested => vec![format!("Connection request: {}", self.counts(path))],
            What::Opened { id, took } => {
                self.connections.insert(*id, (path.clone(), false));
                vec![format!("{}: Opening {path} took {}", name(*id), seconds(*took))]
            }
            What::NotOpened { took, error } => {
                vec![format!("Connecting to {path} failed after {}: {error}", seconds(*took))]
            }
            What::Leased { id, reused_after, waited } => {
                self.connections.insert(*id, (path.clone(), false));
                vec![leased(*id, *reused_after, *waited) + &self.counts(path)]
            }
            What::Refused { waited } => vec![format!(
                "Timeout waiting for a connection from the pool: waited {}{}",
                seconds(*waited),
                self.counts(path)
            )],
            What::Returned { id, hint } => {
                self.connections.insert(*id, (path.clone(), true));
                let alive = hint.map_or_else(
                    || "the server does not say for how long".to_owned(),
                    |hint| format!("the server keeps it for {}", seconds(hint)),
                );
                let counts = self.counts(path);
                vec![format!("Connection released: [id: {}][{alive}]{counts}", id.0)]
            }
            What::Shelved { id } => {
                self.connections.insert(*id, (path.clone(), true));
                let counts = self.counts(path);
                vec![format!("Connection kept: [id: {}][its request took another]{counts}", id.0)]
            }
            What::Discarded { id, quiet, why } => {
                let text = format!(
                    "{}: Close connection: {} after {}",
                    name(*id),
                    text::discard(*why),
                    silence(*quiet)
                );
                self.gone(*id, path, text)
            }
            What::Ended { id, quiet, reset } => {
                let how = if *reset { "reset" } else { "closed by the other end" };
                let quiet = silence(*quiet);
                self.gone(*id, path, format!("{}: Found {how} after {quiet}", name(*id)))
            }
            What::Pinged { id, quiet, took, answered } => {
                let answer = if *answered { "answered" } else { "not answered" };
                let (name, quiet, took) = (name(*id), silence(*quiet), seconds(*took));
                vec![format!("{name}: PING after {quiet} {answer} within {took}")]
            }
            What::Died { id, failure, quiet, processed } => {
                let text = died(*id, *failure, *quiet, *processed);
                self.gone(*id, path, text)
            }
            What::Retried { why, .. } => {
                vec![format!("Request goes out again: {}", text::permission(*why))]
            }
            What::GivenUp { why, .. } => {
                vec![format!("Request does not go out again: {}", text::objection(*why))]
            }
            What::CapChanged { after, .. } => {
                let cap = after.strictest().map_or_else(|| "none".to_owned(), seconds);
                vec![format!("Learnt: longest pause on {path} is now {cap}")]
            }
        }
    }

    fn gone(&mut self, id: ConnectionId, path: &PathName, text: String) -> Vec<String> {
        self.connections.remove(&id);
        vec![text, format!("Connection discarded: [id: {}]{}", id.0, self.counts(path))]
    }

    fn counts(&self, path: &PathName) -> String {
        let idle = self.connections.values().filter(|(_, idle)| *idle).count();
        let route = self.connections.values().filter(|(other, _)| other == path).count();
        let all = self.connections.len();
        let of = |max: Option<u32>| max.map_or_else(String::new, |max| format!(" of {max}"));
        let (per_route, total) = (of(self.limits.per_host), of(self.limits.total));
        format!(
            "[route: {path}][total available: {idle}; route allocated: {route}{per_route}; \
             total allocated: {all}{total}]"
        )
    }
}

fn leased(id: ConnectionId, reused_after: Option<WireIdle>, waited: Duration) -> String {
    let mut text = format!("Connection leased: [id: {}]", id.0);
    let _fits = match reused_after {
        None => write!(text, "[new]"),
        Some(quiet) => write!(text, "[reused after {}]", silence(quiet)),
    };
    if !waited.is_zero() {
        let _fits = write!(text, "[waited {}]", seconds(waited));
    }
    text
}

fn died(
    id: ConnectionId,
    failure: Failure,
    quiet: Option<WireIdle>,
    processed: Processed,
) -> String {
    let state =
        quiet.map_or_else(|| "new".to_owned(), |quiet| format!("idle for {}", silence(quiet)));
    let processed = match processed {
        Processed::No => "the server has not seen the request",
        Processed::Maybe => "the server may have processed the request",
    };
    let how = text::failure(failure);
    format!("{}: Shutdown connection: {how}; it was {state}; {processed}", name(id))
}

fn name(id: ConnectionId) -> String {
    format!("http-outgoing-{}", id.0)
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn silence(quiet: WireIdle) -> String {
    if quiet.since_any_packet == quiet.since_data {
        return format!("{} of silence", seconds(quiet.since_data));
    }
    let (data, packet) = (seconds(quiet.since_data), seconds(quiet.since_any_packet));
    format!("{data} without data, {packet} without a packet")
}

/// The bytes of one connection, as lines.
struct Lines {
    log: WireLog,
    id: ConnectionId,
    /// Whose message it is that is shown.
    sending: Option<bool>,
    shown: text::Shown,
}

impl Lines {
    fn show(&mut self, now: Instant, sending: bool, bytes: &[u8]) {
        if self.sending != Some(sending) {
            self.sending = Some(sending);
            self.shown = text::Shown::default();
        }
        let arrow = if sending { ">>" } else { "<<" };
        let lines = self.shown.show(bytes, HEAD_MAX, self.log.body_max);
        let mut log = self.log.lock();
        for line in lines {
            log.line(now, &format!("{} {arrow} {line}", name(self.id)));
        }
    }
}

impl Tap for Lines {
    fn sent(&mut self, now: Instant, bytes: &[u8]) {
        self.show(now, true, bytes);
    }

    fn received(&mut self, now: Instant, bytes: &[u8]) {
        if bytes.is_empty() {
            let text = format!("{} << \"end of stream\"", name(self.id));
            self.log.lock().line(now, &text);
        } else {
            self.show(now, false, bytes);
        }
    }

    fn failed(&mut self, now: Instant, reading: bool, error: &io::Error) {
        let side = if reading { "<< \"[read]" } else { ">> \"[write]" };
        let text = format!("{} {side} I/O error: {error}\"", name(self.id));
        self.log.lock().line(now, &text);
    }
}

impl std::fmt::Debug for WireLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireLog").field("body_max", &self.body_max).finish_non_exhaustive()
    }
}
