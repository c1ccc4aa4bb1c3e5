//! A world in virtual time in which ordinary tokio code talks over real TCP/IP packets.
//!
//! Hosts run programs: any `async` code that uses `tokio::time`, and [`net::TcpStream`] and
//! [`net::TcpListener`] where it would use tokio's. What programs write travels as packets through
//! a [`Path`](halfopen_core::path::Path) of hops – NAT gateways, firewalls, links – between TCP
//! endpoints with Linux's timers. Time passes only when every program waits, so a pause of hours
//! takes microseconds, and everything comes from one seed.
//!
//! This is not a load generator and no sandbox: programs run in the thread that runs the world,
//! take no virtual time, and can do to the machine what any code can. The invariant: while one
//! program can run, no clock moves and no packet does.
//!
//! # In tests of your own
//!
//! A client behind a gateway as AWS documents its own keeps a connection for longer than the
//! gateway does:
//!
//! ```
//! # use std::io::ErrorKind;
//! use std::time::Duration;
//!
//! use halfopen_core::{gateway::Gateway, path::Path, profile::Profile};
//! use halfopen_sim::host::HostConfig;
//! use halfopen_sim::net::{TcpListener, TcpStream};
//! use halfopen_sim::world::World;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut world = World::from_seed(7);
//!
//! let profile = Profile::shipped("aws-nat-gateway").expect("a profile that ships");
//! let config = profile.gateway(vec![[203, 0, 113, 1].into()]).expect("it is a gateway");
//! let gateway = Gateway::new(config, world.fork_rng())?;
//! let path = world.add_path(Path::new(vec![Box::new(gateway)]));
//! let client = HostConfig::new("client", [[10, 0, 0, 7].into()]).inside(path);
//! let client = world.add_host(client);
//! let server = HostConfig::new("server", [[198, 51, 100, 2].into()]).outside(path);
//! let server = world.add_host(server);
//!
//! server.spawn(async {
//!     let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
//!     let (mut stream, _) = listener.accept().await.unwrap();
//!     let (mut read, mut write) = stream.split();
//!     tokio::io::copy(&mut read, &mut write).await
//! });
//!
//! let error = world.run_on(&client, async {
//!     let mut stream = TcpStream::connect("server:80").await.unwrap();
//!     let mut reply = [0; 4];
//!     stream.write_all(b"ping").await.unwrap();
//!     stream.read_exact(&mut reply).await.unwrap();
//!
//!     tokio::time::sleep(Duration::from_secs(351)).await;
//!     stream.write_all(b"ping").await.unwrap();
//!     stream.read_exact(&mut reply).await.unwrap_err()
//! })?;
//! assert_eq!(error.kind(), ErrorKind::ConnectionReset);
//!
//! // What the gateway did: it remembered the flow, forgot it, and reset who went on.
//! for occurrence in world.take_events() {
//!     println!("{:?} {:?}", occurrence.event.at, occurrence.event.kind);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! To see the packets, put a [capture](world::World::capture) anywhere on the path. hyper runs over
//! `hyper_util::rt::TokioIo::new(stream)` as it does over tokio's streams. Code that is to run here
//! and outside takes its streams from who calls it: as `impl AsyncRead + AsyncWrite`, or from a
//! connector, which holds a [`Host`](host::Host) here.
//!
//! # Same seed, same bytes
//!
//! Two runs of one seed put out the same packets at the same nanoseconds, and so the same captures,
//! byte for byte, as long as programs do not bring chance of their own. They do with
//!
//! * `tokio::select!` without `biased;`, which polls its branches in random order. tokio takes a
//!   seed for that only if everything is compiled with `RUSTFLAGS="--cfg tokio_unstable"`; a world
//!   then gives it its own. Even so the order belongs to one version of tokio and of the compiler.
//! * the iteration order of `HashMap` and `HashSet` with std's hasher.
//! * what they ask the real machine: `std::time`, files, threads, environment.
//!
//! # What is different from a machine
//!
//! * A task of `tokio::spawn` does not inherit its spawner's host. It can use sockets that it was
//!   given; to make one it needs [`spawn`] or [`Host::connect`](host::Host::connect).
//! * `spawn_blocking`, threads and real I/O wait in real time, and when they are done is up to the
//!   machine. The runtime has no I/O driver, so `tokio::net` panics.
//! * A program that never waits stops time for all.
//! * `std::time::Instant` shows real time; `tokio::time::Instant` shows the world's. Programs must
//!   leave `tokio::time::{pause, resume, advance}` alone.
//! * tokio's timers stand on whole milliseconds, rounded up; packets on nanoseconds.
//! * Names are those of the world's hosts, and resolving takes no time. There are no UDP sockets.
//! * [`Host::kill`](host::Host::kill) ends programs as `kill -9` does, but what a task does when it
//!   is dropped still happens.
//! * A host's TCP is [`halfopen_core::tcp`], with the limits that it names. Hosts at the same end
//!   of a path reach each other at once, without passing a hop.

pub mod host;
pub mod net;
pub mod trace;
pub mod world;

mod clock;
mod stage;

pub use host::spawn;
