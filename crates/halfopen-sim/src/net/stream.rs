//! A connection.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::tcp::{self, ConnectionId, Keepalive};
use halfopen_core::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::host::Host;
use crate::net::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::{ToSocketAddrs, io_error, split};
use crate::stage::Shared;

/// A connection, as `tokio::net::TcpStream`. Dropping it closes it as the kernel does: with a FIN,
/// or with a reset if bytes were not read.
pub struct TcpStream {
    shared: Arc<Shared>,
    host: usize,
    id: ConnectionId,
    local: SocketAddr,
    peer: SocketAddr,
}

impl TcpStream {
    /// Connects from the program's host, to the first of the addresses that answers.
    ///
    /// # Panics
    ///
    /// As [`Host::current`].
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::connect_from(&Host::current(), address).await
    }

    pub(crate) async fn connect_from(host: &Host, address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::InvalidInput);
        for address in host.resolve(address)? {
            match Self::connect_to(host, address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(host: &Host, remote: SocketAddr) -> io::Result<Self> {
        let stream = Self::open(host, remote)?;
        poll_fn(|cx| stream.poll_opened(cx)).await?;
        Ok(stream)
    }

    /// Sends the SYN. Dropping the stream gives the attempt up.
    fn open(host: &Host, remote: SocketAddr) -> io::Result<Self> {
        let (mut stage, now) = host.shared.lock_now();
        let station = stage.host_mut(host.index);
        let id = station.connect(now, remote).map_err(io_error)?;
        let addresses = station.addresses_of(id).map_err(io_error)?;
        stage.touch(host.index);
        drop(stage);
        Ok(Self::new(Arc::clone(&host.shared), host.index, id, addresses))
    }

    pub(super) const fn new(
        shared: Arc<Shared>,
        host: usize,
        id: ConnectionId,
        (local, peer): (SocketAddr, SocketAddr),
    ) -> Self {
        Self { shared, host, id, local, peer }
    }

    fn poll_opened(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stage = self.shared.lock();
        stage.host_mut(self.host).poll_opened(cx, self.id).map_err(io_error)
    }

    /// Splits the stream for use by one task; see [`ReadHalf`] and [`WriteHalf`].
    pub const fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// Splits the stream for use by two tasks; see [`OwnedReadHalf`] and [`OwnedWriteHalf`].
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::into_split(self)
    }

    /// Sets `TCP_NODELAY`: whether small segments go out without waiting for acknowledgments.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.with(|tcp, now, id| tcp.set_nodelay(now, id, nodelay))
    }

    /// Sets `SO_KEEPALIVE` with `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT`; `None` turns
    /// probes off. tokio leaves this to the crate socket2.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.with(|tcp, now, id| tcp.set_keepalive(now, id, keepalive))
    }

    /// Sets `TCP_USER_TIMEOUT`: how long sent bytes may go unacknowledged before the connection
    /// is given up (RFC 5482); `None` is the system's default. tokio leaves this to socket2.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.with(|tcp, now, id| tcp.set_user_timeout(now, id, timeout))
    }

    /// Closes with a reset instead of a FIN, as dropping it does after `SO_LINGER` was set to zero.
    pub fn abort(self) -> io::Result<()> {
        self.with(|tcp, now, id| {
            tcp.abort(now, id);
            Ok(())
        })
    }

    /// Returns a look into the connection, as Linux's `TCP_INFO`.
    pub fn info(&self) -> io::Result<tcp::Info> {
        self.shared.lock().host(self.host).tcp.info(self.id).map_err(io_error)
    }

    /// Returns the address of this end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// Returns the address of the other end.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }

    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let (mut stage, now) = self.shared.lock_now();
        let room = buffer.initialize_unfilled();
        let received = stage.host_mut(self.host).poll_receive(cx, now, self.id, room);
        let length = ready!(received).map_err(io_error)?;
        // Room in the buffer may be worth a window update.
        stage.touch(self.host);
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (mut stage, now) = self.shared.lock_now();
        let sent = stage.host_mut(self.host).poll_send(cx, now, self.id, bytes);
        let length = ready!(sent).map_err(io_error)?;
        stage.touch(self.host);
        Poll::Ready(Ok(length))
    }

    /// Sends a FIN behind what was written.
    pub(super) fn shut_down_write(&self) -> io::Result<()> {
        self.with(tcp::Host::shutdown)
    }

    /// Does something to the connection that its host may have to tell the network.
    fn with<T>(
        &self,
        act: impl FnOnce(&mut tcp::Host, Instant, ConnectionId) -> Result<T, tcp::Error>,
    ) -> io::Result<T> {
        let (mut stage, now) = self.shared.lock_now();
        let done = act(&mut stage.host_mut(self.host).tcp, now, self.id);
        stage.touch(self.host);
        done.map_err(io_error)
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let (mut stage, now) = self.shared.lock_now();
        stage.host_mut(self.host).close(now, self.id);
        stage.touch(self.host);
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_receive(cx, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down_write())
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local", &self.local)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
