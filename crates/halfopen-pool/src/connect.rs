//! Where connections come from.
//!
//! The client opens no socket itself: it asks a [`Connect`], so that the same client runs over the
//! kernel's sockets and over a simulated network.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use hyper::rt::{Read, Write};

use crate::idle::WireIdle;

#[cfg(feature = "tokio")]
mod kernel;

#[cfg(feature = "tokio")]
pub use kernel::{Socket, TcpConnector, set_keepalive};

/// Who is to be reached: an origin of RFC 9110 section 4.3.1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// A name or an address; an IPv6 address stands without brackets.
    pub host: Arc<str>,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Opens connections.
pub trait Connect: Send + Sync + 'static {
    /// What it opens.
    type Transport: Transport;

    /// Opens a connection. Names are the connector's to resolve; which address answered is
    /// [`Transport::peer_addr`]. Dropping the future gives the attempt up.
    fn connect(&self, to: &Destination)
    -> impl Future<Output = io::Result<Self::Transport>> + Send;

    /// Names the interface or address that connections leave from, if it is not the system's
    /// choice. Paths from two sources may remember for different times, so that what is learned
    /// is kept for each.
    fn source(&self) -> Option<String> {
        None
    }
}

/// A connection, as its pool sees it.
pub trait Transport: Read + Write + Send + Unpin + 'static {
    /// The address of this end.
    fn local_addr(&self) -> Option<SocketAddr>;

    /// The address of the other end.
    fn peer_addr(&self) -> Option<SocketAddr>;

    /// Returns for how long nothing was on the wire: on Linux from `TCP_INFO`'s
    /// `tcpi_last_data_sent`, `tcpi_last_data_recv` and `tcpi_last_ack_recv`. `None` if the system
    /// does not tell; the pool then counts from the last response.
    fn wire_idle(&self) -> Option<WireIdle> {
        None
    }

    /// Returns what became of the data that was sent: on Linux from `TCP_INFO`'s `tcpi_unacked` and
    /// `tcpi_retransmits`. `None` if the system does not tell; a request that gets no response may
    /// then be a slow server's or a path's that swallows it.
    fn delivery(&self) -> Option<Delivery> {
        None
    }

    /// Sets when TCP probes the connection; `None` is never.
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()>;

    /// Sets how long sent data may stay unacknowledged (RFC 5482); `None` is the system's default.
    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
}

impl Transport for Box<dyn Transport> {
    fn local_addr(&self) -> Option<SocketAddr> {
        (**self).local_addr()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        (**self).peer_addr()
    }

    fn wire_idle(&self) -> Option<WireIdle> {
        (**self).wire_idle()
    }

    fn delivery(&self) -> Option<Delivery> {
        (**self).delivery()
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        (**self).set_keepalive(keepalive)
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_user_timeout(timeout)
    }
}

/// What became of the data that was sent on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The other end acknowledged all of it.
    Acknowledged,
    /// It has not acknowledged all of it.
    Outstanding {
        /// How often TCP has waited in vain and sent again (RFC 6298 section 5.4 to 5.6) since
        /// something was last acknowledged.
        timeouts: u32,
    },
}

impl Delivery {
    /// Tells whether the path is silent, and not only its server slow: what was sent, and what was
    /// sent again, were not acknowledged for as long as RFC 6298 gives each. One packet that was
    /// lost is not enough.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::Outstanding { timeouts: 2.. })
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    #[cfg(feature = "http2")]
    Http2,
}

/// A [`Connect`] of any type.
pub(crate) trait Dial: Send + Sync {
    fn dial<'a>(&'a self, to: &'a Destination) -> Dialing<'a>;

    fn source(&self) -> Option<String>;
}

pub(crate) type Dialing<'a> =
    Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send + 'a>>;

impl<C: Connect> Dial for C {
    fn dial<'a>(&'a self, to: &'a Destination) -> Dialing<'a> {
        Box::pin(async move {
            let transport = self.connect(to).await?;
            Ok(Box::new(transport) as Box<dyn Transport>)
        })
    }

    fn source(&self) -> Option<String> {
        Connect::source(self)
    }
}
