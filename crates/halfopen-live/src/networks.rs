//! Two networks of our own, a client's and a server's, and a path between them.
//!
//! Each [`End`] is a namespace with a TUN device through which everything goes that is not for
//! itself. A thread carries the packets between the devices through the hops of a
//! [`Path`]. Nothing here has a name outside of the process, so nothing is left of it, however it
//! ends.

use core::future::Future;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use halfopen_core::hop::Event;
use halfopen_core::path::Path;
use halfopen_core::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

use crate::carry::{Carrier, Clock, Delays, Handle};
use crate::namespace::{self, Namespace};
use crate::tun::{self, Tun};

/// What the interfaces are called inside their namespaces.
pub const INTERFACE: &str = "path0";
/// Ethernet's (RFC 894), which is what most paths have.
const MTU: u16 = 1500;
/// How long programs may take to end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many events wait to be heard.
const EVENTS_MAX: usize = 1 << 14;

/// Why there are no networks, or why they are no more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The namespaces, or what belongs into them, could not be made.
    #[error(transparent)]
    Namespace(#[from] namespace::Error),
    /// An interface could not be made.
    #[error(transparent)]
    Interface(#[from] tun::Error),
    /// The kernel had no room for something else.
    #[error("cannot {step}: {error}")]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

fn kernel(step: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::Kernel { step, error }
}

/// An end of the path: a network, and a thread in it that runs programs. Clones are the same end.
#[derive(Clone, Debug)]
pub struct End {
    namespace: Arc<Namespace>,
    thread: runtime::Handle,
}

impl End {
    /// Listens at one of the end's addresses.
    pub fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let listener = self.namespace.run(|| std::net::TcpListener::bind(address));
        let listener = listener.map_err(io::Error::other)??;
        listener.set_nonblocking(true)?;
        let _entered = self.thread.enter();
        TcpListener::from_std(listener)
    }

    /// Runs a program until it ends or its networks do. Programs of one end take turns.
    pub fn start(&self, program: impl Future<Output = ()> + Send + 'static) {
        drop(self.thread.spawn(program));
    }

    /// Returns the network.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

/// An end before there is a path.
#[derive(Debug)]
struct Side {
    end: End,
    runtime: Runtime,
    tun: Tun,
}

impl Side {
    fn new(addresses: &[IpAddr]) -> Result<Self, Error> {
        let namespace = Namespace::new()?;
        let settings = tun::Settings { name: INTERFACE.to_owned(), mtu: MTU };
        let tun = namespace.run(|| Tun::open(&settings))??;
        for &address in addresses {
            namespace.add_address(INTERFACE, address, if address.is_ipv4() { 32 } else { 128 })?;
        }
        namespace.bring_up(INTERFACE)?;
        namespace.add_route(INTERFACE, Ipv4Addr::UNSPECIFIED.into(), 0, None)?;
        if addresses.iter().any(IpAddr::is_ipv6) {
            namespace.add_route(INTERFACE, Ipv6Addr::UNSPECIFIED.into(), 0, None)?;
        }
        // Its worker starts here and now, and so inside.
        let mut builder = runtime::Builder::new_multi_thread();
        let build = || builder.worker_threads(1).max_blocking_threads(1).enable_all().build();
        let runtime = namespace.run(build)?.map_err(kernel("start a thread"))?;
        let end = End { namespace: namespace.into(), thread: runtime.handle().clone() };
        Ok(Self { end, runtime, tun })
    }
}

/// A client's network and a server's, without a path.
#[derive(Debug)]
pub struct Networks {
    client: Side,
    server: Side,
}

impl Networks {
    /// Makes the networks, of hosts with these addresses.
    pub fn new(client: &[IpAddr], server: &[IpAddr]) -> Result<Self, Error> {
        Ok(Self { client: Side::new(client)?, server: Side::new(server)? })
    }

    /// Returns where the client will be.
    #[must_use]
    pub const fn client(&self) -> &End {
        &self.client.end
    }

    /// Returns where the servers will be.
    #[must_use]
    pub const fn server(&self) -> &End {
        &self.server.end
    }

    /// Begins to carry packets through a path that lives by this clock. What is returned besides
    /// hears what its hops do, if it is asked often enough; or else what it missed is counted.
    pub fn join(self, path: Path, clock: Clock) -> Result<(Joined, Receiver<Event>), Error> {
        let Self { client, server } = self;
        let carrier = Carrier::new(path, client.tun, server.tun, clock);
        let mut carrier = carrier.map_err(kernel("wait for packets"))?;
        let (handle, events) = (carrier.handle(), carrier.events(EVENTS_MAX));
        let carrying = thread::Builder::new().name("carrier".to_owned()).spawn(move || {
            let end = carrier.run();
            (carrier, end)
        });
        let carrying = carrying.map_err(kernel("start a thread"))?;
        let (ends, runtimes) = ([client.end, server.end], [client.runtime, server.runtime]);
        let [client, server] = ends;
        let (runtimes, carrying) = (Some(runtimes), Some(carrying));
        Ok((Joined { client, server, runtimes, handle, carrying }, events))
    }
}

/// Two networks with a path between them. What is dropped ends.
#[derive(Debug)]
pub struct Joined {
    /// Where the client is.
    pub client: End,
    /// Where the servers are.
    pub server: End,
    runtimes: Option<[Runtime; 2]>,
    handle: Handle,
    carrying: Option<JoinHandle<(Carrier, io::Result<()>)>>,
}

impl Joined {
    /// Returns what gives the path orders and reads what was counted.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends it: first no packet is carried any more, then programs stop where they are. Returns how
    /// late the path was told of what was due.
    pub fn stop(mut self) -> Result<Delays, Error> {
        self.handle.stop();
        let carrying = self.carrying.take().expect("it is stopped once");
        let (carrier, end) = carrying.join().unwrap_or_else(|panic| resume_unwind(panic));
        for runtime in self.runtimes.take().into_iter().flatten() {
            // What cannot be interrupted is not worth waiting for.
            runtime.shutdown_timeout(PATIENCE);
        }
        end.map_err(kernel("carry packets"))?;
        Ok(carrier.delays().clone())
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.handle.stop();
    }
}
