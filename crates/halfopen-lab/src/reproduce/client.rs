//! The client's requests: bursts over the pool that ships.

use core::sync::atomic::{AtomicU32, Ordering};
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::scenario::Bursts;
use halfopen_core::time::Instant;
use halfopen_pool::client::Client;
use halfopen_pool::error::Error;

use crate::reproduce::accounts::Accounts;
use crate::reproduce::machine::Machine;
use crate::reproduce::request::Outcome;

/// Requests that a client begins together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    /// When.
    pub(crate) at: Instant,
    /// How many; they take turns if fewer may be under way at a time.
    pub(crate) requests: u32,
}

/// What bursts ask a payment module for.
pub(super) const PAYMENTS: Bursts = Bursts {
    starts: Vec::new(),
    requests: 1,
    at_once: 1,
    // A payment is as it is.
    method: String::new(),
    idempotency_key: true,
    request_bytes: 0,
};

/// Runs bursts, which come in the order of time, each as a program of its own: one that hangs holds
/// up no other.
pub(crate) async fn run(
    machine: impl Machine,
    bursts: impl Iterator<Item = Burst>,
    (config, pays): (Bursts, bool),
    pool: Client,
    server: SocketAddr,
    accounts: Accounts,
) {
    let clock = machine.clock();
    let at_once = config.at_once;
    let client = Arc::new(Sender { config, pays, pool, server, accounts });
    let mut before = 0_u32;
    for (number, burst) in (1..).zip(bursts) {
        clock.sleep_until(burst.at).await;
        let turns =
            Arc::new(Turns { burst: number, before, last: burst.requests, taken: 0.into() });
        before = before.saturating_add(burst.requests);
        for _ in 0..at_once.min(burst.requests) {
            machine.start(Arc::clone(&client).work(Arc::clone(&turns)));
        }
    }
    // The program lives on after its last burst, and so does its pool.
    core::future::pending::<()>().await;
}

/// Returns the bursts of a scenario.
pub(super) fn bursts(config: &Bursts) -> impl Iterator<Item = Burst> + use<> {
    let requests = config.requests;
    let starts = config.starts.clone().into_iter();
    starts.map(move |start| Burst { at: Instant::EPOCH + start, requests })
}

/// Whose turn it is in a burst.
struct Turns {
    burst: u32,
    /// The number of the last request before the burst.
    before: u32,
    /// The last turn.
    last: u32,
    taken: AtomicU32,
}

impl Turns {
    /// Returns the number of the request whose turn it is.
    fn next(&self) -> Option<u32> {
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        (turn < self.last).then(|| self.before.saturating_add(turn + 1))
    }
}

/// Sends requests over a pool, and writes down what becomes of them.
pub(crate) struct Sender {
    pub(crate) config: Bursts,
    /// Whether a payment module answers.
    pub(crate) pays: bool,
    pub(crate) pool: Client,
    pub(crate) server: SocketAddr,
    pub(crate) accounts: Accounts,
}

impl Sender {
    /// Sends a request, and returns when its response was read or will not come.
    pub(crate) async fn send(&self, burst: u32, number: u32) {
        let sending = self.request(number);
        let (place, answer) = self.accounts.of((burst, number), sending).await;
        self.accounts.close(place, outcome(&answer));
    }

    /// Sends requests of a burst, one after the other, as long as it has some.
    async fn work(self: Arc<Self>, turns: Arc<Turns>) {
        while let Some(number) = turns.next() {
            self.send(turns.burst, number).await;
        }
    }

    async fn request(&self, number: u32) -> Result<(), Error> {
        let request = if self.pays {
            self.accounts.name(number);
            order(self.server, number)
        } else {
            message(&self.config, self.server, number)
        };
        let response = self.pool.send(request).await?;
        response.into_body().bytes().await.map(drop)
    }
}

/// Returns a payment of its own.
fn order(server: SocketAddr, number: u32) -> http::Request<Vec<u8>> {
    let body = format!(
        r#"{{"subscription":"arrivals","period":"{number}","amount":990,"currency":"EUR"}}"#
    );
    http::Request::post(format!("http://{server}/payments"))
        .header("content-type", "application/json")
        .header("idempotency-key", format!("\"{}\"", key(number)))
        .body(body.into_bytes())
        .expect("an address and a number make a URI and headers")
}

/// Returns the idempotency key of a request.
pub(super) fn key(number: u32) -> String {
    format!("request-{number}")
}

/// Returns a request of about as many bytes as the scenario says.
fn message(config: &Bursts, server: SocketAddr, number: u32) -> http::Request<Vec<u8>> {
    /// Of a request's bytes, what hyper writes before the body.
    const HEAD: u32 = 110;
    let request = http::Request::builder()
        .method(config.method.as_str())
        .uri(format!("http://{server}/pay"))
        .header(super::message::NUMBER, number);
    let request = if config.idempotency_key {
        request.header("idempotency-key", key(number))
    } else {
        request
    };
    let has_body = !matches!(config.method.as_str(), "GET" | "DELETE");
    let length = if has_body { config.request_bytes.saturating_sub(HEAD) } else { 0 };
    let body = vec![b'x'; length as usize];
    request.body(body).expect("a method, a URI and headers that the scenario has checked")
}

/// Returns how a request ended that got this answer.
pub(super) fn outcome<T>(answer: &Result<T, Error>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Answered,
        Err(Error::NotConnected { source, .. }) => Outcome::NoConnection(source.kind()),
        Err(Error::NoTurn { .. }) => Outcome::NoConnection(std::io::ErrorKind::WouldBlock),
        Err(Error::Broken(broken)) => super::accounts::outcome(broken.failure),
        Err(Error::Unsendable(_) | Error::ShutDown) => Outcome::Unfinished,
    }
}
