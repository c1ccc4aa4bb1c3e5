//! What passes an interface while something else goes on, to be judged afterwards.
//!
//! It is what tells whose a reset or a FIN is, which sockets do not.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use halfopen_capture::{Diagnosis, Limits, Tracker};
use halfopen_core::time::Duration;
use nix::ifaddrs::getifaddrs;

use crate::filter::Filter;
use crate::sensor::packet;
use crate::sniffer::{self, Sniffer};

/// How many connections are followed. Whoever measures opens fewer.
const CONNECTIONS_MAX: usize = 1 << 14;
/// And servers. Others have the same port.
const PATHS_MAX: usize = 16;
/// How much memory is shared with the kernel, in MiB.
const RING: u32 = 16;
/// How long a thread waits for packets before it looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);
/// What came just before the end is still on its way from the ring.
const LAST: Duration = Duration::from_millis(250);

/// Why nobody watches.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The interface cannot be watched.
    #[error(transparent)]
    Sniffer(#[from] sniffer::Error),
    /// It is not known which interface leads there.
    #[error("cannot find the interface that leads to {0}: {1}")]
    Route(SocketAddr, io::Error),
    /// There is no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Watches the connections to one server, until it is asked.
#[derive(Debug)]
pub struct Witness {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<(Tracker, u64)>>,
}

/// What was seen.
#[derive(Debug)]
pub struct Testimony {
    /// What became of each connection, and what that says of the path.
    pub diagnosis: Diagnosis,
    /// Packets that came too many at a time to be seen.
    pub missed: u64,
}

impl Witness {
    /// Begins to watch the interface that leads to `server`. This takes `CAP_NET_RAW`.
    pub fn begin(server: SocketAddr, seed: u64) -> Result<Self, Error> {
        let interface = interface_toward(server).map_err(|error| Error::Route(server, error))?;
        let filter = Filter { ports: vec![server.port()], ..Filter::default() };
        let sniffer = Sniffer::open(&interface, &filter, RING)?;
        let over = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&over);
        let watch = move || watch(sniffer, server, seed, &watched);
        let thread = thread::Builder::new().name("witness".to_owned()).spawn(watch);
        Ok(Self { over, thread: thread.map_err(Error::Thread)? })
    }

    /// Ends, and tells what was seen. It takes up to a third of a second.
    pub fn end(self) -> io::Result<Testimony> {
        thread::sleep(LAST);
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (tracker, missed) = seen?;
        Ok(Testimony { diagnosis: tracker.diagnose(), missed })
    }
}

fn watch(
    mut sniffer: Sniffer,
    server: SocketAddr,
    seed: u64,
    over: &AtomicBool,
) -> io::Result<(Tracker, u64)> {
    let limits = Limits { flows: CONNECTIONS_MAX, paths: PATHS_MAX };
    let mut tracker = Tracker::new(limits, seed);
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        // An interface that goes down says so once; it may come up again.
        let Ok(Some(block)) = sniffer.next(TICK) else { continue };
        for frame in block.frames() {
            number += 1;
            let Some(view) = packet(&frame) else { continue };
            if [view.src(), view.dst()].contains(&server.ip()) {
                tracker.take(number, Some(frame.at), view);
            }
        }
    }
    Ok((tracker, sniffer.statistics()?.drops))
}

/// Returns the name of the interface from whose address the system would reach a server.
fn interface_toward(server: SocketAddr) -> io::Result<String> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0_u16; 8].into(),
    };
    // Connecting a datagram socket sends nothing, and chooses an address.
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    let own = socket.local_addr()?.ip();
    let named = getifaddrs()?.find(|one| {
        let address = one.address.as_ref();
        let v4 = address.and_then(|it| it.as_sockaddr_in()).map(|it| IpAddr::V4(it.ip()));
        let v6 = address.and_then(|it| it.as_sockaddr_in6()).map(|it| IpAddr::V6(it.ip()));
        v4.or(v6) == Some(own)
    });
    let named = named.map(|one| one.interface_name);
    named.ok_or_else(|| io::Error::other(format!("none has the address {own}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_reached_by_loopback() {
        assert_eq!(interface_toward(([127, 0, 0, 1], 80).into()).unwrap(), "lo");
    }
}
