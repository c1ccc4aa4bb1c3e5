use super::*;
use crate::flow::FlowKey;
use crate::idle::IdlePolicy;
use crate::seq::Seq;
use crate::time::Duration;
use crate::wire::tcp;

mod conformance;
mod translation;

const FIN_ACK: Flags = Flags(0x11);
const SYN: Flags = Flags::SYN;
const SYN_ACK: Flags = Flags(0x12);
const RST: Flags = Flags::RST;
const ACK: Flags = Flags::ACK;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A gateway as AWS documents its own: 350 seconds, a reset for who goes on from inside.
fn policy() -> IdlePolicy {
    let mut policy = IdlePolicy { on_orphan_inside: OnOrphan::Reset, ..IdlePolicy::RFC };
    policy.timers.tcp_established = Some(seconds(350));
    policy
}

/// What left the gateway, apart.
#[derive(Debug, Default)]
struct Outcome {
    inside: Vec<Packet>,
    outside: Vec<Packet>,
    events: Vec<EventKind>,
}

/// A gateway with a client inside and a server outside. Both count their bytes from 1,000 and
/// 5,000; the client's SYN has the number before.
#[derive(Debug)]
struct Scene {
    gateway: Gateway,
    now: Instant,
    client: SocketAddr,
    server: SocketAddr,
    /// How the server sees the client.
    external: SocketAddr,
}

impl Scene {
    fn new(config: GatewayConfig) -> Self {
        let client = addr("10.0.0.7:40000");
        let gateway = Gateway::new(config, Rng::new(350)).unwrap();
        let server = addr("198.51.100.2:80");
        Self { gateway, now: Instant::EPOCH, client, server, external: client }
    }

    fn nat(idle: IdlePolicy) -> Self {
        Self::new(GatewayConfig::nat(addr("192.0.2.1:0").ip(), idle))
    }

    /// A connection after its handshake.
    fn established(idle: IdlePolicy) -> Self {
        let mut scene = Self::nat(idle);
        scene.handshake();
        scene
    }

    fn handshake(&mut self) {
        self.inside(SYN, 999, 0, 0);
        self.outside(SYN_ACK, 4_999, 1_000, 0);
        self.inside(ACK, 1_000, 5_000, 0);
    }

    fn pause(&mut self, seconds: u64) -> Outcome {
        self.now = self.now + Duration::from_secs(seconds);
        self.gateway.handle_timeout(self.now);
        self.drain()
    }

    fn send(&mut self, side: Side, packet: Packet) -> Outcome {
        self.gateway.handle_packet(self.now, side, packet);
        self.drain()
    }

    fn inside(&mut self, flags: Flags, seq: u32, ack: u32, payload: usize) -> Outcome {
        let outcome = self
            .send(Side::Inside, segment((self.client, self.server), flags, (seq, ack), payload));
        if let Some(packet) = outcome.outside.first() {
            self.external = packet.view().flow().unwrap().initiator;
        }
        outcome
    }

    fn outside(&mut self, flags: Flags, seq: u32, ack: u32, payload: usize) -> Outcome {
        self.send(Side::Outside, segment((self.server, self.external), flags, (seq, ack), payload))
    }

    fn drain(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(output) = self.gateway.poll_output() {
            match output {
                Output::Packet(Side::Inside, packet) => outcome.inside.push(packet),
                Output::Packet(Side::Outside, packet) => outcome.outside.push(packet),
                Output::Event(event) => outcome.events.push(event.kind),
            }
        }
        for packet in outcome.inside.iter().chain(&outcome.outside) {
            assert!(packet.checksums_hold(), "{packet:?}");
        }
        outcome
    }

    fn flow(&self) -> FlowKey {
        FlowKey::tcp(self.client, self.server)
    }
}

fn segment(
    (src, dst): (SocketAddr, SocketAddr),
    flags: Flags,
    (seq, ack): (u32, u32),
    payload: usize,
) -> Packet {
    let payload = vec![0x61; payload];
    let segment = tcp::Segment::new(src, dst, flags);
    tcp::Segment { seq: Seq(seq), ack: Seq(ack), window: 64_000, payload: &payload, ..segment }
        .into_packet()
}

fn forgot(flow: FlowKey, idle: u64, because: Demise) -> EventKind {
    EventKind::Forgot { flow, idle: seconds(idle), because }
}

#[test]
fn a_reset_meets_the_next_request_after_350_seconds() {
    let mut scene = Scene::established(policy());
    assert_eq!(scene.pause(349).events, []);
    assert_eq!(scene.inside(ACK, 1_000, 5_000, 100).outside.len(), 1);

    assert_eq!(scene.pause(350).events, [forgot(scene.flow(), 350, Demise::Idle)]);
    let forgotten = Some(scene.now);
    scene.pause(850);
    let outcome = scene.inside(ACK, 1_100, 5_000, 100);

    let (flow, reaction) = (scene.flow(), Reaction::Reset);
    let orphaned = EventKind::Orphaned { flow, side: Side::Inside, reaction, forgotten };
    assert_eq!((outcome.events, outcome.outside), (vec![orphaned], vec![]));
    let view = outcome.inside[0].view();
    let header = view.tcp().unwrap();
    assert_eq!((header.flags, header.seq, header.window), (RST, Seq(5_000), 0));
    assert_eq!((view.ttl(), view.ip_id()), (64, Some(0)));
    assert_eq!(view.flow().unwrap().initiator, scene.server);
}

#[test]
fn a_flow_dies_at_its_deadline_even_if_the_driver_is_late() {
    let mut scene = Scene::established(policy());
    scene.now = scene.now + seconds(1_000);
    scene.gateway.handle_timeout(scene.now);
    let Some(Output::Event(event)) = scene.gateway.poll_output() else { panic!("no event") };
    assert_eq!(event.at, Instant::EPOCH + seconds(350));
    assert_eq!(event.kind, forgot(scene.flow(), 350, Demise::Idle));
}

#[test]
fn forgotten_and_never_known_are_different_answers() {
    let mut scene = Scene::nat(policy());
    let outcome = scene.inside(ACK, 1_000, 5_000, 1);
    let (flow, side) = (scene.flow(), Side::Inside);
    let stranger = |reaction| EventKind::Orphaned { flow, side, reaction, forgotten: None };
    assert_eq!(outcome.events, [stranger(Reaction::Reset)]);
}

#[test]
fn a_silent_gateway_swallows_the_next_request() {
    let mut scene = Scene::established(IdlePolicy { on_orphan_inside: OnOrphan::Drop, ..policy() });
    scene.pause(350);
    let outcome = scene.inside(ACK, 1_000, 5_000, 100);
    assert_eq!((outcome.inside.len(), outcome.outside.len()), (0, 0));
}

#[test]
fn an_adopting_gateway_takes_the_connection_up_under_another_port() {
    let mut scene =
        Scene::established(IdlePolicy { on_orphan_inside: OnOrphan::Adopt, ..policy() });
    let before = scene.external;
    scene.pause(350);
    let outcome = scene.inside(ACK, 1_000, 5_000, 100);
    assert_eq!(outcome.outside.len(), 1);
    assert!(matches!(outcome.events[0], EventKind::Orphaned { reaction: Reaction::Adopted, .. }));
    assert_eq!(outcome.events[1], EventKind::Remembered { flow: scene.flow() });
    assert_ne!(scene.external, before);
    // The server does not know the new port: its reset passes and ends the connection here too.
    assert_eq!(scene.outside(RST, 5_000, 0, 0).inside.len(), 1);
    assert_eq!(scene.pause(240).events, [forgot(scene.flow(), 240, Demise::Reset)]);
}

#[test]
fn an_unreachable_gateway_says_so_by_icmp() {
    let mut scene =
        Scene::established(IdlePolicy { on_orphan_inside: OnOrphan::Unreachable, ..policy() });
    scene.pause(350);
    let outcome = scene.inside(ACK, 1_000, 5_000, 100);
    let view = outcome.inside[0].view();
    assert!(view.icmp().unwrap().is_unreachable());
    assert_eq!(view.quoted().unwrap().flow(), Some(scene.flow()));
}

#[test]
fn what_a_gateway_sends_at_expiry_the_ends_accept() {
    for (on_expiry, flags) in
        [(OnExpiry::Reset(Told::Both), RST | ACK), (OnExpiry::Fin(Told::Both), FIN_ACK)]
    {
        let mut scene = Scene::established(IdlePolicy { on_expiry, ..policy() });
        scene.inside(ACK, 1_000, 5_000, 100);
        scene.outside(ACK, 5_000, 1_100, 300);
        scene.inside(ACK, 1_100, 5_300, 0);
        let outcome = scene.pause(350);
        let numbers = |packet: &Packet| {
            let header = packet.view().tcp().unwrap();
            (header.flags, header.seq.0, header.ack.0)
        };
        assert_eq!(numbers(&outcome.inside[0]), (flags, 5_300, 1_100));
        assert_eq!(numbers(&outcome.outside[0]), (flags, 1_100, 5_300));
        assert_eq!(outcome.outside[0].view().flow().unwrap().initiator, scene.external);
    }
}

#[test]
fn only_the_ends_that_are_to_be_told_are_told() {
    let on_expiry = OnExpiry::Fin(Told::Inside);
    let mut scene = Scene::established(IdlePolicy { on_expiry, ..policy() });
    let outcome = scene.pause(350);
    assert_eq!((outcome.inside.len(), outcome.outside.len()), (1, 0));
}

#[test]
fn a_flushed_gateway_tells_nobody() {
    let on_expiry = OnExpiry::Reset(Told::Both);
    let mut scene = Scene::established(IdlePolicy { on_expiry, ..policy() });
    scene.now = scene.now + seconds(10);
    scene.gateway.handle_command(scene.now, Command::Flush);
    let outcome = scene.drain();
    assert_eq!(outcome.events, [forgot(scene.flow(), 10, Demise::Flushed)]);
    assert_eq!((outcome.inside.len(), outcome.outside.len()), (0, 0));
    assert_eq!(scene.gateway.remembered(), 0);
}

#[test]
fn probes_keep_a_flow_only_where_empty_segments_count() {
    for (by_empty_segments, survives) in [(true, true), (false, false)] {
        let mut scene = Scene::nat(policy());
        scene.gateway.config.idle.refresh.by_empty_segments = by_empty_segments;
        scene.handshake();
        scene.pause(300);
        scene.inside(ACK, 999, 5_000, 0);
        scene.outside(ACK, 5_000, 1_000, 0);
        assert_eq!(scene.pause(60).events.is_empty(), survives);
    }
}

#[test]
fn packets_from_outside_keep_a_flow_only_where_they_count() {
    for (by_outside, survives) in [(true, true), (false, false)] {
        let mut scene = Scene::nat(policy());
        scene.gateway.config.idle.refresh.by_outside = by_outside;
        scene.handshake();
        scene.pause(300);
        scene.outside(ACK, 5_000, 1_000, 50);
        assert_eq!(scene.pause(60).events.is_empty(), survives);
    }
}

#[test]
fn a_full_gateway_evicts_the_idlest_or_refuses() {
    for (when_full, evicts) in [(WhenFull::EvictIdlest, true), (WhenFull::Refuse, false)] {
        let mut idle = policy();
        (idle.capacity.flows, idle.capacity.when_full) = (2, when_full);
        let mut scene = Scene::nat(idle);
        let clients = [1, 2, 3].map(|port| SocketAddr::new(scene.client.ip(), port));
        let mut outcomes = clients.map(|client| {
            scene.client = client;
            scene.pause(1);
            scene.inside(SYN, 999, 0, 0)
        });
        let [first, .., third] = clients.map(|client| FlowKey::tcp(client, scene.server));
        let last = outcomes[2].events.remove(0);
        if evicts {
            assert_eq!(last, forgot(first, 2, Demise::Evicted));
        } else {
            assert_eq!(last, EventKind::Exhausted { flow: third });
        }
        assert_eq!(outcomes[2].outside.len(), usize::from(evicts));
        assert_eq!(scene.gateway.remembered(), 2);
    }
}

#[test]
fn only_so_many_forgotten_flows_are_known() {
    let mut idle = policy();
    idle.capacity.forgotten = 1;
    let mut scene = Scene::nat(idle);
    for port in [1, 2] {
        scene.client.set_port(port);
        scene.handshake();
    }
    scene.pause(350);
    let known = [1, 2].map(|port| {
        scene.client.set_port(port);
        let orphaned = scene.inside(ACK, 1_000, 5_000, 1).events.remove(0);
        matches!(orphaned, EventKind::Orphaned { forgotten: Some(_), .. })
    });
    assert_eq!(known, [false, true]);
}

#[test]
fn counters_say_what_cloudwatch_would() {
    let mut scene = Scene::established(policy());
    scene.inside(ACK, 1_000, 5_000, 60);
    assert_eq!(scene.gateway.counters().active_connections, 1);
    scene.pause(350);
    scene.inside(ACK, 1_060, 5_000, 60);
    let counters = *scene.gateway.counters();
    assert_eq!(counters.in_from_source, Traffic { packets: 4, bytes: 4 * 40 + 120 });
    assert_eq!(counters.out_to_destination, Traffic { packets: 3, bytes: 3 * 40 + 60 });
    assert_eq!(counters.in_from_destination, Traffic { packets: 1, bytes: 40 });
    assert_eq!(counters.out_to_source, Traffic { packets: 2, bytes: 80 });
    let connections = (counters.connection_attempts, counters.connections_established);
    assert_eq!((connections, counters.active_connections), ((1, 1), 0));
    assert_eq!((counters.idle_timeouts, counters.packets_dropped), (1, 1));
}

#[test]
fn a_configuration_that_makes_no_gateway_says_why() {
    let config = GatewayConfig::nat(addr("192.0.2.1:0").ip(), policy());
    let refused = |change: fn(&mut GatewayConfig)| {
        let mut config = config.clone();
        change(&mut config);
        Gateway::new(config, Rng::new(0)).unwrap_err()
    };
    assert_eq!(refused(|config| config.ttl = 0), ConfigError::NoTtl);
    assert_eq!(refused(|config| config.idle.capacity.flows = 0), ConfigError::NoRoom);
    assert_eq!(
        refused(|config| config.translation.as_mut().unwrap().external.clear()),
        ConfigError::NoAddress
    );
}
