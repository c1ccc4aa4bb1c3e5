//! Runs a scenario: its client, its path and its far end as programs of a world.
//!
//! What happened is kept from every point of view: what the client's program met, what its pool
//! and the far end's program did, what the hops report and count, what an administrator would see
//! of the client's sockets, and what a capture at each place shows. The last is all that a
//! diagnosis may see; [`Reproduction::truth`] says from the others what it should say.
//!
//! The client is the pool that ships. The far end is a plain TCP host that speaks just enough
//! HTTP/1.1 to be read in a capture.

mod accounts;
mod book;
mod calendar;
mod cast;
mod client;
mod far_end;
mod hops;
#[cfg(target_os = "linux")]
pub mod live;
mod log;
mod machine;
mod message;
mod play;
mod pool;
mod request;
mod sockets;
mod stage;
mod truth;

use core::fmt;
use core::net::SocketAddr;
use std::collections::BTreeSet;

use halfopen_billing::payment::book::Charged;
use halfopen_billing::scheduler;
use halfopen_core::balancer;
use halfopen_core::balancer::log::{AccessEntry, ConnectionEntry};
use halfopen_core::gateway::ConfigError;
use halfopen_core::hop::Event;
use halfopen_core::scenario::Scenario;
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::event::Tally;
use halfopen_sim::net::SocketTable;
use halfopen_sim::world::Config;

pub use cast::PaymentEntry;
pub(crate) use client::{Burst, Sender};
pub use far_end::{Act, Deed};
pub use hops::Counted;
pub(crate) use play::{Keep, SERVER};
pub use request::{Attempt, Outcome, Request};
pub(crate) use stage::Stage;
pub use truth::Truth;

/// What happened when a scenario ran.
#[derive(Debug)]
pub struct Reproduction {
    /// The far end's address.
    pub server: SocketAddr,
    /// The UNIX time at which it began.
    pub began_at: Duration,
    /// The client's requests, in the order in which they began.
    pub requests: Vec<Request>,
    /// What the far end did, in the order of time.
    pub deeds: Vec<Deed>,
    /// What the hops did, in the order of time. They are numbered as the scenario's path.
    pub events: Vec<Event>,
    /// What was seen at each place, from the inside to the outside.
    pub sights: Vec<Sight>,
    /// What the client's pool did.
    pub pool: Tally,
    /// The client's connections that its pool found closed or reset while they were idle, and when
    /// it did.
    pub ended_idle: Vec<(Instant, SocketAddr)>,
    /// What the gateways counted, in the order of the path.
    pub counted: Vec<Counted>,
    /// What the balancer logged of requests; empty without one.
    pub access_log: Vec<AccessEntry>,
    /// What the balancer logged of connections.
    pub connection_log: Vec<ConnectionEntry>,
    /// What the scheduler reported; empty without one.
    pub runs: Vec<scheduler::Event>,
    /// How often each period of each subscription was charged, as the payment module's book has
    /// it; empty without one.
    pub charged: Charged,
    /// What the payment module reported; empty unless the run was [`watched`].
    pub payments: Vec<PaymentEntry>,
    /// The client's sockets as they changed; empty unless the run was [`watched`].
    pub sockets: Vec<SocketTable>,
    /// The pool's wire log; empty unless the run was [`watched`].
    pub wire_log: String,
}

/// What was seen at one place.
#[derive(Debug)]
pub struct Sight {
    /// The place: `client`, `far-end`, or the outside of a gateway, by its name.
    pub place: String,
    /// A pcapng file.
    pub capture: Vec<u8>,
}

/// Why a scenario could not be run to its end.
#[derive(Debug)]
pub enum Error {
    /// A gateway cannot be set up like this.
    Gateway {
        /// Its name.
        name: String,
        /// Why.
        error: ConfigError,
    },
    /// A balancer cannot be set up like this.
    Balancer {
        /// Its name.
        name: String,
        /// Why.
        error: balancer::ConfigError,
    },
    /// The scheduler or the payment module cannot be set up like this.
    Billing(String),
    /// Several hosts answer, and nothing spreads requests over them.
    NoBalancer,
    /// It has more than one balancer.
    SeveralBalancers,
    /// No client library of that name is described.
    NoPreset,
    /// It has more gateways than there are addresses for.
    TooManyGateways,
    /// It lasts longer than a world can.
    TooLong,
    /// A server cannot listen at its address.
    Listen(std::io::Error),
    /// The world came to an end of its own.
    World(halfopen_sim::world::Error),
    /// Its hops did more than is kept, so that the truth is not known.
    TooEventful {
        /// How many events were not kept.
        missed: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway { name, error } => write!(f, "the gateway `{name}`: {error}"),
            Self::Balancer { name, error } => write!(f, "the balancer `{name}`: {error}"),
            Self::Billing(why) => write!(f, "{why}"),
            Self::NoBalancer => {
                write!(f, "several hosts need a balancer on the path; set `hosts` to 1 or add one")
            }
            Self::SeveralBalancers => write!(f, "the path has more than one balancer"),
            Self::NoPreset => write!(f, "the client's preset names no client that is described"),
            Self::TooManyGateways => write!(f, "the path has more than 254 gateways"),
            Self::TooLong => {
                write!(f, "it lasts longer than {} days", Config::LIMIT_MAX.as_secs() / 86_400)
            }
            Self::Listen(error) => write!(f, "the server cannot listen: {error}"),
            Self::World(error) => write!(f, "{error}"),
            Self::TooEventful { missed } => {
                write!(f, "the hops reported {missed} events more than are kept")
            }
        }
    }
}

impl core::error::Error for Error {}

/// Runs a scenario. The same scenario and seed give the same bytes.
pub fn reproduce(scenario: &Scenario, seed: u64) -> Result<Reproduction, Error> {
    run(scenario, seed, false)
}

/// Runs a scenario and also keeps what only a closer look shows: the client's sockets, the pool's
/// wire log and the payment module's events. It changes nothing of what happens.
pub fn watched(scenario: &Scenario, seed: u64) -> Result<Reproduction, Error> {
    run(scenario, seed, true)
}

fn run(scenario: &Scenario, seed: u64, watched: bool) -> Result<Reproduction, Error> {
    let keep = if watched { Keep::All } else { Keep::Logs };
    let mut stage = Stage::new(scenario, seed, scenario.length, keep)?;
    let sights = stage.watch(scenario);
    stage.start_all(scenario)?;
    let end = Instant::EPOCH + scenario.length;
    let sockets = if watched {
        sockets::watch(&mut stage.world, &stage.play.client, end).map_err(Error::World)?
    } else {
        stage.world.run_until(end).map_err(Error::World)?;
        Vec::new()
    };
    let (events, charged) = (stage.events()?, stage.charged()?);
    let sights = stage::finish(sights);
    Ok(Reproduction { events, sights, charged, sockets, ..stage.play.tell() })
}

impl Reproduction {
    /// Returns how many requests are known to have got no response, however often they went out.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.requests.iter().filter(|request| request.outcome().is_lost()).count()
    }

    /// Returns how long each request took from its beginning to its end, in the order of requests;
    /// `None` for one that was not over when the run was.
    #[must_use]
    pub fn latencies(&self) -> Vec<Option<Duration>> {
        self.requests.iter().map(Request::latency).collect()
    }

    /// Returns how many requests the far end received more than once, which for payments without
    /// an idempotency key are as many that were charged twice.
    #[must_use]
    pub fn received_twice(&self) -> usize {
        let mut once = BTreeSet::new();
        let received = self.deeds.iter().filter_map(|deed| match deed.act {
            Act::Received(number) => Some(number),
            Act::Accepted
            | Act::Answered(_)
            | Act::ClosedIdle
            | Act::ResetIdle
            | Act::Aborted
            | Act::ClosedToo
            | Act::Broken => None,
        });
        received.filter(|&number| !once.insert(number)).collect::<BTreeSet<u32>>().len()
    }
}

#[cfg(test)]
mod tests;
