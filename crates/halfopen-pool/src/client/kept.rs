//! A connection that is kept, whatever is spoken on it.

use crate::http1;
#[cfg(feature = "http2")]
use crate::http2;
use crate::idle::{Wire, WireIdle};
use crate::stream::Gauge;

/// A connection between two uses.
pub(super) enum Kept {
    /// One that carries one request at a time. It goes from hand to hand with each.
    Http1(Box<http1::Connection>),
    /// One that carries many.
    #[cfg(feature = "http2")]
    Http2(http2::Connection),
}

impl Kept {
    pub(super) fn gauge(&self) -> &Gauge {
        match self {
            Self::Http1(connection) => &connection.gauge,
            #[cfg(feature = "http2")]
            Self::Http2(connection) => &connection.gauge,
        }
    }

    /// Takes the connection back into use. Returns whether it can be used.
    pub(super) fn wake(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.wake(),
            #[cfg(feature = "http2")]
            Self::Http2(connection) => connection.is_open(),
        }
    }

    /// Looks whether something came that ends the connection.
    pub(super) fn look(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.look().is_ok(),
            #[cfg(feature = "http2")]
            Self::Http2(connection) => connection.is_open(),
        }
    }

    /// Returns what is to be run as a task to notice the end of the connection while it is idle, if
    /// there is none yet.
    pub(super) fn watch(&self) -> Option<http1::Watch> {
        match self {
            Self::Http1(connection) => connection.watch(),
            // Its driver does.
            #[cfg(feature = "http2")]
            Self::Http2(_) => None,
        }
    }

    /// Closes in good order.
    pub(super) fn close(self) {
        match self {
            Self::Http1(connection) => connection.close(),
            // Its driver says farewell when the last handle is gone.
            #[cfg(feature = "http2")]
            Self::Http2(connection) => drop(connection),
        }
    }
}

impl Wire for Kept {
    fn wire_idle(&self) -> Option<WireIdle> {
        match self {
            Self::Http1(connection) => connection.wire_idle(),
            #[cfg(feature = "http2")]
            Self::Http2(connection) => connection.wire_idle(),
        }
    }
}
