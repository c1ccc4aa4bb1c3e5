//! The pool that ships, on a machine of the stage.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use halfopen_core::scenario::Scenario;
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::client::{Builder, Client};
use halfopen_pool::connect::{Connect, Destination, Transport as _};
use halfopen_pool::wirelog::WireLog;
use hyper_util::rt::TokioTimer;
use jiff::Timestamp;

use crate::policy;
use crate::reproduce::Error;
use crate::reproduce::accounts::Accounts;
use crate::reproduce::machine::{Machine, On};

/// Returns a client that is set up as the scenario says and tells `accounts` what it does. Its
/// clock begins when it is built, which must be while the machine runs; dates count
/// from `began_at`.
pub(super) fn builder(
    scenario: &Scenario,
    machine: &impl Machine,
    began_at: Duration,
    accounts: &Accounts,
) -> Result<Builder, Error> {
    let policy = policy::of(&scenario.client.pool, scenario.speed).ok_or(Error::NoPreset)?;
    let connector = Noted { connector: machine.connector(), accounts: accounts.clone() };
    let clock = machine.clock();
    Ok(Client::builder()
        .policy(policy)
        .connector(connector)
        .timer(TokioTimer::new())
        .executor(On(machine.clone()))
        .wall_clock(move || timestamp(began_at, clock.now()))
        .watch(accounts.clone()))
}

/// Returns the moment `at` in a run that starts at that UNIX time.
pub(super) fn timestamp(starts_at: Duration, at: Instant) -> Timestamp {
    let unix = starts_at.saturating_add(at.saturating_since(Instant::EPOCH));
    Timestamp::UNIX_EPOCH.saturating_add(unix).unwrap_or(Timestamp::MAX)
}

/// What a wire log is written into. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// Returns a log that is written into this, of a client that begins at that UNIX time.
    pub(super) fn log(&self, starts_at: Duration) -> WireLog {
        WireLog::new(self.clone()).dated(timestamp(starts_at, Instant::EPOCH))
    }

    /// Takes what was written.
    pub(super) fn take(&self) -> String {
        let written = core::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&written).into_owned()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes which end each connection has, before the pool names it.
struct Noted<C> {
    connector: C,
    accounts: Accounts,
}

impl<C: Connect> Connect for Noted<C> {
    type Transport = C::Transport;

    async fn connect(&self, to: &Destination) -> io::Result<C::Transport> {
        let socket = self.connector.connect(to).await?;
        self.accounts.dialled(socket.local_addr());
        Ok(socket)
    }
}
