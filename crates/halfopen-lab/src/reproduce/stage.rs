//! A scenario's world before and while its programs run.

use halfopen_billing::payment::book::{Book as _, Charged};
use halfopen_core::hop::Event;
use halfopen_core::path::Path;
use halfopen_core::scenario::Scenario;
use halfopen_core::tap;
use halfopen_core::time::Duration;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::trace::Capture;
use halfopen_sim::world::{Config, PathId, Place, World};

use crate::reproduce::hops::Hops;
use crate::reproduce::play::{self, CLIENT, Keep, Play, SERVER};
use crate::reproduce::{Burst, Error, Sight};

/// A scenario's world, and the programs in it.
pub(crate) struct Stage {
    pub(crate) world: World,
    path: PathId,
    pub(crate) play: Play<Host>,
}

impl Stage {
    /// Returns the stage at time zero, without any program.
    pub(crate) fn new(
        scenario: &Scenario,
        seed: u64,
        length: Duration,
        keep: Keep,
    ) -> Result<Self, Error> {
        if length > Config::LIMIT_MAX {
            return Err(Error::TooLong);
        }
        let mut world = World::new(Config { seed, limit: length, ..Config::default() });
        let (addresses, began_at) = (play::servers(scenario)?, scenario.starts_at);
        let fork = || world.fork_rng();
        let ends = (SERVER, addresses.as_slice());
        let (hops, row) = Hops::make(scenario, fork, ends, began_at, keep.entries())?;
        let path = world.add_path(Path::new(row));
        let client = world.add_host(HostConfig::new("client", [CLIENT]).inside(path));
        let servers = addresses.into_iter().enumerate().map(|(index, address)| {
            let host = HostConfig::new(play::server_name(index), [address.ip()]).outside(path);
            (world.add_host(host), address)
        });
        let servers = servers.collect();
        Ok(Self { path, play: Play::new(hops, client, servers, began_at, keep), world })
    }

    /// Starts all programs as the scenario has them, and orders what happens besides.
    pub(super) fn start_all(&mut self, scenario: &Scenario) -> Result<(), Error> {
        self.start_besides(scenario)?;
        self.play.ask(scenario)
    }

    /// Starts the programs, the client with these bursts, and orders what happens besides.
    pub(crate) fn start(
        &mut self,
        scenario: &Scenario,
        bursts: impl Iterator<Item = Burst> + Send + 'static,
    ) -> Result<(), Error> {
        self.start_besides(scenario)?;
        self.play.ask_in(scenario, bursts)
    }

    /// Starts who answers, and orders what happens besides.
    pub(crate) fn start_besides(&mut self, scenario: &Scenario) -> Result<(), Error> {
        let Self { world, path, play } = self;
        play.answer(scenario, || world.fork_rng())?;
        for (at, hop, command) in play::commands(scenario) {
            world.command_at(at, *path, hop, command);
        }
        Ok(())
    }

    /// Begins a capture at each place.
    pub(super) fn watch(&mut self, scenario: &Scenario) -> Vec<(String, Capture<Vec<u8>>)> {
        let began = |(gap, name): (usize, String)| {
            let epoch = self.play.began_at;
            let config = tap::Config { name: name.clone(), epoch, ..tap::Config::default() };
            let place = Place::Gap(self.path, gap);
            let capture = self.world.capture(place, Vec::new(), &config);
            (name, capture.expect("a vector takes all that is written"))
        };
        play::places(scenario).map(began).collect()
    }

    /// Returns how often each period of each subscription was charged.
    pub(super) fn charged(&mut self) -> Result<Charged, Error> {
        let Some(book) = &self.play.book else { return Ok(Charged::new()) };
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

/// Ends captures.
pub(super) fn finish(sights: Vec<(String, Capture<Vec<u8>>)>) -> Vec<Sight> {
    let finished = |(place, capture): (String, Capture<Vec<u8>>)| {
        let capture = capture.finish().expect("a vector takes all that is written");
        Sight { place, capture }
    };
    sights.into_iter().map(finished).collect()
}
