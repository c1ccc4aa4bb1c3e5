//! The client over loopback beside hyper-util's and reqwest, in one run.
//!
//! A server in a thread of its own answers each POST with four bytes. Each client sends the same
//! number of requests, one after another and with several under way at once, and the rounds of the
//! clients alternate, so that what else the machine does meets all of them. Also measured: how long
//! a request of this client takes from being sent to having its connection.
//!
//! With the feature `http2` the same is done over HTTP/2 without TLS, against hyper-util's client.
//!
//! `-- count CLIENT REQUESTS AT-ONCE` sends with one client only, from the first thread, so that a
//! tool that counts instructions by thread can tell it from the server. What a request takes is the
//! difference between two numbers of requests. `CLIENT` is `pool`, `legacy` or `reqwest`; for
//! HTTP/2 `pool-h2` or `legacy-h2`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "it measures real time; its server has a thread")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use halfopen_pool::Client;
use halfopen_pool::client::Builder;
use halfopen_pool::event::{Event, What};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

/// How many requests a client sends in a round, and how many rounds there are.
const REQUESTS: usize = 10_000;
const ROUNDS: usize = 5;
/// How many requests are under way at once.
const AT_ONCE: [usize; 2] = [1, 16];

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let ["count", client, requests, at_once] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let uri = if client.ends_with("-h2") { serve_h2() } else { serve() };
        measure(client, &uri, at_once.parse().unwrap(), requests.parse().unwrap());
        return;
    }
    println!(
        "POST with 32 bytes, answer of 4 bytes; best of {ROUNDS} rounds of {REQUESTS} requests"
    );
    println!("{:<20}{:>8}{:>14}{:>10}{:>10}", "client", "at once", "requests/s", "p50", "p99");
    let uri = serve();
    race(&["pool", "legacy", "reqwest"], &uri);
    checkout(pool(), &uri);
    if cfg!(feature = "http2") {
        let uri = serve_h2();
        race(&["pool-h2", "legacy-h2"], &uri);
        checkout(pool_h2(), &uri);
    }
}

/// Has all clients take turns, and prints the best round of each.
fn race(names: &[&str], uri: &str) {
    for at_once in AT_ONCE {
        let mut best: Vec<Option<Round>> = names.iter().map(|_| None).collect();
        for _ in 0..ROUNDS {
            for (name, best) in names.iter().zip(&mut best) {
                let round = measure(name, uri, at_once, REQUESTS);
                if best.as_ref().is_none_or(|best| round.elapsed < best.elapsed) {
                    *best = Some(round);
                }
            }
        }
        for (name, best) in names.iter().zip(best) {
            let Round { elapsed, latencies } = best.unwrap();
            let rate = f64::from(u32::try_from(REQUESTS).unwrap()) / elapsed.as_secs_f64();
            let [p50, p99] = [0.5, 0.99].map(|quantile| micros(quantile_of(&latencies, quantile)));
            let title = title(name);
            println!("{title:<20}{at_once:>8}{rate:>14.0}{p50:>10}{p99:>10}");
        }
    }
}

fn title(name: &str) -> &str {
    match name {
        "pool" => "halfopen-pool",
        "pool-h2" => "halfopen-pool, h2",
        "legacy" => "hyper-util legacy",
        "legacy-h2" => "hyper-util, h2",
        other => other,
    }
}

/// One client's round.
struct Round {
    elapsed: Duration,
    /// In order of length.
    latencies: Vec<Duration>,
}

#[derive(Clone)]
enum Contender {
    Pool(Client),
    Legacy(Box<legacy::Client<HttpConnector, Full<Bytes>>>),
    Reqwest(reqwest::Client),
}

const BODY: &str = "{\"subscription\":7,\"amount\":9900}";

impl Contender {
    fn named(name: &str) -> Self {
        match name {
            "pool" => Self::Pool(pool().build().unwrap()),
            "pool-h2" => Self::Pool(pool_h2().build().unwrap()),
            "legacy" => Self::Legacy(Box::new(legacy_client(false))),
            "legacy-h2" => Self::Legacy(Box::new(legacy_client(true))),
            "reqwest" => Self::Reqwest(reqwest_client()),
            other => panic!("no client is called {other}"),
        }
    }

    async fn send(&self, uri: &str) -> Bytes {
        match self {
            Self::Pool(client) => {
                client.post(uri, BODY).await.unwrap().into_body().bytes().await.unwrap()
            }
            Self::Legacy(client) => {
                let request = Request::post(uri).body(Full::from(BODY)).unwrap();
                let response = client.request(request).await.unwrap();
                response.into_body().collect().await.unwrap().to_bytes()
            }
            Self::Reqwest(client) => {
                client.post(uri).body(BODY).send().await.unwrap().bytes().await.unwrap()
            }
        }
    }
}

fn pool() -> Builder {
    Client::builder()
}

#[cfg(feature = "http2")]
fn pool_h2() -> Builder {
    pool().http2_prior_knowledge()
}

#[cfg(not(feature = "http2"))]
fn pool_h2() -> Builder {
    panic!("`--features http2` lets the pool speak HTTP/2")
}

fn legacy_client(http2: bool) -> legacy::Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).http2_only(http2).build(connector)
}

fn reqwest_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap()
}

fn measure(name: &str, uri: &str, at_once: usize, requests: usize) -> Round {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Connections belong to a runtime, so that each round opens its own, untimed.
        let contender = Contender::named(name);
        send_all(&contender, uri, at_once, at_once).await;
        let began = Instant::now();
        let mut latencies = send_all(&contender, uri, at_once, requests).await;
        let elapsed = began.elapsed();
        latencies.sort_unstable();
        Round { elapsed, latencies }
    })
}

async fn send_all(
    contender: &Contender,
    uri: &str,
    at_once: usize,
    requests: usize,
) -> Vec<Duration> {
    let senders: Vec<_> = (0..at_once)
        .map(|_| {
            let (contender, uri) = (contender.clone(), uri.to_owned());
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(requests / at_once);
                for _ in 0..requests / at_once {
                    let began = Instant::now();
                    assert_eq!(contender.send(&uri).await, "paid");
                    latencies.push(began.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut all = Vec::with_capacity(requests);
    for sender in senders {
        all.append(&mut sender.await.unwrap());
    }
    all
}

/// Measures from sending to having a connection.
#[derive(Default)]
struct Checkout {
    began: Option<Instant>,
    taken: Vec<Duration>,
}

impl Checkout {
    fn end(&mut self) {
        self.taken.extend(self.began.take().map(|began| began.elapsed()));
    }
}

fn checkout(builder: Builder, uri: &str) {
    let checkout = Arc::new(Mutex::new(Checkout::default()));
    let seen = Arc::clone(&checkout);
    let builder = builder.watch(move |event: &Event| {
        if let What::Leased { reused_after: Some(_), .. } = event.what {
            seen.lock().unwrap().end();
        }
    });
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = builder.build().unwrap();
        for _ in 0..REQUESTS {
            checkout.lock().unwrap().began = Some(Instant::now());
            client.post(uri, BODY).await.unwrap().into_body().bytes().await.unwrap();
        }
    });
    let mut taken = std::mem::take(&mut checkout.lock().unwrap().taken);
    taken.sort_unstable();
    let [p50, p99] = [0.5, 0.99].map(|quantile| micros(quantile_of(&taken, quantile)));
    println!("checkout of an idle connection: p50 {p50}, p99 {p99} ({} of them)", taken.len());
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an index into some thousand values"
)]
fn quantile_of(sorted: &[Duration], quantile: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * quantile) as usize]
}

fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}

/// Answers each request with four bytes, in a thread of its own. Returns where.
fn serve() -> String {
    listen(|stream| {
        tokio::spawn(server::http1::Builder::new().serve_connection(stream, service_fn(answer)));
    })
}

/// Does the same over HTTP/2.
fn serve_h2() -> String {
    listen(|stream| {
        let http = server::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(http.serve_connection(stream, service_fn(answer)));
    })
}

fn listen(serve: impl Fn(TokioIo<TcpStream>) + Send + 'static) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                serve(TokioIo::new(stream));
            }
        });
    });
    format!("http://{}/payments", told.recv().unwrap())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // A client that breaks off is the measurement's to report.
    let _body = request.into_body().collect().await;
    Ok(Response::new(Full::from("paid")))
}
