//! The kernel's TCP sockets through tokio, on any system.
//!
//! What only Linux tells (`TCP_INFO`) is not here: it takes unsafe code, and so a crate of its own.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{Connect, Delivery, Destination, Transport};
use crate::idle::WireIdle;

/// Connects through the system's resolver and sockets, to the first address that answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnector;

impl Connect for TcpConnector {
    type Transport = Socket;

    async fn connect(&self, to: &Destination) -> io::Result<Socket> {
        let stream = TcpStream::connect((&*to.host, to.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Socket::new(stream))
    }
}

/// A tokio socket as a [`Transport`].
#[derive(Debug)]
pub struct Socket {
    io: TokioIo<TcpStream>,
    wire_idle: fn(&TcpStream) -> Option<WireIdle>,
    delivery: fn(&TcpStream) -> Option<Delivery>,
}

impl Socket {
    /// Takes a connected socket of which the system tells neither how long it was idle nor what
    /// was acknowledged.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { io: TokioIo::new(stream), wire_idle: |_| None, delivery: |_| None }
    }

    /// Asks `ask` for [`wire_idle`](Transport::wire_idle).
    #[must_use]
    pub fn with_wire_idle(self, ask: fn(&TcpStream) -> Option<WireIdle>) -> Self {
        Self { wire_idle: ask, ..self }
    }

    /// Asks `ask` for [`delivery`](Transport::delivery).
    #[must_use]
    pub fn with_delivery(self, ask: fn(&TcpStream) -> Option<Delivery>) -> Self {
        Self { delivery: ask, ..self }
    }

    /// Returns the socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.io.inner()
    }
}

impl Transport for Socket {
    fn local_addr(&self) -> Option<SocketAddr> {
        self.stream().local_addr().ok()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream().peer_addr().ok()
    }

    fn wire_idle(&self) -> Option<WireIdle> {
        (self.wire_idle)(self.stream())
    }

    fn delivery(&self) -> Option<Delivery> {
        (self.delivery)(self.stream())
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        set_keepalive(self.stream(), keepalive)
    }

    #[cfg(target_os = "linux")]
    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.stream()).set_tcp_user_timeout(timeout)
    }

    #[cfg(not(target_os = "linux"))]
    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            None => Ok(()),
            Some(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system has no TCP user timeout (RFC 5482); leave the setting out",
            )),
        }
    }
}

/// Sets when TCP probes a connection, in whole seconds; `None` is never.
pub fn set_keepalive(stream: &TcpStream, keepalive: Option<Keepalive>) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let Some(Keepalive { idle, interval, count }) = keepalive else {
        return socket.set_keepalive(false);
    };
    let params = TcpKeepalive::new().with_time(idle);
    #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
    let params = params.with_interval(interval).with_retries(count);
    socket.set_tcp_keepalive(&params)
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Socket {
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

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}
