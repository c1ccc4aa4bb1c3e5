use super::network::*;
use super::*;

#[test]
fn a_reader_that_stops_is_probed_and_holds_the_writer_back() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.client.send(net.now, client, &vec![7; 200_000]).unwrap();
    net.run_for(secs(1.0));
    let held = net.server.info(server).unwrap().unread;
    assert!((60_000..=66_560).contains(&held), "{held}");
    let from = net.seen.len();
    net.run_for(secs(3_000.0));
    let story = net.story(from);
    assert!(story.iter().all(|segment| segment == ">. 0" || segment == "<. 0"), "{story:?}");
    // Probes back off to two minutes and go on for as long as they are answered.
    assert!((30..80).contains(&story.len()), "{}", story.len());
    assert_eq!(net.client_state(client), State::Established);
    let mut buffer = vec![0; 300_000];
    let mut total = 0;
    for _ in 0..100 {
        if let Received::Bytes(count) = net.server.receive(net.now, server, &mut buffer).unwrap() {
            total += count;
        }
        net.run_for(secs(0.1));
    }
    assert_eq!(total, 200_000);
}

#[test]
fn a_writer_with_a_full_buffer_is_told_when_it_can_go_on() {
    let config = Config { send_buffer: 10_000, ..linux(CLIENT) };
    let mut net = Network::with(1, Weather::FAIR, config, linux(SERVER));
    let (client, _) = net.open();
    assert_eq!(net.client.send(net.now, client, &[7; 15_000]), Ok(10_000));
    assert_eq!(net.client.send(net.now, client, &[7; 5_000]), Ok(0));
    net.run_for(secs(1.0));
    let told: Vec<_> =
        net.events.iter().filter(|(_, _, event)| *event == Event::Writable(client)).collect();
    assert_eq!(told.len(), 1);
}

#[test]
fn small_writes_wait_for_an_acknowledgment_unless_told_not_to() {
    for (nodelay, segments) in [(false, 1), (true, 3)] {
        let mut net = Network::new(1, Weather::FAIR);
        let (client, _) = net.open();
        net.client.set_nodelay(net.now, client, nodelay).unwrap();
        let from = net.seen.len();
        for _ in 0..3 {
            net.client.send(net.now, client, b"small").unwrap();
        }
        net.collect();
        assert_eq!(net.seen.len() - from, segments);
    }
}

/// Sends a full segment that gets lost, and returns it.
fn lose_a_segment(net: &mut Network, client: ConnectionId) -> Packet {
    net.weather.loss = 1.0;
    net.client.send(net.now, client, &[1; 1_448]).unwrap();
    net.collect();
    net.weather.loss = 0.0;
    net.seen.last().unwrap().packet.clone()
}

#[test]
fn a_lost_segment_is_repeated_after_three_duplicate_acknowledgments() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    lose_a_segment(&mut net, client);
    let from = net.seen.len();
    net.client.send(net.now, client, &[2; 5 * 1_448]).unwrap();
    net.run_for(secs(0.1));
    let again = net.seen[from..]
        .iter()
        .filter(|seen| seen.from_client && seen.packet.view().payload().first() == Some(&1))
        .count();
    assert_eq!(again, 1);
    assert_eq!(net.server.info(server).unwrap().unread, 6 * 1_448);
    let sacks = net.seen[from..].iter().filter(|s| s.packet.view().tcp_options().sack.is_some());
    assert!(sacks.count() >= 3);
}

#[test]
fn a_router_that_says_too_big_gets_smaller_segments() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    let offender = lose_a_segment(&mut net, client);
    let mut bytes =
        crate::wire::icmp::unreachable("10.9.9.9".parse().unwrap(), offender.view()).into_bytes();
    bytes[21] = 4; // fragmentation needed
    bytes[26..28].copy_from_slice(&1_000_u16.to_be_bytes());
    bytes[22..24].fill(0);
    let sum = !crate::wire::checksum::sum(0, &bytes[20..]);
    bytes[22..24].copy_from_slice(&sum.to_be_bytes());
    net.client.handle_packet(net.now, Packet::parse(bytes).unwrap());
    net.run_for(secs(0.1));
    assert_eq!(net.client.info(client).unwrap().mss, 948);
    assert_eq!(net.server.info(server).unwrap().unread, 1_448);
}

#[test]
fn what_was_sent_twice_measures_no_round_trip() {
    let config = Config { timestamps: false, ..linux(CLIENT) };
    let mut net = Network::with(1, Weather::FAIR, config, linux(SERVER));
    let (client, _) = net.open();
    lose_a_segment(&mut net, client);
    net.run_for(secs(5.0));
    let info = net.client.info(client).unwrap();
    assert_eq!((info.unacknowledged, info.retransmissions), (0, 1));
    assert_eq!(info.srtt, Some(secs(0.02)));
}

#[test]
fn two_losses_in_one_window_are_repaired_without_a_timeout() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    lose_a_segment(&mut net, client);
    lose_a_segment(&mut net, client);
    net.client.send(net.now, client, &[2; 6 * 1_448]).unwrap();
    net.run_for(Duration::from_millis(90));
    assert_eq!(net.server.info(server).unwrap().unread, 8 * 1_448);
}

#[test]
fn every_second_full_segment_is_acknowledged_at_once() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    // An answer to what came makes the server expect to answer again.
    net.client.send(net.now, client, b"hello").unwrap();
    net.run_for(Duration::from_millis(15));
    net.server.send(net.now, server, b"hello").unwrap();
    net.run_for(Duration::from_millis(100));
    for (segments, acks, within) in [(4, 2, 30), (1, 0, 30), (0, 1, 60)] {
        let from = net.seen.len();
        net.client.send(net.now, client, &vec![1; segments * 1_448]).unwrap();
        net.run_for(Duration::from_millis(within));
        let answers = net.story(from).iter().filter(|segment| *segment == "<. 0").count();
        assert_eq!(answers, acks, "{segments} segments");
    }
}

#[test]
fn the_user_timeout_ends_even_a_wait_for_a_window_that_is_answered() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, _) = net.open();
    net.client.set_user_timeout(net.now, client, Some(secs(30.0))).unwrap();
    net.client.send(net.now, client, &vec![7; 200_000]).unwrap();
    net.run_for(secs(0.2));
    let from = net.seen.len();
    net.run_for(secs(100.0));
    let (failed, _, event) = net.events.pop().unwrap();
    assert_eq!(event, Event::Failed(client, Error::TimedOut));
    let first_probe = net.seen[from].at;
    assert_eq!(net.story(from)[0], ">. 0");
    assert_eq!(failed.saturating_sub(first_probe), secs(30.0));
}
