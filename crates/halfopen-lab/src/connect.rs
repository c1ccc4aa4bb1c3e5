//! The pool's connections over a simulated host.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;

use halfopen_core::tcp::{Keepalive, State};
use halfopen_core::time::Duration;
use halfopen_pool::connect::{Connect, Delivery, Destination, Transport};
use halfopen_pool::idle::WireIdle;
use halfopen_sim::host::Host;
use halfopen_sim::net::TcpStream;
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

/// Connects from a simulated host, wherever the caller runs.
#[derive(Clone, Debug)]
pub struct SimConnector {
    host: Host,
}

/// A connection of a simulated host, as a pool sees it.
#[derive(Debug)]
pub struct SimSocket {
    io: TokioIo<TcpStream>,
    host: Host,
}

/// Runs a client's tasks on a simulated host, so that they end when its programs are
/// [killed](Host::kill).
#[derive(Clone, Debug)]
pub struct SimExecutor {
    host: Host,
}

impl SimConnector {
    /// Returns what connects from `host`.
    #[must_use]
    pub const fn new(host: Host) -> Self {
        Self { host }
    }
}

impl SimExecutor {
    /// Returns what runs tasks on `host`.
    #[must_use]
    pub const fn new(host: Host) -> Self {
        Self { host }
    }
}

impl Connect for SimConnector {
    type Transport = SimSocket;

    async fn connect(&self, to: &Destination) -> io::Result<SimSocket> {
        let stream = self.host.connect((&*to.host, to.port)).await?;
        Ok(SimSocket { io: TokioIo::new(stream), host: self.host.clone() })
    }
}

impl<F> Executor<F> for SimExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        // Nobody waits for it; it ends by itself or with the host.
        drop(self.host.spawn(task));
    }
}

impl Transport for SimSocket {
    fn local_addr(&self) -> Option<SocketAddr> {
        self.io.inner().local_addr().ok()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.io.inner().peer_addr().ok()
    }

    fn wire_idle(&self) -> Option<WireIdle> {
        let info = self.io.inner().info().ok()?;
        let data = info.last_data_sent.max(info.last_data_received)?;
        let packet = info.last_ack_received.map_or(data, |ack| ack.max(data));
        let now = self.host.now();
        Some(WireIdle {
            since_any_packet: now.saturating_since(packet),
            since_data: now.saturating_since(data),
        })
    }

    fn delivery(&self) -> Option<Delivery> {
        let info = self.io.inner().info().ok()?;
        // Linux counts a FIN among what is not acknowledged.
        let is_closing = matches!(info.state, State::FinWait1 | State::Closing | State::LastAck);
        Some(match info.unacknowledged {
            0 if !is_closing => Delivery::Acknowledged,
            _ => Delivery::Outstanding { timeouts: info.timeouts },
        })
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.io.inner().set_keepalive(keepalive)
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.inner().set_user_timeout(timeout)
    }
}

impl Read for SimSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for SimSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
