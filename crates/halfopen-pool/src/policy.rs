//! When a connection may be used again, for how long it is kept, and what is done when it fails.
//!
//! A policy is data: every client library that [`clients/`](../../../clients) describes is one, so
//! that they can be compared on the same path.

pub use halfopen_core::client::{Hint, Limits, Notice, Order, Resend, Timeouts};

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;

/// How a client treats its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of a connection after its response.
    pub reuse: Reuse,
    /// How many connections there may be.
    pub limits: Limits,
    /// The client's patience.
    pub timeouts: Timeouts,
    /// When TCP probes an idle connection; `None` is never.
    pub keepalive: Option<Keepalive>,
    /// How long sent data may stay unacknowledged; `None` is as long as TCP tries.
    pub user_timeout: Option<Duration>,
    /// What is sent again.
    pub retry: Retry,
    /// When an HTTP/2 connection is asked by PING before it is used; `None` is never.
    pub ping: Option<Ping>,
    /// Whether the client learns from what its connections met how long the path remembers.
    pub learns: bool,
}

impl Policy {
    /// A policy that knows nothing of the path and learns from its first failure: idle connections
    /// are kept until the server closes them, and nothing probes them. For those who want to see
    /// the ledger at work; others take the default.
    #[must_use]
    pub fn learning() -> Self {
        let careful = Self::default();
        let reuse = match careful.reuse {
            Reuse::Never => Reuse::Never,
            Reuse::Kept(keep) => Reuse::Kept(Keep {
                idle_max: None,
                hint: Hint::Heeded { margin: Duration::from_secs(1), max: None },
                lifetime: None,
                ..keep
            }),
        };
        Self { reuse, keepalive: None, user_timeout: None, ..careful }
    }
}

impl Default for Policy {
    /// The pool's own policy. Its numbers are choices: probes well within a minute, since the
    /// shortest timers of boxes that are documented are a minute long; a cap that few servers'
    /// timers undercut, and the ledger for those that do; retries where RFC 9110 section 9.2.2
    /// allows them, once.
    fn default() -> Self {
        Self {
            reuse: Reuse::Kept(Keep {
                idle_max: Some(Duration::from_secs(50)),
                hint: Hint::Shortens { margin: Duration::from_secs(1) },
                lifetime: Some(Lifetime {
                    max: Duration::from_mins(10),
                    jitter: Duration::from_mins(1),
                }),
                order: Order::Lifo,
                notice: Notice::AtOnce,
                handover: true,
            }),
            limits: Limits {
                per_host: Some(64),
                total: Some(1_024),
                idle_per_host: Some(32),
                idle_total: Some(512),
            },
            timeouts: Timeouts {
                connect: Some(Duration::from_secs(5)),
                read: Some(Duration::from_secs(20)),
                lease: Some(Duration::from_secs(5)),
            },
            keepalive: Some(Keepalive {
                idle: Duration::from_secs(40),
                interval: Duration::from_secs(10),
                count: 3,
            }),
            user_timeout: Some(Duration::from_secs(20)),
            retry: Retry {
                attempts: 1,
                reused_only: false,
                written: Resend::Idempotent,
                heeds_key: true,
            },
            // Time for a PING that is lost once: RFC 6298 section 2 sends it again after a second.
            ping: Some(Ping { after: Duration::from_secs(1), timeout: Duration::from_secs(2) }),
            learns: true,
        }
    }
}

/// What becomes of a connection after its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// The client closes it.
    Never,
    /// It is kept for the next request.
    Kept(Keep),
}

/// How idle connections are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// After how long without use a connection is closed, if no hint says otherwise; `None` is
    /// never.
    pub idle_max: Option<Duration>,
    /// What a `Keep-Alive: timeout=` hint of the server means.
    pub hint: Hint,
    /// How old a connection may become, however much it is used; `None` is as old as it likes.
    pub lifetime: Option<Lifetime>,
    /// Which of several idle connections is taken first.
    pub order: Order,
    /// How a FIN or a reset that came while the connection was idle is noticed.
    pub notice: Notice,
    /// Whether a request that opens a connection takes one that is put back meanwhile. What it
    /// began to open is then kept for the next.
    pub handover: bool,
}

/// How old a connection may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// At most this old.
    pub max: Duration,
    /// By how much, at most and by chance, it is closed sooner, so that connections that were
    /// opened together do not end together.
    pub jitter: Duration,
}

/// When an HTTP/2 connection is asked by PING (RFC 9113 section 6.7) whether it still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// After how long without any packet, if the path is not known to allow as much.
    pub after: Duration,
    /// How long the answer may take. Without one the connection is closed, and the request goes
    /// out on a new one: nothing of it was written.
    pub timeout: Duration,
}

/// What a client sends again after a failure, on a connection that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often at most; 0 is never.
    pub attempts: u32,
    /// Whether only failures of connections that were used before count.
    pub reused_only: bool,
    /// Which requests go out again although the server may have had them.
    pub written: Resend,
    /// Whether an `Idempotency-Key` makes any request one that may go out again.
    pub heeds_key: bool,
}
