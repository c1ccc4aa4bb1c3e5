//! The pool with a client's policy, held against what that client was seen to do.
//!
//! As where the clients were tried, the server answers the first request, ends the connection in
//! one of four ways, and counts how often the second request comes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use halfopen_core::client::{Client, Ending, Outcome};
use halfopen_core::gateway::Gateway;
use halfopen_core::hop::Hop;
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::profile::Profile;
use halfopen_lab::connect::{SimConnector, SimExecutor};
use halfopen_pool::body::Body;
use halfopen_pool::client::Client as Pool;
use halfopen_pool::error::Error;
use halfopen_pool::policy::{Keep, Policy, Reuse};
use halfopen_sim::host::HostConfig;
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::{PathId, World};
use http::{Method, Request, StatusCode};
use hyper_util::rt::TokioTimer;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

const FIRST: &str = "/first";
const SECOND: &str = "/second";

/// Shorter than any client's limit of idleness, so that what is met is the ending.
const SHORT: Duration = Duration::from_secs(1);
/// When the server ends the connection, if it does so in that pause.
const WITHIN: Duration = Duration::from_millis(500);
/// Longer than the AWS NAT gateway remembers.
const LONG: Duration = Duration::from_secs(351);

#[test]
fn a_pool_with_a_clients_policy_does_what_the_client_was_seen_to_do() {
    let mut offences = Vec::new();
    for client in clients() {
        for (&ending, seen) in &client.measured {
            let trial = Trial {
                policy: Policy::from(&client),
                pause: SHORT,
                ending: Some(ending),
                gateway: None,
            };
            let done = [Method::GET, Method::POST].map(|method| trial.second_request(&method));
            let as_seen = done == [seen.get, seen.post];
            if as_seen == seen.differs.is_some() {
                offences.push(format!(
                    "{}, {ending}: GET {}, POST {} and not GET {}, POST {}; said to differ: {:?}",
                    client.name, done[0], done[1], seen.get, seen.post, seen.differs
                ));
            }
        }
    }
    assert!(offences.is_empty(), "{offences:#?}");
}

#[test]
fn behind_a_gateway_that_forgot_the_same_requests_fail_and_none_is_seen_twice() {
    let once = |outcome| match outcome {
        Outcome::Ok | Outcome::OkResent => Outcome::Ok,
        Outcome::Fails => Outcome::Fails,
    };
    for client in clients() {
        let Some(seen) = client.measured.get(&Ending::ResetOnData) else { continue };
        let policy = without_a_limit(Policy::from(&client));
        let trial = Trial { policy, pause: LONG, ending: None, gateway: Some(aws()) };
        for (method, seen) in [(Method::GET, seen.get), (Method::POST, seen.post)] {
            assert_eq!(trial.second_request(&method), once(seen), "{} {method}", client.name);
        }
    }
}

#[test]
fn a_client_whose_limit_is_below_the_gateways_does_not_meet_it() {
    for name in ["apache-httpclient-5", "curl", "okhttp", "python-httpx", "ureq"] {
        let policy = Policy::from(&Client::shipped(name).unwrap());
        let trial = Trial { policy, pause: LONG, ending: None, gateway: Some(aws()) };
        assert_eq!(trial.second_request(&Method::POST), Outcome::Ok, "{name}");
    }
}

#[test]
fn a_client_that_probes_keeps_the_gateways_memory_awake() {
    for name in ["go-net-http", "node-http-agent", "reqwest", "undici"] {
        let policy = Policy::from(&Client::shipped(name).unwrap());
        assert!(policy.keepalive.is_some(), "{name}");
        let policy = Policy { keepalive: policy.keepalive, ..without_a_limit(policy) };
        let trial = Trial { policy, pause: LONG, ending: None, gateway: Some(aws()) };
        assert_eq!(trial.second_request(&Method::POST), Outcome::Ok, "{name}");
    }
}

fn aws() -> Profile {
    Profile::shipped("aws-nat-gateway").unwrap()
}

fn clients() -> impl Iterator<Item = Client> {
    Client::names().map(|name| Client::shipped(name).unwrap())
}

/// Returns the policy of somebody who lets connections be idle for ever and probes none.
fn without_a_limit(policy: Policy) -> Policy {
    let reuse = match policy.reuse {
        Reuse::Never => Reuse::Never,
        Reuse::Kept(keep) => Reuse::Kept(Keep { idle_max: None, ..keep }),
    };
    Policy { reuse, keepalive: None, ..policy }
}

/// Two requests with a pause between.
struct Trial {
    policy: Policy,
    pause: Duration,
    /// How the server ends its first connection, if it does.
    ending: Option<Ending>,
    /// What stands on the path.
    gateway: Option<Profile>,
}

impl Trial {
    /// Returns what becomes of the second request.
    fn second_request(&self, method: &Method) -> Outcome {
        let mut world = World::from_seed(1);
        let path = self.path(&mut world);
        let near = HostConfig::new("client", [IpAddr::from([10, 0, 0, 7])]).inside(path);
        let near = world.add_host(near);
        let far = HostConfig::new("server", [IpAddr::from([198, 51, 100, 2])]).outside(path);
        let far = world.add_host(far);

        let seen = Arc::new(AtomicU32::new(0));
        far.spawn(serve(self.ending, Arc::clone(&seen)));
        let answered = world.run_on(&near, async {
            let pool = Pool::builder()
                .policy(self.policy.clone())
                .connector(SimConnector::new(near.clone()))
                .executor(SimExecutor::new(near.clone()))
                .timer(TokioTimer::new())
                .wall_clock(|| Timestamp::UNIX_EPOCH)
                .build()
                .expect("all that it needs is given");
            send(&pool, method, FIRST).await.expect("the first request is answered");
            sleep(self.pause).await;
            send(&pool, method, SECOND).await
        });
        match (answered.unwrap(), seen.load(Ordering::Relaxed)) {
            (Ok(()), 1) => Outcome::Ok,
            (Ok(()), 2) => Outcome::OkResent,
            (Err(_), _) => Outcome::Fails,
            (Ok(()), times) => panic!("the server saw the request {times} times"),
        }
    }

    /// Lays a path of 5 ms each way through the gateway.
    fn path(&self, world: &mut World) -> PathId {
        let mut row: Vec<Box<dyn Hop>> = Vec::new();
        if let Some(gateway) = &self.gateway {
            let config = gateway.gateway(vec![IpAddr::from([203, 0, 113, 1])]).unwrap();
            row.push(Box::new(Gateway::new(config, world.fork_rng()).unwrap()));
        }
        let delay = LinkConfig::delaying(Duration::from_millis(5));
        row.push(Box::new(Link::new(delay, world.fork_rng())));
        world.add_path(Path::new(row))
    }
}

/// Sends a request, a POST with a body, and reads the answer to its end.
async fn send(pool: &Pool, method: &Method, path: &str) -> Result<(), Error> {
    let body = if *method == Method::POST { Body::from("ten won") } else { Body::empty() };
    let uri = format!("http://server{path}");
    let request = Request::builder().method(method).uri(uri).body(body).unwrap();
    let response = pool.send(request).await?;
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().bytes().await.expect("the answer is whole");
    Ok(())
}

/// Answers requests, ends its first connection as `ending` says, and counts second requests.
async fn serve(mut ending: Option<Ending>, seen: Arc<AtomicU32>) {
    let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        halfopen_sim::spawn(connection(stream, ending.take(), Arc::clone(&seen)));
    }
}

/// Serves one connection and ends it as `ending` says, if it says anything.
async fn connection(mut stream: TcpStream, ending: Option<Ending>, seen: Arc<AtomicU32>) {
    while let Some(path) = request(&mut stream).await {
        if path == SECOND {
            seen.fetch_add(1, Ordering::Relaxed);
            match ending {
                Some(Ending::ResetOnData) => return stream.abort().unwrap(),
                Some(Ending::FinOnData) => return,
                Some(Ending::FinWhileIdle | Ending::ResetWhileIdle) | None => {}
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        match ending {
            Some(Ending::FinWhileIdle) => return sleep(WITHIN).await,
            Some(Ending::ResetWhileIdle) => {
                sleep(WITHIN).await;
                return stream.abort().unwrap();
            }
            Some(Ending::ResetOnData | Ending::FinOnData) | None => {}
        }
    }
}

/// Reads a request and returns its path; `None` if the client is done.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return head.split(' ').nth(1).map(str::to_owned);
            }
        }
        // A connection that breaks is the client's to judge.
        if matches!(stream.read_buf(&mut bytes).await, Ok(0) | Err(_)) {
            return None;
        }
    }
}
