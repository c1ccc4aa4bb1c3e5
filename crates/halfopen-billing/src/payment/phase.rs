//! What a connection waits for, as its stream shows it, and until when.
//!
//! hyper has one timer for the head of a request, which runs while a connection idles too. Servers
//! have two, and halfopen is about the second.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::settings::Settings;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the first byte of a request, since it was accepted or its last answer was taken.
    Idle(Instant),
    /// For the rest of a request's head, since its first byte.
    Head(Instant),
    /// For the module to answer. Whoever answers keeps the time.
    Request,
    /// For the client to take the answer, since it was ready.
    Answer(Instant),
}

impl Phase {
    /// Returns when the connection has waited long enough.
    pub(super) fn deadline(self, settings: &Settings) -> Option<Instant> {
        match self {
            Self::Idle(since) => since.checked_add(settings.keep_alive?),
            Self::Head(since) => since.checked_add(settings.head_timeout),
            Self::Request => None,
            Self::Answer(since) => since.checked_add(settings.body_timeout),
        }
    }
}

/// The phase of one connection, shared by those who see it change.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Mutex<Phase>>);

impl Watch {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Phase::Idle(Instant::now()))))
    }

    pub(super) fn enter(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(super) fn phase(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that notices where requests begin and where answers have gone.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    watch: Watch,
}

impl<S> Watched<S> {
    pub(super) const fn new(stream: S, watch: Watch) -> Self {
        Self { stream, watch }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before && matches!(self.watch.phase(), Phase::Idle(_)) {
            self.watch.enter(Phase::Head(Instant::now()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes its own buffer into the stream first, and bodies here are whole: what has been
    /// flushed is an answer to its end.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) && matches!(self.watch.phase(), Phase::Answer(_))
        {
            self.watch.enter(Phase::Idle(Instant::now()));
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
