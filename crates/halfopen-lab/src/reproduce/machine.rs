//! The machine that a program of a scenario runs on: a host of the simulator, or a real one.
//!
//! Programs are written once, over this; a world brings its machine and nothing else.

use core::fmt;
use core::future::{Future, poll_fn};
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Instant;
use halfopen_pool::connect::Connect;
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite};

#[cfg(target_os = "linux")]
mod kernel;
mod simulated;

#[cfg(target_os = "linux")]
pub(super) use kernel::Kernel;

/// A machine, as its programs use it. Clones are the same machine.
pub(crate) trait Machine: Clone + Send + Sync + 'static {
    /// What waits for connections.
    type Listener: Listener;
    /// What opens a pool's connections.
    type Connector: Connect;

    /// Returns its name.
    fn name(&self) -> &str;

    /// Returns its clock, which counts from the beginning of the run.
    fn clock(&self) -> Clock;

    /// Returns what connects from it.
    fn connector(&self) -> Self::Connector;

    /// Listens at one of its addresses.
    fn listen(&self, address: SocketAddr) -> io::Result<Self::Listener>;

    /// Runs a program until it ends or the machine does.
    fn start(&self, program: impl Future<Output = ()> + Send + 'static);
}

/// A socket that waits for connections.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A connection that was accepted.
    type Stream: Stream;

    /// Polls for a connection.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Stream, SocketAddr)>>;

    /// Waits for a connection. Cancel safe.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send {
        poll_fn(|cx| self.poll_accept(cx))
    }
}

/// A TCP connection, as the far end uses it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {
    /// Sets when TCP probes the connection; `None` is never.
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()>;

    /// Closes with a reset instead of a FIN.
    fn abort(self) -> io::Result<()>;
}

/// The clock of a machine. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the time since the beginning of the run, which tokio's clock tells in the same way.
    pub(super) fn now(&self) -> Instant {
        self.0()
    }

    /// Waits for a moment; not at all if it is past.
    pub(super) async fn sleep_until(&self, at: Instant) {
        tokio::time::sleep(at.saturating_since(self.now())).await;
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Runs a pool's tasks on a machine.
pub(super) struct On<M>(pub(super) M);

impl<M: Machine, F> Executor<F> for On<M>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.start(task);
    }
}
