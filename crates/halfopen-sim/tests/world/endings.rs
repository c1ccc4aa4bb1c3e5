//! Programs that are killed, hosts that lose power, and what an administrator sees of sockets.

use std::io::ErrorKind;
use std::sync::Arc;

use halfopen_core::idle::OnOrphan;
use halfopen_core::tcp::{Keepalive, State};
use halfopen_core::time::Instant;
use halfopen_sim::host::Host;
use halfopen_sim::net::{TcpListener, TcpStream};
use halfopen_sim::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::{Scene, echo, seconds};

/// Returns the states of a host's connections.
fn states(host: &Host) -> Vec<State> {
    let connections = host.sockets().rows.into_iter().filter_map(|row| row.connection);
    connections.map(|connection| connection.info.state).collect()
}

/// Connects, and waits until the server knows it too.
fn open(world: &mut World, client: &Host) -> TcpStream {
    let connecting = async {
        let stream = TcpStream::connect("server:80").await.unwrap();
        sleep(seconds(1)).await;
        stream
    };
    world.run_on(client, connecting).unwrap()
}

#[test]
fn a_killed_server_says_goodbye_with_a_fin_and_refuses_until_it_runs_again() {
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    let mut stream = open(&mut world, &client);
    server.kill();
    let farewell = world.run(async { stream.read(&mut [0; 8]).await }).unwrap();
    assert_eq!(farewell.unwrap(), 0);
    let refused = world.run_on(&client, TcpStream::connect("server:80")).unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    echo(&server);
    world.run_on(&client, TcpStream::connect("server:80")).unwrap().unwrap();
}

#[test]
fn a_program_that_is_killed_with_bytes_unread_resets() {
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    server.spawn(async {
        let listener = TcpListener::bind("0.0.0.0:81").await.unwrap();
        let _held = listener.accept().await.unwrap();
        core::future::pending::<()>().await;
    });
    let mut stream = world
        .run_on(&client, async {
            let mut stream = TcpStream::connect("server:81").await.unwrap();
            stream.write_all(b"nobody reads this").await.unwrap();
            sleep(seconds(1)).await;
            stream
        })
        .unwrap();
    server.kill();
    let error = world.run(async { stream.read(&mut [0; 8]).await }).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn killing_ends_every_task_that_was_started_on_the_host_and_none_elsewhere() {
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    let witness = Arc::new(());
    let (child, other) = (Arc::clone(&witness), Arc::clone(&witness));
    client.spawn(async move {
        for _ in 0..100 {
            halfopen_sim::spawn(sleep(seconds(1)));
        }
        halfopen_sim::spawn(async move {
            core::future::pending::<()>().await;
            drop(child);
        });
        core::future::pending::<()>().await;
    });
    server.spawn(async move {
        core::future::pending::<()>().await;
        drop(other);
    });
    world.run_until(Instant::EPOCH + seconds(5)).unwrap();
    assert_eq!(Arc::strong_count(&witness), 3);
    client.kill();
    world.run_until(Instant::EPOCH + seconds(6)).unwrap();
    assert_eq!(Arc::strong_count(&witness), 2);
}

#[test]
fn a_stream_that_a_task_of_nobody_holds_is_closed_too_and_harms_no_later_one() {
    let Scene { mut world, client, .. } = Scene::new(OnOrphan::Reset);
    let mut stale = open(&mut world, &client);
    let (told, heard) = tokio::sync::oneshot::channel();
    let reading = async {
        tokio::spawn(async move { told.send(stale.read(&mut [0; 8]).await) });
    };
    world.run(reading).unwrap();
    world.run_until(Instant::EPOCH + seconds(1)).unwrap();
    client.power_cut();
    assert_eq!(states(&client), []);
    let mut fresh = world.run_on(&client, TcpStream::connect("server:80")).unwrap().unwrap();
    let stale = world.run(heard).unwrap().unwrap();
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Other);
    let echoed = world.run(async {
        fresh.write_all(b"x").await.unwrap();
        fresh.read_u8().await.unwrap()
    });
    assert_eq!(echoed.unwrap(), b'x');
}

#[test]
fn a_power_cut_is_not_seen_until_the_peer_speaks() {
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    let mut stream = open(&mut world, &client);
    server.power_cut();
    world.run_until(Instant::EPOCH + seconds(300)).unwrap();
    assert_eq!((states(&client), states(&server)), (vec![State::Established], vec![]));
    let error = world.run(async {
        stream.write_all(b"still there?").await.unwrap();
        stream.read(&mut [0; 8]).await.unwrap_err()
    });
    assert_eq!(error.unwrap().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn the_table_of_sockets_is_what_netstat_prints() {
    let Scene { mut world, client, server, .. } = Scene::new(OnOrphan::Reset);
    let stream = open(&mut world, &client);
    let keepalive = Keepalive { idle: seconds(30), interval: seconds(10), count: 3 };
    stream.set_keepalive(Some(keepalive)).unwrap();
    let port = stream.local_addr().unwrap().port();
    world.run_until(Instant::EPOCH + seconds(10)).unwrap();
    assert_eq!(
        client.sockets().to_string(),
        format!(
            "Active Internet connections (servers and established)\n\
             Proto Recv-Q Send-Q Local Address           Foreign Address         \
             State       Timer\n\
             tcp        0      0 10.0.0.7:{port}          198.51.100.2:80         ESTABLISHED \
             keepalive (21.01/0/0)\n"
        )
    );
    let table = server.sockets().to_string();
    let listener = "tcp        0      0 0.0.0.0:80              0.0.0.0:*               \
                    LISTEN      off (0.00/0/0)";
    assert_eq!(table.lines().nth(2), Some(listener), "{table}");
}
