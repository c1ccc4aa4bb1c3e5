use super::network::*;
use super::*;

/// Returns how long after its first retransmission a connection in a black hole is given up, if its
/// timeout is exactly the least one.
fn patience_of(retries2: u32) -> Duration {
    let config = Config { retries2, ..linux(CLIENT) };
    let mut net = Network::with(1, Weather::INSTANT, config, linux(SERVER));
    let (client, _) = net.open();
    assert_eq!(net.client.info(client).unwrap().rto, secs(0.2));
    net.weather = Weather::BLACK_HOLE;
    let from = net.seen.len();
    net.client.send(net.now, client, b"anybody there?").unwrap();
    net.settle(secs(2_000.0));
    assert_eq!(net.client_state(client), State::Closed);
    let first_retransmission = net.seen[from + 1].at;
    let (failed, _, event) = net.events.pop().unwrap();
    assert_eq!(event, Event::Failed(client, Error::TimedOut));
    failed.saturating_sub(first_retransmission)
}

#[test]
fn silence_is_borne_as_long_as_the_kernel_documentation_says() {
    // ip-sysctl: tcp_retries2, "a hypothetical timeout of 924.6 seconds"
    let documented =
        [(3, 3.0), (5, 12.6), (6, 25.4), (8, 102.2), (10, 324.6), (12, 564.6), (15, 924.6)];
    for (retries2, seconds) in documented {
        assert_eq!(patience_of(retries2), secs(seconds), "tcp_retries2 = {retries2}");
    }
}
