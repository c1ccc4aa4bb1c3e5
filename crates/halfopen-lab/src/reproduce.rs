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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_core::gateway::{ConfigError, Gateway};
use halfopen_core::hop::{Command, Event, Hop};
use halfopen_core::link::Link;
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::{Happening, Scenario, Station};
use halfopen_core::tap;
use halfopen_core::time::{Duration, Instant};

use halfopen_sim::host::HostConfig;
use halfopen_sim::trace::Capture;
use halfopen_sim::world::{Config, PathId, Place, World};

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
    if scenario.length > Config::LIMIT_MAX {
        return Err(Error::TooLong);
    }
    let mut world = World::new(Config { seed, limit: scenario.length, ..Config::default() });
    let path = Path::new(hops(scenario, &mut world)?);
    let path = world.add_path(path);
    let sights = watch(scenario, &mut world, path);

    let client = world.add_host(HostConfig::new("client", [CLIENT]).inside(path));
    let server = world.add_host(HostConfig::new("far-end", [SERVER.ip()]).outside(path));
    let (requests, deeds) = (Log::default(), Log::default());
    server.spawn(far_end::run(scenario.far_end, aborts(scenario), deeds.clone()));
    client.spawn(client::run(scenario.client.clone(), SERVER, requests.clone()));
    for disturbance in &scenario.disturbances {
        if let Happening::Flush { station } = disturbance.what {
            let at = Instant::EPOCH + disturbance.at;
            world.command_at(at, path, station, Command::Flush);
        }
    }

    world.run_until(Instant::EPOCH + scenario.length).map_err(Error::World)?;
    if world.events_missed() > 0 {
        return Err(Error::TooEventful { missed: world.events_missed() });
    }
    let mut events: Vec<Event> =
        world.take_events().into_iter().map(|occurrence| occurrence.event).collect();
    events.sort_by_key(|event| event.at);
    // What is still under way ends with the world, and is logged as unfinished.
    let (requests, deeds) = (requests.take(), deeds.take());
    Ok(Reproduction { server: SERVER, requests, deeds, events, sights: finish(sights) })
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
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<T> {
        core::mem::take(&mut *self.lock())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
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
