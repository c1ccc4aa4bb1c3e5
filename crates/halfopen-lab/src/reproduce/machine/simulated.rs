//! A host of the simulator.

use core::future::Future;
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;

use halfopen_core::tcp::Keepalive;
use halfopen_sim::host::Host;
use halfopen_sim::net::{TcpListener, TcpStream};

use super::{Clock, Listener, Machine, Stream};
use crate::connect::SimConnector;

impl Machine for Host {
    type Listener = TcpListener;
    type Connector = SimConnector;

    fn name(&self) -> &str {
        self.name()
    }

    fn clock(&self) -> Clock {
        let host = self.clone();
        Clock::new(move || host.now())
    }

    fn connector(&self) -> SimConnector {
        SimConnector::new(self.clone())
    }

    fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        self.listen(address)
    }

    fn start(&self, program: impl Future<Output = ()> + Send + 'static) {
        // Nobody waits for it; it ends by itself or with the host.
        drop(self.spawn(program));
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll_accept(cx)
    }
}

impl Stream for TcpStream {
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.set_keepalive(keepalive)
    }

    fn abort(self) -> io::Result<()> {
        self.abort()
    }
}
