//! What a sensor knows, as Prometheus metrics.
//!
//! Servers are labels, so there are at most so many of them: those with a finding or a pause come
//! first, and what comes later counts as `other`.

pub(crate) mod destinations;

use core::sync::atomic::Ordering;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;

use halfopen_capture::{Monitor, News};
use halfopen_core::cause::Finding;
use halfopen_core::time::Duration;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::sniffer::Statistics;
use destinations::Destinations;

type Labels<const N: usize> = [(&'static str, String); N];
type Seconds = Gauge<f64, AtomicU64>;
type Pauses<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// What a sensor knows, as metrics.
#[derive(Debug)]
pub struct Metrics {
    destinations: Destinations,
    packets: Counter,
    dropped: Counter,
    ring_full: Counter,
    segments: Counter,
    untracked: Counter,
    seen: Counter,
    evicted: Counter,
    evicted_paths: Counter,
    connections: Gauge,
    paths: Gauge,
    findings: Family<Labels<4>, Counter>,
    reset_after_idle: Pauses<2>,
    silent_after_idle: Pauses<2>,
    survived: Pauses<1>,
    limit: Family<Labels<2>, Seconds>,
    at_risk: Family<Labels<2>, Gauge>,
}

/// Why connections are at risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// They are idle for longer than the path is known to remember.
    PastLimit,
    /// They are this host's, and no keepalive timer runs for them.
    NoKeepalive,
}

impl Metrics {
    /// Registers the metrics. Their names begin with `halfopen_`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("halfopen");
        // Powers of two from a second to six days.
        let pauses = || Histogram::new(exponential_buckets(1.0, 2.0, 20));
        let metrics = Self {
            destinations: Destinations::default(),
            packets: Counter::default(),
            dropped: Counter::default(),
            ring_full: Counter::default(),
            segments: Counter::default(),
            untracked: Counter::default(),
            seen: Counter::default(),
            evicted: Counter::default(),
            evicted_paths: Counter::default(),
            connections: Gauge::default(),
            paths: Gauge::default(),
            findings: Family::default(),
            reset_after_idle: Family::new_with_constructor(pauses),
            silent_after_idle: Family::new_with_constructor(pauses),
            survived: Family::new_with_constructor(pauses),
            limit: Family::default(),
            at_risk: Family::default(),
        };
        metrics.register_counts(registry);
        metrics.register_judgements(registry);
        metrics
    }

    fn register_counts(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("packets", "Packets that passed the filter", &self.packets);
        let help = "Packets that the kernel had no room for";
        counter("packets_dropped", help, &self.dropped);
        counter("ring_full", "Times that the ring of packets was full", &self.ring_full);
        counter("segments", "TCP segments", &self.segments);
        let help = "TCP segments whose connection there was no room for";
        counter("segments_untracked", help, &self.untracked);
        counter("connections_seen", "Connections seen", &self.seen);
        let help = "Connections forgotten unjudged to make room";
        counter("connections_evicted", help, &self.evicted);
        counter("paths_evicted", "Servers forgotten to make room", &self.evicted_paths);
        registry.register("connections", "Connections remembered", self.connections.clone());
        registry.register("paths", "Servers remembered", self.paths.clone());
    }

    fn register_judgements(&self, registry: &mut Registry) {
        let help = "Connections that ended badly";
        registry.register("findings", help, self.findings.clone());
        let help = "For how long connections that met a reset had been idle";
        let metric = self.reset_after_idle.clone();
        registry.register_with_unit("reset_after_idle", help, Unit::Seconds, metric);
        let help = "For how long connections that met silence or a forged FIN had been idle";
        let metric = self.silent_after_idle.clone();
        registry.register_with_unit("silent_after_idle", help, Unit::Seconds, metric);
        let help = "Pauses after which a connection still worked";
        let metric = self.survived.clone();
        registry.register_with_unit("pause_survived", help, Unit::Seconds, metric);
        let help = "Between which pauses a path's limit lies";
        registry.register_with_unit("idle_limit", help, Unit::Seconds, self.limit.clone());
        let help = "Open connections whose next request may be lost";
        registry.register("at_risk_connections", help, self.at_risk.clone());
    }

    /// Counts what came to light.
    pub fn count(&mut self, news: &News) {
        match news {
            News::Ended { verdict, cause } => {
                let destination = self.destinations.label(verdict.flow.responder);
                let labels = [
                    ("destination", destination.clone()),
                    ("finding", verdict.finding.to_string()),
                    ("cause", cause.to_string()),
                    ("harm", verdict.harm.to_string()),
                ];
                self.findings.get_or_create(&labels).inc();
                if let (Some(pauses), Some(idle)) = (self.deaths(verdict.finding), verdict.idle) {
                    let labels = [("destination", destination), ("cause", cause.to_string())];
                    pauses.get_or_create(&labels).observe(idle.as_secs_f64());
                }
            }
            News::Survived { server, idle } => {
                let labels = [("destination", self.destinations.label(*server))];
                self.survived.get_or_create(&labels).observe(idle.as_secs_f64());
            }
            News::Narrowed { server, survived, died } => {
                if let Some(destination) = self.destinations.own_label(*server) {
                    let set = |bound: &str, pause: Duration| {
                        let bound = ("bound", bound.to_owned());
                        let labels = [("destination", destination.clone()), bound];
                        self.limit.get_or_create(&labels).set(pause.as_secs_f64());
                    };
                    set("died", *died);
                    set("survived", survived.unwrap_or_default());
                }
            }
        }
    }

    /// Returns where the idle times of such deaths are counted.
    const fn deaths(&self, finding: Finding) -> Option<&Pauses<2>> {
        match finding {
            Finding::ResetOnReuse
            | Finding::ResetAtExpiry
            | Finding::ForgottenInFlight
            | Finding::PeerAbort => Some(&self.reset_after_idle),
            Finding::SilentDrop | Finding::FinAtExpiry => Some(&self.silent_after_idle),
            Finding::Healthy
            | Finding::LateClose
            | Finding::CloseRace
            | Finding::UsedAfterClose
            | Finding::LostState
            | Finding::LargeLost
            | Finding::LeftHalfClosed
            | Finding::PeerClose
            | Finding::ClientGaveUp
            | Finding::Refused
            | Finding::Unreachable
            | Finding::Inconclusive => None,
        }
    }

    /// Takes over what a monitor and the kernel have counted.
    pub fn show(&mut self, monitor: &Monitor, kernel: Statistics) {
        let (counts, holdings) = (monitor.counts(), monitor.holdings());
        for (counter, value) in [
            (&self.packets, kernel.packets),
            (&self.dropped, kernel.drops),
            (&self.ring_full, kernel.freezes),
            (&self.segments, counts.segments),
            (&self.untracked, counts.untracked),
            (&self.seen, counts.connections),
            (&self.evicted, holdings.evicted),
            (&self.evicted_paths, holdings.evicted_paths),
        ] {
            counter.inner().store(value, Ordering::Relaxed);
        }
        self.connections.set(i64::try_from(holdings.connections).unwrap_or(i64::MAX));
        self.paths.set(i64::try_from(holdings.paths).unwrap_or(i64::MAX));
        self.show_at_risk(Risk::PastLimit, monitor.at_risk());
    }

    /// Shows how many connections to each server are at risk, and that no others are.
    pub fn show_at_risk(&mut self, why: Risk, servers: impl Iterator<Item = (SocketAddr, u64)>) {
        let reason = match why {
            Risk::PastLimit => "past_limit",
            Risk::NoKeepalive => "no_keepalive",
        };
        let labels = |destination| [("destination", destination), ("reason", reason.to_owned())];
        for destination in self.destinations.all() {
            if let Some(gauge) = self.at_risk.get(&labels(destination)) {
                gauge.set(0);
            }
        }
        for (server, count) in servers {
            let destination = self.destinations.label(server);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.at_risk.get_or_create(&labels(destination)).inc_by(count);
        }
    }
}

#[cfg(test)]
mod tests;
