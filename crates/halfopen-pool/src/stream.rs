//! The bytes of one connection on their way between hyper and the transport.
//!
//! hyper owns one end and the client the other, so that the client can ask the transport what the
//! kernel knows, see whether a request was written, and keep a connection from being read. What
//! passed is counted without a lock, since it is asked for several times a request.

use core::pin::Pin;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use core::task::{Context, Poll, Waker, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_core::time::Instant;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use crate::clock::Clock;
use crate::connect::{Delivery, Transport};
use crate::idle::WireIdle;

/// Sees the bytes of a connection.
pub(crate) trait Tap: Send {
    fn sent(&mut self, now: Instant, bytes: &[u8]);
    fn received(&mut self, now: Instant, bytes: &[u8]);
    fn failed(&mut self, now: Instant, reading: bool, error: &io::Error);
}

/// hyper's end.
pub(crate) struct Stream {
    shared: Arc<Shared>,
    clock: Clock,
    /// Whether nothing was written since it was last flushed. hyper flushes whenever it is polled.
    is_flushed: bool,
    /// Who is woken when the transport can move on; `None` is whoever polls.
    call: Option<Waker>,
}

/// The client's end.
#[derive(Clone)]
pub(crate) struct Gauge {
    shared: Arc<Shared>,
    /// Asked for once: they do not change, and asking is a system call.
    addresses: (Option<SocketAddr>, Option<SocketAddr>),
}

struct Shared {
    state: Mutex<State>,
    count: Count,
}

/// What passed. hyper's end writes it, but for [`Gauge::begin`], when nothing is under way.
#[derive(Default)]
struct Count {
    /// When a byte last came or went, or the connection was opened, in nanoseconds of the client's
    /// time.
    last_byte: AtomicU64,
    /// When a byte last went.
    last_sent: AtomicU64,
    /// How many bytes went since the request began.
    sent: AtomicU64,
    /// How often something came since the request began; the end counts.
    reads: AtomicU32,
}

struct State {
    transport: Box<dyn Transport>,
    tap: Option<Tapped>,
    failure: Option<io::ErrorKind>,
    blind: Blind,
}

/// Whether what has arrived may be seen.
enum Blind {
    No,
    /// Not before something was written; who waited for it is woken then.
    UntilWritten(Option<Waker>),
}

struct Tapped {
    tap: Box<dyn Tap>,
    /// What was read passes through here, since a cursor does not tell what was put into it.
    buffer: Box<[u8]>,
}

/// How much is read at once where the bytes are watched.
const TAPPED_READ_MAX: usize = 8 * 1024;

impl Stream {
    pub(crate) fn new(
        transport: Box<dyn Transport>,
        clock: Clock,
        tap: Option<Box<dyn Tap>>,
    ) -> (Self, Gauge) {
        let tap =
            tap.map(|tap| Tapped { tap, buffer: vec![0; TAPPED_READ_MAX].into_boxed_slice() });
        let addresses = (transport.local_addr(), transport.peer_addr());
        let count = Count::default();
        count.last_byte.store(clock.now().as_nanos(), Relaxed);
        let state = State { transport, tap, failure: None, blind: Blind::No };
        let shared = Arc::new(Shared { state: Mutex::new(state), count });
        (
            Self { shared: Arc::clone(&shared), clock, is_flushed: true, call: None },
            Gauge { shared, addresses },
        )
    }

    /// Wakes `call` when the transport can move on.
    pub(crate) fn calling(self, call: Waker) -> Self {
        Self { call: Some(call), ..self }
    }

    fn called<'a>(&'a self, cx: &'a Context<'_>) -> Context<'a> {
        Context::from_waker(self.call.as_ref().unwrap_or_else(|| cx.waker()))
    }
}

impl Gauge {
    /// Makes the connection look as if nothing had arrived, until something is written.
    pub(crate) fn blind_until_written(&self) {
        self.lock().blind = Blind::UntilWritten(None);
    }

    /// Begins to count what one request sends and gets back.
    pub(crate) fn begin(&self) {
        let Count { sent, reads, .. } = &self.shared.count;
        sent.store(0, Relaxed);
        reads.store(0, Relaxed);
    }

    /// Returns how many bytes went out since the request began.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.count.sent.load(Relaxed)
    }

    /// Returns when something last went out, if anything did since the request began.
    pub(crate) fn last_sent(&self) -> Option<Instant> {
        let last_sent = Instant::from_nanos(self.shared.count.last_sent.load(Relaxed));
        (self.sent() > 0).then_some(last_sent)
    }

    /// Returns how often something came since the request began; the end counts.
    pub(crate) fn reads(&self) -> u32 {
        self.shared.count.reads.load(Relaxed)
    }

    /// Returns when a byte last came or went.
    pub(crate) fn last_byte(&self) -> Instant {
        Instant::from_nanos(self.shared.count.last_byte.load(Relaxed))
    }

    /// Returns what the transport failed of.
    pub(crate) fn failure(&self) -> Option<io::ErrorKind> {
        self.lock().failure
    }

    /// Returns the addresses of this end and of the other.
    pub(crate) fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        self.addresses
    }

    /// Returns what the kernel says of the pause, if it does.
    pub(crate) fn wire_idle(&self) -> Option<WireIdle> {
        self.lock().transport.wire_idle()
    }

    /// Returns what the system says of what was sent, if it does.
    pub(crate) fn delivery(&self) -> Option<Delivery> {
        self.lock().transport.delivery()
    }

    /// Says farewell, as far as that needs no waiting.
    pub(crate) fn shut_down(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let _said = Pin::new(&mut self.lock().transport).poll_shutdown(&mut context);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in a transport leaves nothing here half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn wrote(&self, now: Instant, length: usize) {
        self.last_byte.store(now.as_nanos(), Relaxed);
        self.last_sent.store(now.as_nanos(), Relaxed);
        self.sent.store(self.sent.load(Relaxed) + length as u64, Relaxed);
    }

    fn read(&self, now: Instant) {
        self.last_byte.store(now.as_nanos(), Relaxed);
        self.reads.store(self.reads.load(Relaxed).saturating_add(1), Relaxed);
    }
}

impl State {
    fn failed(&mut self, now: Instant, reading: bool, error: &io::Error) {
        self.failure.get_or_insert(error.kind());
        if let Some(tapped) = &mut self.tap {
            tapped.tap.failed(now, reading, error);
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
        clock: &Clock,
    ) -> Poll<io::Result<()>> {
        let transport = Pin::new(&mut self.transport);
        let Some(tapped) = &mut self.tap else { return transport.poll_read(cx, cursor) };
        let room = tapped.buffer.len().min(cursor.remaining());
        let mut buffer = ReadBuf::new(&mut tapped.buffer[..room]);
        ready!(transport.poll_read(cx, buffer.unfilled()))?;
        tapped.tap.received(clock.now(), buffer.filled());
        cursor.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Lets what has arrived be seen.
    fn see(&mut self) {
        if let Blind::UntilWritten(waker) = core::mem::replace(&mut self.blind, Blind::No)
            && let Some(waker) = waker
        {
            waker.wake();
        }
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.shared.lock();
        let mut called = self.called(cx);
        if let Blind::UntilWritten(waker) = &mut state.blind {
            *waker = Some(called.waker().clone());
            return Poll::Pending;
        }
        let read = ready!(state.poll_read(&mut called, cursor, &self.clock));
        let now = self.clock.now();
        match &read {
            Ok(()) => self.shared.count.read(now),
            Err(error) => state.failed(now, true, error),
        }
        Poll::Ready(read)
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.shared.lock();
        let flushed = ready!(Pin::new(&mut state.transport).poll_flush(&mut self.called(cx)));
        if let Err(error) = &flushed {
            state.failed(self.clock.now(), false, error);
        }
        drop(state);
        self.is_flushed = flushed.is_ok();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.shared.lock().transport).poll_shutdown(&mut self.called(cx))
    }

    fn is_write_vectored(&self) -> bool {
        self.shared.lock().transport.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        let mut state = self.shared.lock();
        let written = ready!(
            Pin::new(&mut state.transport).poll_write_vectored(&mut self.called(cx), slices)
        );
        let now = self.clock.now();
        match &written {
            Ok(length) => {
                self.shared.count.wrote(now, *length);
                state.see();
                if let Some(tapped) = &mut state.tap {
                    show(tapped, now, slices, *length);
                }
            }
            Err(error) => state.failed(now, false, error),
        }
        Poll::Ready(written)
    }
}

/// Shows the tap the first `length` bytes of `slices`.
fn show(tapped: &mut Tapped, now: Instant, slices: &[io::IoSlice<'_>], mut length: usize) {
    for slice in slices {
        let part = &slice[..slice.len().min(length)];
        if !part.is_empty() {
            tapped.tap.sent(now, part);
        }
        length -= part.len();
    }
}
