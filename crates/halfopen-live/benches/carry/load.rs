//! Senders and receivers, and what the machine did meanwhile.

#![expect(clippy::cast_precision_loss, reason = "bytes are counted to a few digits")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::road::Road;

/// Bytes that a program writes or reads at a time.
const CHUNK: usize = 256 << 10;
/// Bytes of a request and of its response.
const SMALL: usize = 100;
/// Ticks a second in `/proc/stat` (`USER_HZ`, which is the same on all of Linux's usual machines).
const TICKS: f64 = 100.0;

/// A bulk transfer.
#[derive(Debug)]
pub(crate) struct Bulk {
    bytes: u64,
    took: Duration,
    /// Seconds that all processors were busy.
    machine: f64,
    /// Seconds that the thread ran that carries packets.
    carrier: f64,
}

impl Bulk {
    pub(crate) fn gigabits_per_second(&self) -> f64 {
        self.bytes as f64 * 8e-9 / self.took.as_secs_f64()
    }

    pub(crate) fn machine_per_gigabyte(&self) -> f64 {
        self.machine / (self.bytes as f64 * 1e-9)
    }

    pub(crate) fn carrier_per_gigabyte(&self) -> f64 {
        self.carrier / (self.bytes as f64 * 1e-9)
    }
}

/// How long each request took, from its first byte sent to the last of its response.
#[derive(Debug)]
pub(crate) struct Requests(Vec<Duration>);

impl Requests {
    /// Returns what so many percent of them did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

/// Sends for a while over so many connections at once, and receives all of it.
pub(crate) fn bulk(road: &Road, server: IpAddr, flows: usize, time: Duration) -> Bulk {
    let connections: Vec<_> = (0..flows).map(|_| connect(road, server)).collect();
    let before = (Instant::now(), machine(), carrier());
    let bytes = thread::scope(|scope| {
        let receivers: Vec<_> = connections
            .iter()
            .map(|(client, server)| {
                scope.spawn(move || send(client, before.0 + time));
                scope.spawn(move || receive(server))
            })
            .collect();
        receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum()
    });
    Bulk {
        bytes,
        took: before.0.elapsed(),
        machine: machine() - before.1,
        carrier: carrier() - before.2,
    }
}

/// Makes requests one after the other over one connection.
pub(crate) fn requests(road: &Road, server: IpAddr, count: usize) -> Requests {
    let (mut client, mut server) = connect(road, server);
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = [0; SMALL];
            while server.read_exact(&mut buffer).is_ok() {
                server.write_all(&buffer).unwrap();
            }
        });
        let mut buffer = [0; SMALL];
        let mut times: Vec<Duration> = (0..count)
            .map(|_| {
                let begin = Instant::now();
                client.write_all(&buffer).unwrap();
                client.read_exact(&mut buffer).unwrap();
                begin.elapsed()
            })
            .collect();
        client.shutdown(Shutdown::Write).unwrap();
        times.sort();
        Requests(times)
    })
}

fn connect(road: &Road, server: IpAddr) -> (TcpStream, TcpStream) {
    let address = SocketAddr::new(server, 0);
    let listener = road.server.run(|| TcpListener::bind(address)).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    let client = road.client.run(|| TcpStream::connect(address)).unwrap().unwrap();
    (client, listener.accept().unwrap().0)
}

fn send(mut socket: &TcpStream, until: Instant) {
    let chunk = vec![0x2e; CHUNK];
    while Instant::now() < until {
        socket.write_all(&chunk).unwrap();
    }
    socket.shutdown(Shutdown::Write).unwrap();
}

fn receive(mut socket: &TcpStream) -> u64 {
    let mut chunk = vec![0; CHUNK];
    let mut received = 0;
    loop {
        match socket.read(&mut chunk).unwrap() {
            0 => return received,
            length => received += length as u64,
        }
    }
}

/// Returns for how long all processors have been busy, in seconds (`proc_stat(5)`).
fn machine() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let ticks = stat.lines().next().unwrap().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.map(|ticks| ticks.parse().unwrap()).collect();
    let [user, nice, system, _idle, _waiting, irq, softirq, ..] = *ticks else {
        panic!("/proc/stat begins with {ticks:?}")
    };
    (user + nice + system + irq + softirq) / TICKS
}

/// Returns for how long the thread has run that carries packets, in seconds.
fn carrier() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let named = |path: &std::path::PathBuf| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "carrier")
    };
    let thread = threads.into_iter().find(named).unwrap();
    // Documentation/scheduler/sched-stats.rst: the first number is nanoseconds on a processor.
    let stat = fs::read_to_string(thread.join("schedstat")).unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e-9
}
