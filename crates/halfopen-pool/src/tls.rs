//! TLS between the client and a transport.
//!
//! The [`Client`](crate::Client) shakes hands by itself; [`TlsConnector`] does so for others.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::client::TlsStream;

use crate::connect::{Connect, Delivery, Destination, Protocol, Transport};
use crate::idle::WireIdle;

/// RFC 9113 section 3.1: how TLS names HTTP/2.
pub(crate) const HTTP2: &[u8] = b"h2";

/// Connects by way of another connector, and shakes hands where the destination says TLS.
///
/// The certificate must stand for the destination's host, as the configuration has it checked.
#[derive(Clone, Debug)]
pub struct TlsConnector<C> {
    below: C,
    config: Arc<ClientConfig>,
}

impl<C> TlsConnector<C> {
    /// Returns what puts TLS over the connections of `below`.
    #[must_use]
    pub const fn new(below: C, config: Arc<ClientConfig>) -> Self {
        Self { below, config }
    }
}

impl<C: Connect> Connect for TlsConnector<C> {
    type Transport = Box<dyn Transport>;

    async fn connect(&self, to: &Destination) -> io::Result<Box<dyn Transport>> {
        let transport: Box<dyn Transport> = Box::new(self.below.connect(to).await?);
        if !to.tls {
            return Ok(transport);
        }
        let (transport, _) = secure(Arc::clone(&self.config), &to.host, transport).await?;
        Ok(transport)
    }

    fn source(&self) -> Option<String> {
        self.below.source()
    }
}

/// A transport under TLS. What the kernel tells of the socket below is passed on.
struct Secure {
    io: TokioIo<TlsStream<TokioIo<Box<dyn Transport>>>>,
}

/// Shakes hands with `host`, whose certificate must stand for that name or address.
pub(crate) async fn secure(
    config: Arc<ClientConfig>,
    host: &str,
    transport: Box<dyn Transport>,
) -> io::Result<(Box<dyn Transport>, Protocol)> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let stream =
        tokio_rustls::TlsConnector::from(config).connect(name, TokioIo::new(transport)).await?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        #[cfg(feature = "http2")]
        Some(chosen) if chosen == HTTP2 => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    };
    Ok((Box::new(Secure { io: TokioIo::new(stream) }), protocol))
}

/// Offers no protocol that this client was built without.
pub(crate) fn spoken(mut config: ClientConfig) -> ClientConfig {
    if cfg!(not(feature = "http2")) {
        config.alpn_protocols.retain(|protocol| protocol != HTTP2);
    }
    config
}

impl Secure {
    fn below(&self) -> &dyn Transport {
        &**self.io.inner().get_ref().0.inner()
    }
}

impl Transport for Secure {
    fn local_addr(&self) -> Option<SocketAddr> {
        self.below().local_addr()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.below().peer_addr()
    }

    fn wire_idle(&self) -> Option<WireIdle> {
        self.below().wire_idle()
    }

    fn delivery(&self) -> Option<Delivery> {
        self.below().delivery()
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.below().set_keepalive(keepalive)
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.below().set_user_timeout(timeout)
    }
}

impl Read for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Secure {
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
