use super::network::*;
use super::*;
use crate::seq::Seq;
use crate::wire::tcp::{Header, Options, Segment};

/// Returns what a host answers to a segment.
fn answer_to(host: &mut Host, now: Instant, segment: Segment<'_>) -> Option<Header> {
    host.handle_packet(now, segment.into_packet());
    match host.poll_output() {
        Some(Output::Packet(packet)) => {
            assert_eq!(packet.view().ip_id(), Some(0));
            packet.view().tcp()
        }
        Some(Output::Event(event)) => panic!("{event:?}"),
        None => None,
    }
}

#[test]
fn a_stray_is_reset_as_rfc_9293_says() {
    let mut host = Host::new(linux(SERVER), Rng::new(1));
    let from = format!("{CLIENT}:5000").parse().unwrap();
    let data = Segment {
        seq: Seq(100),
        ack: Seq(7),
        payload: b"abc",
        ..Segment::new(from, server(), Flags::ACK)
    };
    let reset = answer_to(&mut host, Instant::EPOCH, data).unwrap();
    assert_eq!((reset.flags, reset.seq, reset.window), (Flags::RST, Seq(7), 0));
    let syn =
        Segment { seq: Seq(100), payload: b"abc", ..Segment::new(from, server(), Flags::SYN) };
    let reset = answer_to(&mut host, Instant::EPOCH, syn).unwrap();
    let expected = (Flags::RST | Flags::ACK, Seq(0), Seq(104));
    assert_eq!((reset.flags, reset.seq, reset.ack), expected);
    let stray = Segment::new(from, server(), Flags::RST);
    assert_eq!(answer_to(&mut host, Instant::EPOCH, stray), None);
}

/// The server's end as the client knows it: addresses and numbers of a segment it would take next.
fn forged(net: &Network, client: ConnectionId, flags: Flags) -> Segment<'static> {
    let local = net.client.local_addr(client).unwrap();
    let seen = |from: bool| {
        let last = net.seen.iter().rev().find(|seen| seen.from_client == from).unwrap();
        last.packet.view()
    };
    let (ours, theirs) = (seen(true).tcp().unwrap(), seen(false).tcp().unwrap());
    Segment { seq: ours.ack, ack: theirs.ack, ..Segment::new(server(), local, flags) }
}

#[test]
fn only_a_reset_with_the_exact_number_is_believed() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, _) = net.open();
    let exact = forged(&net, client, Flags::RST);
    let from = net.seen.len();
    let guess = Segment { seq: exact.seq + 1_000, ..exact };
    net.client.handle_packet(net.now, guess.into_packet());
    net.collect();
    assert_eq!(net.story(from), [">. 0"]);
    let outside = Segment { seq: exact.seq + 1_000_000, ..exact };
    net.client.handle_packet(net.now, outside.into_packet());
    net.collect();
    assert_eq!(net.seen.len(), from + 1);
    assert_eq!(net.client_state(client), State::Established);
    net.client.handle_packet(net.now, exact.into_packet());
    assert_eq!(net.client.receive(net.now, client, &mut [0]), Err(Error::Reset));
    // A gateway's reset to a request is this one: no ACK, no window, no options.
}

#[test]
fn a_syn_or_an_old_acknowledgment_on_an_open_connection_is_challenged() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, _) = net.open();
    for (flags, ack_back) in [(Flags::SYN, 0), (Flags::ACK, 1 << 30)] {
        net.run_for(secs(1.0));
        let segment = forged(&net, client, flags);
        let segment = Segment { ack: Seq(segment.ack.0.wrapping_sub(ack_back)), ..segment };
        let from = net.seen.len();
        for _ in 0..5 {
            net.client.handle_packet(net.now, segment.into_packet());
            net.collect();
        }
        // ip-sysctl: tcp_invalid_ratelimit
        assert_eq!(net.story(from), [">. 0"], "{flags:?}");
        assert_eq!(net.client_state(client), State::Established);
    }
}

#[test]
fn a_syn_that_is_refused_by_a_router_fails_at_once() {
    let mut net = Network::new(1, Weather::BLACK_HOLE);
    let id = net.client.connect(net.now, None, server()).unwrap();
    net.collect();
    let syn = net.seen[0].packet.clone();
    let error = crate::wire::icmp::unreachable("10.9.9.9".parse().unwrap(), syn.view());
    net.client.handle_packet(net.now, error);
    assert_eq!(net.client.receive(net.now, id, &mut [0]), Err(Error::HostUnreachable));
}

#[test]
fn damaged_packets_and_those_for_others_are_ignored() {
    let mut host = Host::new(linux(SERVER), Rng::new(1));
    let from = format!("{CLIENT}:5000").parse().unwrap();
    let elsewhere = "10.0.0.3:80".parse().unwrap();
    assert_eq!(
        answer_to(&mut host, Instant::EPOCH, Segment::new(from, elsewhere, Flags::SYN)),
        None
    );
    let mut bytes = Segment::new(from, server(), Flags::SYN).into_packet().into_bytes();
    bytes[30] ^= 1;
    host.handle_packet(Instant::EPOCH, Packet::parse(bytes).unwrap());
    assert_eq!(host.poll_output(), None);
}

#[test]
fn both_ends_may_open_at_once() {
    let mut net = Network::new(1, Weather::FAIR);
    let (a, b): (SocketAddr, SocketAddr) =
        (format!("{CLIENT}:1000").parse().unwrap(), format!("{SERVER}:2000").parse().unwrap());
    let left = net.client.connect(net.now, Some(a), b).unwrap();
    let right = net.server.connect(net.now, Some(b), a).unwrap();
    net.run_for(secs(5.0));
    assert_eq!(net.client_state(left), State::Established);
    assert_eq!(net.server_state(right), State::Established);
    net.client.send(net.now, left, b"hello").unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.server.receive(net.now, right, &mut [0; 9]), Ok(Received::Bytes(5)));
}

#[test]
fn ipv6_works_as_ipv4_does() {
    let config = |address: &str| linux(address);
    let mut net = Network::with(1, Weather::FAIR, config("2001:db8::1"), config("2001:db8::2"));
    let target = "[2001:db8::2]:80".parse().unwrap();
    let listener = net.server.listen("[::]:80".parse().unwrap(), 1).unwrap();
    let client = net.client.connect(net.now, None, target).unwrap();
    net.run_for(secs(1.0));
    let accepted = net.server.accept(listener).unwrap();
    net.client.send(net.now, client, &[1; 5_000]).unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.server.info(accepted).unwrap().unread, 5_000);
    assert_eq!(net.client.info(client).unwrap().mss, 1_500 - 60 - 12);
}

#[test]
fn a_segment_with_an_older_timestamp_is_not_believed() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.server.send(net.now, server, b"first").unwrap();
    net.run_for(secs(1.0));
    let (ours, theirs) = net.seen.last().unwrap().packet.view().tcp_options().timestamps.unwrap();
    let options = |value| Options { timestamps: Some((value, ours)), ..Options::default() };
    let segment = Segment { payload: b"second", ..forged(&net, client, Flags::ACK) };
    let old = Segment { options: options(theirs.wrapping_sub(1)), ..segment };
    net.client.handle_packet(net.now, old.into_packet());
    assert_eq!(net.client.info(client).unwrap().unread, 5);
    let current = Segment { options: options(theirs), ..segment };
    net.client.handle_packet(net.now, current.into_packet());
    assert_eq!(net.client.info(client).unwrap().unread, 11);
}

#[test]
fn closing_while_both_ends_open_resets() {
    let mut net = Network::new(1, Weather::FAIR);
    let (a, b): (SocketAddr, SocketAddr) =
        (format!("{CLIENT}:1000").parse().unwrap(), format!("{SERVER}:2000").parse().unwrap());
    let left = net.client.connect(net.now, Some(a), b).unwrap();
    let right = net.server.connect(net.now, Some(b), a).unwrap();
    net.run_for(Duration::from_millis(15));
    assert_eq!(net.client_state(left), State::SynReceived);
    net.client.close(net.now, left);
    net.run_for(secs(1.0));
    assert_eq!(net.client.connection_count(), 0);
    assert_eq!(net.server.receive(net.now, right, &mut [0]), Err(Error::Reset));
}
