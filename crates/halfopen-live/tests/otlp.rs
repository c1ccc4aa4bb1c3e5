//! Metrics and findings pushed to a collector on loopback, which holds the messages against the
//! names and the JSON of opentelemetry-proto.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use core::convert::Infallible;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use halfopen_capture::News;
use halfopen_core::cause::{Cause, Culprit, Finding, Harm};
use halfopen_core::flow::FlowKey;
use halfopen_core::time::Instant;
use halfopen_core::verdict::{Evidence, Verdict};
use halfopen_live::metrics::{Metrics, Risk};
use halfopen_live::otlp::{Collector, Findings, Record, Waiting};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Nothing here takes so long, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the collector answers: a status, seconds to wait, a body.
type Scripted = (u16, Option<&'static str>, &'static str);
/// A message and where it was sent to.
type Message = (String, Value);

/// A collector that answers as it is told, and well when it was told no more.
struct Heard {
    address: String,
    messages: mpsc::UnboundedReceiver<Message>,
}

async fn collector(script: &[Scripted]) -> Heard {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, messages) = mpsc::unbounded_channel();
    let script = Arc::new(Mutex::new(script.iter().copied().collect::<VecDeque<_>>()));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (script, sender) = (Arc::clone(&script), sender.clone());
            let service =
                service_fn(move |request| answer(request, script.clone(), sender.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Heard { address, messages }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Mutex<VecDeque<Scripted>>>,
    sender: mpsc::UnboundedSender<Message>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.method(), "POST");
    assert_eq!(request.headers()["content-type"], "application/json");
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    drop(sender.send((path, serde_json::from_slice(&body).unwrap())));
    let (status, after, body) = script.lock().unwrap().pop_front().unwrap_or((200, None, "{}"));
    let mut response = Response::builder().status(status);
    if let Some(after) = after {
        response = response.header("Retry-After", after);
    }
    Ok(response.body(Full::from(body)).unwrap())
}

impl Heard {
    async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.messages.recv()).await.expect("a message in time").unwrap()
    }

    /// Returns the findings that the next message has, by their clients' ports.
    async fn findings(&mut self) -> Vec<u16> {
        let (path, message) = self.next().await;
        assert_eq!(path, "/v1/logs");
        let records = &message["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        records.as_array().unwrap().iter().map(client_port).collect()
    }
}

fn client_port(record: &Value) -> u16 {
    let attributes = record["attributes"].as_array().unwrap();
    let port = attributes.iter().find(|it| it["key"] == "client.port").unwrap();
    port["value"]["intValue"].as_str().unwrap().parse().unwrap()
}

/// A push under way.
struct Pushing {
    over: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    told: Arc<Mutex<Vec<String>>>,
}

fn push(address: &str, registry: Registry, findings: Option<Waiting>, every: Duration) -> Pushing {
    let collector = Collector::at(address, "eth0").unwrap().every(every);
    let (over, is_over) = watch::channel(false);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let told = Arc::clone(&told);
        move |text: &str| told.lock().unwrap().push(text.to_owned())
    };
    let pushed = collector.push(Arc::new(registry), findings, is_over, tell);
    let task = tokio::spawn(async move { pushed.await.unwrap() });
    Pushing { over, task, told }
}

impl Pushing {
    async fn end(self) -> Vec<String> {
        self.over.send(true).unwrap();
        timeout(PATIENCE, self.task).await.expect("it ends").unwrap();
        self.told.lock().unwrap().clone()
    }
}

fn ended(port: u16) -> News {
    let client = SocketAddr::from(([10, 0, 0, 7], port));
    let flow = FlowKey::tcp(client, SocketAddr::from(([203, 0, 113, 9], 443)));
    let at = Instant::from_nanos(1_700_000_000_123_456_789);
    let verdict = Verdict {
        flow,
        finding: Finding::ResetOnReuse,
        mechanism: None,
        idle: Some(Duration::from_millis(351_500)),
        harm: Harm::Failed,
        culprit: Culprit::Hop,
        evidence: vec![Evidence { at, frame: 9, fact: "a reset".to_owned() }],
    };
    News::Ended { verdict, cause: Cause::IdleExpiry }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    let mut metrics = Metrics::register(&mut registry);
    let server = SocketAddr::from(([203, 0, 113, 9], 443));
    for idle in [1, 40, 340] {
        metrics.count(&News::Survived { server, idle: Duration::from_secs(idle) });
    }
    metrics.count(&ended(40_000));
    let (survived, died) = (Some(Duration::from_secs(340)), Duration::from_millis(351_500));
    metrics.count(&News::Narrowed { server, survived, died });
    metrics.show_at_risk(Risk::NoKeepalive, [(server, 3)].into_iter());
    registry
}

/// The fields of each message of opentelemetry-proto v1 that may stand here, in its JSON names.
fn fields_of(message: &str) -> &'static [&'static str] {
    match message {
        "ExportMetricsServiceRequest" => &["resourceMetrics"],
        "ResourceMetrics" => &["resource", "scopeMetrics", "schemaUrl"],
        "ScopeMetrics" => &["scope", "metrics", "schemaUrl"],
        "Metric" => &["name", "description", "unit", "gauge", "sum", "histogram"],
        "Gauge" => &["dataPoints"],
        "Sum" => &["dataPoints", "aggregationTemporality", "isMonotonic"],
        "Histogram" => &["dataPoints", "aggregationTemporality"],
        "NumberDataPoint" => {
            &["attributes", "startTimeUnixNano", "timeUnixNano", "asDouble", "asInt"]
        }
        "HistogramDataPoint" => &[
            "attributes",
            "startTimeUnixNano",
            "timeUnixNano",
            "count",
            "sum",
            "bucketCounts",
            "explicitBounds",
        ],
        "ExportLogsServiceRequest" => &["resourceLogs"],
        "ResourceLogs" => &["resource", "scopeLogs", "schemaUrl"],
        "ScopeLogs" => &["scope", "logRecords", "schemaUrl"],
        "LogRecord" => &[
            "timeUnixNano",
            "observedTimeUnixNano",
            "severityNumber",
            "severityText",
            "eventName",
            "body",
            "attributes",
        ],
        "Resource" => &["attributes"],
        "InstrumentationScope" => &["name", "version"],
        "KeyValue" => &["key", "value"],
        "AnyValue" => &["stringValue", "intValue", "doubleValue"],
        other => panic!("no message {other}"),
    }
}

/// Returns what message a field holds; `None` if it is a number or a text.
fn message_in(message: &str, field: &str) -> Option<&'static str> {
    Some(match field {
        "resourceMetrics" => "ResourceMetrics",
        "scopeMetrics" => "ScopeMetrics",
        "metrics" => "Metric",
        "gauge" => "Gauge",
        "sum" if message == "Metric" => "Sum",
        "histogram" => "Histogram",
        "dataPoints" if message == "Histogram" => "HistogramDataPoint",
        "dataPoints" => "NumberDataPoint",
        "resourceLogs" => "ResourceLogs",
        "scopeLogs" => "ScopeLogs",
        "logRecords" => "LogRecord",
        "resource" => "Resource",
        "scope" => "InstrumentationScope",
        "attributes" => "KeyValue",
        "value" | "body" => "AnyValue",
        _ => return None,
    })
}

/// Holds a message against the protocol: its fields, and numbers of 64 bits as texts.
#[track_caller]
fn assert_is(message: &str, value: &Value) {
    for (field, inside) in value.as_object().unwrap_or_else(|| panic!("{message}: {value}")) {
        assert!(fields_of(message).contains(&field.as_str()), "{message} has no {field}");
        let values = inside.as_array().map_or_else(|| vec![inside], |all| all.iter().collect());
        for value in values {
            match (message_in(message, field), field.as_str()) {
                (Some(inside), _) => assert_is(inside, value),
                (None, "asInt" | "intValue" | "count" | "bucketCounts") => {
                    value.as_str().unwrap().parse::<u64>().unwrap();
                }
                (None, field) if field.ends_with("UnixNano") => {
                    assert!(value.as_str().unwrap().parse::<u64>().unwrap() > 1 << 60, "{value}");
                }
                (None, "asDouble" | "sum" | "explicitBounds" | "doubleValue") => {
                    assert!(value.is_f64(), "{field}: {value}");
                }
                (None, "aggregationTemporality" | "severityNumber") => assert!(value.is_u64()),
                (None, "isMonotonic") => assert!(value.is_boolean()),
                (None, _) => assert!(value.is_string(), "{message} {field}: {value}"),
            }
        }
    }
}

fn metric<'a>(message: &'a Value, name: &str) -> &'a Value {
    let metrics = message["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn metrics_arrive_in_the_words_of_the_protocol() {
    let mut heard = collector(&[]).await;
    let pushing = push(&heard.address, registry(), None, Duration::from_millis(20));
    let (path, message) = heard.next().await;
    heard.next().await;
    assert_eq!(pushing.end().await, Vec::<String>::new());

    assert_eq!(path, "/v1/metrics");
    assert_is("ExportMetricsServiceRequest", &message);
    let findings = &metric(&message, "halfopen_findings")["sum"];
    assert_eq!(findings["isMonotonic"], true);
    assert_eq!(findings["dataPoints"][0]["asInt"], "1");
    let cause = json!({ "key": "cause", "value": { "stringValue": "idle-expiry" } });
    assert!(findings["dataPoints"][0]["attributes"].as_array().unwrap().contains(&cause));

    let survived = metric(&message, "halfopen_pause_survived_seconds");
    assert_eq!(survived["unit"], "s");
    let point = &survived["histogram"]["dataPoints"][0];
    let counts: Vec<u64> = point["bucketCounts"].as_array().unwrap().iter().map(number).collect();
    assert_eq!((point["count"].as_str(), point["sum"].as_f64()), (Some("3"), Some(381.0)));
    assert_eq!(counts.iter().sum::<u64>(), 3);
    // 1 s, 33 to 64 s, 257 to 512 s.
    assert_eq!((counts[0], counts[6], counts[9]), (1, 1, 1));
    assert_eq!(point["explicitBounds"].as_array().unwrap().len() + 1, counts.len());

    let limits = &metric(&message, "halfopen_idle_limit_seconds")["gauge"]["dataPoints"];
    let limits = limits.as_array().unwrap().iter();
    assert!(limits.map(|point| &point["asDouble"]).any(|limit| *limit == 351.5));
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn findings_arrive_as_log_records() {
    let mut heard = collector(&[]).await;
    let (findings, waiting) = Findings::queue();
    findings.send(Record::of(&ended(40_001)).unwrap());
    let pushing = push(&heard.address, Registry::default(), Some(waiting), PATIENCE);
    let (path, message) = heard.next().await;
    pushing.end().await;

    assert_eq!(path, "/v1/logs");
    assert_is("ExportLogsServiceRequest", &message);
    let record = &message["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1700000000123456789");
    assert_eq!((&record["severityNumber"], &record["severityText"]), (&json!(17), &json!("ERROR")));
    let body = record["body"]["stringValue"].as_str().unwrap();
    assert!(body.ends_with("reset-on-reuse: a reset"), "{body}");
    let idle = json!({ "key": "halfopen.idle_seconds", "value": { "doubleValue": 351.5 } });
    assert!(record["attributes"].as_array().unwrap().contains(&idle));
    assert_eq!(client_port(record), 40_001);
}

#[tokio::test]
async fn what_a_busy_collector_did_not_take_is_sent_again_and_then_no_more() {
    let mut heard = collector(&[(503, None, ""), (429, Some("1"), "{}"), (502, None, "")]).await;
    let (findings, waiting) = Findings::queue();
    findings.send(Record::of(&ended(1)).unwrap());
    let pushing = push(&heard.address, Registry::default(), Some(waiting), PATIENCE);
    for _ in 0..4 {
        assert_eq!(heard.findings().await, [1]);
    }
    findings.send(Record::of(&ended(2)).unwrap());
    assert_eq!(heard.findings().await, [2]);
    let told = pushing.end().await;
    assert!(told.last().unwrap().ends_with("well again"), "{told:?}");
    assert!(told[0].contains("503 Service Unavailable"), "{told:?}");
}

#[tokio::test]
async fn what_a_collector_refuses_is_not_sent_again() {
    let refusal = r#"{"code":3,"message":"no such field"}"#;
    let mut heard = collector(&[(400, None, refusal)]).await;
    let (findings, waiting) = Findings::queue();
    findings.send(Record::of(&ended(1)).unwrap());
    let pushing = push(&heard.address, Registry::default(), Some(waiting), PATIENCE);
    assert_eq!(heard.findings().await, [1]);
    findings.send(Record::of(&ended(2)).unwrap());
    assert_eq!(heard.findings().await, [2]);
    let told = pushing.end().await;
    assert!(told[0].contains("refused: 400 Bad Request: no such field"), "{told:?}");
}

#[tokio::test]
async fn who_finds_never_waits_for_a_collector() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    // It accepts connections in the kernel and never answers.
    let (findings, waiting) = Findings::queue();
    let pushing = push(&address, registry(), Some(waiting), Duration::from_millis(20));
    for _ in 0..50 {
        for port in 1..=200 {
            findings.send(Record::of(&ended(port)).unwrap());
        }
        tokio::task::yield_now().await;
    }
    let lost = findings.lost();
    assert!((10_000 - 2 * 1_024..=10_000 - 1_024).contains(&lost), "{lost}");
    pushing.end().await;
    drop(nobody);
}

#[tokio::test]
async fn what_waits_is_sent_when_the_program_ends() {
    let mut heard = collector(&[]).await;
    let (findings, waiting) = Findings::queue();
    let pushing = push(&heard.address, registry(), Some(waiting), PATIENCE);
    for port in 1..=300 {
        findings.send(Record::of(&ended(port)).unwrap());
    }
    pushing.end().await;
    let mut sent = Vec::new();
    let mut metrics = 0;
    while let Ok((path, message)) = heard.messages.try_recv() {
        if path == "/v1/metrics" {
            metrics += 1;
            continue;
        }
        let records = &message["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        sent.extend(records.as_array().unwrap().iter().map(client_port));
    }
    assert_eq!((metrics, sent), (1, (1..=300).collect()));
}

#[test]
fn an_address_that_is_no_collectors_is_refused() {
    for address in ["", "127.0.0.1:4318", "https://collector:4318", "http://", "http://a b"] {
        assert!(Collector::at(address, "eth0").is_err(), "{address}");
    }
    assert!(Collector::at("http://127.0.0.1:4318/", "eth0").is_ok());
}
