//! Metrics and health over HTTP.
//!
//! `/metrics` in the text format of `OpenMetrics` 1.0, `/healthz` with 200 while packets are being
//! read and 503 otherwise.

use core::convert::Infallible;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// So many scrapes at once; others wait.
const CONNECTIONS_MAX: usize = 32;
/// Whoever connects has this long to ask.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever connects is done after this, so that nobody holds a connection for ever.
const LIFETIME: Duration = Duration::from_mins(5);
/// A sensor that has not turned for this long is stuck.
const STUCK: Duration = Duration::from_secs(5);

/// What the text format of `OpenMetrics` calls itself.
const TEXT_FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether a sensor still reads, or a guard.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// When the sensor last turned, in milliseconds since the start; zero if it cannot read.
    turned_ms: AtomicU64,
}

impl Default for Health {
    /// Not well before the sensor turns.
    fn default() -> Self {
        Self { started: Instant::now(), turned_ms: AtomicU64::new(0) }
    }
}

impl Health {
    /// The sensor has read what there was.
    pub fn turned(&self) {
        self.turned_ms.store(self.now_ms().max(1), Ordering::Relaxed);
    }

    /// The sensor cannot read.
    pub fn failed(&self) {
        self.turned_ms.store(0, Ordering::Relaxed);
    }

    /// Tells whether the sensor reads and is not stuck.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let turned = self.turned_ms.load(Ordering::Relaxed);
        turned != 0 && u128::from(self.now_ms() - turned.min(self.now_ms())) < STUCK.as_millis()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Answers those who ask for metrics, until it is dropped.
pub async fn serve(listener: TcpListener, registry: Arc<Registry>, health: Arc<Health>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (registry, health) = (Arc::clone(&registry), Arc::clone(&health));
                tokio::spawn(async move {
                    drop(tokio::time::timeout(LIFETIME, converse(stream, registry, health)).await);
                    drop(place);
                });
            }
            // Too many open files, or a connection that is gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(stream: TcpStream, registry: Arc<Registry>, health: Arc<Health>) {
    let service = service_fn(|request| {
        let response = respond(&request, &registry, &health);
        async { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    // Whoever asked has gone or said nothing that makes sense; there is nobody to tell.
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}

fn respond<B>(request: &Request<B>, registry: &Registry, health: &Health) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        "/metrics" => {
            let mut body = String::new();
            if encode(&mut body, registry).is_err() {
                return text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n");
            }
            let mut response = Response::new(Full::from(body));
            let kind = header::HeaderValue::from_static(TEXT_FORMAT);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        "/healthz" if health.is_well() => text(StatusCode::OK, "well\n"),
        "/healthz" => text(StatusCode::SERVICE_UNAVAILABLE, "not well\n"),
        _ => text(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n"),
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, path: &str, health: &Health) -> StatusCode {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        respond(&request, &Registry::default(), health).status()
    }

    #[test]
    fn a_sensor_that_reads_is_well() {
        let health = Health::default();
        assert_eq!(status(Method::GET, "/healthz", &health), StatusCode::SERVICE_UNAVAILABLE);
        health.turned();
        assert_eq!(status(Method::GET, "/healthz", &health), StatusCode::OK);
        health.failed();
        assert_eq!(status(Method::GET, "/healthz", &health), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_sensor_that_has_not_turned_for_long_is_stuck() {
        let long_ago = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        let health = Health { started: long_ago, turned_ms: AtomicU64::new(1) };
        assert!(!health.is_well());
        health.turned();
        assert!(health.is_well());
    }

    #[test]
    fn metrics_can_be_asked_for_and_nothing_else() {
        let health = Health::default();
        assert_eq!(status(Method::GET, "/metrics", &health), StatusCode::OK);
        assert_eq!(status(Method::GET, "/", &health), StatusCode::NOT_FOUND);
        assert_eq!(status(Method::POST, "/metrics", &health), StatusCode::METHOD_NOT_ALLOWED);
    }
}
