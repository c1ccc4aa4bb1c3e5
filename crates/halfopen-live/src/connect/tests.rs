use core::time::Duration;
use std::net::Ipv4Addr;

use halfopen_core::tcp::Keepalive;
use halfopen_pool::connect::Transport as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::*;

/// How much later than asked a machine under load may do something.
const LATE: Duration = Duration::from_millis(700);

/// `linux/bpf_common.h`: `BPF_RET | BPF_K`, which lets through as many bytes as its operand says.
#[cfg(target_os = "linux")]
const RETURN: u16 = 0x06;

async fn connected(connector: &Connector) -> (Socket, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = Destination { tls: false, host: "127.0.0.1".into(), port };
    let socket = connector.connect(&to).await.unwrap();
    (socket, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn a_connection_leaves_from_the_address_that_was_asked_for() {
    let connector = Connector::new().from_address(Ipv4Addr::new(127, 0, 0, 9).into());
    let (socket, peer) = connected(&connector).await;
    assert_eq!(socket.local_addr().unwrap().ip(), Ipv4Addr::new(127, 0, 0, 9));
    assert_eq!(socket.local_addr(), peer.peer_addr().ok());
    assert_eq!(connector.source().as_deref(), Some("127.0.0.9"));
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_an_error() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = Destination { tls: false, host: "127.0.0.1".into(), port };
    Connector::new().through("nosuchthing0").connect(&to).await.unwrap_err();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_wire_is_idle_for_as_long_as_nothing_was_sent_or_came() {
    let (socket, mut peer) = connected(&Connector::new()).await;
    sleep(Duration::from_millis(300)).await;
    let quiet = socket.wire_idle().unwrap();
    assert!(quiet.since_any_packet >= Duration::from_millis(280), "{quiet:?}");
    assert!(quiet.since_data >= quiet.since_any_packet, "{quiet:?}");

    peer.write_all(b"hello").await.unwrap();
    socket.stream().readable().await.unwrap();
    let spoken = socket.wire_idle().unwrap();
    assert!(spoken.since_data < quiet.since_data, "{spoken:?}: what nobody has read counts");
    drop(peer);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_keepalive_probe_that_is_answered_is_a_packet_and_no_data() {
    let (socket, peer) = connected(&Connector::new()).await;
    let second = Duration::from_secs(1);
    socket.set_keepalive(Some(Keepalive { idle: second, interval: second, count: 3 })).unwrap();
    sleep(Duration::from_millis(1_400)).await;
    let quiet = socket.wire_idle().unwrap();
    assert!(quiet.since_data >= Duration::from_millis(1_380), "{quiet:?}");
    assert!(quiet.since_any_packet + LATE < quiet.since_data, "{quiet:?}");
    drop(peer);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_knows_a_slow_server_from_a_path_that_swallows() {
    let (socket, peer) = connected(&Connector::new()).await;
    socket.stream().try_write(b"hello").unwrap();
    while socket.delivery() != Some(Delivery::Acknowledged) {
        sleep(Duration::from_millis(1)).await;
    }

    // A program of one instruction that lets nothing through, as if the path had forgotten.
    let swallow = socket2::SockFilter::new(RETURN, 0, 0, 0);
    socket2::SockRef::from(&peer).attach_filter(&[swallow]).unwrap();
    socket.stream().try_write(b"hello").unwrap();
    assert_eq!(socket.delivery(), Some(Delivery::Outstanding { timeouts: 0 }));
    let since = std::time::Instant::now();
    while !socket.delivery().unwrap().is_silence() {
        assert!(since.elapsed() < Duration::from_secs(30), "{:?}", socket.delivery());
        sleep(Duration::from_millis(10)).await;
    }
    // Linux: TCP_RTO_MIN is 200 ms, and doubles.
    assert!(since.elapsed() >= Duration::from_millis(500), "{:?}", since.elapsed());
    drop(peer);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn settings_reach_the_kernel() {
    let (socket, mut peer) = connected(&Connector::new()).await;
    let keepalive =
        Keepalive { idle: Duration::from_mins(1), interval: Duration::from_secs(7), count: 4 };
    socket.set_keepalive(Some(keepalive)).unwrap();
    socket.set_user_timeout(Some(Duration::from_secs(30))).unwrap();
    let kernel = socket2::SockRef::from(socket.stream());
    assert!(kernel.keepalive().unwrap());
    assert_eq!(kernel.tcp_keepalive_time().unwrap(), Duration::from_mins(1));
    assert_eq!(kernel.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
    assert_eq!(kernel.tcp_keepalive_retries().unwrap(), 4);
    assert_eq!(kernel.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
    socket.set_keepalive(None).unwrap();
    assert!(!kernel.keepalive().unwrap());

    let mut byte = [0];
    drop(socket);
    assert_eq!(peer.read(&mut byte).await.unwrap(), 0, "dropping it closes it");
}
