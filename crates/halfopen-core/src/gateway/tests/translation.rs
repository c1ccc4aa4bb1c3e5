//! Mapping, filtering, ports, fragments and ICMP.

use super::*;
use crate::wire::{icmp, udp};

const CLASSES: [Dependence; 3] =
    [Dependence::Endpoint, Dependence::Address, Dependence::AddressAndPort];

fn scene(change: impl FnOnce(&mut GatewayConfig, &mut Translation)) -> Scene {
    let mut config = GatewayConfig::nat(addr("192.0.2.1:0").ip(), policy());
    let mut translation = config.translation.take().unwrap();
    change(&mut config, &mut translation);
    Scene::new(GatewayConfig { translation: Some(translation), ..config })
}

/// Sends a datagram from inside and returns how its sender is seen outside.
fn external_toward(scene: &mut Scene, server: SocketAddr) -> SocketAddr {
    let outcome = scene.send(Side::Inside, udp::datagram(scene.client, server, b"?"));
    outcome.outside[0].view().flow().unwrap().initiator
}

/// Tells whether a datagram from `stranger` to `external` gets in.
fn gets_in(scene: &mut Scene, stranger: SocketAddr, external: SocketAddr) -> bool {
    let outcome = scene.send(Side::Outside, udp::datagram(stranger, external, b"!"));
    let arrived = outcome.inside.first().and_then(|packet| packet.view().flow());
    arrived.is_some_and(|flow| flow.responder == scene.client)
}

const SERVER: &str = "198.51.100.2:53";
const SAME_HOST: &str = "198.51.100.2:54";
const OTHER_HOST: &str = "198.51.100.3:53";

#[test]
fn a_mapping_is_used_again_as_rfc_4787_section_4_1_says() {
    let expected = [[true, true], [true, false], [false, false]];
    for (mapping, expected) in CLASSES.into_iter().zip(expected) {
        let mut scene = scene(|_, translation| translation.mapping = mapping);
        let first = external_toward(&mut scene, addr(SERVER));
        let again =
            [SAME_HOST, OTHER_HOST].map(|to| external_toward(&mut scene, addr(to)) == first);
        assert_eq!(again, expected, "{mapping:?}");
    }
}

#[test]
fn a_filter_lets_in_whom_rfc_4787_section_5_says_whatever_the_mapping() {
    let expected = [[true, true], [true, false], [false, false]];
    for mapping in CLASSES {
        for (filtering, expected) in CLASSES.into_iter().zip(expected) {
            let mut scene = scene(|config, translation| {
                (config.filtering, translation.mapping) = (filtering, mapping);
            });
            let external = external_toward(&mut scene, addr(SERVER));
            assert!(gets_in(&mut scene, addr(SERVER), external));
            let strangers = [SAME_HOST, OTHER_HOST];
            let admitted = strangers.map(|from| gets_in(&mut scene, addr(from), external));
            assert_eq!(admitted, expected, "{mapping:?} {filtering:?}");
        }
    }
}

#[test]
fn a_door_closes_with_the_last_flow_through_it() {
    let mut scene = scene(|config, _| config.filtering = Dependence::Endpoint);
    let external = external_toward(&mut scene, addr(SERVER));
    assert!(gets_in(&mut scene, addr(OTHER_HOST), external));
    scene.pause(200);
    assert!(gets_in(&mut scene, addr(OTHER_HOST), external));
    scene.pause(200); // the first flow is forgotten, the stranger's is not
    assert!(gets_in(&mut scene, addr(SAME_HOST), external));
    scene.pause(300);
    assert!(!gets_in(&mut scene, addr(OTHER_HOST), external));
}

#[test]
fn a_destination_has_so_many_connections_and_others_have_as_many_again() {
    let mut scene = scene(|_, translation| translation.per_destination = Some(55));
    let open = |scene: &mut Scene, server: &str, count: u16| {
        scene.server = addr(server);
        let opened = (0..count).filter(|port| {
            scene.client.set_port(10_000 + port);
            !scene.inside(SYN, 999, 0, 0).outside.is_empty()
        });
        opened.count()
    };
    assert_eq!(open(&mut scene, SERVER, 60), 55);
    assert_eq!(open(&mut scene, SAME_HOST, 60), 55);
    assert_eq!(scene.gateway.counters().port_allocation_errors, 10);
    scene.pause(240);
    assert_eq!(open(&mut scene, SERVER, 60), 55);
}

#[test]
fn every_port_of_a_range_is_used_and_no_other() {
    for filtering in CLASSES {
        let mut scene = scene(|config, translation| {
            (config.filtering, translation.ports) = (filtering, 7_000..=7_009);
        });
        let mut ports: Vec<u16> = (0..10)
            .map(|port| {
                scene.client.set_port(20_000 + port);
                external_toward(&mut scene, addr(SERVER)).port()
            })
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, (7_000..=7_009).collect::<Vec<_>>());
        scene.client.set_port(1);
        let outcome = scene.send(Side::Inside, udp::datagram(scene.client, addr(SERVER), b"?"));
        assert!(matches!(outcome.events[..], [EventKind::Exhausted { .. }]));
        assert_eq!(scene.gateway.counters().packets_dropped, 1);
    }
}

#[test]
fn an_inside_address_keeps_its_external_address_until_that_is_full() {
    let mut scene = scene(|_, translation| {
        translation.external.push(addr("192.0.2.2:0").ip());
        translation.ports = 7_000..=7_001;
    });
    let mut externals = (0..4).map(|port| {
        scene.client.set_port(20_000 + port);
        external_toward(&mut scene, addr(SERVER)).ip()
    });
    let first = externals.next().unwrap();
    let rest: Vec<bool> = externals.map(|external| external == first).collect();
    assert_eq!(rest, [true, false, false]);
}

#[test]
fn a_preserved_port_is_kept_while_it_is_free() {
    let mut scene = scene(|_, translation| translation.preserve_port = true);
    assert_eq!(external_toward(&mut scene, addr(SERVER)).port(), scene.client.port());
    scene.client = addr("10.0.0.8:40000");
    assert_ne!(external_toward(&mut scene, addr(SERVER)).port(), 40_000);
}

#[test]
fn two_inside_ends_meet_by_their_external_addresses() {
    let mut scene = scene(|config, translation| {
        config.filtering = Dependence::Endpoint;
        translation.mapping = Dependence::Endpoint;
        translation.hairpinning = true;
    });
    let (first, second) = (scene.client, addr("10.0.0.9:9000"));
    let first_outside = external_toward(&mut scene, addr(SERVER));
    let outcome = scene.send(Side::Inside, udp::datagram(second, first_outside, b"hello"));
    assert_eq!(outcome.outside.len(), 0);
    let flow = outcome.inside[0].view().flow().unwrap();
    assert_eq!((flow.responder, flow.initiator.ip()), (first, first_outside.ip()));
    let outcome = scene.send(Side::Inside, udp::datagram(first, flow.initiator, b"hello"));
    let back = outcome.inside[0].view().flow().unwrap();
    assert_eq!((back.initiator, back.responder), (first_outside, second));
}

#[test]
fn an_echo_is_translated_by_its_identifier() {
    let mut scene = scene(|_, _| {});
    let (client, server) = (scene.client.ip(), scene.server.ip());
    let outcome = scene.send(Side::Inside, icmp::echo(client, server, false, 77, 1));
    let asked = outcome.outside[0].view();
    let (external, identifier) = (asked.src(), asked.icmp().unwrap().identifier());
    let reply = icmp::echo(server, external, true, identifier, 1);
    let outcome = scene.send(Side::Outside, reply.clone());
    let view = outcome.inside[0].view();
    assert_eq!((view.dst(), view.icmp().unwrap().identifier()), (client, 77));
    assert_eq!(scene.pause(60).events.len(), 1);
    assert_eq!(scene.send(Side::Outside, reply).inside, []);
}

#[test]
fn an_icmp_error_reaches_the_end_whose_packet_it_quotes() {
    let mut scene = Scene::established(policy());
    let sent = scene.inside(ACK, 1_000, 5_000, 10).outside.remove(0);
    let router = addr("203.0.113.1:0").ip();
    let outcome = scene.send(Side::Outside, icmp::unreachable(router, sent.view()));
    let view = outcome.inside[0].view();
    assert_eq!((view.src(), view.dst()), (router, scene.client.ip()));
    assert_eq!(view.quoted().unwrap().flow(), Some(scene.flow()));

    let received = scene.outside(ACK, 5_000, 1_010, 10).inside.remove(0);
    let error = icmp::unreachable(scene.client.ip(), received.view());
    let outcome = scene.send(Side::Inside, error);
    let view = outcome.outside[0].view();
    let quoted = view.quoted().unwrap().flow().unwrap();
    assert_eq!((view.src(), quoted.responder), (scene.external.ip(), scene.external));
}

#[test]
fn an_icmp_error_neither_refreshes_nor_ends_a_flow() {
    let mut scene = Scene::established(policy());
    let sent = scene.inside(ACK, 1_000, 5_000, 10).outside.remove(0);
    scene.pause(300);
    scene.send(Side::Outside, icmp::unreachable(scene.server.ip(), sent.view()));
    assert_eq!(scene.pause(49).events, []);
    assert_eq!(scene.pause(1).events, [forgot(scene.flow(), 350, Demise::Idle)]);
    let outcome = scene.send(Side::Outside, icmp::unreachable(scene.server.ip(), sent.view()));
    assert_eq!(outcome.inside, []);
    assert!(matches!(outcome.events[..], [EventKind::Orphaned { forgotten: Some(_), .. }]));
}

/// Returns an IPv4 packet with another payload and place among fragments.
fn with_payload(header: &[u8], payload: &[u8], field: [u8; 2]) -> Packet {
    let mut bytes = [&header[..20], payload].concat();
    let total = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    bytes[6..8].copy_from_slice(&field);
    bytes[10..12].fill(0);
    let sum = !crate::wire::checksum::sum(0, &bytes[..20]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    Packet::parse(bytes).unwrap()
}

/// Cuts an IPv4 packet into a first fragment of `first` payload bytes and the rest.
fn cut(packet: &Packet, first: usize) -> [Packet; 2] {
    let (header, payload) = packet.bytes().split_at(20);
    let offset = u16::try_from(first / 8).unwrap().to_be_bytes();
    [
        with_payload(header, &payload[..first], [0x20, 0]),
        with_payload(header, &payload[first..], offset),
    ]
}

#[test]
fn fragments_follow_the_first_of_their_packet() {
    let mut scene = scene(|_, _| {});
    let whole = udp::datagram(scene.client, scene.server, &[7; 100]);
    let [first, rest] = cut(&whole, 48);
    let early = scene.send(Side::Inside, rest.clone());
    let why = Discard::Fragment;
    assert_eq!(early.events, [EventKind::Discarded { side: Side::Inside, why }]);

    let first = scene.send(Side::Inside, first).outside.remove(0);
    let rest = scene.send(Side::Inside, rest).outside.remove(0);
    assert_eq!(rest.view().src(), first.view().src());
    // Put together again, they are a datagram whose checksum holds.
    let payload = [&first.bytes()[20..], &rest.bytes()[20..]].concat();
    assert!(with_payload(first.bytes(), &payload, [0, 0]).checksums_hold());
}

#[test]
fn fragments_of_some_protocols_are_dropped_as_aws_documents() {
    let drops = FragmentRule::Drop;
    let mut scene = scene(|config, _| {
        config.fragments = Fragments { tcp: drops, udp: FragmentRule::Forward, icmp: drops };
    });
    let tcp = segment((scene.client, scene.server), SYN, (999, 0), 100);
    let udp = udp::datagram(scene.client, scene.server, &[7; 100]);
    let passed = [tcp, udp].map(|packet| {
        let [first, _] = cut(&packet, 48);
        scene.send(Side::Inside, first).outside.len()
    });
    assert_eq!(passed, [0, 1]);
}

#[test]
fn a_udp_flow_lives_longer_once_it_was_answered() {
    let mut idle = policy();
    (idle.timers.udp, idle.timers.udp_stream) = (Some(seconds(30)), Some(seconds(180)));
    let mut scene = Scene::nat(idle);
    let external = external_toward(&mut scene, addr(SERVER));
    assert_eq!(scene.pause(29).events.len(), 0);
    assert!(gets_in(&mut scene, addr(SERVER), external));
    assert_eq!(scene.pause(179).events.len(), 0);
    assert_eq!(scene.pause(1).events.len(), 1);
    external_toward(&mut scene, addr(SERVER));
    assert_eq!(scene.pause(30).events.len(), 1);
}

#[test]
fn a_firewall_remembers_and_leaves_packets_as_they_are() {
    for (client, server) in
        [("10.0.0.7:40000", "198.51.100.2:80"), ("[fd00::7]:40000", "[2001:db8::2]:80")]
    {
        let mut scene = Scene::new(GatewayConfig::firewall(policy()));
        (scene.client, scene.server) = (addr(client), addr(server));
        scene.handshake();
        assert_eq!(scene.external, scene.client);
        assert_eq!(scene.outside(ACK, 5_000, 1_000, 9).inside.len(), 1);
        assert_eq!(scene.pause(350).events, [forgot(scene.flow(), 350, Demise::Idle)]);
        assert_eq!(scene.outside(SYN, 7_000, 0, 0).inside.len(), 0);
    }
}

#[test]
fn an_open_firewall_names_a_flow_after_the_stranger_that_opened_it() {
    let config = GatewayConfig::firewall(policy());
    let mut scene = Scene::new(GatewayConfig { filtering: Dependence::Endpoint, ..config });
    let outcome = scene.outside(SYN, 1, 0, 0);
    assert_eq!(outcome.events, [EventKind::Remembered { flow: scene.flow().reversed() }]);
}

#[test]
fn ipv6_is_translated_where_there_is_an_address_for_it() {
    let mut scene = scene(|_, translation| {
        translation.external = vec![addr("[2001:db8::1]:0").ip()];
    });
    let discarded = EventKind::Discarded { side: Side::Inside, why: Discard::Unroutable };
    assert_eq!(scene.inside(SYN, 999, 0, 0).events, [discarded]);
    (scene.client, scene.server) = (addr("[fd00::7]:40000"), addr("[2001:db8::2]:80"));
    scene.handshake();
    assert_eq!(scene.external.ip(), addr("[2001:db8::1]:0").ip());
    assert_eq!(scene.gateway.counters().connections_established, 1);
}

#[test]
fn what_a_gateway_does_not_carry_it_says() {
    let mut scene = scene(|config, _| config.mtu = Some(1_500));
    let discarded = |outcome: Outcome| match outcome.events[..] {
        [EventKind::Discarded { why, .. }] => why,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(discarded(scene.inside(ACK, 1, 1, 1_461)), Discard::TooBig);
    let dying = tcp::Segment { ttl: 1, ..tcp::Segment::new(scene.client, scene.server, SYN) };
    assert_eq!(discarded(scene.send(Side::Inside, dying.into_packet())), Discard::TtlExpired);
    scene.external = addr("192.0.2.99:1");
    assert_eq!(discarded(scene.outside(SYN, 1, 0, 0)), Discard::Unroutable);
    scene.external = addr("192.0.2.1:1");
    assert_eq!(discarded(scene.outside(SYN, 1, 0, 0)), Discard::Filtered);
}

#[test]
fn who_sends_too_long_a_packet_is_told_how_long_it_may_be() {
    let mut scene = scene(|config, _| config.mtu = Some(1_400));
    scene.handshake();
    let outcome = scene.inside(ACK, 1_000, 5_000, 1_361);
    assert!(outcome.outside.is_empty(), "{outcome:?}");
    let error = outcome.inside[0].view();
    assert_eq!(error.dst(), scene.client.ip());
    assert_eq!(error.icmp().unwrap().next_mtu(), Some(1_400));
    let quoted = error.quoted().unwrap();
    assert_eq!((quoted.src(), quoted.ports()), (scene.client.ip(), Some((40_000, 80))));
    assert_eq!(scene.inside(ACK, 1_000, 5_000, 1_360).outside.len(), 1);
    // From outside it is the external end that is named, which is all that the sender knows.
    let outcome = scene.outside(ACK, 5_000, 1_000, 1_361);
    assert_eq!(outcome.outside[0].view().quoted().unwrap().dst(), scene.external.ip());
}
