//! Metrics of AWS's gateways and balancers, as `aws cloudwatch` prints them.
//!
//! Read are the answers of `get-metric-statistics` and `get-metric-data` (its API reference),
//! several one after another, and the totals that `halfopen reproduce --captures` writes. Neither
//! answer says of what it was measured, other than in a label, nor over which period.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

use halfopen_core::time::Instant;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lines::Lines;
use crate::reader::{Form, Summary};
use crate::record::{Dating, Point, Record, What};
use crate::stamp;

/// Metrics.
pub const METRICS: Form = Form {
    name: "cloudwatch-metrics",
    title: "metrics of CloudWatch, JSON",
    recognises: is_metrics,
    read,
};

/// A longer document is not read. An answer holds at most 100,800 points (the API reference of
/// `GetMetricData`), which are 7 MB in the CLI's layout.
pub const DOCUMENT_MAX: usize = 16 << 20;
/// The statistics that a point of `get-metric-statistics` may have.
const STATISTICS: [&str; 5] = ["Sum", "Average", "Maximum", "Minimum", "SampleCount"];

/// Tells whether a source begins as metrics do.
#[must_use]
pub fn is_metrics(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    let says = |name: &str| memchr::memmem::find(text, name.as_bytes()).is_some();
    match text.first() {
        Some(b'{') => says("\"Datapoints\"") || says("\"MetricDataResults\""),
        Some(b'[') => says("\"gateway\"") && says("\"IdleTimeoutCount\""),
        _ => false,
    }
}

/// Reads metrics.
pub fn read(mut lines: Lines<&mut dyn Read>, out: &mut dyn FnMut(Record)) -> Summary {
    let written = lines.last_written();
    let mut summary = Summary::default();
    match lines.rest(DOCUMENT_MAX) {
        Ok(Some(text)) => {
            summary.lines = newlines(&text);
            let mut points = Points { text: &text, place: (0, 1), written, summary, out };
            points.summary.broken = points.documents().err().map(io::Error::from);
            points.summary
        }
        Ok(None) => {
            let limit = DOCUMENT_MAX >> 20;
            let text = format!("more than {limit} MiB of JSON: ask for a shorter time at once");
            Summary { broken: Some(io::Error::new(io::ErrorKind::FileTooLarge, text)), ..summary }
        }
        Err(error) => Summary { broken: Some(error), ..summary },
    }
}

/// Either answer: the fields of the other are missing.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    label: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    datapoints: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    metric_data_results: Vec<Series<'a>>,
}

/// A metric's points in `get-metric-data`: as many values as times.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Series<'a> {
    #[serde(borrow, default)]
    label: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    timestamps: Vec<&'a RawValue>,
    #[serde(default)]
    values: Vec<f64>,
}

/// What is read of a point of `get-metric-statistics`; what is not a number is its time and unit.
type Datapoint<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

struct Points<'a, 'o> {
    text: &'a [u8],
    /// An offset in the text and the line that it is in.
    place: (usize, u64),
    written: Option<Instant>,
    summary: Summary,
    out: &'o mut dyn FnMut(Record),
}

impl<'a> Points<'a, '_> {
    fn documents(&mut self) -> Result<(), serde_json::Error> {
        if self.text.trim_ascii_start().first() == Some(&b'[') {
            let gateways: Vec<Datapoint<'a>> = serde_json::from_slice(self.text)?;
            for gateway in &gateways {
                self.totals(gateway);
            }
            return Ok(());
        }
        for answer in serde_json::Deserializer::from_slice(self.text).into_iter::<Answer<'a>>() {
            let answer = answer?;
            let label = Label::of(answer.label.as_deref().unwrap_or_default());
            for point in answer.datapoints {
                self.datapoint(&label, point);
            }
            for series in answer.metric_data_results {
                self.series(series);
            }
        }
        Ok(())
    }

    fn datapoint(&mut self, label: &Label<'_>, raw: &'a RawValue) {
        let line = self.line_of(raw);
        let fields: Datapoint<'a> = serde_json::from_str(raw.get()).unwrap_or_default();
        let Some(at) = fields.get("Timestamp").and_then(|raw| time(raw)) else {
            return self.summary.pass_over(line);
        };
        let extended = fields.get("ExtendedStatistics").map(|raw| raw.get());
        let percentiles: Datapoint<'a> =
            extended.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let plain = fields.iter().filter(|(name, _)| STATISTICS.contains(&name.as_ref()));
        for (statistic, value) in plain.chain(&percentiles) {
            match serde_json::from_str(value.get()) {
                Ok(value) => self.point(line, (at, Dating::Stated), label.point(statistic, value)),
                Err(_) => self.summary.pass_over(line),
            }
        }
    }

    fn series(&mut self, series: Series<'a>) {
        let label = Label::of(series.label.as_deref().unwrap_or_default());
        for (raw, value) in series.timestamps.iter().zip(series.values) {
            let line = self.line_of(raw);
            match time(raw) {
                Some(at) => {
                    let point = label.point(label.statistic, value);
                    self.point(line, (at, Dating::Stated), point);
                }
                None => self.summary.pass_over(line),
            }
        }
    }

    /// A gateway's counters over a whole run, without a time.
    fn totals(&mut self, gateway: &Datapoint<'a>) {
        let text = |raw: &&RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let name = gateway.get("gateway").and_then(text).unwrap_or_default();
        let dated = match self.written {
            Some(at) => (at, Dating::Before),
            None => (Instant::EPOCH, Dating::Unknown),
        };
        for (metric, raw) in gateway.iter().filter(|(name, _)| *name != "gateway") {
            let line = self.line_of(raw);
            match serde_json::from_str(raw.get()) {
                Ok(value) => {
                    let label = Label { metric, dimensions: &name, statistic: "" };
                    self.point(line, dated, label.point("Sum", value));
                }
                Err(_) => self.summary.pass_over(line),
            }
        }
    }

    fn point(&mut self, line: u64, (at, dating): (Instant, Dating), point: Point) {
        if dating == Dating::Unknown {
            self.summary.records += 1;
        } else {
            self.summary.count(at);
        }
        let what = What::Point(Point { dating, ..point });
        (self.out)(Record { at, line, what });
    }

    /// Returns the line that a value begins in: it is a part of the text.
    fn line_of(&mut self, value: &RawValue) -> u64 {
        let offset = value.get().as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        let (from, line) = if offset >= self.place.0 { self.place } else { (0, 1) };
        let between = self.text.get(from..offset).unwrap_or_default();
        self.place = (offset.min(self.text.len()), line + newlines(between));
        self.place.1
    }
}

/// What a label says: `IdleTimeoutCount`, or with several `nat-0123 IdleTimeoutCount Sum`.
struct Label<'a> {
    metric: &'a str,
    dimensions: &'a str,
    statistic: &'a str,
}

impl<'a> Label<'a> {
    fn of(text: &'a str) -> Self {
        let last = |text: &'a str| text.rsplit_once(' ').unwrap_or(("", text));
        let text = text.trim();
        let (before, statistic) = match last(text) {
            (before, word) if STATISTICS.contains(&word) && !before.is_empty() => (before, word),
            _ => (text, ""),
        };
        let (dimensions, metric) = last(before.trim());
        Self { metric, dimensions: dimensions.trim(), statistic }
    }

    fn point(&self, statistic: &str, value: f64) -> Point {
        Point {
            metric: self.metric.into(),
            dimensions: self.dimensions.into(),
            statistic: statistic.into(),
            period: None,
            dating: Dating::Stated,
            value,
        }
    }
}

/// Reads a time: RFC 3339, or seconds since the epoch as the older command-line client writes.
fn time(raw: &RawValue) -> Option<Instant> {
    if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(raw.get()) {
        return stamp::alone(&text).map(|stamp| stamp.at);
    }
    stamp::alone(raw.get()).map(|stamp| stamp.at)
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise;

    fn read_all(text: &[u8]) -> (Vec<(u64, u64, Point)>, Summary) {
        let mut source = text;
        let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
        let mut points = Vec::new();
        let summary = read(lines, &mut |record| {
            let seconds = record.at.as_nanos() / 1_000_000_000;
            if let What::Point(point) = record.what {
                points.push((record.line, seconds, point));
            }
        });
        (points, summary)
    }

    fn point(dimensions: &str, statistic: &str, value: f64) -> Point {
        Label { metric: "IdleTimeoutCount", dimensions, statistic: "" }.point(statistic, value)
    }

    #[test]
    fn each_statistic_of_a_datapoint_is_a_point() {
        let text = br#"{
    "Label": "IdleTimeoutCount",
    "Datapoints": [
        {"Timestamp": "2001-09-09T01:46:40Z", "Sum": 3.0, "Unit": "Count"},
        {
            "Timestamp": "2001-09-09T01:47:40+00:00",
            "ExtendedStatistics": {"p99": 7},
            "Unit": "Count"
        },
        {"Sum": 3.0},
        17
    ]
}
"#;
        assert_eq!(recognise(text).map(|form| form.name), Some("cloudwatch-metrics"));
        let (points, summary) = read_all(text);
        let expected =
            [(4, 1_000_000_000, point("", "Sum", 3.0)), (5, 1_000_000_060, point("", "p99", 7.0))];
        assert_eq!(points, expected);
        assert_eq!((summary.unread, summary.unread_first, summary.lines), (2, Some(10), 13));
        assert!(summary.broken.is_none());
    }

    #[test]
    fn each_series_names_what_it_was_measured_of_in_its_label() {
        let text = br#"{"MetricDataResults": [
{"Id": "m1", "Label": "nat-0123 IdleTimeoutCount", "StatusCode": "Complete",
 "Timestamps": ["2001-09-09T01:47:40Z",
  1000000000.0],
 "Values": [2.0, 1.0]}], "Messages": []}
{"MetricDataResults": [{"Label": "IdleTimeoutCount Sum",
 "Timestamps": ["2001-09-09T01:46:40Z"], "Values": [4]}]}"#;
        let (points, summary) = read_all(text);
        let expected = [
            (3, 1_000_000_060, point("nat-0123", "", 2.0)),
            (4, 1_000_000_000, point("nat-0123", "", 1.0)),
            (7, 1_000_000_000, point("", "Sum", 4.0)),
        ];
        assert_eq!(points, expected);
        assert!(summary.broken.is_none());
    }

    #[test]
    fn a_runs_totals_have_no_time() {
        let text = b"[{\n\"IdleTimeoutCount\": 3,\n\"gateway\": \"nat\"}]";
        assert_eq!(recognise(text).map(|form| form.name), Some("cloudwatch-metrics"));
        let (points, summary) = read_all(text);
        let expected = Point { dating: Dating::Unknown, ..point("nat", "Sum", 3.0) };
        assert_eq!((points, summary.span), (vec![(2, 0, expected)], None));
    }

    #[test]
    fn a_document_that_is_cut_gives_what_came_before_and_says_where() {
        let whole = br#"{"Label": "IdleTimeoutCount",
            "Datapoints": [{"Timestamp": "2001-09-09T01:46:40Z", "Sum": 3.0}]}"#;
        let text = [&whole[..], &whole[..40]].concat();
        let (points, summary) = read_all(&text);
        assert_eq!(points.len(), 1);
        let error = summary.broken.unwrap().to_string();
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn a_document_without_end_is_not_taken_into_memory() {
        let mut endless = io::repeat(b' ');
        let lines = Lines::new(&mut endless as &mut dyn Read).unwrap();
        let error = read(lines, &mut |_| {}).broken.unwrap();
        assert!(error.to_string().contains("16 MiB"), "{error}");
    }
}
