use super::network::*;
use super::*;

/// Returns `Recv-Q`, `Send-Q` and the rest of the row of a host's only connection.
fn row(host: &Host) -> (usize, usize, Connected) {
    let rows: Vec<Socket> = host.sockets().filter(|row| row.connection.is_some()).collect();
    let [row] = rows.as_slice() else { panic!("{rows:#?}") };
    (row.receive_queue, row.send_queue, row.connection.unwrap())
}

#[test]
fn listeners_come_first_and_show_how_many_wait() {
    let mut net = Network::new(1, Weather::FAIR);
    net.server.listen(server(), 16).unwrap();
    net.client.connect(net.now, None, server()).unwrap();
    net.run_for(secs(1.0));
    let rows: Vec<Socket> = net.server.sockets().collect();
    let listener = Socket { local: server(), receive_queue: 1, send_queue: 0, connection: None };
    assert_eq!((rows.len(), rows[0]), (2, listener));
    assert_eq!(rows[1].connection.unwrap().info.state, State::Established);
}

#[test]
fn a_fin_that_no_program_read_counts_as_one() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, at_server) = net.open();
    net.server.send(net.now, at_server, b"bye").unwrap();
    net.server.close(net.now, at_server);
    net.run_for(secs(1.0));
    let (receive_queue, send_queue, connection) = row(&net.client);
    assert_eq!((receive_queue, send_queue, connection.info.state), (4, 0, State::CloseWait));
    let mut bytes = [0; 8];
    net.client.receive(net.now, client, &mut bytes).unwrap();
    assert_eq!(row(&net.client).0, 1);
    assert_eq!(net.client.receive(net.now, client, &mut bytes), Ok(Received::Finished));
    assert_eq!(row(&net.client).0, 0);
}

#[test]
fn the_timer_that_runs_is_shown_with_its_deadline() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, _) = net.open();
    assert_eq!(row(&net.client).2.timer, None);
    let keepalive = Keepalive { idle: secs(60.0), interval: secs(10.0), count: 3 };
    net.client.set_keepalive(net.now, client, Some(keepalive)).unwrap();
    assert_eq!(row(&net.client).2.timer, Some((Timer::Keepalive, net.now + secs(60.0))));
    net.weather = Weather::BLACK_HOLE;
    net.client.send(net.now, client, b"lost").unwrap();
    let (_, send_queue, connection) = row(&net.client);
    assert_eq!((send_queue, connection.timer.unwrap().0), (4, Timer::Retransmission));
    net.client.abort(net.now, client);
    assert_eq!(net.client.sockets().count(), 0);
}

#[test]
fn the_end_of_a_process_closes_what_it_held_as_the_kernel_does() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, at_server) = net.open();
    net.server.close_all(net.now);
    net.run_for(secs(1.0));
    let mut bytes = [0; 8];
    assert_eq!(net.client.receive(net.now, client, &mut bytes), Ok(Received::Finished));
    assert_eq!(net.server.receive(net.now, at_server, &mut bytes), Err(Error::Closed));
    assert!(!row(&net.server).2.held);

    let mut net = Network::new(1, Weather::FAIR);
    let (client, _) = net.open();
    net.client.send(net.now, client, b"unread").unwrap();
    net.run_for(secs(1.0));
    net.server.close_all(net.now);
    net.run_for(secs(1.0));
    assert_eq!(net.client.receive(net.now, client, &mut bytes), Err(Error::Reset));
    let again = net.client.connect(net.now, None, server()).unwrap();
    net.run_for(secs(1.0));
    let (_, _, event) = *net.events.last().unwrap();
    assert_eq!(event, Event::Failed(again, Error::Refused));
}

#[test]
fn after_a_power_cut_the_next_segment_meets_a_reset_and_the_port_is_free() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, at_server) = net.open();
    let before = net.seen.len();
    net.server.lose_power(net.now);
    net.run_for(secs(3_600.0));
    assert_eq!((net.seen.len(), net.server.sockets().count()), (before, 0));
    assert_eq!(net.server.local_addr(at_server), Err(Error::Closed));

    net.client.send(net.now, client, b"still there?").unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.client.receive(net.now, client, &mut [0; 8]), Err(Error::Reset));
    net.client.close(net.now, client);
    net.open();
}
