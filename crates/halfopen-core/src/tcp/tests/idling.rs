use super::network::*;
use super::*;

const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(30), interval: Duration::from_secs(10), count: 3 };

/// Lets an idle connection with keepalive fall into a black hole; returns when it died, counted
/// from its last sign of life, and how many probes were sent.
fn death_of_an_idle_connection(
    keepalive: Keepalive,
    user_timeout: Option<Duration>,
) -> (Duration, usize) {
    let mut net = Network::new(1, Weather::INSTANT);
    let (client, _) = net.open();
    net.client.set_keepalive(net.now, client, Some(keepalive)).unwrap();
    net.client.set_user_timeout(net.now, client, user_timeout).unwrap();
    let heard = net.client.info(client).unwrap().last_ack_received.unwrap();
    net.weather = Weather::BLACK_HOLE;
    let from = net.seen.len();
    net.settle(secs(100_000.0));
    let (failed, _, event) = net.events.pop().unwrap();
    assert_eq!(event, Event::Failed(client, Error::TimedOut));
    let story = net.story(from);
    assert_eq!(story.last().unwrap(), ">R. 0");
    (failed.saturating_sub(heard.saturating_since(Instant::EPOCH)), story.len() - 1)
}

#[test]
fn keepalive_gives_up_after_idle_and_count_intervals() {
    let (died, probes) = death_of_an_idle_connection(KEEPALIVE, None);
    assert_eq!((died, probes), (secs(60.0 + 0.1), 3));
}

#[test]
fn keepalive_gives_up_after_two_hours_and_eleven_minutes_by_default() {
    let (died, probes) = death_of_an_idle_connection(Keepalive::LINUX, None);
    assert_eq!((died, probes), (secs(7_200.0 + 9.0 * 75.0 + 0.1), 9));
}

#[test]
fn the_user_timeout_overrides_the_number_of_probes() {
    // tcp(7), TCP_USER_TIMEOUT
    let (died, probes) = death_of_an_idle_connection(KEEPALIVE, Some(secs(35.0)));
    assert_eq!((died, probes), (secs(40.1), 1));
    let (died, probes) = death_of_an_idle_connection(KEEPALIVE, Some(secs(125.0)));
    assert_eq!((died, probes), (secs(130.1), 10));
}

#[test]
fn keepalive_probes_are_empty_and_old_and_answered() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.client.send(net.now, client, b"data").unwrap();
    net.run_for(secs(1.0));
    net.client.set_keepalive(net.now, client, Some(KEEPALIVE)).unwrap();
    let from = net.seen.len();
    net.run_for(secs(100.0));
    assert_eq!(net.story(from), [">. 0", "<. 0"].repeat(3));
    let probe = net.seen[from].packet.view().tcp().unwrap();
    let answer = net.seen[from + 1].packet.view().tcp().unwrap();
    assert_eq!(probe.seq + 1, answer.ack);
    assert_eq!(net.client_state(client), State::Established);
    assert_eq!(net.server_state(server), State::Established);
}

#[test]
fn a_connection_without_keepalive_has_nothing_to_do() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    net.client.send(net.now, client, b"data").unwrap();
    net.settle(secs(10.0));
    assert_eq!((net.client.poll_timeout(), net.server.poll_timeout()), (None, None));
    net.client.set_keepalive(net.now, client, Some(KEEPALIVE)).unwrap();
    assert!(net.client.poll_timeout().is_some());
    net.client.set_keepalive(net.now, client, None).unwrap();
    assert_eq!(net.client.poll_timeout(), None);
    assert_eq!(net.server_state(server), State::Established);
}

#[test]
fn a_fin_alone_is_no_data() {
    let mut net = Network::new(1, Weather::INSTANT);
    let (client, server) = net.open();
    net.client.send(net.now, client, b"data").unwrap();
    net.run_for(secs(1.0));
    let passed = |net: &Network| {
        let (client, server) = (net.client.info(client), net.server.info(server));
        (client.unwrap().last_data_sent, server.unwrap().last_data_received)
    };
    let before = passed(&net);
    assert!(before.0.is_some() && before.1.is_some());
    net.client.shutdown(net.now, client).unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.client_state(client), State::FinWait2);
    assert_eq!(passed(&net), before);
}

#[test]
fn while_data_is_unacknowledged_there_are_no_keepalive_probes() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, _) = net.open();
    net.client.set_keepalive(net.now, client, Some(KEEPALIVE)).unwrap();
    net.weather = Weather { loss: 1.0, ..Weather::FAIR };
    let from = net.seen.len();
    net.client.send(net.now, client, b"data").unwrap();
    net.run_for(secs(500.0));
    assert!(net.story(from).iter().all(|segment| segment == ">P. 4"));
    assert_eq!(net.client_state(client), State::Established);
}

#[test]
fn an_idle_connection_takes_a_kilobyte_and_no_buffers() {
    assert!(size_of::<Connection>() <= 1_024, "{}", size_of::<Connection>());
}
