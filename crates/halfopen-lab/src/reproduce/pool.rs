//! The pool that ships, over a host of the stage.

use std::io;

use halfopen_core::scenario::Scenario;
use halfopen_core::time::Duration;
use halfopen_pool::client::{Builder, Client};
use halfopen_pool::connect::{Connect, Destination, Transport as _};
use halfopen_sim::host::Host;
use hyper_util::rt::TokioTimer;
use jiff::Timestamp;

use crate::connect::{SimConnector, SimExecutor, SimSocket};
use crate::policy;
use crate::reproduce::Error;
use crate::reproduce::accounts::Accounts;

/// Returns a client that is set up as the scenario says and tells `accounts` what it does. Its
/// clock begins when it is built, which must be in the world.
pub(super) fn builder(
    scenario: &Scenario,
    host: &Host,
    accounts: &Accounts,
) -> Result<Builder, Error> {
    let policy = policy::of(&scenario.client.pool).ok_or(Error::NoPreset)?;
    let connector =
        Noted { connector: SimConnector::new(host.clone()), accounts: accounts.clone() };
    let calendar = Calendar { host: host.clone(), starts_at: scenario.starts_at };
    Ok(Client::builder()
        .policy(policy)
        .connector(connector)
        .timer(TokioTimer::new())
        .executor(SimExecutor::new(host.clone()))
        .wall_clock(move || calendar.now())
        .watch(accounts.clone()))
}

/// The time of day in a world.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    host: Host,
    starts_at: Duration,
}

impl Calendar {
    pub(super) fn now(&self) -> Timestamp {
        let since = self.host.now().saturating_since(halfopen_core::time::Instant::EPOCH);
        let now = i64::try_from((self.starts_at + since).as_secs()).ok();
        let nanos = i32::try_from((self.starts_at + since).subsec_nanos()).unwrap_or(0);
        let now = now.and_then(|seconds| Timestamp::new(seconds, nanos).ok());
        now.unwrap_or(Timestamp::MAX)
    }
}

/// Notes which end each connection has, before the pool names it.
struct Noted {
    connector: SimConnector,
    accounts: Accounts,
}

impl Connect for Noted {
    type Transport = SimSocket;

    async fn connect(&self, to: &Destination) -> io::Result<SimSocket> {
        let socket = self.connector.connect(to).await?;
        self.accounts.dialled(socket.local_addr());
        Ok(socket)
    }
}
