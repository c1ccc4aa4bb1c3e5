//! A balancer between two hosts, without any network between them.

use super::*;

/// Two clients' addresses, the balancer's, two targets'.
pub(super) const BALANCER: &str = "203.0.113.80:80";
pub(super) const TARGETS: [&str; 2] = ["10.1.0.1:8080", "10.1.0.2:8080"];

pub(super) fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn config() -> BalancerConfig {
    BalancerConfig {
        idle_timeout: secs(60),
        client_keep_alive: Some(secs(3600)),
        connect_timeout: secs(10),
        deregistration_delay: secs(300),
        routing: Routing::RoundRobin,
        none_healthy: NoneHealthy::RouteToAll,
        health: None,
        limits: Limits {
            request_line: 16 << 10,
            field: 16 << 10,
            request_head: 64 << 10,
            response_head: 32 << 10,
        },
        server: Some("balancer".into()),
        names: Names {
            balancer: "app/payments/50dc6c495c0c9188".into(),
            target_group: "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/pay/73e2".into(),
        },
        epoch: crate::tap::EPOCH,
        connections_max: 1000,
    }
}

/// What happened to the balancer, for another one to live through.
pub(super) type History = Vec<(Instant, Happening)>;

#[derive(Clone, Debug)]
pub(super) enum Happening {
    Packet(Side, Packet),
    Command(Command),
}

pub(super) struct Scene {
    pub(super) now: Instant,
    pub(super) balancer: Balancer,
    pub(super) records: Records,
    pub(super) clients: Host,
    pub(super) servers: Host,
    pub(super) listeners: Vec<ListenerId>,
    pub(super) events: Vec<Event>,
    pub(super) history: History,
    pub(super) outputs: Vec<Output>,
    /// Packets to this end get lost.
    pub(super) deaf: Option<SocketAddr>,
}

impl Scene {
    pub(super) fn new(config: BalancerConfig) -> Self {
        let records = Records::new(1000);
        let targets = TARGETS.map(end).to_vec();
        let log = Box::new(records.clone());
        let balancer = Balancer::new(config, end(BALANCER), targets, Rng::new(1), log).unwrap();
        let host =
            |addresses: Vec<_>, seed| Host::new(tcp::Config::linux(addresses), Rng::new(seed));
        let clients = host(vec![end("198.51.100.7:0").ip()], 2);
        let mut servers = host(TARGETS.map(|target| end(target).ip()).to_vec(), 3);
        let listeners = TARGETS.map(|target| servers.listen(end(target), 99).unwrap()).to_vec();
        Self {
            now: Instant::EPOCH,
            balancer,
            records,
            clients,
            servers,
            listeners,
            events: Vec::new(),
            history: Vec::new(),
            outputs: Vec::new(),
            deaf: None,
        }
    }

    pub(super) fn connect(&mut self) -> ConnectionId {
        let id = self.clients.connect(self.now, None, end(BALANCER)).unwrap();
        self.carry();
        id
    }

    pub(super) fn say(&mut self, client: ConnectionId, text: &str) {
        let sent = self.clients.send(self.now, client, text.as_bytes());
        assert_eq!(sent, Ok(text.len()));
        self.carry();
    }

    /// Returns what the client has got, and whether the connection has ended.
    pub(super) fn hear(
        &mut self,
        client: ConnectionId,
    ) -> (String, Option<Result<(), tcp::Error>>) {
        let got = read(&mut self.clients, self.now, client);
        self.carry();
        got
    }

    pub(super) fn accept(&mut self, target: usize) -> ConnectionId {
        self.servers.accept(self.listeners[target]).expect("the balancer connects to the target")
    }

    pub(super) fn answer(&mut self, server: ConnectionId, text: &str) {
        assert_eq!(self.servers.send(self.now, server, text.as_bytes()), Ok(text.len()));
        self.carry();
    }

    pub(super) fn hear_at(
        &mut self,
        server: ConnectionId,
    ) -> (String, Option<Result<(), tcp::Error>>) {
        let got = read(&mut self.servers, self.now, server);
        self.carry();
        got
    }

    pub(super) fn command(&mut self, command: Command) {
        self.history.push((self.now, Happening::Command(command)));
        self.balancer.handle_command(self.now, command);
        self.carry();
    }

    /// Carries packets until nobody has any.
    pub(super) fn carry(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.balancer.poll_output() {
                quiet = false;
                self.outputs.push(output.clone());
                match output {
                    Output::Event(event) => self.events.push(event),
                    Output::Packet(Side::Inside, packet) => {
                        self.clients.handle_packet(self.now, packet);
                    }
                    Output::Packet(Side::Outside, packet) => {
                        let to = packet.view().flow().unwrap().responder;
                        if self.deaf != Some(to) {
                            self.servers.handle_packet(self.now, packet);
                        }
                    }
                }
            }
            let sides = [(Side::Inside, &mut self.clients), (Side::Outside, &mut self.servers)];
            for (side, host) in sides {
                while let Some(output) = host.poll_output() {
                    quiet = false;
                    if let tcp::Output::Packet(packet) = output {
                        self.history.push((self.now, Happening::Packet(side, packet.clone())));
                        self.balancer.handle_packet(self.now, side, packet);
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            let (client, server) = (self.clients.poll_timeout(), self.servers.poll_timeout());
            let due = [client, server, self.balancer.poll_timeout()].into_iter().flatten().min();
            self.now = due.filter(|due| *due <= until).unwrap_or(until);
            self.clients.handle_timeout(self.now);
            self.servers.handle_timeout(self.now);
            self.balancer.handle_timeout(self.now);
            self.carry();
            if due.is_none_or(|due| due > until) {
                return;
            }
        }
    }

    pub(super) fn refusals(&self) -> Vec<Refusal> {
        let why = |event: &Event| {
            let EventKind::Refused { why, .. } = event.kind else { return None };
            Some(why)
        };
        self.events.iter().filter_map(why).collect()
    }

    /// Sends a request, has a target answer it, and returns what the target and the client got.
    pub(super) fn exchange(&mut self, client: ConnectionId, server: ConnectionId) -> String {
        self.say(client, GET);
        self.hear_at(server);
        self.answer(server, OK);
        self.hear(client).0
    }
}

pub(super) const GET: &str = "GET /a?b HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: test/1\r\n\r\n";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn read(
    host: &mut Host,
    now: Instant,
    id: ConnectionId,
) -> (String, Option<Result<(), tcp::Error>>) {
    let (mut text, mut buffer) = (Vec::new(), vec![0; 100_000]);
    let end = loop {
        match host.receive(now, id, &mut buffer) {
            Ok(Received::Bytes(count)) => text.extend_from_slice(&buffer[..count]),
            Ok(Received::Empty) => break None,
            Ok(Received::Finished) => break Some(Ok(())),
            Err(error) => break Some(Err(error)),
        }
    };
    (String::from_utf8(text).unwrap(), end)
}
