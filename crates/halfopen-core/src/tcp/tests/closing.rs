use super::network::*;
use super::*;

fn read_all(host: &mut Host, now: Instant, id: ConnectionId) -> Result<Received, Error> {
    let mut buffer = [0; 1_000];
    while let Received::Bytes(_) = host.receive(now, id, &mut buffer)? {}
    host.receive(now, id, &mut buffer)
}

#[test]
fn a_half_closed_connection_still_carries_data_the_other_way() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.client.shutdown(net.now, client).unwrap();
    assert_eq!(net.client.send(net.now, client, b"x"), Err(Error::BrokenPipe));
    net.run_for(secs(100.0));
    assert_eq!(read_all(&mut net.server, net.now, server), Ok(Received::Finished));
    assert_eq!(
        (net.client_state(client), net.server_state(server)),
        (State::FinWait2, State::CloseWait)
    );
    net.server.send(net.now, server, b"late answer").unwrap();
    net.run_for(secs(1.0));
    let mut buffer = [0; 100];
    assert_eq!(net.client.receive(net.now, client, &mut buffer), Ok(Received::Bytes(11)));
    net.server.close(net.now, server);
    net.run_for(secs(1.0));
    assert_eq!(net.client_state(client), State::TimeWait);
    assert_eq!(read_all(&mut net.client, net.now, client), Ok(Received::Finished));
}

#[test]
fn closing_with_unread_data_resets() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.server.send(net.now, server, b"never read").unwrap();
    net.run_for(secs(1.0));
    let from = net.seen.len();
    net.client.close(net.now, client);
    net.run_for(secs(1.0));
    assert_eq!(net.story(from), [">R. 0"]);
    assert_eq!(net.client.connection_count(), 0);
    assert_eq!(read_all(&mut net.server, net.now, server), Err(Error::Reset));
    assert_eq!(read_all(&mut net.server, net.now, server), Ok(Received::Finished));
    assert_eq!(net.server.send(net.now, server, b"x"), Err(Error::BrokenPipe));
}

#[test]
fn data_after_close_is_reset_as_by_a_host_that_knows_no_such_connection() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.client.close(net.now, client);
    net.run_for(secs(1.0));
    let from = net.seen.len();
    net.server.send(net.now, server, b"too late").unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.story(from), ["<P. 8", ">R 0"]);
    let data = net.seen[from].packet.view().tcp().unwrap();
    let reset = net.seen[from + 1].packet.view();
    let header = reset.tcp().unwrap();
    assert_eq!((header.seq, header.window, reset.ip_id()), (data.ack, 0, Some(0)));
    // net/ipv4/tcp_input.c, tcp_reset: in CLOSE_WAIT the error is EPIPE
    assert_eq!(net.server.send(net.now, server, b"x"), Err(Error::BrokenPipe));
}

#[test]
fn both_ends_may_close_at_once() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    let from = net.seen.len();
    net.client.close(net.now, client);
    net.server.close(net.now, server);
    net.run_for(secs(1.0));
    assert_eq!(net.story(from), [">F. 0", "<F. 0", "<. 0", ">. 0"]);
    assert_eq!((net.client.connection_count(), net.server.connection_count()), (1, 1));
    net.settle(secs(100.0));
    assert_eq!((net.client.connection_count(), net.server.connection_count()), (0, 0));
}

#[test]
fn a_closed_connection_waits_a_minute_for_the_other_fin() {
    let mut net = Network::new(1, Weather::INSTANT);
    let (client, _) = net.open();
    let closed = net.elapsed();
    net.client.close(net.now, client);
    net.run_for(secs(59.9));
    assert_eq!(net.client.connection_count(), 1);
    net.settle(secs(100.0));
    assert_eq!(net.client.connection_count(), 0);
    // ip-sysctl: tcp_fin_timeout; it starts when the delayed acknowledgment of our FIN comes.
    assert_eq!(net.elapsed().saturating_sub(closed), secs(0.04 + 60.0));
}

#[test]
fn a_closed_connection_still_delivers_what_was_queued() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    assert_eq!(net.client.send(net.now, client, &vec![1; 300_000]), Ok(300_000));
    net.client.close(net.now, client);
    let mut received = 0;
    let mut buffer = vec![0; 50_000];
    for _ in 0..1_000 {
        match net.server.receive(net.now, server, &mut buffer).unwrap() {
            Received::Bytes(count) => received += count,
            Received::Empty => net.run_for(secs(0.01)),
            Received::Finished => break,
        }
    }
    assert_eq!(received, 300_000);
}

#[test]
fn an_orphan_in_a_black_hole_gives_up_sooner() {
    let mut net = Network::new(1, Weather::INSTANT);
    let (client, _) = net.open();
    net.weather = Weather::BLACK_HOLE;
    let closed = net.elapsed();
    net.client.close(net.now, client);
    net.settle(secs(2_000.0));
    assert_eq!(net.client.connection_count(), 0);
    // net/ipv4/tcp_timer.c, tcp_orphan_retries: 8, "corresponds to >100 seconds"
    let waited = net.elapsed().saturating_sub(closed);
    assert_eq!(waited, secs(0.2 + 102.2));
}

#[test]
fn the_side_that_closed_first_remembers_for_a_minute_and_takes_a_new_syn() {
    let mut net = Network::new(1, Weather::FAIR);
    let listener = net.client.listen(format!("{CLIENT}:80").parse().unwrap(), 4).unwrap();
    let target = net.client.listener_addr(listener).unwrap();
    let from: SocketAddr = format!("{SERVER}:40000").parse().unwrap();
    let first = net.server.connect(net.now, Some(from), target).unwrap();
    net.run_for(secs(1.0));
    let accepted = net.client.accept(listener).unwrap();
    net.client.close(net.now, accepted);
    net.run_for(secs(0.1));
    net.server.close(net.now, first);
    net.run_for(secs(1.0));
    assert_eq!((net.client.connection_count(), net.server.connection_count()), (1, 0));
    let second = net.server.connect(net.now, Some(from), target).unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.server_state(second), State::Established);
    assert!(net.client.accept(listener).is_some());
}

#[test]
fn a_repeated_fin_is_acknowledged_while_its_connection_is_remembered() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.client.close(net.now, client);
    net.run_for(secs(1.0));
    net.server.close(net.now, server);
    net.run_for(secs(1.0));
    let fin = net.seen.iter().rev().find(|seen| !seen.from_client).unwrap().packet.clone();
    let from = net.seen.len();
    net.run_for(secs(30.0));
    net.weather = Weather::BLACK_HOLE; // or the server, which forgot, would reset
    net.client.handle_packet(net.now, fin);
    net.collect();
    assert_eq!(net.story(from), [">. 0"]);
    assert_eq!(net.seen[from].packet.view().ip_id(), Some(0));
    let restarted = net.elapsed();
    net.settle(secs(100.0));
    assert_eq!(net.client.connection_count(), 0);
    assert_eq!(net.elapsed().saturating_sub(restarted), secs(60.0));
}

#[test]
fn an_abort_resets_and_the_other_end_is_told_after_what_it_can_still_read() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.client.send(net.now, client, b"last words").unwrap();
    net.run_for(secs(1.0));
    net.client.abort(net.now, client);
    net.run_for(secs(1.0));
    assert!(
        net.events
            .iter()
            .any(|(_, from, event)| { !from && *event == Event::Failed(server, Error::Reset) })
    );
    let mut buffer = [0; 100];
    assert_eq!(net.server.receive(net.now, server, &mut buffer), Ok(Received::Bytes(10)));
    assert_eq!(net.server.receive(net.now, server, &mut buffer), Err(Error::Reset));
    net.server.close(net.now, server);
    assert_eq!((net.client.connection_count(), net.server.connection_count()), (0, 0));
    assert_eq!(net.server.send(net.now, server, b"x"), Err(Error::Closed));
}

#[test]
fn a_fin_whose_acknowledgment_was_lost_is_acknowledged_again() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.server.shutdown(net.now, server).unwrap();
    net.run_for(Duration::from_millis(15));
    net.weather.loss = 1.0;
    net.run_for(secs(0.1));
    assert_eq!(net.client_state(client), State::CloseWait);
    assert_eq!(net.server_state(server), State::FinWait1);
    net.weather.loss = 0.0;
    net.run_for(secs(3.0));
    assert_eq!(net.server_state(server), State::FinWait2);
}
