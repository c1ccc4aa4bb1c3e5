//! Metrics and findings pushed to a collector by OTLP over HTTP, as JSON.
//!
//! What is sent is what `/metrics` shows, by the same names. A sensor never waits for a collector:
//! metrics count up, so what one push missed the next one says, and findings wait in a queue that
//! has an end. Source: the OpenTelemetry Protocol Specification 1.x, section "OTLP/HTTP", and the
//! messages of opentelemetry-proto v1.

mod exposition;
mod message;
mod record;
mod retry;

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use halfopen_pool::Client;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};

use message::Sender;
pub use record::Record;
use retry::{Answer, Backoff};

/// How often metrics are pushed (`OTEL_METRIC_EXPORT_INTERVAL`: 60 s).
pub const EVERY: Duration = Duration::from_mins(1);
/// How long a collector may take (`OTEL_EXPORTER_OTLP_TIMEOUT`: 10 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Findings that wait to be sent; more are counted and lost.
const WAITING_MAX: usize = 1_024;
/// Findings that are sent at once.
const BATCH_MAX: usize = 256;
/// What is read of an answer.
const ANSWER_MAX: usize = 1 << 16;
/// How long the last push may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// Where to push, and what is said of the sender.
#[derive(Clone, Debug)]
pub struct Collector {
    metrics: Uri,
    logs: Uri,
    every: Duration,
    sender: Sender,
}

/// Why a collector cannot be pushed to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address makes no sense, or is not plain HTTP.
    #[error("`{0}` is no http:// address of a collector, such as http://127.0.0.1:4318")]
    Address(String),
    /// There is no client.
    #[error("no HTTP client: {0}")]
    Client(#[from] halfopen_pool::client::BuildError),
}

/// Takes findings that are to be sent. Clones share what they lost.
#[derive(Clone, Debug)]
pub struct Findings {
    queue: mpsc::Sender<Record>,
    lost: Arc<AtomicU64>,
}

/// Findings that wait to be sent.
#[derive(Debug)]
pub struct Waiting(mpsc::Receiver<Record>);

impl Collector {
    /// Returns a collector by its base address, to which `/v1/metrics` and `/v1/logs` are added.
    /// `interface` is told as what the sensor watches.
    pub fn at(address: &str, interface: &str) -> Result<Self, Error> {
        let wrong = || Error::Address(address.to_owned());
        let base = address.trim_end_matches('/');
        let uri = |path: &str| format!("{base}{path}").parse::<Uri>().map_err(|_| wrong());
        let (metrics, logs) = (uri("/v1/metrics")?, uri("/v1/logs")?);
        if metrics.scheme_str() != Some("http") || metrics.host().is_none() {
            return Err(wrong());
        }
        let sender = Sender { interface: interface.to_owned(), since: SystemTime::now() };
        Ok(Self { metrics, logs, every: EVERY, sender })
    }

    /// Pushes metrics this often instead of every minute.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Pushes metrics and, if there are `findings`, these, until `over` is true or nobody can say
    /// so any more; then once more.
    ///
    /// `tell` is told when a collector takes nothing any more, and when it does again.
    pub async fn push(
        self,
        registry: Arc<Registry>,
        findings: Option<Waiting>,
        over: watch::Receiver<bool>,
        tell: impl Fn(&str) + Send + Sync,
    ) -> Result<(), Error> {
        let client = Client::builder()
            .connect_timeout(ANSWER_TIMEOUT)
            .read_timeout(ANSWER_TIMEOUT)
            .max_per_host(2)
            .build()?;
        let stream = |what, uri: &Uri| Stream::new(&client, what, uri.clone(), &tell);
        let metrics = stream("metrics", &self.metrics);
        let metrics = self.push_metrics(metrics, &registry, over.clone());
        match findings {
            None => metrics.await,
            Some(findings) => {
                let logs = stream("findings", &self.logs);
                tokio::join!(metrics, self.push_findings(logs, findings.0, over));
            }
        }
        Ok(())
    }

    /// What could not be pushed is in the next push, for all counts go on.
    async fn push_metrics(
        &self,
        mut stream: Stream<'_>,
        registry: &Registry,
        mut over: watch::Receiver<bool>,
    ) {
        let message = || {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = encode(&mut text, registry);
            self.sender.metrics(&exposition::families(&text), SystemTime::now())
        };
        let mut wait = self.every;
        loop {
            let answer = tokio::select! {
                biased;
                () = until(&mut over) => break,
                answer = async {
                    tokio::time::sleep(wait).await;
                    stream.post(message()).await
                } => answer,
            };
            wait = answer.map_or(self.every, |after| after.min(self.every));
        }
        drop(tokio::time::timeout(FAREWELL, stream.post(message())).await);
    }

    /// Findings that a collector does not take now are sent again; those that it never takes are
    /// let go.
    async fn push_findings(
        &self,
        mut stream: Stream<'_>,
        mut queue: mpsc::Receiver<Record>,
        mut over: watch::Receiver<bool>,
    ) {
        let mut batch = Vec::new();
        loop {
            let step = async {
                if batch.is_empty() && queue.recv_many(&mut batch, BATCH_MAX).await == 0 {
                    return false;
                }
                match stream.post(self.sender.logs(&batch, SystemTime::now())).await {
                    None => batch.clear(),
                    Some(after) => tokio::time::sleep(after).await,
                }
                true
            };
            tokio::select! {
                biased;
                () = until(&mut over) => break,
                more = step => if !more { return },
            }
        }
        while let Ok(record) = queue.try_recv() {
            batch.push(record);
        }
        let farewell = async {
            for batch in batch.chunks(BATCH_MAX) {
                stream.post(self.sender.logs(batch, SystemTime::now())).await;
            }
        };
        drop(tokio::time::timeout(FAREWELL, farewell).await);
    }
}

impl Findings {
    /// Returns a queue of findings and its end.
    #[must_use]
    pub fn queue() -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        (Self { queue, lost: Arc::default() }, Waiting(waiting))
    }

    /// Has a finding sent, unless too many wait.
    pub fn send(&self, record: Record) {
        if self.queue.try_send(record).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many findings there was no room for.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Messages of one kind on their way to a collector.
struct Stream<'a> {
    client: &'a Client,
    what: &'static str,
    uri: Uri,
    tell: &'a (dyn Fn(&str) + Send + Sync),
    backoff: Backoff,
    /// What was told last.
    told: Option<String>,
}

impl<'a> Stream<'a> {
    fn new(
        client: &'a Client,
        what: &'static str,
        uri: Uri,
        tell: &'a (dyn Fn(&str) + Send + Sync),
    ) -> Self {
        Self { client, what, uri, tell, backoff: Backoff::new(), told: None }
    }

    /// Sends a message, and returns after what time it is to be sent again; `None` if not at all.
    async fn post(&mut self, message: String) -> Option<Duration> {
        let answer = match self.exchange(message).await {
            Ok(answer) => answer,
            Err(error) => Answer::Later { after: None, why: error.to_string() },
        };
        let (trouble, again) = match answer {
            Answer::Taken { trouble } => {
                self.backoff.reset();
                (trouble, None)
            }
            Answer::Refused { why } => (Some(format!("refused: {why}")), None),
            Answer::Later { after, why } => (Some(why), Some(self.backoff.next(after))),
        };
        self.say(trouble);
        again
    }

    async fn exchange(&self, message: String) -> Result<Answer, Box<dyn core::error::Error>> {
        let request = Request::post(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("halfopen/", env!("CARGO_PKG_VERSION")))
            .body(Bytes::from(message))?;
        let (head, body) = self.client.send(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
        Ok(Answer::of(&head, &body))
    }

    /// Says what is wrong, if that is new, and that it is well again.
    fn say(&mut self, trouble: Option<String>) {
        if trouble == self.told {
            return;
        }
        let (what, uri) = (self.what, &self.uri);
        (self.tell)(&match &trouble {
            Some(trouble) => format!("pushing {what} to {uri}: {trouble}"),
            None => format!("pushing {what} to {uri}: well again"),
        });
        self.told = trouble;
    }
}

/// Waits until it is over, or nobody can say so any more.
async fn until(over: &mut watch::Receiver<bool>) {
    drop(over.wait_for(|over| *over).await);
}
