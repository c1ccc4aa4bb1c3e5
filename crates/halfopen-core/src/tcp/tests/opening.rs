use super::network::*;
use super::*;

#[test]
fn a_handshake_a_request_a_response_and_a_close_look_like_linux() {
    let mut net = Network::new(1, Weather::FAIR);
    let (client, server) = net.open();
    assert_eq!(net.story(0), [">S 0", "<S. 0", ">. 0"]);
    net.client.send(net.now, client, b"request").unwrap();
    net.run_for(secs(1.0));
    let mut buffer = [0; 100];
    assert_eq!(net.server.receive(net.now, server, &mut buffer), Ok(Received::Bytes(7)));
    assert_eq!(&buffer[..7], b"request");
    net.server.send(net.now, server, b"response").unwrap();
    net.run_for(secs(1.0));
    assert_eq!(net.client.receive(net.now, client, &mut buffer), Ok(Received::Bytes(8)));
    net.client.close(net.now, client);
    net.run_for(secs(1.0));
    assert_eq!(net.server.receive(net.now, server, &mut buffer), Ok(Received::Finished));
    net.server.close(net.now, server);
    net.settle(secs(100.0));
    let story = ["<P. 8", ">. 0", ">F. 0", "<. 0", "<F. 0", ">. 0"];
    assert_eq!(net.story(3), [&[">P. 7", "<. 0"], &story[..]].concat());
    assert_eq!((net.client.connection_count(), net.server.connection_count()), (0, 0));
    assert_eq!((net.client.poll_timeout(), net.server.poll_timeout()), (None, None));
}
