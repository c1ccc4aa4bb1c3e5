//! The client over simulated paths, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future, io};

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::Hop;
use halfopen_core::idle::{IdlePolicy, OnOrphan};
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::tcp::Keepalive;
use halfopen_pool::client::{Builder, Client};
use halfopen_pool::connect::{Connect, Delivery, Destination, Transport};
use halfopen_pool::event::{Event, Tally};
use halfopen_pool::policy::Policy;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::World;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

mod abandoned;
mod handover;
mod hostile;
#[cfg(feature = "http2")]
mod http2;
mod limits;
mod memory;
mod notice;
mod paths;
mod retries;
mod reuse;

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const URI: &str = "http://server:8080/pay";

/// Connects from a host of a world.
struct FromHost(Host);

impl Connect for FromHost {
    type Transport = Simulated;

    async fn connect(&self, to: &Destination) -> io::Result<Simulated> {
        let stream = self.0.connect((&*to.host, to.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Simulated(TokioIo::new(stream)))
    }
}

/// A connection of a world.
struct Simulated(TokioIo<TcpStream>);

impl Transport for Simulated {
    fn local_addr(&self) -> Option<SocketAddr> {
        self.0.inner().local_addr().ok()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.inner().peer_addr().ok()
    }

    fn delivery(&self) -> Option<Delivery> {
        let info = self.0.inner().info().ok()?;
        Some(match info.unacknowledged {
            0 => Delivery::Acknowledged,
            1.. => Delivery::Outstanding { timeouts: info.timeouts },
        })
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.0.inner().set_keepalive(keepalive)
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.inner().set_user_timeout(timeout)
    }
}

impl Read for Simulated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Simulated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A client and a server with a gateway between that remembers for 350 seconds, and five
/// milliseconds each way.
struct Scene {
    world: World,
    client: Host,
    server: Host,
    tally: Arc<Mutex<Tally>>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Scene {
    fn new(on_orphan_inside: OnOrphan) -> Self {
        let mut world = World::from_seed(1);
        let mut idle = IdlePolicy { on_orphan_inside, ..IdlePolicy::RFC };
        idle.timers.tcp_established = Some(seconds(350));
        let config = GatewayConfig::nat(ip("203.0.113.1"), idle);
        let gateway = Gateway::new(config, world.fork_rng()).unwrap();
        let link = Link::new(LinkConfig::delaying(Duration::from_millis(5)), world.fork_rng());
        let hops: Vec<Box<dyn Hop>> = vec![Box::new(gateway), Box::new(link)];
        let path = world.add_path(Path::new(hops));
        let client = world.add_host(HostConfig::new("client", [ip("10.0.0.7")]).inside(path));
        let server = world.add_host(HostConfig::new("server", [ip("198.51.100.2")]).outside(path));
        Self { world, client, server, tally: Arc::default(), events: Arc::default() }
    }

    /// Returns a builder of clients on the client's host that counts what happens.
    fn builder(&self, policy: Policy) -> Builder {
        let (tally, events) = (Arc::clone(&self.tally), Arc::clone(&self.events));
        Client::builder().policy(policy).connector(FromHost(self.client.clone())).watch(
            move |event: &Event| {
                tally.lock().unwrap().count(event);
                events.lock().unwrap().push(event.clone());
            },
        )
    }

    /// Runs a program on the client's host.
    fn run<T: Send + 'static>(&mut self, program: impl Future<Output = T> + Send + 'static) -> T {
        self.world.run_on(&self.client, program).unwrap()
    }

    fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Serves each connection to port 8080 by `serve`, with its number.
    fn listen<F>(&self, serve: impl Fn(usize, TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        self.server.spawn(async move {
            let listener = TcpListener::bind("0.0.0.0:8080").await.unwrap();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let served = serve(number, stream);
                halfopen_sim::spawn(async move {
                    // A connection that breaks is the client's to judge.
                    let _broken = served.await;
                });
            }
        });
    }

    /// Answers each request with `response`, on any number of connections. Returns the requests
    /// that came.
    fn answer(&self, response: &'static str) -> Arc<Mutex<Vec<String>>> {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        self.listen(move |_, mut stream| {
            let seen = Arc::clone(&seen);
            async move {
                while let Some(request) = read_request(&mut stream).await? {
                    seen.lock().unwrap().push(request);
                    stream.write_all(response.as_bytes()).await?;
                }
                Ok(())
            }
        });
        requests
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npaid";

/// Reads a request with a body of known length. `None`: there is no further one.
async fn read_request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Ok(Some(text));
            }
        }
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(None);
        }
        request.extend_from_slice(&buffer[..length]);
    }
}

/// Sends a GET and reads what comes.
async fn get(client: &Client) -> Result<bytes::Bytes, halfopen_pool::error::Error> {
    client.get(URI).await?.into_body().bytes().await
}

/// Sends a POST and reads what comes.
async fn post(client: &Client) -> Result<bytes::Bytes, halfopen_pool::error::Error> {
    client.post(URI, "10 won").await?.into_body().bytes().await
}

/// Waits for ever.
async fn never<T>() -> T {
    future::pending().await
}
