//! What a client does by default, in the words of its file.

use serde::Deserialize;

use crate::document::quantity;
use crate::speed::Speed;
use crate::tcp::Keepalive;
use crate::time::Duration;

/// How a client treats its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Whether a connection is kept after its response.
    pub reuse: bool,
    /// After how long without use a connection is closed, if no hint says otherwise; `None` is
    /// never.
    pub idle_max: Option<Duration>,
    /// What a `Keep-Alive: timeout=` hint of the server means.
    pub hint: Hint,
    /// How old a connection may become; `None` is as old as it likes.
    pub lifetime: Option<Duration>,
    /// Which of several idle connections is taken first.
    pub order: Order,
    /// How a FIN or a reset that came while the connection was idle is noticed.
    pub notice: Notice,
    /// Whether a request that opens a connection takes one that is put back meanwhile.
    pub handover: bool,
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
}

/// What a `Keep-Alive: timeout=` hint of the server means to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Hint {
    /// Nothing.
    Ignored,
    /// It takes the place of the client's own limit.
    Heeded {
        /// How much earlier than the hint the client closes.
        #[serde(default, deserialize_with = "quantity::duration")]
        margin: Duration,
        /// The longest time that a hint can ask for; `None` is any.
        #[serde(default, deserialize_with = "quantity::optional_duration")]
        max: Option<Duration>,
    },
    /// It shortens the client's own limit and never prolongs it; a client without a limit of its
    /// own ignores it.
    Shortens {
        /// How much earlier than the hint the client closes.
        #[serde(default, deserialize_with = "quantity::duration")]
        margin: Duration,
    },
}

/// Which of several idle connections is taken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The one used last.
    Lifo,
    /// The one idle longest.
    Fifo,
}

/// How a FIN or a reset that came while a connection was idle is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Notice {
    /// At once: something reads from idle connections.
    AtOnce,
    /// When the connection is taken, by a look at what has arrived, if it was idle for this long.
    WhenTaken {
        /// A connection that was idle for less is taken unseen.
        #[serde(deserialize_with = "quantity::duration")]
        after: Duration,
    },
    /// Not before a request fails.
    Never,
}

/// How many connections there may be. `None` is any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// To one destination, in use or idle.
    pub per_host: Option<u32>,
    /// In all, in use or idle.
    pub total: Option<u32>,
    /// Idle ones to one destination.
    pub idle_per_host: Option<u32>,
    /// Idle ones in all.
    pub idle_total: Option<u32>,
}

/// A client's patience. `None` is without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be there.
    pub connect: Option<Duration>,
    /// For the response to begin, and between two pieces of it.
    pub read: Option<Duration>,
    /// For a turn, when there may be no more connections.
    pub lease: Option<Duration>,
}

/// What a client sends again after a failure, on another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often at most; `None` is as often as it takes, zero is never.
    pub attempts: Option<u32>,
    /// Whether only failures of connections that were used before count.
    pub reused_only: bool,
    /// Which requests go out again although the server may have had them.
    pub written: Resend,
    /// Whether an `Idempotency-Key` makes any request one that may go out again.
    pub heeds_key: bool,
}

/// Which requests go out again although the server may have had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resend {
    /// None: only what was never written.
    None,
    /// GET and HEAD.
    GetAndHead,
    /// The safe methods of RFC 9110 section 9.2.1: GET, HEAD, OPTIONS, TRACE.
    Safe,
    /// The idempotent methods of RFC 9110 section 9.2.2: the safe ones, PUT, DELETE.
    Idempotent,
    /// Requests without a body.
    WithoutBody,
    /// All, also POST: what doubles payments.
    All,
}

impl Behaviour {
    /// Returns the behaviour with a cure, by the name that clients' files have for it.
    pub(super) fn with(&self, cure: &str, limit: Duration) -> Option<Self> {
        let mut cured = self.clone();
        match cure {
            "idle-limit" => cured.idle_max = Some(limit),
            "keepalive" => {
                let probes = self.keepalive.unwrap_or(Keepalive::LINUX);
                cured.keepalive = Some(Keepalive { idle: limit, ..probes });
            }
            "close" => cured.reuse = false,
            _ => return None,
        }
        Some(cured)
    }

    /// Returns the behaviour of a client whose timers run that much faster; see
    /// [`Speed`] for what cannot.
    #[must_use]
    pub fn sped_up(&self, speed: Speed) -> Self {
        let timer = |time: Option<Duration>| time.map(|time| speed.timer(time));
        let patience = |time: Option<Duration>| time.map(|time| speed.patience(time));
        let Timeouts { connect, read, lease } = self.timeouts;
        Self {
            idle_max: timer(self.idle_max),
            hint: self.hint.sped_up(speed),
            lifetime: timer(self.lifetime),
            notice: match self.notice {
                Notice::WhenTaken { after } => Notice::WhenTaken { after: speed.timer(after) },
                notice @ (Notice::AtOnce | Notice::Never) => notice,
            },
            timeouts: Timeouts {
                connect: patience(connect),
                read: patience(read),
                lease: patience(lease),
            },
            keepalive: self.keepalive.map(|keepalive| speed.keepalive(keepalive)),
            user_timeout: patience(self.user_timeout),
            ..self.clone()
        }
    }
}

impl Hint {
    fn sped_up(self, speed: Speed) -> Self {
        match self {
            Self::Ignored => Self::Ignored,
            Self::Heeded { margin, max } => {
                Self::Heeded { margin: speed.timer(margin), max: max.map(|max| speed.timer(max)) }
            }
            Self::Shortens { margin } => Self::Shortens { margin: speed.timer(margin) },
        }
    }
}
