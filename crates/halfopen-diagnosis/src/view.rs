//! All that logs say, in a form that can be asked: requests as their client tells them, requests as
//! the far end tells them, sockets over time, what a network
//! rejected, and metrics.

pub(crate) mod arrivals;
pub(crate) mod exchanges;
pub(crate) mod flows;
pub(crate) mod sockets;

use halfopen_core::time::{Duration, Instant};

use halfopen_logs::record::{Accepted, What};

use crate::log::Log;
use arrivals::Arrivals;
use exchanges::Exchange;
use flows::Leg;
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
    pub(crate) points: Vec<MetricPoint>,
    /// What flow logs say of resets, and of what was rejected.
    pub(crate) legs: Vec<Leg>,
    /// What a balancer says of connections that failed as they were opened.
    pub(crate) not_established: Vec<NotEstablished>,
}

/// A connection to a balancer that was not established, usually for its client's certificate.
#[derive(Clone, Debug)]
pub(crate) struct NotEstablished {
    pub(crate) line: u64,
    pub(crate) listener_port: u16,
    pub(crate) why: Box<str>,
}

/// A data point of a metric, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct MetricPoint {
    pub(crate) log: usize,
    pub(crate) line: u64,
    pub(crate) at: Instant,
    pub(crate) metric: Box<str>,
    pub(crate) value: f64,
}

impl View {
    pub(crate) fn new(logs: &[Log]) -> Self {
        Self {
            exchanges: exchanges::tell(logs),
            balanced: Arrivals::balanced(logs),
            served: Arrivals::served(logs),
            sockets: sockets::tell(logs),
            tables: sockets::tables(logs),
            points: points(logs),
            legs: flows::tell(logs),
            not_established: not_established(logs),
        }
    }

    /// Tells whether there are data points of a metric.
    pub(crate) fn has_points(&self, metric: &str) -> bool {
        self.points.iter().any(|point| *point.metric == *metric)
    }
}

fn points(logs: &[Log]) -> Vec<MetricPoint> {
    let mut points = Vec::new();
    for (log, source) in logs.iter().enumerate() {
        points.extend(source.records.iter().filter_map(|record| {
            let What::Point(point) = &record.what else { return None };
            let (line, at, metric) = (record.line, record.at, point.metric.clone());
            Some(MetricPoint { log, line, at, metric, value: point.value })
        }));
    }
    points
}

fn not_established(logs: &[Log]) -> Vec<NotEstablished> {
    let records = logs.iter().flat_map(|log| &log.records);
    let failed = records.filter_map(|record| {
        let What::Accepted(Accepted { listener_port, failed, .. }) = &record.what else {
            return None;
        };
        let why = failed.clone()?;
        Some(NotEstablished { line: record.line, listener_port: *listener_port, why })
    });
    failed.collect()
}
