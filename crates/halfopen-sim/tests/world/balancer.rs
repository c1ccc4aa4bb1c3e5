//! A balancer between an HTTP client and HTTP servers that know nothing of it.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use halfopen_core::balancer::log::Records;
use halfopen_core::balancer::{Balancer, BalancerConfig, HealthCheck, Routing};
use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Command, EventKind, Hop, Refusal};
use halfopen_core::idle::OnOrphan;
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::profile::Profile;
use halfopen_core::time::Instant;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::{PathId, World};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::{idle_policy, ip, seconds};

const BALANCER: &str = "203.0.113.80:80";
const TARGETS: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// How a server treats its clients.
#[derive(Clone, Copy)]
struct Manner {
    answers_after: Duration,
    /// After what idle time it closes a connection.
    closes_after: Option<Duration>,
}

const PROMPT: Manner = Manner { answers_after: Duration::ZERO, closes_after: None };

/// Client, link, NAT gateway, balancer, link, two servers.
struct Street {
    world: World,
    path: PathId,
    client: Host,
    records: Records,
    served: Vec<Arc<AtomicU32>>,
}

/// Returns AWS's balancer without health checks.
fn alb() -> BalancerConfig {
    let profile = Profile::shipped("aws-alb").unwrap();
    BalancerConfig { health: None, ..profile.balancer().unwrap() }
}

impl Street {
    fn new(config: BalancerConfig, link: LinkConfig, manners: [Manner; 2]) -> Self {
        let mut world = World::from_seed(11);
        let records = Records::new(10_000);
        let gateway = GatewayConfig::nat(ip("203.0.113.1"), idle_policy(OnOrphan::Reset));
        let targets = TARGETS.map(|target| format!("{target}:8080").parse().unwrap()).to_vec();
        let (address, log) = (BALANCER.parse().unwrap(), Box::new(records.clone()));
        let hops: Vec<Box<dyn Hop>> = vec![
            Box::new(Link::new(link, world.fork_rng())),
            Box::new(Gateway::new(gateway, world.fork_rng()).unwrap()),
            Box::new(Balancer::new(config, address, targets, world.fork_rng(), log).unwrap()),
            Box::new(Link::new(link, world.fork_rng())),
        ];
        let path = world.add_path(Path::new(hops));
        let client = world.add_host(HostConfig::new("client", [ip("10.0.0.7")]).inside(path));
        let mut served = Vec::new();
        for (target, manner) in TARGETS.into_iter().zip(manners) {
            let host = world.add_host(HostConfig::new(target, [ip(target)]).outside(path));
            let count = Arc::new(AtomicU32::new(0));
            host.spawn(serve(manner, Arc::clone(&count)));
            served.push(count);
        }
        Self { world, path, client, records, served }
    }

    fn plain() -> Self {
        Self::new(alb(), LinkConfig::IDEAL, [PROMPT; 2])
    }

    fn served(&self) -> Vec<u32> {
        self.served.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    fn refusals(&mut self) -> Vec<Refusal> {
        let events = self.world.take_events();
        let why = events.iter().filter_map(|occurrence| match occurrence.event.kind {
            EventKind::Refused { why, .. } => Some(why),
            EventKind::Remembered { .. }
            | EventKind::Forgot { .. }
            | EventKind::Orphaned { .. }
            | EventKind::Exhausted { .. }
            | EventKind::Discarded { .. } => None,
        });
        why.collect()
    }

    fn statuses(&self) -> Vec<u16> {
        self.records.requests().iter().map(|entry| entry.status).collect()
    }
}

/// Answers with the request's body in capitals; in chunks if that came in chunks.
async fn serve(manner: Manner, served: Arc<AtomicU32>) {
    let listener = TcpListener::bind("0.0.0.0:8080").await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let served = Arc::clone(&served);
        halfopen_sim::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let served = Arc::clone(&served);
                async move {
                    served.fetch_add(u32::from(request.uri() != "/health"), Ordering::Relaxed);
                    let chunked = request.headers().contains_key("transfer-encoding");
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    sleep(manner.answers_after).await;
                    let reply = Bytes::from(body.to_ascii_uppercase());
                    let body =
                        if chunked { Pieces::of(&reply).boxed() } else { Full::new(reply).boxed() };
                    Ok::<_, Infallible>(Response::new(body))
                }
            });
            // A connection that breaks is the client's to judge.
            let mut http = hyper::server::conn::http1::Builder::new();
            if let Some(timer) = manner.closes_after {
                // hyper's patience for a request's head begins when the response before it is out.
                http.timer(TokioTimer::new()).header_read_timeout(timer);
            }
            let _broken = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A body whose length nobody knows beforehand, which goes out in chunks.
struct Pieces(VecDeque<Bytes>);

impl Pieces {
    fn of(content: &Bytes) -> Self {
        Self(content.chunks(1 + content.len() / 3).map(Bytes::copy_from_slice).collect())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

type Sender = SendRequest<BoxBody<Bytes, Infallible>>;

async fn connect() -> Sender {
    let stream = TcpStream::connect(BALANCER).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    halfopen_sim::spawn(connection);
    sender
}

async fn send(
    sender: &mut Sender,
    body: BoxBody<Bytes, Infallible>,
) -> hyper::Result<(StatusCode, Bytes)> {
    let request = Request::post("/charge").header("host", "pay").body(body).unwrap();
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

async fn post(sender: &mut Sender) -> hyper::Result<(StatusCode, Bytes)> {
    send(sender, Full::from("ten won").boxed()).await
}

#[test]
fn a_kept_connection_of_hyper_serves_request_after_request() {
    let mut street = Street::plain();
    let program = async {
        let mut sender = connect().await;
        for _ in 0..10 {
            let answer = post(&mut sender).await.unwrap();
            assert_eq!(answer, (StatusCode::OK, Bytes::from("TEN WON")));
            sleep(seconds(59)).await;
        }
    };
    street.world.run_on(&street.client, program).unwrap();
    assert_eq!(street.served(), [5, 5], "each target in turn");
    assert_eq!(street.statuses(), [200; 10]);
    assert_eq!(street.records.connections().len(), 1);
    let entry = street.records.requests().remove(0);
    assert_eq!(entry.client.ip(), ip("203.0.113.1"), "the gateway's address");
    assert_eq!(entry.request, "POST http://pay:80/charge HTTP/1.1");
}

#[test]
fn large_bodies_in_chunks_pass_both_ways_through_loss() {
    let delay = Duration::from_millis(5);
    let lossy = LinkConfig { delay, loss: 0.02, ..LinkConfig::IDEAL };
    let mut street = Street::new(alb(), lossy, [PROMPT; 2]);
    let content = "a line of a body that is long\n".repeat(40_000);
    let program = async {
        let mut sender = connect().await;
        let content = Bytes::from(content.clone());
        let in_chunks = send(&mut sender, Pieces::of(&content).boxed()).await.unwrap();
        let whole = send(&mut sender, Full::new(content).boxed()).await.unwrap();
        (in_chunks, whole)
    };
    let (in_chunks, whole) = street.world.run_on(&street.client, program).unwrap();
    let expected = (StatusCode::OK, Bytes::from(content.to_ascii_uppercase()));
    assert!(in_chunks == expected && whole == expected);
    let [first, second] = &street.records.requests()[..] else { panic!() };
    assert!(first.received_bytes > content.len() as u64 && second.sent_bytes > 0);
}

/// Returns when the client's program sees the end of a connection after one request.
fn closed_after(idle_timeout: Duration) -> Duration {
    let config = BalancerConfig { idle_timeout, ..alb() };
    let mut street = Street::new(config, LinkConfig::IDEAL, [PROMPT; 2]);
    let program = async {
        let mut stream = TcpStream::connect(BALANCER).await.unwrap();
        let request = b"POST / HTTP/1.1\r\nHost: pay\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut buffer = [0; 1024];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        let begin = tokio::time::Instant::now();
        let limit = tokio::time::timeout(seconds(2_000), stream.read(&mut buffer)).await;
        limit.map_or(Duration::MAX, |read| {
            assert_eq!(read.unwrap(), 0);
            begin.elapsed()
        })
    };
    street.world.run_on(&street.client, program).unwrap()
}

#[test]
fn the_fin_of_an_idle_balancer_comes_at_its_timeout_if_the_gateway_still_remembers() {
    for below in [60, 180, 300] {
        assert_eq!(closed_after(seconds(below)), seconds(below));
    }
    assert_eq!(closed_after(seconds(1_800)), Duration::MAX, "it never comes");
}

#[test]
fn a_slow_target_makes_a_504_and_an_impatient_client_a_460() {
    let slow = Manner { answers_after: seconds(100), ..PROMPT };
    let mut street = Street::new(alb(), LinkConfig::IDEAL, [slow; 2]);
    let program = async {
        let mut sender = connect().await;
        let begin = tokio::time::Instant::now();
        assert_eq!(post(&mut sender).await.unwrap().0, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(begin.elapsed(), seconds(60));
        let impatient = async { post(&mut connect().await).await.map(|_| ()) };
        assert!(tokio::time::timeout(seconds(10), impatient).await.is_err());
        sleep(seconds(1)).await;
    };
    street.world.run_on(&street.client, program).unwrap();
    assert_eq!(street.refusals(), [Refusal::SilentTarget, Refusal::Abandoned]);
    assert_eq!(street.statuses(), [504, 460]);
}

#[test]
fn the_quicker_target_gets_more_if_outstanding_requests_count() {
    let slow = Manner { answers_after: seconds(9), ..PROMPT };
    let quick = Manner { answers_after: seconds(1), ..PROMPT };
    let shares = |routing| {
        let config = BalancerConfig { routing, ..alb() };
        let mut street = Street::new(config, LinkConfig::IDEAL, [slow, quick]);
        let program = async {
            let ten_requests = || async {
                let mut sender = connect().await;
                for _ in 0..10 {
                    assert_eq!(post(&mut sender).await.unwrap().0, StatusCode::OK);
                }
            };
            let clients: Vec<_> = (0..10).map(|_| halfopen_sim::spawn(ten_requests())).collect();
            for client in clients {
                client.await.unwrap();
            }
        };
        street.world.run_on(&street.client, program).unwrap();
        street.served()
    };
    assert_eq!(shares(Routing::RoundRobin), [50, 50]);
    let [slow, quick] = shares(Routing::LeastOutstanding)[..] else { panic!() };
    assert!(quick > 2 * slow, "{slow} and {quick}");
}

#[test]
fn a_target_that_fails_its_checks_gets_nothing_until_it_passes_them_again() {
    let health = HealthCheck {
        path: "/health".into(),
        success: 200,
        interval: seconds(10),
        timeout: seconds(5),
        healthy_after: 2,
        unhealthy_after: 2,
    };
    let ailing = Manner { answers_after: seconds(6), ..PROMPT };
    let config = BalancerConfig { health: Some(health), ..alb() };
    let mut street = Street::new(config, LinkConfig::IDEAL, [ailing, PROMPT]);
    let program = async {
        sleep(seconds(35)).await;
        let mut sender = connect().await;
        for _ in 0..10 {
            assert_eq!(post(&mut sender).await.unwrap().0, StatusCode::OK);
        }
    };
    street.world.run_on(&street.client, program).unwrap();
    assert_eq!(street.served(), [0, 10]);
}

#[test]
fn a_target_is_drained_without_a_request_lost() {
    let slow = Manner { answers_after: seconds(2), ..PROMPT };
    let mut street = Street::new(alb(), LinkConfig::IDEAL, [slow; 2]);
    let at = |at| Instant::EPOCH + seconds(at);
    street.world.command_at(at(5), street.path, 2, Command::Deregister { target: 0 });
    street.world.command_at(at(60), street.path, 2, Command::Register { target: 0 });
    let program = async {
        let mut sender = connect().await;
        for _ in 0..60 {
            assert_eq!(post(&mut sender).await.unwrap().0, StatusCode::OK);
        }
    };
    street.world.run_on(&street.client, program).unwrap();
    assert_eq!(street.statuses(), [200; 60]);
    let [first, second] = street.served()[..] else { panic!() };
    assert!(first < 25 && second > 35, "{first} and {second}");
}

#[test]
fn after_an_hour_a_client_is_told_to_open_another_connection() {
    let mut street = Street::plain();
    let program = async {
        let mut sender = connect().await;
        for request in 0..=72 {
            let post = Request::post("/").header("host", "pay");
            let post = post.body(Full::from("").boxed()).unwrap();
            let response = sender.send_request(post).await.unwrap();
            let close = response.headers()["connection"] == "close";
            assert_eq!(close, request == 72, "request {request}");
            response.into_body().collect().await.unwrap();
            sleep(seconds(50)).await;
        }
        assert!(sender.is_closed());
    };
    street.world.run_on(&street.client, program).unwrap();
}

/// Returns what becomes of a request that comes a pause after the one before: its status, and why
/// the balancer refused it if it did. Each is sent on a connection of its own to the balancer,
/// which has one target, 5 ms away.
fn status_after(pause: Duration, closes_after: Duration) -> (StatusCode, Vec<Refusal>) {
    let link = LinkConfig::delaying(Duration::from_millis(5));
    let manner = Manner { closes_after: Some(closes_after), ..PROMPT };
    let mut street = Street::new(alb(), link, [manner; 2]);
    street.world.command_at(Instant::EPOCH, street.path, 2, Command::Deregister { target: 1 });
    let program = async {
        assert_eq!(post(&mut connect().await).await.unwrap().0, StatusCode::OK);
        sleep(pause).await;
        post(&mut connect().await).await.unwrap().0
    };
    let status = street.world.run_on(&street.client, program).unwrap();
    assert_eq!(street.statuses(), [200, status.as_u16()]);
    let served = if status == StatusCode::OK { 2 } else { 1 };
    assert_eq!(street.served(), [served, 0], "after {pause:?}");
    (status, street.refusals())
}

fn millis_around(timer: Duration) -> impl Iterator<Item = Duration> {
    (0..100)
        .map(move |ms| timer + Duration::from_millis(ms))
        .map(|pause| pause.saturating_sub(Duration::from_millis(75)))
}

#[test]
fn a_target_whose_timer_is_shorter_than_the_balancers_makes_a_502_for_a_round_trip() {
    let timer = seconds(10);
    let raced: Vec<Duration> = millis_around(timer)
        .filter(|&pause| {
            let (status, refusals) = status_after(pause, timer);
            let is_raced = status == StatusCode::BAD_GATEWAY;
            assert!(is_raced || (status == StatusCode::OK && refusals.is_empty()), "{pause:?}");
            assert!(!is_raced || refusals == [Refusal::ClosedByTarget], "{refusals:?}");
            is_raced
        })
        .collect();
    let [first, .., last] = raced[..] else { panic!("{raced:?}") };
    assert_eq!(first + Duration::from_millis(raced.len() as u64 - 1), last, "{raced:?}");
    // The request and the FIN travel for 5 ms each: what is sent in that time passes the other.
    assert!((9..=11).contains(&raced.len()), "{raced:?}");
}

#[test]
fn a_target_whose_timer_is_longer_than_the_balancers_is_never_raced() {
    let timer = seconds(65);
    for pause in millis_around(alb().idle_timeout).chain(millis_around(timer)) {
        assert_eq!(status_after(pause, timer), (StatusCode::OK, Vec::new()), "{pause:?}");
    }
}
