//! A scenario's world before and while its programs run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use halfopen_core::hop::{Command, Event};
use halfopen_core::path::Path;
use halfopen_core::scenario::{Asks, Happening, Scenario, Station};
use halfopen_core::tap;
use halfopen_core::time::{Duration, Instant};
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::trace::Capture;
use halfopen_sim::world::{Config, PathId, Place, World};

use crate::reproduce::accounts::Accounts;
use crate::reproduce::client;
use crate::reproduce::hops::Hops;
use crate::reproduce::log::Log;
use crate::reproduce::{Burst, Deed, Error, Request, Sight, far_end, pool};

/// Where the client stands; RFC 1918.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
/// What the client asks; RFC 5737, TEST-NET-2.
pub(super) const SERVER: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)), 80);

/// A scenario's world, and what its programs write down.
pub(crate) struct Stage {
    pub(crate) world: World,
    path: PathId,
    pub(super) hops: Hops,
    pub(super) client: Host,
    far_end: Host,
    pub(crate) requests: Log<Request>,
    pub(crate) deeds: Log<Deed>,
    pub(super) accounts: Accounts,
}

impl Stage {
    /// Returns the stage at time zero, without any program.
    pub(crate) fn new(scenario: &Scenario, seed: u64, length: Duration) -> Result<Self, Error> {
        if length > Config::LIMIT_MAX {
            return Err(Error::TooLong);
        }
        let mut world = World::new(Config { seed, limit: length, ..Config::default() });
        let (hops, row) = Hops::make(scenario, &mut world)?;
        let path = world.add_path(Path::new(row));
        let client = world.add_host(HostConfig::new("client", [CLIENT]).inside(path));
        let far_end = world.add_host(HostConfig::new("far-end", [SERVER.ip()]).outside(path));
        let requests = Log::default();
        let accounts = Accounts::new(client.clone(), requests.clone());
        let deeds = Log::default();
        Ok(Self { world, path, hops, client, far_end, requests, deeds, accounts })
    }

    /// Starts the programs, the client with these bursts, and orders what happens besides.
    pub(crate) fn start(
        &mut self,
        scenario: &Scenario,
        bursts: impl Iterator<Item = Burst> + Send + 'static,
    ) -> Result<(), Error> {
        self.far_end.spawn(far_end::run(scenario.far_end, aborts(scenario), self.deeds.clone()));
        let Asks::Bursts(config) = scenario.client.asks.clone();
        let pool = pool::builder(scenario, &self.client, &self.accounts)?;
        let accounts = self.accounts.clone();
        self.client.spawn(async move {
            // The pool's clock begins with it, so it is built while the world runs.
            let pool = pool.build().expect("a connector, a timer and an executor are given");
            client::run(bursts, config, pool, SERVER, accounts).await;
        });
        for disturbance in &scenario.disturbances {
            if let Happening::Flush { station } = disturbance.what {
                let at = Instant::EPOCH + disturbance.at;
                self.world.command_at(at, self.path, station, Command::Flush);
            }
        }
        Ok(())
    }

    /// Begins a capture at the client, outside each gateway, and at the far end.
    pub(super) fn watch(&mut self, scenario: &Scenario) -> Vec<(String, Capture<Vec<u8>>)> {
        let ends = scenario.path.len();
        let gateways = scenario.path.iter().enumerate().filter_map(|(index, station)| {
            let Station::Gateway(gateway) = station else { return None };
            Some((index + 1, gateway.name.clone())).filter(|&(gap, _)| gap < ends)
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
