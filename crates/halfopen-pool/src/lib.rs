//! An HTTP client that knows its path.
//!
//! It is an ordinary client with a pool of connections, except that it counts idle time on the
//! wire, learns from its first failure how long the path remembers an idle connection, and sends a
//! request again only where that is safe; else its error says whether the request may have been
//! processed.
//!
//! ```
//! use std::time::Duration;
//!
//! use halfopen_pool::Client;
//! use http::Request;
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let payments = format!("http://{}", listener.local_addr()?);
//! # tokio::spawn(async move {
//! #     let (mut stream, _) = listener.accept().await.unwrap();
//! #     let mut buffer = [0; 4_096];
//! #     while stream.read(&mut buffer).await.unwrap() > 0 {
//! #         let response = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npaid";
//! #         stream.write_all(response).await.unwrap();
//! #     }
//! # });
//! let client = Client::builder()
//!     .connect_timeout(Duration::from_secs(1))
//!     .read_timeout(Duration::from_secs(10))
//!     .max_per_host(5)
//!     .build()?;
//!
//! let charge = Request::post(format!("{payments}/payments"))
//!     .header("Idempotency-Key", "subscription-7/2024-05")
//!     .body("{\"amount\": 9900}")?;
//! match client.send(charge).await {
//!     Ok(response) => assert_eq!(response.into_body().bytes().await?, "paid"),
//!     Err(error) => println!("{error}; processed: {:?}", error.processed()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`client`] is the client, [`connect`] where its connections come from, [`body`] what it sends,
//! [`error`] what it says when there is no response, and [`wirelog`] its diary. It is a
//! [`tower_service::Service`] too, and runs on any sockets, timer and executor that
//! [`Builder`](client::Builder) is given; with the feature `tokio`, which is on by default, on
//! tokio's. The feature `tls` adds `https` through rustls, `metrics` the events for Prometheus,
//! `http2` connections that carry many requests and are asked by PING before they are used again.
//!
//! The pure half decides and has no clock, no I/O and no async:
//!
//! | module | what is in it |
//! |---|---|
//! | [`policy`] | when a connection may be used again, and what is sent again: data |
//! | [`preset`] | the policy of a client that `clients/` describes |
//! | [`name`] | what paths and connections are called |
//! | [`idle`] | for how long a connection was quiet, by the clock that counts |
//! | [`turn`] | who may use a connection next, when there may be no more |
//! | [`shelf`] | where idle connections wait |
//! | [`ledger`] | which pauses a path's connections survived, and which they died of |
//! | [`retry`] | whether a request that failed may go out again |
//! | [`event`] | what the pool tells of itself |
//!
//! # A request's way through the pure half
//!
//! ```
//! use halfopen_core::time::{Duration, Instant};
//! use halfopen_pool::idle::{Wire, WireIdle};
//! use halfopen_pool::ledger::{Ledger, LedgerConfig, Outcome};
//! use halfopen_pool::name::{ConnectionId, PathName};
//! use halfopen_pool::policy::Policy;
//! use halfopen_pool::shelf::{Idle, Shelf, Take};
//! use halfopen_pool::turn::{Asked, Turnstile};
//!
//! #[derive(Debug)]
//! struct Connection; // a socket; the kernel's TCP_INFO would answer here
//! impl Wire for Connection {
//!     fn wire_idle(&self) -> Option<WireIdle> {
//!         None
//!     }
//! }
//!
//! let policy = Policy::learning();
//! let mut turns = Turnstile::new(&policy);
//! let mut shelf = Shelf::new(&policy, 1);
//! let mut ledger = Ledger::new(LedgerConfig::default());
//! let path = PathName::to("http://payments.internal:8080");
//! let at = |secs| Instant::EPOCH + Duration::from_secs(secs);
//! let wall = |secs: i64| jiff::Timestamp::new(1_700_000_000 + secs, 0).expect("within range");
//!
//! // A turn, and nothing on the shelf: room is made, and a connection opened.
//! assert_eq!(turns.ask(at(0), &path), Asked::Turn);
//! assert!(matches!(shelf.take(at(0), &path), Take::Nothing));
//! shelf.make_room(at(0), &path, turns.in_use(&path));
//!
//! // After the response it goes on the shelf, and the turn is given back.
//! let (id, connection) = (ConnectionId(1), Connection);
//! let idle =
//!     Idle { id, path: path.clone(), since: at(1), born: at(0), hint: None, connection };
//! shelf.put(at(1), idle, ledger.cap(wall(1), &path));
//! turns.done(at(1), &path);
//!
//! // The next request uses it – and is met with a reset.
//! assert_eq!(turns.ask(at(1_201), &path), Asked::Turn);
//! let Take::Use(taken) = shelf.take(at(1_201), &path) else { panic!("nothing forbids its use") };
//! assert_eq!(taken.quiet, WireIdle::unprobed(Duration::from_secs(1_200)));
//! let lesson = ledger.record(wall(1_201), &path, taken.quiet, Outcome::ResetOnUse);
//!
//! // What was learnt goes to the shelf before anybody else takes from it. `retry::may_retry` says
//! // whether this request may go out again.
//! lesson.siblings.into_iter().for_each(|which| shelf.discard_siblings(at(1_201), &path, which));
//! shelf.heed(at(1_201), &path, lesson.after);
//! turns.done(at(1_201), &path);
//! assert!(lesson.after.strictest() < Some(Duration::from_secs(1_200)));
//! ```
//!
//! After every call the outputs of [`shelf::Shelf`] and [`turn::Turnstile`] are drained, and a
//! timer is set to the earlier of their `poll_timeout`s.

pub mod body;
pub mod client;
pub mod connect;
pub mod error;
pub mod event;
pub mod idle;
pub mod ledger;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod name;
pub mod policy;
pub mod preset;
pub mod retry;
pub mod shelf;
#[cfg(feature = "tls")]
pub mod tls;
pub mod turn;
pub mod wirelog;

mod clock;
mod http1;
#[cfg(feature = "http2")]
mod http2;
mod paths;
mod stream;

pub use client::Client;
