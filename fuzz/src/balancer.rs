//! Any bytes that clients and targets could say, and any packets, through a balancer.

use std::net::SocketAddr;

use halfopen_core::balancer::log::Records;
use halfopen_core::balancer::{Balancer, BalancerConfig};
use halfopen_core::hop::{Command, Hop as _, Output, Side};
use halfopen_core::profile::Profile;
use halfopen_core::rng::Rng;
use halfopen_core::tcp::{self, ConnectionId, Host, ListenerId};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;

use super::script::{Script, Step};

/// What the script's clients connect to; it knows the address.
const BALANCER: &str = "203.0.113.1:80";
const TARGET: &str = "203.0.113.9:9";

const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_hours(1),
];

/// Pieces of HTTP, so that the rest of the bytes need only be where it matters.
const PIECES: [&[u8]; 12] = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"hello",
    b"\r\n",
];

/// Everything around a balancer.
struct Around {
    now: Instant,
    balancer: Balancer,
    records: Records,
    clients: Host,
    target: Host,
    listener: ListenerId,
    asking: Vec<ConnectionId>,
    answering: Vec<ConnectionId>,
    heard: Vec<(Side, Packet)>,
}

/// Reads the bytes as what is said and done on both sides, and holds the balancer to its contract.
pub fn run(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut around = Around::new(&mut script);
    while !script.0.is_empty() {
        around.step(&mut script);
        around.carry();
    }
    around.wait(Duration::from_hours(3));
    for entry in around.records.requests() {
        let line = entry.to_string();
        assert!(!line.contains('\n') && line.matches('"').count() == 30, "{line}");
    }
}

impl Around {
    fn new(script: &mut Script<'_>) -> Self {
        let end = |text: &str| -> SocketAddr { text.parse().expect("it is an address") };
        let config = Profile::shipped("aws-alb").and_then(|profile| profile.balancer());
        let config = config.expect("the profile ships");
        let health = config.health.clone().filter(|_| script.pick(&[false, true]));
        let config = BalancerConfig { health, connections_max: 8, ..config };
        let records = Records::new(1_000);
        let (log, targets) = (Box::new(records.clone()), vec![end(TARGET)]);
        let balancer = Balancer::new(config, end(BALANCER), targets, Rng::new(7), log);
        let host = |ip, seed| Host::new(tcp::Config::linux(vec![ip]), Rng::new(seed));
        let mut target = host(end(TARGET).ip(), 1);
        Self {
            now: Instant::EPOCH,
            balancer: balancer.expect("the profile makes a balancer"),
            records,
            clients: host(end("10.0.0.9:0").ip(), 2),
            listener: target.listen(end(TARGET), 9).expect("nobody listens there yet"),
            target,
            asking: Vec::new(),
            answering: Vec::new(),
            heard: Vec::new(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        match script.byte() % 12 {
            0 => {
                let remote = BALANCER.parse().expect("it is an address");
                self.asking.extend(self.clients.connect(now, None, remote));
            }
            1..=3 => {
                let said = said(script);
                if let Some(&client) = one_of(script, &self.asking) {
                    let _ = self.clients.send(now, client, &said);
                }
            }
            4..=6 => {
                self.answering.extend(self.target.accept(self.listener));
                let said = said(script);
                if let Some(&server) = one_of(script, &self.answering) {
                    let _ = self.target.receive(now, server, &mut [0; 9_000]);
                    let _ = self.target.send(now, server, &said);
                }
            }
            7 => {
                if let Some(&client) = one_of(script, &self.asking) {
                    self.clients.close(now, client);
                }
            }
            8 => {
                if let Some(&server) = one_of(script, &self.answering) {
                    self.target.close(now, server);
                }
            }
            9 => {
                let target = usize::from(script.byte() % 2);
                let orders =
                    [Command::Flush, Command::Deregister { target }, Command::Register { target }];
                self.balancer.handle_command(now, script.pick(&orders));
            }
            10 => {
                let pause = script.pick(&PAUSES);
                self.wait(pause);
            }
            _ => match script.step(&self.heard) {
                Some(Step::Packet(side, packet)) => {
                    self.balancer.handle_packet(now, side, packet);
                }
                Some(Step::Pause(pause)) => self.wait(pause),
                Some(Step::Flush) | None => {}
            },
        }
    }

    fn carry(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.balancer.poll_output() {
                quiet = false;
                let Output::Packet(side, packet) = output else { continue };
                assert!(packet.checksums_hold(), "{packet:?}");
                self.heard.push((side, packet.clone()));
                match side {
                    Side::Inside => self.clients.handle_packet(self.now, packet),
                    Side::Outside => self.target.handle_packet(self.now, packet),
                }
            }
            let hosts = [(Side::Inside, &mut self.clients), (Side::Outside, &mut self.target)];
            for (side, host) in hosts {
                while let Some(output) = host.poll_output() {
                    quiet = false;
                    if let tcp::Output::Packet(packet) = output {
                        self.balancer.handle_packet(self.now, side, packet);
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn wait(&mut self, pause: Duration) {
        let until = self.now + pause;
        loop {
            let hosts = [self.clients.poll_timeout(), self.target.poll_timeout()];
            let due = hosts.into_iter().chain([self.balancer.poll_timeout()]).flatten().min();
            self.now = due.filter(|&due| due <= until).unwrap_or(until);
            self.clients.handle_timeout(self.now);
            self.target.handle_timeout(self.now);
            self.balancer.handle_timeout(self.now);
            let next = self.balancer.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "{next:?} is past at {:?}", self.now);
            self.carry();
            if due.is_none_or(|due| due > until) {
                return;
            }
        }
    }
}

/// Returns a piece of HTTP, or bytes of the script's own.
fn said(script: &mut Script<'_>) -> Vec<u8> {
    let choice = usize::from(script.byte() % 16);
    if let Some(piece) = PIECES.get(choice) {
        return piece.to_vec();
    }
    let length = usize::from(script.byte()).min(script.0.len());
    let (bytes, rest) = script.0.split_at(length);
    script.0 = rest;
    bytes.to_vec()
}

fn one_of<'a, T>(script: &mut Script<'_>, list: &'a [T]) -> Option<&'a T> {
    let choice = usize::from(script.byte());
    list.get(choice.checked_rem(list.len())?)
}
