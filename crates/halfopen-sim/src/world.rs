//! The world: what stands in it, and letting its time pass.

use core::future::{Future, pending};
use core::net::IpAddr;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use halfopen_core::hop::{Command, Side};
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::tap::{self, Recorder};
use halfopen_core::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

use crate::host::{Host, HostConfig};
use crate::stage::station::Station;
use crate::stage::{Shared, Stage};
use crate::trace::{Capture, Journal, Occurrence};
use crate::world::driver::{Driver, Ending};

mod driver;
mod error;

pub use error::Error;

/// What a world starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where all chance comes from.
    pub seed: u64,
    /// When the world ends, whatever its programs wait for: the bound on a run that would go on
    /// for ever. At most two years.
    pub limit: Duration,
    /// How many events of hops are kept until they are [taken](World::take_events).
    pub events_max: usize,
    /// How often hosts may put out packets at one instant, all together, before the world counts as
    /// [stuck](Error::Stuck).
    pub rounds_max: u64,
}

impl Config {
    /// The longest that a world can last. tokio's timers reach 2^36 ms, which is 2.18 years.
    pub const LIMIT_MAX: Duration = Duration::from_hours(2 * 365 * 24);
}

impl Default for Config {
    /// Seed 0, thirty days, a million events, and ten million rounds at one instant.
    fn default() -> Self {
        let limit = Duration::from_hours(30 * 24);
        Self { seed: 0, limit, events_max: 1 << 20, rounds_max: 10_000_000 }
    }
}

/// A path of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub(crate) usize);

/// Where packets are watched.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Before the hop of this number, counted from zero at the inside; the number of hops stands
    /// for the outside end.
    Gap(PathId, usize),
    /// At a host: all that it sends and is sent, whichever way.
    Host(&'a Host),
}

/// Hosts and paths in virtual time.
///
/// Time passes only in [`run`](Self::run), [`run_on`](Self::run_on) and
/// [`run_until`](Self::run_until), which block the thread and must not be called from async code.
/// Dropping the world drops its programs.
#[derive(Debug)]
pub struct World {
    /// Dropped first: its tasks hold sockets.
    runtime: Runtime,
    shared: Arc<Shared>,
    rng: Rng,
    config: Config,
}

impl World {
    /// Returns an empty world at time zero.
    ///
    /// # Panics
    ///
    /// Panics if the limit is beyond [`Config::LIMIT_MAX`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        assert!(config.limit <= Config::LIMIT_MAX, "a world lasts two years at most");
        let runtime = build_runtime(config.seed);
        let start = {
            let _entered = runtime.enter();
            tokio::time::Instant::now()
        };
        let stage = Stage::new(Journal::new(config.events_max));
        let shared = Arc::new(Shared::new(start, stage));
        Self { runtime, shared, rng: Rng::new(config.seed), config }
    }

    /// Returns an empty world of that seed, else as [`Config::default`].
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::new(Config { seed, ..Config::default() })
    }

    /// Returns a source of chance of its own for a part of the world, such as a link.
    pub fn fork_rng(&mut self) -> Rng {
        self.rng.fork()
    }

    /// Adds a path between hosts to come.
    pub fn add_path(&mut self, path: Path) -> PathId {
        self.shared.lock().add_path(path)
    }

    /// Adds a host.
    ///
    /// # Panics
    ///
    /// Panics if its name is taken, if one of its addresses is taken at an end where it stands, or
    /// if a route leads into a path at which it does not stand.
    pub fn add_host(&mut self, config: HostConfig) -> Host {
        let HostConfig { name, ends, routes, tcp } = config;
        let end_of = |(address, path): (IpAddr, PathId)| {
            let end = ends.iter().copied().find(|&(end, _)| end == path);
            (address, end.unwrap_or_else(|| panic!("{name} has a route into a path elsewhere")))
        };
        let routes: BTreeMap<IpAddr, (PathId, Side)> = routes.into_iter().map(end_of).collect();
        let station = Station::new(tcp, self.rng.fork(), ends, routes);
        let index = self.shared.lock().add_host(&name, station);
        Host::new(Arc::clone(&self.shared), index, &name, self.runtime.handle().clone())
    }

    /// Gives an order to a hop, counted from zero at the inside, when `at` comes; at once if it is
    /// past.
    ///
    /// # Panics
    ///
    /// Panics if the path has no such hop.
    pub fn command_at(&mut self, at: Instant, path: PathId, hop: usize, command: Command) {
        self.shared.lock().order(at, path, hop, command);
    }

    /// Begins a capture into `out`, which is told of all packets that pass a place from now on.
    ///
    /// Fails if the capture's header cannot be written.
    ///
    /// # Panics
    ///
    /// Panics if the path has no such gap.
    pub fn capture<W>(
        &mut self,
        place: Place<'_>,
        out: W,
        config: &tap::Config,
    ) -> io::Result<Capture<W>>
    where
        W: io::Write + core::fmt::Debug + Send + 'static,
    {
        let (capture, tap) = Capture::new(Recorder::new(out, config)?);
        let mut stage = self.shared.lock();
        match place {
            Place::Gap(path, gap) => stage.tap_path(path, gap, tap),
            Place::Host(host) => stage.tap_host(host.index, tap),
        }
        drop(stage);
        Ok(capture)
    }

    /// Lets time pass until `program` is done, and returns its result.
    ///
    /// The program runs beside the hosts, on none of them: it waits for their
    /// [`JoinHandle`](tokio::task::JoinHandle)s, sleeps, and connects by [`Host::connect`]. If it
    /// panics, so does this.
    pub fn run<F: Future>(&mut self, program: F) -> Result<F::Output, Error> {
        let limit = Instant::EPOCH + self.config.limit;
        match self.drive(program, limit) {
            Ending::Finished(output) => Ok(output),
            Ending::Reached { active } => {
                let Config { seed, limit, .. } = self.config;
                Err(Error::Unfinished { seed, limit, active })
            }
            Ending::Failed(error) => Err(error),
        }
    }

    /// Lets time pass until `program` is done, which runs on `host`; else as [`run`](Self::run).
    pub fn run_on<F: Future>(&mut self, host: &Host, program: F) -> Result<F::Output, Error> {
        self.run(host.scope(program))
    }

    /// Lets time pass until `until`, and does what is due then. Does nothing if it is past.
    ///
    /// An instant beyond the world's limit stands for the limit.
    pub fn run_until(&mut self, until: Instant) -> Result<(), Error> {
        let until = until.min(Instant::EPOCH + self.config.limit).max(self.now());
        match self.drive(pending::<()>(), until) {
            Ending::Finished(()) | Ending::Reached { .. } => Ok(()),
            Ending::Failed(error) => Err(error),
        }
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.lock_now().1
    }

    /// Returns what the hops did since this was last asked, in order.
    #[must_use]
    pub fn take_events(&mut self) -> Vec<Occurrence> {
        self.shared.lock().journal.take_occurrences()
    }

    /// Returns how many events were not kept because there were too many to keep.
    #[must_use]
    pub fn events_missed(&self) -> u64 {
        self.shared.lock().journal.missed()
    }

    /// Returns how many packets were addressed to no host at the end where they arrived.
    #[must_use]
    pub fn unroutable_packets(&self) -> u64 {
        self.shared.lock().journal.unroutable_packets()
    }

    fn drive<F: Future>(&mut self, program: F, until: Instant) -> Ending<F::Output> {
        let Self { runtime, shared, config, .. } = self;
        runtime.block_on(async move { Driver::new(shared, config).run(program, until).await })
    }
}

#[cfg_attr(not(tokio_unstable), expect(unused_variables, reason = "tokio takes no seed then"))]
fn build_runtime(seed: u64) -> Runtime {
    let mut builder = Builder::new_current_thread();
    // The driver is the future of block_on. tokio polls that between rounds of this many tasks or
    // when no task is left to run, and the driver is to come last.
    builder.enable_time().start_paused(true).event_interval(u32::MAX);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    builder.build().expect("a runtime without I/O takes nothing that could fail")
}

#[cfg(test)]
mod tests;
