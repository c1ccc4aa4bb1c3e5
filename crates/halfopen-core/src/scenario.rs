//! A phenomenon in domain words: a client, a path, a far end, what happens, and what is expected.
//!
//! A scenario is a TOML text. It says nothing of addresses, ports or hosts: whoever runs it, in
//! virtual time or on the wire, chooses those. All times count from the start of the run.

mod balancer;
mod document;
mod speed;

use std::net::IpAddr;

use serde::Deserialize;

use crate::balancer::BalancerConfig;
use crate::cause::{Cause, Culprit, Harm, Mechanism};
pub use crate::document::DocumentError;
use crate::document::{quantity, read, shipped};
use crate::gateway::GatewayConfig;
use crate::link::LinkConfig;
use crate::profile::Fact;
use crate::speed::Speed;
use crate::tcp::Keepalive;
use crate::time::Duration;
pub use speed::TooFast;

const SHIPPED: &[(&str, &str)] = shipped!["scenarios":
    "balancer-fin-first-180",
    "balancer-fin-first-300",
    "box-fins-at-expiry",
    "box-resets-both-at-expiry",
    "close-race",
    "far-end-aborts",
    "firewall-drops-silently",
    "incident",
    "incident-balancer-180",
    "incident-balancer-300",
    "keepalive-saves",
    "nat-resets-next-packet",
    "packet-loss",
    "pool-cap-saves",
    "production-spared",
    "retry-masks",
    "slow-response",
    "table-flushed",
    "two-boxes",
];

/// A phenomenon to reproduce.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The name that the command uses, which is its file's.
    pub name: String,
    /// What happens, in a few words.
    pub title: String,
    /// What happens and why, in a few sentences.
    pub about: String,
    /// Where all chance comes from.
    pub seed: u64,
    /// The time of day when it starts, as UNIX time.
    pub starts_at: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// How many times faster its timers run than its text says. All times here are divided by it
    /// already; whoever makes a client of a preset or a scheduler with its calendar divides theirs.
    pub speed: Speed,
    /// Who asks.
    pub client: Client,
    /// What stands between, the innermost first.
    pub path: Vec<Station>,
    /// Who answers.
    pub answers: Answers,
    /// What happens besides, in the order of time.
    pub disturbances: Vec<Disturbance>,
    /// What a diagnosis of the client's capture must say.
    pub expect: Expectation,
}

/// A program that asks, over a pool of connections.
#[derive(Clone, Debug)]
pub struct Client {
    /// What it asks, and when.
    pub asks: Asks,
    /// Over which connections.
    pub pool: Pool,
}

/// What a client asks, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Requests in bursts, each after the response to the one before.
    Bursts(Bursts),
    /// Payments, as a scheduler finds them due.
    Scheduler(Scheduler),
}

/// Requests in bursts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// When they start; at least one, in the order of time.
    pub starts: Vec<Duration>,
    /// How many requests a burst has; at least one.
    pub requests: u32,
    /// How many of them are under way at a time; the rest wait for their turn.
    pub at_once: u32,
    /// The method of a request; `POST` if the text does not say.
    pub method: String,
    /// Whether each request carries an `Idempotency-Key` of its own.
    pub idempotency_key: bool,
    /// The bytes of a request; 256 if the text does not say.
    pub request_bytes: u32,
}

/// A pool of connections: a client library's, and what is set otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The client library of [`crate::client`] that it starts from; `None` is one that keeps
    /// connections for ever, notices at once what arrives on an idle one, and sends nothing again.
    pub preset: Option<String>,
    /// What becomes of a connection after its response.
    pub connections: Option<Connections>,
    /// How many connections there may be, in use or idle; a request beyond them waits for its turn.
    pub max_connections: Option<u32>,
    /// After how long without use the pool closes a connection.
    pub idle_cap: Option<Duration>,
    /// Whether a `Keep-Alive` hint of the far end lowers the cap.
    pub heeds_hint: Option<bool>,
    /// How long the handshake may take.
    pub connect_timeout: Option<Duration>,
    /// How long a response may take.
    pub read_timeout: Option<Duration>,
    /// How often a request that failed goes out again at once, each time on a fresh connection.
    pub retries: Option<u32>,
    /// Whether and when TCP probes an idle connection.
    pub keepalive: Option<Keepalive>,
    /// How long sent data may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// Whether the pool learns how long the path remembers.
    pub learns: Option<bool>,
}

/// What becomes of a connection after its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// The client closes it.
    PerRequest,
    /// It is kept for the next request.
    Pooled,
}

/// The subscription-billing scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scheduler {
    /// When it looks for what is due: a cron line.
    pub cron: String,
    /// The IANA name of the time zone that the cron line is in; UTC if the text does not say.
    #[serde(default = "document::zone_default")]
    pub zone: String,
    /// How many subscriptions there are, each due anew at every [`cadence`](Self::cadence).
    pub subscriptions: u32,
    /// How often each is due: `monthly`, `yearly`, or as `every 20m`.
    pub cadence: String,
    /// How many payments it takes in hand at a time.
    #[serde(default = "document::one_hundred")]
    pub batch: u32,
    /// How many of them are under way at a time.
    #[serde(default = "document::one")]
    pub parallel: u32,
}

/// Something between client and far end.
#[derive(Clone, Debug)]
pub enum Station {
    /// It takes time, and may lose packets; either direction is like this.
    Link(LinkConfig),
    /// It remembers flows.
    Gateway(Box<Gateway>),
    /// It ends connections, and passes requests on to what stands outside of it.
    Balancer(Box<Balancer>),
}

/// A hop that remembers flows.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// What the scenario calls it.
    pub name: String,
    /// The profile that it starts from.
    pub profile: String,
    /// What nothing confirms of the values that it has from there.
    pub unconfirmed: Vec<Fact>,
    config: GatewayConfig,
}

impl Gateway {
    /// Returns how it is set up, with the addresses that it translates to. One that does not
    /// translate needs none.
    #[must_use]
    pub fn config(&self, external: Vec<IpAddr>) -> GatewayConfig {
        self.config.clone().translating_to(external)
    }

    /// Sets it up in another way. The addresses that it translates to do not matter here.
    pub fn set_config(&mut self, config: GatewayConfig) {
        self.config = config;
    }
}

/// A hop that ends connections and opens others.
#[derive(Clone, Debug)]
pub struct Balancer {
    /// What the scenario calls it.
    pub name: String,
    /// The profile that it starts from.
    pub profile: String,
    /// What nothing confirms of the values that it has from there.
    pub unconfirmed: Vec<Fact>,
    /// How it is set up. Its names in the log are defaults, its epoch that of captures.
    pub config: BalancerConfig,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// A plain host.
    FarEnd(FarEnd),
    /// The payment module.
    Payment(Payment),
}

/// The payment module: a server with a connection timer and a hint of its own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Payment {
    /// How many hosts it runs on; they share one book.
    #[serde(default = "document::one")]
    pub hosts: u32,
    /// After how long without a request it closes a connection; `None` is never.
    #[serde(default, deserialize_with = "quantity::optional_duration")]
    pub keep_alive: Option<Duration>,
    /// The time in the `Keep-Alive` hint of its responses; `None` gives no hint.
    #[serde(default, deserialize_with = "quantity::optional_duration")]
    pub hint: Option<Duration>,
    /// How long it takes to answer.
    #[serde(deserialize_with = "quantity::duration")]
    pub answers_after: Duration,
    /// Some requests that take longer.
    pub slow: Option<Slow>,
    /// Whether it knows an order that comes again by its `Idempotency-Key`, and charges once.
    #[serde(default = "document::yes")]
    pub heeds_keys: bool,
}

/// Some requests that take longer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Slow {
    /// Which share of the requests, from 0 to 1.
    #[serde(deserialize_with = "quantity::share")]
    pub share: f64,
    /// The least that they take.
    #[serde(deserialize_with = "quantity::duration")]
    pub least: Duration,
    /// The most.
    #[serde(deserialize_with = "quantity::duration")]
    pub most: Duration,
}

/// A balancer as seen from the path: a host that answers requests and closes idle connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FarEnd {
    /// After how long without a byte it closes a connection; `None` is never.
    #[serde(default, deserialize_with = "quantity::optional_duration")]
    pub idle_timeout: Option<Duration>,
    /// How it closes an idle connection.
    #[serde(default)]
    pub closes_with: Close,
    /// The time in the `Keep-Alive` hint of its responses; `None` gives no hint.
    #[serde(default, deserialize_with = "quantity::optional_duration")]
    pub hint: Option<Duration>,
    /// How long it takes to answer.
    #[serde(deserialize_with = "quantity::duration")]
    pub answers_after: Duration,
    /// The bytes of a response; 256 if the text does not say.
    #[serde(default = "document::bytes_default")]
    pub response_bytes: u32,
    /// Whether and when its TCP probes an idle connection.
    pub keepalive: Option<Keepalive>,
}

/// How a host closes a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Close {
    /// In order, with a FIN.
    #[default]
    Fin,
    /// At once, with a reset.
    Reset,
}

/// Something that happens to the path or its far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// When.
    pub at: Duration,
    /// What.
    pub what: Happening,
}

/// What happens to the path or its far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A gateway or a balancer loses all its state: a restart, or a failover without it.
    Flush {
        /// The gateway's or the balancer's index in [`Scenario::path`].
        station: usize,
    },
    /// The far end resets its idle connections.
    AbortIdle,
}

/// What a diagnosis of the client's capture must say of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Why.
    pub cause: Cause,
    /// How it showed; `None` leaves it open.
    pub mechanism: Option<Mechanism>,
    /// Who did it; `None` leaves it open.
    pub culprit: Option<Culprit>,
    /// What it did to requests.
    pub harm: Harm,
    /// How many requests failed.
    #[serde(default)]
    pub failures: u32,
}

impl Scenario {
    /// Reads a scenario; `name` is its file's without the ending.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        read::<document::Document>(text)?.scenario(name, text)
    }

    /// Returns the names of the scenarios that ship, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|&(name, _)| name)
    }

    /// Returns the scenario `name` if it ships.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let text = Self::text(name)?;
        Some(Self::parse(name, text).expect("a test reads every scenario that ships"))
    }

    /// Returns the gateways of its path, from the inside to the outside.
    pub fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        self.path.iter().filter_map(|station| match station {
            Station::Gateway(gateway) => Some(&**gateway),
            Station::Link(_) | Station::Balancer(_) => None,
        })
    }

    /// Returns the text of the scenario `name` if it ships: a start for one's own.
    #[must_use]
    pub fn text(name: &str) -> Option<&'static str> {
        SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|&(_, text)| text)
    }
}

#[cfg(test)]
mod tests;
