//! What a capture at the client shows of connections that end, and of hints.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_capture::frame::network_layer;
use halfopen_capture::pcap;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::Flags;

/// What a capture at the client shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// The FINs and resets that reached the client on connections that it had not closed, in the
    /// order of time. What was sent again counts once.
    pub farewells: Vec<Farewell>,
    /// The time in the last `Keep-Alive` hint.
    pub hint: Option<Duration>,
    /// The time to live of the server's last data as it arrived.
    pub server_ttl: Option<u8>,
}

/// A FIN or a reset that reached the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// When.
    pub at: Instant,
    /// The client's end.
    pub connection: SocketAddr,
    /// Whether it is a reset.
    pub reset: bool,
    /// For how long neither end had sent data.
    pub idle: Duration,
    /// Its time to live as it arrived.
    pub ttl: u8,
}

/// A connection so far.
#[derive(Default)]
struct Connection {
    last_data: Option<Instant>,
    over: bool,
}

impl Glimpse {
    /// Reads a capture that the simulator wrote at the client, of a run that began at that UNIX
    /// time.
    pub(super) fn of(capture: &[u8], server: SocketAddr, began: Duration) -> Self {
        let mut reader = pcap::Reader::new(capture).expect("the simulator writes whole files");
        let mut glimpse = Self::default();
        let mut connections: BTreeMap<SocketAddr, Connection> = BTreeMap::new();
        while let Some(frame) = reader.next().expect("the simulator writes whole files") {
            let ip = network_layer(frame.link, frame.bytes, frame.wire_len).ok();
            let view = ip.and_then(|ip| View::parse(ip.bytes, ip.wire_len).ok());
            let Some((view, at)) = view.zip(frame.at) else { continue };
            let Some(tcp) = view.tcp() else { continue };
            let at = Instant::EPOCH + at.saturating_since(Instant::EPOCH + began);
            let (src, dst) = (
                SocketAddr::new(view.src(), tcp.src_port),
                SocketAddr::new(view.dst(), tcp.dst_port),
            );
            let outward = dst == server;
            let end = if outward { src } else { dst };
            if tcp.flags.has(Flags::SYN) && outward {
                connections.insert(end, Connection::default());
            }
            let connection = connections.entry(end).or_default();
            let payload = view.payload();
            if !outward && !payload.is_empty() {
                glimpse.hint = hint(payload).or(glimpse.hint);
                glimpse.server_ttl = Some(view.ttl());
            }
            let last = connection.last_data.unwrap_or(at);
            let reset = tcp.flags.has(Flags::RST);
            if reset || tcp.flags.has(Flags::FIN) {
                if !outward && !connection.over {
                    let idle = at.saturating_since(last);
                    let ttl = view.ttl();
                    glimpse.farewells.push(Farewell { at, connection: end, reset, idle, ttl });
                }
                connection.over = true;
            }
            if !payload.is_empty() {
                connection.last_data = Some(at);
            }
        }
        glimpse
    }

    /// Returns after how long without data each FIN came.
    pub fn closed_idle(&self) -> impl Iterator<Item = Duration> {
        self.farewells.iter().filter(|farewell| !farewell.reset).map(|farewell| farewell.idle)
    }

    /// Returns the resets.
    pub fn resets(&self) -> impl Iterator<Item = &Farewell> {
        self.farewells.iter().filter(|farewell| farewell.reset)
    }
}

/// Returns the time in the `Keep-Alive` field of a response, as the programs here write it.
fn hint(payload: &[u8]) -> Option<Duration> {
    let text = String::from_utf8_lossy(payload).to_ascii_lowercase();
    let field = text.lines().find_map(|line| line.strip_prefix("keep-alive:"))?;
    let time = field.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    time.parse().ok().map(Duration::from_secs)
}
