//! The payment module in virtual time, over hosts and packets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use halfopen_billing::payment::Module;
use halfopen_billing::payment::book::Charged;
use halfopen_billing::payment::event::{Closing, EventKind, Journal};
use halfopen_billing::payment::settings::Settings;
use halfopen_billing::storage::Sqlite;
use halfopen_core::rng::Rng;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::World;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

mod charging;
mod crashes;
mod hostile;
mod idling;

const ORDER: &str = r#"{"subscription":"s1","period":"2024-01","amount":990,"currency":"KRW"}"#;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A client and a payment module that reach each other at once.
struct Scene {
    world: World,
    client: Host,
    server: Host,
    module: Module<Arc<Sqlite>>,
    journal: Journal,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let mut world = World::from_seed(1);
        let path = world.add_path(halfopen_core::path::Path::new(Vec::new()));
        let address = |address: &str| [address.parse::<IpAddr>().unwrap()];
        let client = HostConfig::new("client", address("10.0.0.7")).inside(path);
        let server = HostConfig::new("payment", address("10.0.0.8")).outside(path);
        let (client, server) = (world.add_host(client), world.add_host(server));
        let book = Arc::new(Sqlite::in_memory().unwrap());
        let journal = Journal::new(10_000);
        let module = Module::new(book, settings, Rng::new(7), journal.observer()).unwrap();
        let scene = Self { world, client, server, module, journal };
        scene.start();
        scene
    }

    /// Starts the program of the payment module, as an operator does after a crash.
    fn start(&self) {
        start(&self.server, &self.module);
    }

    fn run<F: Future>(&mut self, program: F) -> F::Output {
        self.world.run_on(&self.client, program).unwrap()
    }

    fn charged(&mut self) -> Charged {
        let module = self.module.clone();
        self.run(async move { module.charged().await }).unwrap()
    }

    /// Returns why connections ended.
    fn endings(&self) -> Vec<Closing> {
        let mut endings = Vec::new();
        for event in self.journal.take() {
            if let EventKind::Closed { why, .. } = event.kind {
                endings.push(why);
            }
        }
        endings
    }
}

fn start(server: &Host, module: &Module<Arc<Sqlite>>) {
    let module = module.clone();
    server.spawn(async move {
        let listener = TcpListener::bind("0.0.0.0:8080").await.unwrap();
        module.serve(move |cx| listener.poll_accept(cx)).await;
    });
}

/// A connection of a client that writes its requests by hand.
struct Client {
    stream: TcpStream,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Client {
    async fn connect() -> Self {
        Self { stream: TcpStream::connect("payment:8080").await.unwrap() }
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.write(&format!("GET {path} HTTP/1.1\r\nhost: payment\r\n\r\n")).await;
        self.read().await
    }

    async fn pay(&mut self, key: &str, order: &str) -> Answer {
        self.write(&request(key, order)).await;
        self.read().await
    }

    async fn read(&mut self) -> Answer {
        self.try_read().await.expect("an answer, and not the connection's end")
    }

    /// Reads an answer, or returns `None` at a FIN before it.
    async fn try_read(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if self.stream.read(&mut byte).await.unwrap() == 0 {
                assert_eq!(String::from_utf8_lossy(&head), "", "half an answer");
                return None;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        let status = head[9..12].parse().unwrap();
        Some(Answer { status, head, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// Waits for the FIN and returns how long it took.
    async fn closed(&mut self) -> Duration {
        let since = Instant::now();
        assert_eq!(self.stream.read(&mut [0; 64]).await.unwrap(), 0, "there is more to read");
        since.elapsed()
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn request(key: &str, order: &str) -> String {
    let length = order.len();
    format!(
        "POST /payments HTTP/1.1\r\nhost: payment\r\ncontent-type: application/json\r\n\
         idempotency-key: {key}\r\ncontent-length: {length}\r\n\r\n{order}"
    )
}
