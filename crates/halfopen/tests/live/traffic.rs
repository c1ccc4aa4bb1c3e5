//! What the watcher gets to see.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use halfopen_core::seq::Seq;
use halfopen_core::wire::tcp::{Flags, Segment};
use halfopen_live::injector::Injector;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// Returns both ends of a connection over loopback that has carried a request and its response.
pub(crate) fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut server = listener.accept().unwrap().0;
    exchange(&mut server, &mut client);
    (server, client)
}

fn exchange(server: &mut TcpStream, client: &mut TcpStream) {
    let mut bytes = [0; 100];
    client.write_all(REQUEST).unwrap();
    assert_eq!(server.read(&mut bytes).unwrap(), REQUEST.len());
    server.write_all(RESPONSE).unwrap();
    assert_eq!(client.read(&mut bytes).unwrap(), RESPONSE.len());
}

/// Uses a connection once more, and lets its server reset it when it has been idle for `idle`.
pub(crate) fn abort_when_idle(mut server: TcpStream, mut client: TcpStream, idle: Duration) {
    exchange(&mut server, &mut client);
    sleep(idle);
    let kernel = socket2::SockRef::from(&server);
    kernel.set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    client.read(&mut [0; 100]).unwrap_err();
}

/// Shows a connection through a box that forgets it: it works, is idle for `idle`, and the next
/// request is answered by a reset that has come fewer hops than the server's packets. The client
/// sends the request again on another connection.
pub(crate) fn idle_death(server: &str, idle: Duration) {
    let server: SocketAddr = server.parse().unwrap();
    let wire = Wire { injector: Injector::open("lo").unwrap() };
    let first = SocketAddr::from(([10, 0, 0, 7], 40_001));
    let second = SocketAddr::from(([10, 0, 0, 7], 40_002));
    let next = wire.exchange(first, server);
    sleep(idle);
    wire.request(first, server, next);
    let seq = Seq(1) + u32::try_from(RESPONSE.len()).unwrap();
    wire.show(&Segment { seq, ttl: 63, ..Segment::new(server, first, Flags::RST) });
    wire.exchange(second, server);
}

struct Wire {
    injector: Injector,
}

impl Wire {
    /// Opens a connection, asks and answers; returns the client's next number.
    fn exchange(&self, client: SocketAddr, server: SocketAddr) -> Seq {
        // Two connections that begin with the same number would be one, seen twice.
        let seq = Seq(u32::from(client.port()));
        self.show(&Segment { seq, ..Segment::new(client, server, Flags::SYN) });
        let opened = Segment::new(server, client, Flags::SYN | Flags::ACK);
        self.show(&Segment { seq: Seq(0), ack: seq + 1, ttl: 55, ..opened });
        self.request(client, server, seq + 1);
        let next = seq + 1 + u32::try_from(REQUEST.len()).unwrap();
        let answer = Segment::new(server, client, Flags::ACK | Flags::PSH);
        self.show(&Segment { seq: Seq(1), ack: next, ttl: 55, payload: RESPONSE, ..answer });
        next
    }

    fn request(&self, client: SocketAddr, server: SocketAddr, seq: Seq) {
        let asked = Segment::new(client, server, Flags::ACK | Flags::PSH);
        self.show(&Segment { seq, ack: Seq(1), payload: REQUEST, ..asked });
    }

    fn show(&self, segment: &Segment<'_>) {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00]);
        frame.extend(segment.into_packet().bytes());
        assert_eq!(self.injector.send(&[frame]).unwrap(), 1);
        // The server answers in a while.
        sleep(Duration::from_millis(5));
    }
}
