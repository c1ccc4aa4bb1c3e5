//! A scenario's world before and while its programs run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use halfopen_billing::payment::book::{Book as _, Charged};
use halfopen_billing::scheduler;
use halfopen_billing::storage::Sqlite;
use halfopen_core::hop::{Command, Event};
use halfopen_core::path::Path;
use halfopen_core::scenario::{Answers, Asks, Happening, Scenario, Station};
use halfopen_core::tap;
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::client::Builder;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::trace::Capture;
use halfopen_sim::world::{Config, PathId, Place, World};

use crate::reproduce::accounts::Accounts;
use crate::reproduce::calendar::Calendar;
use crate::reproduce::cast::{self, Billing, PaymentEntry, Payments, Witness};
use crate::reproduce::client;
use crate::reproduce::hops::Hops;
use crate::reproduce::log::Log;
use crate::reproduce::machine::Machine as _;
use crate::reproduce::pool::{self, Sink};
use crate::reproduce::{Burst, Deed, Error, Request, Sight, far_end};

/// Where the client stands; RFC 1918.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
/// What the client asks; RFC 5737, TEST-NET-2.
pub(crate) const SERVER: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)), 80);

/// Where the hosts behind a balancer stand, each at the next address; RFC 1918.
const TARGETS: [u8; 3] = [10, 1, 0];

/// Why a server can listen.
const NEW: &str = "the host is new and has the address";

/// How many entries of each of a balancer's logs are kept.
const ENTRIES_MAX: usize = 1 << 20;

/// What a stage keeps besides what its programs and hops do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing: for runs whose length has no bound.
    Nothing,
    /// The balancer's logs.
    Logs,
    /// Also the pool's wire log and the payment module's events.
    All,
}

/// A scenario's world, and what its programs write down.
pub(crate) struct Stage {
    pub(crate) world: World,
    path: PathId,
    pub(super) hops: Hops,
    pub(crate) client: Host,
    /// Who answers, and where.
    pub(crate) servers: Vec<(Host, SocketAddr)>,
    pub(crate) requests: Log<Request>,
    pub(crate) deeds: Log<Deed>,
    pub(crate) accounts: Accounts,
    pub(super) payments: Option<Log<PaymentEntry>>,
    pub(super) runs: Log<scheduler::Event>,
    pub(super) wire_log: Option<Sink>,
    pub(super) book: Option<Arc<Sqlite>>,
}

impl Stage {
    /// Returns the stage at time zero, without any program.
    pub(crate) fn new(
        scenario: &Scenario,
        seed: u64,
        length: Duration,
        keep: Keep,
    ) -> Result<Self, Error> {
        let entries = if keep == Keep::Nothing { 0 } else { ENTRIES_MAX };
        if length > Config::LIMIT_MAX {
            return Err(Error::TooLong);
        }
        let mut world = World::new(Config { seed, limit: length, ..Config::default() });
        let addresses = servers(scenario)?;
        let fork = || world.fork_rng();
        let (hops, row) = Hops::make(scenario, fork, (SERVER, &addresses), entries)?;
        let path = world.add_path(Path::new(row));
        let client = world.add_host(HostConfig::new("client", [CLIENT]).inside(path));
        let servers = addresses.into_iter().enumerate().map(|(index, address)| {
            let name = if index == 0 { "far-end".to_owned() } else { format!("far-end-{index}") };
            let host = HostConfig::new(name, [address.ip()]).outside(path);
            (world.add_host(host), address)
        });
        let servers = servers.collect();
        let requests = Log::default();
        let accounts = Accounts::new(client.clock(), requests.clone());
        Ok(Self {
            world,
            path,
            hops,
            client,
            servers,
            requests,
            deeds: Log::default(),
            accounts,
            payments: (keep == Keep::All).then(Log::default),
            runs: Log::default(),
            wire_log: (keep == Keep::All).then(Sink::default),
            book: None,
        })
    }

    /// Starts all programs as the scenario has them, and orders what happens besides.
    pub(super) fn start_all(&mut self, scenario: &Scenario) -> Result<(), Error> {
        match &scenario.client.asks {
            Asks::Bursts(bursts) => self.start(scenario, client::bursts(bursts)),
            Asks::Scheduler(config) => {
                self.start_besides(scenario)?;
                let calendar = Calendar::new(self.client.clock(), scenario);
                let billing = Billing::new(config, SERVER, calendar, scenario.speed)?;
                let pool = self.pool(scenario)?;
                billing.start(&self.client, pool, self.accounts.clone(), self.runs.clone());
                Ok(())
            }
        }
    }

    /// Starts the programs, the client with these bursts, and orders what happens besides.
    pub(crate) fn start(
        &mut self,
        scenario: &Scenario,
        bursts: impl Iterator<Item = Burst> + Send + 'static,
    ) -> Result<(), Error> {
        self.start_besides(scenario)?;
        let config = match &scenario.client.asks {
            Asks::Bursts(bursts) => (bursts.clone(), false),
            Asks::Scheduler(_) => (client::PAYMENTS, true),
        };
        let (pool, accounts) = (self.pool(scenario)?, self.accounts.clone());
        let client = self.client.clone();
        self.client.start(async move {
            // The pool's clock begins with it, so it is built while the world runs.
            let pool = pool.build().expect("a connector, a timer and an executor are given");
            client::run(client, bursts, config, pool, SERVER, accounts).await;
        });
        Ok(())
    }

    /// Returns the client's pool, as the scenario has it.
    pub(crate) fn pool(&self, scenario: &Scenario) -> Result<Builder, Error> {
        let builder = pool::builder(scenario, &self.client, &self.accounts)?;
        Ok(match &self.wire_log {
            Some(sink) => builder.wire_log(sink.log(scenario.starts_at)),
            None => builder,
        })
    }

    /// Starts who answers, and orders what happens besides.
    pub(crate) fn start_besides(&mut self, scenario: &Scenario) -> Result<(), Error> {
        match &scenario.answers {
            Answers::FarEnd(config) => {
                for (host, address) in self.servers.clone() {
                    let (config, aborts, deeds) = (*config, aborts(scenario), self.deeds.clone());
                    let server = host.clone();
                    host.start(async move {
                        let listener = server.listen(address).await.expect(NEW);
                        far_end::run(server, listener, config, aborts, deeds).await;
                    });
                }
            }
            Answers::Payment(config) => {
                let payments = Payments::new(config)?;
                for (host, address) in self.servers.clone() {
                    let (deeds, log) = (self.deeds.clone(), self.payments.clone());
                    let witness = Witness::new(&host, self.accounts.clone(), deeds, log);
                    let module = payments.module(self.world.fork_rng(), witness)?;
                    let server = host.clone();
                    host.start(async move {
                        let listener = server.listen(address).await.expect(NEW);
                        cast::serve(module, listener).await;
                    });
                }
                self.book = Some(payments.book);
            }
        }
        for disturbance in &scenario.disturbances {
            if let Happening::Flush { station } = disturbance.what {
                let at = Instant::EPOCH + disturbance.at;
                self.world.command_at(at, self.path, station, Command::Flush);
            }
        }
        Ok(())
    }

    /// Begins a capture at the client, outside each gateway and balancer, and at the far end.
    pub(super) fn watch(&mut self, scenario: &Scenario) -> Vec<(String, Capture<Vec<u8>>)> {
        let ends = scenario.path.len();
        let gateways = scenario.path.iter().enumerate().filter_map(|(index, station)| {
            let name = match station {
                Station::Link(_) => return None,
                Station::Gateway(gateway) => &gateway.name,
                Station::Balancer(balancer) => &balancer.name,
            };
            Some((index + 1, name.clone())).filter(|&(gap, _)| gap < ends)
        });
        let places = core::iter::once((0, "client".to_owned()))
            .chain(gateways)
            .chain(core::iter::once((ends, "far-end".to_owned())));
        places
            .map(|(gap, name)| {
                let epoch = scenario.starts_at;
                let config = tap::Config { name: name.clone(), epoch, ..tap::Config::default() };
                let place = Place::Gap(self.path, gap);
                let capture = self.world.capture(place, Vec::new(), &config);
                (name, capture.expect("a vector takes all that is written"))
            })
            .collect()
    }

    /// Returns how often each period of each subscription was charged.
    pub(super) fn charged(&mut self) -> Result<Charged, Error> {
        let Some(book) = &self.book else { return Ok(Charged::new()) };
        let charged = self.world.run(book.charged()).map_err(Error::World)?;
        charged.map_err(|error| Error::Billing(error.to_string()))
    }

    /// Takes what the hops have done so far, in the order of time.
    pub(crate) fn events(&mut self) -> Result<Vec<Event>, Error> {
        if self.world.events_missed() > 0 {
            return Err(Error::TooEventful { missed: self.world.events_missed() });
        }
        let occurrences = self.world.take_events().into_iter();
        let mut events: Vec<Event> = occurrences.map(|occurrence| occurrence.event).collect();
        events.sort_by_key(|event| event.at);
        Ok(events)
    }
}

/// Returns where the servers stand: at the client's destination, or behind a balancer that does.
fn servers(scenario: &Scenario) -> Result<Vec<SocketAddr>, Error> {
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

/// Ends captures.
pub(super) fn finish(sights: Vec<(String, Capture<Vec<u8>>)>) -> Vec<Sight> {
    let finished = |(place, capture): (String, Capture<Vec<u8>>)| {
        let capture = capture.finish().expect("a vector takes all that is written");
        Sight { place, capture }
    };
    sights.into_iter().map(finished).collect()
}

/// Returns when the far end resets its idle connections.
fn aborts(scenario: &Scenario) -> Vec<Instant> {
    let aborts = scenario.disturbances.iter().filter(|it| it.what == Happening::AbortIdle);
    aborts.map(|it| Instant::EPOCH + it.at).collect()
}
