//! Building a client, in the field's words.

use core::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use hyper::rt::{Executor, Timer};
use jiff::Timestamp;

use super::Client;
use super::pool::{Execute, Parts, Shared, Task, WallClock};
use crate::clock::Clock;
use crate::connect::{Connect, Dial};
use crate::event::Watch;
use crate::ledger::{Ledger, LedgerConfig};
use crate::policy::{Keep, Lifetime, Order, Policy, Retry, Reuse};
use crate::wirelog::WireLog;

/// Builds a [`Client`].
///
/// Each setting changes the policy that stands so far, so that [`policy`](Self::policy) comes
/// first.
#[must_use]
#[derive(Default)]
pub struct Builder {
    policy: Policy,
    dial: Option<Box<dyn Dial>>,
    timer: Option<Arc<dyn Timer + Send + Sync>>,
    execute: Option<Execute>,
    wall_clock: Option<WallClock>,
    watchers: Vec<Arc<dyn Watch>>,
    wire_log: Option<WireLog>,
    ledger: LedgerConfig,
    ledger_file: Option<PathBuf>,
    seed: u64,
    #[cfg(feature = "tls")]
    tls: Option<rustls::ClientConfig>,
    #[cfg(feature = "http2")]
    prior_knowledge: bool,
}

/// Why there is no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Nothing opens connections.
    #[error("no connector: give one, or build with the feature `tokio`")]
    NoConnector,
    /// Nothing tells the time.
    #[error("no timer: give one, or build with the feature `tokio`")]
    NoTimer,
    /// Nothing runs tasks.
    #[error("no executor: give one, or build with the feature `tokio`")]
    NoExecutor,
}

/// Something that did not go as asked, though there is a client.
#[derive(Debug, thiserror::Error)]
pub enum Warning {
    /// The ledger begins empty, since its file is not there yet.
    #[error("{}: no ledger there yet; the client begins without one", .0.display())]
    NoLedgerYet(PathBuf),
    /// The ledger begins empty, since its file cannot be used. It is replaced when the ledger is
    /// saved.
    #[error("{}: {why}; the client begins without a ledger", file.display())]
    BadLedger {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Builder {
    /// Sets the whole policy.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets how long opening a connection may take; `None` is as long as the system tries. A
    /// connection that cannot be opened is an error at once, whatever is [sent again](Self::retry):
    /// another attempt would take as long and, as a rule, meet the same.
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policy.timeouts.connect = timeout.into();
        self
    }

    /// Sets how long a server may take for the head of a response once the request is sent, and
    /// for each piece of its body; `None` is without end.
    pub fn read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policy.timeouts.read = timeout.into();
        self
    }

    /// Sets how long a request waits for its turn when there may be no more connections: others
    /// call it connection request timeout. `None` is without end.
    pub fn lease_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policy.timeouts.lease = timeout.into();
        self
    }

    /// Sets how many connections there may be to one destination; `None` is any number.
    pub fn max_per_host(mut self, max: impl Into<Option<u32>>) -> Self {
        self.policy.limits.per_host = max.into();
        self
    }

    /// Sets how many connections there may be in all; `None` is any number.
    pub fn max_total(mut self, max: impl Into<Option<u32>>) -> Self {
        self.policy.limits.total = max.into();
        self
    }

    /// Sets after how long without use a connection is closed if the server gives no hint; `None`
    /// is never.
    pub fn idle_max(self, max: impl Into<Option<Duration>>) -> Self {
        let max = max.into();
        self.keep(|keep| keep.idle_max = max)
    }

    /// Sets how old a connection may become, however much it is used.
    pub fn max_lifetime(self, max: Duration, jitter: Duration) -> Self {
        self.keep(|keep| keep.lifetime = Some(Lifetime { max, jitter }))
    }

    /// Sets which of several idle connections is taken first.
    pub fn order(self, order: Order) -> Self {
        self.keep(|keep| keep.order = order)
    }

    /// Lets a request that opens a connection take one that is put back meanwhile, or wait for its
    /// own.
    pub fn handover(self, hands_over: bool) -> Self {
        self.keep(|keep| keep.handover = hands_over)
    }

    /// Looks at a connection before it is used if it was idle for this long, and does not watch it
    /// before that.
    pub fn validate_after_inactivity(self, after: Duration) -> Self {
        self.keep(|keep| keep.notice = crate::policy::Notice::WhenTaken { after })
    }

    /// Uses a connection for one request only.
    pub fn no_reuse(mut self) -> Self {
        self.policy.reuse = Reuse::Never;
        self
    }

    /// Sets when TCP probes idle connections; `None` is never.
    pub fn tcp_keepalive(mut self, keepalive: impl Into<Option<Keepalive>>) -> Self {
        self.policy.keepalive = keepalive.into();
        self
    }

    /// Sets how long sent data may stay unacknowledged; `None` is the system's default.
    pub fn tcp_user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policy.user_timeout = timeout.into();
        self
    }

    /// Sets what is sent again after a failure.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.policy.retry = retry;
        self
    }

    /// Sets whether the client learns how long its paths remember.
    pub fn learns(mut self, learns: bool) -> Self {
        self.policy.learns = learns;
        self
    }

    /// Sets how much the ledger remembers, and for how long.
    pub fn ledger(self, config: LedgerConfig) -> Self {
        Self { ledger: config, ..self }
    }

    /// Begins with what an earlier client saved in this file by [`Client::save_ledger`]. A file
    /// that is missing or corrupt is a [warning](Client::warnings).
    pub fn ledger_file(self, file: impl Into<PathBuf>) -> Self {
        Self { ledger_file: Some(file.into()), ..self }
    }

    /// Sets who opens connections; with the feature `tokio`, by default the system.
    pub fn connector(self, connector: impl Connect) -> Self {
        Self { dial: Some(Box::new(connector)), ..self }
    }

    /// Speaks TLS to `https` destinations, with the roots of trust, certificates and versions of
    /// this configuration. Without it, `https` is an error. HTTP/2 is spoken where its list of
    /// protocols (ALPN) offers `h2`, the server chooses that, and the feature `http2` is on.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: rustls::ClientConfig) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Speaks HTTP/2 to `http` destinations, which cannot choose it. To `https` destinations it is
    /// spoken if the [configuration](Self::tls) offers `h2` and the server chooses it.
    #[cfg(feature = "http2")]
    pub fn http2_prior_knowledge(self) -> Self {
        Self { prior_knowledge: true, ..self }
    }

    /// Asks an HTTP/2 connection by PING before it is used if nothing passed on it for longer than
    /// `after`, and for longer than its path is known to allow. If no answer comes within
    /// `timeout`, the request goes out on a new connection.
    #[cfg(feature = "http2")]
    pub fn http2_ping(mut self, after: Duration, timeout: Duration) -> Self {
        self.policy.ping = Some(crate::policy::Ping { after, timeout });
        self
    }

    /// Sets who tells the time; with the feature `tokio`, by default tokio.
    pub fn timer(self, timer: impl Timer + Send + Sync + 'static) -> Self {
        Self { timer: Some(Arc::new(timer)), ..self }
    }

    /// Sets who runs tasks; with the feature `tokio`, by default the tokio runtime in which a
    /// request is sent.
    pub fn executor(self, executor: impl Executor<Task> + Send + Sync + 'static) -> Self {
        Self { execute: Some(Arc::new(move |task| executor.execute(task))), ..self }
    }

    /// Sets who tells the date, for the ledger. By default the system is asked once, when the
    /// client is built, and the timer tells what has passed since.
    pub fn wall_clock(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { wall_clock: Some(Arc::new(move |_| now())), ..self }
    }

    /// Adds somebody who sees what happens. May be called several times.
    pub fn watch(mut self, watcher: impl Watch + 'static) -> Self {
        self.watchers.push(Arc::new(watcher));
        self
    }

    /// Writes a wire log.
    pub fn wire_log(self, log: WireLog) -> Self {
        Self { wire_log: Some(log), ..self }
    }

    /// Sets what chance comes from: the jitter of lifetimes.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Builds the client.
    #[cfg_attr(not(feature = "tokio"), expect(unused_mut, reason = "nothing to fill in"))]
    pub fn build(mut self) -> Result<Client, BuildError> {
        #[cfg(feature = "tokio")]
        self.fill_in();
        let clock = Clock::new(self.timer.ok_or(BuildError::NoTimer)?);
        let wall_clock = self.wall_clock.unwrap_or_else(|| from_now_on(&clock));
        let mut warnings = Vec::new();
        let ledger = self.policy.learns.then(|| {
            let file = self.ledger_file.as_deref();
            let read = file.map(|file| read(file, wall_clock(clock.now()), self.ledger));
            read.and_then(|read| read.map_err(|bad| warnings.push(bad)).ok())
                .unwrap_or_else(|| Ledger::new(self.ledger))
        });
        let mut watchers = self.watchers;
        watchers.extend(self.wire_log.iter().map(|log| Arc::new(log.clone()) as Arc<dyn Watch>));
        let shared = Shared::new(Parts {
            dial: self.dial.ok_or(BuildError::NoConnector)?,
            wall_clock,
            clock,
            execute: self.execute.ok_or(BuildError::NoExecutor)?,
            policy: self.policy,
            watchers,
            wire_log: self.wire_log,
            ledger,
            seed: self.seed,
            #[cfg(feature = "tls")]
            tls: self.tls.map(crate::tls::spoken).map(Arc::new),
            #[cfg(feature = "http2")]
            prior_knowledge: self.prior_knowledge,
        });
        Ok(Client {
            shared: Arc::new(shared),
            warnings: warnings.into(),
            ledger_file: self.ledger_file.map(Arc::from),
        })
    }

    /// Changes how connections are kept, if they are.
    fn keep(mut self, change: impl FnOnce(&mut Keep)) -> Self {
        if let Reuse::Kept(keep) = &mut self.policy.reuse {
            change(keep);
        }
        self
    }

    #[cfg(feature = "tokio")]
    fn fill_in(&mut self) {
        use hyper_util::rt::{TokioExecutor, TokioTimer};
        self.dial.get_or_insert_with(|| Box::new(crate::connect::TcpConnector));
        self.timer.get_or_insert_with(|| Arc::new(TokioTimer::new()));
        self.execute.get_or_insert_with(|| Arc::new(|task| TokioExecutor::new().execute(task)));
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Returns a wall clock that runs as `clock` does.
fn from_now_on(clock: &Clock) -> WallClock {
    let (began, since) = (Timestamp::now(), clock.now());
    Arc::new(move |now| {
        let passed = now.saturating_since(since);
        began.saturating_add(passed).unwrap_or(Timestamp::MAX)
    })
}

fn read(file: &Path, now: Timestamp, config: LedgerConfig) -> Result<Ledger, Warning> {
    let bad = |why: String| Warning::BadLedger { file: file.to_owned(), why };
    match fs::read_to_string(file) {
        Ok(text) => Ledger::parse(&text, now, config).map_err(|error| bad(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Warning::NoLedgerYet(file.to_owned()))
        }
        Err(error) => Err(bad(error.to_string())),
    }
}

/// Writes a ledger in place of what is at `file`, so that whoever reads finds the one or the other.
pub(super) fn replace(file: &Path, ledger: &Ledger) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut new = fs::File::create(&beside)?;
    new.write_all(ledger.to_text().as_bytes())?;
    new.sync_all()?;
    drop(new);
    fs::rename(&beside, file)
}
