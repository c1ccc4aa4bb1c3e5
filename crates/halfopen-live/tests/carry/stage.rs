//! Two network namespaces with an interface in each, and a carrier between them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use halfopen_core::hop::Event;
use halfopen_core::path::Path;
use halfopen_live::carry::{Carrier, Clock, Delays, Handle};
use halfopen_live::namespace::Namespace;
use halfopen_live::tun::{Settings, Tun};

pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// RFC 5737, TEST-NET-2; RFC 3849.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub(crate) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// RFC 5737, TEST-NET-3; RFC 3849.
pub(crate) const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(crate) const EXTERNAL_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// How many events wait to be looked at.
const EVENTS: usize = 1000;

/// A client's namespace, a server's, and a carrier between them.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) client: Namespace,
    pub(crate) server: Namespace,
    pub(crate) carrier: Handle,
    pub(crate) clock: Clock,
    pub(crate) events: Receiver<Event>,
    thread: Option<JoinHandle<Ran>>,
}

/// How a carrier ran.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) delays: Delays,
    /// How often it took memory.
    pub(crate) allocations: u64,
}

/// Makes an interface that leads everywhere.
fn interface(namespace: &Namespace, name: &str, addresses: [IpAddr; 2]) -> Tun {
    let settings = Settings { name: name.to_owned(), mtu: 1500 };
    let tun = namespace.run(|| Tun::open(&settings)).unwrap().unwrap();
    namespace.bring_up(name).unwrap();
    for address in addresses {
        let (prefix, everything) = match address {
            IpAddr::V4(_) => (32, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            IpAddr::V6(_) => (128, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        namespace.add_address(name, address, prefix).unwrap();
        namespace.add_route(name, everything, 0, None).unwrap();
    }
    tun
}

impl Stage {
    /// Returns two ends that reach each other through a path.
    pub(crate) fn new(path: Path) -> Self {
        let (client, server) = (Namespace::new().unwrap(), Namespace::new().unwrap());
        let inside = interface(&client, "inside0", [CLIENT.into(), CLIENT_V6.into()]);
        let outside = interface(&server, "outside0", [SERVER.into(), SERVER_V6.into()]);
        let clock = Clock::start();
        let mut carrier = Carrier::new(path, inside, outside, clock).expect("a carrier");
        let (handle, events) = (carrier.handle(), carrier.events(EVENTS));
        let thread = thread::spawn(move || {
            let allocated = allocation_counter::measure(|| carrier.run().expect("it runs"));
            Ran { delays: carrier.delays().clone(), allocations: allocated.count_total }
        });
        Self { client, server, carrier: handle, clock, events, thread: Some(thread) }
    }

    /// Stops the carrier and returns how it ran.
    pub(crate) fn stop(mut self) -> Ran {
        self.carrier.stop();
        self.thread.take().expect("a thread").join().expect("no panic in the carrier")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.carrier.stop();
    }
}
