use super::network::*;
use super::*;

#[test]
fn a_full_queue_delays_a_connection_until_there_is_room() {
    let mut net = Network::new(1, Weather::FAIR);
    let listener = net.server.listen(server(), 1).unwrap();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let id = net.client.connect(net.now, None, server()).unwrap();
            net.run_for(secs(0.1));
            id
        })
        .collect();
    assert_eq!(net.client_state(clients[1]), State::Established);
    assert_eq!(net.client_state(clients[2]), State::SynSent);
    assert!(net.server.accept(listener).is_some());
    net.run_for(secs(3.0));
    assert_eq!(net.client_state(clients[2]), State::Established);
}

#[test]
fn more_handshakes_than_the_backlog_are_dropped() {
    let mut net = Network::new(1, Weather::BLACK_HOLE);
    net.server.listen(server(), 3).unwrap();
    for port in 1..=100 {
        let from = format!("{CLIENT}:{port}").parse().unwrap();
        let syn = crate::wire::tcp::Segment::new(from, server(), Flags::SYN);
        net.server.handle_packet(net.now, syn.into_packet());
    }
    assert_eq!(net.server.connection_count(), 3);
}

#[test]
fn a_host_holds_no_more_connections_than_it_may() {
    let config = Config { connections_max: 2, ..linux(CLIENT) };
    let mut net = Network::with(1, Weather::FAIR, config, linux(SERVER));
    let ids = [(); 2].map(|()| net.client.connect(net.now, None, server()).unwrap());
    let third = net.client.connect(net.now, None, server());
    assert_eq!(third, Err(Error::TooManyConnections));
    net.client.close(net.now, ids[0]);
    assert!(net.client.connect(net.now, None, server()).is_ok());
}

#[test]
fn a_connection_to_nobody_is_refused() {
    let mut net = Network::new(1, Weather::FAIR);
    let id = net.client.connect(net.now, None, server()).unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.story(0), [">S 0", "<R. 0"]);
    assert_eq!(net.events, [(secs(0.02), true, Event::Failed(id, Error::Refused))]);
    assert_eq!(net.client.receive(net.now, id, &mut [0]), Err(Error::Refused));
}

#[test]
fn a_listener_that_goes_resets_who_waits() {
    let mut net = Network::new(1, Weather::FAIR);
    let listener = net.server.listen(server(), 4).unwrap();
    let waiting = net.client.connect(net.now, None, server()).unwrap();
    net.run_for(secs(1.0));
    let opening = net.client.connect(net.now, None, server()).unwrap();
    net.run_for(Duration::from_millis(15));
    assert_eq!(net.server.connection_count(), 2);
    net.server.unlisten(net.now, listener);
    net.run_for(secs(1.0));
    assert_eq!(net.server.connection_count(), 0);
    for id in [waiting, opening] {
        assert_eq!(net.client.receive(net.now, id, &mut [0]), Err(Error::Reset));
    }
    assert!(net.server.listen(server(), 4).is_ok());
}

#[test]
fn one_address_has_one_listener_and_a_host_only_its_addresses() {
    let mut host = Host::new(linux(SERVER), Rng::new(1));
    host.listen(server(), 1).unwrap();
    assert_eq!(host.listen(server(), 1), Err(Error::AddressInUse));
    let elsewhere = format!("{CLIENT}:80").parse().unwrap();
    assert_eq!(host.listen(elsewhere, 1), Err(Error::NotOurs));
    assert!(host.listen("0.0.0.0:81".parse().unwrap(), 1).is_ok());
}

#[test]
fn ephemeral_ports_run_out_and_come_back() {
    let config = Config { ephemeral_ports: 40_000..=40_004, ..linux(CLIENT) };
    let mut host = Host::new(config, Rng::new(1));
    let ids: Vec<_> =
        (0..5).map(|_| host.connect(Instant::EPOCH, None, server()).unwrap()).collect();
    let mut ports: Vec<_> = ids.iter().map(|id| host.local_addr(*id).unwrap().port()).collect();
    // net/ipv4/inet_hashtables.c: connect() takes those of the range's parity first
    assert!(ports[..3].iter().all(|port| port % 2 == 0));
    ports.sort_unstable();
    assert_eq!(ports, [40_000, 40_001, 40_002, 40_003, 40_004]);
    assert_eq!(host.connect(Instant::EPOCH, None, server()), Err(Error::NoPorts));
    host.close(Instant::EPOCH, ids[3]);
    assert!(host.connect(Instant::EPOCH, None, server()).is_ok());
    assert_eq!(host.local_addr(ids[3]), Err(Error::Closed));
}
