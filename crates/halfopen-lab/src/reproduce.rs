//! Runs a scenario: its client, its path and its far end as programs of a world.
//!
//! What happened is kept from every point of view: what the client's program met, what the far
//! end's program did, what the hops report, and what a capture at each place shows. The last is
//! all that a diagnosis may see; [`Reproduction::truth`] says from the others what it should say.
//!
//! The far end is a plain TCP host that speaks just enough HTTP/1.1 to be read in a capture.

mod client;
mod far_end;
mod message;
mod pool;
mod truth;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_core::gateway::{ConfigError, Gateway};
use halfopen_core::hop::{Command, Event, Hop};
use halfopen_core::link::Link;
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::{Happening, Scenario, Station};
use halfopen_core::tap;
use halfopen_core::time::{Duration, Instant};

use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::trace::Capture;
use halfopen_sim::world::{Config, PathId, Place, World};

pub(crate) use client::Burst;
pub use client::{Attempt, Outcome, Request};
pub use far_end::{Act, Deed};
pub use truth::Truth;

/// Where the client stands; RFC 1918.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
/// Where the far end listens; RFC 5737, TEST-NET-2.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)), 80);

/// What happened when a scenario ran.
#[derive(Debug)]
pub struct Reproduction {
    /// The far end's address.
    pub server: SocketAddr,
    /// The client's requests, in the order in which they began.
    pub requests: Vec<Request>,
    /// What the far end did, in the order of time.
    pub deeds: Vec<Deed>,
    /// What the hops did, in the order of time. They are numbered as the scenario's path.
    pub events: Vec<Event>,
    /// What was seen at each place, from the inside to the outside.
    pub sights: Vec<Sight>,
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
    /// It has more gateways than there are addresses for.
    TooManyGateways,
    /// It lasts longer than a world can.
    TooLong,
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
            Self::TooManyGateways => write!(f, "the path has more than 254 gateways"),
            Self::TooLong => {
                write!(f, "it lasts longer than {} days", Config::LIMIT_MAX.as_secs() / 86_400)
            }
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
    let mut stage = Stage::new(scenario, seed, scenario.length)?;
    let sights = watch(scenario, &mut stage.world, stage.path);
    stage.start(scenario, client::bursts(&scenario.client));
    stage.world.run_until(Instant::EPOCH + scenario.length).map_err(Error::World)?;
    let events = stage.events()?;
    // What is still under way ends with the world, and is logged as unfinished.
    let (requests, deeds) = (stage.requests.take(), stage.deeds.take());
    Ok(Reproduction { server: SERVER, requests, deeds, events, sights: finish(sights) })
}

/// A scenario's world, and what its programs write down.
pub(crate) struct Stage {
    pub(crate) world: World,
    path: PathId,
    client: Host,
    far_end: Host,
    pub(crate) requests: Log<Request>,
    pub(crate) deeds: Log<Deed>,
}

impl Stage {
    /// Returns the stage at time zero, without any program.
    pub(crate) fn new(scenario: &Scenario, seed: u64, length: Duration) -> Result<Self, Error> {
        if length > Config::LIMIT_MAX {
            return Err(Error::TooLong);
        }
        let mut world = World::new(Config { seed, limit: length, ..Config::default() });
        let path = Path::new(hops(scenario, &mut world)?);
        let path = world.add_path(path);
        let client = world.add_host(HostConfig::new("client", [CLIENT]).inside(path));
        let far_end = world.add_host(HostConfig::new("far-end", [SERVER.ip()]).outside(path));
        Ok(Self { world, path, client, far_end, requests: Log::default(), deeds: Log::default() })
    }

    /// Starts the programs, and orders what happens besides.
    pub(crate) fn start(
        &mut self,
        scenario: &Scenario,
        bursts: impl Iterator<Item = Burst> + Send + 'static,
    ) {
        self.far_end.spawn(far_end::run(scenario.far_end, aborts(scenario), self.deeds.clone()));
        let log = self.requests.clone();
        self.client.spawn(client::run(scenario.client.clone(), SERVER, bursts, log));
        for disturbance in &scenario.disturbances {
            if let Happening::Flush { station } = disturbance.what {
                let at = Instant::EPOCH + disturbance.at;
                self.world.command_at(at, self.path, station, Command::Flush);
            }
        }
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

/// Makes a hop for each station.
fn hops(scenario: &Scenario, world: &mut World) -> Result<Vec<Box<dyn Hop>>, Error> {
    let mut gateways: u8 = 0;
    let mut hops: Vec<Box<dyn Hop>> = Vec::new();
    for station in &scenario.path {
        let rng: Rng = world.fork_rng();
        hops.push(match station {
            Station::Link(link) => Box::new(Link::new(*link, rng)),
            Station::Gateway(gateway) => {
                gateways = gateways.checked_add(1).ok_or(Error::TooManyGateways)?;
                // RFC 5737, TEST-NET-3
                let external = IpAddr::V4(Ipv4Addr::new(203, 0, 113, gateways));
                let hop = Gateway::new(gateway.config(vec![external]), rng);
                Box::new(hop.map_err(|error| Error::Gateway { name: gateway.name.clone(), error })?)
            }
        });
    }
    Ok(hops)
}

/// Begins a capture at the client, outside each gateway, and at the far end.
fn watch(scenario: &Scenario, world: &mut World, path: PathId) -> Vec<(String, Capture<Vec<u8>>)> {
    let gateways = scenario.path.iter().enumerate().filter_map(|(index, station)| match station {
        Station::Gateway(gateway) => Some((index + 1, gateway.name.clone())),
        Station::Link(_) => None,
    });
    let ends = scenario.path.len();
    let inner = gateways.filter(|&(gap, _)| gap < ends);
    let places = core::iter::once((0, "client".to_owned()))
        .chain(inner)
        .chain(core::iter::once((ends, "far-end".to_owned())));
    places
        .map(|(gap, name)| {
            let config = tap::Config { name: name.clone(), ..tap::Config::default() };
            let capture = world.capture(Place::Gap(path, gap), Vec::new(), &config);
            (name, capture.expect("a vector takes all that is written"))
        })
        .collect()
}

fn finish(sights: Vec<(String, Capture<Vec<u8>>)>) -> Vec<Sight> {
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

/// What programs write down as they go.
pub(crate) struct Log<T>(Arc<Mutex<Entries<T>>>);

struct Entries<T> {
    /// How many were taken before the first of these.
    taken: usize,
    kept: VecDeque<T>,
}

impl<T> Log<T> {
    /// Writes an entry, and returns its place for [`change`](Self::change).
    fn push(&self, entry: T) -> usize {
        let mut entries = self.lock();
        entries.kept.push_back(entry);
        entries.taken + entries.kept.len() - 1
    }

    /// Changes an entry, unless it was taken.
    fn change(&self, place: usize, change: impl FnOnce(&mut T)) {
        let mut entries = self.lock();
        let place = place.checked_sub(entries.taken);
        if let Some(entry) = place.and_then(|place| entries.kept.get_mut(place)) {
            change(entry);
        }
    }

    /// Takes all entries.
    pub(crate) fn take(&self) -> Vec<T> {
        self.take_while(|_| true)
    }

    /// Takes the first entries for which that holds.
    pub(crate) fn take_while(&self, mut holds: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut entries = self.lock();
        let end = entries.kept.iter().position(|entry| !holds(entry));
        let end = end.unwrap_or(entries.kept.len());
        entries.taken += end;
        entries.kept.drain(..end).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { taken: 0, kept: VecDeque::new() })))
    }
}

/// The world's clock, as a program reads it.
#[derive(Clone, Copy, Debug)]
struct Clock(tokio::time::Instant);

impl Clock {
    /// Returns the clock. Must be called by a program that starts with the world.
    fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    fn now(self) -> Instant {
        Instant::EPOCH + self.0.elapsed()
    }

    async fn sleep_until(self, at: Instant) {
        let since_start = at.saturating_since(Instant::EPOCH);
        tokio::time::sleep_until(self.0 + since_start).await;
    }
}

/// Waits for as long as that; for ever if there is no end to it.
async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => core::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
