//! Messages in the JSON of OTLP: field names in lowerCamelCase, numbers of 64 bits as strings
//! (opentelemetry-proto, "JSON Protobuf Encoding").

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::exposition::{Family, Kind, Sample};
use super::record::Record;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE` of metrics.proto.
const CUMULATIVE: u8 = 2;

/// What is said of who sends.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) interface: String,
    /// When the counting began.
    pub(super) since: SystemTime,
}

/// A histogram's points as far as they were read.
#[derive(Default)]
struct Buckets {
    /// Counts up to each bound, the last of which is infinite.
    up_to: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

impl Sender {
    /// Returns an `ExportMetricsServiceRequest`.
    pub(super) fn metrics(&self, families: &[Family<'_>], now: SystemTime) -> String {
        let metrics: Vec<Value> = families
            .iter()
            .filter(|family| !family.samples.is_empty())
            .map(|family| self.metric(family, now))
            .collect();
        let message = json!({ "resourceMetrics": [{
            "resource": self.resource(),
            "scopeMetrics": [{ "scope": scope(), "metrics": metrics }],
        }]});
        message.to_string()
    }

    /// Returns an `ExportLogsServiceRequest`.
    pub(super) fn logs(&self, records: &[Record], now: SystemTime) -> String {
        let records: Vec<Value> = records.iter().map(|record| record.json(now)).collect();
        let message = json!({ "resourceLogs": [{
            "resource": self.resource(),
            "scopeLogs": [{ "scope": scope(), "logRecords": records }],
        }]});
        message.to_string()
    }

    fn resource(&self) -> Value {
        json!({ "attributes": [
            text("service.name", "halfopen"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("network.interface.name", &self.interface),
        ]})
    }

    fn metric(&self, family: &Family<'_>, now: SystemTime) -> Value {
        let points: Vec<Value> = match family.kind {
            Kind::Counter | Kind::Gauge => {
                family.samples.iter().map(|sample| self.number(sample, now)).collect()
            }
            Kind::Histogram => self.histogram(&family.samples, now),
        };
        let (kind, data) = match family.kind {
            Kind::Counter => (
                "sum",
                json!({
                    "dataPoints": points,
                    "aggregationTemporality": CUMULATIVE,
                    "isMonotonic": true,
                }),
            ),
            Kind::Gauge => ("gauge", json!({ "dataPoints": points })),
            Kind::Histogram => (
                "histogram",
                json!({
                    "dataPoints": points,
                    "aggregationTemporality": CUMULATIVE,
                }),
            ),
        };
        // UCUM, as the semantic conventions ask.
        let unit = if family.unit == "seconds" { "s" } else { "1" };
        json!({ "name": family.name, "description": family.help, "unit": unit, kind: data })
    }

    fn number(&self, sample: &Sample<'_>, now: SystemTime) -> Value {
        let mut point = self.point(&sample.labels, now);
        match sample.value.parse::<i64>() {
            Ok(count) => point["asInt"] = count.to_string().into(),
            Err(_) => point["asDouble"] = double(sample.value.parse().unwrap_or(f64::NAN)),
        }
        point
    }

    fn histogram(&self, samples: &[Sample<'_>], now: SystemTime) -> Vec<Value> {
        let mut points: BTreeMap<Vec<(&str, String)>, Buckets> = BTreeMap::new();
        for Sample { suffix, labels, value } in samples {
            let (bound, labels): (Vec<_>, Vec<_>) =
                labels.iter().cloned().partition(|(name, _)| *name == "le");
            let buckets = points.entry(labels).or_default();
            match (*suffix, bound.first()) {
                ("_sum", _) => buckets.sum = value.parse().unwrap_or(0.0),
                ("_count", _) => buckets.count = value.parse().unwrap_or(0),
                ("_bucket", Some((_, bound))) => {
                    let bound = bound.parse().unwrap_or(f64::INFINITY);
                    buckets.up_to.push((bound, value.parse().unwrap_or(0)));
                }
                _ => {}
            }
        }
        points.into_iter().map(|(labels, it)| it.fill(self.point(&labels, now))).collect()
    }

    fn point(&self, labels: &[(&str, String)], now: SystemTime) -> Value {
        let attributes: Vec<Value> = labels.iter().map(|(name, it)| text(name, it)).collect();
        json!({
            "attributes": attributes,
            "startTimeUnixNano": nanos(self.since),
            "timeUnixNano": nanos(now),
        })
    }
}

impl Buckets {
    /// OTLP counts each bucket by itself, and the last has no bound.
    fn fill(self, mut point: Value) -> Value {
        let mut before = 0;
        let mut counts = Vec::new();
        for &(_, up_to) in &self.up_to {
            counts.push(Value::from(up_to.saturating_sub(before).to_string()));
            before = up_to;
        }
        let bounds = self.up_to.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite());
        point["count"] = self.count.to_string().into();
        point["sum"] = double(self.sum);
        point["bucketCounts"] = counts.into();
        point["explicitBounds"] = bounds.map(double).collect();
        point
    }
}

fn scope() -> Value {
    json!({ "name": "halfopen", "version": env!("CARGO_PKG_VERSION") })
}

/// Returns a `KeyValue` with a text.
pub(super) fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Returns a number as protobuf's JSON has it: what is no number is a text.
pub(super) fn double(value: f64) -> Value {
    match value {
        value if value.is_finite() => value.into(),
        value if value.is_nan() => "NaN".into(),
        value if value > 0.0 => "Infinity".into(),
        _ => "-Infinity".into(),
    }
}

/// Returns a time as nanoseconds since the UNIX epoch, in a text.
pub(super) fn nanos(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}
