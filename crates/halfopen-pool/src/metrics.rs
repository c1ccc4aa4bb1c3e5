//! What happens in a pool, as Prometheus metrics.
//!
//! No metric has the path as a label, since the number of destinations has no limit. Whoever wants
//! one client's apart gives it a registry with a label.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::event::{Event, Watch, What};
use crate::retry::{Failure, Objection, Permission};
use crate::shelf::Discard;

type By = [(&'static str, &'static str); 1];

/// Metrics of a pool. Given to [`Builder::watch`](crate::client::Builder::watch).
#[derive(Clone, Debug)]
pub struct Metrics {
    opened: Counter,
    not_opened: Counter,
    leased: Family<By, Counter>,
    refused: Counter,
    shelved: Counter,
    discarded: Family<By, Counter>,
    ended: Family<By, Counter>,
    died: Family<[(&'static str, &'static str); 2], Counter>,
    retried: Family<By, Counter>,
    given_up: Family<By, Counter>,
    cap_changes: Counter,
    connect: Histogram,
    waited: Histogram,
    pause: Histogram,
}

impl Metrics {
    /// Registers the metrics of one pool. Their names begin with `pool_`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("pool");
        // From a tenth of a millisecond to half a minute; pauses from a tenth of a second to
        // seven hours.
        let latencies = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        let metrics = Self {
            opened: Counter::default(),
            not_opened: Counter::default(),
            leased: Family::default(),
            refused: Counter::default(),
            shelved: Counter::default(),
            discarded: Family::default(),
            ended: Family::default(),
            died: Family::default(),
            retried: Family::default(),
            given_up: Family::default(),
            cap_changes: Counter::default(),
            connect: latencies(),
            waited: latencies(),
            pause: Histogram::new(exponential_buckets(0.1, 2.0, 18)),
        };
        metrics.register_counters(registry);
        metrics.register_histograms(registry);
        metrics
    }

    fn register_counters(&self, registry: &mut Registry) {
        registry.register("opened", "Connections opened", self.opened.clone());
        let help = "Connections that could not be opened";
        registry.register("not_opened", help, self.not_opened.clone());
        let help = "Requests that got a connection, new or used before";
        registry.register("leased", help, self.leased.clone());
        let help = "Requests that got no turn within the lease timeout";
        registry.register("refused", help, self.refused.clone());
        let help = "Connections opened for a request that took another";
        registry.register("shelved", help, self.shelved.clone());
        let help = "Connections that the client closed";
        registry.register("discarded", help, self.discarded.clone());
        let help = "Idle connections found closed or reset";
        registry.register("ended", help, self.ended.clone());
        let help = "Requests that failed on their connection";
        registry.register("died", help, self.died.clone());
        registry.register("retried", "Requests sent again", self.retried.clone());
        let help = "Failed requests that were not sent again";
        registry.register("given_up", help, self.given_up.clone());
        let help = "Times that the longest pause allowed on a path changed";
        registry.register("cap_changes", help, self.cap_changes.clone());
    }

    fn register_histograms(&self, registry: &mut Registry) {
        let help = "How long opening a connection took";
        registry.register_with_unit("connect", help, Unit::Seconds, self.connect.clone());
        let help = "How long a request waited for its turn";
        registry.register_with_unit("waited", help, Unit::Seconds, self.waited.clone());
        let help = "For how long a connection had been without data when it was used again";
        registry.register_with_unit("pause", help, Unit::Seconds, self.pause.clone());
    }
}

impl Watch for Metrics {
    fn see(&self, event: &Event) {
        let count = |family: &Family<By, Counter>, name, value| {
            family.get_or_create(&[(name, value)]).inc();
        };
        match &event.what {
            What::Opened { took, .. } => {
                self.opened.inc();
                self.connect.observe(took.as_secs_f64());
            }
            What::NotOpened { .. } => {
                self.not_opened.inc();
            }
            What::Leased { reused_after, waited, .. } => {
                let state = if reused_after.is_some() { "reused" } else { "new" };
                count(&self.leased, "connection", state);
                self.waited.observe(waited.as_secs_f64());
                if let Some(quiet) = reused_after {
                    self.pause.observe(quiet.since_data.as_secs_f64());
                }
            }
            What::Refused { .. } => {
                self.refused.inc();
            }
            What::Shelved { .. } => {
                self.shelved.inc();
            }
            What::Requested | What::Returned { .. } | What::Pinged { .. } => {}
            What::Discarded { why, .. } => count(&self.discarded, "reason", discard(*why)),
            What::Ended { reset, .. } => {
                count(&self.ended, "how", if *reset { "reset" } else { "closed" });
            }
            What::Died { failure: how, quiet, .. } => {
                let state = if quiet.is_some() { "reused" } else { "new" };
                let labels = [("connection", state), ("how", failure(*how))];
                self.died.get_or_create(&labels).inc();
            }
            What::Retried { why, .. } => count(&self.retried, "reason", permission(*why)),
            What::GivenUp { why, .. } => count(&self.given_up, "reason", objection(*why)),
            What::CapChanged { .. } => {
                self.cap_changes.inc();
            }
        }
    }
}

const fn discard(why: Discard) -> &'static str {
    match why {
        Discard::NotKept => "not_kept",
        Discard::IdleLimit => "idle_limit",
        Discard::LearntCap => "learnt_cap",
        Discard::Lifetime => "lifetime",
        Discard::TooManyIdle => "too_many_idle",
        Discard::MadeRoom => "made_room",
        Discard::SiblingDied => "sibling_died",
        Discard::NoPong => "no_pong",
        Discard::Drained => "drained",
    }
}

const fn failure(failure: Failure) -> &'static str {
    match failure {
        Failure::Connect => "connect",
        Failure::Reset => "reset",
        Failure::Closed => "closed",
        Failure::Silence => "silence",
        Failure::Truncated => "truncated",
        Failure::Malformed => "malformed",
        Failure::Refused => "refused",
    }
}

const fn permission(why: Permission) -> &'static str {
    match why {
        Permission::NeverWritten => "never_written",
        Permission::Refused => "refused",
        Permission::Method => "method",
        Permission::Key => "key",
    }
}

const fn objection(why: Objection) -> &'static str {
    match why {
        Objection::Attempts => "attempts",
        Objection::NewConnection => "new_connection",
        Objection::BodyGone => "body_gone",
        Objection::Answered => "answered",
        Objection::MayBeProcessed => "may_be_processed",
        Objection::Abandoned => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use halfopen_core::time::{Duration, Instant};
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::idle::WireIdle;
    use crate::name::{ConnectionId, PathName};
    use crate::retry::Processed;

    #[test]
    fn a_death_after_a_pause_can_be_read_from_the_metrics() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let id = ConnectionId(0);
        let quiet = Some(WireIdle::unprobed(Duration::from_mins(20)));
        let waited = Duration::ZERO;
        let failure = Failure::Reset;
        let processed = Processed::Maybe;
        for what in [
            What::Opened { id, took: Duration::from_millis(3) },
            What::Leased { id, reused_after: quiet, waited },
            What::Died { id, failure, quiet, processed },
            What::GivenUp { id: Some(id), why: Objection::MayBeProcessed },
        ] {
            metrics.see(&Event { at: Instant::EPOCH, path: PathName::to("http://a:1"), what });
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "pool_opened_total 1\n",
            "pool_leased_total{connection=\"reused\"} 1\n",
            "pool_died_total{connection=\"reused\",how=\"reset\"} 1\n",
            "pool_given_up_total{reason=\"may_be_processed\"} 1\n",
            "pool_pause_seconds_sum 1200.0\n",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
