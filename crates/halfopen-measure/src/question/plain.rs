//! What is asked of any server: whether its TCP still answers a keepalive probe.
//!
//! No byte is sent, so that no protocol minds (RFC 9293 section 3.8.4: a probe has no data, or one
//! byte that was sent before). For the prober to notice nothing of that, [`Probing`] stands between
//! it and the connections: what is said becomes a probe, and the acknowledgment an answer. What
//! the server sends by itself is read and dropped.

use core::fmt;
use core::future::Future as _;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use halfopen_pool::connect::{Connect, Delivery, Destination, Transport};
use halfopen_pool::idle::WireIdle;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep};

use super::{Dialogue, Question, Taken};

/// How often it is looked whether a probe was answered.
const LOOK: Duration = Duration::from_millis(20);
/// A probe at once, then one a second, for as long as anybody waits.
const PROBE: Keepalive = Keepalive { idle: SECOND, interval: SECOND, count: 60 };
const SECOND: Duration = Duration::from_secs(1);
/// What stands for a question, and for its answer.
const WORD: u8 = b'?';

/// Asks TCP, over [`Probing`] connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Question for Plain {
    fn begin(&self) -> Box<dyn Dialogue> {
        Box::new(Conversation)
    }
}

struct Conversation;

impl Dialogue for Conversation {
    fn ask(&mut self) -> Vec<u8> {
        vec![WORD]
    }

    fn take(&mut self, received: &[u8]) -> Taken {
        if received.is_empty() { Taken::More } else { Taken::Answered }
    }
}

/// Connects so that TCP itself can be asked. It takes a system that tells when an acknowledgment
/// came ([`Transport::wire_idle`]); on others connecting fails.
#[derive(Clone, Copy, Debug)]
pub struct Probing<C>(pub C);

impl<C: Connect> Connect for Probing<C> {
    type Transport = Probed<C::Transport>;

    async fn connect(&self, to: &Destination) -> io::Result<Self::Transport> {
        let below = self.0.connect(to).await?;
        if below.wire_idle().is_none() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system does not tell whether TCP's probes are answered: ask by a protocol",
            ));
        }
        Ok(Probed { below, stage: Stage::New, kept: Mutex::new(None), look: None })
    }

    fn source(&self) -> Option<String> {
        self.0.source()
    }
}

/// A connection whose questions are probes.
pub struct Probed<T> {
    below: T,
    stage: Stage,
    /// The probes that it has besides.
    kept: Mutex<Option<Keepalive>>,
    look: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The first question is answered already, by the handshake.
    New,
    Quiet,
    Asked {
        at: Instant,
        /// For how long nothing had passed by then.
        quiet: Duration,
    },
    Answered,
}

impl<T: Transport> Probed<T> {
    fn kept(&self) -> Option<Keepalive> {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quiet(&self) -> Duration {
        self.below.wire_idle().map_or(Duration::ZERO, |idle| idle.since_any_packet)
    }

    /// Reads what the server sends, and drops it, until it has sent no more.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut room = [0; 1_024];
            let mut buffer = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.below).poll_read(cx, buffer.unfilled()))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Returns once a packet has come since the probe.
    fn poll_acknowledged(&mut self, quiet: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.quiet() < quiet {
                self.look = None;
                return Poll::Ready(());
            }
            let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK)));
            ready!(look.as_mut().poll(cx));
            self.look = None;
        }
    }
}

impl<T: Transport> Read for Probed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(end);
        }
        if let Stage::Asked { quiet, .. } = self.stage {
            ready!(self.poll_acknowledged(quiet, cx));
            let kept = self.kept();
            self.below.set_keepalive(kept)?;
            self.stage = Stage::Answered;
        }
        if let Stage::Answered = self.stage {
            self.stage = Stage::Quiet;
            buffer.put_slice(&[WORD]);
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl<T: Transport> Write for Probed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stage = match self.stage {
            Stage::New => Stage::Answered,
            Stage::Quiet | Stage::Asked { .. } | Stage::Answered => {
                let quiet = self.quiet();
                self.below.set_keepalive(Some(PROBE))?;
                Stage::Asked { at: Instant::now(), quiet }
            }
        };
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

impl<T: Transport> Transport for Probed<T> {
    fn local_addr(&self) -> Option<SocketAddr> {
        self.below.local_addr()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.below.peer_addr()
    }

    fn wire_idle(&self) -> Option<WireIdle> {
        self.below.wire_idle()
    }

    /// A probe is no data to the kernel, which would take all for acknowledged.
    fn delivery(&self) -> Option<Delivery> {
        Some(match self.stage {
            Stage::Asked { at, .. } => {
                let probes_in_vain = u32::try_from(at.elapsed().as_secs()).unwrap_or(u32::MAX);
                Delivery::Outstanding { timeouts: probes_in_vain }
            }
            Stage::New | Stage::Quiet | Stage::Answered => Delivery::Acknowledged,
        })
    }

    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = keepalive;
        self.below.set_keepalive(keepalive)
    }

    fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.below.set_user_timeout(timeout)
    }
}

impl<T> fmt::Debug for Probed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probed").field("stage", &self.stage).finish_non_exhaustive()
    }
}
