//! Two hosts and a network between them, in virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;

/// What the network does to packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) delay: Duration,
    /// Up to how much longer a packet may take, so that packets overtake each other.
    pub(super) jitter: Duration,
    pub(super) loss: f64,
    pub(super) duplication: f64,
}

impl Weather {
    pub(super) const FAIR: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
    };
    pub(super) const INSTANT: Self = Self { delay: Duration::ZERO, ..Self::FAIR };
    pub(super) const BLACK_HOLE: Self = Self { loss: 1.0, ..Self::INSTANT };
}

/// A packet as somebody between the hosts sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Duration,
    pub(super) from_client: bool,
    pub(super) packet: Packet,
}

/// A client and a server.
pub(super) struct Network {
    pub(super) now: Instant,
    pub(super) client: Host,
    pub(super) server: Host,
    pub(super) weather: Weather,
    /// All that was sent, also what was lost.
    pub(super) seen: Vec<Seen>,
    pub(super) events: Vec<(Duration, bool, Event)>,
    pub(super) delivered_to_client: Vec<(Instant, Packet)>,
    pub(super) client_output: Vec<Output>,
    rng: Rng,
    on_the_way: BTreeMap<(Instant, u64), (bool, Packet)>,
    sent: u64,
}

pub(super) const CLIENT: &str = "10.0.0.1";
pub(super) const SERVER: &str = "10.0.0.2";

pub(super) fn server() -> SocketAddr {
    format!("{SERVER}:80").parse().unwrap()
}

pub(super) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(super) fn linux(address: &str) -> Config {
    Config::linux(vec![address.parse().unwrap()])
}

impl Network {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        Self::with(seed, weather, linux(CLIENT), linux(SERVER))
    }

    pub(super) fn with(seed: u64, weather: Weather, client: Config, server: Config) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            now: Instant::EPOCH,
            client: Host::new(client, rng.fork()),
            server: Host::new(server, rng.fork()),
            weather,
            seen: Vec::new(),
            events: Vec::new(),
            delivered_to_client: Vec::new(),
            client_output: Vec::new(),
            rng,
            on_the_way: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Connects; returns the client's and the server's end.
    pub(super) fn open(&mut self) -> (ConnectionId, ConnectionId) {
        let listener = self.server.listen(server(), 16).unwrap();
        let client = self.client.connect(self.now, None, server()).unwrap();
        for _ in 0..1_000 {
            self.run_for(Duration::from_millis(100));
            if let Some(accepted) = self.server.accept(listener) {
                return (client, accepted);
            }
        }
        panic!("the connection does not open");
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now.saturating_since(Instant::EPOCH)
    }

    pub(super) fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    pub(super) fn run_until(&mut self, end: Instant) {
        self.collect();
        while let Some(next) = self.next_step().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.step();
        }
        self.now = end;
    }

    /// Runs until nothing more will happen, or until `limit` from now.
    pub(super) fn settle(&mut self, limit: Duration) {
        let end = self.now + limit;
        self.collect();
        while let Some(next) = self.next_step().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.step();
        }
    }

    fn next_step(&self) -> Option<Instant> {
        let arrival = self.on_the_way.keys().next().map(|(at, _)| *at);
        [self.client.poll_timeout(), self.server.poll_timeout(), arrival]
            .into_iter()
            .flatten()
            .min()
    }

    fn step(&mut self) {
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.collect();
        for host in [&self.client, &self.server] {
            assert!(host.poll_timeout().is_none_or(|at| at > self.now), "no progress");
        }
        let due = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= self.now);
        if let Some((from_client, packet)) =
            due.map(std::collections::btree_map::OccupiedEntry::remove)
        {
            if !from_client {
                self.delivered_to_client.push((self.now, packet.clone()));
            }
            let to = if from_client { &mut self.server } else { &mut self.client };
            to.handle_packet(self.now, packet);
            self.collect();
        }
    }

    /// Takes what the hosts have to say.
    pub(super) fn collect(&mut self) {
        for from_client in [true, false] {
            loop {
                let host = if from_client { &mut self.client } else { &mut self.server };
                let Some(output) = host.poll_output() else { break };
                if from_client {
                    self.client_output.push(output.clone());
                }
                match output {
                    Output::Event(event) => self.events.push((self.elapsed(), from_client, event)),
                    Output::Packet(packet) => self.carry(from_client, packet),
                }
            }
        }
    }

    fn carry(&mut self, from_client: bool, packet: Packet) {
        let seen = Seen { at: self.elapsed(), from_client, packet: packet.clone() };
        self.seen.push(seen);
        let copies = 1 + u32::from(self.rng.chance(self.weather.duplication));
        for _ in 0..copies {
            if self.rng.chance(self.weather.loss) {
                continue;
            }
            let jitter = u64::try_from(self.weather.jitter.as_nanos()).unwrap();
            let jitter = self.rng.below(jitter + 1);
            let at = self.now + self.weather.delay + Duration::from_nanos(jitter);
            self.sent += 1;
            self.on_the_way.insert((at, self.sent), (from_client, packet.clone()));
        }
    }

    /// Returns the segments that one side sent, in tcpdump's words, since the `from`th packet.
    pub(super) fn story(&self, from: usize) -> Vec<String> {
        self.seen[from..]
            .iter()
            .map(|seen| {
                let view = seen.packet.view();
                let tcp = view.tcp().unwrap();
                let arrow = if seen.from_client { '>' } else { '<' };
                format!("{arrow}{:?} {}", tcp.flags, view.payload_len())
            })
            .collect()
    }

    pub(super) fn client_state(&self, id: ConnectionId) -> State {
        self.client.info(id).unwrap().state
    }

    pub(super) fn server_state(&self, id: ConnectionId) -> State {
        self.server.info(id).unwrap().state
    }
}
