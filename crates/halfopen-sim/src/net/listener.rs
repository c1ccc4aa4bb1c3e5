//! A socket that waits for connections.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::tcp::ListenerId;

use crate::host::Host;
use crate::net::{TcpStream, ToSocketAddrs, io_error};
use crate::stage::Shared;

/// The length of the queue of connections to be accepted. tokio's `bind` asks for 1024.
const BACKLOG: usize = 1024;

/// A socket that waits for connections, as `tokio::net::TcpListener`. Dropping it resets those
/// that were not accepted, and refuses new ones.
pub struct TcpListener {
    shared: Arc<Shared>,
    host: usize,
    id: ListenerId,
    local: SocketAddr,
}

impl TcpListener {
    /// Listens at an address of the program's host. Port 0 stands for any free one; the
    /// unspecified address for all of the host's addresses. Async as tokio's is, so that what
    /// compiles against one compiles against the other.
    ///
    /// # Panics
    ///
    /// As [`Host::current`].
    #[expect(clippy::unused_async, reason = "tokio's bind is async")]
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::bind_at(&Host::current(), address)
    }

    pub(crate) fn bind_at(host: &Host, address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::InvalidInput);
        for address in host.resolve(address)? {
            let mut stage = host.shared.lock();
            match stage.host_mut(host.index).listen(address, BACKLOG) {
                Ok((id, local)) => {
                    drop(stage);
                    let shared = Arc::clone(&host.shared);
                    return Ok(Self { shared, host: host.index, id, local });
                }
                Err(error) => last = io_error(error),
            }
        }
        Err(last)
    }

    /// Waits for a connection and returns it with the peer's address.
    ///
    /// Cancel safe: a connection that was not returned is still there to be accepted.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Polls for a connection, as [`accept`](Self::accept). Any number of tasks may wait.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut stage = self.shared.lock();
        let station = stage.host_mut(self.host);
        let Poll::Ready(id) = station.poll_accept(cx, self.id) else { return Poll::Pending };
        let (local, peer) = station.addresses_of(id).map_err(io_error)?;
        stage.touch(self.host);
        drop(stage);
        let stream = TcpStream::new(Arc::clone(&self.shared), self.host, id, (local, peer));
        Poll::Ready(Ok((stream, peer)))
    }

    /// Returns the address at which it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let (mut stage, now) = self.shared.lock_now();
        stage.host_mut(self.host).unlisten(now, self.id);
        stage.touch(self.host);
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local", &self.local).finish_non_exhaustive()
    }
}
