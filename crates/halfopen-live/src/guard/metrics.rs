//! What a guard has counted, as Prometheus metrics.

use core::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Counts, Tallied};
use crate::metrics::destinations::Destinations;

type Labels = [(&'static str, String); 1];

/// What a guard has counted, as metrics.
#[derive(Debug)]
pub struct Metrics {
    counters: [Counter; 8],
    destinations: Destinations,
    connections: Family<Labels, Counter>,
    changed: Family<Labels, Counter>,
}

/// A name, help, and what it shows.
type Shown = (&'static str, &'static str, fn(&Counts) -> u64);

/// What is counted.
const COUNTERS: [Shown; 8] = [
    ("opened", "Guarded connections that were opened", |counts| counts.opened),
    ("accepted", "Guarded connections that were accepted", |counts| counts.accepted),
    ("changed", "Guarded connections whose keepalive was changed", |counts| counts.changed),
    ("kept", "Guarded connections whose keepalive was short enough", |counts| counts.kept),
    ("failed", "Guarded connections where the kernel refused a change", |counts| counts.failed),
    ("options_held", "Calls to set keepalive that were held to the limit", |counts| counts.held),
    ("spared", "Connections that are left alone", |counts| counts.spared),
    ("others", "Connections that no rule speaks of", |counts| counts.others),
];

impl Metrics {
    /// Registers the metrics. Their names begin with `halfopen_guard_`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("halfopen_guard");
        let metrics = Self {
            counters: core::array::from_fn(|_| Counter::default()),
            destinations: Destinations::default(),
            connections: Family::default(),
            changed: Family::default(),
        };
        for ((name, help, _), counter) in COUNTERS.iter().zip(&metrics.counters) {
            registry.register(*name, *help, counter.clone());
        }
        let help = "Guarded connections by destination";
        registry.register("destination_connections", help, metrics.connections.clone());
        let help = "Guarded connections whose keepalive was changed, by destination";
        registry.register("destination_changed", help, metrics.changed.clone());
        metrics
    }

    /// Takes over what was counted.
    pub fn show(&mut self, counts: &Counts, destinations: &[Tallied]) {
        for ((_, _, read), counter) in COUNTERS.iter().zip(&self.counters) {
            counter.inner().store(read(counts), Ordering::Relaxed);
        }
        for one in destinations {
            // Of the others the kernel forgets some, so that their sum would go back.
            let Some(label) = self.destinations.own_label(one.destination) else { continue };
            let labels = [("destination", label)];
            for (family, value) in
                [(&self.connections, one.connections), (&self.changed, one.changed)]
            {
                let counter = family.get_or_create(&labels);
                // The kernel may have forgotten this one, too, and begun anew.
                counter.inner().fetch_max(value, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn what_is_counted_shows_under_its_name() {
        let mut registry = Registry::default();
        let mut metrics = Metrics::register(&mut registry);
        let counts = Counts { opened: 3, changed: 2, held: 1, ..Counts::default() };
        let destination = "198.51.100.10:443".parse().unwrap();
        metrics.show(&counts, &[Tallied { destination, connections: 3, changed: 2 }]);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "halfopen_guard_opened_total 3",
            "halfopen_guard_changed_total 2",
            "halfopen_guard_options_held_total 1",
            "halfopen_guard_destination_changed_total{destination=\"198.51.100.10:443\"} 2",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
