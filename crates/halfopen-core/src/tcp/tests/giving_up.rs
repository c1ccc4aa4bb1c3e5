use super::network::*;
use super::*;

/// Sends into a black hole; returns when each copy left and when the connection was given up,
/// counted from the first.
fn ladder(config: Config, user_timeout: Option<Duration>) -> (Vec<Duration>, Duration) {
    let mut net = Network::with(1, Weather::INSTANT, config, linux(SERVER));
    let (client, _) = net.open();
    assert_eq!(net.client.info(client).unwrap().rto, secs(0.2));
    net.client.set_user_timeout(net.now, client, user_timeout).unwrap();
    net.weather = Weather::BLACK_HOLE;
    let from = net.seen.len();
    net.client.send(net.now, client, b"anybody there?").unwrap();
    net.settle(secs(3_000.0));
    assert_eq!(net.client_state(client), State::Closed);
    let start = net.seen[from].at;
    let copies = net.seen[from..].iter().map(|seen| seen.at.saturating_sub(start)).collect();
    let (failed, _, event) = net.events.pop().unwrap();
    assert_eq!(event, Event::Failed(client, Error::TimedOut));
    (copies, failed.saturating_sub(start))
}

#[test]
fn silence_is_borne_as_long_as_the_kernel_documentation_says() {
    // ip-sysctl: tcp_retries2, "a hypothetical timeout of 924.6 seconds"
    let documented =
        [(3, 3.0), (5, 12.6), (6, 25.4), (8, 102.2), (10, 324.6), (12, 564.6), (15, 924.6)];
    for (retries2, seconds) in documented {
        let (copies, given_up) = ladder(Config { retries2, ..linux(CLIENT) }, None);
        // The time counts from the first retransmission, which the loss probe sends.
        assert_eq!(given_up.saturating_sub(copies[1]), secs(seconds), "tcp_retries2 = {retries2}");
        assert_eq!(copies.len(), 2 + retries2 as usize);
    }
}

#[test]
fn retransmission_backs_off_as_a_real_client_does() {
    let (copies, _) = ladder(linux(CLIENT), None);
    // captures/silent30-go, frames 23 to 29, 36, 37, 39: the pauses, in units of the first. The
    // first copy is the loss probe, which does not back off.
    let real = [1.0, 1.0, 2.0, 4.0, 8.0, 16.2, 32.0, 64.0, 133.0];
    for (index, factor) in real.into_iter().enumerate() {
        let pause = (copies[index + 1].saturating_sub(copies[index])).as_secs_f64();
        assert!((pause / 0.2 / factor - 1.0).abs() < 0.05, "pause {index} is {pause} s");
    }
}

#[test]
fn without_a_loss_probe_the_first_timeout_starts_the_clock() {
    let config = Config { loss_probe: false, ..linux(CLIENT) };
    let (copies, given_up) = ladder(config, None);
    assert_eq!(copies[..4], [0.0, 0.2, 0.6, 1.4].map(secs));
    // net/ipv4/tcp_timer.c, retransmits_timed_out: 924.4 s after the first retransmission is not
    // yet 924.6 s, so it ends with the next timeout.
    assert_eq!(given_up, secs(1_044.6));
}

#[test]
fn the_user_timeout_ends_it_on_the_dot() {
    let (copies, given_up) = ladder(linux(CLIENT), Some(secs(10.0)));
    assert_eq!(given_up.saturating_sub(copies[1]), secs(10.0));
}

#[test]
fn a_syn_into_a_black_hole_is_given_up_after_the_documented_time() {
    // ip-sysctl: tcp_syn_retries, "67 seconds till the last retransmission", "131 seconds"; before
    // Linux 6.5, without linear timeouts, 63 and 127.
    for (syn_linear_timeouts, last, end) in [(4, 67.0, 131.0), (0, 63.0, 127.0)] {
        let config = Config { syn_linear_timeouts, ..linux(CLIENT) };
        let mut net = Network::with(1, Weather::BLACK_HOLE, config, linux(SERVER));
        let id = net.client.connect(net.now, None, server()).unwrap();
        net.settle(secs(1_000.0));
        assert_eq!(net.seen.last().unwrap().at, secs(last));
        let failed = (secs(end), true, Event::Failed(id, Error::TimedOut));
        assert_eq!(net.events, [failed]);
    }
}

#[test]
fn a_handshake_without_an_end_is_forgotten_after_the_documented_time() {
    let mut net = Network::new(1, Weather::INSTANT);
    net.server.listen(server(), 1).unwrap();
    let syn = crate::wire::tcp::Segment::new(
        format!("{CLIENT}:5000").parse().unwrap(),
        server(),
        Flags::SYN,
    );
    net.server.handle_packet(net.now, syn.into_packet());
    net.weather = Weather::BLACK_HOLE;
    net.settle(secs(1_000.0));
    // ip-sysctl: tcp_synack_retries, "31 seconds till the last retransmission", "63 seconds"
    assert_eq!(net.seen.last().unwrap().at, secs(31.0));
    assert_eq!(net.elapsed(), secs(63.0));
    assert_eq!((net.server.connection_count(), net.events.len()), (0, 0));
}

#[test]
fn what_a_router_says_is_told_when_the_connection_times_out() {
    let mut net = Network::new(1, Weather::INSTANT);
    let (client, _) = net.open();
    net.weather = Weather::BLACK_HOLE;
    net.client.send(net.now, client, b"data").unwrap();
    net.collect();
    let offender = net.seen.last().unwrap().packet.clone();
    let router = "10.9.9.9".parse().unwrap();
    let error = crate::wire::icmp::unreachable(router, offender.view());
    net.client.handle_packet(net.now, error);
    net.run_for(secs(900.0));
    assert_eq!(net.client_state(client), State::Established);
    net.settle(secs(1_000.0));
    let told = net.client.send(net.now, client, b"x");
    assert_eq!(told, Err(Error::HostUnreachable));
}
