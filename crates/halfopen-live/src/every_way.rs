//! Any HTTP client, tried against every way in which a kept connection can end.
//!
//! A client is a program that makes a request, pauses, and makes another on the same client. For
//! each [`Cell`] it runs in [`Networks`] of its own: a firewall between it and the server ends the
//! connection after a [`LIMIT`], in one of five [`Way`]s, and the client pauses for less or more
//! than that. What became of the second request is judged by what crossed the client's end of the
//! path and by what the server received; what the client says of it is only quoted.
//!
//! The program finds in its environment where to send ([`URL`]), what ([`METHOD`]) and how many
//! seconds to pause ([`PAUSE`]), and exits with 0 if both requests were answered.

mod far_end;
mod outcome;
mod output;
mod watch;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ffi::OsString;
use std::panic::resume_unwind;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use halfopen_core::client::Ending;
use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::idle::{IdlePolicy, IdleTimers, OnExpiry, OnOrphan, Told};
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};

use crate::carry::Clock;
use crate::networks::{self, Networks};
use crate::program::{self, Program, Running};
use far_end::FarEnd;
use watch::Watch;

pub use outcome::{Fate, Outcome};

use outcome::{Account, judge};

/// The variable of the environment that says where the requests go.
pub const URL: &str = "HALFOPEN_URL";
/// The variable that says with which method: `GET`, or `POST` with a body.
pub const METHOD: &str = "HALFOPEN_METHOD";
/// The variable that says how many seconds to pause between the requests.
pub const PAUSE: &str = "HALFOPEN_PAUSE_S";

/// For how long the path remembers a connection that nobody uses.
pub const LIMIT: Duration = Duration::from_secs(2);
/// How long the second request may take. Ten seconds are many a client's own patience.
pub const BOUND: Duration = Duration::from_secs(12);
/// How long a program may take to make its first request, a virtual machine among many included.
const START: Duration = Duration::from_secs(40);
/// `kill(2)`.
const SIGKILL: u8 = 9;
/// What the service is called.
const NAME: &str = "payment.test";
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
/// RFC 5737: for documentation, so nobody's.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10));
/// The way there and back takes twice as long, so that packets of both ends can cross.
const DELAY: Duration = Duration::from_millis(1);

/// How a kept connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A FIN comes while it is idle.
    FinWhileIdle,
    /// A reset comes while it is idle.
    ResetWhileIdle,
    /// The next request is answered with a reset.
    ResetOnData,
    /// The server closes when the next request comes, and may have read it.
    FinOnData,
    /// Nothing comes ever more.
    Silence,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::FinWhileIdle,
        Self::ResetWhileIdle,
        Self::ResetOnData,
        Self::FinOnData,
        Self::Silence,
    ];

    /// Returns the ending that the files of clients know by this name.
    #[must_use]
    pub const fn ending(self) -> Option<Ending> {
        match self {
            Self::FinWhileIdle => Some(Ending::FinWhileIdle),
            Self::ResetWhileIdle => Some(Ending::ResetWhileIdle),
            Self::ResetOnData => Some(Ending::ResetOnData),
            Self::FinOnData => Some(Ending::FinOnData),
            Self::Silence => None,
        }
    }

    /// Returns what the firewall does about an idle connection. `None` if it is not the firewall
    /// who ends it.
    fn policy(self) -> Option<IdlePolicy> {
        let (on_expiry, on_orphan_inside) = match self {
            Self::FinWhileIdle => (OnExpiry::Fin(Told::Both), OnOrphan::Drop),
            Self::ResetWhileIdle => (OnExpiry::Reset(Told::Both), OnOrphan::Drop),
            Self::ResetOnData => (OnExpiry::Silent, OnOrphan::Reset),
            Self::Silence => (OnExpiry::Silent, OnOrphan::Drop),
            Self::FinOnData => return None,
        };
        let timers = IdleTimers { tcp_established: Some(LIMIT), ..IdleTimers::RFC };
        Some(IdlePolicy { timers, on_expiry, on_orphan_inside, ..IdlePolicy::RFC })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FinWhileIdle => "fin-while-idle",
            Self::ResetWhileIdle => "reset-while-idle",
            Self::ResetOnData => "reset-on-data",
            Self::FinOnData => "fin-on-data",
            Self::Silence => "silence",
        })
    }
}

/// What the client is asked to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// A request that can be repeated without harm.
    Get,
    /// One that cannot.
    Post,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

/// How long the client is asked to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pause {
    /// For less than the [`LIMIT`].
    Below,
    /// For longer.
    Above,
}

impl Pause {
    /// Returns the time.
    #[must_use]
    pub const fn length(self) -> Duration {
        match self {
            Self::Below => Duration::from_secs(1),
            // Shorter than the idle limits that clients have of their own, but for Ruby's.
            Self::Above => Duration::from_secs(3),
        }
    }
}

/// One trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// How the connection ends.
    pub way: Way,
    /// What is sent.
    pub method: Method,
    /// How long after the first request.
    pub pause: Pause,
}

impl Cell {
    /// Returns all of them, those that take longest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for pause in [Pause::Above, Pause::Below] {
            for way in Way::ALL.into_iter().rev() {
                cells.extend([Method::Get, Method::Post].map(|method| Self { way, method, pause }));
            }
        }
        cells
    }
}

/// The user's client.
#[derive(Clone, Debug)]
pub struct Client {
    /// The program, by its path or as it is found in `$PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why a client could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no network to try it in.
    #[error(transparent)]
    Networks(#[from] networks::Error),
    /// The program cannot be run.
    #[error(transparent)]
    Program(#[from] program::Error),
    /// It is not known how the program ended.
    #[error("{0}")]
    Lost(String),
    /// The kernel had no room for something else.
    #[error("cannot {step}: {error}")]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        error: std::io::Error,
    },
}

fn kernel(step: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::Kernel { step, error }
}

/// Tries a client in all cells, so many at once, and tells each outcome as it comes.
///
/// The first error ends it. It takes the right to make namespaces.
pub fn try_all(
    client: &Client,
    at_once: usize,
    mut told: impl FnMut(Cell, Outcome),
) -> Result<(), Error> {
    let cells = Mutex::new(Cell::all().into_iter());
    let next = || cells.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..at_once.max(1) {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                while let Some(cell) = next() {
                    if sender.send((cell, try_cell(client, cell))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (cell, outcome) in receiver {
            told(cell, outcome?);
        }
        Ok(())
    })
}

/// Tries a client in one cell.
pub fn try_cell(client: &Client, cell: Cell) -> Result<Outcome, Error> {
    let networks = Networks::new(&[CLIENT], &[SERVER])?;
    let clock = Clock::start();
    let far_end = FarEnd::new(clock, (cell.way == Way::FinOnData).then_some(LIMIT));
    let address = SocketAddr::new(SERVER, 80);
    let listener = networks.server().listen(address).map_err(kernel("listen"))?;
    networks.server().start(far_end.clone().serve(listener));
    let watch = Watch::default();
    let (joined, _) = networks.join(path(cell.way, &watch), clock)?;

    let (tail, output) = output::pipe().map_err(kernel("make a pipe"))?;
    let errors = output.try_clone().map_err(kernel("make a pipe"))?;
    let program = Program::new(&client.program)
        .args(&client.arguments)
        .env(URL, format!("http://{NAME}/"))
        .env(METHOD, cell.method.to_string())
        .env(PAUSE, cell.pause.length().as_secs().to_string())
        .host(NAME, SERVER)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    let running = program.start(joined.client.namespace())?;
    let code = await_end(&running, clock, &watch, &far_end)?;
    let ended = clock.now();
    drop(running);
    let seen = watch.seen();
    joined.stop()?;
    let (received, output) = (far_end.received(), tail.read());
    Ok(judge(Account { cell, seen: &seen, received: &received, code, ended, output }))
}

/// Lays a path on which idle connections end in this way.
fn path(way: Way, watch: &Watch) -> Path {
    let mut rng = Rng::new(0);
    let mut hops: Vec<Box<dyn halfopen_core::hop::Hop>> = Vec::new();
    if let Some(policy) = way.policy() {
        let firewall = Gateway::new(GatewayConfig::firewall(policy), rng.fork());
        hops.push(Box::new(firewall.expect("the configuration is a constant")));
    }
    hops.push(Box::new(Link::new(LinkConfig::delaying(DELAY), rng.fork())));
    let mut path = Path::new(hops);
    path.tap(0, Box::new(watch.clone()));
    path
}

/// Waits until the program ends, and returns its exit code; `None` if it took too long and had to
/// be stopped.
fn await_end(
    running: &Running,
    clock: Clock,
    watch: &Watch,
    far_end: &FarEnd,
) -> Result<Option<u8>, Error> {
    /// How often is looked.
    const TICK: Duration = Duration::from_millis(20);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| running.wait());
        let mut stopped = false;
        while !waiting.is_finished() {
            if !stopped && clock.now() >= patience(watch, far_end) {
                running.signal(SIGKILL);
                stopped = true;
            }
            thread::sleep(TICK);
        }
        let code = waiting.join().unwrap_or_else(|panic| resume_unwind(panic));
        let code = code.map_err(|error| Error::Lost(error.to_string()))?;
        Ok((!stopped).then_some(code))
    })
}

/// Returns until when the program has time.
fn patience(watch: &Watch, far_end: &FarEnd) -> Instant {
    let Some(answered) = far_end.received().first().and_then(|first| first.answered) else {
        return Instant::EPOCH + START;
    };
    match watch.seen().sent_after(answered) {
        Some(second) => second + BOUND,
        None => answered + Pause::Above.length() + BOUND,
    }
}
