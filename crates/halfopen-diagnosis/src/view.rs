//! All that logs say, in a form that can be asked: requests as their client tells them, requests as
//! the far end tells them, sockets over time, and metrics.

pub(crate) mod arrivals;
pub(crate) mod exchanges;
pub(crate) mod sockets;

use halfopen_core::time::{Duration, Instant};

use crate::log::Log;
use arrivals::Arrivals;
use exchanges::Exchange;
use sockets::Story;

/// A shorter time without use is no pause: programs and people take that long.
pub(crate) const PAUSE_MIN: Duration = Duration::from_secs(1);

/// All that logs say. Times are those of each log's own clock.
#[derive(Debug)]
pub(crate) struct View {
    /// As clients tell them, in the order of their beginning.
    pub(crate) exchanges: Vec<Exchange>,
    /// Requests that a balancer logged.
    pub(crate) balanced: Arrivals,
    /// Requests that a server logged.
    pub(crate) served: Arrivals,
    /// The client's sockets, in the order in which tables show them.
    pub(crate) sockets: Vec<Story>,
    /// When tables of sockets were taken, in order.
    pub(crate) tables: Vec<Instant>,
}

impl View {
    pub(crate) fn new(logs: &[Log]) -> Self {
        Self {
            exchanges: exchanges::tell(logs),
            balanced: Arrivals::balanced(logs),
            served: Arrivals::served(logs),
            sockets: sockets::tell(logs),
            tables: sockets::tables(logs),
        }
    }
}
