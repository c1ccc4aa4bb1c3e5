//! The payment module: an HTTP service that charges once for each idempotency key.
//!
//! It takes streams from whoever accepts them and time from tokio, so that it runs unchanged in
//! virtual time and on sockets. It is not axum, whose `serve` knows listeners of its own and no
//! timers: what matters here is when a connection is closed.
//!
//! The invariant: a payment and its key are written in one transaction before anyone is answered
//! (see [`book`]). So a crash at any point loses nothing that was answered, and whoever was not
//! answered asks again with the same key.

use core::fmt;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use halfopen_core::rng::Rng;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

mod answer;
pub mod book;
mod connection;
pub mod event;
pub mod order;
mod phase;
mod service;
pub mod settings;

pub use answer::REPLAYED;
pub use service::IDEMPOTENCY_KEY;

use crate::storage;
use book::{Book, Charged};
use event::Observer;
use order::IdempotencyKey;
use settings::{InvalidSettings, Settings};

/// A payment module. Clones are the same one.
pub struct Module<B> {
    shared: Arc<Shared<B>>,
}

/// What all connections of a module share.
struct Shared<B> {
    book: B,
    settings: Settings,
    observer: Observer,
    rng: Mutex<Rng>,
    /// The keys whose requests are being worked on; no more than there are connections.
    in_progress: Mutex<BTreeSet<IdempotencyKey>>,
    healthy: AtomicBool,
    stage: watch::Sender<Stage>,
}

/// How far a module has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// Requests that have begun go on; nothing else does.
    Draining,
    Over,
}

impl<B: Book> Module<B> {
    /// Returns a module that writes into `book`. All its chance comes from `rng`.
    pub fn new(
        book: B,
        settings: Settings,
        rng: Rng,
        observer: Observer,
    ) -> Result<Self, InvalidSettings> {
        settings.check()?;
        let shared = Shared {
            book,
            settings,
            observer,
            rng: Mutex::new(rng),
            in_progress: Mutex::default(),
            healthy: AtomicBool::new(true),
            stage: watch::Sender::new(Stage::Serving),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Serves what `accept` accepts, until the module has [drained](Self::drain).
    ///
    /// `accept` is `poll_accept` of a listener: `module.serve(move |cx| listener.poll_accept(cx))`.
    /// It is dropped, and the listener with it, as soon as the module drains. Dropping the future
    /// that is returned ends all its connections at once, as a crash would.
    pub async fn serve<S, A>(&self, accept: A)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: FnMut(&mut Context<'_>) -> Poll<io::Result<(S, SocketAddr)>>,
    {
        let mut connections = JoinSet::new();
        self.accept(accept, &mut connections).await;
        let rest = timeout(self.shared.settings.drain_timeout, join(&mut connections));
        if rest.await.is_err() {
            self.shared.stage.send_replace(Stage::Over);
            join(&mut connections).await;
        }
    }

    async fn accept<S, A>(&self, mut accept: A, connections: &mut JoinSet<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: FnMut(&mut Context<'_>) -> Poll<io::Result<(S, SocketAddr)>>,
    {
        /// How long to wait where accepting fails, as for want of file descriptors.
        const BREATH: Duration = Duration::from_millis(100);
        let mut stage = self.shared.stage.subscribe();
        let mut number = 0;
        loop {
            let has_room = connections.len() < self.shared.settings.connections_max;
            tokio::select! {
                biased;
                _ = reached(&mut stage, Stage::Draining) => return,
                Some(ended) = connections.join_next() => pass_on(ended),
                accepted = poll_fn(&mut accept), if has_room => match accepted {
                    Ok((stream, peer)) => {
                        number += 1;
                        let module = Arc::clone(&self.shared);
                        connections.spawn(connection::run(module, stream, peer, number));
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(_) => sleep(BREATH).await,
                },
            }
        }
    }

    /// Ends the module in good order: it accepts no more connections, closes idle ones, answers the
    /// requests that it has begun, and new ones with 503. What [`Settings::drain_timeout`] is too
    /// short for is cut off.
    pub fn drain(&self) {
        self.shared.stage.send_if_modified(|stage| {
            let begins = *stage == Stage::Serving;
            if begins {
                *stage = Stage::Draining;
            }
            begins
        });
    }

    /// Sets what `GET /health` answers: 200, or 503 so that balancers send nothing more here.
    /// Payments are served all the same.
    pub fn set_healthy(&self, healthy: bool) {
        self.shared.healthy.store(healthy, Ordering::Relaxed);
    }

    /// Returns how often each period of each subscription was charged, as its book has it.
    pub async fn charged(&self) -> Result<Charged, storage::Error> {
        self.shared.book.charged().await
    }
}

impl<B> Clone for Module<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<B> fmt::Debug for Module<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl<B> Shared<B> {
    /// Begins the work on a key, unless it has begun. The work ends with what is returned.
    fn begin(&self, key: &IdempotencyKey) -> Option<Turn<'_>> {
        let mut keys = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = keys.insert(key.clone());
        begun.then(|| Turn { key: key.clone(), in_progress: &self.in_progress })
    }

    /// Draws how long a request takes before and after it is written.
    fn draw_slowness(&self) -> (Duration, Duration) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        (self.settings.work.draw(&mut rng), self.settings.answer.draw(&mut rng))
    }

    fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed) && !self.is_draining()
    }

    fn is_draining(&self) -> bool {
        *self.stage.borrow() != Stage::Serving
    }
}

/// The work on a key.
struct Turn<'a> {
    key: IdempotencyKey,
    in_progress: &'a Mutex<BTreeSet<IdempotencyKey>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Waits until the module is at `least` so far, and returns how far it is.
async fn reached(stage: &mut watch::Receiver<Stage>, least: Stage) -> Stage {
    // A module that is no more has nothing more to say.
    stage.wait_for(|stage| *stage >= least).await.map_or(Stage::Over, |stage| *stage)
}

async fn join(connections: &mut JoinSet<()>) {
    while let Some(ended) = connections.join_next().await {
        pass_on(ended);
    }
}

/// A panic of a connection is a panic of the module.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

/// Tells whether the next connection can be accepted at once (accept(2), "Error handling").
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NetworkUnreachable};
    [ConnectionAborted, ConnectionReset, Interrupted, NetworkUnreachable].contains(&error.kind())
}
