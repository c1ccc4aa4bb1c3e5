//! Sockets behave as those of a Linux host do.

use std::io::ErrorKind;
use std::time::Duration;

use halfopen_core::path::Path;
use halfopen_core::time::Instant;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::{echo, ip};

/// A client and a server at the ends of a path without hops.
fn pair() -> (World, Host, Host) {
    let mut world = World::from_seed(1);
    let path = world.add_path(Path::default());
    let client = HostConfig::new("client", [ip("10.0.0.1"), ip("2001:db8::1")]).inside(path);
    let client = world.add_host(client);
    let server = HostConfig::new("server", [ip("192.0.2.1"), ip("2001:db8:1::1")]).outside(path);
    let server = world.add_host(server);
    (world, client, server)
}

#[test]
fn what_is_written_comes_back_from_an_echo() {
    let (mut world, client, server) = pair();
    echo(&server);
    let reply = world.run_on(&client, async {
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), "192.0.2.1:80".parse().unwrap());
        assert_eq!(stream.local_addr().unwrap().ip(), ip("10.0.0.1"));
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    });
    assert_eq!(reply.unwrap(), "hello");
}

/// Runs a program on the client and returns what it returned and how long it took.
fn timed<T>(world: &mut World, client: &Host, program: impl Future<Output = T>) -> (T, Duration) {
    let before = world.now();
    let output = world.run_on(client, program).unwrap();
    (output, world.now().saturating_since(before))
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let (mut world, client, _server) = pair();
    let error = world.run_on(&client, TcpStream::connect("server:81")).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn an_address_that_nobody_has_lets_connect_time_out_after_all_repetitions_of_the_syn() {
    let (mut world, client, _server) = pair();
    let connect = TcpStream::connect("203.0.113.9:80");
    let (stream, took) = timed(&mut world, &client, connect);
    assert_eq!(stream.unwrap_err().kind(), ErrorKind::TimedOut);
    // ip-sysctl: four repetitions a second apart, then 1, 2, 4 … 64 s
    assert!((Duration::from_secs(127)..Duration::from_secs(135)).contains(&took), "{took:?}");
    assert!(world.unroutable_packets() > 6);
}

#[test]
fn a_name_that_no_host_has_is_not_found() {
    let (mut world, client, _server) = pair();
    let error = world.run_on(&client, TcpStream::connect("servant:80")).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = world.run_on(&client, TcpStream::connect("server")).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn ipv6_carries_as_ipv4_does() {
    let (mut world, client, server) = pair();
    server.spawn(async {
        let listener = TcpListener::bind("[::]:80").await.unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), ip("2001:db8::1"));
        stream.write_all(b"six").await.unwrap();
    });
    let text = world.run_on(&client, async {
        // The name's first address is IPv4, where nobody listens.
        let mut stream = TcpStream::connect(("server", 80)).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    assert_eq!(text.unwrap(), "six");
}

#[test]
fn a_half_closed_connection_still_carries_the_other_way() {
    let (mut world, client, server) = pair();
    server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        stream.read_to_string(&mut request).await.unwrap();
        sleep(Duration::from_secs(30)).await;
        stream.write_all(request.to_uppercase().as_bytes()).await.unwrap();
    });
    let reply = world.run_on(&client, async {
        let (mut read, mut write) = TcpStream::connect("server:80").await.unwrap().into_split();
        write.write_all(b"hello").await.unwrap();
        drop(write);
        let mut reply = String::new();
        read.read_to_string(&mut reply).await.unwrap();
        reply
    });
    assert_eq!(reply.unwrap(), "HELLO");
}

#[test]
fn dropping_a_stream_with_unread_bytes_resets_it() {
    let (mut world, client, server) = pair();
    server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        drop(stream);
    });
    let kinds = world.run_on(&client, async {
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        stream.write_all(b"never read").await.unwrap();
        let read = stream.read_u8().await.unwrap_err().kind();
        (read, stream.write_all(b"more").await.unwrap_err().kind())
    });
    assert_eq!(kinds.unwrap(), (ErrorKind::ConnectionReset, ErrorKind::BrokenPipe));
}

#[test]
fn a_write_to_a_peer_that_closed_meets_a_reset() {
    let (mut world, client, server) = pair();
    server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        drop(listener.accept().await.unwrap());
    });
    let outcome = world.run_on(&client, async {
        let mut stream = TcpStream::connect("server:80").await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        stream.write_all(b"too late").await.unwrap();
        sleep(Duration::from_secs(1)).await;
        stream.write_all(b"later still").await.unwrap_err().kind()
    });
    assert_eq!(outcome.unwrap(), ErrorKind::BrokenPipe);
}

#[test]
fn an_abort_resets_the_peer() {
    let (mut world, client, server) = pair();
    let seen = server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap_err().kind()
    });
    let seen = world.run_on(&client, async {
        TcpStream::connect("server:80").await.unwrap().abort().unwrap();
        seen.await.unwrap()
    });
    assert_eq!(seen.unwrap(), ErrorKind::ConnectionReset);
}

#[test]
fn a_listener_that_goes_refuses_those_that_come_later() {
    let (mut world, client, server) = pair();
    let listening = server.spawn(TcpListener::bind("0.0.0.0:80"));
    world
        .run_on(&client, async {
            let listener = listening.await.unwrap().unwrap();
            drop(TcpStream::connect("server:80").await.unwrap());
            drop(listener);
            let error = TcpStream::connect("server:80").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        })
        .unwrap();
}

#[test]
fn an_address_can_be_bound_once_and_only_by_its_host() {
    let (mut world, _client, server) = pair();
    world
        .run_on(&server, async {
            let first = TcpListener::bind("192.0.2.1:80").await.unwrap();
            assert_eq!(first.local_addr().unwrap(), "192.0.2.1:80".parse().unwrap());
            let again = TcpListener::bind("192.0.2.1:80").await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::AddrInUse);
            let foreign = TcpListener::bind("10.0.0.1:80").await.unwrap_err();
            assert_eq!(foreign.kind(), ErrorKind::AddrNotAvailable);
            let any = TcpListener::bind("192.0.2.1:0").await.unwrap();
            assert!(any.local_addr().unwrap().port() >= 32_768);
        })
        .unwrap();
}

#[test]
fn a_writer_waits_for_a_reader_and_all_bytes_arrive_in_order() {
    let (mut world, client, server) = pair();
    let total = 20_000_000_u64;
    let received = server.spawn(async move {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        sleep(Duration::from_mins(1)).await;
        let (mut buffer, mut count) = (vec![0; 50_000], 0_u64);
        loop {
            let length = stream.read(&mut buffer).await.unwrap();
            if length == 0 {
                return count;
            }
            for byte in &buffer[..length] {
                assert_eq!(u64::from(*byte), count % 251);
                count += 1;
            }
        }
    });
    let (count, written) = world
        .run_on(&client, async move {
            let mut stream = TcpStream::connect("server:80").await.unwrap();
            let bytes: Vec<u8> = (0..251).cycle().take(usize::try_from(total).unwrap()).collect();
            let begin = tokio::time::Instant::now();
            stream.write_all(&bytes).await.unwrap();
            let written = begin.elapsed();
            drop(stream);
            (received.await.unwrap(), written)
        })
        .unwrap();
    assert_eq!(count, total);
    // Both ends' buffers hold a few megabytes; the rest waited for the reader.
    assert!(written >= Duration::from_mins(1), "{written:?}");
}

#[test]
fn the_halves_of_one_stream_reunite_and_those_of_two_do_not() {
    let (mut world, client, server) = pair();
    echo(&server);
    world
        .run_on(&client, async {
            let (read, write) = TcpStream::connect("server:80").await.unwrap().into_split();
            let (other_read, other_write) =
                TcpStream::connect("server:80").await.unwrap().into_split();
            let error = read.reunite(other_write).unwrap_err();
            let mut stream = error.0.reunite(write).unwrap();
            drop((other_read, error.1));
            stream.write_all(b"x").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
        })
        .unwrap();
}

#[test]
fn a_host_reaches_itself_and_its_neighbours_without_the_path() {
    let mut world = World::from_seed(1);
    let path = world.add_path(Path::default());
    let one = world.add_host(HostConfig::new("one", [ip("10.0.0.1")]).inside(path));
    let two = world.add_host(HostConfig::new("two", [ip("10.0.0.2")]).inside(path));
    echo(&one);
    for name in ["one:80", "127.0.0.1:80", "10.0.0.1:80"] {
        let stream = world.run_on(&one, TcpStream::connect(name)).unwrap().unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), stream.peer_addr().unwrap().ip());
    }
    world.run_on(&two, TcpStream::connect("one:80")).unwrap().unwrap();
}

#[test]
fn a_connection_attempt_that_is_dropped_is_given_up() {
    let (mut world, client, _server) = pair();
    world
        .run_on(&client, async {
            let connect = TcpStream::connect("203.0.113.9:80");
            tokio::time::timeout(Duration::from_millis(1500), connect).await.unwrap_err();
        })
        .unwrap();
    let packets = world.unroutable_packets();
    world.run_until(Instant::EPOCH + Duration::from_hours(1)).unwrap();
    assert_eq!(world.unroutable_packets(), packets);
}
