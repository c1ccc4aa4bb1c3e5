//! Who plays in a scenario, and what they write down: the same in every world.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use halfopen_billing::payment::book::Charged;
use halfopen_billing::scheduler;
use halfopen_billing::storage::Sqlite;
use halfopen_core::hop::Command;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::{Answers, Asks, Happening, Scenario, Station};
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::client::Builder;

use crate::reproduce::accounts::Accounts;
use crate::reproduce::calendar::Calendar;
use crate::reproduce::cast::{self, Billing, PaymentEntry, Payments, Witness};
use crate::reproduce::hops::Hops;
use crate::reproduce::log::Log;
use crate::reproduce::machine::Machine;
use crate::reproduce::pool::{self, Sink};
use crate::reproduce::{Burst, Deed, Error, Reproduction, Request, client, far_end};

/// Where the client stands; RFC 1918.
pub(super) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
/// What the client asks; RFC 5737, TEST-NET-2.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)), 80);

/// Where the hosts behind a balancer stand, each at the next address; RFC 1918.
const TARGETS: [u8; 3] = [10, 1, 0];

/// How many entries of each of a balancer's logs are kept.
const ENTRIES_MAX: usize = 1 << 20;

/// What is kept besides what programs and hops do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing: for runs whose length has no bound.
    Nothing,
    /// The balancer's logs.
    Logs,
    /// Also the pool's wire log and the payment module's events.
    All,
}

impl Keep {
    /// Returns how many entries of each of a balancer's logs are kept.
    pub(super) fn entries(self) -> usize {
        if self == Self::Nothing { 0 } else { ENTRIES_MAX }
    }
}

/// The programs of a scenario on the machines of a world.
pub(crate) struct Play<M> {
    pub(super) hops: Hops,
    pub(crate) client: M,
    /// Who answers, and where.
    pub(crate) servers: Vec<(M, SocketAddr)>,
    /// The UNIX time at which it begins.
    pub(super) began_at: Duration,
    pub(crate) requests: Log<Request>,
    pub(crate) deeds: Log<Deed>,
    pub(crate) accounts: Accounts,
    pub(super) payments: Option<Log<PaymentEntry>>,
    pub(super) runs: Log<scheduler::Event>,
    pub(super) wire_log: Option<Sink>,
    pub(super) book: Option<Arc<Sqlite>>,
}

impl<M: Machine> Play<M> {
    /// Returns the programs, none of which has started.
    pub(super) fn new(
        hops: Hops,
        client: M,
        servers: Vec<(M, SocketAddr)>,
        began_at: Duration,
        keep: Keep,
    ) -> Self {
        let requests = Log::default();
        Self {
            hops,
            accounts: Accounts::new(client.clock(), requests.clone()),
            client,
            servers,
            began_at,
            requests,
            deeds: Log::default(),
            payments: (keep == Keep::All).then(Log::default),
            runs: Log::default(),
            wire_log: (keep == Keep::All).then(Sink::default),
            book: None,
        }
    }

    /// Starts the client as the scenario has it.
    pub(super) fn ask(&self, scenario: &Scenario) -> Result<(), Error> {
        match &scenario.client.asks {
            Asks::Bursts(bursts) => self.ask_in(scenario, client::bursts(bursts)),
            Asks::Scheduler(config) => {
                let calendar = Calendar::new(self.client.clock(), scenario);
                let billing = Billing::new(config, SERVER, calendar, scenario.speed)?;
                let pool = self.pool(scenario)?;
                billing.start(&self.client, pool, self.accounts.clone(), self.runs.clone());
                Ok(())
            }
        }
    }

    /// Starts the client with these bursts.
    pub(super) fn ask_in(
        &self,
        scenario: &Scenario,
        bursts: impl Iterator<Item = Burst> + Send + 'static,
    ) -> Result<(), Error> {
        let config = match &scenario.client.asks {
            Asks::Bursts(bursts) => (bursts.clone(), false),
            Asks::Scheduler(_) => (client::PAYMENTS, true),
        };
        let (pool, accounts) = (self.pool(scenario)?, self.accounts.clone());
        let client = self.client.clone();
        self.client.start(async move {
            // The pool's clock begins with it, so it is built while the machine runs.
            let pool = pool.build().expect("a connector, a timer and an executor are given");
            client::run(client, bursts, config, pool, SERVER, accounts).await;
        });
        Ok(())
    }

    /// Returns the client's pool, as the scenario has it.
    pub(crate) fn pool(&self, scenario: &Scenario) -> Result<Builder, Error> {
        let builder = pool::builder(scenario, &self.client, self.began_at, &self.accounts)?;
        Ok(match &self.wire_log {
            Some(sink) => builder.wire_log(sink.log(self.began_at)),
            None => builder,
        })
    }

    /// Starts who answers, each with chance of its own from `fork`.
    pub(super) fn answer(
        &mut self,
        scenario: &Scenario,
        mut fork: impl FnMut() -> Rng,
    ) -> Result<(), Error> {
        match &scenario.answers {
            Answers::FarEnd(config) => {
                for (host, address) in &self.servers {
                    let listener = host.listen(*address).map_err(Error::Listen)?;
                    let (aborts, deeds) = (aborts(scenario), self.deeds.clone());
                    host.start(far_end::run(host.clone(), listener, *config, aborts, deeds));
                }
            }
            Answers::Payment(config) => {
                let payments = Payments::new(config)?;
                for (host, address) in &self.servers {
                    let (deeds, log) = (self.deeds.clone(), self.payments.clone());
                    let witness = Witness::new(host, self.accounts.clone(), deeds, log);
                    let module = payments.module(fork(), witness)?;
                    let listener = host.listen(*address).map_err(Error::Listen)?;
                    host.start(cast::serve(module, listener));
                }
                self.book = Some(payments.book.sqlite);
            }
        }
        Ok(())
    }

    /// Takes what was written down until now. What others saw of it is left empty: the events of
    /// the hops, the charges in the book, captures and socket tables.
    pub(super) fn tell(&self) -> Reproduction {
        let mut deeds = self.deeds.take();
        deeds.sort_by_key(|deed| deed.at);
        Reproduction {
            server: SERVER,
            began_at: self.began_at,
            // What is still under way ends with the world, and is logged as unfinished.
            requests: self.requests.take(),
            deeds,
            events: Vec::new(),
            sights: Vec::new(),
            pool: self.accounts.tally(),
            ended_idle: self.accounts.ended_idle(),
            counted: self.hops.counted(),
            access_log: self.hops.records.requests(),
            connection_log: self.hops.records.connections(),
            runs: self.runs.take(),
            charged: Charged::new(),
            payments: self.payments.iter().flat_map(Log::take).collect(),
            sockets: Vec::new(),
            wire_log: self.wire_log.as_ref().map(Sink::take).unwrap_or_default(),
        }
    }
}

/// Returns what the hops of a path are ordered to do: when, which hop, and what.
pub(super) fn commands(scenario: &Scenario) -> impl Iterator<Item = (Instant, usize, Command)> {
    scenario.disturbances.iter().filter_map(|disturbance| match disturbance.what {
        Happening::Flush { station } => {
            Some((Instant::EPOCH + disturbance.at, station, Command::Flush))
        }
        Happening::AbortIdle => None,
    })
}

/// Returns where a capture is worth having and what the place is called: at the client, outside
/// each gateway and balancer, and at the far end. Gaps are counted as those of the path.
pub(super) fn places(scenario: &Scenario) -> impl Iterator<Item = (usize, String)> {
    let ends = scenario.path.len();
    let inner = scenario.path.iter().enumerate().filter_map(move |(index, station)| {
        let name = match station {
            Station::Link(_) => return None,
            Station::Gateway(gateway) => &gateway.name,
            Station::Balancer(balancer) => &balancer.name,
        };
        Some((index + 1, name.clone())).filter(|&(gap, _)| gap < ends)
    });
    core::iter::once((0, "client".to_owned()))
        .chain(inner)
        .chain(core::iter::once((ends, "far-end".to_owned())))
}

/// Returns where the servers stand: at the client's destination, or behind a balancer that does.
pub(super) fn servers(scenario: &Scenario) -> Result<Vec<SocketAddr>, Error> {
    let is_balancer = |station: &&Station| matches!(station, Station::Balancer(_));
    let hosts = match &scenario.answers {
        Answers::FarEnd(_) => 1,
        Answers::Payment(payment) => payment.hosts,
    };
    match (scenario.path.iter().filter(is_balancer).count(), hosts) {
        (0, 1) => Ok(vec![SERVER]),
        (0, _) => Err(Error::NoBalancer),
        (1, hosts) => {
            let [a, b, c] = TARGETS;
            let numbers = (1..u8::MAX).take(hosts as usize);
            let address = |number| SocketAddr::from(([a, b, c, number], 8080));
            Ok(numbers.map(address).collect())
        }
        (_, _) => Err(Error::SeveralBalancers),
    }
}

/// Returns when the far end resets its idle connections.
fn aborts(scenario: &Scenario) -> Vec<Instant> {
    let aborts = scenario.disturbances.iter().filter(|it| it.what == Happening::AbortIdle);
    aborts.map(|it| Instant::EPOCH + it.at).collect()
}

/// Returns what the server of this index is called.
pub(super) fn server_name(index: usize) -> String {
    if index == 0 { "far-end".to_owned() } else { format!("far-end-{index}") }
}
