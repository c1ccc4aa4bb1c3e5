//! A scenario on real packets: its path between two networks of our own, its programs on the
//! kernel's sockets, by a real clock.
//!
//! The hops are those of the simulator, and so are the programs. What differs is what runs them:
//! the kernel's TCP, and a machine that is not always there at once.

use core::ops::ControlFlow;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use halfopen_billing::payment::book::{Book as _, Charged};
use halfopen_core::hop::Event;
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::Scenario;
use halfopen_core::time::{Duration, Instant};
use halfopen_live::carry::{Clock, Delays, Status};
use halfopen_live::namespace::Namespace;
use halfopen_live::networks::{self, INTERFACE, Joined, Networks};
use halfopen_live::recording::{self, Recording};
use halfopen_live::socket_tables::SocketTables;

use crate::reproduce::Reproduction;
use crate::reproduce::hops::Hops;
use crate::reproduce::machine::Kernel;
use crate::reproduce::play::{self, CLIENT, Keep, Play};

mod gateways;

pub use self::gateways::{Gateways, Unfit};
pub use crate::reproduce::cast::starts;
pub use crate::reproduce::play::SERVER;

/// How often somebody who watches is told.
const TICK: Duration = Duration::from_millis(200);
/// More events than this are not kept.
const EVENTS_MAX: usize = 1 << 20;

/// Why a scenario could not be run on real packets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be run at all.
    #[error(transparent)]
    Scenario(#[from] super::Error),
    /// The kernel cannot be its gateways.
    #[error(transparent)]
    Gateways(#[from] Unfit),
    /// The networks could not be made, or did not last.
    #[error(transparent)]
    Networks(#[from] networks::Error),
    /// What passes could not be recorded.
    #[error("the capture at {place}: {error}")]
    Recording {
        /// At which place.
        place: String,
        /// Why.
        error: recording::Error,
    },
}

/// A scenario that goes on. What is dropped is over.
pub struct Lab<W> {
    play: Play<Kernel>,
    joined: Joined,
    clock: Clock,
    heard: Heard,
    recordings: Vec<(String, Recording<W>)>,
    differing: Arc<AtomicU64>,
    sockets: SocketTables,
}

/// What was seen at one place.
#[derive(Debug)]
pub struct Recorded<W> {
    /// `client` or `far-end`.
    pub place: String,
    /// What the pcapng file was written into.
    pub out: W,
    /// How many packets are not in it, since they came faster than they were written.
    pub missed: u64,
}

/// What happened, and how far the machine kept up.
#[derive(Debug)]
pub struct Live<W> {
    /// What happened; what was seen is apart.
    pub run: Reproduction,
    /// What was seen, first by the client.
    pub recorded: Vec<Recorded<W>>,
    /// How late the path was told of what was due.
    pub delays: Delays,
    /// What was carried.
    pub status: Status,
    /// How many packets met something else at the kernel's gateways than they would have at the
    /// project's own, by whose account all else is told.
    pub differing: u64,
    /// The client's sockets as they changed, each time as the kernel listed them in
    /// `/proc/net/tcp` and `/proc/net/tcp6`.
    pub sockets: Vec<(Instant, String)>,
}

impl<W: Write + Send + 'static> Lab<W> {
    /// Makes the networks, and starts the path with these gateways and who answers. The captures of
    /// the client's end and of the far end are written into `captures`.
    ///
    /// It fails if the gateways cannot be those of the scenario: [`Gateways::nearest`] has some.
    pub fn start(
        scenario: &Scenario,
        seed: u64,
        gateways: Gateways,
        captures: [W; 2],
    ) -> Result<Self, Error> {
        let addresses = play::servers(scenario)?;
        let hosts: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
        let networks = Networks::new(&[CLIENT], &hosts)?;
        let mut recordings = Vec::new();
        let ends = [("client", networks.client()), ("far-end", networks.server())];
        for ((place, end), out) in ends.into_iter().zip(captures) {
            let failed = |error| Error::Recording { place: place.to_owned(), error };
            let recording = Recording::start(end.namespace(), INTERFACE, place, out);
            recordings.push((place.to_owned(), recording.map_err(failed)?));
        }

        let (clock, mut rng) = (Clock::start(), Rng::new(seed));
        let (ends, began_at) = ((SERVER, addresses.as_slice()), clock.began_at());
        let (hops, row) = Hops::make(scenario, || rng.fork(), ends, began_at, Keep::All.entries())?;
        let differing = Arc::default();
        let row = gateways.place(scenario, row, &differing)?;
        let (joined, events) = networks.join(Path::new(row), clock)?;
        let host = |name: &str, end: &networks::End| Kernel::new(name, end.clone(), clock);
        let servers = addresses
            .iter()
            .enumerate()
            .map(|(index, &address)| (host(&play::server_name(index), &joined.server), address));
        let (client, servers) = (host("client", &joined.client), servers.collect());
        let mut play = Play::new(hops, client, servers, began_at, Keep::All);
        // In the simulator each host has chance of its own, which the kernel does not take.
        for _ in 0..=addresses.len() {
            drop(rng.fork());
        }
        play.answer(scenario, || rng.fork())?;
        for (at, hop, command) in play::commands(scenario) {
            joined.handle().command(at, hop, command);
        }
        let heard = Heard { from: events, events: Vec::new(), missed: 0 };
        let sockets = SocketTables::of(joined.client.namespace()).map_err(networks::Error::from)?;
        Ok(Self { play, joined, clock, heard, recordings, differing, sockets })
    }

    /// Starts the scenario's own client.
    pub fn ask(&self, scenario: &Scenario) -> Result<(), Error> {
        Ok(self.play.ask(scenario)?)
    }

    /// Lets time pass until that moment, if there is one, or until who watches breaks it off. He is
    /// told several times a second.
    pub fn run(
        &mut self,
        until: Option<Instant>,
        mut watch: impl FnMut(Instant, &Status) -> ControlFlow<()>,
    ) {
        loop {
            let now = self.clock.now();
            let left = until.map(|until| until.saturating_since(now));
            let status = self.joined.handle().status();
            self.sockets.look(now);
            if watch(now, &status).is_break() || left == Some(Duration::ZERO) {
                return;
            }
            if !self.heard.listen(left.unwrap_or(TICK).min(TICK)) {
                // The path is no more; `finish` says why.
                return;
            }
        }
    }

    /// Returns the client's network.
    #[must_use]
    pub fn client(&self) -> &Namespace {
        self.joined.client.namespace()
    }

    /// Ends it and tells what happened.
    pub fn finish(self) -> Result<Live<W>, Error> {
        let Self { play, joined, clock, mut heard, recordings, differing, sockets } = self;
        let (end, status) = (clock.now(), joined.handle().status());
        let told = play.tell();
        let charged = charged(&play, &joined)?;
        // While the interfaces are there: they go with the path.
        let recorded = recordings.into_iter().map(finish).collect::<Result<Vec<_>, _>>()?;
        let delays = joined.stop()?;
        heard.listen_to_the_end();
        let events = heard.until(end, status.events_missed)?;
        let run = Reproduction { events, charged, ..told };
        let differing = differing.load(Ordering::Relaxed);
        Ok(Live { run, recorded, delays, status, differing, sockets: sockets.take() })
    }
}

fn finish<W: Write + Send + 'static>(
    (place, recording): (String, Recording<W>),
) -> Result<Recorded<W>, Error> {
    match recording.finish() {
        Ok((out, missed)) => Ok(Recorded { place, out, missed }),
        Err(error) => Err(Error::Recording { place, error }),
    }
}

/// Returns how often each period of each subscription was charged.
fn charged(play: &Play<Kernel>, joined: &Joined) -> Result<Charged, super::Error> {
    let Some(book) = play.book.clone() else { return Ok(Charged::new()) };
    let (tell, told) = sync_channel(1);
    joined.server.start(async move {
        // Who asked may have given up.
        drop(tell.send(book.charged().await));
    });
    let failed = |why: String| super::Error::Billing(why);
    let charged = told.recv().map_err(|error| failed(error.to_string()))?;
    charged.map_err(|error| failed(error.to_string()))
}

/// What was heard of the hops.
struct Heard {
    from: Receiver<Event>,
    events: Vec<Event>,
    /// How many there was no room for.
    missed: u64,
}

impl Heard {
    /// Listens for that long at most. Tells whether there will be more.
    fn listen(&mut self, time: Duration) -> bool {
        match self.from.recv_timeout(time) {
            Ok(event) => self.keep(event),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        while let Ok(event) = self.from.try_recv() {
            self.keep(event);
        }
        true
    }

    /// Hears what is left when nobody speaks any more.
    fn listen_to_the_end(&mut self) {
        while let Ok(event) = self.from.recv() {
            self.keep(event);
        }
    }

    fn keep(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push(event);
        } else {
            self.missed += 1;
        }
    }

    /// Returns what happened until then, in the order of time, unless it is not known.
    fn until(self, end: Instant, missed: u64) -> Result<Vec<Event>, super::Error> {
        let missed = missed + self.missed;
        if missed > 0 {
            return Err(super::Error::TooEventful { missed });
        }
        let mut events = self.events;
        events.retain(|event| event.at <= end);
        events.sort_by_key(|event| event.at);
        Ok(events)
    }
}
