//! Two network namespaces with an interface in each, and a carrier between them.

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use halfopen_core::hop::{Event, Hop};
use halfopen_core::path::Path;
use halfopen_live::carry::{Carrier, Clock, Delays, Handle};
use halfopen_live::tun::{Settings, Tun};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// RFC 5737, TEST-NET-2; RFC 3849.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub(crate) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// RFC 5737, TEST-NET-3.
pub(crate) const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// How many events wait to be looked at.
const EVENTS: usize = 1000;

/// A network namespace that lives as long as this.
#[derive(Debug)]
pub(crate) struct Namespace {
    keeper: Child,
}

/// A client's namespace, a server's, and a carrier between them.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) client: Namespace,
    pub(crate) server: Namespace,
    pub(crate) carrier: Handle,
    pub(crate) clock: Clock,
    pub(crate) events: Receiver<Event>,
    thread: Option<JoinHandle<Delays>>,
}

impl Namespace {
    fn new() -> Self {
        let mut keeper = Command::new("unshare");
        let keeper = keeper.args(["--net", "cat"]).stdin(Stdio::piped()).spawn().expect("unshare");
        let namespace = Self { keeper };
        let own = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
        while std::fs::read_link(namespace.file()).is_ok_and(|link| link == own) {
            thread::yield_now();
        }
        namespace
    }

    fn file(&self) -> String {
        format!("/proc/{}/ns/net", self.keeper.id())
    }

    /// Runs a function on a thread in the namespace.
    pub(crate) fn run<T: Send>(&self, function: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let namespace = File::open(self.file()).expect("the namespace");
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::Network),
                )
                .expect("to enter a namespace takes root");
                function()
            });
            inside.join().expect("no panic in the namespace")
        })
    }

    /// Makes an interface that leads everywhere.
    fn interface(&self, name: &str, addresses: &[String; 2]) -> Tun {
        self.run(|| {
            let settings = Settings { name: name.to_owned(), mtu: 1500 };
            let tun = Tun::open(&settings).expect("an interface");
            assert_eq!(tun.name(), name);
            for command in [
                "link set lo up".to_owned(),
                format!("link set {name} up"),
                format!("addr add {}/32 dev {name}", addresses[0]),
                format!("addr add {}/128 dev {name} nodad", addresses[1]),
                format!("route add default dev {name}"),
                format!("-6 route add default dev {name}"),
            ] {
                let status = Command::new("ip").args(command.split(' ')).status().expect("ip");
                assert!(status.success(), "ip {command}");
            }
            tun
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().expect("the keeper of the namespace ends");
    }
}

impl Stage {
    /// Returns two ends that reach each other through `hops`.
    pub(crate) fn new(hops: Vec<Box<dyn Hop>>) -> Self {
        let (client, server) = (Namespace::new(), Namespace::new());
        let inside = client.interface("inside0", &[CLIENT.to_string(), CLIENT_V6.to_string()]);
        let outside = server.interface("outside0", &[SERVER.to_string(), SERVER_V6.to_string()]);
        let clock = Clock::start();
        let mut carrier = Carrier::new(Path::new(hops), inside, outside, clock).expect("a carrier");
        let (handle, events) = (carrier.handle(), carrier.events(EVENTS));
        let thread = thread::spawn(move || {
            carrier.run().expect("it runs");
            carrier.delays().clone()
        });
        Self { client, server, carrier: handle, clock, events, thread: Some(thread) }
    }

    /// Stops the carrier and returns how late it was.
    pub(crate) fn stop(mut self) -> Delays {
        self.carrier.stop();
        self.thread.take().expect("a thread").join().expect("no panic in the carrier")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.carrier.stop();
    }
}
