//! A network of our own, with the kernel's sockets.

use core::future::Future;
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::tcp::Keepalive;
use halfopen_live::carry;
use halfopen_live::connect::Connector;
use halfopen_live::networks::End;
use halfopen_pool::connect::set_keepalive;
use tokio::net::{TcpListener, TcpStream};

use super::{Clock, Listener, Machine, Stream};

/// A host in a network of our own.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    name: Arc<str>,
    end: End,
    clock: carry::Clock,
}

impl Kernel {
    /// Returns a host of that name at an end, by the clock of the path.
    pub(crate) fn new(name: &str, end: End, clock: carry::Clock) -> Self {
        Self { name: name.into(), end, clock }
    }
}

impl Machine for Kernel {
    type Listener = TcpListener;
    type Connector = Connector;

    fn name(&self) -> &str {
        &self.name
    }

    fn clock(&self) -> Clock {
        let clock = self.clock;
        Clock::new(move || clock.now())
    }

    fn connector(&self) -> Connector {
        Connector::new()
    }

    fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        self.end.listen(address)
    }

    fn start(&self, program: impl Future<Output = ()> + Send + 'static) {
        self.end.start(program);
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll_accept(cx).map_ok(|(stream, peer)| {
            // An answer is one write; who cannot be spared the wait is served all the same.
            drop(stream.set_nodelay(true));
            (stream, peer)
        })
    }
}

impl Stream for TcpStream {
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        set_keepalive(self, keepalive)
    }

    fn abort(self) -> io::Result<()> {
        self.set_zero_linger()
    }
}
