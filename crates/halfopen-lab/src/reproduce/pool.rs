//! A pool of idle connections, as clients have them: the one used last is taken first.
//!
//! Each idle connection is watched by a task of its own, which gives it up when its cap comes, or
//! when anything arrives on it: a FIN, a reset, or bytes that nobody asked for.

use std::sync::{Mutex, PoisonError};

use halfopen_core::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::reproduce::sleep;
use halfopen_sim::net::TcpStream;

/// A pool of idle connections.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
}

/// A connection that nobody uses.
#[derive(Debug)]
struct Idle {
    since: Instant,
    ask: oneshot::Sender<()>,
    watcher: JoinHandle<Option<TcpStream>>,
}

impl Pool {
    /// Takes a connection that is not known to be dead, and since when it was idle.
    pub(super) async fn take(&self) -> Option<(TcpStream, Instant)> {
        loop {
            let Idle { since, ask, watcher } = self.lock().pop()?;
            // One that was given up no longer listens; its watcher has nothing to hand over.
            let _given_up = ask.send(());
            if let Ok(Some(stream)) = watcher.await {
                return Some((stream, since));
            }
        }
    }

    /// Keeps a connection that was last used at `now`, for no longer than `cap`.
    pub(super) fn put(&self, now: Instant, stream: TcpStream, cap: Option<Duration>) {
        let (ask, asked) = oneshot::channel();
        let watcher = halfopen_sim::spawn(watch(stream, asked, cap));
        self.lock().push(Idle { since: now, ask, watcher });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the connection when it is asked for; `None` if it was closed before.
async fn watch(
    mut stream: TcpStream,
    asked: oneshot::Receiver<()>,
    cap: Option<Duration>,
) -> Option<TcpStream> {
    let mut byte = [0];
    tokio::select! {
        biased;
        _ = stream.read(&mut byte) => None,
        _ = asked => Some(stream),
        () = sleep(cap) => None,
    }
}
