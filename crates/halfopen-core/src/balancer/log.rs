//! What a balancer writes down: the access log and the connection log of AWS's application
//! balancers, entry for entry.
//!
//! Sources: AWS, "Access logs for your Application Load Balancer" and "Connection logs for your
//! Application Load Balancer", read 2026-11-22. A value that the balancer has none for is `-`.

use core::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::time::Duration;

/// What takes a balancer's entries.
pub trait Log: fmt::Debug + Send {
    /// Takes the entry of a request that has ended.
    fn request(&mut self, entry: AccessEntry);

    /// Takes the entry of a connection that a client opened.
    fn connection(&mut self, entry: ConnectionEntry);
}

/// One request in the access log; its [`Display`](fmt::Display) is the line of 33 fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    /// When the response was made, since the UNIX epoch.
    pub time: Duration,
    /// The load balancer.
    pub balancer: String,
    /// Who asked.
    pub client: SocketAddr,
    /// The target that was chosen; `None` if it did not come to that.
    pub target: Option<SocketAddr>,
    /// From the request's first byte until it was sent to the target; `None` if it never was, or
    /// the target closed the connection instead of answering.
    pub request_processing: Option<Duration>,
    /// From then until the target began to answer; `None` if it did not.
    pub target_processing: Option<Duration>,
    /// From then until the response was on its way to the client; `None` without a response.
    pub response_processing: Option<Duration>,
    /// The status that the client got; 460 if it left before.
    pub status: u16,
    /// The status that the target answered with.
    pub target_status: Option<u16>,
    /// The bytes of the request, its head included.
    pub received_bytes: u64,
    /// The bytes of the response, its head included.
    pub sent_bytes: u64,
    /// The request line with the whole address.
    pub request: String,
    /// The `User-Agent` field.
    pub user_agent: Option<String>,
    /// The group of targets; `None` if no rule applied because the request could not be read.
    pub target_group: Option<String>,
    /// The `X-Amzn-Trace-Id` field that went to the target.
    pub trace_id: Option<String>,
    /// When the request's first byte came, since the UNIX epoch.
    pub created: Duration,
    /// Names the connection, in both logs.
    pub connection_trace: String,
}

/// What the access log keeps of a user agent: 8 KB.
const USER_AGENT_MAX: usize = 8 << 10;

impl fmt::Display for AccessEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = Dash(self.target);
        let group = self.target_group.as_deref();
        write!(f, "http {} {} {} {target}", Iso8601(self.time), self.balancer, self.client)?;
        let times = [self.request_processing, self.target_processing, self.response_processing];
        for time in times {
            write!(f, " {}", Seconds(time))?;
        }
        write!(f, " {} {}", self.status, Dash(self.target_status))?;
        write!(f, " {} {}", self.received_bytes, self.sent_bytes)?;
        write!(f, " {}", Quoted(&self.request))?;
        let agent = self.user_agent.as_deref().unwrap_or("-");
        write!(f, " {}", Quoted(&agent[..agent.floor_char_boundary(USER_AGENT_MAX)]))?;
        // Without TLS: its cipher and protocol.
        write!(f, " - - {}", Dash(group))?;
        write!(f, " {}", Quoted(self.trace_id.as_deref().unwrap_or("-")))?;
        // Without TLS: the domain and the certificate. The default rule is number 0.
        write!(f, r#" "-" "-" {} {}"#, Dash(group.map(|_| 0)), Iso8601(self.created))?;
        // The action; a redirect's address; the reason of an error in an action.
        write!(f, r#" "{}" "-" "-""#, Dash(group.map(|_| "forward")))?;
        write!(f, r#" "{target}" "{}""#, Dash(self.target_status))?;
        // How the request was classified, and why; then what it was transformed to.
        write!(f, r#" "-" "-" {} "-" "-" "-""#, self.connection_trace)
    }
}

/// One connection in the connection log; its [`Display`](fmt::Display) is the line.
///
/// It tells of the beginning only: AWS logs neither when nor why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEntry {
    /// When it was opened, since the UNIX epoch.
    pub time: Duration,
    /// Who opened it.
    pub client: SocketAddr,
    /// The port that it was opened to.
    pub listener_port: u16,
    /// Names it, in both logs.
    pub connection_trace: String,
}

impl fmt::Display for ConnectionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, client, listener_port, connection_trace } = self;
        write!(f, "{} {} {} {listener_port}", Iso8601(*time), client.ip(), client.port())?;
        // Without TLS: protocol, cipher, latency; the client's certificate and what became of it;
        // and, last, the key exchange.
        write!(f, r#" - - - "-" - - - {connection_trace} -"#)
    }
}

/// Entries in memory, shared between a balancer and whoever reads them.
#[derive(Clone, Debug, Default)]
pub struct Records(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    room: usize,
    requests: Vec<AccessEntry>,
    connections: Vec<ConnectionEntry>,
    missed: u64,
}

impl Records {
    /// Returns records of at most `room` requests and as many connections. Later ones are counted.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept { room, ..Kept::default() })))
    }

    /// Returns the requests, in the order in which they ended.
    #[must_use]
    pub fn requests(&self) -> Vec<AccessEntry> {
        self.with(|kept| kept.requests.clone())
    }

    /// Returns the connections, in the order in which they were opened.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionEntry> {
        self.with(|kept| kept.connections.clone())
    }

    /// Returns how many entries found no room.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.with(|kept| kept.missed)
    }

    fn with<T>(&self, read: impl FnOnce(&mut Kept) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for Records {
    fn request(&mut self, entry: AccessEntry) {
        self.with(|kept| {
            if kept.requests.len() < kept.room {
                kept.requests.push(entry);
            } else {
                kept.missed += 1;
            }
        });
    }

    fn connection(&mut self, entry: ConnectionEntry) {
        self.with(|kept| {
            if kept.connections.len() < kept.room {
                kept.connections.push(entry);
            } else {
                kept.missed += 1;
            }
        });
    }
}

/// Returns the moment `unix` after the UNIX epoch, or the last that a calendar has.
pub(super) fn timestamp(unix: Duration) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(unix).unwrap_or(Timestamp::MAX)
}

/// A moment since the UNIX epoch, to the microsecond.
struct Iso8601(Duration);

impl fmt::Display for Iso8601 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", timestamp(self.0))
    }
}

/// A time in seconds to the millisecond, and -1 for none.
struct Seconds(Option<Duration>);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "{}.{:03}", time.as_secs(), time.subsec_millis()),
            None => f.write_str("-1"),
        }
    }
}

struct Dash<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Dash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_char('-'),
        }
    }
}

/// A text in quotes, in which what would end it or the line is written as `\x22`.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            if character == '"' || character == '\\' || character.is_control() {
                write!(f, "\\x{:02X}", u32::from(character))?;
            } else {
                f.write_char(character)?;
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
